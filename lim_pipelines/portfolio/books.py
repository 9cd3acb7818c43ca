"""Books of a cross-section: what is held when the next rebalance comes, and what is held after it.

What does not belong here: the optimisation (`optimiser.py`), what it strives for (`objectives.py`), decisions
and forecasts (`strategies/`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.features import DECISION
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR, daily_returns
from lim_pipelines.portfolio.absent import with_sold
from lim_pipelines.portfolio.fills import fills
from lim_pipelines.portfolio.known_market import KnownMarket
from lim_pipelines.portfolio.objectives import aim
from lim_pipelines.portfolio.optimiser import optimise
from lim_pipelines.portfolio.question import Charges, Floats, Limits, OptimiserError, Question
from lim_pipelines.portfolio.risk.exposures import industry_rows
from lim_pipelines.portfolio.risk.registry import fitted
from lim_pipelines.strategies.base import Known
from lim_pipelines.strategies.execution import Execution
from lim_pipelines.strategies.portfolios import Optimised

Book = tuple[str, int]
"""Arm and seed."""


class OptimisedBooks:
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
    execution
        How much money there is, what impact it has, when trades are filled and at which price. The books are
        taken to be worth what they began with.
    """

    def __init__(self, settings: Optimised, horizon: int, costs: Costs, execution: Execution) -> None:
        self._settings = settings
        self._costs = costs
        self._horizon = horizon
        self._execution = execution
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
            Limits clash, or the problem cannot be solved.
        """
        returns = daily_returns(known.bars)
        # Every book decides on the same instruments; they share the risk model.
        about = known.forecasts.select("exchange", "instrument_id").unique().sort("instrument_id")
        if about.height < 2:
            return known.forecasts.clear().with_columns(weight=pl.lit(0.0))
        market = KnownMarket.of(about, known.bars, returns, known.listings)
        industries = industry_rows(market.names, known.industries)
        risk = fitted(self._settings, market, industries, _inputs(known, market.names)).over(self._horizon)
        charges, limits = self._charges(market), self._limits(market, industries)
        frames = []
        for (arm, seed), forecasts in known.forecasts.group_by("arm", "seed", maintain_order=True):
            book = (str(arm), int(seed))
            forecasts = forecasts.sort("instrument_id")
            previous = self._drifted(book, known, returns)
            mean, centre = aim(self._settings, forecasts["forecast"].to_numpy(), risk, market)
            question = Question(
                mean,
                risk,
                self._settings.risk_aversion,
                np.array([previous.get(name, 0.0) for name in market.names]),
                charges,
                # The first book is bought as a whole.
                limits if any(previous.values()) else replace(limits, turnover=None),
                centre,
            )
            decided = forecasts.with_columns(weight=self._answer(question, book, known))
            self._held[book] = decided.select("instrument_id", "weight", date=pl.lit(known.decision.date))
            frames.append(decided)
        return with_sold(known, pl.concat(frames))

    def _answer(self, question: Question, book: Book, known: Known) -> Floats:
        try:
            return optimise(question)
        except OptimiserError as error:
            raise OptimiserError(f"book {book[0]}, seed {book[1]}, {known.decision.date}: {error}") from error

    def _charges(self, market: KnownMarket) -> Charges:
        """Costs that are weighed against forecasts, over the horizon."""
        weighed, nothing = self._settings.weighs, np.zeros(len(market.names))
        trade = np.array([self._costs.trade_rate(mic) for mic in market.mics])
        borrow = np.array([self._costs.borrow_rate(mic) for mic in market.mics])
        impact = None
        if "impact" in weighed and self._execution.impact > 0:
            rate = self._execution.impact * self._costs.multiplier * market.volatility()
            impact = _dearest_where_unknown(rate / np.sqrt(self._days_of_value(market)))
        return Charges(
            trade if "trade" in weighed else nothing,
            borrow * self._horizon / SESSIONS_PER_YEAR if "borrow" in weighed else nothing,
            impact,
        )

    def _limits(self, market: KnownMarket, industries: Floats) -> Limits:
        settings = self._settings
        position = np.full(len(market.names), settings.max_position)
        if settings.max_adv is not None:
            # What nobody is known to trade is not held.
            tradable = settings.max_adv * np.nan_to_num(self._days_of_value(market))
            position = np.minimum(position, tradable)
        sectors = None if settings.max_sector is None else industries
        return Limits(
            settings.gross, settings.net, position, settings.max_turnover, settings.max_sector, sectors
        )

    def _days_of_value(self, market: KnownMarket) -> Floats:
        """Average value traded in a session, over the capital, shape (n,); NaN where not known."""
        base = self._execution.currency
        foreign = {
            currency: name
            for name, currency in zip(market.names, market.currencies, strict=True)
            if currency != base
        }
        if foreign:
            found = ", ".join(f"{currency} ({foreign[currency]})" for currency in sorted(foreign))
            raise OptimiserError(
                f"max_adv and impact compare capital in {base} with values traded in {found}; set"
                " `execution.currency` to theirs, or leave both out"
            )
        return market.daily_value() / self._execution.capital

    def _drifted(self, book: Book, known: Known, returns: pl.DataFrame) -> dict[str, float]:
        """Weights of the last rebalance as prices have moved them since their fill, by instrument.

        What is not filled yet will be before the new weights are: it counts as it was decided.
        """
        if book not in self._held:
            return {}
        filled = fills(self._held[book], known.bars, self._execution).drop_nulls("filled")
        # A position earns from its fill on: the rest of that session, and the returns of those after it.
        since = (
            returns.filter(pl.col("date") > self._held[book]["date"].min())
            .select("instrument_id", "date", "log_return")
            .join(filled.drop("date", "weight"), on="instrument_id")
            .filter(pl.col("date") >= pl.col("filled"))
            .group_by("instrument_id")
            .agg(
                growth=pl.col("log_return").sort_by("date").slice(1).sum().exp()
                * (pl.col("close") / pl.col("price")).first()
            )
        )
        held = self._held[book].join(since, on="instrument_id", how="left").sort("instrument_id")
        value = held.select(pl.col("weight") * pl.col("growth").fill_null(1.0)).to_series()
        equity = 1.0 + float((value - held["weight"]).sum())
        if equity <= 0:
            return {}
        return dict(zip(held["instrument_id"], (value / equity).to_list(), strict=True))


def _dearest_where_unknown(rate: Floats) -> Floats:
    """Fill in the largest known: what nobody is known to trade is no bargain."""
    known = np.isfinite(rate)
    return np.where(known, rate, rate[known].max() if known.any() else 0.0)


def _inputs(known: Known, names: list[str]) -> Floats:
    """Return the strategy's features at the decision but embeddings, shape (n, f), NaN where not known."""
    named = [name for name in known.inputs.columns if name not in (*DECISION, "known_at")]
    columns = [name for name in named if "." not in name]
    rows = pl.DataFrame({"instrument_id": names}).join(
        known.inputs.select("instrument_id", *columns), on="instrument_id", how="left", maintain_order="left"
    )
    return rows.select(columns).fill_null(float("nan")).to_numpy().reshape(len(names), len(columns))
