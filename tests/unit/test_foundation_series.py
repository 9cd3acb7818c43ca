"""Bars as model variables: by hand, point in time, nothing invented."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from foundation_bars import bars, noise, one_series

from lim_pipelines.foundation.series import (
    CALENDAR,
    VARIABLES,
    build_series,
    iso,
    microseconds,
)

CLOSE, OPEN, HIGH, LOW, VOLUME = (VARIABLES.index(n) for n in ("close", "open", "high", "low", "volume"))


def test_variables_by_hand() -> None:
    frame = bars([0.0, 0.0, 0.0]).with_columns(
        open=pl.Series([10.0, 11.0, 5.5]),
        high=pl.Series([12.0, 12.0, 6.0]),
        low=pl.Series([9.0, 10.0, 5.0]),
        close=pl.Series([10.0, 11.0, 6.0]),
        volume=pl.Series([0.0, 99.0, 1.0]),
        ex_factor=pl.Series([1.0, 1.0, 0.5]),  # a 2:1 split before the third bar
    )
    (series,) = build_series(frame)
    assert np.isnan(series.values[0, [CLOSE, OPEN]]).all()
    np.testing.assert_allclose(series.values[1:, CLOSE], np.log([11 / 10, 6 / 5.5]), rtol=1e-6)
    np.testing.assert_allclose(series.values[1:, OPEN], np.log([11 / 10, 5.5 / 5.5]), atol=1e-7)
    np.testing.assert_allclose(series.values[:, HIGH], np.log([1.2, 12 / 11, 1.0]), atol=1e-7)
    np.testing.assert_allclose(series.values[:, LOW], np.log([0.9, 10 / 11, 5 / 6]), rtol=1e-6)
    np.testing.assert_allclose(series.values[:, VOLUME], np.log1p([0, 99, 1]), rtol=1e-6)


@pytest.mark.parametrize("bad", [0.0, -37.63, None])
def test_a_price_that_has_no_logarithm_is_missing_and_nothing_else(bad: float | None) -> None:
    # WTI closed at -37.63 in April 2020.
    close = [100.0, 101.0, bad, 102.0, 103.0]
    frame = bars([0.0] * 5).with_columns(close=pl.Series(close, dtype=pl.Float64))
    (series,) = build_series(frame)
    assert np.isnan(series.values[:, CLOSE]).tolist() == [True, False, True, True, False]
    assert np.isnan(series.values[:, HIGH]).tolist() == [False, False, True, False, False]
    assert not np.isnan(series.values[:, VOLUME]).any()


def test_close_only_quotes_have_one_variable() -> None:
    series = one_series(noise(20), "XNYM:WTI", close_only=True)
    assert series.asset_class == "commodity"
    assert np.isfinite(series.values[1:, CLOSE]).all()
    assert np.isnan(series.values[:, [OPEN, HIGH, LOW, VOLUME]]).all()


def test_calendar_by_hand() -> None:
    series = one_series(noise(6))
    weekday, day, month, time, gap, session = series.calendar.T
    assert (session == 0.5).all()
    np.testing.assert_allclose(weekday, np.array([0, 1, 2, 3, 4, 0]) / 7 - 0.5, atol=1e-6)
    np.testing.assert_allclose(day, (np.array([4, 5, 6, 7, 8, 11]) - 1) / 31 - 0.5, rtol=1e-6)
    assert (month == -0.5).all()
    np.testing.assert_allclose(time, 16 * 60 / 1440 - 0.5, rtol=1e-6)  # 21:00 UTC in New York's winter
    np.testing.assert_allclose(gap, [0, 0, 0, 0, 0, np.log(3)], atol=1e-6)
    assert series.calendar.shape == (6, len(CALENDAR))


def test_minutes_know_how_much_of_their_session_is_over() -> None:
    # A regular session of New York on 2010-01-04, 14:30 to 21:00 UTC, and what an hour is of it.
    ends = [datetime(2010, 1, 4, hour, 30, tzinfo=UTC) for hour in (15, 16, 20)]
    frame = bars([0.0] * 3).with_columns(
        ts=pl.Series(ends).cast(pl.Datetime("us", "UTC")),
        date=pl.lit(ends[0].date()),
        freq=pl.lit("1m"),
    )
    (series,) = build_series(frame)
    session = series.calendar[:, CALENDAR.index("session")]
    np.testing.assert_allclose(session, np.array([1, 2, 6]) / 6.5 - 0.5, rtol=1e-5)
    clock = series.calendar[:, CALENDAR.index("time")]
    np.testing.assert_allclose(clock, np.array([10.5, 11.5, 15.5]) / 24 - 0.5, rtol=1e-5)


def test_no_row_depends_on_a_later_one() -> None:
    frame = bars(noise(60))
    (whole,) = build_series(frame)
    for length in (1, 2, 30, 59):
        (part,) = build_series(frame.head(length))
        np.testing.assert_array_equal(part.values, whole.values[:length])
        np.testing.assert_array_equal(part.calendar, whole.calendar[:length])


def test_one_series_for_each_instrument_and_frequency_whatever_the_order() -> None:
    hourly = bars(noise(30, 1)).with_columns(freq=pl.lit("1h"))
    frame = pl.concat([bars(noise(20), "XNYS:SPX"), hourly, bars(noise(10), "XNAS:AAPL")])
    found = build_series(frame.sample(fraction=1.0, shuffle=True, seed=1))
    assert [(s.instrument_id, s.freq, len(s)) for s in found] == [
        ("XNAS:AAPL", "1d", 10),
        ("XNYS:IBM", "1h", 30),
        ("XNYS:SPX", "1d", 20),
    ]
    assert all((np.diff(s.ts) > 0).all() for s in found)
    assert build_series(frame.clear()) == []


def test_an_unknown_length_is_refused() -> None:
    with pytest.raises(ValueError, match="'7m' has no embedding"):
        build_series(bars(noise(3)).with_columns(freq=pl.lit("7m")))


def test_moments_survive_the_round_trip() -> None:
    moment = datetime(2018, 3, 11, 20, 0, 0, 123456, tzinfo=UTC)
    assert iso(microseconds(moment.isoformat())) == moment.isoformat()
    assert microseconds("2018-01-01T01:00:00+01:00") == microseconds("2018-01-01T00:00:00+00:00")
    assert microseconds(iso(-timedelta(days=1) // timedelta(microseconds=1))) == -86_400_000_000
