"""The entry point of `ai-avatar`: everything else is imported once Ctrl-C cannot interrupt the imports."""

import gc
import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

# Ctrl-C is how to stop `dev`: no error, not of `make` either.
_EXIT_CODE = 0 if sys.argv[1:2] == ["dev"] else 128 + signal.SIGINT


def main() -> None:
    """Run a command of app.cli."""
    # While importing, an exception could surface anywhere in a library; nothing has been started yet.
    signal.signal(signal.SIGINT, _exit)
    # What is imported stays: looking through it for garbage again and again takes a fifth of the time.
    gc.disable()
    from app.cli import main as run  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    time.sleep(0.1)  # GNU make complains about a child that ends before make itself has noticed Ctrl-C
    os._exit(_EXIT_CODE)


if __name__ == "__main__":
    main()
