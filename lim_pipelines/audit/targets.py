"""Decisions taken again in the past of their own moment, and compared with those that are stored.

A decision and all before it in its period are taken again where nothing that was known later exists, by the
function that took them: a cross-section's books carry over from one rebalance to the next.

What does not belong here: the models that decide (`checkpoints.py`), what came of it (`backtests.py`).
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines import walkforward
from lim_pipelines.audit.compare import came_later, difference, quote
from lim_pipelines.audit.verdict import Audit, Verdict
from lim_pipelines.finetune import champions, store
from lim_pipelines.lake import LATEST, Lake, fingerprint, midnight, next_cutoff
from lim_pipelines.lake.past import Past
from lim_pipelines.schemas import MODEL_INPUTS, TARGETS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec


def audit_targets(
    lake: Lake, models: Path, spec: StrategySpec, cutoff: date, decisions: int
) -> list[Verdict]:
    """Audit the stored decisions of one cutoff's period.

    Parameters
    ----------
    lake, models
        Where bars, inputs, targets and models lie.
    spec
        The strategy.
    cutoff
        The cutoff; without stored targets there is nothing to audit.
    decisions
        How many are taken again: the first, which leaves most of the period out, the last, and others at
        random, the same ones for the same targets.

    Returns
    -------
    list of Verdict
        One on moments and models, one a decision that was taken again.

    Raises
    ------
    MissingModelError, MissingInputsError
        What the decisions were taken with is gone.
    """
    here = (pl.col("strategy") == spec.name) & (pl.col("cutoff") == cutoff)
    stored = lake.read(TARGETS, as_of=LATEST, where=here).sort(TARGETS.row_key).collect()
    if stored.is_empty():
        return []
    return [
        _moments(models, spec, cutoff, stored),
        *(_again(lake, models, spec, cutoff, stored, moment) for moment in _sampled(stored, decisions)),
    ]


def _sampled(stored: pl.DataFrame, count: int) -> list[datetime]:
    """Moments of decisions: the first, the last, and others by a seed that the content gives."""
    moments = stored["decided_at"].unique().sort().to_list()
    dice = np.random.default_rng(int(fingerprint(stored)[:15], 16))
    others = dice.permutation(moments[1:-1])[: max(count - 2, 0)]
    return sorted({*moments[:1], *(moments[-1:] if count > 1 else []), *others.tolist()})


def _moments(models: Path, spec: StrategySpec, cutoff: date, stored: pl.DataFrame) -> Verdict:
    """Check that decisions lie in their period, behind their session, and by models of their cutoff."""
    start, end = midnight(cutoff), midnight(next_cutoff(cutoff))
    broken = []
    outside = stored.filter((pl.col("decided_at") < start) | (pl.col("decided_at") >= end))
    if outside.height:
        broken.append(f"{outside.height} rows are decided outside {start} to {end}, first {_row(outside)}")
    early = stored.filter(pl.col("decided_at").dt.date() < pl.col("date"))
    if early.height:
        broken.append(f"{early.height} rows are decided before their session, first {_row(early)}")
    for digest in stored["model_digest"].unique().sort():
        folder = champions.trained_as(models, spec.name, digest, cutoff)
        if folder is None:
            broken.append(
                f"models {digest[:16]}, which decided, are none of cutoff {cutoff} or an earlier one"
            )
        elif store.read_meta(folder).cutoff > cutoff:
            broken.append(f"models {folder}, which decided, are of cutoff {store.read_meta(folder).cutoff}")
    return _verdict(spec, cutoff, "windows", end, stored.height, len(broken), "; ".join(broken))


def _again(
    lake: Lake, models: Path, spec: StrategySpec, cutoff: date, stored: pl.DataFrame, moment: datetime
) -> Verdict:
    """Take the decisions up to a moment again and compare every bit."""
    rows = walkforward.decide(Past(lake, moment), models, spec, [cutoff], until=moment)
    own = stored.filter(pl.col("decided_at") <= moment)
    found = difference(TARGETS, own, rows.sort(TARGETS.row_key))
    if found is None:
        return _verdict(spec, cutoff, "recompute", moment, own.height, 0, "")
    later = came_later(lake, [VALIDATED_BARS, MODEL_INPUTS], found.example, moment)
    text = (
        f"{found.count} of {own.height} rows decided up to {moment} come out otherwise where nothing known"
        f" later exists: {quote(found.example)}: {found.words}{later}"
    )
    return _verdict(spec, cutoff, "recompute", moment, own.height, found.count, text)


def _verdict(
    spec: StrategySpec, cutoff: date, audit: Audit, moment: datetime, compared: int, different: int, text: str
) -> Verdict:
    remedy = (
        f"materialise {spec.name}_targets of this partition again (rows that were dated back since, or newer"
        " models, give other decisions, too); if it stays, correct what the decision reads"
    )
    finding = f"targets {spec.name} {cutoff}: {text}; {remedy}" if text else ""
    return Verdict(f"{spec.name}_targets", cutoff.isoformat(), audit, moment, compared, different, finding)


def _row(rows: pl.DataFrame) -> str:
    first = rows.row(0, named=True)
    return f"{first['instrument_id']} {first['date']} at {first['decided_at']}"
