"""Litestar on asyncpg's pool, with msgspec's structs. uvicorn's access log."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import common
import jwt
import msgspec
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import NotAuthorizedException, NotFoundException


class Integration(msgspec.Struct):
    """The response."""

    id: UUID
    business_id: UUID
    provider: str
    avatar_id: str | None
    voice_id: str | None
    provider_config: dict[str, Any]
    status: str
    validated_at: datetime | None
    created_at: datetime
    updated_at: datetime


async def set_up(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with asyncpg.create_pool(common.DATABASE_URL, init=set_up) as pool:
        app.state.pool = pool
        yield


async def get_user(request: Request[Any, Any, Any]) -> UUID:
    try:
        return common.user_id(request.headers.get("authorization"))
    except jwt.PyJWTError:
        raise NotAuthorizedException from None


@get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


@get("/integrations/ai-avatar/{business_id:uuid}")
async def get_integration(business_id: UUID, user_id: UUID, state: State) -> Integration:
    row = await state.pool.fetchrow(common.SELECT, user_id, business_id)
    if row is None:
        raise NotFoundException
    return Integration(**row)


app = Litestar([live, get_integration], dependencies={"user_id": Provide(get_user)}, lifespan=[lifespan])
