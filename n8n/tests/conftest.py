"""Fixtures: one n8n and one service for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from n8n_harness import N8nHarness
from n8n_process import BROKER, DIRECT, INSTALLATION, VERSION, N8nProcess
from service_stack import free_port, run_stack


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[N8nHarness]:
    if not (INSTALLATION / "installed").exists():
        pytest.fail(f"n8n is not installed. Run: n8n/install {VERSION}")
    folder: Path = tmp_path_factory.mktemp("n8n")
    n8n = N8nProcess(folder / "n8n", free_port(), {})
    with run_stack(folder, {slug: n8n.webhook_url(slug) for slug in (BROKER, DIRECT)}) as stack:
        n8n.settings = {
            "AI_AVATAR_SERVICE_URL": stack.to_service.url,
            "AI_AVATAR_HEYGEN_URL": stack.to_heygen.url,
        }
        n8n.install_workflows(webhook_token=stack.keys.webhook_token, service_key=stack.keys.n8n_api_key)
        try:
            yield N8nHarness(stack, n8n)
        finally:
            n8n.stop()


@pytest.fixture
def inactive(harness: N8nHarness) -> N8nHarness:
    """Both workflows are imported and inactive."""
    harness.enter("inactive")
    return harness


@pytest.fixture
def quick(harness: N8nHarness) -> N8nHarness:
    """Both workflows are active, with pauses of up to two seconds."""
    harness.enter("quick")
    return harness


@pytest.fixture
def patient(harness: N8nHarness) -> N8nHarness:
    """Both workflows are active, with pauses that n8n stores in its database, as in production."""
    harness.enter("patient")
    return harness


@pytest.fixture
def wrong_secret(harness: N8nHarness) -> N8nHarness:
    """n8n checks signatures with a secret that is not the service's."""
    harness.enter("wrong secret")
    return harness


@pytest.fixture
def pruning(harness: N8nHarness) -> N8nHarness:
    """Both workflows are active, and n8n deletes ended executions every three seconds."""
    harness.enter("pruning")
    return harness


@pytest.fixture(params=[BROKER, DIRECT])
def workflow(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
