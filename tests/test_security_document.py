"""SECURITY.md: every test that it names exists."""

import ast
import re

from support.postgres import ROOT


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 30
    missing = [f"{path}::{name}" for path, name in named if name not in functions_in(path)]
    assert missing == []


def test_every_threat_names_a_test() -> None:
    text = (ROOT / "SECURITY.md").read_text().partition("## Threat model")[2]
    rows = [
        line
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith(("| wants", "| ---"))
    ]
    assert [row for row in rows if "::test_" not in row.split("|")[3]] == []


def functions_in(path: str) -> set[str]:
    """The names of the test functions in a file."""
    source = ROOT / path
    if not source.exists():
        return set()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, functions)}
