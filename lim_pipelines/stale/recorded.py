"""What results read, as it is recorded: by training in meta.json, by what follows in `RESULT_READS`.

What does not belong here: which rows those are (`wanted.py`).

Versions are taken before anything is read (`versions`), and written down when the result is there: what is
committed in between, or a process that dies before it has written, makes a result look stale that is not,
never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.finetune import champions
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import RESULT_READS, TABLES
from lim_pipelines.stale import wanted
from lim_pipelines.stale.asked import digest_of
from lim_pipelines.stale.result import Key
from lim_pipelines.stale.rows import content
from lim_pipelines.stale.wanted import Wanted
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import CODE_VERSION

LEADERBOARD, EFFECTIVENESS, UNIVERSALITY = "leaderboard", "effectiveness", "universality"

Versions = Mapping[str, int]
"""Name of a table to its version."""


@dataclass(frozen=True)
class _Entry:
    """What one partition of a result read; as the columns of `RESULT_READS`."""

    result: str
    partition: str
    reads: Sequence[Wanted]
    parents: str
    code: str


def versions(lake: Lake) -> dict[str, int]:
    """Return the versions of the tables that results read, before they read them."""
    return {name: lake.version(TABLES[name]) for name in wanted.READ}


def code_of(spec: StrategySpec) -> str:
    """Version of the code behind targets and backtests, and digest of the specification."""
    return f"{CODE_VERSION}-{spec.digest()[:12]}"


def record_trained(
    lake: Lake,
    reader: FoundationConfig | StrategySpec,
    results: Sequence[Mapping[str, Any]],
    before: Versions,
) -> None:
    """Write down that checkpoints, or a strategy's models, are what training makes of a version of the lake.

    Their meta.json says so of the version that they were trained on; one that is found again when a
    correction was taken back, or was too small to count, is right for a newer one, too.

    Parameters
    ----------
    lake
        The lake.
    reader
        The family, or the strategy.
    results
        What training reported: `cutoff` and `digest` of each.
    before
        Versions before training read.
    """
    entries = []
    for one in results:
        day = date.fromisoformat(str(one.get("trained_at") or one["cutoff"]))
        if isinstance(reader, FoundationConfig):
            name, reads = reader.name, [wanted.of_checkpoint(reader, day)]
        else:
            name, reads = f"{reader.name}_model", wanted.of_model(reader, day)
        entries.append(_Entry(name, day.isoformat(), reads, str(one["digest"]), ""))
    _write(lake, entries, before, hashed=False)


def record_targets(
    lake: Lake,
    models: Path,
    spec: StrategySpec,
    cutoffs: Iterable[date],
    rows: pl.DataFrame,
    before: Versions,
) -> None:
    """Write down what a strategy's targets were decided from.

    Parameters
    ----------
    lake, models
        Where both lie.
    spec, cutoffs
        Whose targets; those before the strategy begins have none.
    rows
        The rows of `TARGETS` that were decided: they name the models that did.
    before
        Versions before the decisions read.
    """
    decided = dict(rows.select("cutoff", "model_digest").unique().iter_rows())
    entries = [
        _Entry(
            f"{spec.name}_targets",
            cutoff.isoformat(),
            wanted.of_targets(spec, cutoff),
            str(decided.get(cutoff) or _in_use(models, spec, cutoff)),
            code_of(spec),
        )
        for cutoff in cutoffs
        if spec.cadence.begun(cutoff)
    ]
    _write(lake, entries, before)


def record_backtest(lake: Lake, spec: StrategySpec, before: Versions) -> None:
    """Write down what a strategy's backtest was made from."""
    reads = wanted.of_backtest(spec, cutoffs_of(lake, spec))
    _write(lake, [_Entry(f"{spec.name}_backtest", "", reads, "", code_of(spec))], before)


def record_leaderboard(lake: Lake, specs: Sequence[StrategySpec], before: Versions) -> None:
    """Write down what the leaderboard was made from."""
    _write(lake, [_Entry(LEADERBOARD, "", wanted.of_leaderboard(specs), "", CODE_VERSION)], before)


def record_effectiveness(lake: Lake, specs: Sequence[StrategySpec], before: Versions) -> None:
    """Write down what the test of effectiveness was made from."""
    names = [f"{spec.name}_backtest" for spec in specs]
    there = set(recorded(lake, names)["result"])
    tested = [(spec, cutoffs_of(lake, spec)) for spec in specs if f"{spec.name}_backtest" in there]
    reads = wanted.of_effectiveness(specs, tested)
    _write(lake, [_Entry(EFFECTIVENESS, "", reads, "", CODE_VERSION)], before)


def record_robustness(lake: Lake, spec: StrategySpec, before: Versions) -> None:
    """Write down what a strategy's robustness was made from."""
    reads = wanted.of_robustness(spec, cutoffs_of(lake, spec))
    _write(lake, [_Entry(f"{spec.name}_robustness", "", reads, "", code_of(spec))], before)


def record_universality(
    lake: Lake, specs: Sequence[StrategySpec], before: Versions, models: Mapping[Key, str]
) -> None:
    """Write down what the test of universality was made from.

    Without content hashes: it reads the whole lake, and where an old version is gone it is called stale.

    Parameters
    ----------
    lake
        The lake.
    specs
        All strategies.
    before, models
        Versions, and what was in use (`asked.asked`), before the test read.
    """
    reads = wanted.of_universality(specs)
    entry = _Entry(UNIVERSALITY, "", reads, digest_of(models), CODE_VERSION)
    _write(lake, [entry], before, hashed=False)


def cutoffs_of(lake: Lake, spec: StrategySpec) -> list[date]:
    """Cutoffs whose targets a strategy has recorded, earliest first."""
    found = recorded(lake, [f"{spec.name}_targets"])["partition"].unique().sort()
    return [date.fromisoformat(partition) for partition in found]


def recorded(lake: Lake, results: Sequence[str]) -> pl.DataFrame:
    """Rows of `RESULT_READS` of some results."""
    return lake.read(RESULT_READS, as_of=LATEST, where=pl.col("result").is_in(results)).collect()


def _in_use(models: Path, spec: StrategySpec, cutoff: date) -> str:
    folder = champions.in_use(models, spec, cutoff)
    return "" if folder is None else folder.name


def _write(lake: Lake, entries: Sequence[_Entry], before: Versions, *, hashed: bool = True) -> None:
    """Write entries, with hashes where nobody else keeps them and they do not take too long."""
    if not entries:
        return
    rows = [
        {
            "result": entry.result,
            "partition": entry.partition,
            "table": read.table.name,
            "lake_version": before[read.table.name],
            "as_of": read.as_of,
            "fingerprint": content(lake, read, before[read.table.name]) if hashed else "",
            "parents": entry.parents,
            "code": entry.code,
        }
        for entry in entries
        for read in entry.reads
    ]
    scope = pl.DataFrame(
        [(entry.result, entry.partition) for entry in entries],
        schema=list(RESULT_READS.partition_key),
        orient="row",
    ).unique()
    frame = pl.DataFrame(rows, schema=RESULT_READS.schema).unique(RESULT_READS.key, keep="first")
    lake.write(RESULT_READS, frame, scope)
