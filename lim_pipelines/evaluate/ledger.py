"""The trial ledger: every specification that was ever backtested counts, also those nobody talks about.

It is two tables of the lake: `TRIALS`, and their daily records, `TRIAL_RETURNS`. What does not belong here:
what follows from it (`luck.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest.metrics import sharpe_per_day
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import TRIAL_RETURNS, TRIALS

Floats = npt.NDArray[np.float64]

BOOK = ("strategy", "spec_digest", "arm", "seed")
"""Columns that name a trial: the key of `TRIALS`."""

ARM = BOOK[:-1]
"""Columns that name what is tried with several seeds."""

COVERED = 0.8
"""Share of a record's sessions that a trial must have for being compared with it day by day."""


@dataclass(frozen=True)
class Ledger:
    """All trials of one world, real or simulated.

    Parameters
    ----------
    trials
        Rows of `TRIALS`.
    returns
        Rows of `TRIAL_RETURNS` of these trials; those entered before there was this table have none.
    """

    trials: pl.DataFrame
    returns: pl.DataFrame

    def beside(self, sessions: pl.Series) -> Panel:
        """Return the trials that can be compared with a record day by day.

        Parameters
        ----------
        sessions
            Dates of the record, sorted, T of them.

        Returns
        -------
        Panel
            Those that have `COVERED` of these sessions and varied in them, sorted by `BOOK`. Where their
            market was closed they earned nothing. Of trials with the same returns on every day but for
            leverage (a control that no changed setting reaches) the first: as evidence they are one.
        """
        days = sessions.alias("date").to_frame().with_row_index("row")
        there = self.returns.join(days, on="date")
        books = there.group_by(BOOK).len().filter(pl.col("len") >= COVERED * len(sessions))
        books = books.sort(BOOK).select(BOOK).with_row_index("column")
        there = there.join(books, on=BOOK)
        values = np.zeros((len(sessions), books.height))
        values[there["row"].to_numpy(), there["column"].to_numpy()] = there["net_return"].to_numpy()
        kept = distinct(values)
        arms = books.group_by(ARM, maintain_order=True).agg("column")["column"].to_list()
        funds = np.stack([values[:, of].mean(axis=1) for of in arms], axis=1) if arms else values
        return Panel(books[kept.tolist()].drop("column"), values[:, kept], funds)


@dataclass(frozen=True)
class Panel:
    """Trials on the same days.

    Parameters
    ----------
    books
        The columns `BOOK`, N rows.
    returns
        Daily net returns, shape (T, N).
    funds
        The same of funds that split their capital evenly over the seeds of an arm, shape (T, F): one a
        strategy, specification and arm, with the seeds that are the same as another trial, too.
    """

    books: pl.DataFrame
    returns: Floats
    funds: Floats


def distinct(returns: Floats) -> npt.NDArray[np.int64]:
    """Columns that vary and are the first of their kind, in order; leverage makes no other kind.

    Parameters
    ----------
    returns
        Shape (T, N).
    """
    varies = np.flatnonzero(np.ptp(returns, axis=0) > 0) if len(returns) else np.zeros(0, dtype=np.int64)
    alike = returns[:, varies] / returns[:, varies].std(axis=0)
    # Rounded: the same trial computed on another machine, or levered, differs in its last bits.
    _, first = np.unique(alike.round(9), axis=1, return_index=True)
    return np.asarray(varies[np.sort(first)])


def enter(lake: Lake, strategy: str, spec_digest: str, simulated: bool, daily: pl.DataFrame) -> None:
    """Enter one backtest.

    Parameters
    ----------
    lake
        Where the ledger lies.
    strategy, spec_digest, simulated, daily
        As for `trials`.
    """
    for table, rows in (
        (TRIALS, trials(strategy, spec_digest, simulated, daily)),
        (TRIAL_RETURNS, trial_returns(spec_digest, daily)),
    ):
        lake.write(table, rows, rows.select(table.partition_key))


def read(lake: Lake, simulated: bool) -> Ledger:
    """Read all trials of one world.

    Parameters
    ----------
    lake
        Where the ledger lies.
    simulated
        Whether those of simulated markets are meant, or the real ones.
    """
    found = lake.read(TRIALS, as_of=LATEST, where=pl.col("simulated") == simulated)
    entries = found.sort(TRIALS.key).collect()
    named = pl.col("strategy").is_in(entries["strategy"].unique().to_list())
    returns = lake.read(TRIAL_RETURNS, as_of=LATEST, where=named).collect()
    return Ledger(entries, returns.join(entries, on=BOOK, how="semi").sort(TRIAL_RETURNS.key))


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


def trial_returns(spec_digest: str, daily: pl.DataFrame) -> pl.DataFrame:
    """Daily records of the trials of one backtest.

    Parameters
    ----------
    spec_digest
        As for `trials`.
    daily
        Rows of `BACKTEST_DAILY` of the strategy.

    Returns
    -------
    pl.DataFrame
        Rows of `TRIAL_RETURNS`.
    """
    return TRIAL_RETURNS.conform(daily.with_columns(spec_digest=pl.lit(spec_digest)))
