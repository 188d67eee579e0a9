"""Every end-to-end test fails on a warning or an error in a service's log that it does not expect.

Expected ones are named by `@pytest.mark.logs("event", "event:code", …)`, on a test or for a module.
"""

from collections.abc import Iterator

import pytest
from support import watched_logs


@pytest.fixture(autouse=True)
def no_unexpected_log_lines(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Look at the logs of all processes that ran during the test, and of the service in this process."""
    yield
    written = capsys.readouterr()
    print(written.out, end="")  # noqa: T201 - for pytest's report
    expected = {name for mark in request.node.iter_markers("logs") for name in mark.args} | {
        watched_logs.ORDINARY
    }
    found = watched_logs.unexpected(watched_logs.take_lines() + written.out.splitlines(), expected)
    assert not found, "not expected in a log:\n" + "\n".join(found)
