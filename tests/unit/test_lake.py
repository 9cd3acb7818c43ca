"""The lake's promises: atomic, idempotent, point in time, partitions that do not disturb each other."""

from __future__ import annotations

import os
import random
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_rows import DAY, bar, content_hash, days, frame

from lim_pipelines.lake import (
    LATEST,
    Lake,
    LayoutError,
    as_of_view,
    fingerprint,
    maintain,
    maintenance,
    scope_of,
)
from lim_pipelines.lake.maintenance import compact, vacuum
from lim_pipelines.schemas import VALIDATED_BARS, SchemaError


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_what_is_written_is_read_and_writing_it_again_commits_nothing(lake: Lake) -> None:
    rows, scope = frame(*(bar(day) for day in days(3))), scope_of({"exchange": ["XNAS"], "date": days(5)})
    first = lake.write(VALIDATED_BARS, rows, scope)
    assert (first.rows, first.changed["date"].to_list()) == (3, days(3))
    before = content_hash(lake, VALIDATED_BARS, scope)

    again = lake.write(VALIDATED_BARS, rows.reverse(), scope)

    assert (again.version, again.changed.height) == (first.version, 0)
    assert content_hash(lake, VALIDATED_BARS, scope) == before
    assert lake.read(VALIDATED_BARS, as_of=LATEST).collect().equals(rows)


def test_a_write_replaces_only_the_partitions_that_change(lake: Lake) -> None:
    scope = scope_of({"exchange": ["XNAS", "XNYS"], "date": days(4)})
    before = lake.write(VALIDATED_BARS, frame(*(bar(d, e) for d in days(4) for e in ("XNAS", "XNYS"))), scope)
    files = set(lake.file_uris(VALIDATED_BARS))

    commit = lake.write(
        VALIDATED_BARS, frame(bar(DAY, close=2.0)), scope_of({"exchange": ["XNAS"], "date": [DAY]})
    )

    assert commit.changed.rows() == [("XNAS", DAY)]
    assert lake.changed_since(VALIDATED_BARS, before.version).rows() == [("XNAS", DAY)]
    assert lake.changed_since(VALIDATED_BARS, commit.version).is_empty()
    closes = lake.read(VALIDATED_BARS, as_of=LATEST).sort("date").collect()["close"].to_list()
    assert closes == [2.0, 1, 1, 1, 1, 1, 1, 1]
    assert {f for f in files if "exchange=XNYS" in f} <= set(lake.file_uris(VALIDATED_BARS))


def test_an_empty_partition_removes_its_rows(lake: Lake) -> None:
    scope = scope_of({"exchange": ["XNAS"], "date": days(2)})
    lake.write(VALIDATED_BARS, frame(*(bar(d) for d in days(2))), scope)
    commit = lake.write(VALIDATED_BARS, frame(), scope.filter(pl.col("date") == DAY))
    assert commit.changed.rows() == [("XNAS", DAY)]
    assert lake.read(VALIDATED_BARS, as_of=LATEST).collect()["date"].to_list() == days(2)[1:]


