"""The sandbox's stand-in n8n makes the same calls as the workflows, in the same order."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from app.sandbox.workflow import Job, Pauses, Service, run

from n8n_harness import N8nHarness
from n8n_process import DIRECT
from service_stack import NO_WORKFLOW


@pytest.mark.parametrize("script", ["Hello.", "Hello. [fail]"], ids=["success", "failure"])
def test_stand_in_takes_the_same_steps(quick: N8nHarness, workflow: str, script: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content(script=script)
    service.start_video(content_id)
    real = service.wait_for_end(content_id)
    assert quick.new_executions(workflow) == []
    real_calls = _calls(quick)

    quick.stack.to_service.forget()
    quick.stack.to_heygen.forget()
    unclaimed = quick.service(NO_WORKFLOW)
    content_id = unclaimed.new_content(script=script)
    asyncio.run(_run_stand_in(quick, workflow, unclaimed.start_video(content_id), script))

    assert _calls(quick) == real_calls
    stand_in = unclaimed.generation(content_id)
    assert stand_in["status"] == real["status"]
    assert bool(stand_in["error"]) == bool(real["error"])


async def _run_stand_in(harness: N8nHarness, workflow: str, generation: dict[str, str], script: str) -> None:
    pauses = Pauses(first=0.5, factor=1.5, longest=2)
    job = Job(generation["business_id"], generation["content_id"], generation["id"], script, "stand-in-1")
    async with httpx.AsyncClient() as client:
        key = harness.stack.keys.n8n_api_key
        to_service = Service(client, harness.stack.to_service.url, key, "heygen", pauses)
        await run(to_service, job, harness.stack.to_heygen.url if workflow == DIRECT else None)


def _calls(harness: N8nHarness) -> list[list[tuple[str, str]]]:
    """Return the distinct calls to the service and to HeyGen, in order of first occurrence."""
    relays = [harness.stack.to_service, harness.stack.to_heygen]
    made = [[(p.method, _without_id(p.path)) for p in relay.passed] for relay in relays]
    assert made[0], "the workflow called the service"
    return [list(dict.fromkeys(calls)) for calls in made]


def _without_id(path: str) -> str:
    start, _, last = path.rpartition("/")
    return f"{start}/…" if len(last) >= 32 else path
