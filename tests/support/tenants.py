"""Businesses to test with: each test makes its own, so that tests may share a database."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from app.tokens import mint_token

JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough-for-hs256"
N8N_API_KEY = "n8n-key-of-the-tests"
SERVICE_API_KEY = "service-key-of-the-tests"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK_TOKEN = "webhook-token-of-the-tests"
SECRETS_KEYS = "test:" + "dGhlLXNlYWxpbmcta2V5LW9mLXRoZS10ZXN0cy0zMmI="

SERVICE_HEADERS = {"X-API-Key": SERVICE_API_KEY}
N8N_HEADERS = {"X-API-Key": N8N_API_KEY}


@dataclass(frozen=True)
class Tenant:
    """A business with a user and one content item."""

    business_id: UUID
    user_id: UUID
    content_id: UUID

    @property
    def headers(self) -> dict[str, str]:
        """The Authorization header of its user."""
        token = mint_token(JWT_SECRET, user_id=self.user_id, ttl=timedelta(hours=1))
        return {"Authorization": f"Bearer {token}"}


async def make_tenant(connection: asyncpg.Connection, *, script: str | None = "Hello") -> Tenant:
    """Create a business with a user and a content item."""
    tenant = Tenant(uuid4(), uuid4(), uuid4())
    await connection.execute(
        "insert into public.businesses (id, business_name) values ($1, 'A business')", tenant.business_id
    )
    await connection.execute(
        "insert into public.profiles (id, business_id) values ($1, $2)", tenant.user_id, tenant.business_id
    )
    await make_content(connection, tenant.business_id, tenant.content_id, script=script)
    return tenant


async def make_content(
    connection: asyncpg.Connection,
    business_id: UUID,
    content_id: UUID | None = None,
    *,
    script: str | None = "Hello",
    heygen_status: str | None = None,
) -> UUID:
    """Create another content item of a business."""
    content_id = content_id or uuid4()
    await connection.execute(
        "insert into public.content (id, business_id, content_title, video_script, heygen_status) "
        "values ($1, $2, 'A content', $3, $4)",
        content_id,
        business_id,
        script,
        heygen_status,
    )
    return content_id
