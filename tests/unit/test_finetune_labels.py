from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import bars_of, session_days

from lim_pipelines.finetune.features import FEATURES, features_at
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


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(30, 100), st.integers(1, 10))
def test_later_bars_change_nothing_earlier(seed: int, known: int, horizon: int) -> None:
    closes = (100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(120)))).tolist()
    short, full = labelled(closes[:known], horizon), labelled(closes, horizon)
    assert short.select("volatility", "past_return").equals(full[:known].select("volatility", "past_return"))
    both = short["label"].is_not_null()
    assert short["label"].filter(both).equals(full[:known]["label"].filter(both))


def naive(rows: list[tuple[datetime, float, datetime]], moment: datetime, yoy: bool) -> float:
    """The newest period known at a moment, latest revision; the slow way."""
    known: dict[datetime, float] = {}
    for ts, value, known_at in sorted(rows, key=lambda row: (row[2], row[0])):
        if known_at <= moment:
            known[ts] = value
    if not known:
        return math.nan
    newest = max(known)
    if not yoy:
        return math.log(known[newest])
    before = [value for ts, value in known.items() if (ts.year, ts.month) == (newest.year - 1, newest.month)]
    return math.log(known[newest] / before[0]) if before else math.nan


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 29), st.floats(1.0, 200.0), st.integers(0, 200)), min_size=1, max_size=40
    ),
    st.lists(st.integers(-30, 1200), min_size=1, max_size=6),
)
def test_features_are_what_was_known_revisions_and_all(
    published: list[tuple[int, float, int]], asked: list[int]
) -> None:
    start = datetime(2015, 1, 31, tzinfo=UTC)
    rows, seen = [], set()
    for month, value, lag in published:
        ts = datetime(2015 + month // 12, month % 12 + 1, 28, tzinfo=UTC)
        if (month, lag) not in seen:
            seen.add((month, lag))
            rows.append((ts, value, ts + timedelta(days=lag)))
    moments = [start + timedelta(days=day) for day in asked]
    for name, series, yoy in (("vix_level", "vix", False), ("core_cpi_yoy", "core_cpi", True)):
        frame = pl.DataFrame(rows, schema=["ts", "value", "known_at"], orient="row").with_columns(
            series_id=pl.lit(series)
        )
        got = features_at(frame, pl.Series(moments), [name])[name].to_list()
        assert got == pytest.approx([naive(rows, moment, yoy) for moment in moments], nan_ok=True)


def test_a_spread_needs_both_of_its_series() -> None:
    at = datetime(2018, 1, 31, tzinfo=UTC)
    rows = pl.DataFrame(
        {
            "series_id": ["baa_yield", "aaa_yield"],
            "ts": [at, at],
            "value": [5.0, 4.0],
            "known_at": [at + timedelta(days=1), at + timedelta(days=2)],
        }
    )
    moments = pl.Series([at + timedelta(days=3), at + timedelta(days=1)])
    assert features_at(rows, moments, ["credit_spread"])["credit_spread"].to_list() == pytest.approx(
        [1.0, math.nan], nan_ok=True
    )
    assert features_at(rows, moments, FEATURES).columns == list(FEATURES)
