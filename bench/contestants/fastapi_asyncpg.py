"""FastAPI on asyncpg's pool, without an ORM. uvicorn's access log."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import common
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel


class Integration(BaseModel):
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
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(common.DATABASE_URL, init=set_up) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


async def get_user(token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> UUID:
    try:
        return common.user_id(token.credentials)
    except jwt.PyJWTError:
        raise HTTPException(401) from None


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


@app.get("/integrations/ai-avatar/{business_id}")
async def get_integration(
    business_id: UUID, user_id: Annotated[UUID, Depends(get_user)], request: Request
) -> Integration:
    row = await request.app.state.pool.fetchrow(common.SELECT, user_id, business_id)
    if row is None:
        raise HTTPException(404)
    return Integration.model_validate(dict(row))
