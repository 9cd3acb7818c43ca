"""Longer bars with all their revisions: at every moment what could be made of what was known then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.ladder import ladder
from lim_pipelines.lake import LATEST, as_of_view
from lim_pipelines.schemas import RESAMPLED_BARS, VALIDATED_BARS

OPENS = datetime(2018, 10, 1, 13, 30, tzinfo=UTC)
"""New York closes 390 minutes later."""


def late(days: float) -> datetime:
    return datetime(2018, 11, 1, tzinfo=UTC) + timedelta(days=days)


def bar(
    minute: int,
    close: float,
    known_at: datetime | None = None,
    day: int = 0,
    withdrawn: bool = False,
    freq: str = "1m",
) -> dict[str, object]:
    ts = OPENS + timedelta(days=day, minutes=minute)
    return {
        **{"exchange": "XNAS", "date": date(2018, 10, 1 + day), "instrument_id": "XNAS:AAPL", "freq": freq},
        **{"ts": ts, "open": close, "high": close, "low": close, "close": close, "volume": 1.0},
        **{"ex_factor": 1.0, "asset_class": "equity", "source": "test", "withdrawn": withdrawn},
        "known_at": known_at or ts + timedelta(minutes=15),
    }


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return VALIDATED_BARS.conform(pl.DataFrame(list(rows), infer_schema_length=None))


def days(bars: pl.DataFrame, moment: datetime) -> list[tuple[float, ...]]:
    """Open, high, close, volume of the daily bar as of a moment."""
    there = as_of_view(ladder(bars), moment, RESAMPLED_BARS).filter(pl.col("freq") == "1d")
    return there.select("open", "high", "close", "volume").rows()


SESSION = (bar(1, 1.0), bar(90, 9.0), bar(390, 5.0))


def test_a_correction_is_seen_from_its_moment_on_and_not_before() -> None:
    bars = frame(*SESSION, bar(1, 2.0, late(5)))
    assert days(bars, late(4)) == [(1.0, 9.0, 5.0, 3.0)]
    assert days(bars, late(5)) == [(2.0, 9.0, 5.0, 3.0)]


def test_a_correction_that_is_taken_back_gives_the_old_values_again() -> None:
    bars = frame(*SESSION, bar(390, 6.0, late(1)), bar(390, 5.0, late(2)))
    assert [days(bars, late(n))[0][2] for n in (0, 1, 2)] == [5.0, 6.0, 5.0]


def test_a_bar_taken_back_is_missing_from_then_on_and_not_before() -> None:
    bars = frame(*SESSION, bar(90, 9.0, late(5), withdrawn=True))
    assert days(bars, late(4)) == [(1.0, 9.0, 5.0, 3.0)]
    assert days(bars, late(5)) == [(1.0, 5.0, 5.0, 2.0)]


def test_of_bars_that_are_all_taken_back_nothing_is_left() -> None:
    bars = frame(*SESSION, *({**row, "withdrawn": True, "known_at": late(1)} for row in SESSION))
    assert days(bars, late(0)) == [(1.0, 9.0, 5.0, 3.0)]
    assert as_of_view(ladder(bars), LATEST, RESAMPLED_BARS).is_empty()


def test_what_the_vendor_gives_later_takes_the_place_of_what_was_made() -> None:
    bars = frame(*SESSION, bar(390, 5.5, late(1), freq="1d"))
    assert days(bars, late(0)) == [(1.0, 9.0, 5.0, 3.0)]
    assert days(bars, late(1)) == []


def test_other_sessions_do_not_matter() -> None:
    without_close = [bar(1, 1.0), bar(380, 5.0), bar(200, 4.0, late(3))]
    others = [bar(1, 1.0, day=1), bar(390, 5.0, day=1), bar(390, 7.0, late(2), day=1)]
    one, other = ladder(frame(*without_close)), ladder(frame(*others))
    assert ladder(frame(*without_close, *others)).equals(RESAMPLED_BARS.conform(pl.concat([one, other])))
    assert one.filter(pl.col("freq") == "1d").is_empty(), "nothing shows that the session was over"


CHANGE = st.tuples(
    st.sampled_from([1, 5, 30, 389, 390]), st.integers(1, 9), st.booleans(), st.sampled_from([0.0, 0.5, 1, 2])
)


@given(st.lists(CHANGE, max_size=6, unique_by=lambda change: (change[0], change[3])), st.integers(-1, 2))
@settings(max_examples=40)
def test_at_every_moment_it_is_what_was_made_of_what_was_known(
    changes: list[tuple[int, int, bool, float]], until: int
) -> None:
    revisions = [bar(minute, close, late(n), withdrawn=gone) for minute, close, gone, n in changes]
    bars = frame(bar(1, 1.0), bar(30, 3.0), bar(390, 5.0), *revisions)
    moment = late(until)
    then = ladder(bars.filter(pl.col("known_at") <= moment))
    seen = as_of_view(ladder(bars), moment, RESAMPLED_BARS)
    assert seen.drop("known_at").equals(as_of_view(then, LATEST, RESAMPLED_BARS).drop("known_at"))
    assert (ladder(bars)["known_at"] >= ladder(bars)["ts"]).all()
