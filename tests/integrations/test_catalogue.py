"""The provider's avatars and voices over HTTP: the account's own first, filters, caching, and one request per page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
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


async def walk(api: Api, kind: str, **params: Any) -> list[list[dict[str, Any]]]:
    """Return the items of every page."""
    read = api.list_avatars if kind == "avatars" else api.list_voices
    pages: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = (await read(expect=200, **params, **more)).json()
        pages.append(page["items"])
        cursor = page["next_cursor"]
        assert len(pages) < 50
    return pages


# The sandbox's catalogue ---------------------------------------------------------------------------------------------


async def test_a_private_voice_is_listed_first_and_says_so(api: Api) -> None:
    [page] = await walk(api, "voices", limit=50)
    own, clara, *_ = page
    assert own == {
        "id": "sandbox-voice-own",
        "name": "My own voice",
        "preview_audio_url": own["preview_audio_url"],
        "gender": "female",
        "language": "English",
        "ownership": "private",
        "usable": True,
        "unusable_reason": None,
    }
    assert (clara["id"], clara["ownership"]) == ("sandbox-voice-clara", "public")
    assert len(page) == 13


@pytest.mark.parametrize("limit", [1, 3, 5, 20])
async def test_one_cursor_leads_through_own_and_public_avatars(api: Api, limit: int) -> None:
    pages = await walk(api, "avatars", limit=limit)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1), "every page but the last is full"
    found = [avatar for page in pages for avatar in page]
    assert [avatar["ownership"] for avatar in found] == ["private"] * 4 + ["public"] * 12
    assert len({avatar["id"] for avatar in found}) == 16


async def test_an_avatar_in_the_making_is_listed_as_not_usable(api: Api) -> None:
    [own] = await walk(api, "avatars", ownership="private")
    assert {avatar["id"]: avatar["unusable_reason"] for avatar in own if not avatar["usable"]} == {
        "sandbox-own-processing": "HeyGen is still making this avatar.",
        "sandbox-own-consent": "The person shown has not given consent yet. Complete the consent at HeyGen.",
        "sandbox-own-failed": "HeyGen could not make this avatar. HeyGen says: The video is too dark.",
    }


@pytest.mark.parametrize(
    ("kind", "filters", "names"),
    [
        ("voices", {"ownership": "private"}, ["My own voice"]),
        ("voices", {"language": "German"}, ["Gisela", "Hans"]),
        ("voices", {"language": "German", "gender": "male"}, ["Hans"]),
        ("voices", {"q": "LÉA"}, ["Léa"]),
        ("voices", {"q": "own", "ownership": "public"}, []),
        ("voices", {"gender": "neutral"}, []),
        ("avatars", {"q": "in the"}, ["My own avatar, in the making", "Ada in the studio"]),
        ("avatars", {"q": "", "gender": "", "ownership": "private", "limit": 1}, ["My own avatar"]),
    ],
)
async def test_filters_select(api: Api, kind: str, filters: dict[str, Any], names: list[str]) -> None:
    pages = await walk(api, kind, **{"limit": 2, **filters})
    assert [item["name"] for page in pages for item in page][: len(names)] == names
    assert max(len(page) for page in pages) <= 2


async def test_filtered_pages_together_hold_every_match_once(api: Api) -> None:
    pages = await walk(api, "avatars", limit=2, gender="female")
    names = [avatar["name"] for page in pages for avatar in page]
    assert len(names) == len(set(names)) == 4 + 6


async def test_a_cursor_belongs_to_its_list_and_its_filters(api: Api) -> None:
    cursor = (await api.list_avatars(limit=1, q="a")).json()["next_cursor"]
    for response in (
        await api.list_avatars(limit=1, cursor=cursor),
        await api.list_avatars(limit=1, q="b", cursor=cursor),
        await api.list_voices(limit=1, q="a", cursor=cursor),
    ):
        problem = assert_problem(response, 422, "invalid_request")
        assert [error["field"] for error in problem["errors"]] == ["query.cursor"]


@pytest.mark.parametrize(
    "params", [{"ownership": "mine"}, {"q": "x" * 101}, {"language": "a\x00"}, {"gender": "\n"}]
)
async def test_a_malformed_filter_is_422(api: Api, params: dict[str, str]) -> None:
    assert_problem(await api.list_voices(**params), 422, "invalid_request")


# A HeyGen that counts what it is asked -------------------------------------------------------------------------------


class Counting:
    """Has `own` private items and `public` public ones, named by key and number."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.own = 0
        self.public = 6

    async def __call__(self, request: Request) -> Response:
        key, path = request.headers["x-api-key"], request.path_params["rest"]
        if path == "users/me":
            return JSONResponse({"data": {"username": "u"}})
        query = request.query_params
        ownership = query.get("ownership") or query["type"]
        self.asked.append((key, ownership, query.get("token", "")))
        await asyncio.sleep(0.05)
        start, total = int(query.get("token", "0")), self.own if ownership == "private" else self.public
        end = min(start + int(query["limit"]), total)
        ids = [f"{key}-{ownership}-{number}" for number in range(start, end)]
        items = [{"id": id_, "voice_id": id_, "name": f"Name of {id_}."} for id_ in ids]
        more = end < total
        return JSONResponse({"data": items, "has_more": more, "next_token": str(end) if more else None})


