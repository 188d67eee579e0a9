"""The business that the examples of the OpenAPI document name, in a real database."""

import asyncpg
import pytest
from support.tenants import SECRETS_KEYS

from app import example_ids
from app.sandbox.examples import API_KEY, seed_examples
from app.sealing import KeyRing

pytestmark = pytest.mark.anyio

RING = KeyRing.parse(SECRETS_KEYS)
ITEMS = {
    example_ids.COMPLETED: "completed",
    example_ids.TO_CANCEL: "processing",
    example_ids.FAILED: "failed",
    example_ids.TO_CLAIM: "processing",
    example_ids.TO_REPORT: "processing",
    example_ids.TO_CREATE: "processing",
}


async def seed(connection: asyncpg.Connection) -> None:
    await seed_examples(connection, RING, "http://127.0.0.1:1/media")


async def generations(connection: asyncpg.Connection) -> dict[tuple[str, str], str]:
    rows = await connection.fetch(
        "select content_id, id, status from ai_avatar.generations where business_id = $1",
        example_ids.BUSINESS_ID,
    )
    return {(str(row["content_id"]), str(row["id"])): row["status"] for row in rows}


async def test_every_item_is_in_the_state_that_its_operation_needs(
    admin_connection: asyncpg.Connection,
) -> None:
    await seed(admin_connection)

    assert await generations(admin_connection) == ITEMS
    stored = await admin_connection.fetchval(
        "select public.get_ai_avatar_secret($1, 'heygen')", example_ids.BUSINESS_ID
    )
    assert API_KEY not in stored


async def test_each_start_sets_back_what_trying_out_has_changed(admin_connection: asyncpg.Connection) -> None:
    await seed(admin_connection)
    await admin_connection.execute(
        "select ai_avatar.cancel_generation($1, $2, true)",
        example_ids.BUSINESS_ID,
        example_ids.TO_CANCEL.content_id,
    )
    await admin_connection.execute("select public.delete_ai_avatar_integration($1)", example_ids.BUSINESS_ID)

    await seed(admin_connection)

    assert await generations(admin_connection) == ITEMS
    restored = await admin_connection.fetchrow(
        "select avatar_id, status from public.ai_avatar_integrations where business_id = $1",
        example_ids.BUSINESS_ID,
    )
    assert restored is not None
    assert tuple(restored) == (example_ids.AVATAR_ID, "active")
