"""Closes and splits at decisions, from the newest revision of each bar known then."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
from strategy_world import bars_of, session_days

from lim_pipelines.inputs.blocks import Reads
from lim_pipelines.inputs.decisions import decisions
from lim_pipelines.inputs.prices import with_closes
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

IBM = "XNYS:IBM"
TAKEN_BACK, WITHDRAWN = date(2018, 3, 2), date(2018, 3, 6)


def test_a_split_holds_until_it_is_taken_back_or_its_bar_withdrawn(tmp_path: Path) -> None:
    days = session_days("XNYS", date(2018, 2, 26), date(2018, 3, 14))
    bars = bars_of(
        IBM, days, [50.0] * len(days), [0.5 if d in (TAKEN_BACK, WITHDRAWN) else 1.0 for d in days]
    )
    later = bars.filter(pl.col("date").is_in([TAKEN_BACK, WITHDRAWN])).with_columns(
        ex_factor=pl.when(pl.col("date") == TAKEN_BACK).then(1.0).otherwise("ex_factor"),
        withdrawn=pl.col("date") == WITHDRAWN,
        known_at=pl.col("known_at") + timedelta(days=3),
    )
    lake = Lake(tmp_path / "lake")
    rows = pl.concat([bars, later])
    lake.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())
    asked = decisions(lake, "XNYS", days[0], days[-1])
    found = with_closes(Reads(lake, tmp_path / "vectors"), asked, timedelta(days=550))
    split = {day: at and at.date() for day, at in found.select("date", "split_at").iter_rows()}
    assert split == {
        **dict.fromkeys(days),
        TAKEN_BACK: TAKEN_BACK,
        **dict.fromkeys([WITHDRAWN, date(2018, 3, 7), date(2018, 3, 8)], WITHDRAWN),
    }
    assert found["close"].to_list() == [50.0] * len(days)
