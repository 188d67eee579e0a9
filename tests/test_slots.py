"""The queue for slots: cancelled and impatient callers, and the order of the others."""

import asyncio

import pytest

from app.admission import Admission, BusinessLimit, admitted, enter_business, waiting_outside
from app.errors import RateLimited
from app.slots import Slots

pytestmark = pytest.mark.anyio


async def test_one_beyond_the_limit_gives_up_and_leaves_the_queue() -> None:
    slots = Slots(1, 0.05)
    assert await slots.take()
    assert not await slots.take()
    assert (slots.held, slots.waiting) == (1, 0)


async def test_slots_go_to_those_that_waited_longest() -> None:
    slots, order = Slots(1, 5), list[int]()
    await slots.take()

    async def work(number: int) -> None:
        assert await slots.take()
        order.append(number)
        slots.release()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert not slots.take_at_once()
    slots.release()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    assert (slots.held, slots.waiting) == (0, 0)


async def test_no_newcomer_passes_those_that_wait() -> None:
    slots = Slots(1, 5)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    slots.release()
    assert not slots.take_at_once()
    assert await waiting


@pytest.mark.parametrize("released_before", [False, True], ids=["still waiting", "just handed a slot"])
async def test_cancelled_caller_takes_no_slot_with_it(released_before: bool) -> None:
    slots = Slots(1, 5)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    if released_before:
        slots.release()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if not released_before:
        slots.release()
    assert (slots.held, slots.waiting) == (0, 0)


async def test_work_that_was_admitted_comes_back_beyond_the_limit_and_is_counted() -> None:
    slots = Slots(1, 5)
    with admitted(Admission(slots, BusinessLimit(1, "requests", "requests"), None)):
        await slots.take()
        with waiting_outside(), waiting_outside():
            assert slots.take_at_once()
        assert slots.held == 2
        slots.release()
        assert not slots.take_at_once()
    assert slots.held == 0


async def test_request_counts_once_for_its_business_and_frees_what_it_held() -> None:
    limit = BusinessLimit(1, "requests", "requests", patience=0.05)
    slots = Slots(5, 5)

    async def request() -> None:
        await slots.take()
        with admitted(Admission(slots, limit, None)):
            await enter_business("a")
            await enter_business("a")
            await asyncio.sleep(0.15)

    first = asyncio.create_task(request())
    await asyncio.sleep(0.01)
    with pytest.raises(RateLimited) as refused:
        await request()
    assert refused.value.retry_after == 1
    await first
    await request()
    assert slots.held == 0
    assert not limit._slots, "no memory of businesses that are gone"


async def test_work_that_outlives_its_request_holds_nothing_of_it() -> None:
    slots = Slots(1, 5)
    await slots.take()
    ended = asyncio.Event()

    async def shielded() -> None:
        await ended.wait()
        with waiting_outside():
            await asyncio.sleep(0)

    with admitted(Admission(slots, BusinessLimit(1, "requests", "requests"), None)):
        task = asyncio.create_task(shielded())
        await asyncio.sleep(0)
    ended.set()
    await task
    assert slots.held == 0


async def test_owners_take_turns_however_many_wait_for_one_of_them() -> None:
    slots, order = Slots(1, 5), list[str]()
    await slots.take()

    async def work(owner: str) -> None:
        assert await slots.take(owner)
        order.append(owner)
        slots.release()

    tasks = [asyncio.create_task(work(owner)) for owner in ("a", "a", "a", "a", "b", "b", "c")]
    await asyncio.sleep(0)
    slots.release()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "a", "b", "a", "a"]
    assert (slots.held, slots.waiting) == (0, 0)


class Clock:
    """The time, which the test moves on."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.slots.time", clock)
    return clock


async def crowd(slots: Slots, count: int) -> list[asyncio.Task[bool]]:
    """Take every slot, and let so many wait."""
    while slots.take_at_once():
        pass
    waiting = [asyncio.create_task(slots.take("a")) for _ in range(count)]
    await asyncio.sleep(0)
    return waiting


def pass_on(slots: Slots, clock: Clock, times: int, seconds: float) -> None:
    for _ in range(times):
        clock.now += seconds
        slots.release()


async def end(waiting: list[asyncio.Task[bool]]) -> None:
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_newcomer_whose_turn_would_come_too_late_is_refused_at_once_and_another_owner_is_not(
    clock: Clock,
) -> None:
    slots = Slots(1, 60)
    waiting = await crowd(slots, 60)
    assert not slots.is_hopeless("a"), "the pace is not known yet"
    assert slots.is_hopeless("a", own_coming=200, coming=200), "too many, at any pace"
    pass_on(slots, clock, 20, seconds=2)
    assert slots.is_hopeless("a"), "40 wait, for 80 s"
    assert not await asyncio.wait_for(slots.take("a"), 5)
    assert not slots.is_hopeless("b"), "its turn is the next but one"
    rare = asyncio.create_task(slots.take("b"))
    await asyncio.sleep(0)
    pass_on(slots, clock, 2, seconds=2)
    assert await rare
    await end(waiting)
    assert slots.waiting == 0
    assert not slots.is_hopeless("a"), "an empty queue has no pace"


async def test_pace_is_that_of_the_last_turns(clock: Clock) -> None:
    """A queue that was slow, and is fast now, is not hopeless."""
    slots = Slots(1, 60)
    waiting = await crowd(slots, 700)
    pass_on(slots, clock, 20, seconds=2)
    assert slots.is_hopeless("a")
    pass_on(slots, clock, 500, seconds=0.01)
    assert not slots.is_hopeless("a")
    await end(waiting)


async def test_queue_in_which_no_one_gets_a_turn_becomes_hopeless(clock: Clock) -> None:
    slots = Slots(1, 60)
    waiting = await crowd(slots, 60)
    pass_on(slots, clock, 20, seconds=0.1)
    assert not slots.is_hopeless("a")
    clock.now += 50
    assert slots.is_hopeless("a")
    await end(waiting)
