"""What is shown of a stored key, and of the chosen avatar and voice: their names and previews."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from support.api import Api
from support.controlled_heygen import ControlledHeyGen
from support.rows import list_secret_reads
from support.tenants import SECRETS_KEYS

from app.db import Database
from app.dependencies import services_of
from app.integrations.rotation import rotate
from app.integrations.secret_repository import SecretRepository
from app.sealing import KeyRing

pytestmark = pytest.mark.anyio

LONG_KEY = "sandbox-0123456789-abcd"
AVATAR = {"id": "avatar-1", "name": "The avatar-1", "preview_image_url": "https://files.test/avatar-1"}
VOICE = {"id": "voice-1", "name": "The voice-1", "preview_audio_url": "https://files.test/voice-1"}


async def shown(api: Api) -> dict[str, Any]:
    """The integration as it is read, alone and in the list."""
    integration: dict[str, Any] = (await api.get_integration(expect=200)).json()
    assert (await api.list_integrations(expect=200)).json()["items"] == [integration]
    return integration


# The key's last characters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_key", "last4"),
    [(LONG_KEY, "abcd"), ("sandbox-890123456789", "6789"), ("sandbox-89012345678", None)],
)
async def test_last_characters_of_a_key_of_20_or_more_are_shown(
    unconnected_api: Api, api_key: str, last4: str | None
) -> None:
    created = await unconnected_api.connect(api_key, expect=201)
    assert created.json()["api_key_last4"] == last4
    assert (await shown(unconnected_api))["api_key_last4"] == last4
    replaced = await unconnected_api.update(api_key=LONG_KEY.replace("abcd", "wxyz"), expect=200)
    assert replaced.json()["api_key_last4"] == "wxyz"
    assert created.json()["api_key_set_at"] == created.json()["created_at"]
    assert replaced.json()["api_key_set_at"] > created.json()["api_key_set_at"]


async def test_last_characters_are_unknown_once_another_application_has_stored_a_key(
    unconnected_api: Api, admin_connection: asyncpg.Connection
) -> None:
    await unconnected_api.connect(LONG_KEY, expect=201)
    business_id = unconnected_api.tenant.business_id
    by_rpc = "select public.set_ai_avatar_integration($1, 'heygen', 'sealed:v1:test:key')"
    await admin_connection.execute(by_rpc, business_id)
    by_another = await shown(unconnected_api)
    assert by_another["api_key_last4"] is None

    await unconnected_api.connect(LONG_KEY, expect=200)
    by_the_service = await shown(unconnected_api)
    assert by_the_service["api_key_last4"] == "abcd"
    assert by_another["api_key_set_at"] < by_the_service["api_key_set_at"]
    in_the_vault = (
        "select vault.update_secret(ai.secret_id, 'sealed:v1:test:key') from public.ai_avatar_integrations as ai "
        "where ai.business_id = $1"
    )
    await admin_connection.execute(in_the_vault, business_id)
    in_the_vault_now = await shown(unconnected_api)
    assert in_the_vault_now["api_key_last4"] is None
    assert in_the_vault_now["api_key_set_at"] > by_the_service["api_key_set_at"]


async def test_last_characters_survive_a_rotation_of_the_sealing_keys(
    unconnected_api: Api, service: tuple[FastAPI, httpx.AsyncClient]
) -> None:
    stored = (await unconnected_api.connect(LONG_KEY, expect=201)).json()
    ring = KeyRing.parse("newer:" + "B" * 43 + "=," + SECRETS_KEYS)
    secrets = SecretRepository(services_of(service[0])[Database])
    result = await rotate(secrets, ring, from_vault=False, progress=lambda: None)
    assert result.rotated >= 1
    assert await shown(unconnected_api) == stored


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def unnamed_api(controlled_client: httpx.AsyncClient, unconnected_api: Api) -> Api:
    """A business that has not connected the HeyGen that the test controls."""
    return Api(controlled_client, unconnected_api.tenant)


async def test_names_are_asked_for_by_id_with_the_key_that_was_just_verified(
    unnamed_api: Api, heygen: ControlledHeyGen, api_key: str
) -> None:
    heygen.pages = [["1"], ["2"], ["3"], ["avatar-1", "voice-1"]]
    created = await unnamed_api.connect(api_key, avatar_id="avatar-1", voice_id="voice-1", expect=201)
    assert (created.json()["avatar"], created.json()["voice"]) == (AVATAR, VOICE)
    asked, *names = heygen.calls_of(api_key)
    assert (asked, sorted(names)) == ("users/me", ["avatars/looks/avatar-1", "voices/voice-1"])
    heygen.calls.clear()
    integration = await shown(unnamed_api)
    assert (integration["avatar"], integration["voice"]) == (AVATAR, VOICE)
    assert heygen.calls == [], "reading asks no provider"


async def test_change_of_the_avatar_is_named_and_keeps_the_voice(
    unnamed_api: Api, heygen: ControlledHeyGen, api_key: str, admin_connection: asyncpg.Connection
) -> None:
    heygen.pages = [["avatar-1", "voice-1"]]
    await unnamed_api.connect(api_key, voice_id="voice-1", expect=201)
    changed = await unnamed_api.update(avatar_id="avatar-1", expect=200)
    assert (changed.json()["avatar"], changed.json()["voice"]) == (AVATAR, VOICE)
    reads = await list_secret_reads(admin_connection, unnamed_api.tenant.business_id)
    assert [read["purpose"] for read in reads] == ["look_up_names"]


async def test_avatar_that_is_not_found_has_no_name_until_the_catalogue_shows_it(
    unnamed_api: Api, heygen: ControlledHeyGen, api_key: str
) -> None:
    created = await unnamed_api.connect(api_key, avatar_id="avatar-1", expect=201)
    assert created.json()["avatar"] is None
    heygen.pages = [["avatar-1"]]
    await unnamed_api.list_avatars(limit=100, expect=200)
    assert (await shown(unnamed_api))["avatar"] == AVATAR


async def test_what_was_just_listed_is_named_without_a_call(
    unnamed_api: Api, heygen: ControlledHeyGen, api_key: str
) -> None:
    await unnamed_api.connect(api_key, expect=201)
    heygen.pages = [["1"], ["2"], ["3"], ["avatar-1"]]
    await unnamed_api.list_avatars(limit=100, expect=200)
    heygen.calls.clear()
    changed = await unnamed_api.update(avatar_id="avatar-1", expect=200)
    assert changed.json()["avatar"] == AVATAR
    assert heygen.calls == []


@pytest.mark.parametrize("fault", ["slow", "unavailable"])
@pytest.mark.slow
async def test_provider_that_does_not_answer_in_3_seconds_leaves_names_unknown(
    unnamed_api: Api, heygen: ControlledHeyGen, api_key: str, fault: str
) -> None:
    await unnamed_api.connect(api_key, expect=201)
    heygen.pages = [["avatar-1"]]
    heygen.delay, heygen.unavailable = (6, False) if fault == "slow" else (0, True)
    changed = await unnamed_api.update(avatar_id="avatar-1", expect=200)
    assert (changed.json()["avatar_id"], changed.json()["avatar"]) == ("avatar-1", None)
    assert changed.elapsed.total_seconds() < 5
    assert changed.json()["status"] == "active"


@pytest.mark.parametrize("change", ["by the old frontend", "cleared", "unknown to the provider"])
async def test_name_is_not_shown_once_its_id_is_no_longer_chosen(
    unnamed_api: Api,
    heygen: ControlledHeyGen,
    api_key: str,
    admin_connection: asyncpg.Connection,
    change: str,
) -> None:
    heygen.pages = [["avatar-1"]]
    await unnamed_api.connect(api_key, avatar_id="avatar-1", expect=201)
    if change == "by the old frontend":
        await write_avatar(admin_connection, unnamed_api.tenant.business_id, "avatar-2")
    else:
        await unnamed_api.update(avatar_id="" if change == "cleared" else "avatar-2", expect=200)
    assert (await shown(unnamed_api))["avatar"] is None
    await write_avatar(admin_connection, unnamed_api.tenant.business_id, "avatar-1")
    assert (await shown(unnamed_api))["avatar"] == AVATAR, "and again, when it is chosen again"


async def write_avatar(connection: asyncpg.Connection, business_id: UUID, avatar_id: str) -> None:
    await connection.execute(
        "update public.ai_avatar_integrations set avatar_id = $2 where business_id = $1",
        business_id,
        avatar_id,
    )


@pytest.mark.parametrize("deleted", ["over HTTP", "with the business", "by a statement"])
async def test_details_are_deleted_with_the_integration(
    unnamed_api: Api,
    api_key: str,
    heygen: ControlledHeyGen,
    admin_connection: asyncpg.Connection,
    deleted: str,
) -> None:
    id_ = UUID((await unnamed_api.connect(api_key, expect=201)).json()["id"])
    count = "select count(*) from ai_avatar.integration_details where integration_id = $1"
    assert await admin_connection.fetchval(count, id_) == 1
    business_id = unnamed_api.tenant.business_id
    if deleted == "over HTTP":
        await unnamed_api.delete(expect=204)
    elif deleted == "with the business":
        await admin_connection.execute("delete from public.businesses where id = $1", business_id)
    else:
        await admin_connection.execute("delete from public.ai_avatar_integrations where id = $1", id_)
    assert await admin_connection.fetchval(count, id_) == 0


# The original form's gestures ----------------------------------------------------------------------------------------


async def test_empty_text_clears_in_post_and_patch_and_null_keeps_in_post(api: Api) -> None:
    await api.update(voice_id="voice-1", expect=200)
    kept = (await api.connect(avatar_id=None, voice_id=None, expect=200)).json()
    assert (kept["avatar_id"], kept["voice_id"]) == ("sandbox-ada", "voice-1")
    cleared = (await api.connect(avatar_id="", expect=200)).json()
    assert (cleared["avatar_id"], cleared["voice_id"]) == (None, "voice-1")
    assert (await api.update(voice_id="", expect=200)).json()["voice_id"] is None


async def test_empty_text_of_a_first_save_is_none(unconnected_api: Api) -> None:
    created = (await unconnected_api.connect(avatar_id="", voice_id="", expect=201)).json()
    assert (created["avatar_id"], created["voice_id"]) == (None, None)
