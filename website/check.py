"""Checks the built site: links and anchors resolve, and a browser loads nothing from another server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements that make a browser load something, and the attribute that says what. A link to another page is none.
_LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
_NOT_LOADED = {"canonical", "next", "prev", "author", "license"}
_LIST_LINE = re.compile(r"^ *(?:[-*] |\d+\. |\||```).*", re.MULTILINE)
_IN_STYLE = re.compile(r"url\(\s*['\"]?\s*((?:https?:)?//[^)'\"]+)|@import\s+['\"]((?:https?:)?//[^'\"]+)")


@dataclass
class Page:
    """What one page loads, leads to, and can be led to."""

    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    styles: str = ""
    literal_lists: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self._open.append(tag)
        self.page.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.page.styles += values.get("style", "")
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
        if tag == "link" and set(values.get("rel", "").split()) & _NOT_LOADED:
            return
        self.page.loads += [values[name] for name in _LOADS.get(tag, ()) if name in values]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.page.styles += data
        if self._open[-1:] == ["p"]:
            self.page.literal_lists += _LIST_LINE.findall(data)


def errors_of(site: Path) -> Iterator[str]:
    """Yield a line for each error of the site."""
    pages = {path: _read(path) for path in site.rglob("*.html")}
    for path, page in sorted(pages.items()):
        name = path.relative_to(site)
        for address in page.loads:
            if _is_elsewhere(address):
                yield f"{name}: loads {address} from another server"
        yield from (f"{name}: loads {found} from another server" for found in _loaded_by_style(page.styles))
        for address in (*page.links, *page.loads):
            # 404.html is shown at any path, so its links begin at the root.
            if not _is_elsewhere(address) and path.name != "404.html" and not _resolves(address, path, pages):
                yield f"{name}: nothing is at {address}"
        yield from (f"{name}: a list or table that is none: {text}" for text in page.literal_lists)
    for path in sorted(site.rglob("*.css")):
        for found in _loaded_by_style(path.read_text()):
            yield f"{path.relative_to(site)}: loads {found} from another server"


def _read(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text())
    return reader.page


def _is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).scheme not in ("", "data") or address.startswith("//"))


def _loaded_by_style(text: str) -> Iterator[str]:
    for found in _IN_STYLE.findall(text):
        yield "".join(found)


def _resolves(address: str, page: Path, pages: dict[Path, Page]) -> bool:
    if address.startswith("data:"):
        return True
    path, _, anchor = address.partition("#")
    target = (page.parent / unquote(urlsplit(path).path)).resolve() if path else page.resolve()
    if not target.is_file():
        return False
    return not anchor or target not in pages or unquote(anchor) in pages[target].anchors or anchor == "__top"
