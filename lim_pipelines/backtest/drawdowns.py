"""The deepest drawdowns of a record, one row each.

What does not belong here: the deepest alone (`metrics.performance`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.backtest.metrics import DUST, drawdowns

SCHEMA = {
    **dict.fromkeys(("began", "lowest", "recovered"), pl.Date()),
    "depth": pl.Float64(),
    "sessions": pl.Int64(),
}


def deepest_drawdowns(record: pl.DataFrame, count: int = 5) -> pl.DataFrame:
    """List them, the deepest first.

    Parameters
    ----------
    record
        Columns date and net_return, sorted by date.
    count
        How many at most.

    Returns
    -------
    pl.DataFrame
        began (first session below the highest equity so far), lowest, recovered (first session back at it;
        null if the record ends before), depth (at most 0), sessions below it.
    """
    loss, dates = drawdowns(record["net_return"].to_numpy()), record["date"].to_list()
    below = np.concatenate([[False], loss < -DUST, [False]]).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(below) == 1), np.flatnonzero(np.diff(below) == -1)
    rows = [
        (
            dates[start],
            dates[start + int(loss[start:end].argmin())],
            dates[end] if end < len(dates) else None,
            float(loss[start:end].min()),
            int(end - start),
        )
        for start, end in zip(starts, ends, strict=True)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("depth", "began").head(count)
