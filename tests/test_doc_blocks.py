"""Every code block of the documentation is run by a test, or says why not (`<!-- not run: … -->`)."""

import json
import re
from html.parser import HTMLParser
from importlib import import_module
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from dotenv import dotenv_values
from prometheus_client import REGISTRY
from providers_added import chatty
from support.blocks import blocks_of, code_blocks, to_run
from support.openapi import document, validate
from support.sql import script

from app.config import variable_names
from app.providers import PROVIDERS

ROOT = Path(__file__).parent.parent

# Languages whose blocks are run wherever they are, and what runs them. Tests of this module run the others.
RUNNERS = {
    "sh": "tests/end_to_end/test_dev.py",
    "sql": "tests/end_to_end/test_dev.py",
    "ts": "clients/typescript/test/types.test.ts",
    "tsx": "clients/typescript/test/types.test.ts",
    "js": "clients/typescript/test/types.test.ts",
    "mermaid": "website/test_site.py",
}
# Blocks that a test of their page runs, which reads them there.
OWN_TESTS = {
    ("docs/deploy-supabase.md", "sql"): "tests/migrations/test_deploy_supabase.py",
    ("docs/operations.md", "nginx"): "tests/chaos/programs.py",
    ("docs/settings-page.md", "css"): "tests/settings_page/browser/test_page_embedding.py",
    ("docs/api.md", "python"): "tests/end_to_end/test_dev.py",
}
OF_THIS_MODULE = {"json", "ini", "html", "yaml"}
OUTPUT = {"text"}
PROVIDER_PAGE = "docs/adding-a-provider.md"

NOT_RUN = {
    "README.md": [
        "other tests do both: tests/end_to_end/test_dev.py runs `make run`",
        "needs a database and a Supabase project; tests/image/replay.py installs, migrates and serves",
    ],
    "docs/deploy-supabase.md": [
        "tests/image/replay.py installs the image like this",
        "needs a project; tests/migrations/test_deploy_supabase.py migrates one like it",
        "needs the Supabase CLI and a project",
        "needs a project; tests/migrations/test_deploy_supabase.py runs the service on one like it",
        "needs a project",
    ],
    "docs/frontend.md": [
        "tests/end_to_end/test_dev.py starts `ai-avatar dev`",
        "`make check-clients` builds it; `make test-nextjs` installs it",
    ],
    "docs/getting-started.md": [
        "other tests do both: tests/end_to_end/test_dev.py runs `make run`",
        "needs a HeyGen account",
        "needs n8n; `make test-n8n` starts it like this",
        "needs n8n; tests/end_to_end/test_dev.py starts it like this",
    ],
    "docs/operations.md": ["needs a second server"],
    "docs/plain-postgresql.md": [
        "needs Docker; `make test-image` runs the same commands without it",
        "needs Docker",
        "needs Docker and a HeyGen account",
    ],
    "docs/releasing.md": [
        "takes an hour; CI does it",
        "changes the revisions; tests/migrations/test_function_sources.py does it on a copy",
        "releases",
    ],
    "docs/security.md": ["needs SECRETS_KEYS; tests/integrations/test_rotation.py rotates"],
    "docs/troubleshooting.md": ["needs Docker"],
    "examples/nextjs/README.md": ["starts three servers; `make test-nextjs` does the same"],
}


def test_blocks_that_are_not_run_are_these() -> None:
    found: dict[str, list[str]] = {}
    for block in code_blocks():
        if block.reason:
            found.setdefault(block.page, []).append(block.reason)

    assert found == NOT_RUN


def test_each_other_block_is_run() -> None:
    unknown = [
        f"{block.page}:{block.line} ({block.language})"
        for block in code_blocks()
        if not block.reason
        and block.page != PROVIDER_PAGE
        and block.language not in {*RUNNERS, *OF_THIS_MODULE, *OUTPUT}
        and (block.page, block.language) not in OWN_TESTS
    ]

    assert unknown == [], "run these, or mark them: <!-- not run: why -->"


def test_own_tests_read_their_page() -> None:
    for (page, _), test in OWN_TESTS.items():
        assert Path(page).name in (ROOT / test).read_text(), test


def test_json_is_what_the_service_answers() -> None:
    for blocks in to_run("json").values():
        for block in blocks:
            found = json.loads(block.text)
            if "code" in found:
                validate(found, document()["components"]["schemas"]["GenerationInProgressProblem"])


def test_settings_files_can_be_read() -> None:
    for blocks in to_run("ini").values():
        for block in blocks:
            assert set(dotenv_values(stream=StringIO(block.text))) <= variable_names()


def test_yaml_can_be_read() -> None:
    for blocks in to_run("yaml").values():
        for block in blocks:
            yaml.safe_load(block.text)


def test_alerts_watch_metrics_that_there_are() -> None:
    import_module("app.server")  # the application does not need it, and it has metrics of its own
    [block] = to_run("yaml")["docs/operations.md"]
    rules = yaml.safe_load(block.text)["groups"][0]["rules"]
    named = set(re.findall(r"\b(?:ai_avatar|http)_\w+", " ".join(rule["expr"] for rule in rules)))

    assert len(named) > 8
    assert {name.removesuffix("_total") for name in named} <= {metric.name for metric in REGISTRY.collect()}


@pytest.mark.anyio
async def test_scripts_that_pages_load_are_served(client: httpx.AsyncClient) -> None:
    sources = [
        source for blocks in to_run("html").values() for block in blocks for source in _scripts(block.text)
    ]

    assert sources
    for source in sources:
        response = await client.get(urlsplit(source).path)
        assert response.headers["content-type"].startswith("text/javascript"), source


def _scripts(html: str) -> list[str]:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "script":
                found.append(dict(attrs).get("src") or "")

    Reader().feed(html)
    return found


def test_a_provider_is_added_as_its_page_says(database_url: str) -> None:
    spec, registry = [block for block in blocks_of(PROVIDER_PAGE) if block.language == "python"]
    names = {**vars(chatty), "HEYGEN": PROVIDERS["heygen"]}
    exec(spec.text, names)
    exec(registry.text, names)
    [migration] = [block for block in blocks_of(PROVIDER_PAGE) if block.language == "sql"]
    include = "--! include shared/lock_tables.sql"
    locks = (ROOT / "alembic" / "sql" / "shared" / "lock_tables.sql").read_text()

    assert names["PROVIDERS"]["chatty"].create is chatty.CHATTY.create
    assert include in migration.text
    script(database_url, migration.text.replace(include, locks))
    assert len(blocks_of(PROVIDER_PAGE)) == 3
