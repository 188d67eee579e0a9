"""The rules that n8n/*.json keep: what a change in n8n's editor would break without a word."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.providers import PROVIDERS
from app.providers.base import ProviderSpec

FOLDER = Path(__file__).resolve().parents[2] / "n8n"
BROKER, DIRECT = "heygen-video", "heygen-video-direct"
# Until these have run, the caller is not authenticated, or there is no generation to report on.
BEFORE_THE_JOB = {"Receive the job", "Check the signature", "Read the settings", "Start one step"}
# They end an execution, or cannot fail.
CANNOT_FAIL = {
    "n8n-nodes-base.noOp",
    "n8n-nodes-base.stopAndError",
    "n8n-nodes-base.wait",
    "n8n-nodes-base.set",
}


class Workflow:
    """One workflow file as a graph."""

    def __init__(self, slug: str) -> None:
        self.text = (FOLDER / f"{slug}.json").read_text(encoding="utf-8")
        self.document: dict[str, Any] = json.loads(self.text)
        self.nodes: dict[str, dict[str, Any]] = {
            node["name"]: node
            for node in self.document["nodes"]
            if node["type"] != "n8n-nodes-base.stickyNote"
        }

    def outputs(self, name: str) -> list[list[str]]:
        outputs = self.document["connections"].get(name, {"main": []})["main"]
        return [[link["node"] for link in output] for output in outputs]

    def reachable(self, start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead += [target for output in self.outputs(name) for target in output]
        return found

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [node for node in self.nodes.values() if node["type"] == f"n8n-nodes-base.{kind}"]


@pytest.fixture(params=[DIRECT, *(f"{provider}-video" for provider in PROVIDERS)])
def workflow(request: pytest.FixtureRequest) -> Workflow:
    return Workflow(request.param)


def test_every_node_that_can_fail_leads_its_error_onward(workflow: Workflow) -> None:
    for name, node in workflow.nodes.items():
        decides_by_answer = node["type"] == "n8n-nodes-base.switch"
        if name in BEFORE_THE_JOB or node["type"] in CANNOT_FAIL or decides_by_answer:
            continue
        if node.get("onError") == "continueRegularOutput" or not workflow.outputs(name):
            continue
        assert node.get("onError") == "continueErrorOutput", name
        assert workflow.outputs(name)[-1], f"{name}: the error output leads nowhere"


def test_every_error_can_reach_the_failed_report() -> None:
    for slug, report in ((BROKER, "Report the failure"), (DIRECT, "Report the result")):
        workflow = Workflow(slug)
        for name, node in workflow.nodes.items():
            if node.get("onError") == "continueErrorOutput" and "Start one step" not in _sources(
                workflow, name
            ):
                assert report in workflow.reachable(workflow.outputs(name)[-1][0]), name


def test_wait_nodes_have_no_error_output(workflow: Workflow) -> None:
    """n8n 1.123 loses the item of such a node once the wait is stored, and ends green in the middle."""
    waits = workflow.of_type("wait")

    assert waits
    assert not [node["name"] for node in waits if "onError" in node]


def test_redirects_are_not_followed_and_every_answer_is_looked_at(workflow: Workflow) -> None:
    for node in workflow.of_type("httpRequest"):
        options = node["parameters"]["options"]
        assert options["redirect"]["redirect"]["followRedirects"] is False
        assert options["response"]["response"]["neverError"] is True
        assert options["timeout"] <= 60_000


def test_claim_carries_the_execution_id(workflow: Workflow) -> None:
    settings = workflow.nodes["Read the settings"]["parameters"]["jsCode"]

    assert "execution_id: $execution.id" in settings


def test_key_is_named_in_the_lower_lane_only() -> None:
    workflow = Workflow(DIRECT)
    upper = workflow.reachable("Receive the job")
    lower = workflow.reachable("Start one step")

    assert not upper & lower
    assert not [name for name in upper if "api_key" in json.dumps(workflow.nodes[name])]
    assert not [name for name in lower if workflow.nodes[name]["type"] == "n8n-nodes-base.wait"]
    assert "api_key" not in Workflow(BROKER).text


def test_direct_workflow_saves_no_execution() -> None:
    settings = Workflow(DIRECT).document["settings"]

    assert settings["saveDataSuccessExecution"] == "none"
    assert settings["saveDataErrorExecution"] == "none"
    assert settings["saveManualExecutions"] is False
    assert settings["saveExecutionProgress"] is False


def test_only_a_create_that_started_nothing_is_sent_to_heygen_again() -> None:
    assert "retryOnFail" not in Workflow(DIRECT).nodes["HeyGen: create a video"]


def test_webhooks_check_the_token_and_answer_at_once(workflow: Workflow) -> None:
    (webhook,) = workflow.of_type("webhook")

    assert webhook["parameters"]["authentication"] == "headerAuth"
    assert webhook["parameters"]["responseMode"] == "onReceived"
    assert webhook["parameters"]["options"] == {"rawBody": True}


def test_workflows_check_signatures_alike_and_have_paths_of_their_own() -> None:
    broker, direct = Workflow(BROKER), Workflow(DIRECT)

    assert (
        broker.nodes["Check the signature"]["parameters"] == direct.nodes["Check the signature"]["parameters"]
    )
    assert [w.of_type("webhook")[0]["parameters"]["path"] for w in (broker, direct)] == [BROKER, DIRECT]


@pytest.mark.parametrize("spec", [spec for spec in PROVIDERS.values() if spec.name != "heygen"])
def test_every_other_provider_has_the_workflow_that_is_made_from_heygen_s(spec: ProviderSpec) -> None:
    made = subprocess.run(
        [sys.executable, FOLDER / "for-provider", spec.name, spec.title],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    workflow = Workflow(f"{spec.name}-video")

    assert workflow.text == made
    assert workflow.of_type("webhook")[0]["parameters"]["path"] == f"{spec.name}-video"
    assert "heygen" not in made.casefold()
    originals = {node["id"] for node in Workflow(BROKER).document["nodes"]}
    assert not originals & {node["id"] for node in workflow.document["nodes"]}, (
        "n8n imports it beside HeyGen's"
    )


def test_files_hold_no_secret_and_no_address_but_heygens(workflow: Workflow) -> None:
    assert set(re.findall(r"https?://[^\s'\"`)]+", workflow.text)) <= {"https://api.heygen.com"}
    assert not re.search(r"whsec_[A-Za-z0-9+/]{8}", workflow.text)
    assert workflow.document["active"] is False


def test_readme_names_every_setting_and_credential(workflow: Workflow) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\$env\.(\w+)", workflow.text))
    named |= {c["name"] for n in workflow.nodes.values() for c in n.get("credentials", {}).values()}

    assert not [name for name in named if name not in readme]


def _sources(workflow: Workflow, name: str) -> set[str]:
    return {source for source in workflow.nodes if name in workflow.reachable(source)}
