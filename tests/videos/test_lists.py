"""The list of content items with its filters, and the generations of one item."""

from uuid import UUID, uuid4

import asyncpg
import pytest
from support.api import Api
from support.problems import assert_problem
from support.tenants import Tenant, make_content

pytestmark = pytest.mark.anyio


async def titles(api: Api, **params: object) -> list[str | None]:
    response = await api.list_videos(**params, expect=200)
    return [item["content_title"] for item in response.json()["items"]]


@pytest.fixture
async def titled(
    unconnected_api: Api, admin_connection: asyncpg.Connection, other_tenant: Tenant
) -> dict[str, UUID]:
    """Content items of the test's business by title, the newest last; another business has the same titles."""
    mine = unconnected_api.tenant
    found = {}
    for minute, title in enumerate(["Spring sale", "SUMMER Sale 100%", "Über uns", "a_b"]):
        for tenant in (mine, other_tenant):
            content_id = await make_content(admin_connection, tenant.business_id)
            await admin_connection.execute(
                "update public.content set content_title = $2, created_at = now() + $3 * interval '1 minute' "
                "where id = $1",
                content_id,
                title,
                minute + 1,
            )
            if tenant is mine:
                found[title] = content_id
    await admin_connection.execute(
        "update public.content set content_title = null where id = $1", mine.content_id
    )
    return found


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("sale", ["SUMMER Sale 100%", "Spring sale"]),
        ("SPRING S", ["Spring sale"]),
        ("%", ["SUMMER Sale 100%"]),
        ("_", ["a_b"]),
        ("über", ["Über uns"]),
        ("nothing", []),
        ("", ["a_b", "Über uns", "SUMMER Sale 100%", "Spring sale", None]),
    ],
)
async def test_q_finds_a_part_of_the_title_in_any_case(
    unconnected_api: Api, titled: dict[str, UUID], q: str, found: list[str | None]
) -> None:
    assert await titles(unconnected_api, q=q) == found


async def test_q_goes_on_to_the_next_page(unconnected_api: Api, titled: dict[str, UUID]) -> None:
    first = (await unconnected_api.list_videos(q="sale", limit=1, count=True, expect=200)).json()
    assert [item["content_title"] for item in first["items"]] == ["SUMMER Sale 100%"]
    assert first["total_count"] == 2
    second = (
        await unconnected_api.list_videos(q="sale", limit=1, cursor=first["next_cursor"], expect=200)
    ).json()
    assert [item["content_title"] for item in second["items"]] == ["Spring sale"]
    assert second["next_cursor"] is None
    assert second["total_count"] is None, "not asked for"
    counted = (
        await unconnected_api.list_videos(
            q="sale", limit=1, count=True, cursor=first["next_cursor"], expect=200
        )
    ).json()
    assert counted["total_count"] == 2, "of all pages"
    none = (await unconnected_api.list_videos(q="no such title", count=True, expect=200)).json()
    assert none == {"items": [], "next_cursor": None, "total_count": 0}


async def test_content_id_selects_items_of_the_business_only(
    unconnected_api: Api, titled: dict[str, UUID], other_tenant: Tenant
) -> None:
    wanted = [titled["Spring sale"], titled["a_b"], other_tenant.content_id, uuid4()]
    assert await titles(unconnected_api, content_id=[str(id_) for id_ in wanted]) == ["a_b", "Spring sale"]
    assert await titles(unconnected_api, content_id=[str(wanted[0])], q="a_b") == []


@pytest.mark.parametrize("content_id", [["no-uuid"], [str(uuid4())] * 101], ids=["no UUID", "101 of them"])
async def test_content_id_that_cannot_be_is_422(unconnected_api: Api, content_id: list[str]) -> None:
    assert_problem(await unconnected_api.list_videos(content_id=content_id), 422, "invalid_request")


async def test_100_content_ids_are_accepted(unconnected_api: Api) -> None:
    assert await titles(unconnected_api, content_id=[str(uuid4()) for _ in range(100)]) == []


# The generations of one item -----------------------------------------------------------------------------------------


async def test_all_generations_of_an_item_newest_first_in_pages(api: Api) -> None:
    ids = []
    for _ in range(3):
        ids.append(await api.start())
        await api.report(ids[-1], "failed", error="no", expect=200)
    newest = ids[::-1]

    everything = (await api.list_generations(expect=200)).json()
    assert [item["id"] for item in everything["items"]] == newest
    assert everything["next_cursor"] is None
    assert everything["items"][0] == (await api.get_generation(expect=200)).json()

    first = (await api.list_generations(limit=2, expect=200)).json()
    assert [item["id"] for item in first["items"]] == newest[:2]
    rest = (await api.list_generations(limit=2, cursor=first["next_cursor"], expect=200)).json()
    assert [item["id"] for item in rest["items"]] == newest[2:]
    assert rest["next_cursor"] is None


async def test_item_without_a_generation_has_an_empty_list(api: Api) -> None:
    assert (await api.list_generations(expect=200)).json() == {"items": [], "next_cursor": None}


async def test_item_of_another_business_or_of_none_is_404(api: Api, other_tenant: Tenant) -> None:
    await api.start()
    for content_id in (api.tenant.content_id, uuid4()):
        response = await api.of(other_tenant).list_generations(content_id)
        assert_problem(response, 404, "content_not_found")
    assert len((await api.as_service().list_generations(expect=200)).json()["items"]) == 1


async def test_generations_of_an_item_s_former_business_are_not_listed(
    api: Api, other_tenant: Tenant, admin_connection: asyncpg.Connection
) -> None:
    await api.start()
    await admin_connection.execute(
        "update public.content set business_id = $2 where id = $1",
        api.tenant.content_id,
        other_tenant.business_id,
    )
    assert_problem(await api.list_generations(), 404, "content_not_found")
    moved = await api.of(other_tenant).list_generations(api.tenant.content_id, expect=200)
    assert moved.json()["items"] == []
