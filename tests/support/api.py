"""The service's HTTP API as tests call it: one method for each operation."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
from support.openapi import assert_documented
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, Tenant

ROOT = "/integrations/ai-avatar"


@dataclass(frozen=True)
class Api:
    """Calls of one business: its own operations with its user's token, `claim` to `poll_video` with n8n's key.

    Every method returns the response, whatever its status. With `expect`, another status fails the test.
    Further keyword arguments are fields of the body or parameters of the query.
    """

    client: httpx.AsyncClient
    tenant: Tenant
    credentials: Mapping[str, str] = field(default_factory=dict)
    provider: str = "heygen"

    def of(self, tenant: Tenant) -> "Api":
        """The same service, called by another business's user."""
        return replace(self, tenant=tenant, credentials={})

    def through(self, client: httpx.AsyncClient) -> "Api":
        """The same caller at another instance of the service."""
        return replace(self, client=client)

    def as_service(self) -> "Api":
        """The same business, named by a back end that calls with the service's key."""
        return replace(self, credentials=SERVICE_HEADERS)

    def at(self, provider: str) -> "Api":
        """The same caller, who connects another provider and makes videos with it, and that provider's n8n."""
        return replace(self, provider=provider)

    @property
    def path(self) -> str:
        """The path of the business's integration."""
        return f"{ROOT}/{self.tenant.business_id}"

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Send any request with the business's credentials; `expect` as everywhere."""
        credentials = self.credentials or self.tenant.headers
        return await self._send(method, path, {**credentials, **(headers or {})}, **options)

    # Integrations

    async def connect(self, api_key: str = "sandbox-key", **fields: Any) -> httpx.Response:
        body, options = _split({"api_key": api_key, **self._business, **self._other_provider, **fields})
        return await self.request("POST", ROOT, json=body, **options)

    async def get_integration(self, **params: Any) -> httpx.Response:
        return await self._get(self.path, params)

    async def list_integrations(self, **params: Any) -> httpx.Response:
        return await self._get(ROOT, {**self._business, **params})

    async def update(self, **fields: Any) -> httpx.Response:
        body, options = _split(fields)
        return await self.request("PATCH", self.path, json=body, **options)

    async def delete(self, **params: Any) -> httpx.Response:
        params, options = _split(params)
        return await self.request("DELETE", self.path, params=params, **options)

    async def validate(self, **options: Any) -> httpx.Response:
        return await self.request("POST", f"{self.path}/validate", **options)

    async def get_account(self, **params: Any) -> httpx.Response:
        return await self._get(f"{self.path}/account", params)

    async def list_avatars(self, **params: Any) -> httpx.Response:
        return await self._get(f"{self.path}/avatars", params)

    async def list_voices(self, **params: Any) -> httpx.Response:
        return await self._get(f"{self.path}/voices", params)

    # Videos

    async def generate(
        self, content_id: UUID | None = None, *, key: str | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for a video of this content item, or the tenant's own. `key`: the Idempotency-Key."""
        body, options = _split(
            {
                "content_id": str(content_id or self.tenant.content_id),
                **self._business,
                **self._other_provider,
                **fields,
            }
        )
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.request("POST", f"{ROOT}/generate-video", json=body, headers=headers, **options)

    async def start(self, content_id: UUID | None = None, **fields: Any) -> str:
        """Generate, insist that the job is accepted, and return the generation's id."""
        response = await self.generate(content_id, expect=202, **fields)
        generation_id: str = response.json()["id"]
        return generation_id

    async def get_generation(self, content_id: UUID | None = None, **params: Any) -> httpx.Response:
        return await self._get(self._video(content_id), params)

    async def cancel(self, content_id: UUID | None = None, **options: Any) -> httpx.Response:
        return await self.request("POST", f"{self._video(content_id)}/cancel", **options)

    async def reset(self, content_id: UUID | None = None, **options: Any) -> httpx.Response:
        return await self.request("POST", f"{self._video(content_id)}/reset", **options)

    async def list_generations(self, content_id: UUID | None = None, **params: Any) -> httpx.Response:
        return await self._get(f"{self._video(content_id)}/generations", params)

    async def list_videos(self, **params: Any) -> httpx.Response:
        return await self._get(f"{ROOT}/videos", {**self._business, **params})

    # n8n's operations

    async def issue_credentials(self, **fields: Any) -> httpx.Response:
        """Read the integration with its key, without a generation unless `fields` names one."""
        return await self._n8n("-credentials", {"business_id": str(self.tenant.business_id), **fields})

    async def claim(
        self, generation_id: str, execution_id: str | int | None = "1", **fields: Any
    ) -> httpx.Response:
        return await self.issue_credentials(generation_id=generation_id, execution_id=execution_id, **fields)

    async def report(self, generation_id: str | None, status: str, **fields: Any) -> httpx.Response:
        body = {"status": status, **fields}
        return await self._n8n("-status", {"generation_id": generation_id, **body} if generation_id else body)

    async def create_video(
        self, generation_id: str, execution_id: str | None = "1", **fields: Any
    ) -> httpx.Response:
        body = {"generation_id": generation_id, "execution_id": execution_id, **fields}
        return await self._n8n("/videos", body)

    async def poll_video(self, generation_id: str, **options: Any) -> httpx.Response:
        return await self._send("GET", f"/n8n/{self.provider}/videos/{generation_id}", N8N_HEADERS, **options)

    # What they share

    @property
    def _business(self) -> dict[str, str]:
        """A back end names the business; a user has one."""
        return {"business_id": str(self.tenant.business_id)} if self.credentials else {}

    @property
    def _other_provider(self) -> dict[str, str]:
        """HeyGen is the default."""
        return {} if self.provider == "heygen" else {"provider": self.provider}

    def _video(self, content_id: UUID | None) -> str:
        return f"{ROOT}/videos/{content_id or self.tenant.content_id}"

    async def _get(self, path: str, params: dict[str, Any]) -> httpx.Response:
        params, options = _split(params)
        return await self.request("GET", path, params=params, **options)

    async def _n8n(self, suffix: str, fields: dict[str, Any]) -> httpx.Response:
        body, options = _split(fields)
        headers = {**N8N_HEADERS, **options.pop("headers", {})}
        return await self._send("POST", f"/n8n/{self.provider}{suffix}", headers, json=body, **options)

    async def _send(
        self, method: str, path: str, headers: dict[str, str], *, expect: int | None = None, **options: Any
    ) -> httpx.Response:
        response = await self.client.request(method, path, headers=headers, **options)
        assert_documented(response)
        assert expect in (None, response.status_code), response.text
        return response


def _split(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell what is sent from what concerns the call: `expect` and `headers`."""
    names = ("expect", "headers")
    sent = {name: value for name, value in given.items() if name not in names}
    return sent, {name: value for name, value in given.items() if name in names}


@asynccontextmanager
async def api_at(url: str, tenant: Tenant) -> AsyncIterator[Api]:
    """An `Api` of a server that listens at `url`."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        yield Api(client, tenant)
