"""Where an instrument's history ends: delisted, or without a word.

What does not belong here: what a holder gets (`overnight.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from lim_pipelines.backtest.grid import Grid, Indices
from lim_pipelines.exchanges import sessions


def last_sessions(grid: Grid, terms: pl.DataFrame) -> tuple[dict[int, Indices], tuple[str, ...]]:
    """Find instruments that end.

    Parameters
    ----------
    grid
        Bars by session.
    terms
        Column last of n instruments: the end of their listing, null for none.

    Returns
    -------
    dict
        Session to the columns of the instruments that are paid out on it: the first after the end of the
        listing, if no bar follows.
    tuple of str
        Instruments whose bars stop before their exchange does, without an end of the listing.
    """
    own = grid.bars.group_by("column").agg(bar=pl.col("date").max()).sort("column")
    priced = grid.bars.filter(pl.col("close") > 0).group_by("column").agg(price=pl.col("date").max())
    facts = terms.select("exchange", "instrument_id", "last").with_columns(own)
    facts = facts.join(priced, on="column", how="left", maintain_order="left")
    final = grid.dates[-1]
    ended = facts.filter((pl.col("last") >= pl.col("bar")) & (pl.col("last") < final))
    after = grid.dates.search_sorted(ended["last"], side="right").to_numpy()
    columns = ended["column"].to_numpy()
    payouts = {int(t): columns[after == t] for t in np.unique(after)}
    silent = facts.join(ended, on="column", how="anti").filter(pl.col("price") < final)
    stale = (
        name
        for mic, name, last in silent.select("exchange", "instrument_id", "price").iter_rows()
        if sessions(mic, last, final).filter(pl.col("date") > last).height
    )
    return payouts, tuple(stale)