def test_reads_are_as_of_a_moment(lake: Lake) -> None:
    correction = bar(DAY, close=2.0, known_day=DAY + timedelta(10))
    rows = frame(bar(DAY), correction, bar(DAY + timedelta(1)))
    lake.write(VALIDATED_BARS, rows, scope_of({"exchange": ["XNAS"], "date": days(2)}))

    def closes(moment: datetime) -> list[float]:
        return lake.read(VALIDATED_BARS, as_of=moment).collect()["close"].to_list()

    assert closes(datetime(2018, 10, 1, 21, 59, tzinfo=UTC)) == []
    assert closes(datetime(2018, 10, 1, 22, tzinfo=UTC)) == [1.0]
    assert closes(datetime(2018, 10, 5, tzinfo=UTC)) == [1.0, 1.0]
    assert closes(datetime(2018, 11, 1, tzinfo=UTC)) == [2.0, 1.0]
    assert lake.read(VALIDATED_BARS, as_of=LATEST).sort("date").collect()["close"].to_list() == [2.0, 1.0]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 5)),
        unique_by=lambda r: r[:2],
        max_size=30,
    ),
    st.integers(-1, 10),
)
def test_as_of_view_against_a_slow_reference(revisions: list[tuple[int, int, int]], moment: int) -> None:
    rows = [
        bar(DAY + timedelta(day), close=float(value), known_day=DAY + timedelta(known))
        for day, known, value in revisions
    ]
    as_of = datetime(2018, 10, 1, 23, tzinfo=UTC) + timedelta(moment)
    expected = {}
    for row in sorted(rows, key=lambda r: r["known_at"]):  # type: ignore[arg-type, return-value]
        if row["known_at"] <= as_of:  # type: ignore[operator]
            expected[row["date"]] = row["close"]
    seen = as_of_view(frame(*rows), as_of, VALIDATED_BARS)
    assert dict(zip(seen["date"], seen["close"], strict=True)) == expected


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(6)))
def test_order_of_arrival_does_not_matter(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    one, other = (Lake(tmp_path_factory.mktemp("lake")) for _ in range(2))
    whole = scope_of({"exchange": ["XNAS"], "date": days(6)})
    one.write(VALIDATED_BARS, frame(*(bar(d) for d in days(6))), whole)
    for i in order:
        day = days(6)[i]
        other.write(VALIDATED_BARS, frame(bar(day)), scope_of({"exchange": ["XNAS"], "date": [day]}))
    assert content_hash(one, VALIDATED_BARS, whole) == content_hash(other, VALIDATED_BARS, whole)


def test_rows_outside_the_scope_are_refused(lake: Lake) -> None:
    with pytest.raises(ValueError, match=r"validated_bars: rows outside the written partitions.*XNYS"):
        lake.write(VALIDATED_BARS, frame(bar(DAY, "XNYS")), scope_of({"exchange": ["XNAS"], "date": [DAY]}))
    assert lake.version(VALIDATED_BARS) == -1


def test_schema_errors_name_table_and_column() -> None:
    good = frame(bar(DAY))
    with pytest.raises(SchemaError, match=r"validated_bars: columns \['close'\] are missing"):
        VALIDATED_BARS.conform(good.drop("close"))
    with pytest.raises(SchemaError, match=r"validated_bars: nulls in \['close'\]"):
        VALIDATED_BARS.conform(good.with_columns(pl.lit(None, pl.Float64).alias("close")))
    with pytest.raises(SchemaError, match="rows share a key"):
        VALIDATED_BARS.conform(pl.concat([good, good]))
    with pytest.raises(SchemaError, match="validated_bars"):
        VALIDATED_BARS.conform(good.with_columns(pl.lit("many").alias("close")))


def test_fingerprint_sees_content_not_construction() -> None:
    whole = frame(*(bar(d) for d in days(4)))
    pieces = pl.concat([whole[:1], whole[1:3], whole[3:]], rechunk=False)
    assert fingerprint(whole) == fingerprint(pieces)
    assert fingerprint(whole) != fingerprint(whole.with_columns(pl.col("close") + 1e-12))


def test_writers_of_different_partitions_do_not_meet(lake: Lake) -> None:
    lake.write(
        VALIDATED_BARS, frame(*(bar(d) for d in days(8))), scope_of({"exchange": ["XNAS"], "date": days(8)})
    )

    def correct(day: date) -> None:
        one = Lake(lake.root)
        one.write(VALIDATED_BARS, frame(bar(day, close=2.0)), scope_of({"exchange": ["XNAS"], "date": [day]}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(correct, days(8)))
    assert lake.read(VALIDATED_BARS, as_of=LATEST).sort("date").collect()["close"].to_list() == [2.0] * 8


@pytest.mark.parametrize("exists", [False, True])
def test_writers_of_the_same_new_partition_leave_it_once(lake: Lake, exists: bool) -> None:
    if exists:
        lake.write(VALIDATED_BARS, frame(bar(DAY)), scope_of({"exchange": ["XNAS"], "date": [DAY]}))
    new = days(6)[1:]
    start = Barrier(4)

    def write(_: int) -> None:
        start.wait()
        one = Lake(lake.root)
        one.write(
            VALIDATED_BARS, frame(*(bar(d) for d in new)), scope_of({"exchange": ["XNAS"], "date": new})
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    rows = lake.revisions(VALIDATED_BARS, pl.col("date") > DAY).collect()
    assert rows.height == len(new)


def test_a_partition_that_holds_a_row_twice_is_healed_by_the_next_write(lake: Lake) -> None:
    scope, rows = scope_of({"exchange": ["XNAS"], "date": [DAY]}), frame(bar(DAY))
    lake.write(VALIDATED_BARS, rows, scope)
    twice = rows.with_columns(superseded_at=pl.lit(None, VALIDATED_BARS.schema["known_at"]))
    write_deltalake(lake.uri(VALIDATED_BARS), twice.to_arrow(), mode="append")
    assert lake.write(VALIDATED_BARS, rows, scope).changed.height == 1
    assert lake.revisions(VALIDATED_BARS).collect().height == 1


def test_an_update_gets_what_is_there_and_merges_again_when_another_writer_was_faster(lake: Lake) -> None:
    scope = scope_of({"exchange": ["XNAS"], "date": [DAY]})
    lake.write(VALIDATED_BARS, frame(bar()), scope)
    seen = []

    def merge(there: pl.DataFrame) -> pl.DataFrame:
        if not seen:
            other = frame(bar(close=2.0, known_day=DAY + timedelta(1)))
            Lake(lake.root).update(VALIDATED_BARS, scope, lambda rows: pl.concat([rows, other]))
        seen.append(there.height)
        return pl.concat([there, frame(bar(close=3.0, known_day=DAY + timedelta(2)))])

    commit = lake.update(VALIDATED_BARS, scope, merge)

    assert seen == [1, 2]
    assert (commit.rows, commit.fingerprint) == (3, content_hash(lake, VALIDATED_BARS, scope))
    assert sorted(lake.revisions(VALIDATED_BARS).collect()["close"]) == [1.0, 2.0, 3.0]
    assert lake.read(VALIDATED_BARS, as_of=LATEST).collect()["close"].to_list() == [3.0]


def test_a_lake_of_another_layout_is_refused(lake: Lake) -> None:
    write_deltalake(lake.uri(VALIDATED_BARS), frame(bar()).to_arrow(), partition_by=["exchange"])
    said = r"validated_bars: .*missing: \['superseded_at'\].*make clean"
    scope = scope_of({"exchange": ["XNAS"], "date": [DAY]})
    with pytest.raises(LayoutError, match=said):
        lake.read(VALIDATED_BARS, as_of=LATEST)
    with pytest.raises(LayoutError, match=said):
        lake.write(VALIDATED_BARS, frame(bar()), scope)


REVISIONS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 3), st.booleans()),
    unique_by=lambda r: r[:2],
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REVISIONS, st.integers(-1, 10), st.randoms(use_true_random=False))
def test_what_is_written_in_any_order_is_read_as_the_view_of_its_revisions(
    tmp_path_factory: pytest.TempPathFactory,
    revisions: list[tuple[int, int, int, bool]],
    moment: int,
    order: random.Random,
) -> None:
    rows = [
        bar(DAY + timedelta(d), close=float(v), known_day=DAY + timedelta(k), withdrawn=w)
        for d, k, v, w in revisions
    ]
    lake = Lake(tmp_path_factory.mktemp("lake"))
    arrivals = list(rows)
    order.shuffle(arrivals)
    for row in arrivals:
        scope = scope_of({"exchange": ["XNAS"], "date": [row["date"]]})
        lake.update(
            VALIDATED_BARS,
            scope,
            lambda there, row=row: pl.concat([there, frame(row)]),  # type: ignore[misc]
        )
    if order.random() < 0.5:
        compact(lake, VALIDATED_BARS)

    expected, whole = VALIDATED_BARS.conform(frame(*rows)), scope_of({"exchange": ["XNAS"], "date": days(4)})
    assert lake.revisions(VALIDATED_BARS).sort(VALIDATED_BARS.row_key).collect().equals(expected)
    for as_of in (datetime(2018, 10, 1, 23, tzinfo=UTC) + timedelta(moment), LATEST):
        found = lake.read(VALIDATED_BARS, as_of=as_of).sort(VALIDATED_BARS.key).collect()
        assert found.equals(as_of_view(expected, as_of, VALIDATED_BARS))
    again = lake.write(VALIDATED_BARS, expected, whole)
    assert (again.changed.height, again.fingerprint) == (0, fingerprint(expected))


