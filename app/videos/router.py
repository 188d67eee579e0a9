"""`/integrations/ai-avatar/generate-video` and `/videos`: asking for videos and following them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.security import HTTPBearer

from app.dependencies import provided
from app.errors import (
    AvatarNotConfigured,
    ContentNotFound,
    ContentNotWritable,
    GenerationInProgress,
    GenerationNotFound,
    GenerationNotLive,
    IdempotencyKeyReused,
    IntegrationNotActive,
    IntegrationNotConfigured,
    ScriptMissing,
    WebhookFailed,
    WebhookNotConfigured,
    WebhookTimeout,
)
from app.field_errors import HEADER_TEXT, NO_NUL
from app.openapi import operation_id, sends
from app.openapi_problems import problems
from app.pagination import Cursor, CursorText, Limit, cut_page
from app.routing import JsonRoute, JsonText
from app.security import CurrentCaller, VisibleBusiness, business_in_body, business_in_query
from app.videos.content_repository import ContentRepository
from app.videos.events import EventHub, EventStreamResponse
from app.videos.repository import GenerationRepository
from app.videos.schemas import (
    EVENT_STREAM_SCHEMA,
    MAX_COUNT,
    GenerateVideo,
    Generation,
    GenerationPage,
    Video,
    VideoPage,
)
from app.videos.service import VideoService
from app.videos.webhook import Job

router = APIRouter(prefix="/integrations/ai-avatar", tags=["videos"], route_class=JsonRoute)


ContentRepositoryDep = Annotated[ContentRepository, provided(ContentRepository)]
EventHubDep = Annotated[EventHub, provided(EventHub)]
GenerationRepositoryDep = Annotated[GenerationRepository, provided(GenerationRepository)]
VideoServiceDep = Annotated[VideoService, provided(VideoService)]

OwnBusinessInBody = Annotated[UUID, business_in_body(ContentNotFound)]
OwnBusinessInQuery = Annotated[UUID, business_in_query(ContentNotFound)]


@router.post(
    "/generate-video",
    status_code=202,
    response_model=Generation,
    responses=sends(202, "Location", "Idempotency-Replayed")
    | problems(
        ContentNotFound,
        IntegrationNotConfigured,
        IntegrationNotActive,
        ContentNotWritable,
        GenerationInProgress,
        ScriptMissing,
        AvatarNotConfigured,
        IdempotencyKeyReused,
        WebhookFailed,
        WebhookNotConfigured,
        WebhookTimeout,
    ),
)
async def generate_video(
    business_id: OwnBusinessInBody,
    body: GenerateVideo,
    caller: CurrentCaller,
    videos: VideoServiceDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=HEADER_TEXT,
            description="Makes a retry safe: the same key and body answer with the same generation for 24 hours",
        ),
    ] = None,
) -> JsonText:
    """Request a video of a content item.

    The item becomes `processing` and n8n gets the job. If n8n does not accept it, the item gets its previous status
    back. A content item has at most one generation in progress: a second request gets 409.
    """
    generation, replayed = await videos.generate(caller, business_id, body, idempotency_key)
    headers = {"Location": f"/integrations/ai-avatar/videos/{generation.content_id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return JsonText(generation.json, 202, headers)


@router.get("/videos", responses=problems(ContentNotFound))
async def list_videos(
    business_id: OwnBusinessInQuery,
    content: ContentRepositoryDep,
    heygen_status: Annotated[str | None, Query(max_length=64, pattern=NO_NUL)] = None,
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=NO_NUL, description="A part of the title; case is ignored"),
    ] = None,
    content_id: Annotated[
        list[UUID] | None, Query(max_length=100, description="Only these items; may be repeated")
    ] = None,
    count: Annotated[
        bool, Query(description="Whether to count all items that match; ask once, with the first page")
    ] = False,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> VideoPage:
    """List the business's content items, newest first, each with its latest generation or null."""
    rows, total_count = await content.list_videos(
        business_id,
        heygen_status,
        q or None,
        content_id,
        Cursor.decode(cursor),
        limit + 1,
        MAX_COUNT if count else None,
    )
    if count and not rows and not cursor:
        total_count = 0
    items, next_cursor = cut_page(rows, limit, lambda row: (row.created_at, row.content_id))
    return VideoPage(items=items, next_cursor=next_cursor, total_count=total_count)


