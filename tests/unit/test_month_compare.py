"""The comparison at the end of a replayed month sees what differs, and only that."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from lake_rows import DAY, bar, days, frame

from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import SCORES, VALIDATED_BARS

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from month_compare import _told_models, differences, models_apart, results_apart

LAST = days(3)[-1]


def held(folder: Path, *rows: dict[str, Any]) -> Lake:
    lake = Lake(folder)
    bars = frame(*rows)
    lake.write(VALIDATED_BARS, bars, bars.select(VALIDATED_BARS.partition_key).unique())
    return lake


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        ([bar(), bar(days(2)[1])], 0),
        ([bar(known_day=LAST), bar(days(2)[1])], 0),  # known at another moment
        ([bar(), bar(days(2)[1]), bar(days(9)[-1])], 0),  # after the month
        ([bar(), bar(days(2)[1], close=1.5)], 2),
        ([bar()], 1),
        ([bar(), bar(days(2)[1]), bar(LAST)], 1),
    ],
)
def test_what_differs_is_counted(tmp_path: Path, other: list[dict[str, Any]], apart: int) -> None:
    one = held(tmp_path / "one", bar(), bar(days(2)[1]))
    found = {
        name: (rows, differing)
        for name, rows, differing in differences(one, held(tmp_path / "b", *other), LAST)
    }
    assert found["validated_bars"] == (2, apart)


def scored(folder: Path, **values: float | None) -> Lake:
    lake = Lake(folder)
    rows = pl.DataFrame(
        [("xsim_long_short", "head", 1, metric, value) for metric, value in values.items()],
        schema=SCORES.schema,
        orient="row",
    )
    lake.write(SCORES, rows, rows.select(SCORES.partition_key).unique())
    return lake


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        ({"sharpe": 1.0, "beta": None}, 0),
        ({"sharpe": 1.0 + 1e-7, "beta": None}, 0),  # another order of additions
        ({"sharpe": 1.001, "beta": None}, 1),
        ({"sharpe": None, "beta": None}, 1),
        ({"sharpe": 1.0}, 1),
        ({"sharpe": 1.0, "beta": None, "skill": None}, 1),
    ],
)
def test_results_that_differ_are_counted(tmp_path: Path, other: dict[str, float | None], apart: int) -> None:
    one = scored(tmp_path / "one", sharpe=1.0, beta=None)
    found = {
        name: (rows, differing)
        for name, rows, differing in results_apart(one, scored(tmp_path / "b", **other))
    }
    assert found == {"targets": (0, 0), "backtest_daily": (0, 0), "scores": (2, apart)}


def put(models: Path, weights: dict[str, list[float]], cutoff: date = DAY) -> None:
    from safetensors.numpy import save_file

    folder = checkpoint.folder_of(models, "foundation_checkpoint", cutoff, "a" * 64)
    folder.mkdir(parents=True)
    (folder / checkpoint.META).write_text("{}")
    save_file(
        {name: np.array(values, dtype=np.float32) for name, values in weights.items()},
        folder / checkpoint.WEIGHTS,
    )
    checkpoint.set_current(models, "foundation_checkpoint", cutoff, "a" * 64)


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        ({"a": [1.0, 2.0]}, 0.0),
        ({"a": [1.0, 2.5]}, 0.5),
        ({"a": [1.0]}, float("inf")),
        ({"b": [1.0, 2.0]}, float("inf")),
    ],
)
def test_weights_that_differ_are_measured(
    tmp_path: Path, other: dict[str, list[float]], apart: float
) -> None:
    put(tmp_path / "one", {"a": [1.0, 2.0]})
    put(tmp_path / "b", other)
    assert list(models_apart(tmp_path / "one", tmp_path / "b")) == [("foundation_checkpoint", DAY, apart)]


def test_a_cutoff_that_is_missing_is_as_far_apart_as_can_be(tmp_path: Path) -> None:
    put(tmp_path / "one", {"a": [1.0]})
    put(tmp_path / "b", {"a": [1.0]})
    put(tmp_path / "b", {"a": [1.0]}, LAST)
    found = list(models_apart(tmp_path / "one", tmp_path / "b"))
    assert found == [("foundation_checkpoint", DAY, 0.0), ("foundation_checkpoint", LAST, float("inf"))]


def test_a_month_without_models_shows_nothing_of_trainings() -> None:
    assert not _told_models([])
    assert _told_models([("xsim_long_short", LAST, 0.0)])
    assert not _told_models([("xsim_long_short", LAST, 0.0), ("wti_transfer", LAST, 1e-3)])


def test_a_range_is_all_of_its_partitions() -> None:
    import dagster as dg
    from month_checks import _keys

    from assets.failed import FIRST
    from assets.failed import LAST as END

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("exchange", ["XNYS", "XSIM"])
        load = dg.DagsterRun("load", tags={FIRST: "2018-12-03|XNYS", END: "2018-12-05|XNYS"})
        assert sorted(_keys(instance, load)) == [f"2018-12-0{day}|XNYS" for day in (3, 4, 5)]
        train = dg.DagsterRun("train", tags={FIRST: "2018-11-01", END: "2019-01-01"})
        assert list(_keys(instance, train)) == ["2018-11-01", "2018-12-01", "2019-01-01"]
        assert _keys(instance, dg.DagsterRun("once")) == []


def test_a_process_that_has_just_ended_keeps_no_other_from_being_killed() -> None:
    import subprocess

    import psutil
    from own_postgres import kill_all

    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
    gone, there = (psutil.Process(child.pid) for child in children)
    children[0].kill()
    children[0].wait()
    kill_all(gone, there)
    assert children[1].wait(timeout=10) == -9


def test_what_a_schedule_does_not_remember_is_no_open_ask(tmp_path: Path) -> None:
    import dagster as dg
    from month_checks import SCHEDULE, TAG, open_asks

    @dg.op
    def fails() -> None:
        raise dg.Failure("killed")

    @dg.job
    def work() -> None:
        fails()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for tags in ({SCHEDULE: "weekly_validation"}, {SCHEDULE: "close", TAG: "close:XNYS"}, {TAG: "x"}):
            work.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        assert set(open_asks(instance)) == {"close:XNYS", "x"}
