"""What validation promised before each cutoff, and what came behind it; whether models wear out.

What does not belong here: the rank IC at longer horizons (`backtest/decay.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from lim_pipelines.finetune.spec import RELATIVE_TASKS, Task
from lim_pipelines.finetune.store import ModelMeta


def promised(arms: Sequence[str], metas: Mapping[date, ModelMeta]) -> dict[str, dict[str, float]]:
    """Skill on validation before the cutoffs, means over cutoffs and seeds, by arm.

    Parameters
    ----------
    arms
        Which.
    metas
        Of the models in use at each cutoff.

    Returns
    -------
    dict
        promised_rank_ic and promised_r2, where the fit kept them.
    """
    out: dict[str, dict[str, float]] = {}
    for arm in arms:
        fits = [one.metrics for meta in metas.values() for one in meta.arms if one.arm == arm]
        for name in ("rank_ic", "r2"):
            known = [value for fit in fits if (value := fit.get(f"validation_{name}")) is not None]
            if known:
                out.setdefault(arm, {})[f"promised_{name}"] = sum(known) / len(known)
    return out


def fresh_rank_ic(task: Task, came: pl.DataFrame) -> dict[str, float]:
    """Say what came of what was promised: rank IC over all forecasts of a cutoff, as `finetune.base.skill`.

    Parameters
    ----------
    task
        A cross-section's labels are relative to their session's mean.
    came
        As from `metrics.realised`.

    Returns
    -------
    dict
        By arm, mean over cutoffs and seeds.
    """
    found = _of_cutoffs(task, came).group_by("arm").agg(pl.col("rank_ic").mean())
    return dict(found.iter_rows())


def decay(task: Task, arm: str, came: pl.DataFrame, metas: Mapping[date, ModelMeta]) -> dict[str, float]:
    """Rank IC of an arm by months since its models' cutoff; nothing where models were always new.

    Parameters
    ----------
    task, came
        As for `fresh_rank_ic`.
    arm
        Which.
    metas
        Of the models in use at each cutoff.

    Returns
    -------
    dict
        rank_ic_month_1 for the first month behind the models' cutoff, and so on.
    """
    ages = {
        cutoff: 12 * (cutoff.year - meta.cutoff.year) + cutoff.month - meta.cutoff.month + 1
        for cutoff, meta in metas.items()
    }
    if len(set(ages.values())) < 2:
        return {}
    known = pl.DataFrame({"cutoff": list(ages), "age": list(ages.values())})
    found = _of_cutoffs(task, came).filter(pl.col("arm") == arm).join(known, on="cutoff")
    by_age = found.group_by("age").agg(pl.col("rank_ic").mean()).sort("age")
    return {f"rank_ic_month_{age}": value for age, value in by_age.iter_rows()}


def _of_cutoffs(task: Task, came: pl.DataFrame) -> pl.DataFrame:
    """Rank IC of each arm, seed and cutoff: columns arm, seed, cutoff, rank_ic."""
    label = pl.col("label")
    if task in RELATIVE_TASKS:
        label = label - label.mean().over("arm", "seed", "date")
    rank_ic = pl.corr("forecast", "label", method="spearman").alias("rank_ic")
    found = came.with_columns(label.alias("label")).group_by("arm", "seed", "cutoff").agg(rank_ic)
    return found.drop_nulls("rank_ic").filter(pl.col("rank_ic").is_finite()).sort("arm", "seed", "cutoff")
