"""Filling a grid, against loops over what was known; no line is drawn to a fact of the future."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lim_pipelines.align.asof import vintage
from lim_pipelines.align.fill import Fill, How, fill
from lim_pipelines.schemas import UTC_TIME

START = datetime(2024, 3, 1, tzinfo=UTC)
FACTS = pl.Schema({"who": pl.String, "ts": UTC_TIME, "known_at": UTC_TIME, "value": pl.Float64})
GRID = pl.Schema({"who": pl.String, "ts": UTC_TIME, "at": UTC_TIME, "n": pl.Int64})
HOWS = get_args(How)


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def world(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Grid and facts; some facts are known long after what they describe, all of them late, or in advance."""
    draw = random.Random(seed)
    facts = {}
    late = draw.choice([3, 3, 30])
    for _ in range(draw.randint(0, 20)):
        who, ts = draw.choice(["a", "b", None]), draw.randint(0, 16)
        known = ts + draw.randint(-2, late)
        value = draw.choice([None, *(draw.random() for _ in range(4))])
        facts[(who, ts, known)] = {"who": who, "ts": hour(ts), "known_at": hour(known), "value": value}
    grid = []
    for n in range(draw.randint(0, 25)):
        ts = draw.randint(-2, 36) / 2
        at = ts + draw.choice([0, 0, 2, 9])
        grid.append({"who": draw.choice(["a", "b", "c", None]), "ts": hour(ts), "at": hour(at), "n": n})
    rows = list(facts.values())
    draw.shuffle(rows)
    return pl.DataFrame(grid, GRID), pl.DataFrame(rows, FACTS)


def slow(grid: pl.DataFrame, facts: pl.DataFrame, way: Fill) -> list[float | None]:
    """For every point: the facts known then, the neighbours among them, and what they make."""
    out: list[float | None] = []
    for point in grid.iter_rows(named=True):
        known: dict[datetime, float] = {}
        for fact in facts.sort("known_at").iter_rows(named=True):
            mine = fact["who"] is not None and fact["who"] == point["who"] and fact["value"] is not None
            if mine and fact["known_at"] <= point["at"]:
                known[fact["ts"]] = fact["value"]
        out.append(_value(known, point["ts"], way))
    return out


def _value(known: dict[datetime, float], t: datetime, way: Fill) -> float | None:
    before = [ts for ts in known if ts <= t]
    after = [ts for ts in known if ts > t]
    if way.how == "nearest_past":
        used = sorted(known, key=lambda ts: (abs(ts - t), ts))[:1]
    elif not before:
        return None
    else:
        used = [max(before)]
        if way.how == "linear_past" and after:
            used.append(min(after))
    if not used or (way.limit is not None and any(abs(ts - t) > way.limit for ts in used)):
        return None
    if len(used) == 1:
        return known[used[0]]
    share = (t - used[0]) / (used[1] - used[0])
    return known[used[0]] + (known[used[1]] - known[used[0]]) * share


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("how", HOWS)
def test_against_a_slow_reference(how: How, limit: int | None) -> None:
    way = Fill(how, None if limit is None else timedelta(hours=limit))
    found = 0
    for seed in range(120):
        grid, facts = world(seed)
        filled = fill(grid, facts, by=["who"], fields={"value": way})
        expected = grid.with_columns(value=pl.Series(slow(grid, facts, way), dtype=pl.Float64))
        assert_frame_equal(filled, expected, rel_tol=1e-12)
        found += filled["value"].count()
    assert found > 100


def test_a_point_sees_the_vintage_of_its_moment_of_use() -> None:
    for seed in range(15):
        grid, facts = world(seed)
        for at in (5, 12, 20):
            points = grid.with_columns(at=pl.lit(hour(at), UTC_TIME))
            known = vintage(facts.drop_nulls(), hour(at), by=["who"])
            for how in HOWS:
                fields = {"value": Fill(how)}
                assert_frame_equal(
                    fill(points, facts, by=["who"], fields=fields),
                    fill(points, known, by=["who"], fields=fields),
                    check_exact=True,
                )


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), moment=st.integers(0, 24), how=st.sampled_from(HOWS))
def test_nothing_known_later_changes_a_bit(seed: int, moment: int, how: How) -> None:
    grid, facts = world(seed)
    later = pl.col("known_at") > hour(moment)
    worlds = (
        facts.filter(~later),
        facts.with_columns(pl.when(later).then(-1e9).otherwise("value").alias("value")),
        facts.with_columns(pl.when(later).then(pl.lit(hour(-1))).otherwise("ts").alias("ts")).unique(
            ["who", "ts", "known_at"], keep="first", maintain_order=True
        ),
    )
    fields = {"value": Fill(how)}
    seen = fill(grid, facts, by=["who"], fields=fields).filter(pl.col("at") <= hour(moment))
    for changed in worlds:
        again = fill(grid, changed, by=["who"], fields=fields).filter(pl.col("at") <= hour(moment))
        assert_frame_equal(seen, again, check_exact=True)


