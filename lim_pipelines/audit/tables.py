"""Tables of data made again on truncated history: bars, macro series, alternative data, what is derived.

At a moment T a step of the library runs on all that was known by T, and nothing else; every row that is
stored with `known_at` at or before T must come out of it to the bit, and no other. What does not belong here:
whether `known_at` of the raw rows is true (`published.py`), model inputs (`inputs.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import polars as pl

from lim_pipelines.alternative.steps import SHAPES, align_shape, validate_shape
from lim_pipelines.audit.compare import came_later, difference, quote
from lim_pipelines.audit.rehearsal import Rehearsal
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.derive import resample_bars, stitch_futures
from lim_pipelines.ingest import align_macro_series, align_quotes, validate_bars, validate_macro_series
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    ALIGNED_MACRO,
    CONTINUOUS_FUTURES,
    CORPORATE_ACTIONS,
    ENTITY_LINKS,
    GATE_RESULTS,
    INDEX_MEMBERS,
    LINK_REVIEWS,
    RAW_CLAIMS,
    RAW_MACRO,
    RAW_QUOTES,
    RESAMPLED_BARS,
    ROLLS,
    VALIDATED_BARS,
    VALIDATED_MACRO,
    Table,
)


@dataclass(frozen=True)
class Step:
    """A step of the library that makes tables, to be done again.

    Parameters
    ----------
    asset
        Asset that runs it.
    made
        Tables it makes.
    source
        Table whose partitions it takes.
    inputs
        All tables that it reads, for findings.
    run
        Runs it on a lake, over partitions of `source`.
    whole
        Whether it takes the whole of `source`, partition by partition: a rehearsal shows it the partitions
        sampled, and no others.
    clock
        Table whose moments are sampled; None: `source`.
    """

    asset: str
    made: tuple[Table, ...]
    source: Table
    inputs: tuple[Table, ...]
    run: Callable[[Lake, pl.DataFrame], object]
    whole: bool = False
    clock: Table | None = None


EXCUSED: Final[dict[str, str]] = {
    "held": "a partition of bars that the gate would have held at the moment: what was published of it later"
    " counts as known when the vendor's rows were, as the rows released with `since` = arrival do, but was"
    " published to nobody then",
    "held since": "what is not published of a partition that the gate holds today, though its first rows"
    " alone would have been; what was published of it before is compared",
    "unrolled": "rows of a continuous future at a moment at which no roll of it was known: that the calendar"
    " begins with this contract is told by its first roll alone",
}
"""Rows that are not compared, and why: `_comparable` leaves them out. Tests show for each that it excuses
nothing else."""


def _shape_steps() -> list[Step]:
    links = (ENTITY_LINKS, LINK_REVIEWS)
    steps = []
    for name, shape in SHAPES.items():
        known = (RAW_CLAIMS, INDEX_MEMBERS, *links) if shape.by_name else links
        align, judge = partial(_whole, align_shape, name), partial(_whole, validate_shape, name)
        steps += [
            Step(shape.aligned.name, (shape.aligned,), shape.raw, (shape.raw, *known), align, whole=True),
            Step(
                shape.validated.name, (shape.validated,), shape.aligned, (shape.aligned,), judge, whole=True
            ),
        ]
    return steps


def _whole(step: Callable[[Lake, str], object], shape: str, lake: Lake, scope: pl.DataFrame) -> object:
    return step(lake, shape)


STEPS: Final[dict[str, Step]] = {
    step.asset: step
    for step in (
        Step("aligned_bars", (ALIGNED_BARS,), RAW_QUOTES, (RAW_QUOTES,), align_quotes),
        Step(
            "validated_bars",
            (VALIDATED_BARS,),
            ALIGNED_BARS,
            (ALIGNED_BARS, CORPORATE_ACTIONS, INDEX_MEMBERS),
            validate_bars,
        ),
        Step(
            "resampled_bars",
            (RESAMPLED_BARS,),
            VALIDATED_BARS,
            (VALIDATED_BARS,),
            resample_bars,
            clock=RESAMPLED_BARS,
        ),
        Step(
            "continuous_futures",
            (CONTINUOUS_FUTURES,),
            ROLLS,
            (VALIDATED_BARS, ROLLS),
            lambda lake, _: stitch_futures(lake),
        ),
        Step(
            "aligned_macro",
            (ALIGNED_MACRO,),
            RAW_MACRO,
            (RAW_MACRO,),
            lambda lake, _: align_macro_series(lake),
        ),
        Step(
            "validated_macro",
            (VALIDATED_MACRO,),
            ALIGNED_MACRO,
            (ALIGNED_MACRO,),
            lambda lake, _: validate_macro_series(lake),
        ),
        *_shape_steps(),
    )
}
"""Steps by their asset. `archive` runs those of bars over its own partitions."""

REMEDY: Final = (
    "look for what reads later rows (joins without known_at, statistics over the whole table, rows that are"
    " overwritten in place) in the code of the step; if only the stored rows are old, materialize it again"
)


def audit_step(
    lake: Lake,
    step: Step,
    scope: pl.DataFrame,
    moments: Sequence[datetime],
    asset: str = "",
    label: Callable[[dict[str, object]], str] | None = None,
) -> list[Verdict]:
    """Do a step again at some moments, and compare with what is stored.

    Parameters
    ----------
    lake
        The lake.
    step
        The step.
    scope
        Partitions of `step.source`.
    moments
        Where history is truncated, UTC.
    asset
        Asset that the verdicts are of; the step's own if empty.
    label
        Partition of the scope to a partition as Dagster writes it; None: the asset has no partitions.

    Returns
    -------
    list of Verdict
        One a moment and partition of the asset. Rows that are `EXCUSED` are not among those compared.
    """
    labels = pl.Series([label(row) if label else "" for row in scope.iter_rows(named=True)], dtype=pl.String)
    parts = scope.with_columns(_asset_partition=labels).partition_by("_asset_partition", as_dict=True)
    verdicts = []
    for moment in moments:
        again = Rehearsal(lake, moment, {step.source.name: scope} if step.whole else None)
        step.run(again, scope)
        for (name,), part in parts.items():
            compared, different, findings = 0, 0, []
            for table in step.made:
                stored, made = _both(lake, again, table, part.drop("_asset_partition"))
                compared += max(stored.height, made.height)
                found = difference(table, stored, made)
                if found is None:
                    continue
                different += found.count
                later = came_later(lake, step.inputs, found.example, moment)
                findings.append(
                    f"{found.count} of {max(stored.height, made.height)} rows of {table.name} differ, such as"
                    f" {quote(found.example)}: {found.words}{later}"
                )
            finding = f"{'; '.join(findings)}. {REMEDY}" if findings else ""
            verdicts.append(
                Verdict(asset or step.asset, str(name), "recompute", moment, compared, different, finding)
            )
    return verdicts


def _both(
    lake: Lake, again: Rehearsal, table: Table, scope: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of some partitions that were known by the moment: as stored, and as made again."""
    known = pl.col("known_at") <= again.moment
    parts = scope.select(name for name in table.partition_key if name in scope.columns).unique()
    near = known & _of_any(table, parts)
    stored, made = (
        (rows.join(parts.lazy(), on=parts.columns, how="semi") if parts.columns else rows)
        .sort(table.row_key)
        .collect()
        for rows in (lake.revisions(table, near), again.written(table).lazy().filter(known))
    )
    return _comparable(lake, again, table, parts, stored, made)


