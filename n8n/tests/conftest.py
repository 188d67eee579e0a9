"""Fixtures: one n8n and one service for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from n8n_harness import MODES, N8nHarness
from n8n_process import BROKER, DIRECT, INSTALLATION, SLUGS, VERSION, N8nProcess
from service_stack import Secrets, free_port, run_stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by the mode of n8n that they need. `killing` tests are the last of their mode."""

    def order(item: pytest.Item) -> tuple[int, bool]:
        needed = [MODES.index(name) for name in getattr(item, "fixturenames", ()) if name in MODES]
        return max(needed, default=-1), item.get_closest_marker("killing") is not None

    items.sort(key=order)


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[N8nHarness]:
    if not (INSTALLATION / "installed").exists():
        pytest.fail(f"n8n is not installed. Run: n8n/install {VERSION}")
    folder: Path = tmp_path_factory.mktemp("n8n")
    keys = Secrets()
    n8n = N8nProcess(folder / "n8n", free_port(), free_port(), {})
    with ThreadPoolExecutor(1) as pool:
        # The imports take as long as everything else together.
        imports = pool.submit(
            n8n.install_workflows, webhook_token=keys.webhook_token, service_key=keys.n8n_api_key
        )
        with run_stack(folder, keys, {slug: n8n.webhook_url(slug) for slug in SLUGS}) as stack:
            imports.result()
            n8n.settings = {
                "AI_AVATAR_SERVICE_URL": stack.to_service.url,
                "AI_AVATAR_HEYGEN_URL": stack.to_heygen.url,
                # In minutes. By default, n8n 2 deletes ended executions every quarter of an hour.
                "EXECUTIONS_DATA_PRUNE_HARD_DELETE_INTERVAL": "0.05",
            }
            try:
                yield N8nHarness(stack, n8n)
            finally:
                n8n.stop()


@pytest.fixture
def inactive(harness: N8nHarness) -> N8nHarness:
    """The workflows are imported and inactive."""
    harness.enter("inactive")
    return harness


@pytest.fixture
def quick(harness: N8nHarness) -> N8nHarness:
    """The workflows are active, with pauses of up to a second."""
    harness.enter("quick")
    return harness


@pytest.fixture
def patient(harness: N8nHarness) -> N8nHarness:
    """The workflows are active, with pauses that n8n stores in its database, as in production."""
    harness.enter("patient")
    return harness


@pytest.fixture(params=[BROKER, DIRECT])
def workflow(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
