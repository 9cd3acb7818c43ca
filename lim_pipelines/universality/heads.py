"""Strategies' trained models asked about instruments that they do not trade.

What does not belong here: what their own universe earns (`backtest/`), checkpoints (`families.py`).

Models in use at cutoffs of the last year forecast sessions up to the next of these cutoffs, of all
instruments of the strategy's world at its frequency. Their rank IC is compared with zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune.base import Forecaster, forecast
from lim_pipelines.finetune.features import MissingInputsError, columns_of, read_features
from lim_pipelines.finetune.samples import samples_of
from lim_pipelines.finetune.spec import RELATIVE_TASKS
from lim_pipelines.finetune.universe import Universe
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.quality.metrics import CROSS_SECTION
from lim_pipelines.lake import LATEST, Lake, midnight
from lim_pipelines.paired import Gain, paired
from lim_pipelines.schemas import ONE_PRICE, UNIVERSALITY, VALIDATED_BARS
from lim_pipelines.strategies.base import LOOKBACK_SESSIONS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.universality.families import Asked, spread
from lim_pipelines.universality.markets import known, mics
from lim_pipelines.universality.seen import SEEN

TASKS = ("directional", "cross_sectional")
"""Tasks whose models can be asked about any instrument; pairs and leaders are of their own instruments."""

_HISTORY_DAYS = 800
"""Days of history before the first forecast: more than any context or trend reads."""

_SESSIONS_A_DAY = 5 / 7


@dataclass(frozen=True)
class Found:
    """What was found of one strategy.

    Parameters
    ----------
    rows
        Rows of `UNIVERSALITY`, one a market.
    left_out
        Markets that could not be asked about, and why.
    """

    rows: pl.DataFrame
    left_out: tuple[str, ...]


def ask(lake: Lake, models: Path, spec: StrategySpec, asked: Asked) -> Found:
    """Ask the method's models of a strategy, all seeds, about all of its world.

    Parameters
    ----------
    lake, models
        Where bars and models lie.
    spec
        The strategy.
    asked
        How much: of each cutoff `moments` sessions.
    """
    cutoffs = checkpoint.cutoffs(models, spec.name)
    if spec.task not in TASKS or spec.output != "alpha" or not cutoffs:
        return Found(UNIVERSALITY.empty(), ())
    fitted: dict[date, list[Forecaster]] = {}
    for cutoff in spread(cutoffs, asked.checkpoints):
        folder = champions.in_use(models, spec, cutoff)
        if folder is not None:
            books = store.load(folder)[0].items()
            fitted[cutoff] = [one for (arm, _), one in books if arm == spec.method]
    if not fitted:
        return Found(UNIVERSALITY.empty(), ())
    rows, left_out = [], []
    for (exchange, asset_class, shown), bars in _markets(lake, spec, min(fitted)).items():
        try:
            said = _said(lake, spec, fitted, bars, asked)
        except MissingInputsError as error:
            left_out.append(str(error))
            continue
        found = rank_ic(spec, said) if said.height else None
        if found is not None:
            about = (spec.name, spec.simulated, exchange, asset_class, spec.frequency, shown)
            figures = (found.pairs, found.mean, found.low, found.high, max(fitted))
            rows.append((*about, "full" if shown == SEEN else "zero", "rank_ic", "zero", *figures))
    frame = pl.DataFrame(rows, schema=UNIVERSALITY.schema, orient="row")
    return Found(
        UNIVERSALITY.conform(frame.with_columns(pl.col("low", "high").fill_nan(None))), tuple(left_out)
    )


def _markets(lake: Lake, spec: StrategySpec, since: date) -> dict[tuple[str, ...], pl.DataFrame]:
    """Bars of the strategy's world by exchange, class and what is new of them, with history before a day."""
    start = since - timedelta(days=_HISTORY_DAYS)
    here = pl.col("exchange").is_in(mics(spec.simulated)) & (pl.col("freq") == spec.frequency)
    here &= pl.col("price_type").is_in(ONE_PRICE) & (pl.col("date") >= start)
    rows = lake.read(VALIDATED_BARS, as_of=LATEST, where=here).sort(VALIDATED_BARS.key)
    bars = rows.with_columns(own=spec.universe.rows()).collect()
    classes = bars.filter("own")["asset_class"].unique().to_list()
    new = pl.concat_list(
        pl.when(~pl.col("asset_class").is_in(classes)).then(pl.lit("new asset class")),
        pl.when(~pl.col("exchange").is_in(spec.universe.mics())).then(pl.lit("new exchange")),
    ).list.drop_nulls()
    told = pl.when("own").then(pl.lit(SEEN)).when(new.list.len() == 0).then(pl.lit("new instrument"))
    bars = bars.with_columns(shown=told.otherwise(new.list.join(", "))).drop("own")
    parts = bars.partition_by("exchange", "asset_class", "shown", as_dict=True, maintain_order=True)
    return {tuple(map(str, key)): part.drop("shown") for key, part in sorted(parts.items())}


