"""What every error looks like (RFC 9457), and a look at the whole database."""

import re
from typing import Any

import asyncpg
import httpx
from support.openapi import assert_documented

_TABLES = (
    "public.ai_avatar_integrations",
    "public.content",
    "ai_avatar.generations",
    "ai_avatar.secret_reads",
    "vault.secrets",
)


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The whole shape of a problem, which the OpenAPI document must name; returns it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert re.fullmatch(r"[\x21-\x7e]{1,128}", response.headers["x-request-id"])
    problem: dict[str, Any] = response.json()
    assert problem["code"] == code, problem
    assert problem["type"] == f"/problems/#{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["instance"] == response.request.url.path
    assert ("errors" in problem) is (code == "invalid_request")
    assert_documented(response)
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status in (429, 503) and code != "webhook_not_configured":
        assert int(response.headers["retry-after"]) >= 1
    return problem


async def snapshot(admin_connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Every row of every table that the service writes."""
    return {
        table: [
            row[0] for row in await admin_connection.fetch(f"select t::text from {table} as t order by 1")
        ]
        for table in _TABLES
    }
