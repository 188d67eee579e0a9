"""Load shedding: a process works on so many requests at a time, and refuses the others soon and cheaply.

Limits of one business's requests: app/admission.py.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.admission import Admission, BusinessLimit, admitted, requests_shed
from app.errors import Overloaded
from app.problems import ready_problem
from app.slots import Slots

log = structlog.get_logger(__name__)

# How long a request waits for a slot.
_QUEUE_SECONDS: Final = 0.3
# n8n has slots of its own, a quarter as many, of which one business, or one generation, may have half.
_N8N_SHARE: Final = 4
# Health, metrics, the documentation and static files cost little, and are needed most under overload.
_LIMITED_PATHS: Final = ("/integrations/", "/n8n/", "/api/integrations/", "/api/n8n/")
_N8N_PATHS: Final = ("/n8n/", "/api/n8n/")
_LOG_SECONDS: Final = 10.0


class LoadShedding:
    """Admits requests while there are slots, and refuses the others soon: 503 `overloaded`.

    n8n has slots of its own, which only its key opens: reports of paid videos must arrive, whatever else goes on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int,
        limit_per_business: int,
        is_n8n: Callable[[str], object],
        problem_type_url: str,
    ) -> None:
        """`limit`: of requests at once. `is_n8n`: whether an API key is n8n's."""
        self._app = app
        self._is_n8n = is_n8n
        n8n_limit = max(2, limit // _N8N_SHARE)
        self._general = Slots(limit, _QUEUE_SECONDS)
        self._n8n = Slots(n8n_limit, _QUEUE_SECONDS)
        self._per_business = BusinessLimit(limit_per_business, "requests", "requests")
        self._n8n_per_business = BusinessLimit(n8n_limit // 2, "n8n_requests", "of n8n's requests")
        self._overloaded = ready_problem(Overloaded(), problem_type_url)
        self._quiet_until = 0.0
        self._unlogged = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED_PATHS):
            await self._app(scope, receive, send)
            return
        from_n8n = scope["path"].startswith(_N8N_PATHS) and self._has_n8n_key(scope)
        slots = self._n8n if from_n8n else self._general
        if not slots.take_at_once() and not await slots.take():
            await self._refuse(scope, send, "n8n" if from_n8n else "general")
            return
        if from_n8n:
            admission = Admission(slots, self._n8n_per_business, "n8n")
        else:
            admission = Admission(slots, self._per_business, None)

        async def send_and_finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                admission.finish()
            await send(message)

        async def receive_outside() -> Message:
            admission.step_out()
            try:
                return await receive()
            finally:
                admission.step_in()

        with admitted(admission):
            await self._app(scope, receive_outside, send_and_finish)

    def _has_n8n_key(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                return bool(self._is_n8n(value.decode("latin-1")))
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return bool(self._is_n8n(value[7:].decode("latin-1").strip()))
        return False

    async def _refuse(self, scope: Scope, send: Send, slots: str) -> None:
        requests_shed.labels(slots).inc()
        scope["is_shed"] = True
        self._unlogged += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            # Not each: under overload, the log would cost more than the requests.
            log.warning("requests_shed", slots=slots, requests=self._unlogged, limit=self._general.limit)
            self._quiet_until, self._unlogged = now + _LOG_SECONDS, 0
        await self._overloaded(scope, send)
