"""As-of joins, against loops that anybody can check; what becomes known later changes nothing before."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lim_pipelines.align.asof import align_stream, as_known, vintage
from lim_pipelines.schemas import UTC_TIME

START = datetime(2024, 1, 1, tzinfo=UTC)
FACTS = pl.Schema(
    {
        "who": pl.String,
        "field": pl.String,
        "ts": UTC_TIME,
        "known_at": UTC_TIME,
        "expires_at": UTC_TIME,
        "value": pl.Float64,
    }
)
MOMENTS = pl.Schema({"who": pl.String, "field": pl.String, "at": UTC_TIME, "n": pl.Int64})
Row = dict[str, Any]


def hour(number: float | None) -> datetime | None:
    return None if number is None else START + timedelta(hours=number)


def world(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Few hours, so that ties, revisions and late old periods are everywhere."""
    draw = random.Random(seed)
    facts: dict[tuple[object, ...], Row] = {}
    for _ in range(draw.randint(0, 25)):
        who, field = draw.choice(["a", "b", "c", None]), draw.choice(["x", "y"])
        ts, known = draw.randint(0, 12), draw.randint(0, 20)
        facts[(who, field, ts, known)] = {
            "who": who,
            "field": field,
            "ts": hour(ts),
            "known_at": hour(known),
            "expires_at": hour(draw.choice([None, draw.randint(0, 24)])),
            "value": draw.choice([None, draw.random()]),
        }
    moments = [
        {
            "who": draw.choice(["a", "b", "d", None]),
            "field": draw.choice(["x", "y"]),
            "at": hour(draw.choice([None, *range(24), *range(24)])),
            "n": n,
        }
        for n in range(draw.randint(0, 20))
    ]
    rows = list(facts.values())
    draw.shuffle(rows)
    frame = pl.DataFrame(moments, MOMENTS)
    if draw.random() < 0.5:
        frame = frame.drop_nulls().sort(draw.choice([["at"], ["who", "field", "at"]]))
    return frame, pl.DataFrame(rows, FACTS)


def slow(
    moments: pl.DataFrame,
    facts: pl.DataFrame,
    by: list[str],
    tolerance: timedelta | None,
    expiry: timedelta | str | None,
) -> list[Row]:
    """Look at every fact for every moment."""
    out = []
    for moment in moments.iter_rows(named=True):
        best: Row | None = None
        for fact in facts.iter_rows(named=True):
            if moment["at"] is None or fact["known_at"] > moment["at"]:
                continue
            if any(fact[name] is None or fact[name] != moment[name] for name in by):
                continue
            if best is None or (fact["ts"], fact["known_at"]) >= (best["ts"], best["known_at"]):
                best = fact
        if best and tolerance is not None and moment["at"] - best["known_at"] > tolerance:
            best = None
        if best and isinstance(expiry, timedelta) and moment["at"] - best["ts"] > expiry:
            best = None
        if best and isinstance(expiry, str) and best[expiry] is not None and moment["at"] >= best[expiry]:
            best = None
        found = {name: best and best[name] for name in ("ts", "known_at", "value")}
        out.append(moment | found)
    return out


@pytest.mark.parametrize("by", [["who", "field"], ["who"], []])
@pytest.mark.parametrize(
    ("tolerance", "expiry"),
    [(None, None), (4, None), (None, 6), (3, "expires_at"), (0, 9)],
    ids=["any", "tolerance", "expiry", "expires_at", "both"],
)
def test_against_a_slow_reference(by: list[str], tolerance: int | None, expiry: int | str | None) -> None:
    given = None if tolerance is None else timedelta(hours=tolerance)
    until = timedelta(hours=expiry) if isinstance(expiry, int) else expiry
    found = 0
    for seed in range(100):
        moments, facts = world(seed)
        # Facts alike in all that decides have no right answer but the order they are given in.
        facts = facts.unique([*by, "ts", "known_at"], keep="last", maintain_order=True)
        columns = ["ts", "known_at", "value"]
        joined = as_known(moments, facts, by=by, columns=columns, tolerance=given, expiry=until)
        expected = pl.DataFrame(slow(moments, facts, by, given, until), joined.schema)
        assert_frame_equal(joined, expected)
        found += joined["known_at"].count()
    assert found > 10


def test_of_facts_alike_the_last_given_counts() -> None:
    row = {"who": "a", "field": "x", "ts": hour(1), "known_at": hour(2), "expires_at": None}
    facts = pl.DataFrame([row | {"value": 1.0}, row | {"value": 2.0}], FACTS)
    moments = pl.DataFrame({"who": ["a"], "at": [hour(3)]}, {"who": pl.String, "at": UTC_TIME})
    assert as_known(moments, facts, by=["who"], columns=["value"])["value"].to_list() == [2.0]
    assert as_known(moments, facts.reverse(), by=["who"], columns=["value"])["value"].to_list() == [1.0]


