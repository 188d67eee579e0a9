"""The page's files, read at startup: compressed, versioned by their content, with the modules that are generated."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from posixpath import dirname, join, normpath
from typing import Any, Final

PAGE: Final = "page.html"
ENTRY: Final = "ai-avatar-settings.js"
PAGE_SCRIPT: Final = "page.js"
_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_IMPORT = re.compile(r'^(?:import|export)\s(?:[^"\';]*\sfrom\s*)?"(\.[^"]+)"', re.MULTILINE)
# A comment that fills whole lines: a quarter of the source, most of it types.
_COMMENT = re.compile(r"^[\t ]*(?://[^\n]*|/\*\*(?:[^*]|\*(?!/))*\*/)[\t ]*\n", re.MULTILINE)
_VERSIONED = re.compile(r"([0-9a-f]{16})/(.+)")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent, plain or compressed. `immutable`: its URL contains the hash of the content."""

    body: bytes
    compressed: bytes
    media_type: str
    etag: str
    immutable: bool = False


class Assets:
    """Every file that is served, by path.

    The version is a hash of all files. Below `<version>/`, a file never changes, so browsers keep it; the scripts
    import each other by relative paths and so stay within one version.
    """

    def __init__(self, providers: Iterable[Mapping[str, Any]]) -> None:
        """`providers`: what the page needs to know of each provider of the registry."""
        sources = {
            path: _COMMENT.sub("", text) if path.endswith(".js") else text
            for path, text in _read(files(__package__).joinpath("static")).items()
        }
        sources |= {
            f"{path}.js": _style_module(text) for path, text in sources.items() if path.endswith(".css")
        }
        sources["providers.js"] = f"export default {json.dumps(list(providers))};\n"
        digest = hashlib.sha256()
        for path, text in sorted(sources.items()):
            digest.update(f"{path}\n{text}\n".encode())
        self.version = digest.hexdigest()[:16]
        preloads = "\n\t\t".join(
            f'<link rel="modulepreload" href="static/{path}">' for path in list_modules(sources, PAGE_SCRIPT)
        )
        page = sources.pop(PAGE).replace("<!-- modulepreload -->", preloads)
        self.page = _pack(PAGE, page.replace('"static/', f'"static/{self.version}/'))
        self._versioned = {path: _pack(path, text, immutable=True) for path, text in sources.items()}
        self._current = {path: _pack(path, text) for path, text in sources.items()}
        self._loader = _pack(ENTRY, self._load_all(sources))

    def get(self, path: str) -> StaticFile | None:
        """Return the file at this path. A path of another version leads to the current file, revalidated."""
        if path == ENTRY:
            return self._loader
        versioned = _VERSIONED.fullmatch(path)
        if versioned is None:
            return self._current.get(path)
        version, path = versioned.groups()
        return (self._versioned if version == self.version else self._current).get(path)

    def _load_all(self, sources: Mapping[str, str]) -> str:
        """Return the script that hosts load. It names all modules, so that they are fetched at once."""
        paths = list_modules(sources, ENTRY)
        imports = "".join(f'import "./{self.version}/{path}";\n' for path in paths)
        return f'{imports}export * from "./{self.version}/{ENTRY}";\n'


def list_modules(sources: Mapping[str, str], entry: str) -> list[str]:
    """Return a module and those that it imports statically, directly or not, in the order in which they are found."""
    found = [entry]
    for path in found:  # grows while it is read
        targets = (normpath(join(dirname(path), target)) for target in _IMPORT.findall(sources[path]))
        found += dict.fromkeys(target for target in targets if target not in found)
    return found


def _read(folder: Traversable, prefix: str = "") -> dict[str, str]:
    """Read every file of a folder and its folders, by path."""
    found: dict[str, str] = {}
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            found |= _read(entry, f"{path}/")
        elif entry.name.rpartition(".")[2] in _MEDIA_TYPES:
            found[path] = entry.read_text(encoding="utf-8")
    return found


def _style_module(text: str) -> str:
    """Return a module whose default export is the style sheet: it is loaded together with the scripts."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*([{};])\s*|\s+", lambda match: match[1] or " ", text).replace(": ", ":").strip()
    return (
        f"const sheet = new CSSStyleSheet();\nsheet.replaceSync({json.dumps(text)});\nexport default sheet;\n"
    )


def _pack(path: str, text: str, *, immutable: bool = False) -> StaticFile:
    body = text.encode()
    return StaticFile(
        body=body,
        compressed=gzip.compress(body, mtime=0),
        media_type=_MEDIA_TYPES[path.rpartition(".")[2]],
        etag=hashlib.sha256(body).hexdigest()[:20],
        immutable=immutable,
    )
