"""Warnings and errors in the logs of service processes, which a test has to expect (tests/end_to_end/conftest.py)."""

import re
from contextlib import suppress
from pathlib import Path

# As JSON, and as the console shows it.
_EVENT = re.compile(
    r'"event": ?"(?P<json>[^"]+)".*"level": ?"(?:warning|error|critical)"'
    r"|\[(?:warning|error|critical) *\] (?P<console>\S+)"
)
_CODE = re.compile(r'"code": ?"(\w+)"| code=(\w+)')
_ALWAYS_UNEXPECTED = re.compile(r"Traceback \(most recent call last\)|\w+Warning:|^Fatal Python error")

ORDINARY = "an ordinary line"

_watched: dict[Path, int] = {}
_ended: list[str] = []


def watch(path: Path) -> None:
    """Look at what is written to a log from now on."""
    _watched.setdefault(path, path.stat().st_size if path.exists() else 0)


def end_watch(path: Path) -> None:
    """Keep what is new in a log that will be deleted."""
    _ended.extend(_new_lines(path))
    _watched.pop(path, None)


def take_lines() -> list[str]:
    """Return the lines that have been written since the last call."""
    lines = [line for path in _watched for line in _new_lines(path)]
    ended, _ended[:] = list(_ended), []
    return ended + lines


def unexpected(lines: list[str], expected: set[str]) -> list[str]:
    """Return the warnings and errors among log lines, but for the expected ones: `event`, or `event:code`."""
    return [line for line in lines if _ALWAYS_UNEXPECTED.search(line) or _names(line).isdisjoint(expected)]


def _names(line: str) -> set[str]:
    """Return what a test may call this line. A line that is neither warning nor error has the name that all expect."""
    event, code = _EVENT.search(line), _CODE.search(line)
    if event is None:
        return {ORDINARY}
    name = event["json"] or event["console"]
    return {name, f"{name}:{code[1] or code[2]}"} if code else {name}


def _new_lines(path: Path) -> list[str]:
    """Return the complete lines that are new."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(_watched[path])
        complete = file.read().rpartition(b"\n")[0]
        if complete:
            _watched[path] += len(complete) + 1
            return complete.decode(errors="replace").split("\n")
    return []
