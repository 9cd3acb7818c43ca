"""Target weights of one cutoff: every decision from the cutoff to the next, by every arm and seed.

What does not belong here: which model is current, reading and writing tables
(`lim_pipelines/walkforward.py`), fills and costs (`backtest/`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.finetune import store
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.lake import midnight
from lim_pipelines.schemas import TARGETS, UTC_TIME
from lim_pipelines.strategies.base import NO_LISTINGS, Known, known_at
from lim_pipelines.strategies.industries import NO_LINKS
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec


class CutoffMismatchError(ValueError):
    """A model would decide about a period that it was not made for."""


def make_targets(
    spec: StrategySpec,
    cutoff: date,
    period_end: date,
    model_folder: str | Path,
    bars: pl.DataFrame,
    inputs: pl.DataFrame,
    sessions: pl.DataFrame,
    links: pl.DataFrame = NO_LINKS,
    listings: pl.DataFrame = NO_LISTINGS,
) -> pl.DataFrame:
    """Decide all sessions of a cutoff's period.

    Parameters
    ----------
    spec
        The strategy.
    cutoff, period_end
        Decisions fall in [cutoff, period_end), midnights UTC.
    model_folder
        The models in use at the cutoff, see `finetune/store.py`; they may be of an earlier one.
    bars
        Rows of `VALIDATED_BARS` of the universe with all revisions; each decision sees what was known by
        then.
    inputs
        Features by decision, as from `finetune.features.read_features`; each decision sees its own.
    sessions
        As from `strategies.base.universe_sessions`, at least through `period_end`.
    links
        As from `strategies.industries.read_links`, where the portfolio asks for industries.
    listings
        As from `reference.known_listings`; each decision sees those that had begun by its day.

    Returns
    -------
    pl.DataFrame
        Rows of `TARGETS`. A session without a bar of any instrument has no rows.

    Raises
    ------
    CutoffMismatchError
        The models are of a later cutoff or another specification.
    ModelError
        The models cannot be read.
    OptimiserError
        A cross-section has no solution.
    """
    there = (bars, inputs, sessions, links, listings)
    return make_targets_each([spec], cutoff, period_end, model_folder, *there)[0]


def make_targets_each(
    specs: Sequence[StrategySpec],
    cutoff: date,
    period_end: date,
    model_folder: str | Path,
    bars: pl.DataFrame,
    inputs: pl.DataFrame,
    sessions: pl.DataFrame,
    links: pl.DataFrame,
    listings: pl.DataFrame,
    books: Collection[store.Book] | None = None,
) -> list[pl.DataFrame]:
    """Decide for several portfolios of the same models, which are asked once a decision.

    Parameters
    ----------
    specs
        One strategy with other settings of its portfolio each.
    cutoff, period_end, model_folder, bars, inputs, sessions, links, listings
        As for `make_targets`.
    books
        Arms and seeds that decide; None is all of them.

    Returns
    -------
    list of pl.DataFrame
        As from `make_targets`, one a specification.
    """
    forecasters, meta = store.load(model_folder)
    for spec in specs:
        _refuse_other_models(spec, cutoff, meta, model_folder)
    if books is not None:
        forecasters = {book: model for book, model in forecasters.items() if book in books}
    start, end = midnight(cutoff), midnight(period_end)

    task, first = TASKS[specs[0].task], specs[0]

    def samples_of(seen: pl.DataFrame, features: pl.DataFrame, days: list[date]) -> Samples:
        return task.samples(first, seen, features, meta.selection, days)

    plans = [task.decisions(sessions, spec, start, end) for spec in specs]
    held = [task.books(spec, meta.selection) for spec in specs]
    frames: list[list[pl.DataFrame]] = [[] for _ in specs]
    every = {decision for plan in plans for decision in plan}
    for decision in sorted(every, key=lambda one: (one.decided_at, one.exchanges)):
        with store.one_thread():
            known = known_at(
                first, forecasters, meta.scales(), decision, bars, inputs, samples_of, links, listings
            )
        for plan, own, rows in zip(plans, held, frames, strict=True):
            if decision in plan:
                weighted = own.rebalance(known)
                # What was decided before the period is held when it begins; it is another period's row.
                if decision.decided_at >= start:
                    rows.append(_rows(known, weighted))
    return [_stamped(spec, cutoff, meta.input_digest, rows) for spec, rows in zip(specs, frames, strict=True)]


def _refuse_other_models(spec: StrategySpec, cutoff: date, meta: store.ModelMeta, folder: str | Path) -> None:
    if meta.cutoff > cutoff:
        raise CutoffMismatchError(
            f"strategy {spec.name}: {folder} was trained at cutoff {meta.cutoff}, targets of {cutoff},"
            f" which came before it, were asked for; materialise {spec.name}_model, partition {cutoff}"
        )
    if meta.spec.model_config_json() != spec.model_config_json():
        raise CutoffMismatchError(
            f"strategy {spec.name}: {folder} was trained for another specification; materialise"
            f" {spec.name}_model, partition {cutoff}"
        )


def _stamped(spec: StrategySpec, cutoff: date, digest: str, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of `TARGETS` of what was decided."""
    columns = TARGETS.empty().drop("strategy", "cutoff", "spec_digest", "model_digest")
    rows = pl.concat([columns, *(frame.select(columns.columns) for frame in frames)])
    stamp = {
        "strategy": spec.name,
        "cutoff": cutoff,
        "spec_digest": spec.digest(),
        "model_digest": digest,
    }
    return TARGETS.conform(rows.with_columns(**{name: pl.lit(value) for name, value in stamp.items()}))


def _rows(known: Known, weighted: pl.DataFrame) -> pl.DataFrame:
    at = pl.lit(known.decision.decided_at).cast(UTC_TIME)
    return weighted.with_columns(date=pl.lit(known.decision.date), decided_at=at)
