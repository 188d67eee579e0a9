"""The page's modules without a browser: `node --test` on those that use no DOM, and rules that hold for every file."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.browser import ROOT, missing

STATIC = ROOT / "app" / "settings_page" / "static"
UNIT = Path(__file__).parent / "unit"


def list_files(suffix: str) -> list[Path]:
    return sorted(STATIC.rglob(f"*.{suffix}"))


def name_of(path: Path) -> str:
    return str(path.relative_to(STATIC))


def test_modules_without_dom_pass_their_unit_tests() -> None:
    node = shutil.which("node")
    if node is None:
        missing("node is missing: install Node.js 18 or newer (on Debian: `apt-get install nodejs npm`)")
    files = sorted(UNIT.glob("*.test.js"))
    assert len(files) > 3
    run = subprocess.run([node, "--test", *files], check=False, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", list_files("js"), ids=name_of)
def test_every_script_is_type_checked(path: Path) -> None:
    assert path.read_text().startswith("// @ts-check\n")


@pytest.mark.parametrize("path", list_files("css"), ids=name_of)
def test_style_sheet_has_one_declaration_per_line(path: Path) -> None:
    crowded = [line for line in path.read_text().splitlines() if re.search(r"[;{]\s*[^\s]", line)]
    assert crowded == []


def test_lock_file_has_no_addresses() -> None:
    assert "://" not in (Path(__file__).parent / "package-lock.json").read_text()
