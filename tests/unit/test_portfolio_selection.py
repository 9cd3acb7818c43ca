"""Stock selection: the best are held at equal weight, what cannot be decided on is sold."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import alone, bars_of, session_days, spec

from lim_pipelines.finetune.selection import Selection
from lim_pipelines.portfolio.stock_selection import SelectionBooks
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.portfolios import MarkowitzPortfolio, SelectionPortfolio
from lim_pipelines.strategies.registry import TASKS

DAY = session_days("XSIM", date(2018, 3, 1), date(2018, 3, 9))
LISTED = [f"XSIM:SIM{i:02d}" for i in range(1, 11)]


def known(forecasts: dict[str, list[float]], listed: list[str]) -> Known:
    """A decision in which each book (by arm) forecasts the first instruments that are listed."""
    frames = [
        pl.DataFrame({"instrument_id": listed[: len(values)], "forecast": values}).with_columns(
            exchange=pl.lit("XSIM"),
            arm=pl.lit(arm),
            seed=pl.lit(1, dtype=pl.Int64),
            volatility=pl.lit(0.01),
            forecast_scale=pl.lit(0.02),
            position=pl.lit(None, dtype=pl.Float64),
        )
        for arm, values in forecasts.items()
    ]
    bars = pl.concat([bars_of(name, DAY[:2], [10.0, 11.0]) for name in listed])
    decision = Decision(DAY[1], datetime(2018, 3, 3, tzinfo=UTC), ("XSIM",))
    return alone(decision, bars, pl.concat(frames))


@settings(max_examples=50)
@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=9), st.integers(1, 12), st.floats(0.1, 2.0))
def test_the_best_ones_are_held_at_equal_weight(forecasts: list[float], wanted: int, gross: float) -> None:
    books = SelectionBooks(SelectionPortfolio(selection=wanted, gross=gross))
    rows = books.rebalance(known({"head": forecasts}, LISTED[: len(forecasts)]))
    held = rows.filter(pl.col("weight") > 0)
    assert held.height == min(wanted, len(forecasts))
    assert held["weight"].to_numpy() == pytest.approx(np.full(held.height, gross / wanted))
    left = rows.filter(pl.col("weight") == 0)
    assert held.height + left.height == len(forecasts)
    if left.height:
        assert held["forecast"].min() >= left["forecast"].max()


def test_each_book_holds_its_own_and_what_has_no_forecast_is_sold() -> None:
    rows = SelectionBooks(SelectionPortfolio(selection=1)).rebalance(
        known({"head": [0.1, 0.3, 0.2], "ridge": [0.3, 0.1, 0.2]}, LISTED[:5])
    )
    held = rows.filter(pl.col("weight") > 0).sort("arm")
    assert held.select("arm", "instrument_id").rows() == [("head", LISTED[1]), ("ridge", LISTED[0])]
    gone = rows.filter(pl.col("instrument_id").is_in(LISTED[3:5]))
    assert gone.height == 4
    assert gone["weight"].to_list() == [0.0] * 4
    assert gone["forecast"].null_count() == 4


def test_equal_forecasts_are_told_apart_by_name_and_one_alone_is_no_choice() -> None:
    books = SelectionBooks(SelectionPortfolio(selection=2))
    rows = books.rebalance(known({"head": [0.1] * 4}, LISTED[:4]))
    assert rows.filter(pl.col("weight") > 0)["instrument_id"].to_list() == LISTED[:2]
    assert books.rebalance(known({"head": [0.1]}, LISTED[:4])).is_empty()


def test_yaml_asks_for_it_by_saying_how_many() -> None:
    picked = spec(portfolio={"selection": 3, "rebalance_every": 10})
    assert picked.portfolio == SelectionPortfolio(selection=3, rebalance_every=10)
    assert isinstance(spec().portfolio, MarkowitzPortfolio)
    assert isinstance(TASKS["cross_sectional"].books(picked, Selection()), SelectionBooks)
    with pytest.raises(ValueError, match="risk_aversion"):
        spec(portfolio={"selection": 3, "risk_aversion": 1.0})
