"""`make bench-flames`: flame graphs of the hot operations, in docs/profiles, under load as in `make bench`.

py-spy must be on the PATH, and may need root. `before` as an argument names the files so: the baseline was taken from
a checkout of the commit before operations were compiled, with this file and PYTHONPATH set to that checkout.
"""

import asyncio
import html
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from data import reset
from run import TITLES, Bench, Result, bench_environment, webhook_receiver
from servers import OURS, Running, running
from support import postgres

FOLDER = Path(__file__).parent.parent / "docs" / "profiles"
OPERATIONS = ("integration", "credentials", "generate")
SECONDS = 10
WIDTH, ROW, MIN_WIDTH = 1200.0, 17, 1.2  # pixels
PLACES = re.compile(r"^(.*) \((.*?)(?::\d+)?\)$")

Stacks = Counter[tuple[str, ...]]


def record(bench: Bench, server: Running, operation: str) -> tuple[Stacks, Result]:
    """Return the samples of the server's stacks under load by stack, and what a request costs without py-spy."""
    result = bench.measure(server, operation)
    if operation == "generate":
        asyncio.run(reset(bench.url))
    with tempfile.NamedTemporaryFile() as raw, ThreadPoolExecutor() as threads:
        load = threads.submit(bench.load, server, operation, SECONDS + 2)
        options = ["--rate", "400", "--format", "raw", "--function", "--duration", str(SECONDS)]
        command = ["py-spy", "record", *options, "--pid", str(server.process.pid), "--output", raw.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        load.result()
        lines = Path(raw.name).read_text(encoding="utf-8").splitlines()
    stacks: Stacks = Counter()
    for line in lines:
        frames, _, count = line.rpartition(" ")
        stacks[tuple(shorten(frame) for frame in frames.split(";"))] += int(count)
    return stacks, result


def shorten(frame: str) -> str:
    """Return the function with its file as an import would find it: no path of this machine."""
    found = PLACES.match(frame)
    if not found:
        return frame
    name, file = found.groups()
    return f"{name} ({re.sub(r'^.*?(?:site-packages|python3[.][0-9]+)/', '', file)})"


@dataclass
class Node:
    """A function as called by the functions above it."""

    samples: int = 0
    calls: dict[str, "Node"] = field(default_factory=dict)


def tree_of(stacks: Stacks) -> Node:
    """Return the root, without what every sample has in common."""
    root = Node()
    for stack, count in stacks.items():
        node = root
        node.samples += count
        for frame in stack:
            node = node.calls.setdefault(frame, Node())
            node.samples += count
    while len(root.calls) == 1:
        [only] = root.calls.values()
        if len(only.calls) == 0:
            break
        root = only
    return root


def boxes(node: Node, x: float, depth: int, scale: float) -> Iterator[tuple[str, int, float, float, int]]:
    """Yield name, samples, x, width and depth of each box that is wide enough to see."""
    for name, call in sorted(node.calls.items(), key=lambda item: -item[1].samples):
        width = call.samples * scale
        if width >= MIN_WIDTH:
            yield name, call.samples, x, width, depth
            yield from boxes(call, x, depth + 1, scale)
        x += width


def draw(title: str, stacks: Stacks, cpu: float) -> str:
    """Return the flame graph as SVG: widths are shares of the samples, colours are packages."""
    root = tree_of(stacks)
    found = list(boxes(root, 0, 0, WIDTH / root.samples))
    height = (max(depth for *_, depth in found) + 4) * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height}" font-family="monospace" '
        f'font-size="11"><rect width="100%" height="100%" fill="#fff"/><text x="4" y="14" font-size="13">'
        f"{html.escape(title)}: {cpu:.0f} µs of CPU time a request. Callers are above what they call; what no box covers is the event loop itself.</text>"
    ]
    for name, samples, x, width, depth in found:
        share = samples / root.samples
        text = html.escape(name)
        y = (depth + 2) * ROW
        label = html.escape(name[: int(width / 6.7)]) if width > 40 else ""
        lines.append(
            f'<g><title>{text}: {share:.1%}, {share * cpu:.1f} µs</title><rect x="{x:.1f}" y="{y}" '
            f'width="{width:.1f}" height="{ROW - 1}" fill="{colour(name)}"/>'
            + (f'<text x="{x + 2:.1f}" y="{y + 12}">{label}</text>' if label else "")
            + "</g>"
        )
    return "\n".join((*lines, "</svg>\n"))


def colour(name: str) -> str:
    """Return the colour of a function's package."""
    package = name.partition("(")[2].partition("/")[0]
    known = {"app": "#f6a97a", "asyncpg": "#9fc5e8", "uvicorn": "#b6d7a8", "fastapi": "#ead1dc"}
    return known.get(package, "#ddd" if package else "#eee")


def main() -> None:
    when = "before" if "before" in sys.argv[1:] else "after"
    database_server = postgres.start()
    with (
        tempfile.TemporaryDirectory() as folder,
        database_server.database(template=database_server.migrated_template()) as name,
        webhook_receiver() as webhook,
    ):
        bench = Bench(database_server.url(name), name, Path(folder))
        with running(OURS, bench_environment(bench.url, webhook)) as server:
            for operation in OPERATIONS:
                stacks, result = record(bench, server, operation)
                title = f"{TITLES[operation]}, {when}"
                (FOLDER / f"{operation}-{when}.svg").write_text(
                    draw(title, stacks, result.cpu), encoding="utf-8"
                )
                print(f"{title}: {result.cpu:.0f} µs, {sum(stacks.values())} samples", flush=True)


if __name__ == "__main__":
    main()
