"""Every SQL function that a login may execute, with arguments that let it do its work."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from support.tenants import Tenant

# The generation that `start_generation` starts, and that the others are called for.
GENERATION_ID: Final = uuid4()

_MAY_EXECUTE = """
select p.oid::regprocedure::text as signature, p.pronamespace::regnamespace || '.' || p.proname as name,
    coalesce((p.proargnames)[1:p.pronargs - p.pronargdefaults], '{}') as names,
    (p.proargtypes::oid[]::regtype[]::text[])[0:p.pronargs - p.pronargdefaults - 1] as types
from pg_catalog.pg_proc as p
where p.pronamespace::regnamespace::text in ('ai_avatar', 'public') and p.prorettype <> 'trigger'::regtype
    and (p.prosecdef or p.pronamespace::regnamespace::text = 'ai_avatar')
    and has_function_privilege(p.oid, 'execute')
    and has_schema_privilege(p.pronamespace, 'usage')
order by 1
"""

_BY_TYPE: Final[dict[str, Any]] = {
    "uuid": uuid4(),
    "uuid[]": [uuid4()],
    "text": "a text",
    "double precision": 1.0,
    "integer": 10,
    "boolean": True,
    "interval": timedelta(minutes=1),
    "jsonb": "{}",
    "bytea": b"hash",
    "timestamp with time zone": datetime(2026, 1, 1, tzinfo=UTC),
}


@dataclass(frozen=True)
class Function:
    """A function, and its parameters without a default."""

    signature: str
    name: str
    names: list[str]
    types: list[str]

    @property
    def call(self) -> str:
        """The call with one parameter for each argument."""
        arguments = ", ".join(f"{name} => ${n}" for n, name in enumerate(self.names, start=1))
        return f"{self.name}({arguments})"

    def arguments(self, tenant: Tenant, generation_id: UUID = GENERATION_ID) -> list[Any]:
        """The arguments of `call`, for what belongs to that business."""
        known: dict[str, Any] = {
            "p_business_id": tenant.business_id,
            "p_user_id": tenant.user_id,
            "p_content_id": tenant.content_id,
            "p_content_ids": [tenant.content_id],
            "p_generation_id": generation_id,
            "p_id": generation_id,
            "p_provider": "heygen",
            "p_api_key": "sealed:v1:test:key",
            "p_sealed_key": "sealed:v1:test:key",
            "p_status": "processing",
            "p_script": None,
            "p_after": None,
            "p_before_created_at": None,
            "p_before_id": None,
            "p_heygen_status": None,
        }
        return [
            known[name] if name in known else _BY_TYPE[type_]
            for name, type_ in zip(self.names, self.types, strict=True)
        ]


async def list_functions(connection: asyncpg.Connection) -> list[Function]:
    """Return the functions that the connection's role may execute, by signature."""
    return [Function(**dict(row)) for row in await connection.fetch(_MAY_EXECUTE)]