def one(ts: list[float], known_at: list[float], values: list[float]) -> pl.DataFrame:
    times = {"ts": [hour(h) for h in ts], "known_at": [hour(h) for h in known_at]}
    return pl.DataFrame(
        {**times, "value": values}, {"ts": UTC_TIME, "known_at": UTC_TIME, "value": pl.Float64}
    )


def at(ts: list[float], used: list[float]) -> pl.DataFrame:
    times = {"ts": [hour(h) for h in ts], "at": [hour(h) for h in used]}
    return pl.DataFrame(times, {"ts": UTC_TIME, "at": UTC_TIME})


def filled(grid: pl.DataFrame, facts: pl.DataFrame, how: How) -> list[Any]:
    return fill(grid, facts, by=[], fields={"value": Fill(how)})["value"].to_list()


def test_no_line_across_the_future() -> None:
    facts = one([0, 10], [1, 12], [100.0, 200.0])
    # The same point, five hours in: held until the second fact is known, on the line from then on.
    grid = at([5, 5, 5, 5, 5], [0.5, 5, 11.9, 12, 99])
    assert filled(grid, facts, "linear_past") == [None, 100.0, 100.0, 150.0, 150.0]
    # The planted trap: interpolation of the whole sample knows half of what comes.
    naive = facts.select("ts", "value").upsample("ts", every="5h").interpolate()["value"].to_list()
    assert naive[1] == 150.0 != filled(at([5], [5]), facts, "linear_past")[0]


def test_a_revision_moves_the_line_only_from_then_on() -> None:
    facts = one([0, 10, 10], [0, 10, 20], [0.0, 10.0, 20.0])
    assert filled(at([5, 5, 10, 15], [10, 20, 20, 20]), facts, "linear_past") == [5.0, 10.0, 20.0, 20.0]


def test_nearest_looks_both_ways_among_what_is_known() -> None:
    facts = one([0, 10], [0, 10], [1.0, 2.0])
    assert filled(at([7, 7, 5, -3], [9, 10, 10, 10]), facts, "nearest_past") == [1.0, 2.0, 1.0, 1.0]


def test_equal_neighbours_make_a_level_line_to_the_bit() -> None:
    facts = one([0, 7], [0, 7], [0.1, 0.1])
    assert filled(at([1, 2, 3, 4, 5, 6], [9] * 6), facts, "linear_past") == [0.1] * 6


def test_a_past_that_arrived_at_once_is_walked_over_quickly() -> None:
    count = 2**14 + 3
    facts = one(list(range(count)), [count * 2] * (count - 1) + [count * 3], [float(i) for i in range(count)])
    grid = at([count - 2.5] * 3, [count, count * 2, count * 3])
    assert filled(grid, facts, "forward") == [None, float(count - 3), float(count - 3)]
    assert filled(at([count] * 2, [count * 2, count * 3]), facts, "forward") == [count - 2.0, count - 1.0]


def test_each_point_at_its_own_time() -> None:
    facts = one([0, 2], [1, 5], [1.0, 2.0])
    grid = at([0, 1, 4, 5], [0] * 4).drop("at")
    assert fill(grid, facts, by=[], fields={"value": Fill("forward")}, at="ts")["value"].to_list() == [
        *(None, 1.0, 1.0, 2.0)
    ]


def test_mistakes_are_named() -> None:
    grid, facts = world(1)
    fields = {"value": Fill("forward")}
    with pytest.raises(ValueError, match=r"facts: columns \['size'\] are missing"):
        fill(grid, facts, by=["who"], fields={"size": Fill("forward")})
    with pytest.raises(ValueError, match="rename them"):
        fill(grid.with_columns(value=1.0), facts, by=["who"], fields=fields)
    with pytest.raises(ValueError, match="convert it to UTC"):
        fill(grid.with_columns(pl.col("at").dt.replace_time_zone(None)), facts, by=["who"], fields=fields)
    with pytest.raises(ValueError, match="rows have no ts"):
        fill(grid, facts.with_columns(ts=pl.lit(None, UTC_TIME)), by=["who"], fields=fields)
