"""A training's metrics as TensorBoard events, if tensorboard is installed.

What does not belong here: the metrics themselves (`progress.py`); `metrics.jsonl` has all of them, always.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lim_pipelines.foundation.metrics_file import Line

if TYPE_CHECKING:
    from lightning.pytorch.loggers import TensorBoardLogger

WAIT_SECONDS = 30.0
"""A training that is over sooner leaves no events: nobody follows it, and tensorboard is slow to import."""


class Events:
    """Writes events, from `WAIT_SECONDS` on.

    Parameters
    ----------
    folder
        Where they go; None writes none.
    say
        Gets a word if tensorboard is missing.
    """

    def __init__(self, folder: Path | None, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._began = time.monotonic()
        self._early: list[Line] = []
        self._logger: TensorBoardLogger | None = None

    def add(self, line: Line) -> None:
        """Take the metrics of a step in."""
        if self._folder is None:
            return
        self._early.append(line)
        if time.monotonic() - self._began < WAIT_SECONDS:
            return
        if self._logger is None and not self._open(self._folder):
            return
        for one in self._early:
            self._write(one)
        self._early.clear()

    def close(self) -> None:
        """Write what is pending."""
        if self._logger is not None:
            self._logger.finalize("success")

    def _open(self, folder: Path) -> bool:
        from lightning.pytorch.loggers import TensorBoardLogger

        try:
            # What a killed run wrote behind this step is hidden.
            self._logger = TensorBoardLogger(folder, name="", version="", purge_step=self._early[0]["step"])
        except ModuleNotFoundError:
            self._say(
                "no TensorBoard events (pip install 'lim-pipelines[track]'); metrics.jsonl has all metrics"
            )
            self._folder = None
            return False
        return True

    def _write(self, line: Line) -> None:
        assert self._logger is not None
        values = {name: value for name, value in line.items() if name not in ("step", "validation")}
        values |= {f"validation/{name}": value for name, value in line.get("validation", {}).items()}
        self._logger.log_metrics(values, step=line["step"])
