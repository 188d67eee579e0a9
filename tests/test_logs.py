"""Tracebacks in the log: complete, and without the values that may be keys."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from fastapi.exceptions import ResponseValidationError
from pydantic import BaseModel, ValidationError

from app.logs import configure_logging

CANARY = "canary-input-66aa"


@pytest.fixture(autouse=True)
def previous_logging() -> Iterator[None]:
    """Logging as it was, after each test."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**configured)


class Model(BaseModel):
    number: int


def invalid_input() -> None:
    Model.model_validate({"number": CANARY})


def chained() -> None:
    try:
        invalid_input()
    except ValidationError as error:
        raise RuntimeError("while reading") from error


def in_a_group() -> None:
    try:
        invalid_input()
    except ValidationError as error:
        raise ExceptionGroup("several", [error, KeyError("k")]) from None


def invalid_response() -> None:
    raise ResponseValidationError(
        [{"type": "int_parsing", "loc": ("response", "number"), "msg": "bad", "input": CANARY}]
    )


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("logger", ["structlog", "logging"])
@pytest.mark.parametrize("fail", [invalid_input, chained, in_a_group, invalid_response])
def test_traceback_names_the_field_and_not_the_input(
    capsys: pytest.CaptureFixture[str], form: str, logger: str, fail: Callable[[], None]
) -> None:
    configure_logging("info", form)
    try:
        fail()
    except Exception:
        if logger == "structlog":
            structlog.get_logger("test").exception("failed")
        else:
            logging.getLogger("uvicorn.error").exception("failed")
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert fail.__name__ in text, "the line that failed"
    assert "number: int_parsing" in text
    assert CANARY not in text
    if form == "json":
        assert json.loads(text)["event"] == "failed"


def test_other_exceptions_keep_their_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    try:
        raise LookupError("something unheard of")
    except LookupError:
        structlog.get_logger("test").exception("failed")
    assert "LookupError: something unheard of" in capsys.readouterr().err
