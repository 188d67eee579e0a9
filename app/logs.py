"""Configures logging: structlog for this service's events, the standard library's loggers for everything else."""

import asyncio
import logging
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
import structlog
from fastapi.exceptions import ValidationException
from pydantic import ValidationError
from structlog.typing import ExcInfo, Processor


def _format_exception(exc_info: ExcInfo) -> str:
    """Return a traceback without the values of variables, which may be keys, and without invalid input.

    pydantic's and FastAPI's validation errors quote the input; their lines name the fields only.
    """
    return "".join(_exception_lines(exc_info[1])).rstrip("\n")


def _exception_lines(error: BaseException) -> Iterator[str]:
    if error.__cause__ is not None:
        yield from _exception_lines(error.__cause__)
        yield "\nThe above exception was the direct cause of the following exception:\n\n"
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _exception_lines(error.__context__)
        yield "\nDuring handling of the above exception, another exception occurred:\n\n"
    if isinstance(error, (ValidationError, ValidationException)):
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
        fields = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in error.errors()
        )
        yield f"{type(error).__name__}: {fields}\n"
    elif isinstance(error, BaseExceptionGroup):
        yield f"{type(error).__name__}: {error.message}\n"
        for member in error.exceptions:
            yield from _exception_lines(member)
    else:
        yield from traceback.format_exception(error, chain=False)


def _write_exception(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + _format_exception(exc_info))


_CONSOLE: Final = structlog.dev.ConsoleRenderer(
    colors=sys.stderr.isatty(), exception_formatter=_write_exception
)

# In effect until configure_logging is called, and in commands that never call it.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        _CONSOLE,
    ]
)


log = structlog.get_logger("app.requests")


def log_request(request_id: str, method: str, path: str, status: int, ms: float, *, quiet: bool) -> None:
    """Write the line of a request, at level debug if it is `quiet`: as JSON at a tenth of structlog's cost."""
    root = logging.getLogger()
    level = logging.DEBUG if quiet else logging.INFO
    if root.level > level:
        return
    for handler in root.handlers:
        if isinstance(handler, _JsonHandler):
            handler.write_request(
                {
                    "method": method,
                    "path": path,
                    "status": status,
                    "ms": ms,
                    "event": "request",
                    "request_id": request_id,
                    "level": "debug" if quiet else "info",
                    "logger": "app.requests",
                    "timestamp": datetime.now(UTC),
                }
            )
            return
    log.log(level, "request", method=method, path=path, status=status, ms=ms)


class _JsonHandler(logging.StreamHandler[TextIO]):
    """Writes records, and the lines of requests: those of one turn of the event loop at once."""

    def __init__(self) -> None:
        super().__init__()
        self._requests: deque[bytes] = deque()  # of all threads

    def write_request(self, line: dict[str, Any]) -> None:
        """Write a line at the end of this turn of the event loop."""
        try:
            text = orjson.dumps(line, option=_LINE)
        except orjson.JSONEncodeError:  # a path that is not valid Unicode
            text = orjson.dumps(line | {"path": ascii(line["path"])}, option=_LINE)
        if not self._requests:
            asyncio.get_running_loop().call_soon(self._write_requests)
        self._requests.append(text)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after the requests that were before it."""
        self._write_requests()
        super().emit(record)

    def _write_requests(self) -> None:
        lines = [self._requests.popleft() for _ in range(len(self._requests))]
        if lines:
            self.stream.write(b"".join(lines).decode())
            self.flush()


_LINE: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def _is_no_repetition(record: logging.LogRecord) -> bool:
    return record.msg != "Invalid HTTP request received."


def configure_logging(level: str, form: str) -> None:
    """Write every log record, libraries' included, as one line of JSON (`form` "json") or for a console."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    renderer: list[Processor] = (
        [structlog.processors.ExceptionRenderer(_format_exception), structlog.processors.JSONRenderer()]
        if form == "json"
        else [_CONSOLE]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _JsonHandler() if form == "json" else logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # RequestContext writes the request log, without query strings; these would print whole addresses.
    for name in ("uvicorn.access", "httpx", "httpcore", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The protocol logs each refused connection itself (app/server.py), with the client and the status.
    logging.getLogger("uvicorn.error").addFilter(_is_no_repetition)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
