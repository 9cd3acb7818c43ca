from __future__ import annotations

import math
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import bars_of, session_days

from lim_pipelines.finetune.labels import daily_returns, with_labels

DAYS = session_days("XSIM", date(2018, 1, 2), date(2018, 6, 29))


def labelled(closes: list[float], horizon: int, ex: list[float] | None = None) -> pl.DataFrame:
    return with_labels(daily_returns(bars_of("XSIM:SIM01", DAYS[: len(closes)], closes, ex)), horizon)


def test_a_label_runs_from_the_close_after_the_decision() -> None:
    closes = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    rows = labelled(closes, 2)
    assert rows["label"][0] == pytest.approx(math.log(13.0 / 11.0))
    assert rows["label_end"][0] == DAYS[3]
    assert rows["label"].null_count() == 3  # nothing is known of what ends behind the last bar
    assert rows["past_return"][2] == pytest.approx(math.log(12.0 / 10.0))


def test_a_split_is_no_return_and_a_bad_price_is_reached_over() -> None:
    rows = daily_returns(
        bars_of("XSIM:SIM01", DAYS[:5], [10.0, 5.0, -1.0, 6.0, 3.0], [1.0, 0.5, 1.0, 1.0, 0.5])
    )
    assert rows["date"].to_list() == [DAYS[0], DAYS[1], DAYS[3], DAYS[4]]
    assert rows["log_return"].to_list()[1:] == pytest.approx([0.0, math.log(6 / 5), 0.0], abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(30, 100), st.integers(1, 10))
def test_later_bars_change_nothing_earlier(seed: int, known: int, horizon: int) -> None:
    closes = (100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(120)))).tolist()
    short, full = labelled(closes[:known], horizon), labelled(closes, horizon)
    assert short.select("volatility", "past_return").equals(full[:known].select("volatility", "past_return"))
    both = short["label"].is_not_null()
    assert short["label"].filter(both).equals(full[:known]["label"].filter(both))
