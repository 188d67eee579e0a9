"""The whole life of a generation, in any order and two steps at once, against the database and a small model.

docs/generation.md draws the machine. Each operation is run on the real database and on `Model`; what both answer and
what both then hold must be equal. Two operations at once must come out as one of their two orders. The invariants of
the contract are checked besides, on what the database says alone.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr
from support.tenants import SECRETS_KEYS, make_content, make_tenant

from app.db import Database
from app.errors import AppError
from app.integrations.names import Details
from app.integrations.repository import IntegrationRepository, NewKey
from app.n8n.repository import ClaimRepository
from app.sealing import KeyRing
from app.security import Caller
from app.videos.content_repository import ContentRepository
from app.videos.repository import GenerationRepository
from app.videos.state import Report

N8N_CALLER = Caller("n8n")
SILENCE = "The video generation"
LIVE = ("dispatching", "processing")

Status = Literal["processing", "completed", "failed"]
Answer = tuple[Any, ...]


# What a caller, n8n, the clock or another application may do. `which` counts generations from the newest.


@dataclass(frozen=True)
class Start:
    content: int
    key: str | None
    business: int


@dataclass(frozen=True)
class WebhookYes:
    which: int


@dataclass(frozen=True)
class WebhookNo:
    which: int


@dataclass(frozen=True)
class Crash:
    """The process is killed: n8n's answer is never recorded."""

    which: int


@dataclass(frozen=True)
class Claim:
    which: int
    execution: str | None


@dataclass(frozen=True)
class Tell:
    """A report; by `content_id` where the workflow has no generation_id."""

    which: int
    execution: str | None
    status: Status
    names_video: bool
    by_content: bool


@dataclass(frozen=True)
class Cancel:
    content: int


@dataclass(frozen=True)
class Expire:
    which: int


@dataclass(frozen=True)
class Move:
    """Another application writes the content's status."""

    content: int
    status: str | None


@dataclass(frozen=True)
class Transfer:
    """Another application gives the content item to a business."""

    content: int
    business: int


@dataclass(frozen=True)
class Reset:
    content: int


Operation = Start | WebhookYes | WebhookNo | Crash | Claim | Tell | Cancel | Expire | Move | Transfer | Reset

# Mostly one content and its newest generation: what happens to different ones seldom meets.
contents = st.sampled_from([0, 0, 0, 1])
which = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])
executions = st.sampled_from(["a", "b", None])
businesses = st.sampled_from([0, 0, 0, 1])
starts = st.builds(Start, contents, st.sampled_from([None, None, "k", "l"]), businesses)
claims = st.builds(Claim, which, executions)
reports = st.builds(
    Tell,
    which,
    executions,
    st.sampled_from(["processing", "completed", "failed"]),
    st.booleans(),
    st.sampled_from([False, False, True]),
)
operations: st.SearchStrategy[Operation] = st.one_of(
    starts,
    starts,
    claims,
    claims,
    reports,
    reports,
    reports,
    st.builds(WebhookYes, which),
    st.builds(WebhookNo, which),
    st.builds(Crash, which),
    st.builds(Cancel, contents),
    st.builds(Expire, which),
    st.builds(Move, contents, st.sampled_from([None, "completed", "draft", "processing"])),
    st.builds(Transfer, contents, st.sampled_from([0, 1])),
    st.builds(Reset, contents),
)


@dataclass
class ModelContent:
    status: str | None = None
    video_id: str | None = None
    url: str | None = None
    message: str | None = None
    business: int = 0


@dataclass
class ModelGeneration:
    id: UUID
    content: int
    business: int
    before: str | None
    video_before: str | None
    key: str | None
    status: str = "dispatching"
    ended_by: str | None = None
    is_claimed: bool = False
    claimant: str | None = None
    video_id: str | None = None
    url: str | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


@dataclass
class Step:
    """An operation, with the generation that it means and what its report says."""

    operation: Operation
    generation: UUID | None = None
    content: int = 0
    report: Report | None = None
    alone: bool = True


