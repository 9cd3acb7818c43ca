"""What holds the house up: who may import whom, and what loading the code location costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "lim_pipelines"
HEAVY = (
    *("torch", "lightning", "great_expectations", "cvxpy", "pandas", "scipy"),
    *("sentence_transformers", "lancedb", "sklearn", "rapidfuzz"),
)

# Left may be imported by what stands to its right, never the other way round (docs/architecture.md).
LAYERS = (
    ("alerts", "clock", "schemas", "drawing", "bootstrap", "paired"),
    ("exchanges",),
    ("simulate",),
    ("instruments",),
    ("lake",),
    ("places",),
    ("sources",),
    ("entities",),
    ("align",),
    ("reference", "landing"),
    ("validate",),
    ("newest",),
    ("ingest", "derive", "alternative", "freshness"),
    ("bulk", "marts"),
    ("modalities",),
    ("inputs",),
    ("panorama",),
    ("foundation",),
    ("finetune",),
    # A task's file says what it holds, too; the arithmetic of that reads what a decision knows.
    ("strategies", "portfolio"),
    ("backtest",),
    ("evaluate",),
    ("reports",),
    ("walkforward", "standings"),
    ("retraining",),
    ("effectiveness", "stress", "universality"),
    ("stale",),
    ("audit",),
    ("provenance",),
)
TRAINING_ENTRY_POINTS = {"lim_pipelines/foundation/train.py", "lim_pipelines/finetune/train.py"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def modules() -> list[Path]:
    return [path for path in sorted(LIBRARY.rglob("*.py")) if path.name != "definitions.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_nothing_of_dagster_assets_or_resources(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)}
    if str(path.relative_to(ROOT)) in TRAINING_ENTRY_POINTS:
        tops -= {"dagster_pipes"}
    assert not {name for name in tops if name.startswith("dagster") or name in ("assets", "resources")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_lean_only_on_rooms_before_them(path: Path) -> None:
    level = {room: i for i, rooms in enumerate(LAYERS) for room in rooms}
    room = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
    if room in ("__init__", "defs"):
        return
    used = {
        name.split(".")[1]
        for name in imports(path)
        if name.startswith("lim_pipelines.") and name.count(".") >= 1
    }
    used = {name for name in used if (LIBRARY / name).is_dir() or (LIBRARY / f"{name}.py").exists()}
    # The entry point of training is where a task's rules and the fit meet.
    own = "strategies" if str(path.relative_to(ROOT)) == "lim_pipelines/finetune/train.py" else room
    assert not {name for name in used - {room} if level[name] > level[own]}


def test_loading_the_code_location_loads_nothing_heavy() -> None:
    code = f"import sys, lim_pipelines.definitions; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
