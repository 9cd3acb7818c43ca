"""Every benchmark can be imported, says in its docstring how it is run, and explains its dials."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "benchmarks").glob("*.py"))
RUN = [path for path in MODULES if '__name__ == "__main__"' in path.read_text()]
ALL_HELP = """
import contextlib, importlib, io, json, runpy, sys
said = {}
for name in sys.argv[1].split(","):
    importlib.import_module(f"benchmarks.{name}")
for name in sys.argv[2].split(","):
    del sys.modules[f"benchmarks.{name}"]
    out, sys.argv[1:] = io.StringIO(), ["--help"]
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        said[name] = "it ran instead of explaining itself"
    except SystemExit as left:
        said[name] = out.getvalue() if left.code == 0 else f"exit code {left.code}"
print(json.dumps(said))
"""


def documented(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_the_docstring_says_the_command(path: Path) -> None:
    commands = (f"python -m benchmarks.{path.stem}", f"python benchmarks/{path.stem}.py")
    assert any(command in documented(path) for command in commands)


@pytest.mark.slow
def test_all_are_imported_and_those_that_are_run_explain_their_dials() -> None:
    """One process for all of them: heavy packages are imported once."""
    names = [",".join(path.stem for path in paths) for paths in (MODULES, RUN)]
    done = subprocess.run(
        [sys.executable, "-c", ALL_HELP, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    silent = {name: text[:200] for name, text in said.items() if not text.startswith("usage:")}
    assert not silent
    assert set(said) == {path.stem for path in RUN}
    for name, text in said.items():
        assert "\n  --" in text or "positional arguments" in text, f"{name} has no dial"
