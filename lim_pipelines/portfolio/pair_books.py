r"""Books of pairs: what is held of each spread, and the legs' weights, added up over pairs.

A spread that is held weighs the same until it is left: with :math:`g` the gross of a pair, :math:`g / (1 +
\beta)` of the first leg against :math:`\beta g / (1 + \beta)` of the second. If all legs together exceed the
largest gross, all shrink alike.

What does not belong here: when a spread is entered and left (`spread_rule.py`), which pairs there are
(`strategies/pair_selection.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from lim_pipelines.finetune.selection import Pair
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.portfolio.spread_rule import NOTHING, Held, step, walked
from lim_pipelines.strategies.base import Known
from lim_pipelines.strategies.portfolios import PairsPortfolio
from lim_pipelines.strategies.spreads import spread_bars, z_scores

Book = tuple[str, int]
"""Arm and seed."""


class PairBooks:
    """One book an arm and seed; a `strategies.task.Books`.

    Give a new object the decisions of the `hold_sessions` before a period first, and it holds what the same
    models would have held by then. Before those only the spreads are looked at, not what models said of them:
    a loss that would have been taken, had the model agreed, is waited for to come back, however long ago it
    was. A position from then is never traded: its time is up before the period begins.

    Parameters
    ----------
    spec
        Costs, z-score window, arms and seeds.
    settings
        Thresholds and sizes.
    pairs
        Pairs that are traded.
    """

    def __init__(self, spec: ModelSpec, settings: PairsPortfolio, pairs: Sequence[Pair]) -> None:
        self._spec = spec
        self._settings = settings
        self._pairs = pairs
        self._held: dict[tuple[Book, str], Held] = {}
        self._began: dict[str, Held] | None = None

    def rebalance(self, known: Known) -> pl.DataFrame:
        """Choose the books' new weights.

        Parameters
        ----------
        known
            What is known at the decision; forecasts are of spreads, by `Pair.name`.

        Returns
        -------
        pl.DataFrame
            Columns arm, seed, exchange, instrument_id, forecast (of the leg, half of each spread's; null
            where it is in none), weight. A row a book and instrument that has bars: what is in no spread is
            sold. A spread without a bar of this session stays as it is.
        """
        bars = known.bars
        scores = z_scores(spread_bars(bars, self._pairs), self._spec.pairs.window)
        if self._began is None:
            self._began = _before(scores, known.decision.date, self._settings)
        here = scores.filter(pl.col("date") == known.decision.date).drop_nulls()
        z = dict(here.select("instrument_id", "z_score").iter_rows())
        exchanges = dict(bars.select("instrument_id", "exchange").unique().sort("instrument_id").iter_rows())
        rows: list[tuple[str, int, str, str, float | None, float]] = []
        for book in self._spec.books():
            arm, seed = book
            own = known.forecasts.filter((pl.col("arm") == arm) & (pl.col("seed") == seed))
            forecasts = dict(own.select("instrument_id", "forecast").iter_rows())
            for pair in self._pairs:
                if pair.name in z and pair.name in forecasts:
                    agreed = self._agreed(pair, forecasts[pair.name], exchanges)
                    before = self._held.get((book, pair.name), self._began.get(pair.name, NOTHING))
                    self._held[book, pair.name] = step(before, z[pair.name], agreed, self._settings)
            sides = {pair.name: self._held.get((book, pair.name), NOTHING).side for pair in self._pairs}
            weights = legs(self._pairs, sides, self._settings)
            said = leg_forecasts(self._pairs, forecasts)
            rows += [
                (arm, seed, mic, name, said.get(name), weights.get(name, 0.0))
                for name, mic in exchanges.items()
            ]
        schema = {name: known.forecasts.schema[name] for name in ("arm", "seed", "exchange", "instrument_id")}
        return pl.DataFrame(
            rows, schema={**schema, "forecast": pl.Float64, "weight": pl.Float64}, orient="row"
        )

    def _agreed(self, pair: Pair, forecast: float, exchanges: Mapping[str, str]) -> int:
        """Side on which the forecast pays for going in and out again; 0 if on none."""
        first, second = (self._spec.costs.trade_rate(exchanges[leg]) for leg in (pair.first, pair.second))
        cost = 2.0 * (first + pair.hedge * second)
        if abs(forecast) <= cost:
            return 0
        return 1 if forecast > 0 else -1


def _before(scores: pl.DataFrame, day: date, settings: PairsPortfolio) -> dict[str, Held]:
    """Return what each spread before a day says of what is held, by `Pair.name`: see `PairBooks`."""
    past = scores.filter(pl.col("date") < day).drop_nulls().sort("date")
    paths = past.group_by("instrument_id").agg("z_score").iter_rows()
    return {name: walked(path, settings) for name, path in paths}


def legs(pairs: Sequence[Pair], sides: Mapping[str, int], settings: PairsPortfolio) -> dict[str, float]:
    """Weights of instruments, added up over the spreads held.

    Parameters
    ----------
    pairs
        The pairs.
    sides
        Of each, by name: 1, -1 or 0.
    settings
        Gross of a pair and of all.

    Returns
    -------
    dict
        Weight by instrument id; instruments in no spread held are left out.
    """
    weights: dict[str, float] = {}
    for pair in pairs:
        side = sides[pair.name]
        if side:
            unit = side * settings.pair_gross / (1.0 + pair.hedge)
            weights[pair.first] = weights.get(pair.first, 0.0) + unit
            weights[pair.second] = weights.get(pair.second, 0.0) - unit * pair.hedge
    gross = sum(map(abs, weights.values()))
    shrink = min(1.0, settings.gross / gross) if gross > 0 else 1.0
    return {name: weight * shrink for name, weight in weights.items()}


def leg_forecasts(pairs: Sequence[Pair], forecasts: Mapping[str, float]) -> dict[str, float]:
    """Forecasts of instruments: each leg is expected to make half of its spread's way; means over spreads.

    Parameters
    ----------
    pairs
        The pairs.
    forecasts
        Log returns of spreads over the horizon, by `Pair.name`; those of other spreads are not looked at.
    """
    said: dict[str, list[float]] = {}
    for pair in pairs:
        if pair.name in forecasts:
            half = forecasts[pair.name] / 2.0
            said.setdefault(pair.first, []).append(half)
            said.setdefault(pair.second, []).append(-half / pair.hedge)
    return {name: sum(values) / len(values) for name, values in said.items()}
