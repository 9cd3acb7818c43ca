"""The simulated exchange as a source: same path through the platform, never a real market identifier.

What does not belong here: the simulation (`simulate/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES
from lim_pipelines.simulate import xsim
from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.clock import feed_lag

PATH = f"simulate://xsim?seed={xsim.SEED}"


class XSim:
    """Daily bars of 64 instruments 2014-2018, minute bars of four from October 2017 on."""

    name = "xsim"
    exchanges = frozenset({"XSIM"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the one virtual file."""
        arrived_at = datetime(2014, 1, 1, tzinfo=UTC)
        return [SourceFile(self.name, PATH, 0, arrived_at, self.exchanges, history=True)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Simulate; `line` counts the bars as if they lay in a file."""
        yield Parsed(_rows(), QUARANTINE.empty())


@lru_cache(maxsize=1)
def _rows() -> pl.DataFrame:
    bars = xsim.simulate().bars.with_row_index("line", offset=2)
    frame = bars.with_columns(
        exchange=pl.lit("XSIM"), source=pl.lit("xsim"), file=pl.lit(PATH), ex_factor=pl.lit(1.0)
    )
    frame = frame.with_columns(known_at=pl.col("ts") + feed_lag())
    return RAW_QUOTES.conform(frame)
