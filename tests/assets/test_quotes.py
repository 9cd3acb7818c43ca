"""The data half through Dagster, in process: a week with a holiday, a dropped file, the checks, the marts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from inprocess import Lineage, checks_of, metadata_of, open_lineage
from lake_rows import content_hash

from assets.checks import _refused
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import ALIGNED_BARS, LANDING_FILES, QUARANTINE, RAW_QUOTES, VALIDATED_BARS

# Thanksgiving 2018: New York closed on the 22nd and at 13:00 on the 23rd; NYMEX was open on the 22nd.
WEEK = ("2018-11-19|XNYM", "2018-11-25|XNYS")
STEPS = ("raw_quotes", "aligned_bars", "validated_bars")
HEADER = "symbol,date,open,high,low,close,volume\n"


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lineage, Any]]:
    with open_lineage(tmp_path_factory.mktemp("week")) as lineage:
        yield lineage, lineage.quotes(*WEEK, checks=True)


def versions(result: Any) -> dict[str, str]:
    return {
        event.asset_key.to_user_string(): event.materialization.tags["dagster/data_version"]
        for event in result.get_asset_materialization_events()
    }


def test_a_range_run_writes_every_partition_once(week: tuple[Lineage, Any]) -> None:
    lineage, result = week
    for step in STEPS:
        metadata = metadata_of(result, step)
        # NYMEX: five sessions, of which two without a quote; New York: four sessions.
        assert metadata["dagster/row_count"] == 7
        assert metadata["partitions_written"] == 14
        assert metadata["partitions_changed"] == 7
        assert (metadata["sessions"], metadata["closed_sessions"]) == (9, 5)
        assert len(lineage.instance.get_materialized_partitions(_key(step))) == 14
    assert metadata_of(result, "raw_quotes")["rows_in"] == 9
    assert metadata_of(result, "raw_quotes")["rows_quarantined"] == 2
    newest = lineage.lake.version(VALIDATED_BARS)
    assert lineage.lake.changed_since(VALIDATED_BARS, newest - 1).height == 7, "one commit for all of them"


def _key(name: str) -> Any:
    import dagster as dg

    return dg.AssetKey(name)


def test_closed_sessions_are_empty_and_half_days_end_early(week: tuple[Lineage, Any]) -> None:
    bars = week[0].lake.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("exchange") == "XNYS").collect()
    assert bars["date"].dt.day().to_list() == [19, 20, 21, 23]
    assert bars["ts"].to_list()[-2:] == [
        datetime(2018, 11, 21, 21, tzinfo=UTC),
        datetime(2018, 11, 23, 18, tzinfo=UTC),
    ]


def test_checks_say_what_they_saw(week: tuple[Lineage, Any]) -> None:
    checks = checks_of(week[1])
    assert checks["validated_bars/published"].passed
    assert checks["validated_bars/gate"].passed
    assert "7 of 7 partitions with rows are published" in str(checks["validated_bars/gate"].description)
    held = checks["validated_bars/quarantine"]
    assert not held.passed
    assert held.severity.value == "WARN"
    assert "missing_value" in str(held.metadata["by_rule"].value)
    assert "package://arch/data/wti/wti.csv.gz" in str(held.metadata["files"].value)


def test_running_again_changes_nothing(week: tuple[Lineage, Any]) -> None:
    lineage, first = week
    before = lineage.lake.version(VALIDATED_BARS)
    again = lineage.quotes(*WEEK)
    assert {metadata_of(again, step)["partitions_changed"] for step in STEPS} == {0}
    assert versions(again) == versions(first)
    assert lineage.lake.version(VALIDATED_BARS) == before


def test_a_dropped_file_reaches_the_bars_and_its_bad_rows_the_quarantine(lineage: Lineage) -> None:
    lineage.drop(
        HEADER
        + "IBM,2018-11-20,117,118,116,117.2,5000\n"  # line 2: good
        + "IBM,2018-11-21,-118,119,117,118.5,5000\n"  # line 3: a negative open
        + "IBM,2018-11-22,118,119,117,118.5,5000\n"  # line 4: Thanksgiving
        + "ENRON,2018-11-23,1,1,1,1,1\n"  # line 5: nobody knows it
        + "IBM,2018-11-23,118,119,117,many,5000\n",  # line 6: no number
        "XNYS/ibm.csv",
    )
    result = lineage.run(*STEPS, start=WEEK[0].replace("XNYM", "XNYS"), end=WEEK[1], checks=False)

    bars = lineage.lake.read(VALIDATED_BARS, as_of=LATEST).collect()
    assert bars.filter(pl.col("instrument_id") == "XNYS:IBM").select("date", "close", "source").rows() == [
        (date(2018, 11, 20), 117.2, "csv_drop")
    ]
    held = lineage.lake.read(QUARANTINE, as_of=LATEST).collect().sort("line")
    assert held.select("stage", "line", "rule").rows() == [
        ("validate", 3, "positive_prices"),
        ("align", 4, "closed_session"),
        ("align", 5, "unknown_symbol"),
        ("parse", 6, "unparsable_number"),
    ]
    assert held["file"].unique().to_list() == ["csv_drop/XNYS/ibm.csv"]
    assert all("-118" in e for e in held.filter(pl.col("line") == 3)["evidence"])
    assert "csv_drop/XNYS/ibm.csv" in str(metadata_of(result, "raw_quotes")["files"])
    for step in STEPS:
        metadata = metadata_of(result, step)
        assert metadata["rows_in"] == metadata["dagster/row_count"] + metadata["rows_quarantined"]


def test_rows_that_look_odd_go_on_and_are_counted(lineage: Lineage) -> None:
    lineage.drop(
        HEADER + "IBM,2018-11-20,117,118,116,117.2,5000\nIBM,2018-11-21,118,119,117,118.5,0\n", "XNYS/ibm.csv"
    )
    result = lineage.quotes("2018-11-20|XNYS", "2018-11-21|XNYS")
    metadata = metadata_of(result, "validated_bars")
    assert metadata["rows_warned"] == 1
    assert "| traded | 1 |" in str(metadata["warnings"])
    assert "jump" not in str(metadata["warnings"]), "rules that nothing fails are left out"


def test_a_corrected_file_becomes_a_revision_and_nothing_else_moves(lineage: Lineage) -> None:
    from lim_pipelines.lake import scope_of

    lineage.drop(HEADER + "IBM,2018-11-20,117,118,116,117.2,5000\n", "XNYS/ibm.csv")
    span = ("2018-11-19|XNYS", "2018-11-21|XNYS")
    lineage.quotes(*span)
    others = scope_of({"exchange": ["XNYS"], "date": [date(2018, 11, 19), date(2018, 11, 21)]})
    tables = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS)
    before = [content_hash(lineage.lake, table, others) for table in tables]

    corrected_at = datetime(2020, 3, 1, tzinfo=UTC)
    lineage.drop(HEADER + "IBM,2018-11-20,117,118,116,117.9,5000\n", "XNYS/ibm.csv", corrected_at)
    result = lineage.quotes(*span)

    assert metadata_of(result, "validated_bars")["partitions_changed"] == 1
    assert [content_hash(lineage.lake, table, others) for table in tables] == before
    ibm = pl.col("instrument_id") == "XNYS:IBM"
    closes = [
        lineage.lake.read(VALIDATED_BARS, as_of=as_of, where=ibm).collect()["close"].to_list()
        for as_of in (datetime(2020, 2, 1, tzinfo=UTC), LATEST)
    ]
    assert closes == [[117.2], [117.9]]


def test_refused_files_are_listed_with_rule_and_remedy(lineage: Lineage) -> None:
    lineage.drop(HEADER + "IBM,2018-11-20,117,118,116,117.2,5000\n", "XNYS/good.csv")
    bad = lineage.drop("when,what\n1,2\n", "XNYS/bad.csv")
    check = checks_of(lineage.run("landing_files"))["landing_files/refused_files"]
    assert not check.passed
    assert "csv_drop/XNYS/bad.csv" in str(check.metadata["files"].value)
    assert "wrong_columns" in str(check.metadata["files"].value)
    ledger = lineage.lake.read(LANDING_FILES, as_of=LATEST).collect()
    assert ledger.select("path", "rows", "rule").rows() == [
        ("csv_drop/XNYS/bad.csv", 0, "wrong_columns"),
        ("csv_drop/XNYS/good.csv", 1, ""),
    ]

    bad.unlink()
    assert checks_of(lineage.run("landing_files"))["landing_files/refused_files"].passed


def test_a_file_that_was_refused_twice_counts_once() -> None:
    lines = pl.DataFrame({"path": ["a", "b", "a"], "rule": "wrong_columns", "reason": "send it again"})
    result = _refused(lines)
    assert str(result.description).startswith("2 files are refused")
    shown = result.metadata["files"]
    assert [record.data["path"] for record in shown.records] == ["a", "b"], "in the page, not behind a click"


@pytest.mark.slow
def test_macro_series_and_marts(lineage: Lineage) -> None:
    macro = lineage.run("raw_macro", "aligned_macro", "validated_macro")
    for step in ("raw_macro", "aligned_macro", "validated_macro"):
        metadata = metadata_of(macro, step)
        assert metadata["dagster/row_count"] > 4000
        assert metadata["rows_in"] == metadata["dagster/row_count"] + metadata["rows_quarantined"]
    again = lineage.run("raw_macro", "aligned_macro", "validated_macro", checks=False)
    assert versions(again) == versions(macro)
    assert metadata_of(again, "raw_macro")["partitions_changed"] == 0

    lineage.quotes(*WEEK)
    from assets.marts import NAMES

    marts = lineage.run(*NAMES)
    # Two instruments; four series as known at each of the seven sessions with bars.
    assert metadata_of(marts, "data_coverage")["dagster/row_count"] == 2
    assert metadata_of(marts, "macro_as_known")["dagster/row_count"] == 28
    checks = checks_of(marts)
    assert all(check.passed for check in checks.values())