@dataclass
class Model:
    """What the contract says, without a database."""

    contents: list[ModelContent] = field(default_factory=lambda: [ModelContent(), ModelContent()])
    generations: list[ModelGeneration] = field(default_factory=list)

    def apply(self, step: Step, actual: Answer) -> Answer:
        """What `step` should answer. `actual` gives the id of a new generation, and whether expiry skipped it."""
        match step.operation:
            case Start():
                return self.start(step.operation, actual[1] if actual[0] == "started" else uuid4())
            case Cancel(content):
                return self.cancel(content)
            case Move(content, status):
                self.contents[content].status = status
                return ("moved",)
            case Transfer(content, business):
                self.contents[content].business = business
                return ("transferred",)
            case Reset(content):
                return self.reset(content)
            case Tell(by_content=True):
                assert step.report
                return self.report(self.meant(step.content, step.report.execution_id), step.report)
        generation = next(g for g in self.generations if g.id == step.generation)
        match step.operation:
            case WebhookYes():
                generation.status = "processing" if generation.status == "dispatching" else generation.status
                return ("answered", generation.status)
            case WebhookNo():
                return self.roll_back(generation)
            case Claim(_, execution):
                return self.claim(generation, execution)
            case Tell():
                assert step.report
                return self.report(generation, step.report)
            case Expire():
                return self.expire(generation, skipped=not step.alone and actual == ("expired", False))
        raise AssertionError(step)

    def live(self, content: int) -> ModelGeneration | None:
        return next((g for g in self.generations if g.content == content and g.is_live), None)

    def owns(self, generation: ModelGeneration) -> bool:
        """Whether the content item still belongs to the generation's business."""
        return self.contents[generation.content].business == generation.business

    def restore(self, generation: ModelGeneration, message: str | None = None) -> None:
        content = self.contents[generation.content]
        if content.status == "processing":
            content.status, content.video_id = generation.before, generation.video_before
            if message and self.owns(generation):
                content.message = message

    def supersede(self, generation: ModelGeneration) -> None:
        if generation.status == "dispatching":
            generation.key = None  # not accepted yet: its key is free for a retry
        generation.status, generation.ended_by = "expired", "superseded"

    def start(self, asked: Start, new_id: UUID) -> Answer:
        content, key, business = asked.content, asked.key, asked.business
        mine = (g for g in self.generations if g.key == key and g.business == business)
        if key and (earlier := next(mine, None)):
            return ("replayed", earlier.id) if earlier.content == content else ("idempotency_key_reused",)
        row = self.contents[content]
        if row.business != business:
            return ("content_not_found",)
        if live := self.live(content):
            if self.owns(live) and row.status == "processing":
                return ("generation_in_progress",)
            self.supersede(live)
        before = None if row.status == "processing" else row.status
        self.generations.append(ModelGeneration(new_id, content, business, before, row.video_id, key))
        row.status = "processing"
        return ("started", new_id)

    def reset(self, content: int) -> Answer:
        if live := self.live(content):
            if self.owns(live):
                return ("generation_in_progress",)
            self.supersede(live)
        self.contents[content] = ModelContent(business=self.contents[content].business)
        return ("reset", [g.id for g in self.generations if g.content == content and self.owns(g)][-1:])

    def roll_back(self, generation: ModelGeneration) -> Answer:
        if generation.status == "dispatching" and not generation.is_claimed:
            generation.status, generation.ended_by = "failed", "webhook"
            self.restore(generation)
        if not generation.is_live and not generation.is_claimed:
            generation.key = None
        return ("answered", generation.status)

    def claim(self, generation: ModelGeneration, execution: str | None) -> Answer:
        if not generation.is_live:
            return ("generation_closed",)
        if generation.is_claimed and (execution is None or generation.claimant != execution):
            return ("generation_already_claimed",)
        generation.status, generation.is_claimed, generation.claimant = "processing", True, execution
        return ("claimed",)

    def meant(self, content: int, execution: str | None) -> ModelGeneration | None:
        """Whom a report by content_id is about."""
        mine = [g for g in reversed(self.generations) if g.content == content]
        live = self.live(content)
        if live and (live.claimant is None or execution is None or live.claimant == execution):
            return live
        claimed = [g for g in mine if execution is not None and g.claimant == execution]
        return next(iter(claimed + mine), None)

    def report(self, generation: ModelGeneration | None, report: Report) -> Answer:
        if generation is None:
            return ("generation_not_found",)
        if generation.claimant and generation.claimant != report.execution_id:
            return ("generation_already_claimed",)
        if generation.is_live:
            self.move_live(generation, report)
        elif generation.status == "failed" and generation.ended_by in ("cancel", "report"):
            generation.video_id = generation.video_id or report.video_id
            if generation.ended_by == "cancel" or report.status == "completed":
                return ("generation_closed",)
        elif generation.status == "completed":
            pass  # it never changes
        elif report.status == "completed":
            newest = [g for g in self.generations if g.content == generation.content][-1]
            self.complete(generation, report, follows=newest is generation and self.owns(generation))
        else:
            generation.video_id = generation.video_id or report.video_id
        return ("reported", generation.status, generation.url)

    def move_live(self, generation: ModelGeneration, report: Report) -> None:
        if not generation.is_claimed:
            generation.is_claimed, generation.claimant = True, report.execution_id
        if report.status == "completed":
            self.complete(generation, report, follows=self.owns(generation))
        else:
            generation.status, generation.video_id = report.status, report.video_id or generation.video_id
            generation.ended_by = "report" if report.status == "failed" else None
        content = self.contents[generation.content]
        if not self.owns(generation):
            if not generation.is_live:
                self.restore(generation)
        elif content.status == "processing":
            content.status, content.video_id = report.status, report.video_id or content.video_id
            content.message = report.error or content.message

    def complete(self, generation: ModelGeneration, report: Report, *, follows: bool) -> None:
        generation.status, generation.ended_by = "completed", "report"
        generation.video_id, generation.url = report.video_id or generation.video_id, report.video_url
        if follows:
            self.contents[generation.content] = ModelContent(
                "completed", generation.video_id, report.video_url, None, generation.business
            )

    def cancel(self, content: int) -> Answer:
        live = self.live(content)
        if live is None or not self.owns(live):
            ended = any(g.content == content and self.owns(g) for g in self.generations)
            return ("generation_not_live" if ended else "generation_not_found",)
        live.status, live.ended_by = "failed", "cancel"
        self.restore(live)
        return ("cancelled", live.id)

    def expire(self, generation: ModelGeneration, *, skipped: bool) -> Answer:
        if not generation.is_live or skipped:
            return ("expired", False)
        if generation.status == "dispatching":
            generation.key = None  # it was never accepted
        generation.status, generation.ended_by = "expired", "deadline"
        self.restore(generation, SILENCE)
        return ("expired", True)


