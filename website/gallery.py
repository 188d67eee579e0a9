"""The page with all screenshots, which the browser tests make."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_INTRODUCTION: Final = """
<!-- Made by `make docs-generate`. -->

The browser tests make these if `UPDATE_SCREENSHOTS` is 1: those in `tests/settings_page` and `tests/reference`, and
`make test-nextjs`. [Settings page](settings-page.md), [API reference](api-reference.md) and the
[Next.js example](../examples/nextjs/README.md) describe what they show. Their key has 20 characters or more, so its
last four are shown; `sandbox-demo` is too short for that.
"""


def gallery(folder: Path) -> Iterator[str]:
    """Yield the page's lines: a heading for each state, and its pictures by width."""
    yield "# Screenshots"
    yield _INTRODUCTION
    states: dict[str, dict[int, str]] = {}
    for path in sorted(folder.glob("*.png")):
        found = re.fullmatch(r"(.+?)(?:-(\d+))?", path.stem)
        assert found
        states.setdefault(found[1], {})[int(found[2] or 0)] = path.name
    for state, pictures in states.items():
        title = state.replace("-", " ").capitalize()
        yield f"## {title}\n"
        widths = sorted(pictures)
        cells = [f"![{_alternative(title, width)}](screenshots/{pictures[width]})" for width in widths]
        if widths == [0]:
            yield f"{cells[0]}\n"
            continue
        yield f"| {' | '.join(f'{width} pixels' for width in widths)} |"
        yield f"|{' --- |' * len(widths)}"
        yield f"| {' | '.join(cells)} |\n"


def _alternative(title: str, width: int) -> str:
    return f"{title}, {width} pixels wide" if width else title
