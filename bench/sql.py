"""`make bench-sql`: buffers and milliseconds of every SQL function, on tables of several sizes.

For each function: the first and the tenth call on a connection. From the sixth call on, PostgreSQL may use a generic plan.
Buffers do not depend on the machine; an increase with the size of the tables is what to look for.
"""

import asyncio
import json
import os
import time
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr
from support import postgres
from support.functions import Function, list_functions
from support.roles import SERVICE_LOGIN, as_login, make_roles
from support.tenants import Tenant

from app.db import connect

SIZES = [int(size) for size in os.environ.get("BENCH_ROWS", "1000,100000,1000000").split(",")]
CALLS = 10

# As many integrations, content items and generations as the size says. A tenth of the items belong to one business;
# the newest of them is live, the second is idle.
FILL = """
set session_replication_role = replica;
insert into public.businesses (id, business_name) values ('{business}', 'large');
insert into public.businesses (business_name) select 'a business' from generate_series(2, {size});
insert into public.profiles (id, business_id) select gen_random_uuid(), b.id from public.businesses as b;
insert into public.profiles (id, business_id) values ('{user}', '{business}');
insert into vault.secrets (name, secret) select b.id::text, 'sealed:v1:test:key' from public.businesses as b;
insert into public.ai_avatar_integrations (business_id, provider, avatar_id, secret_id, created_at, status)
select s.name::uuid, 'heygen', 'an-avatar', s.id, now() - random() * interval '1 year',
    case when random() < 0.001 and s.name <> '{business}' then 'error' else 'active' end
from vault.secrets as s;
with numbered as (select b.id, row_number() over () as n from public.businesses as b)
insert into public.content (id, business_id, content_title, video_script, heygen_status, created_at)
select case n when 10 then '{live}' when 20 then '{idle}' else gen_random_uuid() end,
    case when n % 10 = 0 then '{business}' else numbered.id end, 'A title', 'A script',
    case n when 10 then 'processing' when 20 then null else 'completed' end, now() - n * interval '1 minute'
from numbered;
insert into ai_avatar.generations (
    id, business_id, content_id, provider, script, status, ended_by, requested_at, deadline
)
select case c.id when '{live}' then '{generation}' else gen_random_uuid() end, c.business_id, c.id, 'heygen', 'A script',
    case c.id when '{live}' then 'processing' else 'completed' end, case when c.id <> '{live}' then 'report' end,
    c.created_at, now() + interval '1 hour'
from public.content as c where c.id <> '{idle}';
insert into ai_avatar.secret_reads (read_at, business_id, provider, caller, purpose)
select now() - random() * interval '1 year', b.id, 'heygen', 'bench', 'bench' from public.businesses as b;
set session_replication_role = origin;
"""


async def measure(url: str, function: Function, arguments: list[object]) -> list[tuple[int, float]] | str:
    """Return buffers and milliseconds of each call on one connection, or the SQLSTATE of the first error."""
    connection = await connect(SecretStr(url))
    try:
        results = []
        for _ in range(CALLS):
            transaction = connection.transaction()
            await transaction.start()
            started = time.perf_counter()
            plan = await connection.fetchval(
                f"explain (analyze, buffers, timing off, format json) select * from {function.call}",
                *arguments,
            )
            took = (time.perf_counter() - started) * 1000
            await transaction.rollback()
            top = json.loads(plan)[0]["Plan"]
            results.append((top["Shared Hit Blocks"] + top["Shared Read Blocks"], took))
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    else:
        return results
    finally:
        await connection.close()


async def run(url: str, size: int) -> None:
    tenant, idle, generation = Tenant(uuid4(), uuid4(), uuid4()), uuid4(), uuid4()
    admin = await connect(SecretStr(url))
    names = {"business": tenant.business_id, "user": tenant.user_id, "live": tenant.content_id}
    await admin.execute(FILL.format(size=size, idle=idle, generation=generation, **names))
    await admin.execute("vacuum analyze")
    await admin.close()
    service = await connect(SecretStr(as_login(url, SERVICE_LOGIN)))
    functions = await list_functions(service)
    await service.close()
    print(
        f"\n{size} rows\n\n| function | buffers, 1st | 10th | ms, 1st | 10th |\n| --- | --- | --- | --- | --- |"
    )
    for function in functions:
        arguments = _arguments(function, tenant, idle, generation)
        result = await measure(as_login(url, SERVICE_LOGIN), function, arguments)
        cells = (
            f"{result} | | |"
            if isinstance(result, str)
            else f"{result[0][0]} | {result[-1][0]} | {result[0][1]:.1f} | {result[-1][1]:.1f}"
        )
        print(f"| {function.name.removeprefix('ai_avatar.')} | {cells} |", flush=True)


def _arguments(function: Function, tenant: Tenant, idle: UUID, generation: UUID) -> list[object]:
    if function.name in ("ai_avatar.start_generation", "ai_avatar.reset_content"):
        return function.arguments(Tenant(tenant.business_id, tenant.user_id, idle), uuid4())
    arguments = function.arguments(tenant, generation)
    if function.name == "ai_avatar.list_integrations":  # of every business, of a rare status
        return [
            None if name == "p_business_id" else "error" if name == "p_status" else value
            for name, value in zip(function.names, arguments, strict=True)
        ]
    return arguments


def main() -> None:
    server = postgres.start()
    make_roles(server)
    for size in SIZES:
        with server.database(template=server.migrated_template()) as name:
            asyncio.run(run(server.url(name), size))


if __name__ == "__main__":
    main()
