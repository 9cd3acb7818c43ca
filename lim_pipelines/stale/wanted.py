"""Which rows of the lake a result reads: the filters and moments of the readers themselves.

What does not belong here: which version of them a result has read (`recorded.py`), comparing versions
(`rows.py`). A filter here is never narrower than its reader's; where it is wider, it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from lim_pipelines.backtest.facts import quoted_pairs
from lim_pipelines.finetune.features import DECISION, rows_of_features, values_of_features
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import rows_of_family
from lim_pipelines.lake import midnight, next_cutoff
from lim_pipelines.schemas import (
    BACKTEST_DAILY,
    CORPORATE_ACTIONS,
    ENTITY_LINKS,
    LISTINGS,
    MODEL_INPUTS,
    ONE_PRICE,
    RESAMPLED_BARS,
    SCORES,
    TARGETS,
    TRIAL_RETURNS,
    TRIALS,
    VALIDATED_BARS,
    Table,
)
from lim_pipelines.strategies.industries import rows_of_links
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import LONGEST_RHYTHM_DAYS, universe

READ = tuple(
    table.name
    for table in (
        VALIDATED_BARS,
        RESAMPLED_BARS,
        MODEL_INPUTS,
        ENTITY_LINKS,
        LISTINGS,
        CORPORATE_ACTIONS,
        TARGETS,
        BACKTEST_DAILY,
        SCORES,
        TRIALS,
        TRIAL_RETURNS,
    )
)
"""Tables that some result reads."""

_MARGIN = timedelta(days=1)
"""A past shows listings that begin by the day after its moment (`lake.past`)."""

_IN_A_SERIES = (
    *VALIDATED_BARS.key,
    *("open", "high", "low", "close", "volume", "ex_factor", "asset_class", "known_at"),
)
"""Columns of bars that a series is made of; a family learns nothing of the others."""


@dataclass(frozen=True)
class Wanted:
    """Rows of one table that a result reads.

    Parameters
    ----------
    reader
        Whose filter `where` is: reads of one reader and table share it, and differ in the rest.
    table
        The table.
    where
        The filter.
    as_of
        Moment; None: everything known.
    all_revisions
        Whether all revisions known by the moment are read, or those that hold at it.
    also
        A narrower filter of this read.
    columns
        What of the rows counts; empty: all columns.
    listed_on
        Day whose listings are shown (`lake.past.listings_on`); None: today's.
    """

    reader: str
    table: Table
    where: pl.Expr
    as_of: datetime | None
    all_revisions: bool = False
    also: pl.Expr | None = None
    columns: tuple[str | pl.Expr, ...] = ()
    listed_on: date | None = None


def of_checkpoint(config: FoundationConfig, cutoff: date) -> Wanted:
    """Rows that a family's checkpoint is trained on."""
    return Wanted(config.name, VALIDATED_BARS, rows_of_family(config), midnight(cutoff), columns=_IN_A_SERIES)


def of_model(spec: ModelSpec, cutoff: date) -> list[Wanted]:
    """Rows that a strategy's models of a cutoff are fitted on."""
    moment = midnight(cutoff)
    bars = spec.universe.rows() & (pl.col("freq") == spec.frequency) & pl.col("price_type").is_in(ONE_PRICE)
    found = [Wanted(f"{spec.name}_model", VALIDATED_BARS, bars, moment)]
    if spec.features:
        found.append(_features(spec, f"{spec.name}_model", moment, None))
    return found


def of_targets(spec: StrategySpec, cutoff: date) -> list[Wanted]:
    """Rows that the decisions from a cutoff to the next are made from."""
    moment, reader = midnight(next_cutoff(cutoff)), f"{spec.name}_targets"
    found = [
        Wanted(reader, VALIDATED_BARS, universe(spec), moment, all_revisions=True),
        Wanted(
            reader,
            LISTINGS,
            spec.universe.named(),
            None,
            columns=_without(LISTINGS, "file", "known_at"),
            listed_on=(moment + _MARGIN).date(),
        ),
    ]
    if spec.features:
        since = pl.col("date") >= cutoff - timedelta(days=LONGEST_RHYTHM_DAYS)
        found.append(_features(spec, reader, moment, since))
    if spec.reads_industries:
        found.append(Wanted(reader, ENTITY_LINKS, rows_of_links(), moment, all_revisions=True))
    return found


