"""Databases on which the migrations have run, as each kind of operator would run them."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from support import postgres
from support.roles import make_roles
from support.supabase import Project, supabase_project

from app import migrations


@pytest.fixture(scope="module", params=["plain", "supabase"])
def project(request: pytest.FixtureRequest, server: postgres.Server) -> Iterator[Project]:
    """Migrated: an empty database by a superuser, and a Supabase project by its owner, who is none."""
    make_roles(server)
    if request.param == "plain":
        with server.database(template=server.migrated_template()) as name:
            yield Project(server.url(name), server.url(name))
    else:
        with supabase_project(server) as supabase:
            migrations.migrate(SecretStr(supabase.owner_url))
            yield supabase


@pytest.fixture(scope="module")
def database_url(project: Project) -> str:
    """The superuser's way in: for what the tests prepare, and what they look up afterwards."""
    return project.superuser_url
