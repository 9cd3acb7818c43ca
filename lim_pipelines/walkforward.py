"""Walk forward: decide at each cutoff, stitch the pieces, cost them, score them, report.

Reads the lake and the models' folder, calls one room after the other, writes result tables. What does not
belong here: any arithmetic of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.portfolio.targets import make_targets
from lim_pipelines.schemas import VALIDATED_BARS, VALIDATED_MACRO
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.spec import StrategySpec


class MissingModelError(RuntimeError):
    """A strategy has no models of a cutoff."""


def decide(lake: Lake, models: Path, spec: StrategySpec, cutoffs: Sequence[date]) -> pl.DataFrame:
    """Target weights of a strategy for the periods that follow some cutoffs.

    Each decision sees only rows that were known by then.

    Parameters
    ----------
    lake, models
        Where bars and models lie.
    spec
        The strategy.
    cutoffs
        Cutoffs; the period of each ends at the next month's first midnight, UTC.

    Returns
    -------
    pl.DataFrame
        Rows of `TARGETS`.

    Raises
    ------
    MissingModelError
        The models of a cutoff are not trained.
    """
    folders = {cutoff: checkpoint.resolve(models, spec.name, cutoff) for cutoff in cutoffs}
    missing = [cutoff.isoformat() for cutoff, folder in folders.items() if folder is None]
    if missing:
        raise MissingModelError(
            f"strategy {spec.name}: no models of cutoffs {', '.join(missing)} in {models};"
            f" materialise {spec.name}_model, the same partitions, first"
        )
    end = next_month(max(cutoffs))
    bars = lake.revisions(VALIDATED_BARS, universe(spec) & (pl.col("known_at") <= midnight(end))).collect()
    macro = lake.revisions(VALIDATED_MACRO, pl.col("known_at") <= midnight(end)).collect()
    sessions = universe_sessions(spec, end)
    pieces = [
        make_targets(spec, cutoff, next_month(cutoff), folder, bars, macro, sessions)
        for cutoff, folder in folders.items()
        if folder is not None
    ]
    return pl.concat(pieces)


def universe(spec: StrategySpec) -> pl.Expr:
    """Rows of `VALIDATED_BARS` that belong to a strategy's instruments, at its frequency."""
    return (
        pl.col("exchange").is_in(spec.universe.mics())
        & pl.col("instrument_id").is_in(spec.universe.instrument_ids())
        & (pl.col("freq") == spec.frequency)
    )


def next_month(day: date) -> date:
    """First day of the month after a day's."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
