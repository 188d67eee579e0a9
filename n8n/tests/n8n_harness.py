"""The real n8n, and the service and the stand-in HeyGen that it talks to: one of each for all tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, get_args

from n8n_process import SLUGS, N8nProcess
from service_stack import Service, Stack

# n8n keeps waits of less than 65 seconds in memory and stores longer ones in its database.
_QUICK = {"AI_AVATAR_FIRST_PAUSE_SECONDS": "0.2", "AI_AVATAR_LONGEST_PAUSE_SECONDS": "1"}
_PATIENT = {"AI_AVATAR_FIRST_PAUSE_SECONDS": "66", "AI_AVATAR_LONGEST_PAUSE_SECONDS": "66"}
Mode = Literal["inactive", "quick", "patient"]
# Tests run in this order, so that n8n is started once for each.
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass
class N8nHarness:
    """Restarts n8n only when a test needs other settings."""

    stack: Stack
    n8n: N8nProcess
    _mode: Mode | None = field(default=None, init=False)
    _kept_before: dict[str, list[str]] = field(default_factory=dict, init=False)

    def enter(self, mode: Mode) -> None:
        if mode != self._mode:
            self.restart(mode)
        # Let executions of earlier tests end, and wait for them before clearing the lists of requests.
        self.stack.to_heygen.forget()
        self._kept_before = {slug: self.n8n.wait_until_idle(slug) for slug in SLUGS}
        self.stack.to_service.forget()
        self.stack.to_heygen.forget()
        self.stack.to_tavus.forget()

    def restart(self, mode: Mode) -> None:
        """Stop n8n, unless it has been killed, and start it with the settings of this mode."""
        self.n8n.stop()
        self.n8n.set_active(mode != "inactive")
        self.n8n.settings |= _PATIENT if mode == "patient" else _QUICK
        # Two secrets as during a rotation, or none, which is no check.
        secrets = [] if mode == "patient" else [Stack.another_secret(), self.stack.keys.webhook_secret]
        self.n8n.settings["AI_AVATAR_WEBHOOK_SECRET"] = ",".join(secrets)
        self.n8n.start()
        self._mode = mode

    def new_executions(self, workflow: str) -> list[str]:
        """Return the statuses of this test's executions that n8n has kept after they ended: only failed ones."""
        kept = self.n8n.wait_until_idle(workflow)
        return kept[len(self._kept_before[workflow]) :]

    def has_written(self, text: str) -> bool:
        """Whether a file in n8n's folder (database, journal, log) contains this text."""
        return any(
            text.encode() in path.read_bytes() for path in self.n8n.folder.rglob("*") if path.is_file()
        )

    def hold_videos(self) -> None:
        """Let HeyGen be at work on every video until the end of this test."""
        self.show_videos({"status": "processing"})

    def show_videos(self, state: dict[str, str]) -> None:
        """Let HeyGen answer with this state whenever it is asked for a video, until the end of this test."""

        def answer(path: str) -> object:
            return {"data": {"id": path.rpartition("/")[2], **state}}

        self.stack.to_heygen.answer_each("GET", "/v3/videos/", 200, answer, times=1000)

    def wait_for_create(self, videos: int = 1) -> None:
        """Wait until HeyGen has received this number of create requests."""
        deadline = time.monotonic() + 60
        while len(self.stack.to_heygen.statuses("POST", "/v3/videos")) < videos:
            assert time.monotonic() < deadline, self.stack.to_heygen.passed
            time.sleep(0.1)

    def service(self, workflow: str) -> Service:
        return self.stack.services[workflow]
