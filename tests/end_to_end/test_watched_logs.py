"""The check of logs itself: it must notice what it is there for."""

import json
from pathlib import Path

import pytest
from support import watched_logs

EXPECTED = {watched_logs.ORDINARY, "database_unreachable", "request_failed:webhook_failed"}


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"event": "unexpected_error", "level": "error"}),
        json.dumps({"code": "database_unavailable", "event": "request_failed", "level": "warning"}),
        "2026-11-24T12:01:15Z [warning  ] batch_not_expired              error=DatabaseUnavailable",
        "Traceback (most recent call last):",
        "app/db.py:1: ResourceWarning: unclosed transport",
    ],
)
def test_warning_that_is_not_expected_is_found(line: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an earlier line\n")
    watched_logs.watch(log)
    with log.open("a") as file:
        file.write(f"{line}\nhalf a li")
    lines = watched_logs.take_lines()
    watched_logs.end_watch(log)
    assert lines == [line]
    assert watched_logs.unexpected(lines, EXPECTED) == [line]
    assert watched_logs.take_lines() == []


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"event": "request", "level": "info", "status": 200}),
        json.dumps({"code": "webhook_failed", "event": "request_failed", "level": "warning"}),
        "2026-11-24T12:01:15Z [warning  ] database_unreachable           detail='…'",
        "The AI-avatar service is running",
    ],
)
def test_ordinary_and_expected_lines_are_not_found(line: str) -> None:
    assert watched_logs.unexpected([line], EXPECTED) == []
