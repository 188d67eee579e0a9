"""What the service promises, checked against what clients, n8n and HeyGen saw."""

import asyncio
import re
import time
from dataclasses import dataclass, field

from chaos.stack import Stack
from chaos.traffic import Traffic

# Long for a busy machine: three processes, a database and all clients share two cores.
_SETTLE_SECONDS = 60


@dataclass
class Report:
    """Prints figures and promises of one scenario; remembers the broken ones."""

    broken: list[str] = field(default_factory=list)
    scenario: str = ""

    def begin(self, scenario: str) -> None:
        """Print the scenario's name."""
        self.scenario = scenario
        print(f"\n{scenario}", flush=True)

    def figure(self, text: object) -> None:
        """Print one line."""
        print(f"  {text}", flush=True)

    def promise(self, text: str, is_kept: object, seen: object = "") -> None:
        """Print a promise and whether it is kept."""
        details = f" ({seen})" if seen != "" else ""
        print(f"  {'kept  ' if is_kept else 'BROKEN'} {text}{details}", flush=True)
        if not is_kept:
            self.broken.append(f"{self.scenario}: {text}{details}")


async def check_generations(stack: Stack, users: Traffic, report: Report, *ends: str) -> None:
    """Wait until every generation has ended; check that none is lost, doubled or stuck.

    `ends`: how accepted jobs may end, beside with their video.
    """
    await _settle(stack)
    rows = await stack.admin.fetch(
        "select g.id::text, g.content_id, g.status, g.video_id, g.error, c.heygen_status, c.heygen_video_id "
        "from ai_avatar.generations g join public.content c on c.id = g.content_id"
    )
    by_id = {row["id"]: row for row in rows}
    report.figure(
        f"{len(users.accepted)} jobs accepted, {len(users.refused.keys() - users.accepted.keys())} refused"
    )
    unknown = [generation for generation in users.accepted.values() if generation not in by_id]
    report.promise("no accepted generation is lost", not unknown, len(unknown))
    live = [row for row in rows if row["status"] in ("dispatching", "processing")]
    report.promise("no generation is stuck", not live, len(live))
    stuck = await stack.admin.fetchval(
        "select count(*) from public.content c where heygen_status = 'processing' and not exists (select from "
        "ai_avatar.generations g where g.content_id = c.id and g.status in ('dispatching', 'processing'))"
    )
    report.promise("no content item is stuck in processing", stuck == 0, stuck)
    videos = {generation: ids for generation, ids in stack.heygen.videos.items() if generation in by_id}
    doubled = [generation for generation, ids in videos.items() if len(ids) > 1]
    paid = [by_id[generation]["content_id"] for generation in videos]
    twice = [item for item in set(paid) if paid.count(item) > 1]
    report.promise("no video is made twice", not doubled and not twice, f"{len(videos)} videos")
    dropped = [
        generation
        for generation, video in stack.heygen.told.items()
        if generation in by_id and by_id[generation]["video_id"] != video
    ]
    report.promise("no paid video is lost", not dropped, len(dropped))
    accepted = [by_id[generation] for generation in users.accepted.values() if generation in by_id]
    others = [row for row in accepted if row["status"] not in ("completed", *ends)]
    kept = f"every accepted job ends with its video{''.join(f', or {end}' for end in ends)}"
    report.promise(
        kept, not others, f"{len(others)}: {others[0]['status']}, {others[0]['error']}" if others else ""
    )


async def _settle(stack: Stack) -> None:
    """Wait until n8n's workflows have ended, then let what is left reach its deadline, and wait again."""
    live = "select count(*) from ai_avatar.generations where status in ('dispatching', 'processing')"
    started, last, since = time.monotonic(), -1, time.monotonic()
    is_aged = False
    while (count := await stack.admin.fetchval(live)) and time.monotonic() - started < _SETTLE_SECONDS:
        if count != last:
            last, since = count, time.monotonic()
        if not is_aged and time.monotonic() - since > 5:
            # As an hour later: background maintenance looks every 7.5 s at the latest.
            await stack.admin.execute(
                "update ai_avatar.generations set deadline = now() - interval '6 minutes'"
            )
            is_aged = True
        await asyncio.sleep(0.2)


def check_logs(stack: Stack, report: Report) -> None:
    """Check that nothing unexpected is in the services' logs."""
    text = "\n".join(service.log for service in stack.services)
    tracebacks = text.count("Traceback")
    report.promise("no traceback in the logs", tracebacks == 0, tracebacks or "")
    errors = re.findall(r'"event": ?"([^"]+)"[^\n]*"level": ?"(?:error|critical)"', text)
    report.promise("no error in the logs", not errors, ", ".join(sorted(set(errors))))
