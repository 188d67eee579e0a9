"""The documentation's site: what its checks find, and how its pages are laid out. `make docs` builds it."""

from pathlib import Path

import pytest

from website.build import for_python_markdown, page_paths, unnamed
from website.check import errors_of


def test_navigation_leads_to_every_page() -> None:
    assert [str(page) for page in unnamed(page_paths())] == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('<a href="missing.html">', "nothing is at missing.html"),
        ('<a href="other.html#missing">', "nothing is at other.html#missing"),
        ('<a href="#missing">', "nothing is at #missing"),
        ('<a href="folder">', "nothing is at folder"),
        ('<img src="missing.png">', "nothing is at missing.png"),
        ('<img src="https://example.com/x.png">', "loads https://example.com/x.png from another server"),
        ('<script src="//example.com/x.js"></script>', "loads //example.com/x.js from another server"),
        ('<link rel="stylesheet" href="https://example.com/x.css">', "loads https://example.com/x.css"),
        ('<p style="background: url(https://example.com/x.png)">', "loads https://example.com/x.png"),
        ("<style>@import '//example.com/x.css'</style>", "loads //example.com/x.css"),
        ("<p>A list:\n- one</p>", "a list or table that is none: - one"),
    ],
)
def test_errors_of_a_page_are_found(tmp_path: Path, body: str, error: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.html").write_text('<h1 id="here">Other</h1>')
    (tmp_path / "page.html").write_text(body)

    [found] = errors_of(tmp_path)

    assert error in found
    assert found.startswith("page.html: ")


def test_style_sheets_load_nothing_from_another_server(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_text("a { background: url('https://example.com/x.png') }")

    assert list(errors_of(tmp_path)) == ["x.css: loads https://example.com/x.png from another server"]


def test_page_without_errors_has_none(tmp_path: Path) -> None:
    (tmp_path / "other page.html").write_text('<h1 id="hêre">Other</h1>')
    (tmp_path / "page.html").write_text(
        '<link rel="canonical" href="https://example.com/page"><img src="data:image/png;base64,AAAA">'
        '<a href="https://example.com/">elsewhere</a><a href="other%20page.html#h%C3%AAre">there</a>'
        '<a href="#top" id="top">here</a><pre>- no list</pre>'
    )

    assert list(errors_of(tmp_path)) == []


@pytest.mark.parametrize(
    ("given", "laid_out"),
    [
        ("1. One\n   more\n2. Two\n", "1. One\n    more\n2. Two\n"),
        ("- One\n  - Inner\n    more\n", "- One\n    - Inner\n        more\n"),
        ("1. One:\n\n   ```sh\n   a \\\n     b\n   ```\n\n2. Two\n", None),
        ("1. One\n\n   Block\n2. Two\n", "1. One\n\n    Block\n\n2. Two\n"),
        ("```\n- no item\n  text\n```\n", "```\n- no item\n  text\n```\n"),
        ("- One\n\nText\n    code\n", "- One\n\nText\n    code\n"),
    ],
)
def test_content_of_list_items_is_indented_by_four_spaces(given: str, laid_out: str | None) -> None:
    if laid_out is None:
        laid_out = given.replace("\n   ", "\n    ")

    assert for_python_markdown(given) == laid_out
