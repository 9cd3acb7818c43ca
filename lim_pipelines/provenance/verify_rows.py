"""Rows of the lake made again, from vendors' files up, and compared with what is stored.

Each step is made again of what is stored of the step before it, so that one difference is one finding. What
does not belong here: models and results (`verify_models.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lim_pipelines import derive, ingest
from lim_pipelines.alternative import entity_master, steps
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import Lake
from lim_pipelines.places import Places
from lim_pipelines.provenance.compare import Finding, compare
from lim_pipelines.provenance.files import open_files
from lim_pipelines.provenance.gated import compare_held, trusted
from lim_pipelines.provenance.raw import compare_raw
from lim_pipelines.provenance.scratch import Scratch
from lim_pipelines.provenance.subject import Rows, SubjectError
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    ALIGNED_MACRO,
    CONTINUOUS_FUTURES,
    ENTITIES,
    ENTITY_LINKS,
    GATE_RESULTS,
    INPUT_SCALES,
    LANDING_FILES,
    LINK_REVIEWS,
    MODEL_INPUTS,
    QUARANTINE,
    RAW_MACRO,
    RAW_QUOTES,
    RELEASES,
    RESAMPLED_BARS,
    VALIDATED_BARS,
    VALIDATED_MACRO,
    Table,
)

_BARS = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS)
_MACRO = (RAW_MACRO, ALIGNED_MACRO, VALIDATED_MACRO)
_MASTER = (ENTITIES, ENTITY_LINKS, LINK_REVIEWS)
_SHAPES = {
    table: shape for shape, kind in steps.SHAPES.items() for table in (kind.aligned.name, kind.validated.name)
}

_GATE = ("validate", "publish")
"""Stages of the quarantine that the gate fills."""

MOST_SESSIONS = 400
"""Partitions of bars that are made again at once: they are read together."""


def verify_rows(places: Places, subject: Rows) -> list[Finding]:
    """Make rows again and compare them.

    Parameters
    ----------
    places
        Where everything lies; nothing in it is written.
    subject
        Rows asked for. Of bars and macro series all three steps are made again.

    Returns
    -------
    list of Finding
        One a step.

    Raises
    ------
    SubjectError
        Nothing of it is stored, or nobody derives it.
    """
    lake, table = places.lake(), subject.table
    with TemporaryDirectory(prefix="lim-verify-") as folder:
        work = _Work(places, lake, Path(folder), subject.where)
        if table in _BARS:
            return work.bars()
        if table in _MACRO:
            return work.macro()
        if table in (MODEL_INPUTS, INPUT_SCALES):
            return work.made(
                (MODEL_INPUTS, INPUT_SCALES), lambda into, scope: build_inputs(into, places.vectors, scope)
            )
        if table is RESAMPLED_BARS:
            return work.made((table,), lambda into, scope: derive.resample_bars(into, scope))
        if table is CONTINUOUS_FUTURES:
            return work.made((table,), lambda into, _: derive.stitch_futures(into))
        if table.name in _SHAPES:
            return work.shape(_SHAPES[table.name])
        if table in _MASTER:
            return work.made((table,), lambda into, _: entity_master.build_entities(into, places.landing))
    raise SubjectError(
        f"{subject}: nothing derives {table.name} again; what can be verified: bars, macro series, aligned"
        " and validated alternative data, the entity master, model inputs, checkpoints, strategies"
    )


class _Work:
    """One verification: the lake, and folders for what is made again."""

    def __init__(self, places: Places, lake: Lake, folder: Path, where: pl.Expr) -> None:
        self.places = places
        self.lake = lake
        self.folder = folder
        self.where = where
        self._scratches = 0

    def scratch(self) -> Scratch:
        """Return a new lake over the real one."""
        self._scratches += 1
        return Scratch(self.lake, self.folder / str(self._scratches))

    def bars(self) -> list[Finding]:
        """Make raw quotes again of files, aligned bars of raw quotes, validated bars of aligned ones."""
        scope = self._partitions(_BARS)
        days = scope.select("exchange", "date")
        if days.height > MOST_SESSIONS:
            raise SubjectError(
                f"{days.height} partitions at once; name at most {MOST_SESSIONS}, such as 2018-06-01|XNAS"
            )
        files = open_files(self.places.landing, self.lake.revisions(LANDING_FILES))
        raw = self._again(
            [RAW_QUOTES], days, lambda into: ingest.load_raw_quotes(into, self.places.landing, days)
        )
        aligned = self._again(
            [ALIGNED_BARS], days, lambda into: ingest.align_quotes(into, days), stages=("align",)
        )
        # What is published stays in sight: it tells when rows that a person released were published first.
        validated = self._again(
            [GATE_RESULTS], days, lambda into: ingest.validate_bars(into, days), stages=_GATE
        )
        return [
            *compare_raw(files, *self._pair(raw, RAW_QUOTES, days), RAW_QUOTES),
            *self._compared(aligned, [ALIGNED_BARS], days, ("align",)),
            *self._published(validated, days),
        ]

    def _published(self, made: Lake, days: pl.DataFrame) -> list[Finding]:
        """Compare what the gate let through; of partitions that it holds what was published before stays."""
        verdicts = _rows(made, GATE_RESULTS, days)
        held = verdicts.filter(pl.col("held")).select("exchange", "date").unique()
        free = days.join(held, on=["exchange", "date"], how="anti")
        found = self._compared(made, [VALIDATED_BARS], free) if free.height else []
        if held.height:
            found += compare_held(*(_rows(self.lake, one, held) for one in (VALIDATED_BARS, ALIGNED_BARS)))
        found += trusted(_rows(self.lake, RELEASES, days))
        if _rows(self.lake, GATE_RESULTS, days).is_empty():
            why = "the partitions were validated before verdicts were kept; materialise validated_bars again"
            return [*found, Finding(GATE_RESULTS.name, "cannot be verified", 0, why)]
        return [*found, *self._compared(made, [GATE_RESULTS], days, _GATE)]

    def macro(self) -> list[Finding]:
        """Do the same with macro series."""
        scope, landing = self._partitions(_MACRO), self.places.landing
        files = open_files(landing, self.lake.revisions(LANDING_FILES))
        raw = self._again([RAW_MACRO], scope, lambda into: ingest.load_raw_macro(into, landing))
        aligned = self._again([ALIGNED_MACRO], scope, ingest.align_macro_series)
        validated = self._again([VALIDATED_MACRO], scope, ingest.validate_macro_series)
        return [
            *compare_raw(files, *self._pair(raw, RAW_MACRO, scope), RAW_MACRO),
            *self._compared(aligned, [ALIGNED_MACRO], scope),
            *self._compared(validated, [VALIDATED_MACRO], scope),
        ]

    def shape(self, shape: str) -> list[Finding]:
        """Make aligned rows again of raw ones, and validated rows of aligned ones."""
        kind = steps.SHAPES[shape]
        scope = self._partitions((kind.aligned, kind.validated))
        aligned = self._again([kind.aligned], scope, lambda into: steps.align_shape(into, shape))
        validated = self._again([kind.validated], scope, lambda into: steps.validate_shape(into, shape))
        return [
            *self._compared(aligned, [kind.aligned], scope),
            *self._compared(validated, [kind.validated], scope),
        ]

    def made(self, tables: Sequence[Table], make: Callable[[Scratch, pl.DataFrame], object]) -> list[Finding]:
        """Make tables of one partition key again in one step, which writes all partitions asked for."""
        scope, into = self._partitions(tables), self.scratch()
        make(into, scope)
        return self._compared(into, tables, scope)

    def _again(
        self,
        tables: Sequence[Table],
        scope: pl.DataFrame,
        make: Callable[[Scratch], object],
        stages: Sequence[str] = (),
    ) -> Scratch:
        into = self.scratch()
        for table in tables:
            into.forget(table, scope)
        for stage in stages:
            into.forget(QUARANTINE, _in_quarantine(scope, stage))
        make(into)
        return into

    def _partitions(self, tables: Sequence[Table]) -> pl.DataFrame:
        """Partitions asked for, of which any of the tables holds rows."""
        key = list(tables[0].partition_key)
        found = [self.lake.revisions(table, self.where).select(key).unique() for table in tables]
        scope = pl.concat(found).unique().collect().sort(key)
        if scope.is_empty():
            names = ", ".join(table.name for table in tables)
            raise SubjectError(f"{self.lake.root} holds no such rows in {names}")
        return scope

    def _pair(self, made: Lake, table: Table, scope: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        return _rows(self.lake, table, scope), _rows(made, table, scope)

    def _compared(
        self, made: Lake, tables: Sequence[Table], scope: pl.DataFrame, stages: Sequence[str] = ()
    ) -> list[Finding]:
        found = [compare(table.name, *self._pair(made, table, scope), table) for table in tables]
        for stage in stages:
            held = _in_quarantine(scope, stage)
            found.append(
                compare(f"quarantine, stage {stage}", *self._pair(made, QUARANTINE, held), QUARANTINE)
            )
        return found


def _rows(lake: Lake, table: Table, scope: pl.DataFrame) -> pl.DataFrame:
    key = list(table.partition_key)
    near = pl.all_horizontal(
        pl.col(name).is_between(pl.lit(scope[name].min()), pl.lit(scope[name].max())) for name in key
    )
    return lake.revisions(table, near).join(scope.lazy(), on=key, how="semi").collect()


def _in_quarantine(scope: pl.DataFrame, stage: str) -> pl.DataFrame:
    return scope.select(pl.lit(stage).alias("stage"), "exchange", "date")
