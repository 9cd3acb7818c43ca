"""What a replayed month must come to: the lake of one undisturbed import, and models and results made once.

What does not belong here: the replay (`month.py`).

The lake is compared with that of a home into which the files that lie there at the end were imported at once.
Only when a row was known may differ: who has the last files only cannot know what was wrong before.
Models and results are compared with those made in a copy of the month's lake, without its models: each cutoff
trained once, oldest first, decided once, one backtest. Why a copy and not the undisturbed home: a decision
reads what was known at its moment, a wrong close included, and only the month's own lake still knows that.
Since both lakes hold the same rows, whatever differs was done by the order of events: a training that was
left out, made on half of the data, or from another parent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from dagster import DagsterInstance
from demo import QUOTES, STRATEGIES, Stage, run_stage

from assets.partitions import FIRST_SESSION
from assets.partitions import exchanges as partitions
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.places import Places
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    BACKTEST_DAILY,
    RAW_QUOTES,
    RESAMPLED_BARS,
    RESULT_READS,
    SCORES,
    TARGETS,
    TRIAL_RETURNS,
    TRIALS,
    VALIDATED_BARS,
    Table,
)

TABLES = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS, RESAMPLED_BARS)
RESULTS = (TARGETS, BACKTEST_DAILY, SCORES)
_MADE = (*RESULTS, TRIALS, TRIAL_RETURNS, RESULT_READS)
"""Tables that follow from models: a copy of the lake begins without them."""
TOLERANCE = 1e-5
"""Largest difference of a weight, and of a number in a result."""


def undisturbed(home: Path, mics: Sequence[str], last: date) -> Lake:
    """Import the last files of a home at once, in this process, into a home beside it.

    Parameters
    ----------
    home
        The home whose landing folder is copied.
    mics
        Exchanges.
    last
        Last session.
    """
    beside = _beside(home, "undisturbed")
    shutil.copytree(home / "landing", beside.landing)
    with DagsterInstance.ephemeral() as instance:
        ordered = sorted(mics)
        instance.add_dynamic_partitions(partitions.name or "", ordered)
        run_stage(instance, Stage("archive", ("archive",), ordered[0], ordered[-1]))
        ends = f"{FIRST_SESSION}|{ordered[0]}", f"{last}|{ordered[-1]}"
        run_stage(instance, Stage("sessions", QUOTES, *ends))
    return beside.lake()


def made_again(home: Path) -> Places:
    """Train, decide and backtest everything of a home once, oldest first, in a home beside with its lake."""
    own, beside = Places.find(str(home)), _beside(home, "again")
    shutil.copytree(home / "lake", beside.root / "lake", ignore=lambda _, __: [table.name for table in _MADE])
    families = [name for name in FOUNDATIONS if checkpoint.cutoffs(own.models, name)]
    strategies = [name for name in STRATEGIES if checkpoint.cutoffs(own.models, name)]
    with DagsterInstance.ephemeral() as instance:
        for name in families:
            ends = _ends(own.models, name)
            run_stage(instance, Stage(name, ("window_store", name), *ends))
        for name in strategies:
            run_stage(instance, Stage(name, (f"{name}_model", f"{name}_targets"), *_ends(own.models, name)))
            run_stage(instance, Stage(name, (f"{name}_backtest",)))
    return beside


def _ends(models: Path, name: str) -> tuple[str, str]:
    trained = checkpoint.cutoffs(models, name)
    return min(trained).isoformat(), max(trained).isoformat()


def _beside(home: Path, what: str) -> Places:
    """Make an empty home, and have this process work in it."""
    beside = home.with_name(f"{home.name}_{what}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    os.environ["LIM_HOME"] = str(beside)
    return Places.find(str(beside))


def differences(one: Lake, other: Lake, last: date) -> Iterator[tuple[str, int, int]]:
    """Compare what two lakes hold, whenever it was known.

    Parameters
    ----------
    one, other
        The lakes.
    last
        Last session that is compared.

    Yields
    ------
    tuple
        Name of the table, rows in the first lake, rows that are in one of the two only.
    """
    for table in TABLES:
        own, there = (_rows(lake, table, pl.col("date") <= last).drop("known_at") for lake in (one, other))
        apart = own.join(there, on=own.columns, how="anti", nulls_equal=True).height
        apart += there.join(own, on=own.columns, how="anti", nulls_equal=True).height
        yield table.name, own.height, apart


def models_apart(one: Path, other: Path) -> Iterator[tuple[str, date, float]]:
    """Compare all checkpoints and strategy models of two folders of models, as they are in use.

    Yields
    ------
    tuple
        Family or strategy, cutoff, largest difference of a weight; infinite where only one has the cutoff or
        they have other weights.
    """
    from safetensors.numpy import load_file

    for name in (*FOUNDATIONS, *STRATEGIES):
        for cutoff in sorted({*checkpoint.cutoffs(one, name), *checkpoint.cutoffs(other, name)}):
            folders = [checkpoint.resolve(models, name, cutoff) for models in (one, other)]
            own, there = (load_file(folder / checkpoint.WEIGHTS) if folder else {} for folder in folders)
            same = own.keys() == there.keys() and all(own[key].shape == there[key].shape for key in own)
            apart = [float(np.abs(own[key] - there[key]).max(initial=0.0)) for key in own] if same else []
            yield name, cutoff, max(apart, default=float("inf"))


def results_apart(one: Lake, other: Lake) -> Iterator[tuple[str, int, int]]:
    """Compare targets, daily backtests and scores of two lakes.

    Yields
    ------
    tuple
        Name of the table, rows in the first lake, rows that only one of the two has or whose numbers differ.
    """
    for table in RESULTS:
        # Which digest a model has depends on when it was trained; what it decides does not.
        own, there = (
            _rows(lake, table, pl.lit(True))
            .drop("model_digest", "known_at", strict=False)
            .with_columns(held=1)
            for lake in (one, other)
        )
        both = own.join(
            there, on=list(table.key), how="full", nulls_equal=True, suffix="_there", coalesce=True
        )
        alike = [
            _alike(name, f"{name}_there", kind.is_float())
            for name, kind in own.schema.items()
            if name not in table.key
        ]
        yield table.name, own.height, both.filter(~pl.all_horizontal(alike)).height


def _alike(one: str, other: str, is_number: bool) -> pl.Expr:
    same = pl.col(one).eq_missing(pl.col(other))
    return same | ((pl.col(one) - pl.col(other)).abs() <= TOLERANCE).fill_null(False) if is_number else same


def _rows(lake: Lake, table: Table, where: pl.Expr) -> pl.DataFrame:
    return lake.read(table, as_of=LATEST, where=where).collect()


def print_comparison(own: Places, mics: Sequence[str], last: date) -> bool:
    """Print what the month came to up to its last session, and what it must; whether nothing differs."""
    print("\nthe lake, and one undisturbed import of the last files")
    rows = list(differences(own.lake(), undisturbed(own.root, mics, last), last))
    same = _told(rows) and any(count for _, count, _ in rows)
    again = made_again(own.root)
    print("\nresults, and those of models trained once, oldest cutoff first, on the same lake")
    same &= _told(results_apart(own.lake(), again.lake()))
    print("\nmodels, likewise: largest difference of a weight")
    return _told_models(models_apart(own.models, again.models)) and same


def _told_models(found: Iterable[tuple[str, date, float]]) -> bool:
    """Print how far models are apart; whether there are any and none is."""
    rows = list(found)
    for name, cutoff, apart in rows:
        print(f"  {name:28} {cutoff} {apart:.1g}")
    if not rows:
        print("  none: nothing was trained, so nothing is shown of trainings")
    return bool(rows) and all(apart <= TOLERANCE for _, _, apart in rows)


def _told(found: Iterable[tuple[str, int, int]]) -> bool:
    same = True
    for name, rows, apart in found:
        print(f"  {name:16} {rows:7} rows, {apart} differ")
        same &= not apart
    return same
