"""`/integrations/ai-avatar/generate-video` and `/videos`: asking for videos and following them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from app.dependencies import provided
from app.errors import ContentNotFound
from app.openapi import responses
from app.pagination import Cursor, CursorText, Limit, cut_page
from app.routing import JsonRoute
from app.security import CurrentCaller, VisibleBusiness, business_in_body, business_in_query
from app.videos.events import EventHub, EventStreamResponse
from app.videos.repository import GenerationRepository
from app.videos.schemas import GenerateVideo, Generation, GenerationPage, Video, VideoPage
from app.videos.service import VideoService

router = APIRouter(prefix="/integrations/ai-avatar", tags=["videos"], route_class=JsonRoute)


EventHubDep = Annotated[EventHub, provided(EventHub)]
GenerationRepositoryDep = Annotated[GenerationRepository, provided(GenerationRepository)]
VideoServiceDep = Annotated[VideoService, provided(VideoService)]

OwnBusinessInBody = Annotated[UUID, business_in_body(ContentNotFound)]
OwnBusinessInQuery = Annotated[UUID, business_in_query(ContentNotFound)]


@router.post(
    "/generate-video",
    status_code=202,
    response_model=Generation,
    responses=responses(404, 409, 502, 504),
)
async def generate_video(
    business_id: OwnBusinessInBody,
    body: GenerateVideo,
    caller: CurrentCaller,
    videos: VideoServiceDep,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$",
            description="Makes a retry safe: the same key and body answer with the same generation for 24 hours",
        ),
    ] = None,
) -> Generation:
    """Start a video of a content item: mark it `processing`, call n8n, restore its status if n8n refuses.

    202 when n8n has taken the job. One generation lives per content: a second request gets 409.
    """
    generation, replayed = await videos.generate(caller, business_id, body, idempotency_key)
    response.headers["Location"] = f"/integrations/ai-avatar/videos/{generation.content_id}"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return generation


@router.get("/videos", responses=responses(404))
async def list_videos(
    business_id: OwnBusinessInQuery,
    generations: GenerationRepositoryDep,
    heygen_status: Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]*$")] = None,
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=r"^[^\x00]*$", description="A part of the title; case is ignored"),
    ] = None,
    content_id: Annotated[
        list[UUID] | None, Query(max_length=100, description="Only these items; may be repeated")
    ] = None,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> VideoPage:
    """Return the business's content items, newest first, each with its latest generation or null."""
    rows = await generations.list_videos(
        business_id,
        heygen_status,
        q or None,
        content_id,
        Cursor.decode(cursor),
        limit + 1,
    )
    items, next_cursor = cut_page(rows, limit, lambda row: (row.created_at, row.content_id))
    return VideoPage(items=items, next_cursor=next_cursor)


@router.get("/videos/{content_id}", response_model=Generation, responses=responses(404))
async def get_video(
    content_id: UUID, business_id: VisibleBusiness, caller: CurrentCaller, videos: VideoServiceDep
) -> Generation:
    """Return the latest generation of a content item, with a link that still works."""
    return await videos.get_latest(caller, business_id, content_id)


@router.get("/videos/{content_id}/generations", responses=responses(404))
async def list_generations(
    content_id: UUID,
    business_id: VisibleBusiness,
    generations: GenerationRepositoryDep,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> GenerationPage:
    """Return all generations of a content item, newest first. Their links may have expired."""
    rows = await generations.list_generations(business_id, content_id, Cursor.decode(cursor), limit + 1)
    items, next_cursor = cut_page(rows, limit, lambda row: (row.requested_at, row.id))
    return GenerationPage(items=items, next_cursor=next_cursor)


@router.post("/videos/{content_id}/cancel", response_model=Generation, responses=responses(404, 409))
async def cancel_video(
    content_id: UUID, business_id: VisibleBusiness, generations: GenerationRepositoryDep
) -> Generation:
    """End the live generation: the content gets its status back, and a workflow that asks later gets 410."""
    return await generations.cancel_generation(business_id, content_id)


@router.post("/videos/{content_id}/reset", responses=responses(404, 409))
async def reset_video(
    content_id: UUID, business_id: VisibleBusiness, generations: GenerationRepositoryDep
) -> Video:
    """Clear the status, video and error of a content item. Its generations stay.

    409 while a generation is live: cancel it first.
    """
    return await generations.reset_content(business_id, content_id)


@router.get(
    "/videos/{content_id}/events",
    status_code=200,
    response_class=EventStreamResponse,
    responses=responses(
        404,
        429,
        ok={
            200: {
                "description": "`event: generation` with a Generation: the state now, then each change",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    ),
)
async def follow_video(
    content_id: UUID,
    business_id: VisibleBusiness,
    caller: CurrentCaller,
    generations: GenerationRepositoryDep,
    events: EventHubDep,
) -> Response:
    """Follow a generation to its end as server-sent events.

    Read it with `fetch`, so that the token stays in its header. Ends after a final state, with
    `event: expired_token` when the token expires, or with `event: access_ended` when the user loses the business.
    A comment every 15 s keeps proxies from closing it. 429: the user or the business has too many streams open.
    """
    generation = await generations.get_latest_generation(business_id, content_id)
    return EventStreamResponse(await events.follow(generation, caller), events.timing.read_timeout_seconds)
