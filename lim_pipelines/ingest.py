"""The three steps of market and macro data, from sources to validated tables of the lake.

Each step reads the lake (or the sources), calls one room's pure function, and writes whole partitions. What
does not belong here: parsing (`sources/`), alignment (`align/`), the rules (`validate/`), scheduling
(`assets/`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from lim_pipelines import clock, sources
from lim_pipelines.align import bars as align_bars
from lim_pipelines.align import macro as align_macro
from lim_pipelines.align.outcome import Outcome
from lim_pipelines.align.revisions import merge
from lim_pipelines.align.withdrawals import withdrawn
from lim_pipelines.lake import Commit, Lake
from lim_pipelines.newest import from_newest, judged_versions, moved
from lim_pipelines.reference import known_listings, register
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    ALIGNED_MACRO,
    GATE_RESULTS,
    LANDING_FILES,
    QUARANTINE,
    RAW_MACRO,
    RAW_QUOTES,
    VALIDATED_BARS,
    VALIDATED_MACRO,
    Table,
)
from lim_pipelines.sources import frbny_vintages, macro_series
from lim_pipelines.sources import macro as macro_source
from lim_pipelines.sources.base import SourceFile
from lim_pipelines.validate.beside import Beside, read_beside
from lim_pipelines.validate.gate import validate
from lim_pipelines.validate.origins import vendor_lines
from lim_pipelines.validate.releases import released
from lim_pipelines.validate.verdicts import not_published


@dataclass(frozen=True)
class Step:
    """What one step did to the partitions it was asked for.

    Parameters
    ----------
    commit
        What the write of the step's table did.
    rows_in
        Rows read.
    quarantined
        Rows held back by this step, as QUARANTINE.
    files
        Vendor files read; only of the first step.
    warnings
        Warning rule to the number of rows that go on although they look odd; only of validation.
    held
        Partitions that were not published: columns exchange, date, rule, reason, rows (that pass all rules of
        rows and are not published all the same); only of validation of bars.
    """

    commit: Commit
    rows_in: int
    quarantined: pl.DataFrame
    files: tuple[SourceFile, ...] = ()
    warnings: Mapping[str, int] = field(default_factory=dict)
    held: pl.DataFrame = field(
        default_factory=lambda: not_published(QUARANTINE.empty(), GATE_RESULTS.empty())
    )


def load_raw_quotes(lake: Lake, landing: Path, scope: pl.DataFrame) -> Step:
    """Read every source that serves the partitions and write `raw_quotes`.

    Values that differ from what the lake holds become new revisions, known as of now; bars that a file no
    longer holds are withdrawn. Instruments that the files speak of are registered.

    Parameters
    ----------
    lake
        Lake to write.
    landing
        Folder of dropped vendor files.
    scope
        Columns exchange and date.
    """
    days = scope["date"].to_list()
    ledger = lake.revisions(LANDING_FILES).collect()
    found = sources.collect(frozenset(scope["exchange"]), min(days), max(days), landing, ledger)
    register(lake, found.listings)
    keys = list(RAW_QUOTES.partition_key)
    rows, rejected = (frame.join(scope, on=keys, how="semi") for frame in (found.rows, found.rejected))
    step, _ = _store_raw(lake, rows, rejected, scope, found.accounted)
    return replace(step, files=tuple(found.files))


def align_quotes(lake: Lake, scope: pl.DataFrame) -> Step:
    """Bring `raw_quotes` onto session grids and instrument ids, and write `aligned_bars`."""
    step, _ = _store_aligned(lake, lambda: _partitions(lake, RAW_QUOTES, scope), scope, known_listings(lake))
    return step


def validate_bars(lake: Lake, scope: pl.DataFrame) -> Step:
    """Publish the rows of `aligned_bars` that pass every blocking rule, and write `validated_bars`.

    A partition that fails a blocking rule of partitions is left as it was; the others go on. What people have
    released goes on, too. What was found of each partition is written to `gate_results`.

    Parameters
    ----------
    lake
        Lake to read and write.
    scope
        Columns exchange and date.
    """
    while True:
        seen = judged_versions(lake)
        step = _store_validated(
            lake,
            lambda: _partitions(lake, ALIGNED_BARS, scope),
            lambda: _partitions(lake, RAW_QUOTES, scope),
            scope,
            read_beside(lake, scope),
        )
        if not moved(lake, scope, seen):
            return step


def load_period(
    lake: Lake,
    rows: pl.DataFrame,
    rejected: pl.DataFrame,
    scope: pl.DataFrame,
    listings: pl.DataFrame,
    accounted: Collection[str],
    beside: Callable[[pl.DataFrame], Beside],
) -> tuple[Step, Step, Step]:
    """Take what sources gave of some partitions through all three steps, without reading it back in between.

    Parameters
    ----------
    lake
        Lake to write.
    rows, rejected
        Frames of `RAW_QUOTES` and `QUARANTINE`: all that the sources hold in `scope`, and nothing else.
    scope
        Columns exchange and date.
    listings
        Frame of `LISTINGS`.
    accounted
        Files whose whole content of `scope` is in `rows` or `rejected`.
    beside
        Gets the aligned bars, and returns what they are judged against.
    """
    loaded, raw = _store_raw(lake, rows, rejected, scope, accounted)
    on_grid, aligned = _store_aligned(lake, lambda: raw, scope, listings)
    seen = judged_versions(lake) | {ALIGNED_BARS.name: on_grid.commit.version}
    judged = _store_validated(lake, lambda: aligned, lambda: raw, scope, beside(aligned))
    return loaded, on_grid, validate_bars(lake, scope) if moved(lake, scope, seen) else judged


def _store_raw(
    lake: Lake, rows: pl.DataFrame, rejected: pl.DataFrame, scope: pl.DataFrame, accounted: Collection[str]
) -> tuple[Step, pl.DataFrame]:
    """Lay rows beside what is there, and the rejected ones into quarantine; return all that is there now."""
    arrived_at = clock.now()
    held = _hold_back(lake, "parse", rejected, scope)
    there: list[pl.DataFrame] = []

    def corrected(existing: pl.DataFrame) -> pl.DataFrame:
        taken_back = withdrawn(existing, rows, rejected, accounted, arrived_at)
        there[:] = [
            pl.concat([merge(existing, rows, arrived_at, RAW_QUOTES), taken_back]).sort(RAW_QUOTES.row_key)
        ]
        return there[0]

    commit = lake.update(RAW_QUOTES, scope, corrected)
    return Step(commit, rows.height + held.height, held), there[0]


def _store_aligned(
    lake: Lake, raw: Callable[[], pl.DataFrame], scope: pl.DataFrame, listings: pl.DataFrame
) -> tuple[Step, pl.DataFrame]:
    commit, rows_in, outcome = from_newest(
        lake, ALIGNED_BARS, scope, raw, lambda frame, _: align_bars.align(frame, listings)
    )
    held = _hold_back(lake, "align", outcome.quarantined, scope)
    return Step(commit, rows_in, held), outcome.rows


def _store_validated(
    lake: Lake,
    aligned: Callable[[], pl.DataFrame],
    raw: Callable[[], pl.DataFrame],
    scope: pl.DataFrame,
    beside: Beside,
) -> Step:
    """Publish what passes; `raw` is asked only if something is held back, for the vendor's file and line."""

    def judged(frame: pl.DataFrame, published: pl.DataFrame) -> Outcome:
        return validate(frame, VALIDATED_BARS, beside, released(lake, scope), published)

    commit, rows_in, outcome = from_newest(lake, VALIDATED_BARS, scope, aligned, judged)
    quarantined = outcome.quarantined
    if quarantined.height:
        quarantined = vendor_lines(quarantined, raw(), beside.listings)
    quarantined = _hold_back(lake, "validate", quarantined, scope)
    _hold_back(lake, "publish", outcome.held, scope)
    lake.write(GATE_RESULTS, outcome.results, scope)
    held = not_published(outcome.held, outcome.results)
    return Step(commit, rows_in, quarantined, warnings=outcome.warnings, held=held)


