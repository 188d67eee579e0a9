"""docs/deploy-supabase.md, followed to the letter by a role that is no superuser."""

import re
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from support import postgres
from support.legacy_databases import run_legacy
from support.roles import as_login
from support.sql import dump, psql, query, script, value
from support.supabase import OWNER, Project, supabase_project
from support.tenants import N8N_HEADERS, SERVICE_HEADERS, Tenant, make_tenant
from support.webhook_receiver import WebhookReceiver

from app import migrations
from app.db import _COMMAND_SECONDS, connect
from app.readiness import REQUIRED_REVISION

DOCUMENT = (postgres.ROOT / "docs" / "deploy-supabase.md").read_text()
BEFORE_CLEAN_UP = REQUIRED_REVISION


def blocks(text: str) -> list[str]:
    return re.findall(r"^```sql\n(.*?)^```$", text, re.M | re.S)


UP, _, REST = DOCUMENT.partition("## Downgrading")
BACK, _, SPECIAL = REST.partition("## Special cases")


def adapt(block: str, project: Project, login: str) -> str:
    """A block of the document with the names of this run."""
    database = value(project.superuser_url, "select current_database()")
    return block.replace("ai_avatar_api", login).replace("database postgres", f"database {database}")


@pytest.fixture(scope="module")
def login() -> str:
    """Roles are the whole server's: each run makes one of its own, and drops it as the document says."""
    return f"ai_avatar_api_{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def project(
    server: postgres.Server, login: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project that was deployed as the document says: files of `migrate --sql --out`, then its SQL."""
    with supabase_project(server) as made:
        run_legacy(made)
        for file in migrations.write_migration_files(tmp_path_factory.mktemp("migrations"), BEFORE_CLEAN_UP):
            psql(made.owner_url, file.read_text())
        for block in blocks(UP):
            script(made.owner_url, adapt(block, made, login))
        yield made
    server.run(f"drop role if exists {login}")


@pytest.fixture(scope="module")
def database_url(project: Project, login: str) -> str:
    """The service's."""
    return project.url(login)


@pytest.fixture
async def tenant(project: Project) -> AsyncIterator[Tenant]:
    """A business of the project."""
    connection = await connect(SecretStr(project.superuser_url))
    yield await make_tenant(connection)
    await connection.close()


def test_document_s_blocks_and_names_are_what_the_code_has() -> None:
    assert len(blocks(UP)) == 8
    assert len(blocks(BACK)) == 1
    assert len(blocks(SPECIAL)) == 2
    assert BEFORE_CLEAN_UP in DOCUMENT


def test_nothing_is_left_to_warn_of(project: Project) -> None:
    assert migrations.warnings(SecretStr(project.owner_url)) == []


def test_login_can_touch_nothing_directly(project: Project, login: str) -> None:
    [check] = [block for block in blocks(UP) if "has_any_column_privilege" in block]
    assert query(project.owner_url, check.replace("ai_avatar_api", login)) == []
    script(project.owner_url, f"grant select on public.businesses to {login}")
    assert len(query(project.owner_url, check.replace("ai_avatar_api", login))) == 1
    script(project.owner_url, f"revoke select on public.businesses from {login}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        query(project.url(login), "select * from public.ai_avatar_integrations")


def test_login_s_statements_are_ended_after_the_service_has_given_up(project: Project, login: str) -> None:
    assert value(project.url(login), "show statement_timeout") == "15s"
    assert _COMMAND_SECONDS < 15


@pytest.mark.anyio
async def test_service_does_all_its_work_with_that_login(
    client: httpx.AsyncClient, tenant: Tenant, webhook: WebhookReceiver
) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    path = f"/integrations/ai-avatar/{tenant.business_id}"
    body = {"api_key": "sandbox-key", "avatar_id": "sandbox-ada"}

    async def ask(method: str, path: str, expected: int, **options: object) -> httpx.Response:
        headers = options.pop("headers", tenant.headers)
        response = await client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]
        assert response.status_code == expected, response.text
        return response

    await ask("POST", "/integrations/ai-avatar", 201, json=body)
    await ask("PATCH", path, 200, json={"voice_id": "a-voice"})
    await ask("POST", f"{path}/validate", 200)
    await ask("GET", f"{path}/avatars", 200)
    await ask("GET", "/integrations/ai-avatar", 200)
    await ask("GET", "/integrations/ai-avatar", 200, headers=SERVICE_HEADERS)
    started = await ask(
        "POST", "/integrations/ai-avatar/generate-video", 202, json={"content_id": str(tenant.content_id)}
    )
    job = {"generation_id": started.json()["id"], "execution_id": "1"}
    credentials = await ask(
        "POST",
        "/n8n/heygen-credentials",
        200,
        json={"business_id": str(tenant.business_id), **job},
        headers=N8N_HEADERS,
    )
    assert credentials.json()["api_key"] == "sandbox-key"
    report = {**job, "status": "failed", "error": "It did not work"}
    await ask("POST", "/n8n/heygen-status", 200, json=report, headers=N8N_HEADERS)
    await ask("GET", "/integrations/ai-avatar/videos", 200)
    await ask("GET", f"/integrations/ai-avatar/videos/{tenant.content_id}", 200)
    await ask("DELETE", path, 204)


