"""What the service is measured beside: FastAPI with nothing in it, and the usual session for each request."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

hello = FastAPI()


@hello.get("/")
async def greet() -> dict[str, str]:
    """Nothing but the framework."""
    return {"hello": "world"}


session_per_request = FastAPI()
_engine = create_async_engine(
    "postgresql+asyncpg://", connect_args={"dsn": os.environ["DATABASE_URL"]}, pool_size=10
)
_sessions = async_sessionmaker(_engine)


async def _session() -> AsyncIterator[AsyncSession]:
    async with _sessions() as session:
        yield session


@session_per_request.get("/{business_id}")
async def read(business_id: UUID, session: Annotated[AsyncSession, Depends(_session)]) -> dict[str, Any]:
    """The same SQL function as the service calls, without its checks of who is calling."""
    statement = text("select * from public.get_ai_avatar_integration(:business_id, 'heygen', null)")
    return dict((await session.execute(statement, {"business_id": business_id})).mappings().one())
