"""Checkpoints of a family asked about everything that its world has, behind their cutoffs.

What does not belong here: what is new to a checkpoint (`seen.py`), scores (`foundation/quality`).

    cutoffs C_0 < C_1 < ... of the last year; at C_i its current checkpoint
        asked     windows whose contexts end in [C_i, C_i+1) and whose horizons are there
        as it is  full where its training saw the market, zero-shot where it did not
        few-shot  where it did not: a copy that learned from the market's last windows known at C_i
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl

from lim_pipelines.foundation import checkpoint, registry
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.quality.harness import Plan, before, judge, windows_to_judge
from lim_pipelines.foundation.quality.metrics import MARKET, skill
from lim_pipelines.foundation.quality.tables import PRICE, VOLATILITY, VOLUME
from lim_pipelines.foundation.series import Ints, Series, microseconds
from lim_pipelines.foundation.windows import WindowStore
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.schemas import UNIVERSALITY
from lim_pipelines.universality.few import adapted
from lim_pipelines.universality.markets import known, read_series
from lim_pipelines.universality.seen import SEEN, seen_by
from lim_pipelines.universality.year import of_last_year

AS_IT_IS, FEW = "as it is", "few"
NAIVE = ("persistence", "historical_volatility", "ewma")
PAIRS = (
    ("return", PRICE),
    ("return", "ewma"),
    ("volatility", VOLATILITY),
    ("volatility", "ewma"),
    ("volume", VOLUME),
)
"""What is compared with whom; the first of a target is its yardstick everywhere in the platform."""

CELL = (*MARKET, "shown")
_END = 2**62


@dataclass(frozen=True)
class Asked:
    """How much is asked.

    Parameters
    ----------
    checkpoints
        Cutoffs of the last year that are asked, evenly spread.
    moments
        Moments of each market and checkpoint at which windows end, evenly spread.
    names
        Most instruments asked about at one moment.
    few
        Windows of a few-shot copy, k.
    paths
        Paths of a forecast.
    """

    checkpoints: int = 2
    moments: int = 16
    names: int = 4
    few: int = 64
    paths: int = 100


def spread(cutoffs: Sequence[date], count: int) -> list[date]:
    """Choose cutoffs of the year up to the newest, evenly spread from the first of them on."""
    recent = of_last_year(cutoffs)
    return recent[:: -(-len(recent) // count)]


def answers(lake: Lake, models: Path, family: str, simulated: bool, asked: Asked) -> pl.DataFrame:
    """Ask a family, and naive forecasts beside it.

    Parameters
    ----------
    lake, models
        Where bars and checkpoints lie.
    family
        Its name.
    simulated
        Its world.
    asked
        How much.

    Returns
    -------
    pl.DataFrame
        As from `harness.judge`, `shown` as of the checkpoint that was asked, and `cutoff`, the newest asked;
        without rows or columns where there is no checkpoint, or nothing behind one.
    """
    cutoffs = checkpoint.cutoffs(models, family)
    if not cutoffs:
        return pl.DataFrame()
    chosen = spread(cutoffs, asked.checkpoints)
    loaded = [checkpoint.load(registry.resolve(models, family, cutoff)) for cutoff in chosen]
    starts = [microseconds(midnight(cutoff).isoformat()) for cutoff in chosen]
    longest = max(meta.config.context + meta.config.horizon for _, meta in loaded) + asked.few
    series = read_series(lake, simulated, chosen[0], longest)
    parts = []
    for (model, meta), (start, end) in zip(loaded, pairwise((*starts, _END)), strict=True):
        config = meta.config
        plan = Plan(
            cutoffs=(start,),
            context=config.context,
            horizon=config.horizon,
            moments=asked.moments,
            names=asked.names,
            paths=asked.paths,
        )
        picks = windows_to_judge(series, start, end, plan)
        picks = picks[known(series, picks, config.context)]
        if not len(picks):
            continue
        seen = seen_by(lake, meta)
        told = [seen.tell(one) for one in series]
        store = WindowStore(series, config.context, config.horizon, config.coarse)
        forecasters = {AS_IT_IS: LimForecaster(model)} | {name: BASELINES[name](config) for name in NAIVE}
        found = [
            judge(one, store, series, picks, plan, name=name, seed=0) for name, one in forecasters.items()
        ]
        for cell, own in _new(series, told, picks).items():
            members = [one for one, new in zip(series, told, strict=True) if (*_market(one), new) == cell]
            tuned = adapted(model, before(members, start), asked.few, config.seed)
            if tuned is not None:
                found.append(judge(LimForecaster(tuned), store, series, own, plan, name=FEW, seed=0))
        about = pl.DataFrame(
            [(one.instrument_id, one.freq, new) for one, new in zip(series, told, strict=True)],
            schema={"instrument_id": pl.String, "freq": pl.String, "shown": pl.String},
            orient="row",
        )
        parts.append(pl.concat(found).drop("shown").join(about, on=("instrument_id", "freq"), how="left"))
    return pl.concat(parts).with_columns(cutoff=pl.lit(chosen[-1])) if parts else pl.DataFrame()


def cells(subject: str, simulated: bool, scores: pl.DataFrame) -> pl.DataFrame:
    """Skill of a family in each cell, a market and how new it was: rows of `UNIVERSALITY`.

    Parameters
    ----------
    subject, simulated
        The family, and its world.
    scores
        As from `answers`.
    """
    rows = []
    groups = list(scores.group_by(CELL)) if scores.height else []
    for key, group in sorted(groups, key=lambda item: str(item[0])):
        exchange, asset_class, freq, shown = map(str, key)
        for name in (AS_IT_IS, FEW):
            shot = name if name == FEW else ("full" if shown == SEEN else "zero")
            for target, against in PAIRS:
                found = skill(group, name, against, target)
                if found.windows:
                    about = (subject, simulated, exchange, asset_class, freq, shown, shot, target, against)
                    rows.append((*about, found.windows, *found[:3], group["cutoff"][0]))
    frame = pl.DataFrame(rows, schema=UNIVERSALITY.schema, orient="row")
    return UNIVERSALITY.conform(frame.with_columns(pl.col("skill", "low", "high").fill_nan(None)))


def _market(one: Series) -> tuple[str, str, str]:
    return one.exchange, one.asset_class, one.freq


def _new(series: Sequence[Series], told: Sequence[str], picks: Ints) -> dict[tuple[str, ...], Ints]:
    """Tell picks by the cell that they are of; of cells that a checkpoint never saw."""
    found: dict[tuple[str, ...], list[int]] = {}
    for i, at in enumerate(picks[:, 0].tolist()):
        if told[at] != SEEN:
            found.setdefault((*_market(series[at]), told[at]), []).append(i)
    return {cell: picks[rows] for cell, rows in found.items()}
