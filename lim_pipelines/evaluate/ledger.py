"""The trial ledger: every specification that was ever backtested counts, also those nobody talks about.

What does not belong here: where it is kept (the lake's table `TRIALS`), what follows from it
(`deflated_sharpe.py`).
"""

from __future__ import annotations

import math

import polars as pl

from lim_pipelines.backtest.metrics import sharpe_per_day
from lim_pipelines.schemas import TRIALS


def trials(strategy: str, spec_digest: str, simulated: bool, daily: pl.DataFrame) -> pl.DataFrame:
    """Ledger entries of one backtest: one trial an arm and seed.

    Parameters
    ----------
    strategy
        Strategy name.
    spec_digest
        `StrategySpec.digest()`: a changed setting is a new trial, the same one again is not.
    simulated
        Whether its market is simulated.
    daily
        Rows of `BACKTEST_DAILY` of the strategy.

    Returns
    -------
    pl.DataFrame
        Rows of `TRIALS`. A book that never traded has the Sharpe ratio 0.
    """
    rows = []
    for (arm, seed), book in daily.sort("date").group_by("arm", "seed", maintain_order=True):
        sharpe = sharpe_per_day(book["net_return"].to_numpy())
        ratio = 0.0 if math.isnan(sharpe) else sharpe
        rows.append((strategy, spec_digest, simulated, arm, seed, ratio, book.height))
    return TRIALS.conform(pl.DataFrame(rows, schema=TRIALS.schema, orient="row"))
