"""Work that outlives the request that began it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app.background import RepeatedWarning, ShieldedTasks, retrying_outages
from app.errors import AppError, DatabaseUnavailable, GenerationNotFound, Overloaded, RateLimited

pytestmark = pytest.mark.anyio


async def test_work_goes_on_when_its_caller_is_cancelled_and_is_waited_for_at_the_end() -> None:
    begun, goes_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await goes_on.wait()
        done.set()

    tasks = ShieldedTasks()
    caller = asyncio.create_task(tasks.run_shielded(work()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller

    asyncio.get_running_loop().call_later(0.05, goes_on.set)
    await tasks.drain(30)

    assert done.is_set()


async def test_end_does_not_wait_longer_than_it_was_told() -> None:
    tasks = ShieldedTasks()
    caller = asyncio.create_task(tasks.run_shielded(asyncio.sleep(3600)))
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await tasks.drain(0.01)
    assert not caller.done()
    caller.cancel()


async def test_failure_of_a_task_without_a_waiter_is_no_warning() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise GenerationNotFound

    tasks = ShieldedTasks()
    caller = asyncio.create_task(tasks.run_shielded(fail()))
    await asyncio.sleep(0)
    caller.cancel()
    await tasks.drain(30)


@pytest.mark.parametrize("error", [DatabaseUnavailable, Overloaded, RateLimited])
async def test_database_that_is_away_or_full_is_tried_again(error: type[AppError]) -> None:
    tries = 0

    async def call() -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise error
        return tries

    assert await retrying_outages(30)(call) == 3


async def test_refusal_of_the_database_is_not_tried_again() -> None:
    tries = 0

    async def call() -> None:
        nonlocal tries
        tries += 1
        raise GenerationNotFound

    with pytest.raises(GenerationNotFound):
        await retrying_outages(30)(call)
    assert tries == 1


def test_repeated_warning_is_logged_when_its_code_changes_and_after_a_while_without_it() -> None:
    now = 0.0
    with capture_logs() as logs:
        warning = RepeatedWarning("work_failed", clock=lambda: now)
        for code in ("a", "a", "b", "b"):
            warning.note(code)
        now = 5.0
        warning.end()  # a single success amid the outage
        warning.note("b")
        now = 20.0
        warning.end()
        warning.note("b")
    assert [line["code"] for line in logs] == ["a", "b", "b"]


async def test_retries_log_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Each would be a warning with the call's arguments; the outage itself is logged once."""
    attempts = 0

    async def call(secret: str) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise DatabaseUnavailable

    await retrying_outages(5)(call, "an argument")
    written = capsys.readouterr()
    assert (attempts, written.out, written.err) == (3, "", "")
