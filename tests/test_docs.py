"""The documentation: links resolve, the index is complete, and tables of codes and settings match the code."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.config import variable_names
from app.errors import AppError
from app.openapi_problems import problem_schemas

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FOLDERS = ("docs", "n8n", "clients", "examples", "bench", ".github")

FENCE = re.compile(r"^\s*(```|~~~).*?^\s*\1[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
CODE_ROW = re.compile(r"^\| `([a-z0-9_]+)` \| ([\d, ]+) \|", re.MULTILINE)


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


def kinds(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    for one in kind.__subclasses__():
        yield one
        yield from kinds(one)


def test_table_of_error_codes_is_that_of_the_code() -> None:
    rows = CODE_ROW.findall((DOCS / "api.md").read_text(encoding="utf-8"))
    documented = {(code, int(status)) for code, statuses in rows for status in statuses.split(",")}

    assert documented == {(kind.code, kind.status) for kind in kinds()}
    assert [code for code, _ in rows] == sorted(problem_schemas()["ProblemCode"]["enum"])


def test_readme_s_settings_are_those_of_the_service() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("### Settings")[2]
    first_columns = "\n".join(re.findall(r"^\| (`[A-Z].*?) \|", section, re.MULTILINE))

    assert set(re.findall(r"`([A-Z0-9_]+)`", first_columns)) == variable_names()