def of_backtest(spec: StrategySpec, cutoffs: Sequence[date]) -> list[Wanted]:
    """Rows that the backtest of some cutoffs' targets is made from.

    Wider than the readers: corporate actions of instruments of the universe without a bar, and exchange rates
    though all of it is in one currency. The trial ledger is left out: it only counts what was tried, every
    backtest adds to it, and the leaderboard judges all of them anew.
    """
    reader, through = f"{spec.name}_backtest", _through(cutoffs)
    return [
        Wanted(reader, TARGETS, pl.col("strategy") == spec.name, None),
        Wanted(
            reader,
            VALIDATED_BARS,
            universe(spec) | quoted_pairs(),
            None,
            also=pl.col("date") <= through,
        ),
        Wanted(reader, LISTINGS, spec.universe.named(), None, columns=_without(LISTINGS, "file", "known_at")),
        Wanted(
            reader,
            CORPORATE_ACTIONS,
            spec.universe.named(),
            None,
            columns=_without(CORPORATE_ACTIONS, "file", "line"),
        ),
    ]


def of_leaderboard(specs: Sequence[StrategySpec]) -> list[Wanted]:
    """Rows that the leaderboard is made from."""
    return _standings("leaderboard", specs)


def of_effectiveness(
    specs: Sequence[StrategySpec], tested: Sequence[tuple[StrategySpec, Sequence[date]]]
) -> list[Wanted]:
    """Rows that the test of effectiveness is made from.

    The models whose promises it shows are named by the targets.

    Parameters
    ----------
    specs
        All strategies.
    tested
        Those that have a backtest, each with the cutoffs of its targets.
    """
    reader, own = "effectiveness", pl.col("strategy").is_in([spec.name for spec, _ in tested])
    bars = [universe(spec) & (pl.col("date") <= _through(cutoffs)) for spec, cutoffs in tested]
    return [
        *_standings(reader, specs),
        Wanted(reader, TARGETS, own, None),
        Wanted(reader, SCORES, own & (pl.col("metric") == "rank_ic"), None),
        Wanted(reader, VALIDATED_BARS, pl.any_horizontal(bars) if bars else pl.lit(False), None),
    ]


def of_robustness(spec: StrategySpec, cutoffs: Sequence[date]) -> list[Wanted]:
    """Rows that a strategy's robustness is made from: its backtest's, and those that are decided from again.

    Wider than the readers: all revisions, though decisions see those of before and costs the newest, and
    inputs from the first on.
    """
    reader = f"{spec.name}_robustness"
    backtest = [replace(one, reader=reader) for one in of_backtest(spec, cutoffs)]
    found = [replace(one, all_revisions=one.table is VALIDATED_BARS) for one in backtest]
    found.append(Wanted(reader, BACKTEST_DAILY, pl.col("strategy") == spec.name, None))
    moment = midnight(next_cutoff(max(cutoffs)))
    if spec.features:
        found.append(_features(spec, reader, moment, None))
    if spec.reads_industries:
        found.append(Wanted(reader, ENTITY_LINKS, rows_of_links(), moment, all_revisions=True))
    return found


def of_universality(specs: Sequence[StrategySpec]) -> list[Wanted]:
    """Rows that checkpoints and models are asked about.

    Wider than the readers: all bars there are, though the last year's are asked about, because what a
    checkpoint has seen is counted over all of them; of model inputs all values.
    """
    reader, one_price = "universality", pl.col("price_type").is_in(ONE_PRICE)
    found = [Wanted(reader, table, one_price, None, True) for table in (VALIDATED_BARS, RESAMPLED_BARS)]
    if any(spec.features for spec in specs):
        found.append(Wanted(reader, MODEL_INPUTS, pl.lit(True), None, True))
    return found


def _standings(reader: str, specs: Sequence[StrategySpec]) -> list[Wanted]:
    """Rows that say where strategies stand (`standings.worlds`)."""
    own = pl.col("strategy").is_in([spec.name for spec in specs])
    return [
        Wanted(reader, BACKTEST_DAILY, own, None),
        Wanted(reader, TRIALS, pl.lit(True), None),
        Wanted(reader, TRIAL_RETURNS, pl.lit(True), None),
    ]


def _through(cutoffs: Sequence[date]) -> date:
    """Last day that the targets of some cutoffs hold for."""
    return next_cutoff(max(cutoffs)) - timedelta(days=1)


def _features(spec: ModelSpec, reader: str, moment: datetime, since: pl.Expr | None) -> Wanted:
    values: tuple[str | pl.Expr, ...] = (*DECISION, "block", "spec", "known_at", *values_of_features(spec))
    rows = rows_of_features(spec)
    return Wanted(reader, MODEL_INPUTS, rows, moment, all_revisions=True, also=since, columns=values)


def _without(table: Table, *names: str) -> tuple[str, ...]:
    return tuple(name for name in table.columns if name not in names)
