"""The audit of a backtest accuses no fill that is at its own time, whatever the strategy's execution says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from strategy_world import NAMES, market, spec

from lim_pipelines import walkforward
from lim_pipelines.audit.backtests import _fills, _orders
from lim_pipelines.backtest.engine import NO_FACTS
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import BACKTEST_DAILY, TARGETS

FIRST, LAST = date(2018, 1, 2), date(2018, 3, 29)


def decided(bars: pl.DataFrame, after: timedelta = timedelta(hours=23)) -> pl.DataFrame:
    """Targets of every third day, decided so long after its midnight."""
    names = {"strategy": "small", "spec_digest": "", "model_digest": "", "arm": "head"}
    rows = bars.select("exchange", "instrument_id", "date").with_columns(
        *(pl.lit(value).alias(name) for name, value in names.items()),
        decided_at=pl.col("date").cast(pl.Datetime("us", "UTC")) + after,
        cutoff=FIRST,
        seed=1,
        forecast=0.0,
        weight=0.3,
    )
    return TARGETS.conform(rows.filter(pl.col("date").dt.day() % 3 == 0))


@pytest.mark.parametrize(
    "execution", [{}, {"delay": 2}, {"fill": "open"}, {"fill": "open", "delay": 2}], ids=str
)
def test_a_fill_at_its_time_is_no_finding(tmp_path: Path, execution: dict[str, str | int]) -> None:
    lake, one = Lake(tmp_path), spec(execution=execution)
    bars = market(start=FIRST, end=LAST, names=NAMES[:2]).with_columns(open=pl.col("close") / 1.003)
    targets = decided(bars)
    stored = walkforward.trade(one, targets, bars, LAST, NO_FACTS).daily.sort(BACKTEST_DAILY.row_key)
    assert stored["turnover"].sum() > 0
    assert not _orders(lake, one, stored, targets, bars)
    assert not _fills(one, targets, bars)


@pytest.mark.parametrize(
    ("execution", "after", "fine"),
    [
        # XSIM trades as New York does: within the next session its open is past, its close is not.
        ({}, timedelta(hours=24 + 16), True),
        ({}, timedelta(hours=24 + 23), False),
        ({"delay": 2}, timedelta(hours=24 + 23), True),
        ({"fill": "open"}, timedelta(hours=24 + 12), True),
        ({"fill": "open"}, timedelta(hours=24 + 16), False),
        ({"fill": "vwap"}, timedelta(hours=24 + 16), False),
        ({"fill": "open", "delay": 2}, timedelta(hours=24 + 16), True),
    ],
    ids=str,
)
def test_a_price_is_held_against_the_decision_that_it_fills(
    execution: dict[str, str | int], after: timedelta, fine: bool
) -> None:
    bars = market(start=FIRST, end=LAST, names=NAMES[:2])
    bars = bars.with_columns(open=pl.col("close"), vwap=pl.col("close"))
    # Decided on Tuesdays: the two sessions that follow are the next two days.
    targets = decided(bars, after).filter(pl.col("date").dt.weekday() == 2)
    assert targets.height
    found = _fills(spec(execution=execution), targets, bars)
    assert (not found) == fine, found
