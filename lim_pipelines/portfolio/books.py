"""Books of a cross-section: what is held when the next rebalance comes, and what is held after it.

What does not belong here: the optimisation (`markowitz.py`), decisions and forecasts (`strategies/`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.portfolio.absent import with_sold
from lim_pipelines.portfolio.markowitz import Floats, Markowitz
from lim_pipelines.portfolio.risk import root, shrunk_covariance
from lim_pipelines.strategies.base import Known
from lim_pipelines.strategies.portfolios import Optimised

Book = tuple[str, int]
"""Arm and seed."""


@lru_cache(maxsize=8)
def _optimiser(instruments: int, settings: Optimised) -> Markowitz:
    """Compiled once a process for each number of instruments."""
    return Markowitz(instruments, settings.risk_aversion, settings.gross, settings.max_position)


class MarkowitzBooks:
    """One book an arm and seed, rebalanced together.

    A new object holds nothing. Give it the last decision before the period first: the books that the same
    models would have held then are what the period's first trades are measured against. So no partition
    needs another's result.

    Parameters
    ----------
    settings
        Optimiser's settings and rhythm.
    horizon
        Sessions that forecasts are over; risk is taken over the same.
    costs
        What a trade costs.
    """

    def __init__(self, settings: Optimised, horizon: int, costs: Costs) -> None:
        self._settings = settings
        self._costs = costs
        self._horizon = horizon
        self._held: dict[Book, pl.DataFrame] = {}

    def rebalance(self, known: Known) -> pl.DataFrame:
        """Choose the books' new weights.

        Parameters
        ----------
        known
            What is known at the decision.

        Returns
        -------
        pl.DataFrame
            `known.forecasts` with a column weight. Instruments of the universe that have bars but none of
            this session, or too few, get rows too: no forecast (null) and weight 0, they are sold when they
            trade again. Empty if fewer than two instruments can be decided on; the books then stay as they
            are.

        Raises
        ------
        OptimiserError
            The problem cannot be solved.
        """
        returns = daily_returns(known.bars)
        # Every book decides on the same instruments; they share the risk model.
        about = known.forecasts.select("exchange", "instrument_id").unique().sort("instrument_id")
        if about.height < 2:
            return known.forecasts.clear().with_columns(weight=pl.lit(0.0))
        names = about["instrument_id"].to_list()
        risk = root(shrunk_covariance(self._past(returns, names)) * self._horizon)
        cost = np.array([self._costs.trade_rate(mic) for mic in about["exchange"]])
        frames = []
        for (arm, seed), forecasts in known.forecasts.group_by("arm", "seed", maintain_order=True):
            book = (str(arm), int(seed))
            forecasts = forecasts.sort("instrument_id")
            previous = self._drifted(book, known, returns)
            weight = _optimiser(len(names), self._settings).solve(
                forecasts["forecast"].to_numpy(),
                risk,
                np.array([previous.get(name, 0.0) for name in names]),
                cost,
            )
            decided = forecasts.with_columns(weight=weight)
            self._held[book] = decided.select("instrument_id", "weight", date=pl.lit(known.decision.date))
            frames.append(decided)
        return with_sold(known, pl.concat(frames))

    def _past(self, returns: pl.DataFrame, names: list[str]) -> Floats:
        """Log returns of the last `risk_sessions` sessions, shape (T, n), NaN where there is no bar."""
        days = returns["date"].unique().sort().tail(self._settings.risk_sessions)
        wide = returns.filter(pl.col("date").is_in(days.implode())).pivot(
            "instrument_id", index="date", values="log_return"
        )
        return wide.sort("date").select(names).cast(pl.Float64).fill_null(float("nan")).to_numpy()

    def _drifted(self, book: Book, known: Known, returns: pl.DataFrame) -> dict[str, float]:
        """Weights of the last rebalance as prices have moved them since their fill, by instrument."""
        if book not in self._held:
            return {}
        # The first bar after a decision is its fill; the position earns from there on.
        since = (
            returns.join(self._held[book].rename({"date": "decided"}), on="instrument_id")
            .filter(pl.col("date") > pl.col("decided"))
            .group_by("instrument_id")
            .agg(growth=pl.col("log_return").sort_by("date").slice(1).sum().exp())
        )
        held = self._held[book].join(since, on="instrument_id", how="left").sort("instrument_id")
        value = held.select(pl.col("weight") * pl.col("growth").fill_null(1.0)).to_series()
        equity = 1.0 + float((value - held["weight"]).sum())
        if equity <= 0:
            return {}
        return dict(zip(held["instrument_id"], (value / equity).to_list(), strict=True))
