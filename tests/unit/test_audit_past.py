"""The lake as it was known at a moment: reads, what it refuses, steps done again on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_rows import DAY, bar, frame

from lim_pipelines.audit.rehearsal import Rehearsal
from lim_pipelines.lake import LATEST, Lake, as_of_view
from lim_pipelines.lake.past import CLOCKS, DATED, WITHOUT_CLOCK, Past, ReadOnlyError
from lim_pipelines.newest import judged_versions, moved
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    LISTINGS,
    RELEASES,
    TABLES,
    TARGETS,
    VALIDATED_BARS,
    VALIDATED_FACTS,
    SchemaError,
    Table,
)

FIRST = datetime(2018, 10, 1, 22, tzinfo=UTC)


def sorted_rows(rows: pl.LazyFrame, table: Table = VALIDATED_BARS) -> pl.DataFrame:
    return rows.sort(table.row_key).collect()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_past_is_the_lake_of_that_moment(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    known = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), unique=True, max_size=12))
    rows = frame(
        *(
            bar(
                DAY + timedelta(days=d),
                close=float(10 * d + k),
                known_day=DAY + timedelta(days=d + k),
                withdrawn=k % 3 == 2,
            )
            for d, k in known
        )
    )
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.write(VALIDATED_BARS, rows, rows)
    moment = FIRST + timedelta(days=data.draw(st.integers(-1, 13)))
    past = Past(lake, moment)
    there = rows.filter(pl.col("known_at") <= moment)
    assert sorted_rows(past.revisions(VALIDATED_BARS)).equals(VALIDATED_BARS.conform(there))
    expected = as_of_view(there, moment, VALIDATED_BARS)
    assert sorted_rows(past.read(VALIDATED_BARS, as_of=LATEST)).equals(expected)
    other = FIRST + timedelta(days=data.draw(st.integers(-1, 13)))
    assert sorted_rows(past.read(VALIDATED_BARS, as_of=other)).equals(
        as_of_view(rows, min(moment, other), VALIDATED_BARS)
    )
    assert sorted_rows(Past(past, other).revisions(VALIDATED_BARS)).equals(
        VALIDATED_BARS.conform(there.filter(pl.col("known_at") <= other))
    ), "a past of a past"


def test_every_table_without_known_at_has_a_clock_or_a_reason() -> None:
    without = {table.name for table in TABLES.values() if not table.has_revisions}
    assert without == set(CLOCKS) | set(WITHOUT_CLOCK)
    assert not set(DATED) & without
    for reason in (*WITHOUT_CLOCK.values(), *DATED.values()):
        assert reason


def test_targets_are_known_since_they_were_decided(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = pl.DataFrame(
        {"date": [DAY, DAY + timedelta(days=1)], "decided_at": [FIRST, FIRST + timedelta(days=1)]}
    ).with_columns(
        pl.lit("x").alias("instrument_id"),
        strategy=pl.lit("s"),
        cutoff=pl.lit(DAY),
        spec_digest=pl.lit(""),
        model_digest=pl.lit(""),
        arm=pl.lit("full"),
        seed=pl.lit(0),
        exchange=pl.lit("XNAS"),
        forecast=pl.lit(0.0),
        weight=pl.lit(0.0),
    )
    lake.write(TARGETS, rows, rows)
    past = Past(lake, FIRST)
    for found in (past.read(TARGETS, as_of=LATEST), past.revisions(TARGETS)):
        assert found.collect()["decided_at"].to_list() == [FIRST]


def listing(symbol: str, first: date, last: date | None) -> dict[str, Any]:
    row: dict[str, Any] = {"source": "wire", "symbol": symbol, "exchange": "XNYS", "name": symbol}
    row |= {"instrument_id": f"XNYS:{symbol}", "asset_class": "equity", "currency": "USD", "file": "test"}
    return {**row, "first": first, "last": last, "known_at": datetime(2026, 1, 1, tzinfo=UTC)}


def test_listings_are_shown_by_their_own_dates(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    day = timedelta(days=1)
    rows = LISTINGS.conform(
        pl.DataFrame(
            [
                listing("OVER", date(2000, 1, 1), DAY - day),
                listing("ENDS", date(2000, 1, 1), DAY + 9 * day),
                listing("LATER", DAY + 9 * day, None),
                listing("EVENING", DAY + day, None),
            ],
            schema_overrides={"last": pl.Date},
        )
    )
    lake.write(LISTINGS, rows, rows)
    past = Past(lake, FIRST)
    for shown in (known_listings(past), past.revisions(LISTINGS).collect()):
        found = {
            row["symbol"]: row["last"]
            for row in shown.filter(pl.col("source") == "wire").iter_rows(named=True)
        }
        assert found == {"OVER": DAY - day, "ENDS": None, "EVENING": None}


def test_releases_that_put_history_right_are_always_known(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    row = {"exchange": "XNAS", "date": DAY, "rule": "tick", "content": "c", "released_by": "me", "why": "ok"}
    late = FIRST + timedelta(days=30)
    rows = RELEASES.conform(
        pl.DataFrame(
            [{**row, "symbol": since, "since": since, "known_at": late} for since in ("arrival", "release")]
        )
    )
    lake.write(RELEASES, rows, rows)
    past = Past(lake, FIRST)
    for found in (past.read(RELEASES, as_of=LATEST), past.revisions(RELEASES)):
        assert found.collect()["since"].to_list() == ["arrival"]
    assert Past(lake, late).read(RELEASES, as_of=LATEST).collect().height == 2


def test_a_past_cannot_be_written_nor_read_round(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(bar())
    lake.write(VALIDATED_BARS, rows, rows)
    past = Past(lake, FIRST)
    tries: list[Callable[[], object]] = [
        lambda: past.write(VALIDATED_BARS, rows, rows),
        lambda: past.update(VALIDATED_BARS, rows, lambda there: there),
        lambda: past.open(VALIDATED_BARS),
        lambda: past.changed_since(VALIDATED_BARS, 0),
        lambda: past.has_version(VALIDATED_BARS, 0),
        lambda: past.file_uris(VALIDATED_BARS),
    ]
    for attempt in tries:
        with pytest.raises(ReadOnlyError, match="test_audit_past"):
            attempt()
    assert past.version(VALIDATED_BARS) == lake.version(VALIDATED_BARS)


def test_a_past_remembers_who_read_what(tmp_path: Path) -> None:
    past = Past(Lake(tmp_path), FIRST)
    past.read(VALIDATED_BARS, as_of=FIRST)
    past.revisions(VALIDATED_FACTS, pl.col("year") == 2018)
    known_listings(past)
    assert [(read.table.name, read.asked) for read in past.reads] == [
        ("validated_bars", FIRST),
        ("validated_facts", None),
        ("listings", LATEST),
    ]
    assert past.reads[0].reader.endswith("test_a_past_remembers_who_read_what")
    assert past.reads[1].where is not None
    assert past.reads[2].reader == "lim_pipelines.reference.known_listings"


def test_a_rehearsal_keeps_what_is_written_and_finds_nothing_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    there = frame(bar())
    lake.write(VALIDATED_BARS, there, there)
    rehearsal = Rehearsal(lake, FIRST)
    other = frame(bar(DAY + timedelta(days=1), close=3.0))
    scope = pl.concat([there, other])
    commit = rehearsal.update(VALIDATED_BARS, scope, lambda found: pl.concat([found, other]))
    assert commit.content.equals(other), "the partitions look empty"
    rehearsal.write(VALIDATED_BARS, there, there)
    assert rehearsal.written(VALIDATED_BARS).equals(scope)
    assert rehearsal.written(VALIDATED_FACTS).is_empty()
    assert lake.revisions(VALIDATED_BARS).collect().equals(there), "the lake is as it was"
    with pytest.raises(ValueError, match="outside the written partitions"):
        rehearsal.write(VALIDATED_BARS, other, there)
    with pytest.raises(SchemaError):
        rehearsal.write(VALIDATED_BARS, other.drop("close"), other)


def test_a_run_beside_it_does_not_overtake_a_rehearsal(tmp_path: Path) -> None:
    lake, scope = Lake(tmp_path), pl.DataFrame({"exchange": ["XNAS"], "date": [DAY]})
    rehearsal = Rehearsal(lake, FIRST)
    seen = judged_versions(rehearsal)
    lake.write(ALIGNED_BARS, ALIGNED_BARS.conform(frame(bar())), scope)
    assert moved(lake, scope, seen)
    assert not moved(rehearsal, scope, seen)
