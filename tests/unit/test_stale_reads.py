"""What is said that results read is what they read: models fitted and decisions taken for real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from strategy_world import CUTOFF, config, macro, market, put_checkpoint, put_lake, spec

from lim_pipelines import stale, walkforward
from lim_pipelines.finetune import train
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import Past
from lim_pipelines.schemas import INPUT_SCALES, TARGETS, VALIDATED_MACRO
from lim_pipelines.stale import wanted


@pytest.mark.slow
def test_what_is_decided_reads_nothing_else_and_sees_other_inputs(tmp_path: Path) -> None:
    one = spec("directional", method="head", controls=["ridge"], seeds=[1])
    bars, rates = market(names=("XNYM:WTI",)), macro()
    lake, models = put_lake(tmp_path / "lake", bars, rates), tmp_path / "models"
    put_checkpoint(models, one.foundation, CUTOFF)
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
    assert differs() == [("small_model", "model_inputs"), ("small_targets", "model_inputs")]