def test_a_withdrawn_bar_is_seen_before_and_not_after(lake: Lake) -> None:
    rows = frame(bar(), bar(known_day=DAY + timedelta(5), withdrawn=True))
    lake.write(VALIDATED_BARS, rows, scope_of({"exchange": ["XNAS"], "date": [DAY]}))
    before = datetime(2018, 10, 4, tzinfo=UTC)
    assert lake.read(VALIDATED_BARS, as_of=before).collect().equals(rows[:1])
    assert lake.read(VALIDATED_BARS, as_of=LATEST).collect().is_empty()
    assert lake.revisions(VALIDATED_BARS).collect().height == 2


def test_compaction_moves_rows_and_is_no_change(lake: Lake) -> None:
    for day in reversed(days(6)):
        for exchange in ("XNAS", "XNYS"):
            scope = scope_of({"exchange": [exchange], "date": [day]})
            lake.write(VALIDATED_BARS, frame(bar(day, exchange)), scope)
    before, version = (
        lake.revisions(VALIDATED_BARS).sort("exchange", "date").collect(),
        lake.version(VALIDATED_BARS),
    )

    assert compact(lake, VALIDATED_BARS) == version + 1

    assert len(lake.file_uris(VALIDATED_BARS)) == 2, "one for each exchange"
    assert lake.changed_since(VALIDATED_BARS, version).is_empty()
    assert lake.revisions(VALIDATED_BARS).sort("exchange", "date").collect().equals(before)
    one = lake.revisions(VALIDATED_BARS, pl.col("exchange") == "XNYS").collect()
    assert one["date"].is_sorted()
    assert compact(lake, VALIDATED_BARS) == version + 1, "nothing left to do"


