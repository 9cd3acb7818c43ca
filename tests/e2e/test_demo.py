"""`make demo` on a home of its own: what is done is not done again, and what was killed is finished."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import ALIGNED_BARS, RAW_MACRO

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts import demo  # noqa: E402

# Steps without checks: those load Great Expectations, which other tests do.
STAGES = [
    demo.Stage("macro", ("raw_macro", "aligned_macro")),
    demo.Stage("quotes", ("raw_quotes", "aligned_bars"), "2018-11-19|XNYM", "2018-11-25|XNYS"),
    demo.Stage("landing", ("landing_files",)),
]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    """A persistent instance with the settings that `make demo` copies."""
    (tmp_path / "dagster").mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.local.yaml", tmp_path / "dagster" / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("LIM_HOME", str(tmp_path / "home"))
    with DagsterInstance.get() as opened:
        opened.add_dynamic_partitions("exchange", list(demo.EXCHANGES))
        yield opened


def run_all(instance: DagsterInstance) -> list[str]:
    """What `main` does, on fewer stages; titles of those that ran."""
    demo.bury_the_dead(instance)
    todo = [stage for stage in STAGES if not demo.is_done(instance, stage)]
    for stage in todo:
        demo.run_stage(instance, stage)
    return [stage.title for stage in todo]


def test_the_second_demo_runs_nothing(instance: DagsterInstance, tmp_path: Path) -> None:
    assert run_all(instance) == ["macro", "quotes", "landing"]
    runs = instance.get_runs_count()
    lake = Lake(tmp_path / "home" / "lake")
    versions = [lake.version(table) for table in (RAW_MACRO, ALIGNED_BARS)]

    assert run_all(instance) == []
    assert instance.get_runs_count() == runs == len(STAGES), "one run a stage, not one a partition"
    assert [lake.version(table) for table in (RAW_MACRO, ALIGNED_BARS)] == versions
    wider = demo.Stage("quotes", ("raw_quotes", "aligned_bars"), "2018-11-19|XNYM", "2018-11-26|XNYS")
    assert not demo.is_done(instance, wider)


def test_every_real_stage_can_be_asked_whether_it_is_done(instance: DagsterInstance) -> None:
    """With all it writes recorded as materialized, whatever its partitions are: then the stage is done."""
    graph = demo.defs.resolve_asset_graph()
    for stage in demo.stages(demo.EXCHANGES):
        if "|" in stage.start:
            continue  # Two dimensions: as above; recording each of their partitions takes a minute.
        assert not demo.is_done(instance, stage)
        for name in stage.assets:
            node = graph.get(dg.AssetKey(name))
            tags = {"dagster/code_version": str(node.code_version)}
            keys: list[str | None] = [None]
            if node.partitions_def is not None:
                keys = list(demo.keys_of(instance, node.partitions_def, stage))
            for key in keys:
                done = dg.AssetMaterialization(name, partition=key, tags=tags)
                instance.report_runless_asset_event(done)
        assert demo.is_done(instance, stage), stage.title


def test_the_real_stages_name_every_asset_once_and_in_order() -> None:
    graph = demo.defs.resolve_asset_graph()
    stages = demo.stages(demo.EXCHANGES)
    names = [name for stage in stages for name in stage.assets]
    there = sorted(key.to_user_string() for key in graph.materializable_asset_keys)
    assert sorted([*names, *demo.NOT_SHOWN]) == there
    before: set[str] = set()
    for stage in stages:
        before |= set(stage.assets)  # Dagster orders the assets of a stage.
        for name in stage.assets:
            node = next(
                graph.get(key) for key in graph.materializable_asset_keys if key.to_user_string() == name
            )
            parents = {key.to_user_string() for key in node.parent_keys}
            assert parents <= before, name


CHILD = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from dagster import DagsterInstance
from scripts import demo
with DagsterInstance.get() as instance:
    for stage in [demo.Stage("quotes", ("raw_quotes", "aligned_bars"), "2018-11-12|XNAS", "2018-11-25|XNYS")]:
        demo.run_stage(instance, stage)
"""


def test_a_killed_demo_is_finished_by_the_next(instance: DagsterInstance, tmp_path: Path) -> None:
    stage = demo.Stage("quotes", ("raw_quotes", "aligned_bars"), "2018-11-12|XNAS", "2018-11-25|XNYS")
    child = subprocess.Popen([sys.executable, "-c", CHILD], env=dict(os.environ), stderr=subprocess.DEVNULL)
    for _ in range(400):
        if instance.get_runs_count() and instance.get_runs(limit=1)[0].status == DagsterRunStatus.STARTED:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (killed,) = instance.get_runs()
    assert killed.status == DagsterRunStatus.STARTED
    assert not demo.is_done(instance, stage)

    demo.bury_the_dead(instance)
    buried = instance.get_run_by_id(killed.run_id)
    assert buried is not None
    assert buried.status == DagsterRunStatus.FAILURE
    demo.run_stage(instance, stage)
    assert demo.is_done(instance, stage)
    days = (
        Lake(tmp_path / "home" / "lake").read(ALIGNED_BARS, as_of=LATEST).filter(pl.col("exchange") == "XNYS")
    )
    assert days.collect().height == 10 - 1, "weekdays but Thanksgiving"
