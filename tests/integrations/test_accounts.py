"""Whose account a stored key belongs to and what is left in it, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from support.api import Api
from support.problems import assert_problem
from support.rows import list_secret_reads
from support.servers import serve_app
from support.service import running, settings
from support.tenants import Tenant

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("api_key", "billing_type", "remaining"),
    [
        ("sandbox-a", "wallet", {"amount": 100.0, "unit": "usd"}),
        ("sandbox-nocredit", "wallet", {"amount": 0.0, "unit": "usd"}),
        ("sandbox-subscription", "subscription", {"amount": 120.0, "unit": "credits"}),
        ("sandbox-usage", "usage_based", {"amount": 87.5, "unit": "usd"}),
    ],
)
async def test_account_says_whose_key_it_is_and_what_is_left(
    unconnected_api: Api, api_key: str, billing_type: str, remaining: dict[str, Any]
) -> None:
    await unconnected_api.connect(api_key, expect=201)
    account = (await unconnected_api.get_account(expect=200)).json()
    checked_at = datetime.fromisoformat(account.pop("checked_at"))
    assert account == {
        "label": "sandbox@example.com",
        "billing_type": billing_type,
        "remaining": remaining,
    }
    assert datetime.now(UTC) - checked_at < timedelta(minutes=1)


async def test_account_without_an_integration_is_404(unconnected_api: Api) -> None:
    assert_problem(await unconnected_api.get_account(), 404, "integration_not_found")


async def test_account_of_another_business_is_404(api: Api, other_tenant: Tenant) -> None:
    response = await api.of(other_tenant).request("GET", f"{api.path}/account")
    assert_problem(response, 404, "integration_not_found")


# A HeyGen whose balance a test sets ----------------------------------------------------------------------------------


class Bank:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wallet: dict[str, Any] | None = {"currency": "usd", "remaining_balance": 5}
        self.status = 200

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request.headers["x-api-key"])
        await asyncio.sleep(0.05)
        return JSONResponse({"data": {"username": "u", "wallet": self.wallet}}, self.status)


@pytest.fixture
async def bank(database_url: str, tenant: Tenant) -> AsyncIterator[tuple[Bank, Api]]:
    found = Bank()

    async def answer(request: Request) -> Response:
        return await found(request)

    with serve_app(Starlette(routes=[Route("/v3/users/me", answer)])) as url:
        async with running(settings(database_url, providers={"heygen": {"api_url": url}})) as (_, client):
            api = Api(client, tenant)
            await api.connect("k", expect=201)
            found.asked.clear()
            yield found, api


async def test_account_is_asked_for_once_a_minute_and_read_recorded(
    bank: tuple[Bank, Api], admin_connection: asyncpg.Connection
) -> None:
    heygen, api = bank
    responses = await asyncio.gather(*(api.get_account() for _ in range(20)))
    heygen.wallet = {"currency": "usd", "remaining_balance": 4}
    responses.append(await api.get_account())
    assert {response.text for response in responses} == {responses[0].text}
    assert responses[0].json()["remaining"] == {"amount": 5.0, "unit": "usd"}
    assert heygen.asked == ["k"]
    reads = await list_secret_reads(admin_connection, api.tenant.business_id)
    assert [row["purpose"] for row in reads] == ["account"]


async def test_new_key_has_an_account_of_its_own(bank: tuple[Bank, Api]) -> None:
    heygen, api = bank
    await api.get_account(expect=200)
    heygen.wallet = None
    await api.update(api_key="l", expect=200)
    assert (await api.get_account()).json()["remaining"] is None
    assert heygen.asked == ["k", "l", "l"]


async def test_rejected_key_is_422_sets_error_and_is_not_cached(bank: tuple[Bank, Api]) -> None:
    heygen, api = bank
    heygen.status = 401
    assert_problem(await api.get_account(), 422, "api_key_rejected")
    assert (await api.get_integration()).json()["status"] == "error"
    heygen.status = 200
    await api.get_account(expect=200)
