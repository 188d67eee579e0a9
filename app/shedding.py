"""Load shedding: a process works on so many requests at a time, and refuses the others soon and cheaply.

Limits of one business's requests: app/admission.py.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Final
from uuid import UUID

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.admission import Admission, BusinessLimit, admitted, requests_limited, requests_shed
from app.errors import Overloaded, RateLimited
from app.middleware import choose_request_id, counter_of
from app.problems import PROBLEM_TYPE_URL, ReadyProblem
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
_CREDENTIALS: Final = frozenset({b"authorization", b"x-api-key", b"apikey"})
_KNOWN_CREDENTIALS: Final = 20_000
# What can be refused before it is parsed: whole requests, without what only the application understands.
_REQUEST_LINE: Final = re.compile(
    rb"(GET|POST|PATCH|DELETE) ((?:/api)?/integrations/[\w/.~-]*)(?:\?[^ \r\n]*)? HTTP/1\.1\r\n"
)
_MAX_BYTES: Final = 16 * 1024
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})

# Looking a child up by its labels costs as much as counting.
_shed_by: Final = {slots: requests_shed.labels(slots) for slots in ("general", "n8n")}
_limited: Final = requests_limited.labels("requests")

Headers = Sequence[tuple[bytes, bytes]]


class AdmissionControl:
    """The slots of one process, and whose turn it is: businesses take turns, known by their callers' credentials."""

    def __init__(
        self,
        *,
        limit: int,
        limit_per_business: int,
        is_n8n: Callable[[str], object],
        problem_type_url: str = PROBLEM_TYPE_URL,
        origins: Sequence[str] = (),
        exposed_headers: Sequence[str] = (),
    ) -> None:
        """`limit`: of requests at once. `is_n8n`: whether an API key is n8n's. The last two are CORS's."""
        self._is_n8n = is_n8n
        n8n_limit = max(2, limit // _N8N_SHARE)
        self.general = Slots(limit, _QUEUE_SECONDS)
        self.n8n = Slots(n8n_limit, _QUEUE_SECONDS)
        self.per_business = BusinessLimit(limit_per_business, "requests", "requests")
        self.n8n_per_business = BusinessLimit(n8n_limit // 2, "n8n_requests", "of n8n's requests")
        self.overloaded = ReadyProblem(Overloaded(), problem_type_url)
        self.rate_limited = ReadyProblem(self.per_business.error, problem_type_url)
        # By hash: it decides only whose turn it is. Credentials that were never accepted have one queue together.
        self._owners: dict[int, Hashable] = {}
        self._coming: Counter[Hashable] = Counter()
        self._all_coming = 0
        self._quiet_until = 0.0
        self._unlogged = 0
        self._cors = _cors_headers(origins, exposed_headers)

    def has_n8n_key(self, headers: Headers) -> bool:
        """Return whether a request carries n8n's key."""
        for name, value in headers:
            if name == b"x-api-key":
                return bool(self._is_n8n(value.decode("latin-1")))
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return bool(self._is_n8n(value[7:].decode("latin-1").strip()))
        return False

    def owner_of(self, headers: Headers) -> Hashable:
        """Return whose queue a request joins; None for callers that are not known."""
        for name, value in headers:
            if name in _CREDENTIALS:
                return self._owners.get(hash(value))
        return None

    def remember(self, headers: Headers, owner: Hashable) -> None:
        """Note whose credentials these are: they have been accepted."""
        for name, value in headers:
            if name in _CREDENTIALS:
                if len(self._owners) >= _KNOWN_CREDENTIALS:
                    self._owners.clear()
                self._owners[hash(value)] = owner
                return

    def note_shed(self, slots: str) -> None:
        """Count a refused request; log that there are some, once in a while."""
        _shed_by[slots].inc()
        self._unlogged += 1
        now = time.monotonic()
        if now >= self._quiet_until:
            # Not each: under overload, the log would cost more than the requests.
            log.warning("requests_shed", slots=slots, requests=self._unlogged, limit=self.general.limit)
            self._quiet_until, self._unlogged = now + _LOG_SECONDS, 0

    def refuse_early(self, data: bytes) -> bytes | None:
        """Return the whole response to a request that would wait in vain; None to let the application decide.

        What comes in beyond the capacity must cost a fraction of what is served, and the layers of the application
        cost several times as much as this. `data`: all that has arrived of the request.
        """
        general = self.general
        if general.held + self._all_coming < general.limit and not (
            general.waiting or self.per_business.waiting
        ):
            self._expect(None)
            return None
        request = _read_plain(data)
        if request is None:
            return None
        method, path, headers = request
        owner = self.owner_of(headers)
        if general.is_hopeless(owner, self._coming[owner], self._all_coming):
            self.note_shed("general")
            problem = self.overloaded
        elif owner is not None and self.per_business.is_hopeless(owner, self._coming[owner]):
            _limited.inc()
            problem = self.rate_limited
        else:
            self._expect(owner)
            return None
        counter_of(method, "none", problem.status).inc()
        origin = next((value for name, value in headers if name == b"origin"), None)
        cors = self._cors.get(origin) or self._cors.get(b"*", b"")
        return problem.render(path, choose_request_id(headers), cors)

    def _expect(self, owner: Hashable) -> None:
        """Count a request whose task has not run yet: the event loop reads many connections before it runs tasks."""
        if not self._all_coming:
            asyncio.get_running_loop().call_soon(self._forget_coming)
        self._all_coming += 1
        self._coming[owner] += 1

    def _forget_coming(self) -> None:
        self._all_coming = 0
        self._coming.clear()


def _cors_headers(origins: Sequence[str], exposed: Sequence[str]) -> dict[bytes | None, bytes]:
    """Return what starlette's CORSMiddleware adds to a response, by the request's origin; `*` stands for any other."""
    if not origins:
        return {}
    expose = f"access-control-expose-headers: {', '.join(exposed)}\r\n"
    lines = {"*": expose} | {name: f"{expose}access-control-allow-origin: {name}\r\n" for name in origins}
    vary = b"vary: Origin\r\n"
    return {None: vary} | {name.encode(): each.encode() + vary for name, each in lines.items()}


def _read_plain(data: bytes) -> tuple[str, str, Headers] | None:
    """Return method, path and headers of a whole request; None if it is not whole, or needs the application."""
    line = _REQUEST_LINE.match(data)
    if line is None or len(data) > _MAX_BYTES:
        return None
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None
    headers = []
    length = b"0"
    for header in head[line.end() :].split(b"\r\n"):
        name, _, value = header.partition(b":")
        name, value = name.lower(), value.strip()
        if name in _NOT_PLAIN or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        if name == b"content-length":
            length = value
        headers.append((name, value))
    if length != b"%d" % len(body):
        return None
    return line[1].decode(), line[2].decode(), headers


class LoadShedding:
    """Admits requests while there are slots, and refuses the others soon: 503 `overloaded`.

    n8n has slots of its own, which only its key opens: reports of paid videos must arrive, whatever else goes on.
    """

    def __init__(self, app: ASGIApp, *, control: AdmissionControl) -> None:
        self._app = app
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED_PATHS):
            await self._app(scope, receive, send)
            return
        control, headers = self._control, scope["headers"]
        from_n8n = scope["path"].startswith(_N8N_PATHS) and control.has_n8n_key(headers)
        slots = control.n8n if from_n8n else control.general
        owner = None if from_n8n else control.owner_of(headers)
        if not slots.take_at_once() and not await slots.take(owner):
            control.note_shed("n8n" if from_n8n else "general")
            scope["is_shed"] = True
            await control.overloaded(scope, send)
            return
        if from_n8n:
            admission = Admission(slots, control.n8n_per_business, "n8n")
        else:
            admission = Admission(slots, control.per_business, None)

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
            if isinstance(owner, UUID):  # authentication does so, too, but costs more than most of a refusal
                try:
                    await admission.enter(owner)
                except RateLimited:
                    scope["is_shed"] = True
                    await control.rate_limited(scope, send)
                    return
            await self._app(scope, receive_outside, send_and_finish)
        if (caller := scope.get("caller")) is not None:
            control.remember(headers, caller.own_business_id or caller.kind)
