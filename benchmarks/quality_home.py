"""A lake of all real quotes in shared data, for the measurements of quality; built once, read often.

    python -m benchmarks.foundation_quality --prepare HOME

The vendor files go through the steps of a bulk import (parse, align, validate), an exchange at a time, so the
experiments read what the platform would have published. An exchange that is there already is not imported
again.

What does not belong here: experiments (`foundation_quality.py`).
"""

from __future__ import annotations

import json
import shutil
import time
from datetime import date
from pathlib import Path

from lim_pipelines.bulk import import_history
from lim_pipelines.lake import Lake
from lim_pipelines.sources import QUOTE_SOURCES
from scripts.flagged import DATA, VENDORS

FIRST, LAST = date(1970, 1, 1), date(2024, 12, 31)
SOURCES = {name: files for name, files in VENDORS.items() if name != "pystock"}
"""pystock's raw drops are nine days; its collection has them all."""


def lake_of(home: Path) -> Lake:
    """Lake of a home."""
    return Lake(str(home / "lake"))


def prepare(home: Path) -> None:
    """Import what is not there yet, and say what became of it, an exchange a line."""
    landing, report = home / "landing", home / "imported.json"
    for name, files in SOURCES.items():
        _drop(landing / name, files)
    done: dict[str, dict[str, float]] = json.loads(report.read_text()) if report.exists() else {}
    lake = lake_of(home)
    given = {source.name: source.exchanges for source in QUOTE_SOURCES if source.name in SOURCES}
    for mic in sorted(set().union(*given.values()) - set(done)):
        start = time.perf_counter()
        found = import_history(lake, landing, mic, FIRST, LAST)
        done[mic] = {
            "rows": found.rows_in,
            "published": found.published,
            "refused": len(found.refused),
            "seconds": round(time.perf_counter() - start, 1),
        }
        written = report.with_suffix(".part")
        written.write_text(json.dumps(done, indent=1))
        written.replace(report)
        print(mic, done[mic], flush=True)


def _drop(to: Path, files: str) -> None:
    """Copy a vendor's files to where its reader looks for history: all of them or none."""
    if to.exists():
        return
    part = to.with_suffix(".part")  # of a run that was killed, where it is there
    shutil.rmtree(part, ignore_errors=True)
    found = sorted(DATA.glob(files))
    if not found:
        raise FileNotFoundError(f"no {DATA / files}: set LIM_SHARED_DATA to the folder of the vendor files")
    if len(found) == 1 and found[0].is_dir():
        shutil.copytree(found[0], part / "history", ignore=shutil.ignore_patterns("README.md"))
    else:
        (part / "history").mkdir(parents=True)
        for path in found:
            shutil.copy(path, part / "history")
    part.rename(to)
