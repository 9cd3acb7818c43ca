"""What is said that results read is what they read: models fitted and decisions taken for real."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from strategy_world import CUTOFF, config, macro, market, put_checkpoint, put_lake, spec

from lim_pipelines import effectiveness, stale, walkforward
from lim_pipelines.finetune import train
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import AsOf, Lake, Past
from lim_pipelines.schemas import INPUT_SCALES, TARGETS, TRIAL_RETURNS, TRIALS, VALIDATED_MACRO, Table
from lim_pipelines.stale import wanted
from lim_pipelines.stale.recorded import recorded
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress import robustness
from lim_pipelines.universality import publish as universality
from lim_pipelines.universality.families import Asked


class Watched(Lake):
    """A lake that remembers which tables were read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.tables: set[str] = set()

    def read(self, table: Table, *, as_of: AsOf, where: pl.Expr | None = None) -> pl.LazyFrame:
        self.tables.add(table.name)
        return super().read(table, as_of=as_of, where=where)

    def revisions(
        self, table: Table, where: pl.Expr | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        self.tables.add(table.name)
        return super().revisions(table, where, version)


def made(lake: Watched, models: Path, one: StrategySpec, reports: Path) -> dict[str, set[str]]:
    """Make a backtest and the three tests, and say which tables each has read."""
    asked = stale.asked(models, [config(one.foundation)], [one])
    steps: dict[str, tuple[Callable[[], Any], Callable[[dict[str, int]], None]]] = {
        "small_backtest": (
            lambda: walkforward.backtest(lake, models, reports, one),
            lambda before: stale.record_backtest(lake, one, before),
        ),
        "effectiveness": (
            lambda: effectiveness.publish(lake, models, reports, [one]),
            lambda before: stale.record_effectiveness(lake, [one], before),
        ),
        "small_robustness": (
            lambda: robustness.publish(lake, models, reports, one, cutoffs=1, seeds=1),
            lambda before: stale.record_robustness(lake, one, before),
        ),
        "universality": (
            lambda: universality.publish(lake, models, reports, {one.foundation: False}, [one], Asked()),
            lambda before: stale.record_universality(lake, [one], before, asked),
        ),
    }
    read = {}
    for report, (make, record) in steps.items():
        before = stale.versions(lake)
        lake.tables.clear()
        make()
        read[report] = set(lake.tables)
        record(before)
    return read


@pytest.mark.slow
def test_what_is_decided_reads_nothing_else_and_sees_other_inputs(tmp_path: Path) -> None:
    one = spec("directional", method="head", controls=["ridge"], seeds=[1])
    bars, rates = market(names=("XNYM:WTI",)), macro()
    lake, models = put_lake(tmp_path / "lake", bars, rates), tmp_path / "models"
    put_checkpoint(models, one.foundation, CUTOFF)
    # As trainings say it: universality asks what a checkpoint has seen.
    [meta] = (models / one.foundation / CUTOFF.isoformat()).glob("*/meta.json")
    content = json.loads(meta.read_text())
    meta.write_text(json.dumps({**content, "windows": {"held_out_from": CUTOFF.isoformat() + "T00:00:00"}}))
    before = stale.versions(lake)
    job = {"lake": lake.root, "models": str(models), "strategy": one.model_dump(mode="json")}
    stale.record_trained(lake, one, train.train({**job, "cutoffs": [CUTOFF.isoformat()]}), before)
    past = Past(lake, datetime(2030, 1, 1, tzinfo=UTC))
    rows = walkforward.decide(past, models, one, [CUTOFF])
    assert rows.height
    lake.write(TARGETS, rows, rows.select("strategy", "cutoff").unique())
    stale.record_targets(lake, models, one, [CUTOFF], rows, before)
    # The scales only show that inputs were built; none of their values is read.
    read = {entry.table.name for entry in past.reads} - {INPUT_SCALES.name}
    assert read == {entry.table.name for entry in wanted.of_targets(one, CUTOFF)} <= set(wanted.READ)

    for report, reads in made(Watched(lake.root), models, one, tmp_path / "reports").items():
        told = set(recorded(lake, [report])["table"])
        # The trial ledger is no cause of a backtest, which adds to it.
        own = {TRIALS.name, TRIAL_RETURNS.name} if report == "small_backtest" else set()
        assert reads - {INPUT_SCALES.name} - own == told, report

    def differs() -> list[tuple[str, str]]:
        found = stale.stale(lake, models, [one], [config(one.foundation)])
        return found.filter(pl.col("cause") == "rows").select("result", "table").rows()

    assert not differs()
    # One value a fortnight before the cutoff, and what is built from it.
    at = datetime(2018, 5, 17, 21, tzinfo=UTC)
    value = pl.when(pl.col("ts") == at).then(pl.col("value") + 1).otherwise("value")
    lake.write(VALIDATED_MACRO, rates.with_columns(value), rates.select("series_id").unique())
    sessions = bars.filter(pl.col("date") >= (at - timedelta(days=2)).date())
    build_inputs(lake, tmp_path / "vectors", sessions.select("exchange", "date").unique())
    reading = ("small_model", "small_targets", "small_robustness", "universality")
    assert differs() == [(result, "model_inputs") for result in reading]
