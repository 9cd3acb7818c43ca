"""What a stage makes of its input: rows that go on, rows held back; nothing is lost in between.

What does not belong here: the reasons (each stage has its own).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE


@dataclass(frozen=True)
class Outcome:
    """Result of a stage; rows in = rows + quarantined + rows of the partitions held.

    Parameters
    ----------
    rows
        Rows that go on, frame of the stage's table.
    quarantined
        Rows held back, frame of `QUARANTINE`.
    warnings
        Rule name to the number of rows in `rows` that look odd but go on.
    held
        Partitions that do not go on, of which whatever was there before stays: frame of `QUARANTINE`, stage
        publish, a row a partition. Only of bars.
    results
        What was found in each partition, frame of `GATE_RESULTS`. Only of bars.
    """

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    warnings: dict[str, int] = field(default_factory=dict)
    held: pl.DataFrame = field(default_factory=QUARANTINE.empty)
    results: pl.DataFrame = field(default_factory=GATE_RESULTS.empty)
