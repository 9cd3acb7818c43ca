"""What the red check shows of a partition that is held though no single row of it is to blame."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from gate_world import LAST, MIC, align, bars, gate

from assets.gate_checks import published
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import GATE_RESULTS, RAW_QUOTES
from resources.home import Home


@pytest.mark.parametrize("rule", ["no_common_jump", "covered", "not_a_copy"])
def test_of_a_partition_that_is_held_as_a_whole_bars_and_files_are_shown(tmp_path: Path, rule: str) -> None:
    lake = Lake(tmp_path / "lake")
    there, last = bars(), pl.col("date") == LAST
    prices = ("open", "high", "low", "close")
    if rule == "no_common_jump":
        there = there.with_columns(pl.when(last).then(pl.col(name) * 100).otherwise(name) for name in prices)
    elif rule == "covered":
        there = there.filter(~last | (pl.col("instrument_id") < f"{MIC}:I10"))
    else:
        before = (
            pl.when(last).then(pl.col(name).shift(1).over("instrument_id", order_by="ts")).otherwise(name)
            for name in (*prices, "volume")
        )
        there = there.with_columns(before)
    align(lake, there)
    symbol = pl.col("instrument_id").str.strip_prefix(f"{MIC}:")
    raw = there.with_columns(symbol=symbol, file=pl.format("csv_drop/{}.csv", "date"), line=pl.lit(2))
    lake.write(RAW_QUOTES, RAW_QUOTES.conform(raw), raw.select("exchange", "date").unique())
    gate(lake)
    red = published(lake, Home(root=str(tmp_path)), lake.read(GATE_RESULTS, as_of=LATEST).collect())
    assert "sample_rows" not in red.metadata, "an empty table says nothing"
    shown = [record.data for record in red.metadata["sample_bars"].records]
    assert [row["date"] for row in shown] == [str(LAST)] * 3
    ratios = [row["close"] / row["close_before"] for row in shown]
    if rule == "no_common_jump":
        assert min(ratios) > 50
    elif rule == "not_a_copy":
        assert ratios == [1.0] * 3
    else:
        assert all(0.8 < ratio < 1.25 for ratio in ratios)
    assert red.metadata["files"].value == f"csv_drop/{LAST}.csv"
    assert f"rule_{rule}" in red.metadata
    assert red.metadata["trace"].value == f"lim trace '{LAST}|{MIC}'"
