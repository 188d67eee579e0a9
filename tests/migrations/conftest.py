"""Databases that the migrations have not seen yet, each for one test."""

from collections.abc import Iterator

import pytest
from support import postgres
from support.supabase import Project, supabase_project


@pytest.fixture
def empty_url(server: postgres.Server) -> Iterator[str]:
    """An empty database of plain PostgreSQL."""
    with server.database() as name:
        yield server.url(name)


@pytest.fixture
def supabase(server: postgres.Server) -> Iterator[Project]:
    """A project like Supabase's, with the application's tables and nothing of ours."""
    with supabase_project(server) as project:
        yield project