class GenerationMachine(RuleBasedStateMachine):
    """Hypothesis chooses the steps; loop and connections are the test's."""

    runner: ClassVar[asyncio.Runner]
    db: ClassVar[Database]
    admin_pool: ClassVar[asyncpg.Pool]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.undecided: set[UUID] = set()  # dispatches whose webhook has not answered yet
        self.holders: defaultdict[UUID, list[str]] = defaultdict(list)
        self.completed: dict[UUID, tuple[Any, ...]] = {}
        self.urls: dict[UUID, str | None] = {}
        self.moved = [False, False]
        self.reports = 0

    def run(self, work: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await work

        return self.runner.run(wait())

    @initialize()
    def prepare(self) -> None:
        self.run(self._prepare())

    async def _prepare(self) -> None:
        self.generations = GenerationRepository(
            self.db, dispatch_timeout=timedelta(minutes=5), generation_timeout=timedelta(minutes=5)
        )
        self.content = ContentRepository(self.db)
        self.claims = ClaimRepository(self.db, generation_timeout=timedelta(minutes=5))
        async with self.admin_pool.acquire() as acquired:
            admin_connection = cast("asyncpg.Connection", acquired)
            tenants = [await make_tenant(admin_connection) for _ in range(2)]
            self.business_ids = [tenant.business_id for tenant in tenants]
            content_id = await make_content(admin_connection, self.business_ids[0])
            self.content_ids = [tenants[0].content_id, content_id]
        for business_id in self.business_ids:
            key = NewKey(KeyRing.parse(SECRETS_KEYS).seal("sandbox-key", business_id, "heygen"), None)
            await IntegrationRepository(self.db).set_ai_avatar_integration(
                business_id,
                "heygen",
                key,
                avatar_id="a",
                voice_id=None,
                provider_config=None,
                details=Details(),
            )

    @rule(operation=operations)
    def one(self, operation: Operation) -> None:
        """One operation; the database answers as the model does."""
        if (step := self.step(operation)) is None:
            return
        answer = self.run(self.perform(step))
        assert answer == self.model.apply(step, answer)
        self.note(step, answer)
        self.compare()

    @rule(first=operations, second=operations, gated=st.booleans())
    def two_at_once(self, first: Operation, second: Operation, gated: bool) -> None:
        """What comes of two at once is what comes of one of their two orders.

        `gated`: both are held up at the first row that they lock, so that they certainly meet.
        """
        steps = [step for operation in (first, second) if (step := self.step(operation, alone=False))]
        answered = [s.generation for s in steps if isinstance(s.operation, WebhookYes | WebhookNo | Crash)]
        if len(steps) < 2 or len(set(answered)) < len(answered):
            return  # a webhook answers once
        if all(isinstance(step.operation, Expire) for step in steps):
            return  # either would do the other's work: test_maintenance.py
        answers = self.run(self.perform_both(steps, gated=gated))
        found = self.run(self.read())
        for order in (0, 1), (1, 0):
            model = deepcopy(self.model)
            if all(model.apply(steps[i], answers[i]) == answers[i] for i in order):
                self.model, kept = model, self.model
                if self.expected() == found:
                    break
                self.model = kept
        else:
            raise AssertionError(f"neither order gives {answers} and {found}")
        for i in order:
            self.note(steps[i], answers[i])

    def step(self, operation: Operation, *, alone: bool = True) -> Step | None:
        """None: there is nothing to do it to."""
        match operation:
            case Start(content) | Cancel(content) | Move(content) | Transfer(content) | Reset(content):
                return Step(operation, content=content, alone=alone)
        if not self.model.generations:
            return None
        newest_first = self.model.generations[::-1]
        generation = newest_first[operation.which % len(newest_first)]
        if isinstance(operation, WebhookYes | WebhookNo | Crash) and generation.id not in self.undecided:
            return None
        if isinstance(operation, Crash):
            self.undecided.discard(generation.id)
            return None
        step = Step(operation, generation.id, generation.content, alone=alone)
        if isinstance(operation, Tell):
            self.reports += 1
            step.report = Report(
                operation.status,
                f"v{self.reports}" if operation.names_video else None,
                f"https://videos.test/{self.reports}" if operation.status == "completed" else None,
                f"failure {self.reports}" if operation.status == "failed" else None,
                operation.execution,
            )
        return step

    async def perform_both(self, steps: list[Step], *, gated: bool) -> list[Answer]:
        if gated:
            async with self.admin_pool.acquire() as gate, gate.transaction():
                await gate.execute(
                    "select from public.content where id = any($1) for no key update", self.content_ids
                )
                await gate.execute(
                    "select from ai_avatar.generations where content_id = any($1) for no key update",
                    self.content_ids,
                )
                tasks = [asyncio.create_task(self.perform(step)) for step in steps]
                await self.wait_until_blocked(tasks, gate)
        else:
            tasks = [asyncio.create_task(self.perform(step)) for step in steps]
        answers = await asyncio.gather(*tasks)
        # Who was skipped must not be found by a later expiry.
        await self.admin_pool.execute(
            "update ai_avatar.generations set deadline = now() + interval '5 minutes' "
            "where content_id = any($1) and deadline < now()",
            self.content_ids,
        )
        return answers

    async def wait_until_blocked(self, tasks: list["asyncio.Task[Answer]"], gate: Any) -> None:
        for _ in range(50):
            await asyncio.wait(tasks, timeout=0.002)
            blocked = await gate.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
                "and datname = current_database()"
            )
            if blocked + sum(task.done() for task in tasks) >= len(tasks):
                return

    async def perform(self, step: Step) -> Answer:
        try:
            return await self._perform(step)
        except AppError as error:
            return (error.code,)

    async def _perform(self, step: Step) -> Answer:
        rows = self.generations
        match step.operation:
            case Start(content, key, business):
                started = await rows.start_generation(
                    self.business_ids[business],
                    self.content_ids[content],
                    "heygen",
                    None,
                    key,
                    b"%d" % content,
                )
                return ("replayed" if started.is_replay else "started", started.id)
            case Cancel(content):
                return ("cancelled", (await rows.cancel_generation(None, self.content_ids[content])).id)
            case Move(content, status):
                await self.admin_pool.execute(
                    "update public.content set heygen_status = $2 where id = $1",
                    self.content_ids[content],
                    status,
                )
                return ("moved",)
            case Transfer(content, business):
                await self.admin_pool.execute(
                    "update public.content set business_id = $2 where id = $1",
                    self.content_ids[content],
                    self.business_ids[business],
                )
                return ("transferred",)
            case Reset(content):
                video = await self.content.reset_content(None, self.content_ids[content])
                return ("reset", [video.generation.id] if video.generation else [])
            case Expire():
                await self.admin_pool.execute(
                    "update ai_avatar.generations "
                    "set deadline = now() - interval '6 minutes', next_check_at = now() where id = $1",
                    step.generation,
                )
                expired = await rows.expire_generations(50)
                return ("expired", step.generation in [state.id for state in expired])
            case Tell(by_content=by_content):
                assert step.report
                state = await rows.report_generation(
                    "heygen",
                    step.report,
                    generation_id=None if by_content else step.generation,
                    content_id=self.content_ids[step.content] if by_content else None,
                )
                return ("reported", state.status, json.loads(state.json)["video_url"])
        assert step.generation
        match step.operation:
            case WebhookYes():
                return ("answered", (await rows.confirm_dispatch(step.generation)).status)
            case WebhookNo():
                return (
                    "answered",
                    (await rows.roll_back_dispatch(step.generation, "no", timed_out=False)).status,
                )
            case Claim(_, execution):
                await self.claims.claim_credentials(
                    N8N_CALLER, "test", "heygen", generation_id=step.generation, execution_id=execution
                )
                return ("claimed",)
        raise AssertionError(step)

    def note(self, step: Step, answer: Answer) -> None:
        """What the invariants remember, from the answers alone."""
        match step.operation, answer:
            case Start(content), ("started", new_id):
                self.undecided.add(new_id)
                self.moved[content] = False
            case Reset(content), ("reset", _):
                self.moved[content] = False
            case Move(content), _:
                self.moved[content] = True
            case ((WebhookYes() | WebhookNo()), _):
                assert step.generation
                self.undecided.discard(step.generation)
            case Claim(_, execution), ("claimed",):
                assert step.generation
                # Executions without an id are each another one.
                holder = execution or f"nameless {len(self.holders[step.generation])}"
                if holder not in self.holders[step.generation]:
                    self.holders[step.generation].append(holder)
            case Tell(status="completed"), ("reported", *told):
                self.check_completion_is_kept(step, told)

    def check_completion_is_kept(self, step: Step, told: list[Any]) -> None:
        assert step.report
        assert told[0] == "completed"
        rows = self.run(
            self.admin_pool.fetch(
                "select g.id, g.video_url, c.heygen_url, c.business_id = g.business_id as is_own, "
                "exists (select from ai_avatar.generations as newer "
                "where newer.content_id = g.content_id and newer.requested_at > g.requested_at) as has_newer "
                "from ai_avatar.generations g join public.content c on c.id = g.content_id "
                "where g.content_id = any($1) and g.video_url = $2",
                self.content_ids,
                told[1],
            )
        )
        [row] = rows
        # Later, or at the same time, the item may have been reset, or transferred and back.
        if row["is_own"] and step.alone and row["id"] not in self.urls:
            assert row["has_newer"] or row["heygen_url"] == told[1]
        # The first completion is the one that counts.
        assert told[1] == self.urls.setdefault(row["id"], step.report.video_url)

    def compare(self) -> None:
        assert self.run(self.read()) == self.expected()

    def expected(self) -> tuple[Any, Any]:
        return (
            [
                (c.status, c.video_id, c.url, c.message, self.business_ids[c.business])
                for c in self.model.contents
            ],
            {
                g.id: (
                    *(g.status, g.ended_by, g.is_claimed, g.claimant, g.video_id, g.url, g.key),
                    *(g.before, g.video_before),
                    [other.id for other in self.model.generations if other.content == g.content].index(g.id),
                )
                for g in self.model.generations
            },
        )

    async def read(self) -> tuple[Any, Any]:
        contents = {
            row["id"]: tuple(row)[1:]
            for row in await self.admin_pool.fetch(
                "select id, heygen_status, heygen_video_id, heygen_url, case when error_message like $2 || '%' "
                "then $2 else error_message end, business_id from public.content where id = any($1)",
                self.content_ids,
                SILENCE,
            )
        }
        generations = await self.admin_pool.fetch(
            "select id, status, ended_by, claimed_at is not null, claimed_by, video_id, video_url, "
            "idempotency_key, previous_heygen_status, previous_heygen_video_id, "
            "row_number() over (partition by content_id order by requested_at, id) - 1 "
            "from ai_avatar.generations where content_id = any($1)",
            self.content_ids,
        )
        return (
            [contents[content_id] for content_id in self.content_ids],
            {row["id"]: tuple(row)[1:] for row in generations},
        )

    @invariant()
    def holds(self) -> None:
        """The contract's invariants, from the database alone."""
        if not hasattr(self, "content_ids"):
            return
        contents, generations = self.run(self.read())
        for number, (status, *_) in enumerate(contents):
            ids = {g.id for g in self.model.generations if g.content == number}
            live = [1 for id_, row in generations.items() if id_ in ids and row[0] in LIVE]
            assert len(live) <= 1, "at most one generation lives per content"
            if not self.moved[number]:
                assert (status == "processing") == bool(live), "processing if and only if one lives"
        for id_, holders in self.holders.items():
            assert len(holders) == 1, "two executions never both hold a claim"
            assert generations[id_][2]
        for id_, row in generations.items():
            if row[0] == "completed":
                final = (row[0], row[4], row[5])
                assert self.completed.setdefault(id_, final) == final, "completed never changes"
        for id_ in self.completed:
            assert generations[id_][0] == "completed"


@pytest.fixture
def machine(database_url: str) -> Iterator[type[GenerationMachine]]:
    """The machine on this module's database; one loop and a few connections for all its steps."""
    with asyncio.Runner() as runner:

        async def connect_all() -> tuple[Database, asyncpg.Pool]:
            db = Database(SecretStr(database_url), pool_size=2)
            await db.open()
            return db, await asyncpg.create_pool(database_url, min_size=3, max_size=3)

        async def disconnect_all() -> None:
            await asyncio.gather(db.close(), admin_pool.close())

        db, admin_pool = runner.run(connect_all())
        yield type(
            "Machine",
            (GenerationMachine,),
            {"runner": runner, "db": db, "admin_pool": admin_pool, "__module__": __name__},
        )
        runner.run(disconnect_all())


@pytest.mark.slow
def test_any_order_of_steps_keeps_the_promises(machine: type[GenerationMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
