"""What the benchmark's database contains, and the requests that are made of it."""

import json
from datetime import timedelta
from pathlib import Path

import asyncpg
from pydantic import SecretStr
from support.tenants import JWT_SECRET, N8N_API_KEY, SECRETS_KEYS

from app.db import connect
from app.sealing import KeyRing
from app.tokens import mint_token

BUSINESSES = 20_000
USERS = 500
ITEMS = 45  # of each user; the first has a live generation

_FILL = """
set session_replication_role = replica;
insert into public.businesses (business_name) select 'a business' from generate_series(1, {businesses});
insert into public.profiles (id, business_id) select gen_random_uuid(), b.id from public.businesses as b;
insert into vault.secrets (name, secret) select b.id::text, 'not-asked-for' from public.businesses as b;
insert into public.ai_avatar_integrations (
    business_id, provider, avatar_id, voice_id, provider_config, secret_id, status, created_at, validated_at
)
select s.name::uuid, 'heygen', 'Daisy-inskirt-20220818', '2d5b0e6cf36f460aa7fc47e3eee4ba54',
    '{{"resolution": "1080p"}}', s.id, 'active', now() - random() * interval '1 year', now()
from vault.secrets as s;
insert into ai_avatar.integration_details (integration_id) select i.id from public.ai_avatar_integrations as i;
insert into public.content (business_id, content_title, video_script, created_at)
select u.business_id, 'A title', 'Hello, and welcome.', now() - random() * interval '1 year'
from (select business_id from public.profiles limit {users}) as u, generate_series(1, {items});
set session_replication_role = origin;
"""
_USERS = """
select p.id as user_id, p.business_id, i.secret_id, array_agg(c.id order by c.id) as items
from public.content as c
join public.profiles as p using (business_id) join public.ai_avatar_integrations as i using (business_id)
group by p.id, p.business_id, i.secret_id
"""
_GENERATION = """
insert into ai_avatar.generations (
    id, business_id, content_id, provider, script, status, requested_at, deadline, claimed_at, claimed_by
) values ($1, $2, $1, 'heygen', 'Hello, and welcome.', 'processing', now(), now() + interval '12 hours', now(), '1')
"""
_RESET = """
delete from ai_avatar.generations where claimed_by is null;
update public.content set heygen_status = null
where heygen_status is not null and id not in (select content_id from ai_avatar.generations);
"""


async def fill(url: str, businesses: int = BUSINESSES) -> list[asyncpg.Record]:
    """Fill a migrated database; return the users, with their items."""
    connection = await connect(SecretStr(url))
    ring = KeyRing.parse(SECRETS_KEYS)
    await connection.execute(_FILL.format(businesses=businesses, users=USERS, items=ITEMS))
    users = await connection.fetch(_USERS)
    await connection.executemany(
        "update vault.secrets set secret = $2 where id = $1",
        [
            (u["secret_id"], ring.seal("a-key-of-twenty-characters", u["business_id"], "heygen"))
            for u in users
        ],
    )
    await connection.executemany(_GENERATION, [(u["items"][0], u["business_id"]) for u in users])
    await connection.execute(
        "update public.content set heygen_status = 'processing' "
        "where id in (select content_id from ai_avatar.generations)"
    )
    await connection.execute("vacuum analyze")
    await connection.close()
    return users


async def reset(url: str) -> None:
    """End what generate-video has started, so that each measurement finds the same."""
    connection = await connect(SecretStr(url))
    await connection.execute(_RESET)
    await connection.execute("vacuum public.content, ai_avatar.generations")
    await connection.close()


def write_requests(users: list[asyncpg.Record], operation: str, path: Path) -> None:
    """Write the requests of an operation to a file, as requests.lua reads them."""
    root = "/integrations/ai-avatar"
    lines = []
    for number in range(1, ITEMS):
        for user in users:
            token = mint_token(JWT_SECRET, user_id=user["user_id"], ttl=timedelta(hours=12))
            business, live = str(user["business_id"]), str(user["items"][0])
            method, target, body = {
                "integration": ("GET", f"{root}/{business}", None),
                "list": ("GET", root, None),
                "video": ("GET", f"{root}/videos/{live}", None),
                "credentials": (
                    "POST",
                    "/n8n/heygen-credentials",
                    {"business_id": business, "generation_id": live, "execution_id": "1"},
                ),
                "status": (
                    "POST",
                    "/n8n/heygen-status",
                    {"generation_id": live, "execution_id": "1", "status": "processing", "video_id": "v"},
                ),
                "generate": (
                    "POST",
                    f"{root}/generate-video",
                    {"content_id": str(user["items"][number]), "script": "Hello, and welcome."},
                ),
            }[operation]
            key = N8N_API_KEY if target.startswith("/n8n") else ""
            authorization = "" if key else f"Bearer {token}"
            lines.append("\t".join((method, target, authorization, key, json.dumps(body) if body else "")))
        if operation != "generate":
            break
    path.write_text("\n".join(lines) + "\n")
