"""What a stage makes of its input: rows that go on, rows held back; nothing is lost in between.

What does not belong here: the reasons (each stage has its own).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Outcome:
    """Result of a stage; rows in = rows + quarantined.

    Parameters
    ----------
    rows
        Rows that go on, frame of the stage's table.
    quarantined
        Rows held back, frame of `QUARANTINE`.
    warnings
        Rule name to the number of rows in `rows` that look odd but go on.
    """

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    warnings: dict[str, int] = field(default_factory=dict)
