"""Macro features: what was known at each moment, revisions and all."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.inputs.macro import FEATURES, features_at


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


@settings(max_examples=40)
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
        got = features_at(frame, pl.Series(moments), {name: FEATURES[name]})[name].to_list()
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
    assert features_at(rows, moments, {"credit_spread": FEATURES["credit_spread"]})[
        "credit_spread"
    ].to_list() == pytest.approx([1.0, math.nan], nan_ok=True)
    assert features_at(rows, moments, FEATURES).columns == [*FEATURES, "newest"]