def test_a_revision_of_an_old_period_does_not_hide_the_newest() -> None:
    facts = pl.DataFrame(
        {
            "ts": [hour(0), hour(10), hour(0), hour(10)],
            "known_at": [hour(1), hour(11), hour(12), hour(13)],
            "value": [1.0, 2.0, 99.0, 3.0],
        },
        {name: FACTS[name] for name in ("ts", "known_at", "value")},
    )
    moments = pl.DataFrame({"at": [hour(h) for h in (0, 1, 10.9, 11, 12, 12.9, 13)]}, {"at": UTC_TIME})
    assert as_known(moments, facts, by=[], columns=["value"])["value"].to_list() == [
        *(None, 1.0, 1.0, 2.0),
        *(2.0, 2.0, 3.0),
    ]
    # The planted trap: a join that forgets revisions takes the revised value of the old period.
    naive = moments.join_asof(facts.sort("known_at"), left_on="at", right_on="known_at")["value"]
    assert naive.to_list()[4] == 99.0


def test_parts_one_by_one_are_the_whole() -> None:
    for seed in range(20):
        moments, facts = world(seed)
        whole = as_known(moments, facts, by=["who", "field"], columns=["value", "ts"])
        parts = (moments[i : i + 3] for i in range(0, moments.height, 3))
        stream = list(align_stream(parts, facts, by=["who", "field"], columns=["value", "ts"]))
        assert_frame_equal(pl.concat([whole.clear(), *stream]), whole)


def test_parts_are_asked_for_one_at_a_time() -> None:
    asked = []

    def parts() -> Any:
        for seed in (1, 2, 3):
            asked.append(seed)
            yield world(seed)[0]

    stream = align_stream(parts(), world(1)[1], by=["who"], columns=["value"])
    next(stream)
    assert asked == [1]


def changed_after(facts: pl.DataFrame, t: datetime, how: str) -> pl.DataFrame:
    """Delete, change or redate everything known after a moment."""
    later = pl.col("known_at") > t
    if how == "deleted":
        return facts.filter(~later)
    if how == "changed":
        return facts.with_columns(
            pl.when(later).then(pl.lit(-1e9)).otherwise("value").alias("value"),
            pl.when(later).then(pl.lit(t) - pl.duration(days=9)).otherwise("expires_at").alias("expires_at"),
        )
    return facts.with_columns(
        pl.when(later).then(pl.col("ts") - pl.duration(hours=7)).otherwise("ts").alias("ts")
    )


@settings(max_examples=50)
@given(
    seed=st.integers(0, 10_000),
    moment=st.integers(0, 24),
    how=st.sampled_from(["deleted", "changed", "moved"]),
)
def test_nothing_known_later_changes_a_bit(seed: int, moment: int, how: str) -> None:
    moments, facts = world(seed)
    t = hour(moment)
    assert t is not None
    then = changed_after(facts, t, how)
    before = moments.filter(pl.col("at") <= t)
    for expiry in (None, timedelta(hours=5), "expires_at"):
        join = partial(as_known, by=["who", "field"], columns=["ts", "known_at", "value"], expiry=expiry)
        seen = join(moments, facts).filter(pl.col("at") <= t)
        assert_frame_equal(seen, join(moments, then).filter(pl.col("at") <= t), check_exact=True)
        assert_frame_equal(seen, join(before, then), check_exact=True)
    known = facts.drop_nulls("who"), then.drop_nulls("who")
    by = ["who", "field"]
    assert_frame_equal(vintage(known[0], t, by=by), vintage(known[1], t, by=by), check_exact=True)


def test_vintage_against_a_slow_reference() -> None:
    for seed in range(100):
        facts = world(seed)[1].drop_nulls("who")
        for moment in (0, 7, 13, 25):
            t = hour(moment)
            assert t is not None
            newest: dict[tuple[object, ...], Row] = {}
            for row in facts.sort("known_at").iter_rows(named=True):
                if row["known_at"] <= t:
                    newest[(row["who"], row["field"], row["ts"])] = row
            expected = pl.DataFrame([newest[key] for key in sorted(newest)], FACTS)  # type: ignore[type-var]
            assert_frame_equal(vintage(facts, t, by=["who", "field"]), expected)


def test_the_example_of_the_docs_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "alignment.md").read_text()
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(example) == 1
    exec(compile(example[0], "docs/alignment.md", "exec"), {})


def test_mistakes_are_named() -> None:
    moments, facts = world(3)
    with pytest.raises(ValueError, match=r"facts: columns \['size'\] are missing"):
        as_known(moments, facts, by=["who"], columns=["size"])
    with pytest.raises(ValueError, match=r"moments: columns \['when'\] are missing"):
        as_known(moments, facts, by=["who"], columns=["value"], at="when")
    with pytest.raises(ValueError, match="rename them"):
        as_known(moments, facts, by=["who"], columns=["field"])
    naive = moments.with_columns(pl.col("at").dt.replace_time_zone(None))
    with pytest.raises(ValueError, match="convert it to UTC"):
        as_known(naive, facts, by=["who"], columns=["value"])
    with pytest.raises(ValueError, match="rows have no known_at"):
        as_known(moments, facts.with_columns(known_at=pl.lit(None, UTC_TIME)), by=["who"], columns=["value"])
    with pytest.raises(ValueError, match="rows have no who"):
        vintage(facts.with_columns(who=pl.lit(None, pl.String)), START, by=["who"])
