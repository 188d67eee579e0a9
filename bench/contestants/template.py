"""The usual FastAPI service: an AsyncSession per request, the ORM, PyJWT, response models, httpx.

After the full-stack template of FastAPI's author and SQLAlchemy's documentation of asyncio. uvicorn's access log.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import common
import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    "postgresql+asyncpg://", connect_args={"dsn": common.DATABASE_URL}, pool_size=10, pool_pre_ping=True
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The tables."""


class Profile(Base):
    """A user."""

    __tablename__ = "profiles"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    business_id: Mapped[UUID | None]


class Integration(Base):
    """A connection to a provider."""

    __tablename__ = "ai_avatar_integrations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    business_id: Mapped[UUID]
    provider: Mapped[str]
    avatar_id: Mapped[str | None]
    voice_id: Mapped[str | None]
    provider_config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str]
    validated_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Content(Base):
    """A content item."""

    __tablename__ = "content"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    business_id: Mapped[UUID]
    heygen_status: Mapped[str | None]


class IntegrationOut(BaseModel):
    """The response."""

    model_config = ConfigDict(from_attributes=True)
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


class GenerateVideo(BaseModel):
    """The request."""

    content_id: UUID
    script: str = Field(min_length=1, max_length=5000)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(timeout=15) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_profile(
    session: Session, token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> Profile:
    try:
        user_id = common.user_id(token.credentials)
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    profile = await session.get(Profile, user_id)
    if profile is None:
        raise HTTPException(403)
    return profile


CurrentProfile = Annotated[Profile, Depends(get_profile)]


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


@app.get("/integrations/ai-avatar/{business_id}", response_model=IntegrationOut)
async def get_integration(business_id: UUID, profile: CurrentProfile, session: Session) -> Integration:
    found = await session.scalar(
        select(Integration).where(
            Integration.business_id == business_id, Integration.business_id == profile.business_id
        )
    )
    if found is None:
        raise HTTPException(404)
    return found


@app.post("/integrations/ai-avatar/generate-video", status_code=202)
async def generate_video(body: GenerateVideo, profile: CurrentProfile, session: Session) -> dict[str, Any]:
    integration = await session.scalar(
        select(Integration).where(
            Integration.business_id == profile.business_id, Integration.status == "active"
        )
    )
    content = await session.get(Content, body.content_id)
    if integration is None or content is None or content.business_id != profile.business_id:
        raise HTTPException(404)
    content.heygen_status = "processing"
    await session.commit()
    job = {
        "business_id": str(content.business_id),
        "content_id": str(content.id),
        "script": body.script,
    }
    response = await app.state.client.post(common.WEBHOOK_URL, json=job)
    if response.is_error:
        content.heygen_status = None
        await session.commit()
        raise HTTPException(502)
    return {"content_id": content.id, "heygen_status": content.heygen_status}
