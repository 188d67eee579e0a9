"""BlackSheep on asyncpg's pool. uvicorn's access log."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import common
import jwt
from blacksheep import Application, Request, not_found, unauthorized
from blacksheep import json as json_response

app = Application()


@dataclass
class Integration:
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


@app.on_start
async def open_pool(application: Application) -> None:
    application.services.add_instance(
        await asyncpg.create_pool(common.DATABASE_URL, init=set_up), asyncpg.Pool
    )


@app.router.get("/health/live")
async def live() -> Any:
    return json_response({"status": "live"})


@app.router.get("/integrations/ai-avatar/{business_id}")
async def get_integration(request: Request, business_id: UUID, pool: asyncpg.Pool) -> Any:
    authorization = request.headers.get_first(b"authorization")
    try:
        user_id = common.user_id(authorization.decode() if authorization else None)
    except jwt.PyJWTError:
        return unauthorized()
    row = await pool.fetchrow(common.SELECT, user_id, business_id)
    if row is None:
        return not_found()
    return json_response(Integration(**row))