@pytest.fixture
async def counting(database_url: str, tenant: Tenant) -> AsyncIterator[tuple[Counting, Api]]:
    heygen = Counting()

    async def answer(request: Request) -> Response:
        return await heygen(request)

    with serve_app(Starlette(routes=[Route("/v3/{rest:path}", answer)])) as url:
        async with running(settings(database_url, providers={"heygen": {"api_url": url}})) as (_, client):
            api = Api(client, tenant)
            await api.connect("k", expect=201)
            yield heygen, api


def ids(response: httpx.Response) -> list[str]:
    return [item["id"] for item in response.json()["items"]]


@pytest.mark.parametrize("kind", ["avatars", "voices"])
async def test_50_concurrent_reads_of_a_catalogue_ask_the_provider_once(
    counting: tuple[Counting, Api], admin_connection: asyncpg.Connection, kind: str
) -> None:
    heygen, api = counting
    read = api.list_avatars if kind == "avatars" else api.list_voices
    responses = await asyncio.gather(*(read(limit=2) for _ in range(50)))
    assert {response.status_code for response in responses} == {200}
    assert heygen.asked == [("k", "private", ""), ("k", "public", "")]
    assert ids(responses[0]) == ["k-public-0", "k-public-1"]
    assert (await api.get_integration()).json()["last_synced_at"] is not None
    reads = await list_secret_reads(admin_connection, api.tenant.business_id)
    assert [row["purpose"] for row in reads] == [kind], "one read of the key, recorded"

    second = await read(limit=2, cursor=responses[0].json()["next_cursor"])
    assert ids(second) == ["k-public-2", "k-public-3"]
    assert len(heygen.asked) == 3
    again = await read(limit=2)
    assert again.json() == responses[0].json()
    assert len(heygen.asked) == 3, "from the cache"


@pytest.mark.parametrize("filters", [{}, {"q": "NAME"}])
async def test_every_item_is_listed_once_where_own_and_public_pages_meet(
    counting: tuple[Counting, Api], filters: dict[str, str]
) -> None:
    heygen, api = counting
    heygen.own, heygen.public = 3, 250
    pages = await walk(api, "avatars", limit=20, **filters)
    found = [item["id"] for page in pages for item in page]
    assert found == [f"k-private-{n}" for n in range(3)] + [f"k-public-{n}" for n in range(250)]
    assert [len(page) for page in pages] == [20] * 12 + [13]


async def test_a_search_reads_a_few_of_the_provider_s_pages_at_a_time(
    counting: tuple[Counting, Api],
) -> None:
    heygen, api = counting
    heygen.public = 420
    first = await api.list_voices(q="public-419.", limit=5)
    assert (ids(first), len(heygen.asked)) == ([], 4), "the private list and three public pages of 100"
    second = await api.list_voices(q="public-419.", limit=5, cursor=first.json()["next_cursor"])
    assert (ids(second), second.json()["next_cursor"]) == (["k-public-419"], None)
    assert len(heygen.asked) == 6


async def test_new_key_has_pages_of_its_own(counting: tuple[Counting, Api]) -> None:
    _, api = counting
    assert ids(await api.list_avatars(limit=1)) == ["k-public-0"]
    await api.connect("l")
    assert ids(await api.list_avatars(limit=1)) == ["l-public-0"]


async def test_cached_catalogue_is_gone_with_the_integration(counting: tuple[Counting, Api]) -> None:
    _, api = counting
    await api.list_voices(expect=200)
    await api.delete()
    assert_problem(await api.list_voices(), 404, "integration_not_found")


async def test_disconnect_does_not_cancel_the_read_that_others_share(counting: tuple[Counting, Api]) -> None:
    heygen, api = counting
    first = asyncio.create_task(api.list_avatars())
    second = asyncio.create_task(api.list_avatars())
    await asyncio.sleep(0.02)
    first.cancel()
    assert (await second).status_code == 200
    assert len(heygen.asked) == 2, "the private list and the public one"
