"""`metrics.jsonl`: a line of JSON for each step of a training, without torch, so that a run can be followed.

What does not belong here: what is measured (`progress.py`), curves as pictures (`plot.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"

Line = dict[str, Any]
"""step, loss, rate, gradient_norm, seconds, windows_per_s, tokens_per_s, utilisation; also validation."""


def read_metrics(folder: Path) -> list[Line]:
    """Read the lines of a training's folder, also while it runs; what a killed one wrote half is left out."""
    path = folder / METRICS
    lines: list[Line] = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


class MetricsFile:
    """The file of a training; its lines go on from a step, whatever was written behind it before.

    Parameters
    ----------
    folder
        The training's folder.
    step
        Steps done.
    writes
        Whether this process writes.
    """

    def __init__(self, folder: Path, step: int, writes: bool) -> None:
        self._path, self._writes = folder / METRICS, writes
        self.lines = [line for line in read_metrics(folder) if line["step"] <= step]
        if writes:
            fresh = self._path.with_name(f".tmp-{METRICS}")
            fresh.write_text(_text(self.lines))
            fresh.replace(self._path)

    def add(self, lines: Sequence[Line]) -> None:
        """Add the lines of some steps."""
        self.lines += lines
        if self._writes:
            with self._path.open("a") as file:
                file.write(_text(lines))


def _text(lines: Sequence[Line]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)
