"""Builds the documentation's site from the repository's Markdown: `make docs`.

The pages keep their places and links, so that each works on GitHub and here. Warnings, broken links, pages that the
navigation does not name, and anything that a browser would load from another server are errors.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from website.check import errors_of

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILD = ROOT / ".data" / "website"
PAGES = BUILD / "pages"
SITE = BUILD / "site"
MODULES = HERE / "node_modules"
VENDORED = {
    "mermaid.js": MODULES / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js",  # draws diagrams
    "iframe-worker.js": MODULES / "iframe-worker" / "shim" / "index.js",  # runs the search from a folder
}

_PAGES = ("*.md", "docs/**/*.md", "n8n/*.md", "clients/typescript/*.md", "examples/nextjs/*.md", "bench/*.md")
_LINK = re.compile(r"\]\(([^)#:\s]+)\)")
_ITEM = re.compile(r"( *)((?:[-*+]|\d+[.)]) +)(?=\S)")
_FOLDER = re.compile(r'href="((?:\./)?\.\.(?:/\.\.)*)"')
_DIAGRAM = re.compile(r'<pre class="mermaid">.*?</pre>', re.DOTALL)
_SHIM = "https://unpkg.com/iframe-worker/shim"
_FENCE = re.compile(r" *(```+|~~~+)")


def main() -> None:
    """Build the site, or exit with what is wrong."""
    for folder in (PAGES, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    pages = page_paths()
    missing = [f"{page.relative_to(ROOT)}: zensical.toml does not name it" for page in unnamed(pages)]
    for page in pages:
        copy(page)
    shutil.copy(HERE / "zensical.toml", BUILD)
    shutil.copy(HERE / "site.css", PAGES)
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict", "--clean"]
    if subprocess.run(command, cwd=BUILD, check=False).returncode:
        sys.exit("zensical has found the errors above.")
    complete()
    if errors := [*missing, *errors_of(SITE)]:
        sys.exit("\n".join(errors))
    print(f"{len(pages)} pages: {SITE.relative_to(ROOT)}/index.html")


def page_paths() -> list[Path]:
    """Return the Markdown files that are pages of the site."""
    return [page for pattern in _PAGES for page in sorted(ROOT.glob(pattern))]


def unnamed(pages: list[Path]) -> Iterator[Path]:
    """Yield the pages that the navigation does not lead to."""
    text = (HERE / "zensical.toml").read_text()
    named = set(re.findall(r'"([^"]+\.md)"', text))
    yield from (page for page in pages if str(page.relative_to(ROOT)) not in named)


def copy(page: Path) -> None:
    """Copy a page and the images and texts that it links."""
    text = page.read_text()
    write(page, for_python_markdown(text).encode())
    for link in _LINK.findall(text):
        target = (page.parent / link).resolve()
        if target.is_file() and target.suffix != ".md":
            write(target, target.read_bytes())


def write(source: Path, content: bytes) -> None:
    target = PAGES / source.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def for_python_markdown(text: str) -> str:
    """Indent what belongs to a list item by four spaces instead of its marker's width, for Python-Markdown.

    A blank line precedes an item whose predecessor has several blocks.
    """
    lines: list[str] = []
    items: list[_Item] = []  # those that are open, the innermost last
    fence = ""
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        closed = _Item()
        if line.strip() and not fence:
            while items and indent < items[-1].source:
                closed = items.pop()
        inner = items[-1] if items else _Item()
        inner.has_blocks |= not line.strip()
        found = None if fence else _ITEM.match(line)
        if found and closed.has_blocks and lines[-1]:
            lines.append("")
        moved = inner.target + max(indent - inner.source, 0)
        lines.append(" " * moved + line.lstrip() if line.strip() else "")
        if found:
            items.append(_Item(found.end(), moved + 4))
        elif mark := _FENCE.match(line):
            fence = mark[1] if not fence else "" if mark[1] == fence else fence
    return "\n".join(lines) + "\n"


@dataclass
class _Item:
    """A list item: how far its content is indented, and is to be; whether a blank line has been in it."""

    source: int = 0
    target: int = 0
    has_blocks: bool = False


def complete() -> None:
    """Give the pages from this server what the theme would load from another one, and lead folders to their page."""
    scripts = SITE / "assets" / "javascripts"
    for name, source in VENDORED.items():
        shutil.copy(source, scripts / name)
    for page in SITE.rglob("*.html"):
        up = "../" * (len(page.relative_to(SITE).parts) - 1)
        text = page.read_text().replace(_SHIM, f"{up}assets/javascripts/iframe-worker.js")
        text = _FOLDER.sub(r'href="\1/index.html"', text)
        if 'class="mermaid"' in text:
            tag = f'<script src="{up}assets/javascripts/mermaid.js"></script>'
            text = text.replace("</head>", f"{tag}</head>", 1)
            text = _DIAGRAM.sub(r'<div class="diagram">\g<0></div>', text)  # scrolls, if it is too wide
        page.write_text(text)


if __name__ == "__main__":
    main()
