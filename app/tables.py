"""The service's tables, for Alembic's drift check. Their SQL is in alembic/sql."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

metadata = MetaData()

_timestamptz = TIMESTAMP(timezone=True)
_live = text("status in ('dispatching', 'processing')")

# Tables that the service refers to but does not own. Declared so that foreign keys resolve; excluded from the check.
foreign_tables = (
    Table("businesses", metadata, Column("id", Uuid, primary_key=True), schema="public"),
    Table("content", metadata, Column("id", Uuid, primary_key=True), schema="public"),
    Table("secrets", metadata, Column("id", Uuid, primary_key=True), schema="vault"),
)

ai_avatar_integrations = Table(
    "ai_avatar_integrations",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("created_at", _timestamptz, server_default=func.now()),
    Column("updated_at", _timestamptz, server_default=func.now()),
    Column("business_id", Uuid, ForeignKey("public.businesses.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, CheckConstraint("provider in ('heygen', 'tavus')"), nullable=False),
    Column("secret_id", Uuid, ForeignKey("vault.secrets.id", ondelete="SET NULL")),
    Column("avatar_id", Text),
    Column("voice_id", Text),
    Column("provider_config", JSONB, server_default=text("'{}'")),
    Column(
        "status",
        Text,
        CheckConstraint("status in ('active', 'inactive', 'error')"),
        server_default=text("'active'"),
    ),
    Column("validated_at", _timestamptz),
    Column("last_synced_at", _timestamptz),
    UniqueConstraint("business_id", "provider", name="unique_business_ai_avatar_provider"),
    Index("idx_ai_avatar_integrations_business_id", "business_id"),
    Index("idx_ai_avatar_integrations_provider", "provider"),
    Index("idx_ai_avatar_integrations_status", "status"),
    Index("idx_ai_avatar_integrations_secret_id", "secret_id"),
    Index("idx_ai_avatar_integrations_page", text("created_at desc"), text("id desc")),
    Index(
        "idx_ai_avatar_integrations_status_page",
        text("coalesce(status, 'inactive')"),
        text("created_at desc"),
        text("id desc"),
    ),
    schema="public",
)

integration_details = Table(
    "integration_details",
    metadata,
    Column("integration_id", Uuid, primary_key=True),
    Column("api_key_last4", Text),
    Column("api_key_set_at", _timestamptz),
    Column("secret_updated_at", _timestamptz),
    Column("sealing_key_id", Text),
    Column("avatar", JSONB),
    Column("voice", JSONB),
    Column("next_key_check_at", _timestamptz),
    Column("key_rejected_at", _timestamptz),
    Index("integration_details_next_key_check_at", "next_key_check_at"),
    Index(
        "integration_details_sealing_key_id",
        "sealing_key_id",
        text("secret_updated_at desc"),
        postgresql_where=text("sealing_key_id is not null"),
    ),
    schema="ai_avatar",
)

secret_reads = Table(
    "secret_reads",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("read_at", _timestamptz, nullable=False, server_default=func.now()),
    Column("business_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("generation_id", Uuid),
    Column("request_id", Text),
    Column("address", Text),
    Index("secret_reads_read_at", "read_at"),
    Index("secret_reads_business_id", "business_id", "read_at"),
    schema="ai_avatar",
)

generations = Table(
    "generations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("content_id", Uuid, ForeignKey("public.content.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("script", Text, nullable=False),
    Column("avatar", JSONB),
    Column("voice", JSONB),
    Column("status", Text, nullable=False, server_default=text("'dispatching'")),
    Column("ended_by", Text),
    Column("webhook_timed_out", Boolean, nullable=False, server_default=text("false")),
    Column("previous_heygen_status", Text),
    Column("previous_heygen_video_id", Text),
    Column("claimed_at", _timestamptz),
    Column("claimed_by", Text),
    Column("create_token", Uuid),
    Column("create_leased_at", _timestamptz),
    Column("create_unknown_since", _timestamptz),
    Column("create_key_hash", LargeBinary),
    Column("video_id", Text),
    Column("video_url", Text),
    Column("video_url_at", _timestamptz),
    Column("thumbnail_url", Text),
    Column("duration_seconds", Double),
    Column("captioned_video_url", Text),
    Column("subtitle_url", Text),
    Column("error", Text),
    Column("error_code", Text),
    Column("content_error", Text),
    Column("content_error_at", _timestamptz),
    Column("idempotency_key", Text),
    Column("request_hash", LargeBinary),
    Column("requested_at", _timestamptz, nullable=False, server_default=func.clock_timestamp()),
    Column("dispatched_at", _timestamptz),
    Column("completed_at", _timestamptz),
    Column("ended_at", _timestamptz),
    Column("deadline", _timestamptz, nullable=False),
    Column("check_token", Uuid),
    Column("next_check_at", _timestamptz, nullable=False, server_default=text("'-infinity'")),
    Column("late_checks", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("duration_seconds >= 0"),
    CheckConstraint("status in ('dispatching', 'processing', 'completed', 'failed', 'expired')"),
    CheckConstraint("ended_by in ('webhook', 'report', 'cancel', 'deadline', 'superseded')"),
    Index("generations_live", "content_id", unique=True, postgresql_where=_live),
    Index("generations_deadline", "deadline", postgresql_where=_live),
    Index(
        "generations_video_checks",
        "deadline",
        postgresql_where=text(
            "video_id is not null and (status in ('dispatching', 'processing', 'expired') "
            "or status = 'failed' and ended_by = 'webhook')"
        ),
    ),
    Index("generations_content_id", "content_id", text("requested_at desc"), text("id desc")),
    Index(
        "generations_idempotency_key",
        "business_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    schema="ai_avatar",
)
