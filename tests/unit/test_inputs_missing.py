"""Inputs that were never built are an error, not NaN."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from strategy_world import CUTOFF, macro, market, put_lake, spec

from lim_pipelines.finetune.features import MissingInputsError, read_features
from lim_pipelines.lake import midnight
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS

WTI = market(seed=1, start=date(2018, 4, 2), end=CUTOFF, names=("XNYM:WTI",))


def test_sessions_without_inputs_are_named_with_the_remedy(tmp_path: Path) -> None:
    lake = put_lake(tmp_path / "lake", WTI, macro())
    assert read_features(lake, spec("directional"), WTI, midnight(CUTOFF)).height > 30
    days = pl.DataFrame({"exchange": "XNYM", "date": [date(2018, 5, 2), date(2018, 5, 3)]})
    for table in (MODEL_INPUTS, INPUT_SCALES):
        lake.write(table, table.empty(), days)
    said = (
        r"strategy small: model_inputs of 2 sessions of XNYM .* never built, 2018-05-02\|XNYM to"
        r" 2018-05-03\|XNYM; materialise model_inputs .* archive_inputs, partition XNYM"
    )
    with pytest.raises(MissingInputsError, match=said):
        read_features(lake, spec("directional"), WTI, midnight(CUTOFF))
    later = read_features(lake, spec("directional"), WTI, midnight(CUTOFF), since=date(2018, 5, 4))
    assert later["date"].min() == date(2018, 5, 4)
    assert read_features(lake, spec(), WTI, midnight(CUTOFF)).is_empty(), "without features none are needed"


def test_inputs_of_another_definition_are_refused(tmp_path: Path) -> None:
    lake = put_lake(tmp_path / "lake", WTI, macro())
    rows = lake.revisions(MODEL_INPUTS).collect().with_columns(spec=pl.lit("old"))
    lake.write(MODEL_INPUTS, rows, rows.select(MODEL_INPUTS.partition_key).unique())
    with pytest.raises(MissingInputsError, match="another definition of block macro, 2018-04-02"):
        read_features(lake, spec("directional"), WTI, midnight(CUTOFF))


def test_the_simulated_exchange_has_no_inputs() -> None:
    with pytest.raises(ValueError, match="no model inputs; leave `features` out"):
        spec(features=["vix_level"])