def _comparable(
    lake: Lake, again: Rehearsal, table: Table, parts: pl.DataFrame, stored: pl.DataFrame, made: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out rows that are `EXCUSED`."""
    if table is CONTINUOUS_FUTURES:
        rolled = again.revisions(ROLLS).select(instrument_id="root").unique().collect()
        stored = stored.join(rolled, on="instrument_id", how="semi", maintain_order="left")
    if table is VALIDATED_BARS:
        then = again.written(GATE_RESULTS).lazy()
        today = lake.revisions(GATE_RESULTS, _of_any(GATE_RESULTS, parts))
        stored, made = (_outside(rows, then) for rows in (stored, made))
        unpublished = made.join(stored, on=table.row_key, how="anti")
        hidden = unpublished.join(_outside(unpublished, today), on=table.row_key, how="anti")
        made = made.join(hidden, on=table.row_key, how="anti", maintain_order="left")
    return stored, made


def _of_any(table: Table, parts: pl.DataFrame) -> pl.Expr:
    """Filter of the span of some partitions, which the files of the lake are chosen by."""
    names = [name for name in table.partition_key if name in parts.columns]
    return pl.all_horizontal(
        pl.lit(True),
        *(pl.col(name).is_between(pl.lit(parts[name].min()), pl.lit(parts[name].max())) for name in names),
    )


def _outside(rows: pl.DataFrame, verdicts: pl.LazyFrame) -> pl.DataFrame:
    """Rows of partitions that the gate does not hold."""
    on = list(GATE_RESULTS.partition_key)
    return rows.join(
        verdicts.filter("held").select(on).unique().collect(), on=on, how="anti", maintain_order="left"
    )