@pytest.mark.anyio
async def test_key_is_in_the_vault_as_sealed_text_only(
    client: httpx.AsyncClient, tenant: Tenant, project: Project
) -> None:
    body = {"api_key": "sandbox-a-very-secret-key"}
    response = await client.post("/integrations/ai-avatar", json=body, headers=tenant.headers)
    assert response.status_code == 201, response.text
    connection = await connect(SecretStr(project.superuser_url))
    kept = await connection.fetch(
        "select secret from tests.heap union all select tests.decrypt(secret) from vault.secrets"
    )
    await connection.close()
    assert not [row for row in kept if "very-secret" in row[0]]


def test_clean_up_as_a_migration_of_its_own_and_the_way_back(server: postgres.Server, login: str) -> None:
    """The second `supabase db push`: the clean-up alone; and all the way back by the command."""
    name = f"{login}_back"
    with supabase_project(server) as project:
        run_legacy(project)
        before = dump(project.superuser_url)
        psql(project.owner_url, migrations.migration_sql(BEFORE_CLEAN_UP))
        psql(project.owner_url, migrations.migration_sql(f"{BEFORE_CLEAN_UP}:head"))
        assert migrations.current_revision(SecretStr(project.owner_url)) == migrations.head()
        assert not value(
            project.superuser_url,
            "select count(*) from pg_attribute where attrelid = 'public.businesses'::regclass "
            "and attname like 'heygen%' and not attisdropped",
        )
        [create] = [block for block in blocks(UP) if "create role" in block]
        script(project.owner_url, create.replace("ai_avatar_api", name))
        migrations.migrate(SecretStr(project.owner_url), "base")
        for block in blocks(BACK):
            script(project.owner_url, block.replace("ai_avatar_api", name))
        assert dump(project.superuser_url) == before
    assert not value(server.admin_url, "select count(*) from pg_roles where rolname = $1", name)


def test_image_without_references_on_the_vault_migrates_after_the_grant(server: postgres.Server) -> None:
    [grant] = [block for block in blocks(SPECIAL) if "references" in block]
    with supabase_project(server) as project:
        script(project.superuser_url, f"revoke references on vault.secrets from {OWNER}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="lacks REFERENCES"):
            migrations.migrate(SecretStr(project.owner_url))
        script(project.superuser_url, grant.replace("postgres", OWNER))
        migrations.migrate(SecretStr(project.owner_url))


def test_second_project_s_owner_on_one_server_gets_a_login_after_the_grant(
    server: postgres.Server, login: str
) -> None:
    [grant] = [block for block in blocks(SPECIAL) if "ai_avatar_service" in block]
    owner, second = f"{login}_owner", f"{login}_second"
    server.run(f"create role {owner} login createrole")
    try:
        with server.database() as name:
            server.run(f"alter database {name} owner to {owner}")
            url = as_login(server.url(name), owner)
            migrations.migrate(SecretStr(url))
            script(server.admin_url, f"set role {OWNER}; {grant.replace('second_owner', owner)}")
            [create] = [block for block in blocks(UP) if "create role" in block]
            script(url, create.replace("ai_avatar_api", second))
            assert value(as_login(url, second), "select ai_avatar.schema_revision()") == migrations.head()
    finally:
        server.run(f"drop role if exists {second}")
        server.run(f"revoke ai_avatar_service from {owner}; drop role {owner}")


def test_settings_of_the_page_are_the_service_s() -> None:
    """Each variable that the document names exists."""
    from app.command_settings import MigrationSettings
    from app.config import variable_names

    known = variable_names() | {
        str(field.alias or name).upper() for name, field in MigrationSettings.model_fields.items()
    }
    named = set(re.findall(r"\b(?:[A-Z0-9]+_)+[A-Z0-9]+\b", DOCUMENT))
    assert named <= known, named - known
