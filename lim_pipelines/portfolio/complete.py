"""Whether a strategy's targets are whole and current: what a backtest refuses to stitch.

What does not belong here: making targets (`targets.py`), backtests (`lim_pipelines/backtest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from lim_pipelines.finetune import store
from lim_pipelines.lake import midnight, next_cutoff
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec


class MissingTargetsError(RuntimeError):
    """A strategy has no targets, or targets of another specification."""


def refuse_stale(spec: StrategySpec, targets: pl.DataFrame) -> None:
    """Refuse targets of another specification, and none at all."""
    stale = targets.filter(pl.col("spec_digest") != spec.digest())["cutoff"].unique().sort().to_list()
    first = f"materialise {spec.name}_model and {spec.name}_targets first"
    if stale:
        raise MissingTargetsError(
            f"strategy {spec.name}: targets of cutoffs {', '.join(map(str, stale))} were made for another"
            f" specification; {first}"
        )
    if not targets.height:
        raise MissingTargetsError(
            f"strategy {spec.name}: no targets; {first}. If you did, its universe has no bars behind those"
            " cutoffs: take cutoffs that its bars reach over, or import newer ones"
        )


def refuse_other_models(
    spec: StrategySpec, targets: pl.DataFrame, metas: Mapping[date, store.ModelMeta]
) -> None:
    """Refuse targets that today's models did not decide: the report would name the wrong ones."""
    current = pl.DataFrame(
        {"cutoff": list(metas), "current": [meta.input_digest for meta in metas.values()]},
        schema={"cutoff": pl.Date, "current": pl.String},
    )
    other = targets.join(current, on="cutoff").filter(pl.col("model_digest") != pl.col("current"))
    if other.height:
        days = ", ".join(str(day) for day in other["cutoff"].unique().sort())
        raise MissingTargetsError(
            f"strategy {spec.name}: targets of cutoffs {days} were decided by other models than the current"
            f" ones; materialise {spec.name}_targets, the same partitions, first"
        )


def refuse_gaps(spec: StrategySpec, cutoffs: list[date]) -> None:
    """Refuse missing months: the book of the month before would stand in them as if it had been decided.

    A month in which nothing was to be decided is not missing: of a quarter's months most have no rebalance.
    """
    missing, day = [], cutoffs[0]
    while day < cutoffs[-1]:
        day = next_cutoff(day)
        if day not in cutoffs and decides(spec, day):
            missing.append(day.isoformat())
    if missing:
        raise MissingTargetsError(
            f"strategy {spec.name}: no targets of cutoffs {', '.join(missing)} between {cutoffs[0]} and"
            f" {cutoffs[-1]}; materialise {spec.name}_model and {spec.name}_targets of these partitions first"
        )


def decides(spec: StrategySpec, cutoff: date) -> bool:
    """Whether a strategy decides anything between a cutoff and the next."""
    start, end = midnight(cutoff), midnight(next_cutoff(cutoff))
    sessions = universe_sessions(spec, next_cutoff(cutoff))
    return any(one.decided_at >= start for one in TASKS[spec.task].decisions(sessions, spec, start, end))