def _said(
    lake: Lake,
    spec: StrategySpec,
    fitted: Mapping[date, Sequence[Forecaster]],
    bars: pl.DataFrame,
    asked: Asked,
) -> pl.DataFrame:
    """Forecasts of one market, and what came of them: columns date, instrument_id, forecast, label."""
    moment = midnight(bars.select(pl.col("date").max()).item() + timedelta(days=1))
    there = spec.model_copy(update={"universe": Universe(exchanges=tuple(bars["exchange"].unique()))})
    inputs = read_features(lake, there, bars, moment, min(fitted))
    parts = []
    for cutoff, end in pairwise((*fitted, date.max)):
        days = bars.filter(pl.col("date").is_between(cutoff, end, closed="left"))["date"].unique().sort()
        if days.is_empty():
            continue
        at = np.unique(np.linspace(0, len(days) - 1, asked.moments).astype(np.int64))
        samples = samples_of(bars, inputs, columns_of(spec), spec.horizon, days.gather(at).to_list())
        samples = samples.at(
            np.isfinite(samples.label) & known(samples.series, samples.picks, LOOKBACK_SESSIONS)
        )
        if not len(samples):
            continue
        said = [forecast(spec, one, samples) for one in fitted[cutoff]]
        parts.append(
            samples.frame.select("date", "instrument_id").with_columns(
                forecast=pl.Series(np.mean(said, axis=0)), label=pl.Series(samples.label)
            )
        )
    return pl.concat(parts) if parts else pl.DataFrame()


def rank_ic(spec: StrategySpec, said: pl.DataFrame) -> Gain | None:
    """Rank IC with its interval; None where nothing can be ranked.

    Across instruments of a session where the task is relative, over time of an instrument where it is not. A
    rank correlation is the mean product of standardised ranks; sessions are drawn in blocks.

    Parameters
    ----------
    spec
        Task and horizon.
    said
        Columns date, instrument_id, forecast, label.
    """
    relative = spec.task in RELATIVE_TASKS
    unit = "date" if relative else "instrument_id"

    def standardised(name: str) -> pl.Expr:
        ranks = pl.col(name).rank()
        return ((ranks - ranks.mean()) / ranks.std(ddof=0)).over(unit)

    ranked = (
        said.filter(pl.len().over(unit) >= CROSS_SECTION)
        .with_columns(product=standardised("forecast") * standardised("label"))
        .filter(pl.col("product").is_finite())
        .sort("date")
    )
    if ranked.is_empty():
        return None
    days = ranked["date"].unique().sort()
    apart = max(1.0, (days[-1] - days[0]).days / max(1, len(days) - 1) * _SESSIONS_A_DAY)
    groups = ["all"] * ranked.height if relative else ranked["instrument_id"].to_list()
    moments = ranked["date"].rank("dense").cast(pl.Int64).to_numpy()
    return paired(ranked["product"].to_numpy(), moments, groups, reach=spec.horizon / apart)[0]
