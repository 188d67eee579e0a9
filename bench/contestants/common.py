"""What the Python contestants share: the SQL, the token check of PyJWT's documentation, and the webhook's address."""

import os
from typing import Any
from uuid import UUID

import jwt

DATABASE_URL = os.environ["DATABASE_URL"]
WEBHOOK_URL = os.environ["WEBHOOK_URL"]
_SECRET = os.environ["SUPABASE_JWT_SECRET"]

SELECT = (
    "select i.id, i.business_id, i.provider, i.avatar_id, i.voice_id, i.provider_config, i.status, i.validated_at, "
    "i.created_at, i.updated_at from public.ai_avatar_integrations i "
    "join public.profiles p on p.business_id = i.business_id "
    "where p.id = $1 and i.business_id = $2 and i.provider = 'heygen'"
)


def user_id(authorization: str | None) -> UUID:
    """Return the user of a bearer token. Raises jwt.PyJWTError."""
    token = (authorization or "").removeprefix("Bearer ")
    claims: dict[str, Any] = jwt.decode(token, _SECRET, algorithms=["HS256"], audience="authenticated")
    return UUID(claims["sub"])
