"""Retrying outgoing calls within a budget."""

import asyncio

import pytest

from app.http import Backoff, Retry, retry_within

pytestmark = pytest.mark.anyio

QUICK = Backoff(first=0.001, longest=0.002)


class Attempts:
    """Returns one result after another, the last one for good."""

    def __init__(self, *results: str | Retry) -> None:
        self.results = list(results)
        self.times: list[float] = []

    async def __call__(self) -> str | Retry:
        self.times.append(asyncio.get_running_loop().time())
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]


async def test_attempt_is_repeated_until_it_succeeds() -> None:
    attempts = Attempts(Retry(ValueError()), Retry(ValueError()), "done")
    assert await retry_within(30, attempts, backoff=QUICK) == "done"
    assert len(attempts.times) == 3


async def test_last_error_is_raised_after_max_attempts() -> None:
    attempts = Attempts(Retry(ValueError("first")), Retry(ValueError("second")), "too late")
    with pytest.raises(ValueError, match="second"):
        await retry_within(30, attempts, max_attempts=2, backoff=QUICK)


async def test_retry_after_is_waited_for() -> None:
    attempts = Attempts(Retry(ValueError(), after=0.2), "done")
    assert await retry_within(30, attempts, backoff=QUICK) == "done"
    assert attempts.times[1] - attempts.times[0] >= 0.19


async def test_pause_that_does_not_fit_into_the_budget_is_not_waited_for() -> None:
    attempts = Attempts(Retry(ValueError("busy"), after=60))
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="busy"):
            await retry_within(30, attempts)
    assert len(attempts.times) == 1


async def test_attempt_that_is_running_when_the_budget_ends_is_a_timeout() -> None:
    async def attempt() -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await retry_within(0.05, attempt)


async def test_error_that_is_raised_is_final() -> None:
    async def attempt() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the one just raised
        await retry_within(30, attempt)