def test_a_compaction_leaves_alone_what_a_writer_replaced_meanwhile(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in days(3):
        lake.write(VALIDATED_BARS, frame(bar(day)), scope_of({"exchange": ["XNAS"], "date": [day]}))
    original = maintenance.write_files

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        scope = scope_of({"exchange": ["XNAS"], "date": [DAY]})
        Lake(lake.root).write(VALIDATED_BARS, frame(bar(close=2.0)), scope)
        return original(*arguments, **options)

    monkeypatch.setattr(maintenance, "write_files", meanwhile)
    compact(lake, VALIDATED_BARS)
    closes = lake.read(VALIDATED_BARS, as_of=LATEST).sort("date").collect()["close"].to_list()
    assert closes == [2.0, 1.0, 1.0]


def test_retention_removes_what_only_old_versions_need(lake: Lake) -> None:
    scope = scope_of({"exchange": ["XNAS"], "date": [DAY]})
    first = lake.write(VALIDATED_BARS, frame(bar()), scope).version
    lake.write(VALIDATED_BARS, frame(bar(close=2.0)), scope)
    [left] = lake.file_uris(VALIDATED_BARS)
    (Path(left).parent / "left_by_a_killed_writer.parquet").write_bytes(b"PAR1")
    assert maintain(lake, timedelta(days=7), [VALIDATED_BARS])["files_removed"].to_list() == [0]
    assert lake.has_version(VALIDATED_BARS, first)

    _age(Path(lake.uri(VALIDATED_BARS)), timedelta(days=8))
    fresh = Path(left).parent / "of_a_writer_at_work.parquet"
    fresh.write_bytes(b"PAR1")
    later = Lake(lake.root)
    assert maintain(later, timedelta(days=7), [VALIDATED_BARS])["files_removed"].to_list() == [2]

    assert {path.name for path in Path(left).parent.glob("*.parquet")} == {Path(left).name, fresh.name}
    assert not later.has_version(VALIDATED_BARS, first)
    assert later.read(VALIDATED_BARS, as_of=LATEST).collect()["close"].to_list() == [2.0]
    version = later.version(VALIDATED_BARS)
    assert maintain(later, timedelta(days=7), [VALIDATED_BARS])["version"].to_list() == [version], "no commit"
    with pytest.raises(ValueError, match="keep 1:00:00 or more"):
        vacuum(later, VALIDATED_BARS, timedelta(minutes=5))
    with pytest.raises(ValueError, match="remembers removals for 366 days"):
        vacuum(later, VALIDATED_BARS, timedelta(days=400))


def _age(table: Path, by: timedelta) -> None:
    """Make all files and the log's removals older."""
    for path in table.rglob("*.parquet"):
        os.utime(path, (path.stat().st_mtime - by.total_seconds(),) * 2)
    for commit in (table / "_delta_log").glob("*.json"):
        removed = r'(?<="deletionTimestamp":)\d+'
        older = re.sub(
            removed, lambda m: str(int(m[0]) - by // timedelta(milliseconds=1)), commit.read_text()
        )
        commit.write_text(older)
    # They hold the removals too.
    for checkpoint in (table / "_delta_log").glob("*checkpoint*"):
        checkpoint.unlink()


def test_what_changed_is_told_of_ones_own_version_while_others_commit(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for nth in range(2):
        day = DAY + timedelta(nth)
        lake.write(VALIDATED_BARS, frame(bar(day)), scope_of({"exchange": ["XNAS"], "date": [day]}))
    log = lake.open(VALIDATED_BARS)
    assert log is not None
    for nth in range(2, 5):
        day = DAY + timedelta(nth)
        lake.write(VALIDATED_BARS, frame(bar(day)), scope_of({"exchange": ["XNAS"], "date": [day]}))
    assert log.changed_since(log.version - 1)["date"].to_list() == [DAY + timedelta(1)]
    assert log.changed_since(-1)["date"].to_list() == [DAY, DAY + timedelta(1)]
