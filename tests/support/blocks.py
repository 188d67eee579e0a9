"""The code blocks of the documentation, and which of them say that no test runs them."""

import re
from dataclasses import dataclass
from textwrap import dedent

from website.build import ROOT, page_paths

# `<!-- not run: why -->` in front of a block; it is not shown.
_BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^>]+) -->\n\s*)?"
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of one page. `reason`: why it is not run; empty for those that are."""

    page: str
    line: int
    language: str
    text: str
    reason: str


def code_blocks() -> list[Block]:
    """Return all blocks of all pages, in their order."""
    return [block for page in page_paths() for block in blocks_of(str(page.relative_to(ROOT)))]


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of one page; its path begins at the repository."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("fence")) + 1,
            found["language"],
            dedent(found["text"]),
            found["reason"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def to_run(language: str) -> dict[str, list[Block]]:
    """Return the blocks of a language that tests run, by page."""
    pages: dict[str, list[Block]] = {}
    for block in code_blocks():
        if block.language == language and not block.reason:
            pages.setdefault(block.page, []).append(block)
    return pages
