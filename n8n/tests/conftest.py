"""One n8n and one service for all tests; n8n starts anew only when a test wants it set up otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from n8n_process import BROKER, DIRECT, N8n
from service_stack import Service, Stack, free_port, run_stack

# Under 65 seconds n8n waits in memory, so that a video takes seconds; from there on it waits in its database.
QUICK = {"AI_AVATAR_FIRST_PAUSE_SECONDS": "0.5", "AI_AVATAR_LONGEST_PAUSE_SECONDS": "2"}
PATIENT = {"AI_AVATAR_FIRST_PAUSE_SECONDS": "66", "AI_AVATAR_LONGEST_PAUSE_SECONDS": "66"}
Mode = Literal["inactive", "quick", "patient", "wrong secret"]


@dataclass
class House:
    """n8n and what it works with."""

    stack: Stack
    n8n: N8n
    _mode: Mode | None = field(default=None, init=False)
    _active: bool = field(default=False, init=False)
    _kept_before: dict[str, list[str]] = field(default_factory=dict, init=False)

    def enter(self, mode: Mode) -> None:
        if mode != self._mode:
            self.n8n.stop()
            if mode != "inactive" and not self._active:
                self.n8n.activate_workflows()
                self._active = True
            elif mode == "inactive" and self._active:
                self.n8n.deactivate_workflows()
                self._active = False
            secret = self.stack.keys.webhook_secret if mode != "wrong secret" else Stack.another_secret()
            self.n8n.settings |= {"AI_AVATAR_WEBHOOK_SECRET": secret}
            self.n8n.settings |= PATIENT if mode == "patient" else QUICK
            self.n8n.start()
            self._mode = mode
        # Nothing left over from another test asks any more when the lists of requests are emptied.
        self._kept_before = {slug: self.n8n.wait_until_idle(slug) for slug in (BROKER, DIRECT)}
        self.stack.to_service.forget()
        self.stack.to_heygen.forget()

    def new_executions(self, workflow: str) -> list[str]:
        """What n8n keeps of this test's executions once they have ended: the red ones, by our settings."""
        kept = self.n8n.wait_until_idle(workflow)
        return kept[len(self._kept_before[workflow]) :]

    def wait_for_create(self, videos: int = 1) -> None:
        """Until HeyGen has been asked for so many videos."""
        deadline = time.monotonic() + 20
        while len(self.stack.to_heygen.statuses("POST", "/v3/videos")) < videos:
            assert time.monotonic() < deadline, self.stack.to_heygen.passed
            time.sleep(0.1)

    def service(self, workflow: str) -> Service:
        return self.stack.services[workflow]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("n8n")
    n8n = N8n(folder / "n8n", free_port(), {})
    with run_stack(folder, {slug: n8n.webhook_url(slug) for slug in (BROKER, DIRECT)}) as stack:
        n8n.settings = {
            "AI_AVATAR_SERVICE_URL": stack.to_service.url,
            "AI_AVATAR_HEYGEN_URL": stack.to_heygen.url,
        }
        n8n.install_workflows(webhook_token=stack.keys.webhook_token, service_key=stack.keys.n8n_api_key)
        try:
            yield House(stack, n8n)
        finally:
            n8n.stop()


@pytest.fixture
def inactive(house: House) -> House:
    """Both workflows are imported, neither is switched on."""
    house.enter("inactive")
    return house


@pytest.fixture
def quick(house: House) -> House:
    """Both workflows are active and wait a second or two."""
    house.enter("quick")
    return house


@pytest.fixture
def patient(house: House) -> House:
    """Both workflows are active and wait as in production: in n8n's database."""
    house.enter("patient")
    return house


@pytest.fixture
def wrong_secret(house: House) -> House:
    """n8n checks signatures with another secret than the service's."""
    house.enter("wrong secret")
    return house


@pytest.fixture(params=[BROKER, DIRECT])
def workflow(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name
