"""The real n8n, and the service and the stand-in HeyGen that it talks to: one of each for all tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from n8n_process import BROKER, DIRECT, N8nProcess
from service_stack import Service, Stack

# n8n keeps waits of less than 65 seconds in memory and stores longer ones in its database.
QUICK = {"AI_AVATAR_FIRST_PAUSE_SECONDS": "0.5", "AI_AVATAR_LONGEST_PAUSE_SECONDS": "2"}
PATIENT = {"AI_AVATAR_FIRST_PAUSE_SECONDS": "66", "AI_AVATAR_LONGEST_PAUSE_SECONDS": "66"}
Mode = Literal["inactive", "quick", "patient", "wrong secret", "pruning"]


@dataclass
class N8nHarness:
    """Restarts n8n only when a test needs other settings."""

    stack: Stack
    n8n: N8nProcess
    _mode: Mode | None = field(default=None, init=False)
    _kept_before: dict[str, list[str]] = field(default_factory=dict, init=False)

    def enter(self, mode: Mode) -> None:
        if mode != self._mode:
            self.n8n.stop()
            self.n8n.set_active(mode != "inactive")
            self.n8n.settings |= PATIENT if mode == "patient" else QUICK
            self.n8n.settings["AI_AVATAR_WEBHOOK_SECRET"] = self._webhook_secret(mode)
            # In minutes. By default, n8n 2 deletes ended executions every quarter of an hour.
            prune_interval = "0.05" if mode == "pruning" else "15"
            self.n8n.settings["EXECUTIONS_DATA_PRUNE_HARD_DELETE_INTERVAL"] = prune_interval
            self.n8n.start()
            self._mode = mode
        # Wait for executions of earlier tests before clearing the lists of requests.
        self._kept_before = {slug: self.n8n.wait_until_idle(slug) for slug in (BROKER, DIRECT)}
        self.stack.to_service.forget()
        self.stack.to_heygen.forget()

    def _webhook_secret(self, mode: Mode) -> str:
        """Return two secrets as during a rotation, a wrong one, or none (no check)."""
        another = Stack.another_secret()
        right = f"{another},{self.stack.keys.webhook_secret}"
        return {"wrong secret": another, "patient": ""}.get(mode, right)

    def new_executions(self, workflow: str) -> list[str]:
        """Return the statuses of this test's executions that n8n has kept after they ended: only failed ones."""
        kept = self.n8n.wait_until_idle(workflow)
        return kept[len(self._kept_before[workflow]) :]

    def has_written(self, text: str) -> bool:
        """Whether a file in n8n's folder (database, journal, log) contains this text."""
        return any(
            text.encode() in path.read_bytes() for path in self.n8n.folder.rglob("*") if path.is_file()
        )

    def wait_for_create(self, videos: int = 1) -> None:
        """Wait until HeyGen has received this number of create requests."""
        deadline = time.monotonic() + 20
        while len(self.stack.to_heygen.statuses("POST", "/v3/videos")) < videos:
            assert time.monotonic() < deadline, self.stack.to_heygen.passed
            time.sleep(0.1)

    def service(self, workflow: str) -> Service:
        return self.stack.services[workflow]
