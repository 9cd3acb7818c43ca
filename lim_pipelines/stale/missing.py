"""What was never made of what is there: decisions of models, backtests of decisions.

A run that dies between two of its steps leaves no record of the second one, so nothing of it is stale. What
is missing is seen by what is there, whatever became of the run.

What does not belong here: what is stale (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake
from lim_pipelines.stale.asked import in_use
from lim_pipelines.stale.recorded import cutoffs_of, recorded
from lim_pipelines.strategies.spec import StrategySpec


def never_decided(lake: Lake, models: Path, spec: StrategySpec) -> list[date]:
    """Return cutoffs whose models are there and which have no targets, earliest first.

    Those behind the newest that was decided; of a strategy that never decided, the newest one.

    Parameters
    ----------
    lake, models
        Where records and models lie.
    spec
        The strategy.
    """
    there = [
        cutoff
        for cutoff in checkpoint.cutoffs(models, spec.foundation)
        if spec.cadence.begun(cutoff) and in_use(models, spec, cutoff) is not None
    ]
    decided = cutoffs_of(lake, spec)
    return [cutoff for cutoff in there if cutoff > decided[-1]] if decided else there[-1:]


def never_backtested(lake: Lake, specs: Sequence[StrategySpec]) -> list[str]:
    """Return the strategies that have targets and no backtest."""
    names = [f"{spec.name}_{step}" for spec in specs for step in ("targets", "backtest")]
    there = set(recorded(lake, names)["result"])
    return [
        spec.name
        for spec in specs
        if f"{spec.name}_targets" in there and f"{spec.name}_backtest" not in there
    ]
