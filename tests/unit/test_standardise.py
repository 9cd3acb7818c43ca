"""Standardisation: against slow loops, laws of each method, and blindness to what comes later."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align.standardise import (
    Method,
    Scaled,
    cross_section,
    log,
    log_return,
    over_time,
    simple_return,
)

START = datetime(2018, 1, 1, tzinfo=UTC)
METHODS: tuple[Method, ...] = ("zscore", "robust", "winsor", "rank")
numbers = st.one_of(st.sampled_from([math.nan, math.inf, 1.0, 2.0]), st.floats(-1e6, 1e6, width=32))
series = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30), numbers), min_size=1, max_size=60)


def frame(values: list[tuple[str, int, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "name": [name for name, _, _ in values],
            "known_at": [START + timedelta(days=day) for _, day, _ in values],
            "value": [value for _, _, value in values],
        },
        schema_overrides={"value": pl.Float64, "known_at": pl.Datetime("us", "UTC")},
    )


def slow(value: float, known: list[float], method: Method, at_least: int) -> float:
    """What a value is on the scale of others, by the definitions."""
    known = [x for x in known if math.isfinite(x)]
    if len(known) < at_least or not math.isfinite(value):
        return math.nan
    if method == "rank":
        return (sum(x < value for x in known) + sum(x <= value for x in known)) / len(known) - 1
    if method == "winsor":
        ordered = sorted(known)
        ends = []
        for share in (0.01, 0.99):
            place = share * (len(ordered) - 1)
            below = ordered[math.floor(place)]
            ends.append(below + (place - math.floor(place)) * (ordered[math.ceil(place)] - below))
        return min(max(value, ends[0]), ends[1])
    if len(set(known)) == 1:
        location, scale = known[0], 0.0
    elif method == "robust":
        location = statistics.median(known)
        scale = 1.4826 * statistics.median([abs(x - location) for x in known])
    else:
        location, scale = statistics.fmean(known), statistics.stdev(known)
    if scale == 0:
        return 0.0 if value == location else math.nan
    return (value - location) / scale


@settings(max_examples=60)
@given(series, st.sampled_from(METHODS), st.sampled_from([None, 3, 8]))
def test_over_time_is_what_a_slow_loop_gives(
    values: list[tuple[str, int, float]], method: Method, window: int | None
) -> None:
    done = over_time(frame(values), method, by=["name"], window=window, at_least=2)
    want = []
    for name, day, value in values:
        before = [v for n, d, v in sorted(values, key=lambda row: row[1]) if n == name and d < day]
        want.append(slow(value, before[-window:] if window else before, method, 2))
    assert done.rows["scaled"].to_list() == pytest.approx(want, rel=1e-6, abs=1e-6, nan_ok=True)
    assert done.rows.drop("scaled").equals(frame(values))
    assert (done.fitted["last"] < done.fitted["known_at"]).fill_null(True).all(), "strictly before"


@settings(max_examples=60)
@given(series, st.sampled_from(METHODS))
def test_a_cross_section_is_what_a_slow_loop_gives(
    values: list[tuple[str, int, float]], method: Method
) -> None:
    done = cross_section(frame(values), method, by=["name"], at_least=3)
    want = [slow(value, [v for n, _, v in values if n == name], method, 3) for name, _, value in values]
    assert done.rows["scaled"].to_list() == pytest.approx(want, rel=1e-6, abs=1e-6, nan_ok=True)
    sizes = {n: sum(math.isfinite(v) for m, _, v in values if m == n) for n, _, _ in values}
    assert dict(done.fitted.select("name", "n").iter_rows()) == sizes


@settings(max_examples=30)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=5, max_size=40, unique=True), st.randoms())
def test_laws_of_a_cross_section(values: list[float], random: object) -> None:
    rows = frame([("a", 0, value) for value in values])
    zscore = cross_section(rows, "zscore", by=["name"]).rows["scaled"]
    assert zscore.mean() == pytest.approx(0, abs=1e-9)
    assert zscore.std() == pytest.approx(1)
    robust = cross_section(rows, "robust", by=["name"]).rows["scaled"]
    assert robust.median() == pytest.approx(0, abs=1e-9)
    rank = cross_section(rows, "rank", by=["name"]).rows["scaled"]
    assert rank.abs().max() < 1
    assert rank.sum() == pytest.approx(0, abs=1e-9)
    assert rank.arg_sort().to_list() == rows["value"].arg_sort().to_list()
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    for method in METHODS:  # to the bit, whatever the order of the rows
        one = cross_section(rows, method, by=["name"]).fitted
        assert one.equals(cross_section(shuffled, method, by=["name"]).fitted)


def full_sample(rows: pl.DataFrame) -> Scaled:
    """The planted trap: a z-score by the mean and deviation of all there is, the future included."""
    z = (pl.col("value") - pl.col("value").mean().over("name")) / pl.col("value").std().over("name")
    return Scaled(rows.with_columns(scaled=z.fill_null(math.nan)), pl.DataFrame())


def looks_ahead(scale: Callable[[pl.DataFrame], Scaled], rows: pl.DataFrame, moment: datetime) -> bool:
    """Whether any bit known at or before a moment moves when what is known later changes or goes."""
    before = pl.col("known_at") <= moment
    other = rows.with_columns(value=pl.when(before).then("value").otherwise(pl.col("value") * 7 + 1))
    one = scale(rows)
    for changed in (other, rows.filter(before)):
        two = scale(changed)
        if not one.rows.filter(before).equals(two.rows.filter(before)):
            return True
        if one.fitted.width and not one.fitted.filter(before).equals(two.fitted.filter(before)):
            return True
    return False


@settings(max_examples=40)
@given(series, st.sampled_from(METHODS), st.integers(0, 30), st.sampled_from([None, 5]))
def test_nothing_known_later_changes_a_bit(
    values: list[tuple[str, int, float]], method: Method, day: int, window: int | None
) -> None:
    moment = START + timedelta(days=day)
    assert not looks_ahead(
        lambda rows: over_time(rows, method, by=["name"], window=window, at_least=2), frame(values), moment
    )
    assert not looks_ahead(
        lambda rows: cross_section(rows, method, by=["name", "known_at"], at_least=2), frame(values), moment
    )


def test_a_full_sample_score_is_caught_by_the_same_test() -> None:
    rows = frame([("a", day, float(day % 7)) for day in range(30)])
    assert looks_ahead(full_sample, rows, START + timedelta(days=20))


def test_a_value_has_the_same_bits_wherever_the_run_begins() -> None:
    rows = frame([("a", day, math.sin(day) * 1e3) for day in range(200)])
    late = pl.col("known_at") >= START + timedelta(days=150)
    for method in METHODS:
        one = over_time(rows, method, by=["name"], window=60)
        two = over_time(rows[80:], method, by=["name"], window=60, only=late)
        assert one.rows.filter(late).equals(two.rows.filter(late))
        assert one.fitted.filter(late).equals(two.fitted)


def test_constants_and_small_groups_are_stated() -> None:
    same = frame([("a", 0, 3.3)] * 6 + [("b", 0, 1.0)] * 4)
    done = cross_section(same, "zscore", by=["name"])
    assert done.rows["scaled"].to_list()[:6] == [0.0] * 6
    assert done.rows["scaled"].is_nan().to_list()[6:] == [True] * 4
    assert done.fitted.select("name", "location", "scale", "n").rows() == [
        ("a", 3.3, 0.0, 6),
        ("b", None, None, 4),
    ]


def test_logs_and_returns_have_no_value_where_there_is_none() -> None:
    rows = pl.DataFrame({"name": ["a"] * 5 + ["b"], "v": [1.0, 2.0, 0.0, 4.0, 8.0, 3.0]})
    out = rows.select(
        log=log(pl.col("v")),
        of=log_return(pl.col("v"), by=["name"]),
        simple=simple_return(pl.col("v"), by=["name"]),
    )
    nan = math.nan
    two = math.log(2)
    assert out["log"].to_list() == pytest.approx([0, two, nan, 2 * two, 3 * two, math.log(3)], nan_ok=True)
    assert out["of"].to_list()[1] == pytest.approx(two)
    assert out["of"].fill_null(nan).is_nan().to_list() == [True, False, True, True, False, True]
    assert out["simple"].to_list() == pytest.approx([nan, 1.0, -1.0, nan, 1.0, nan], nan_ok=True)
