"""Bad input at the landing folder, as real bytes, all the way: sensor, assets, checks.

For every bad file: a clear message naming file, partition or rule and remedy; the file still lies where it
was dropped; what is good gets in, rows in = rows out + rows in quarantine; no other partition changes.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import LONG_AGO, Lineage, checks_of, metadata_of, open_lineage
from lake_rows import content_hash

from assets.automation import landing_sensor
from lim_pipelines.lake import LATEST, scope_of
from lim_pipelines.schemas import ALIGNED_BARS, LANDING_FILES, QUARANTINE, RAW_QUOTES, VALIDATED_BARS
from resources.home import Home

HEADER = "symbol,date,open,high,low,close,volume\n"
GOOD = "IBM,2018-11-20,117,118,116,117.2,5000\n"
TABLES = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS)
STEPS = ("raw_quotes", "aligned_bars", "validated_bars")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")

ELSEWHERE = scope_of(
    {"exchange": ["XNYS"], "date": [date(2018, 11, d) for d in range(12, 31) if d not in (20, 21, 22)]}
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lineage]:
    """A platform that already holds two weeks; the tests drop bad files on it, each a name of its own."""
    with open_lineage(tmp_path_factory.mktemp("platform")) as lineage:
        lineage.drop(HEADER + "IBM,2018-11-19,117,118,116,117.2,5000\n", "XNYS/before.csv")
        lineage.run("landing_files", checks=False)
        lineage.quotes("2018-11-12|XNYS", "2018-11-30|XNYS")
        yield lineage


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def content_of(lineage: Lineage) -> list[str]:
    return [content_hash(lineage.lake, table, ELSEWHERE) for table in TABLES]


def arrive(lineage: Lineage) -> tuple[Any, list[Any]]:
    """Let the sensor look, run the ledger as it asks, let it look again; the ledger's run, and the loads'."""
    cursor = json.dumps({"ledger": lineage.lake.version(LANDING_FILES)})

    def look() -> list[dg.RunRequest]:
        home = {"home": Home(root=str(lineage.path))}
        sensed = landing_sensor(dg.build_sensor_context(lineage.instance, cursor=cursor, resources=home))
        assert isinstance(sensed, dg.SensorResult)
        return list(sensed.run_requests or ())

    (request,) = look()
    assert request.asset_selection == [dg.AssetKey("landing_files")]
    ledger = lineage.run("landing_files")
    results = []
    for request in look():
        names = [key.to_user_string() for key in request.asset_selection or ()]
        start, end = (request.tags.get(tag, "") for tag in RANGE)
        results.append(lineage.run(*names, start=start, end=end, checks=False))
    return ledger, results


REFUSED: dict[str, tuple[str, bytes, str, str]] = {
    "truncated": (
        "cut.csv",
        (HEADER + GOOD + GOOD[:20]).encode(),
        "truncated",
        "drop the complete file again",
    ),
    "truncated gzip": (
        "cut.csv.gz",
        gzip.compress((HEADER + GOOD * 50).encode())[:-12],
        "truncated",
        "drop the complete file again",
    ),
    "wrong columns": ("columns.csv", b"when,what\n2018-11-20,117\n", "wrong_columns", "symbol"),
    "another encoding": (
        "latin.csv",
        (HEADER + GOOD.replace("IBM", "\xefBM")).encode("latin-1"),
        "encoding",
        "save the file as UTF-8",
    ),
    "utf-16": ("utf16.csv", (HEADER + GOOD).encode("utf-16"), "encoding", "save the file as UTF-8"),
    "a name that is not UTF-8": (
        os.fsdecode(b"caf\xe9.csv"),
        (HEADER + GOOD).encode(),
        "file_name",
        "rename it",
    ),
    "empty": ("empty.csv", b"", "empty_file", "drop the complete file again"),
    "zip bomb": ("bomb.zip", zipped("a.csv", b"0" * 200_000_000), "zip_bomb", "drop it unpacked"),
    "zip slip": (
        "slip.zip",
        zipped("../../../evil.csv", (HEADER + GOOD).encode()),
        "zip_path_escape",
        "pack plain files",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused_as_a_whole(platform: Lineage, case: str) -> None:
    name, content, rule, remedy = REFUSED[case]
    everything = scope_of({"exchange": ["XNYS"], "date": [date(2018, 11, d) for d in range(12, 31)]})
    before = [content_hash(platform.lake, table, everything) for table in TABLES]
    file = platform.drop(content, f"XNYS/{name}")

    ledger, loads = arrive(platform)

    assert not loads, "no partition is asked for"
    check = checks_of(ledger)["landing_files/refused_files"]
    listed = f"csv_drop/XNYS/{os.fsencode(name).decode(errors='backslashreplace')}"
    refused = [record.data for record in check.metadata["files"].value.records]
    (line,) = [line for line in refused if line["path"] == listed]
    assert line["rule"] == rule
    assert remedy in line["reason"]
    assert not check.passed
    # A run over the file's own dates goes through and leaves it out.
    run = platform.quotes("2018-11-12|XNYS", "2018-11-30|XNYS")
    assert metadata_of(run, "raw_quotes")["partitions_changed"] == 0
    assert [content_hash(platform.lake, table, everything) for table in TABLES] == before
    assert file.read_bytes() == content, "the file still lies there"
    file.unlink()


def test_a_link_out_of_the_folder_is_refused_and_never_followed(platform: Lineage) -> None:
    secret = platform.path.parent / "secret.csv"
    secret.write_text(HEADER + "IBM,2018-11-20,666,666,666,666,666\n")
    links = platform.landing / "csv_drop" / "XNYS"
    for name, target in (("link.csv", secret), ("folder", secret.parent)):
        (links / name).symlink_to(target)
        os.utime(links / name, (LONG_AGO.timestamp(),) * 2, follow_symlinks=False)
    ledger, _ = arrive(platform)
    files = str(checks_of(ledger)["landing_files/refused_files"].metadata["files"].value)
    run = platform.quotes("2018-11-20|XNYS", "2018-11-21|XNYS")
    assert run.success
    closes = platform.lake.revisions(RAW_QUOTES).collect()["close"]
    assert 666 not in closes.to_list()
    escapes = platform.lake.revisions(LANDING_FILES, pl.col("rule") == "path_escape").collect()
    assert escapes["path"].sort().to_list() == ["csv_drop/XNYS/folder", "csv_drop/XNYS/link.csv"]
    assert "csv_drop/XNYS/link.csv" in files
    for name in ("link.csv", "folder"):
        (links / name).unlink()


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()
DUPLICATE = "IBM,2018-11-20,117,118,116,117.2,5000\n"
HELD_BACK: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    # Content after a good first row, and (line, stage, rule) of what must be held back.
    "negative price": (
        "IBM,2018-11-21,118,119,-117,118.5,5000\n",
        [(3, "validate", "positive_prices")],
    ),
    "high below low": ("IBM,2018-11-21,118,116,117,118.5,5000\n", [(3, "validate", "ohlc_order")]),
    "the same bar twice": (DUPLICATE, [(3, "parse", "duplicate_bar")]),
    "two bars for one session": (
        "IBM,2018-11-20,117,118,116,117.5,5000\n",
        [(2, "parse", "conflicting_duplicate"), (3, "parse", "conflicting_duplicate")],
    ),
    "a future date": (f"IBM,{TOMORROW},118,119,117,118.5,5000\n", [(3, "parse", "future_bar")]),
    "a holiday": ("IBM,2018-11-22,118,119,117,118.5,5000\n", [(3, "align", "closed_session")]),
    "no number": ("IBM,2018-11-21,118,119,117,many,5000\n", [(3, "parse", "unparsable_number")]),
    "too few fields": ("IBM,2018-11-21,118\n", [(3, "parse", "wrong_field_count")]),
}


@pytest.mark.parametrize("case", HELD_BACK)
def test_a_bad_row_is_held_back_and_the_good_ones_get_in(lineage: Lineage, case: str) -> None:
    rows, expected = HELD_BACK[case]
    content = HEADER + GOOD + rows
    lineage.quotes("2018-11-12|XNYS", "2018-11-30|XNYS")
    before = content_of(lineage)
    file = lineage.drop(content, "XNYS/rows.csv")

    _, (quotes,) = arrive(lineage)

    held = lineage.lake.read(QUARANTINE, as_of=LATEST).collect().sort("line")
    assert held.select("line", "stage", "rule").rows() == expected
    for row in held.iter_rows(named=True):
        assert row["file"] == "csv_drop/XNYS/rows.csv"
        assert row["exchange"] == "XNYS"
        assert date(2018, 11, 20) <= row["date"] <= date(2018, 11, 22), (
            "filed under a partition people look at"
        )
        assert "; " in row["reason"], "what is wrong; what to do"
        assert "IBM" in row["evidence"], "the row itself is kept"

    # The bars that are good are published; what is held back is not; nothing is lost on the way.
    published = lineage.lake.revisions(VALIDATED_BARS, pl.col("source") == "csv_drop").collect()
    assert published.height == 2 - len(expected)
    for step in STEPS:
        metadata = metadata_of(quotes, step)
        assert metadata["rows_in"] == metadata["dagster/row_count"] + metadata["rows_quarantined"]
    assert content_of(lineage) == before, "other partitions are as they were"
    assert file.read_text() == content


def test_the_quarantine_check_leads_from_the_badge_to_the_line(lineage: Lineage) -> None:
    lineage.drop(HEADER + GOOD + "IBM,2018-11-21,118,119,-117,118.5,5000\n", "XNYS/rows.csv")
    result = lineage.quotes("2018-11-20|XNYS", "2018-11-21|XNYS", checks={"quarantine"})
    check = checks_of(result)["validated_bars/quarantine"]
    assert not check.passed
    assert check.description == "1 rows were held back; see the rules below"
    (record,) = check.metadata["sample"].value.records
    assert record.data == {
        "rule": "positive_prices",
        "symbol": "XNYS:IBM",
        "ts": "2018-11-21 21:00",
        "open": "118.0",
        "high": "119.0",
        "low": "-117.0",
        "close": "118.5",
        "volume": "5000.0",
        "file and line": "rows.csv:3",
    }
    assert check.metadata["files"].value == "csv_drop/XNYS/rows.csv"
    assert "correct the price at the vendor" in str(check.metadata["by_rule"].value)


def test_checks_see_exchanges_in_whatever_order_they_came(lineage: Lineage) -> None:
    lineage.instance.add_dynamic_partitions("exchange", ["BINANCE"])
    lineage.drop(HEADER + GOOD + "IBM,2018-11-21,118,119,-117,118.5,5000\n", "XNYS/rows.csv")
    result = lineage.quotes("2018-11-20|XNYS", "2018-11-21|BINANCE", checks={"quarantine"})
    assert not checks_of(result)["validated_bars/quarantine"].passed


def test_a_corrected_file_empties_the_quarantine(lineage: Lineage) -> None:
    span = ("2018-11-20|XNYS", "2018-11-21|XNYS")
    bad, good = (f"IBM,2018-11-21,118,119,{low},118.5,5000\n" for low in ("many", "117"))
    lineage.drop(HEADER + GOOD + bad, "XNYS/rows.csv")
    lineage.quotes(*span)
    assert lineage.lake.read(QUARANTINE, as_of=LATEST).collect().height == 1
    lineage.drop(HEADER + GOOD + good, "XNYS/rows.csv", datetime(2020, 2, 1, tzinfo=UTC))
    lineage.quotes(*span)
    assert lineage.lake.read(QUARANTINE, as_of=LATEST).collect().is_empty()
    assert (
        lineage.lake.read(VALIDATED_BARS, as_of=LATEST).collect()["date"].to_list().count(date(2018, 11, 21))
        == 2
    )


def test_a_bar_that_is_taken_back_goes_out_of_every_table_and_stays_in_the_past(lineage: Lineage) -> None:
    both = HEADER + GOOD + "IBM,2018-11-21,118,119,117,118.5,5000\n"
    lineage.drop(both, "XNYS/rows.csv")
    arrive(lineage)
    before = datetime.now(UTC)
    lineage.drop(HEADER + GOOD, "XNYS/rows.csv", datetime(2020, 2, 1, tzinfo=UTC))
    _, (load,) = arrive(lineage)
    assert load.success
    ibm = pl.col("source") == "csv_drop"
    for table in TABLES:
        days = [
            sorted(lineage.lake.read(table, as_of=as_of, where=ibm).collect()["date"].dt.day())
            for as_of in (before, LATEST)
        ]
        assert days == [[20, 21], [20]], table.name
    # A file that is deleted takes nothing back.
    (lineage.landing / "csv_drop" / "XNYS" / "rows.csv").unlink()
    assert arrive(lineage)[1] == []
    lineage.quotes("2018-11-20|XNYS", "2018-11-21|XNYS")
    assert lineage.lake.read(VALIDATED_BARS, as_of=LATEST, where=ibm).collect().height == 1


def bad_disk(lineage: Lineage) -> Callable[[], None]:
    folder = lineage.path / "lake" / "validated_bars"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("this is not a folder")
    return folder.unlink


def test_a_run_that_fails_leaves_what_was_there_and_can_be_repeated(lineage: Lineage) -> None:
    lineage.drop(HEADER + GOOD, "XNYS/rows.csv")
    repair = bad_disk(lineage)
    with pytest.raises(Exception, match="validated_bars"):
        lineage.quotes("2018-11-20|XNYS")
    repair()
    lineage.quotes("2018-11-20|XNYS")
    assert lineage.lake.read(VALIDATED_BARS, as_of=LATEST).collect().height == 2
