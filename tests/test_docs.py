"""The documentation: links resolve, the index is complete, and pages that are made from the code match it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.config import Settings, variable_names
from app.errors import AppError
from app.providers import PROVIDERS
from website.generate import generated_pages

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FOLDERS = ("docs", "n8n", "clients", "examples", "bench", ".github")

FENCE = re.compile(r"^\s*(```|~~~).*?^\s*\1[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


def pages(root: Path) -> list[Path]:
    found = [*root.glob("*.md"), *(page for folder in FOLDERS for page in (root / folder).rglob("*.md"))]
    return sorted(page for page in found if page.is_file() and not is_tool_data(page, root))


def is_tool_data(page: Path, root: Path) -> bool:
    folders = page.relative_to(root).parts[:-1]
    return any(
        (part.startswith(".") and part != ".github") or part in {"build", "node_modules"} for part in folders
    )


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return a page's anchors, as GitHub derives them from the headings."""
    text = prose(page)
    seen: Counter[str] = Counter()
    found = set(ANCHOR.findall(text))
    for heading in HEADING.findall(text):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found.add(slug if not seen[slug] else f"{slug}-{seen[slug]}")
        seen[slug] += 1
    return found


def links(page: Path) -> Iterator[str]:
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))):
        if not re.match(r"[a-z][a-z0-9+.-]*:", target):
            yield target


def broken_links(root: Path) -> list[str]:
    return [
        f"{page.relative_to(root)}: {link}"
        for page in pages(root)
        for link in links(page)
        if is_broken(page, link)
    ]


def is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / unquote(path) if path else page
    if link.startswith("/") or not target.exists():
        return True
    return bool(anchor) and (target.suffix != ".md" or unquote(anchor) not in anchors(target))


@pytest.mark.parametrize(
    ("link", "is_found"),
    [
        ("missing.md", True),
        ("other.md#missing", True),
        ("#missing", True),
        ("/other.md", True),
        ("image.png", True),
        ("other.md#a-heading", False),
        ("other.md#a-heading-1", False),
        ("other.md#get-path", False),
        ("#the-page", False),
        ("other.md", False),
        ("https://example.com/missing", False),
    ],
)
def test_broken_link_is_found(tmp_path: Path, link: str, is_found: bool) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "other.md").write_text(
        "# A heading\n\n## A heading\n\n## `GET /path`\n\n```sh\n# missing\n```\n"
    )
    (folder / "page.md").write_text(
        f"# The page\n\nSee [this]({link}).\n\n```md\n[no link](nowhere.md)\n```\n"
    )

    assert broken_links(tmp_path) == ([f"docs/page.md: {link}"] if is_found else [])


def test_all_links_and_anchors_resolve() -> None:
    assert broken_links(ROOT) == []


def test_index_names_every_page_and_decision() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "README.md")}

    assert sorted({*DOCS.rglob("*.md")} - linked) == [DOCS / "README.md"]


def test_readme_leads_to_the_index() -> None:
    assert "docs/README.md" in set(links(ROOT / "README.md"))


@pytest.mark.parametrize("page", generated_pages(), ids=lambda page: page.name)
def test_generated_page_is_that_of_the_code(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generated_pages()[page], "run `make docs-generate`"


def test_each_code_of_the_error_classes_has_an_entry() -> None:
    entries = re.findall(r"^## `(\w+)`$", (DOCS / "problems.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert entries == sorted({kind.code for kind in kinds()})
    assert set(entries) <= anchors(DOCS / "problems.md")


def kinds(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    for one in kind.__subclasses__():
        yield one
        yield from kinds(one)


def test_configuration_has_each_setting_with_its_meaning_once() -> None:
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \|.*\| (.*) \| .*\|$", prose(DOCS / "configuration.md"), re.MULTILINE
    )

    assert sorted(name for name, _ in rows) == sorted(variable_names())
    assert [name for name, meaning in rows if not meaning.endswith(".")] == []


def test_secrets_are_marked_in_the_configuration() -> None:
    page = prose(DOCS / "configuration.md")
    marked = set(re.findall(r"^\| `([A-Z0-9_]+)` \| [^|]*\| \*\*secret\*\*", page, re.MULTILINE))

    assert marked == {
        "DATABASE_URL",
        "MIGRATE_DATABASE_URL",
        "N8N_API_KEY",
        "N8N_WEBHOOK_SECRET",
        "N8N_WEBHOOK_TOKEN",
        "SECRETS_KEYS",
        "SERVICE_API_KEY",
        "SUPABASE_JWT_SECRET",
    }


def test_example_file_has_each_setting_with_its_default() -> None:
    lines = re.findall(r"^(?:# )?([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    defaults = {
        name.upper(): str(field.default).lower()
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, int | float | str) and name != "problem_type_url"
    }
    defaults |= {f"{name.upper()}_API_URL": spec.default_api_url for name, spec in PROVIDERS.items()}

    assert sorted(name for name, _ in lines) == sorted(variable_names())
    assert {name: value for name, value in lines if name in defaults} == defaults


def test_command_line_has_each_command() -> None:
    headings = HEADING.findall(prose(DOCS / "cli.md"))

    for command in ("dev", "serve", "migrate", "token", "openapi", "secrets generate-key", "secrets rotate"):
        assert f"`ai-avatar {command}`" in headings


def test_each_screenshot_is_made_by_a_test() -> None:
    """By name: the tests themselves make them only with UPDATE_SCREENSHOTS."""
    sources = [
        path.read_text()
        for folder in ("tests/settings_page", "tests/reference", "examples/nextjs/tests")
        for path in (ROOT / folder).rglob("test_*.py")
    ]
    made = {name for text in sources for name in re.findall(r'\bshoot\(page, "([\w-]+)"', text)}
    for text in sources:
        if 'shoot(page, f"{state}-{width}"' in text:
            [widths] = re.findall(r"^WIDTHS = [\[(]([\d, ]+)[\])]", text, re.MULTILINE)
            states = re.findall(r'^    +check\(\s*"([\w-]+)"', text, re.MULTILINE)
            made |= {f"{state}-{width.strip()}" for state in states for width in widths.split(",")}

    assert {path.stem for path in (DOCS / "screenshots").iterdir()} == made
    # n8n/tests/test_editor.py takes these, of the workflows with these names.
    assert {path.stem for path in (ROOT / "n8n").glob("*.png")} == {"heygen-video", "heygen-video-direct"}


def test_each_screenshot_is_shown_on_a_page() -> None:
    shown = {(page.parent / link).resolve() for page in pages(ROOT) for link in links(page)}

    assert sorted({*(DOCS / "screenshots").iterdir()} - shown) == []