@router.get("/videos/{content_id}", response_model=Generation, responses=problems(GenerationNotFound))
async def get_video(
    content_id: UUID,
    business_id: VisibleBusiness,
    caller: CurrentCaller,
    videos: VideoServiceDep,
    generation_id: Annotated[
        UUID | None, Query(description="An earlier generation of the item, instead of the latest")
    ] = None,
) -> JsonText:
    """Return the latest generation of a content item, or an earlier one, with a link that still works."""
    return JsonText((await videos.get(caller, business_id, content_id, generation_id)).json)


@router.get("/videos/{content_id}/generations", responses=problems(ContentNotFound))
async def list_generations(
    content_id: UUID,
    business_id: VisibleBusiness,
    content: ContentRepositoryDep,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> GenerationPage:
    """List all generations of a content item, newest first.

    Links older than a week may have expired: `GET …/videos/{content_id}?generation_id=…` returns fresh ones.
    """
    rows = await content.list_generations(business_id, content_id, Cursor.decode(cursor), limit + 1)
    items, next_cursor = cut_page(rows, limit, lambda row: (row.requested_at, row.id))
    return GenerationPage(items=items, next_cursor=next_cursor)


@router.post(
    "/videos/{content_id}/cancel",
    response_model=Generation,
    responses=problems(GenerationNotFound, GenerationNotLive),
)
async def cancel_video(
    content_id: UUID, business_id: VisibleBusiness, generations: GenerationRepositoryDep
) -> JsonText:
    """End the generation that is in progress.

    The content item gets its previous status back, and a workflow that asks later gets 410.
    """
    return JsonText((await generations.cancel_generation(business_id, content_id)).json)


@router.post(
    "/videos/{content_id}/reset",
    responses=problems(ContentNotFound, ContentNotWritable, GenerationInProgress),
)
async def reset_video(content_id: UUID, business_id: VisibleBusiness, content: ContentRepositoryDep) -> Video:
    """Clear the status, video and error of a content item.

    Its generations stay. 409 while a generation is in progress: cancel it first.
    """
    return await content.reset_content(business_id, content_id)


@router.get(
    "/videos/{content_id}/events",
    status_code=200,
    response_class=EventStreamResponse,
    response_description="The generation as it is now, then each change",
    responses=problems(GenerationNotFound)
    | {200: {"content": {"text/event-stream": {"schema": EVENT_STREAM_SCHEMA}}}},
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


# The call to n8n, for the OpenAPI document. No request reaches it.
webhooks = APIRouter(tags=["n8n"], generate_unique_id_function=operation_id)

_webhook_token = HTTPBearer(scheme_name="webhookToken", description="N8N_WEBHOOK_TOKEN, if it is set")


@webhooks.post(
    "generationRequested",
    dependencies=[Depends(_webhook_token)],
    response_description="Accepted, as with any 2xx: the generation is `processing`",
    responses={
        429: {"description": "Not now: called again until WEBHOOK_TIMEOUT_SECONDS have passed"},
        503: {"description": "Not now: called again until WEBHOOK_TIMEOUT_SECONDS have passed"},
        "default": {"description": "Refused: the generation fails and the content item gets its status back"},
    },
)
async def generation_requested(
    _body: Job,
    _webhook_id: Annotated[str, Header(alias="webhook-id", description="The generation's id")],
    _webhook_timestamp: Annotated[
        int, Header(alias="webhook-timestamp", description="Seconds since 1970; new for each attempt")
    ],
    _webhook_signature: Annotated[
        str | None,
        Header(
            alias="webhook-signature",
            description="Only with N8N_WEBHOOK_SECRET: `v1,` and the base64 of an HMAC-SHA256 over id, timestamp and "
            "body, joined by dots. Several, separated by spaces, during a rotation",
        ),
    ] = None,
) -> None:
    """Start the workflow that makes a video.

    The service posts this to `N8N_<PROVIDER>_WEBHOOK_URL`, signed as Standard Webhooks says. n8n may run one webhook
    twice: a workflow claims the generation before it goes on.
    """