def load_raw_macro(lake: Lake, landing: Path) -> Step:
    """Read the macro series, embedded and dropped, and write `raw_macro`; changed values become revisions."""
    found = macro_source.together(
        [
            macro_source.collect_macro(),
            macro_series.collect_landed(landing),
            frbny_vintages.collect_vintages(landing),
        ]
    )
    rejected = _hold_back_macro(lake, "parse", found.rejected)
    commit = lake.update(
        RAW_MACRO,
        _series(found.rows),
        lambda there: merge(there, found.rows, clock.now(), RAW_MACRO),
    )
    return Step(commit, found.rows.height + rejected.height, rejected)


def align_macro_series(lake: Lake) -> Step:
    """Bring `raw_macro` to one value a period and revision, and write `aligned_macro`."""
    raw = lake.revisions(RAW_MACRO).collect()
    outcome = align_macro.align(raw)
    quarantined = _hold_back_macro(lake, "align", outcome.quarantined)
    return Step(lake.write(ALIGNED_MACRO, outcome.rows, _series(raw)), raw.height, quarantined)


def validate_macro_series(lake: Lake) -> Step:
    """Let through the rows of `aligned_macro` that pass every blocking rule, and write `validated_macro`."""
    aligned = lake.revisions(ALIGNED_MACRO).collect()
    outcome = validate(aligned, VALIDATED_MACRO)
    quarantined = _hold_back_macro(lake, "validate", outcome.quarantined)
    commit = lake.write(VALIDATED_MACRO, outcome.rows, _series(aligned))
    return Step(commit, aligned.height, quarantined, warnings=outcome.warnings)


def _near(scope: pl.DataFrame) -> pl.Expr:
    return pl.col("exchange").is_in(scope["exchange"].unique().to_list()) & pl.col("date").is_between(
        scope["date"].min(), scope["date"].max()
    )


def _partitions(lake: Lake, table: Table, scope: pl.DataFrame) -> pl.DataFrame:
    rows = lake.revisions(table, _near(scope)).join(scope.lazy(), on=list(table.partition_key), how="semi")
    return rows.sort(table.row_key).collect()


def _hold_back(lake: Lake, stage: str, rows: pl.DataFrame, scope: pl.DataFrame) -> pl.DataFrame:
    rows = QUARANTINE.conform(rows)
    lake.write(QUARANTINE, rows, scope.select(pl.lit(stage).alias("stage"), "exchange", "date"))
    return rows


def _hold_back_macro(lake: Lake, stage: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Do the same for all macro series at once; their quarantine stands under an exchange of its own."""
    here = (pl.col("stage") == stage) & (pl.col("exchange") == macro_source.QUARANTINE_EXCHANGE)
    before = lake.revisions(QUARANTINE, here).collect()
    lake.write(QUARANTINE, rows, pl.concat([before, rows]).select(QUARANTINE.partition_key))
    return rows


def _series(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("series_id").unique()
