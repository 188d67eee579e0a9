"""Complete jobs through a real n8n: the service's webhook, the workflows and stand-ins for the providers."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from n8n_harness import N8nHarness
from n8n_process import BROKER, DIRECT, SLUGS, TAVUS, WORKFLOWS, node_versions
from service_stack import NO_WORKFLOW, Stack

UNAUTHORIZED = {"error": {"code": "unauthorized", "message": "Invalid API key"}}
NO_CREDIT = {"error": {"code": "insufficient_credit", "message": "Not enough credit"}}
FAULT = {"error": {"code": "internal_error", "message": "Something went wrong"}}


def test_workflows_are_imported_without_warnings(harness: N8nHarness) -> None:
    lines = harness.n8n.import_output.split("\n")

    assert [line for line in lines if line.strip()] == [
        f"Importing {len(SLUGS)} workflows...",
        f"Successfully imported {len(SLUGS)} workflows.",
    ]


def test_n8n_has_every_node_of_the_workflow(workflow: str) -> None:
    definition = json.loads((WORKFLOWS / f"{workflow}.json").read_text(encoding="utf-8"))
    used = {
        (node["type"].removeprefix("n8n-nodes-base."), node["typeVersion"]) for node in definition["nodes"]
    }

    assert used <= node_versions()


def test_previous_status_is_restored_when_the_workflow_is_inactive(
    inactive: N8nHarness, workflow: str
) -> None:
    service = inactive.service(workflow)
    content_id = service.new_content(previous_status="completed")

    response = service.generate(content_id)

    assert response.status_code == 502
    assert response.json()["code"] == "webhook_failed"
    assert service.content(content_id)["heygen_status"] == "completed"


def test_n8n_refuses_a_caller_with_another_token(quick: N8nHarness, workflow: str) -> None:
    response = httpx.post(
        quick.n8n.webhook_url(workflow), headers={"Authorization": "Bearer another"}, json={}, timeout=10
    )

    assert (response.status_code, response.text) == (403, "Authorization data is wrong!")


def test_video_is_made(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()

    service.start_video(content_id)
    generation = service.wait_for_end(content_id)

    assert generation["status"] == "completed"
    content = service.content(content_id)
    assert content["heygen_status"] == "completed"
    assert content["heygen_url"] == generation["video_url"]
    assert content["heygen_video_id"] == generation["video_id"]
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == [200]
    assert quick.new_executions(workflow) == []


def test_video_is_made_at_tavus_by_the_execution_that_comes_first(quick: N8nHarness) -> None:
    service = quick.service(TAVUS)
    content_id = service.new_content()

    generation = service.start_video(content_id)
    again = service.fire_webhook(quick.n8n.webhook_url(TAVUS), generation)
    ended = service.wait_for_end(content_id)

    assert (again.status_code, ended["status"], ended["provider"]) == (200, "completed", "tavus")
    assert service.content(content_id)["heygen_url"] == ended["video_url"]
    assert quick.stack.to_tavus.statuses("POST", "/v2/videos") == [200]
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == []
    assert 409 in quick.stack.to_service.statuses("POST", "/n8n/tavus/videos")
    assert quick.new_executions(TAVUS) == []
    assert not quick.has_written(quick.stack.keys.provider_key)


def test_failure_at_tavus_is_reported_in_words_for_users(quick: N8nHarness) -> None:
    service = quick.service(TAVUS)
    content_id = service.new_content(script="Please [fail:the script violates community guidelines]")

    service.start_video(content_id)
    ended = service.wait_for_end(content_id)

    assert (ended["status"], ended["error_code"]) == ("failed", "script_community_guidelines")
    assert service.content(content_id)["error_message"].startswith("The script violates Tavus's")


def test_unknown_outcome_at_tavus_ends_with_what_to_look_for(quick: N8nHarness) -> None:
    """Tavus has nothing that protects a repeated create, so its lost answer is final."""
    service = quick.service(TAVUS)
    content_id = service.new_content()
    quick.stack.to_tavus.lose_answer("POST", "/v2/videos")

    generation = service.start_video(content_id)
    ended = service.wait_for_end(content_id)

    assert ended["status"] == "failed"
    assert f'look for one whose name ends with "{generation["id"]}"' in ended["error"]
    assert len(quick.stack.to_tavus.statuses("POST", "/v2/videos")) == 1


def test_failure_at_heygen_is_reported_with_its_reason(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    quick.show_videos(
        {"status": "failed", "failure_code": "moderation", "failure_message": "The script was refused"}
    )

    service.start_video(content_id)
    generation = service.wait_for_end(content_id)

    assert generation["status"] == "failed"
    assert "The script was refused" in generation["error"]
    assert service.content(content_id)["heygen_status"] == "failed"


def test_rejected_key_is_reported(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    quick.stack.to_heygen.answer("POST", "/v3/videos", 401, UNAUTHORIZED, times=10)

    try:
        service.start_video(content_id)
        generation = service.wait_for_end(content_id)
    finally:
        service.reactivate()  # a rejected key sets the integration to `error`

    assert generation["status"] == "failed"
    assert "key" in generation["error"].lower()
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == []


def test_account_out_of_credit_is_reported(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    quick.stack.to_heygen.answer("POST", "/v3/videos", 402, NO_CREDIT, times=10)

    service.start_video(content_id)
    generation = service.wait_for_end(content_id)

    assert generation["status"] == "failed"
    assert "credit" in generation["error"].lower()


def test_webhook_fired_twice_makes_one_video(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()

    generation = service.start_video(content_id)
    again = service.fire_webhook(quick.n8n.webhook_url(workflow), generation)

    assert again.status_code == 200
    assert service.wait_for_end(content_id)["status"] == "completed"
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == [200]
    first_call = "/n8n/heygen/videos" if workflow == BROKER else "/n8n/heygen-credentials"
    assert 409 in quick.stack.to_service.statuses("POST", first_call)
    assert quick.new_executions(workflow) == []


def test_claim_is_repeated_when_its_answer_is_lost(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    first_call = "/n8n/heygen/videos" if workflow == BROKER else "/n8n/heygen-credentials"
    quick.stack.to_service.lose_answer("POST", first_call)

    generation = service.start_video(content_id)

    assert service.wait_for_end(content_id)["status"] == "completed"
    assert quick.stack.to_service.statuses("POST", first_call)[:2] == [200, 200]
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == [200]
    if workflow == DIRECT:
        assert service.key_handouts(generation["id"]) == 2


def test_last_report_is_repeated_when_its_answer_is_lost(quick: N8nHarness) -> None:
    service = quick.service(DIRECT)
    content_id = service.new_content()
    quick.stack.to_heygen.answer("POST", "/v3/videos", 402, NO_CREDIT, times=10)
    quick.stack.to_service.lose_answer("POST", "/n8n/heygen-status")

    service.start_video(content_id)

    assert service.wait_for_end(content_id)["status"] == "failed"
    quick.n8n.wait_until_idle(DIRECT)
    assert quick.stack.to_service.statuses("POST", "/n8n/heygen-status") == [200, 200]


def test_temporary_heygen_outage_costs_no_video(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    quick.stack.to_heygen.answer("GET", "/v3/videos/", 500, FAULT, times=4)

    service.start_video(content_id)

    assert service.wait_for_end(content_id)["status"] == "completed"


def test_create_whose_answer_is_lost_is_not_repeated(quick: N8nHarness) -> None:
    service = quick.service(DIRECT)
    content_id = service.new_content()
    quick.stack.to_heygen.lose_answer("POST", "/v3/videos")

    service.start_video(content_id)
    generation = service.wait_for_end(content_id)

    assert generation["status"] == "failed"
    assert "not known" in generation["error"]
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == [200]


def test_create_is_repeated_when_heygen_is_too_busy(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    busy = {"error": {"code": "rate_limit_exceeded", "message": "Too many requests"}}
    quick.stack.to_heygen.answer("POST", "/v3/videos", 429, busy)

    service.start_video(content_id)

    assert service.wait_for_end(content_id)["status"] == "completed"
    assert quick.stack.to_heygen.statuses("POST", "/v3/videos") == [200]


def test_cancelled_generation_ends_the_workflow_silently(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content(previous_status="failed")
    quick.hold_videos()

    service.start_video(content_id)
    quick.wait_for_create()
    service.cancel(content_id)

    assert quick.new_executions(workflow) == []
    assert service.generation(content_id)["error"] == "cancelled"
    assert service.content(content_id)["heygen_status"] == "failed"


def test_n8n_never_writes_the_key(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    quick.hold_videos()

    service.start_video(content_id)
    quick.wait_for_create()
    assert not quick.has_written(quick.stack.keys.provider_key)
    quick.stack.to_heygen.forget()
    service.wait_for_end(content_id)
    quick.n8n.wait_until_idle(workflow)

    assert not quick.has_written(quick.stack.keys.provider_key)


def test_ended_executions_leave_the_database(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(workflow)
    content_id = service.new_content()
    quick.hold_videos()

    generation = service.start_video(content_id)
    quick.wait_for_create()
    running = [data for data in quick.n8n.stored(workflow) if generation["id"] in data]
    assert any(quick.stack.keys.webhook_token in data for data in running)
    quick.stack.to_heygen.forget()
    service.wait_for_end(content_id)

    deadline = time.monotonic() + 60
    while any(generation["id"] in data for data in quick.n8n.stored(workflow)):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_job_with_a_wrong_signature_starts_nothing(quick: N8nHarness, workflow: str) -> None:
    service = quick.service(NO_WORKFLOW)
    content_id = service.new_content()
    generation = service.start_video(content_id)

    answer = service.fire_webhook(
        quick.n8n.webhook_url(workflow), generation, webhook_secret=Stack.another_secret()
    )

    assert answer.status_code == 200  # n8n answers before it checks the signature
    time.sleep(2)
    kept = ["error"] if workflow == BROKER else []  # the direct workflow keeps no executions
    assert quick.new_executions(workflow) == kept
    assert quick.stack.to_service.passed == []
    assert service.generation(content_id)["status"] == "processing"  # until its deadline
    service.cancel(content_id)


@pytest.mark.killing
def test_video_of_an_execution_that_is_killed_during_a_short_wait_is_found_by_the_service(
    quick: N8nHarness,
) -> None:
    service = quick.service(BROKER)
    content_id = service.new_content(previous_status="failed")
    quick.hold_videos()

    service.start_video(content_id)
    quick.wait_for_create()
    quick.n8n.kill()
    quick.restart("patient")
    asked = len(quick.stack.to_service.passed)
    time.sleep(3)

    assert len(quick.stack.to_service.passed) == asked  # the workflow has stopped asking
    assert quick.new_executions(BROKER) == ["crashed"]
    assert service.generation(content_id)["status"] == "processing"
    quick.stack.to_heygen.forget()
    service.let_deadline_pass(content_id)
    assert service.wait_for_end(content_id)["status"] == "completed"
    assert service.content(content_id)["heygen_status"] == "completed"


@pytest.mark.killing
def test_execution_killed_during_a_long_wait_continues_after_the_restart(patient: N8nHarness) -> None:
    content_ids, generations = {}, {}
    for workflow in (BROKER, DIRECT):
        service = patient.service(workflow)
        content_ids[workflow] = service.new_content()
        generations[workflow] = service.start_video(content_ids[workflow])["id"]
    patient.wait_for_create(2)
    for workflow in (BROKER, DIRECT):
        patient.n8n.wait_for_status(workflow, "waiting")
    assert all(patient.has_written(generation) for generation in generations.values())
    assert not patient.has_written(patient.stack.keys.provider_key)

    patient.n8n.kill()
    patient.n8n.end_waits()
    patient.n8n.start()

    for workflow, content_id in content_ids.items():
        generation = patient.service(workflow).wait_for_end(content_id)
        assert generation["status"] == "completed"
    assert patient.stack.to_heygen.statuses("POST", "/v3/videos") == [200, 200]
