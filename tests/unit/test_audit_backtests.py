"""The audit of a backtest accuses no fill that is at its own time, whatever the strategy's execution says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from strategy_world import NAMES, market, spec

from lim_pipelines import walkforward
from lim_pipelines.audit.backtests import _orders
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import BACKTEST_DAILY, TARGETS

FIRST, LAST = date(2018, 1, 2), date(2018, 3, 29)


@pytest.mark.parametrize(
    "execution", [{}, {"delay": 2}, {"fill": "open"}, {"fill": "open", "delay": 2}], ids=str
)
def test_a_fill_at_its_time_is_no_finding(tmp_path: Path, execution: dict[str, str | int]) -> None:
    lake, one = Lake(tmp_path), spec(execution=execution)
    bars = market(start=FIRST, end=LAST, names=NAMES[:2]).with_columns(open=pl.col("close") / 1.003)
    names = {"strategy": "small", "spec_digest": "", "model_digest": "", "arm": "head"}
    rows = bars.select("exchange", "instrument_id", "date").with_columns(
        *(pl.lit(value).alias(name) for name, value in names.items()),
        decided_at=pl.col("date").cast(pl.Datetime("us", "UTC")) + timedelta(hours=23),
        cutoff=FIRST,
        seed=1,
        forecast=0.0,
        weight=0.3,
    )
    targets = TARGETS.conform(rows.filter(pl.col("date").dt.day() % 3 == 0))
    stored = walkforward.trade(lake, one, targets, bars, LAST).daily.sort(BACKTEST_DAILY.row_key)
    assert stored["turnover"].sum() > 0
    assert not _orders(lake, one, stored, targets, bars)
