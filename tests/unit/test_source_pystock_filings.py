"""Filings of pystock: known from the open after their delivery, repeated, corrected, contradicting."""

import io
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read_tables, rules
from shared_data import folder

from lim_pipelines.align.revisions import merge
from lim_pipelines.schemas import RAW_FACTS
from lim_pipelines.sources.base import ParsedTables, RejectedFileError
from lim_pipelines.sources.filing_rows import COLUMNS, FIGURES
from lim_pipelines.sources.pystock_filings import PystockCollectionFilings, PystockFilings

HEADER = ",".join(COLUMNS)
LATE = datetime(2026, 9, 2, tzinfo=UTC)


def line(
    symbol: str, end: str = "2015-06-30", form: str = "10-Q", amend: str = "False", **figures: str
) -> str:
    first = [symbol, end, amend, "FY" if form == "10-K" else "Q2", "2015", form]
    return ",".join([*first, *(figures.get(name, "") for name in FIGURES)])


def tar(*lines: str, header: bool = True, name: str = "reports.csv") -> bytes:
    content = "".join(f"{row}\r\n" for row in ([HEADER, *lines] if header else lines)).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def facts(parsed: ParsedTables, *columns: str) -> list[tuple[object, ...]]:
    return sorted(parsed.rows["raw_facts"].select(columns).rows())


def lines_told(parsed: ParsedTables) -> int:
    return parsed.rows["raw_events"].height + parsed.rejected.height


def test_a_filing_is_known_from_the_open_after_its_delivery_not_from_the_end_of_its_period(
    tmp_path: Path,
) -> None:
    drop(tmp_path, "pystock/2015/20150821.tar.gz", tar(line("AMS", revenues="4394000.0", assets="5e7")))
    parsed = read_tables(PystockFilings(), tmp_path)
    # A Friday; the next session is Monday.
    monday = datetime(2015, 8, 24, 13, 30, tzinfo=UTC)
    end = datetime(2015, 6, 30, 23, 59, 59, tzinfo=UTC)
    assert facts(parsed, "field", "period", "ts", "value", "known_at") == [
        ("assets", "instant", end, 5e7, monday),
        ("revenues", "Q", end, 4394000.0, monday),
    ]
    (event,) = parsed.rows["raw_events"].rows(named=True)
    assert (event["kind"], event["detail"], event["ts"], event["known_at"]) == (
        *("filing", "10-Q"),
        *(monday, monday),
    )


def test_a_feed_is_known_when_it_arrives(tmp_path: Path) -> None:
    arrived = datetime(2015, 9, 3, 2, 1, tzinfo=UTC)
    content = tar(line("AMS", revenues="1"))
    drop(tmp_path, "pystock/20150821.tar.gz", content, history=False, arrived=arrived)
    parsed = read_tables(PystockFilings(), tmp_path)
    assert facts(parsed, "known_at") == [(arrived,)]
    # What happened at the market happened then, whenever it reached us.
    assert parsed.rows["raw_events"]["ts"].to_list() == [datetime(2015, 8, 24, 13, 30, tzinfo=UTC)]


def test_periods_units_and_forms(tmp_path: Path) -> None:
    quarter = line("A", eps_basic="0.3", cash_flow_op="7", cash="2")
    year = line("B", form="10-K", amend="True", net_income="5", dividend="0.4")
    drop(tmp_path, "pystock/20150821.tar.gz", tar(quarter, year, header=False))
    parsed = read_tables(PystockFilings(), tmp_path)
    assert facts(parsed, "symbol", "field", "period", "unit", "form") == [
        ("A", "cash", "instant", "USD", "10-Q"),
        ("A", "cash_flow_op", "YTD", "USD", "10-Q"),
        ("A", "eps_basic", "Q", "USD/share", "10-Q"),
        ("B", "dividend", "FY", "USD/share", "10-K/A"),
        ("B", "net_income", "FY", "USD", "10-K/A"),
    ]
    # Without the header, line 1 is a filing.
    assert parsed.rows["raw_events"].sort("symbol")["line"].to_list() == [1, 2]


def test_the_first_delivery_counts_and_another_value_is_a_revision(tmp_path: Path) -> None:
    first, other = line("A", revenues="10", cash="1"), line("A", revenues="11", cash="1")
    for day, row in (("20150819", first), ("20150820", first), ("20150821", other), ("20151104", other)):
        drop(tmp_path, f"pystock/{day}.tar.gz", tar(row))
    source = PystockFilings()
    parsed = read_tables(source, tmp_path)
    assert rules(parsed) == {"duplicate_filing": 2}
    assert lines_told(parsed) == 4
    lake = RAW_FACTS.empty()
    for file in source.files(tmp_path):
        for block in source.read(file, tmp_path):
            lake = merge(lake, block.rows["raw_facts"], LATE, RAW_FACTS)
    revenues = lake.filter(pl.col("field") == "revenues").sort("known_at")
    assert revenues.select("value", pl.col("known_at").dt.date()).rows() == [
        (10.0, date(2015, 8, 20)),
        (11.0, date(2015, 8, 24)),
    ]
    assert lake.filter(pl.col("field") == "cash").height == 1


def test_deliveries_that_arrive_together_keep_their_order(tmp_path: Path) -> None:
    for day, value in (("20150819", "10"), ("20150820", "11"), ("20150821", "12")):
        drop(tmp_path, f"pystock/{day}.tar.gz", tar(line("A", revenues=value)), history=False)
    parsed = read_tables(PystockFilings(), tmp_path)
    assert parsed.rows["raw_facts"].sort("known_at")["value"].to_list() == [10.0, 11.0, 12.0]
    RAW_FACTS.conform(parsed.rows["raw_facts"])


def test_lines_that_contradict_each_other_are_all_held_back(tmp_path: Path) -> None:
    one, two = line("AAMC", net_income="12424000"), line("AAMC", net_income="6835000")
    drop(
        tmp_path,
        "pystock/20150507.tar.gz",
        tar(one, two, line("B", cash="1", end="2015-03-31")),
    )
    drop(tmp_path, "pystock/20150821.tar.gz", tar(one, two, two, line("B", cash="1")))
    parsed = read_tables(PystockFilings(), tmp_path)
    told = parsed.rejected.filter(pl.col("date") == date(2015, 8, 21))
    assert told["rule"].to_list() == ["contradicting_filings"] * 3
    assert facts(parsed, "symbol") == [("B",), ("B",)]


def test_of_one_delivery_the_amendment_has_the_last_word(tmp_path: Path) -> None:
    rows = [line("A", amend="True", revenues="12"), line("A", revenues="11", cash="3")]
    drop(tmp_path, "pystock/20150821.tar.gz", tar(*rows))
    parsed = read_tables(PystockFilings(), tmp_path)
    assert facts(parsed, "field", "value", "form") == [("cash", 3.0, "10-Q"), ("revenues", 12.0, "10-Q/A")]
    assert parsed.rows["raw_events"]["detail"].to_list() == ["10-Q, 10-Q/A"]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (line("A", end="2015-08-22", cash="1"), "after_collection"),
        (line("A", end="2015-02-30"), "unparsable_date"),
        (line("A", cash="lots"), "unparsable_number"),
        (line("A", cash="inf"), "unparsable_number"),
        (line("A", form="20-F"), "unknown_form"),
        (line("A", amend="maybe"), "unknown_form"),
        (line(""), "missing_value"),
        ("A,2015-06-30,False", "wrong_columns"),
        (line("A") + ",1", "wrong_columns"),
    ],
)
def test_what_cannot_be_believed_is_held_back_with_its_line(tmp_path: Path, row: str, rule: str) -> None:
    drop(tmp_path, "pystock/20150821.tar.gz", tar(line("GOOD", cash="NaN", revenues="1"), row))
    parsed = read_tables(PystockFilings(), tmp_path)
    assert facts(parsed, "symbol", "field") == [("GOOD", "revenues")]
    held = parsed.rejected.row(0, named=True)
    assert (held["rule"], held["line"]) == (rule, 3)
    assert held["file"] == "pystock/history/20150821.tar.gz#reports.csv"
    assert held["date"] == date(2015, 8, 21)


def test_a_drop_without_reports_is_refused_and_a_damaged_one_keeps_no_other_out(tmp_path: Path) -> None:
    whole = tar(line("A", cash="1"))
    drop(tmp_path, "pystock/20150819.tar.gz", whole[: len(whole) // 2])
    drop(tmp_path, "pystock/20150820.tar.gz", tar(name="other.csv"))
    drop(tmp_path, "pystock/20150821.tar.gz", whole)
    source = PystockFilings()
    damaged, without, good = source.files(tmp_path)
    with pytest.raises(RejectedFileError, match="truncated"):
        list(source.read(damaged, tmp_path))
    with pytest.raises(RejectedFileError, match="archive_members"):
        list(source.read(without, tmp_path))
    (parsed,) = source.read(good, tmp_path)
    assert parsed.rows["raw_facts"].height == 1


def collection(rows: list[tuple[str, str]]) -> bytes:
    text = "\n".join([f"{HEADER},collected", *(f"{row},{day}" for row, day in rows)]).encode()
    types = {**dict.fromkeys(("symbol", "amend", "period_focus", "doc_type"), pl.String)}
    types |= {"fiscal_year": pl.Int32, "end_date": pl.Date, "collected": pl.Date}
    table = pl.read_csv(text, schema_overrides={**types, **dict.fromkeys(FIGURES, pl.Float64)})
    packed = io.BytesIO()
    table.write_parquet(packed)
    return packed.getvalue()


def test_a_collection_of_drops_says_the_same(tmp_path: Path) -> None:
    first, other = line("A", revenues="10", cash="1.5"), line("A", revenues="11", cash="1.5")
    rows = [(first, "2015-08-19"), (first, "2015-08-20"), (other, "2015-08-21")]
    for row, day in rows:
        drop(tmp_path, f"pystock/{day.replace('-', '')}.tar.gz", tar(row))
    drop(tmp_path, "pystock_collection/reports.parquet", collection(rows))
    drops = read_tables(PystockFilings(), tmp_path)
    table = read_tables(PystockCollectionFilings(), tmp_path)
    shown = ["symbol", "field", "period", "ts", "value", "unit", "form", "known_at"]
    assert facts(drops, *shown) == facts(table, *shown)
    assert rules(drops) == rules(table) == {"duplicate_filing": 1}
    # Of a feed all of it is known at arrival, one delivery after the other.
    feed = tmp_path / "feed"
    drop(feed, "pystock_collection/reports.parquet", collection(rows), history=False)
    revisions = read_tables(PystockCollectionFilings(), feed).rows["raw_facts"]
    arrived = datetime(2026, 9, 1, tzinfo=UTC)
    told = revisions.filter(pl.col("field") == "revenues").sort("known_at")
    assert told["value"].to_list() == [10.0, 11.0]
    assert told["known_at"].to_list() == [arrived, arrived.replace(microsecond=1)]


def test_the_vendors_drops(tmp_path: Path) -> None:
    copy(tmp_path, "pystock", folder("us_equity_eod_and_filings_pystock") / "raw")
    parsed = read_tables(PystockFilings(), tmp_path)
    assert rules(parsed) == {"duplicate_filing": 44}
    assert parsed.rows["raw_facts"].height == 1394
    # 145 lines: 101 filings, three of which one company filed on one day.
    assert parsed.rows["raw_events"].height == 98
    # The drop of the 31st has no header: its first line is a filing.
    told = parsed.rows["raw_facts"].filter((pl.col("symbol") == "BURL") & (pl.col("field") == "revenues"))
    assert told.select("line", "value", "period", "form", "known_at").rows() == [
        (1, 1_144_218_000.0, "Q", "10-Q", datetime(2015, 9, 1, 13, 30, tzinfo=UTC))
    ]


def test_the_vendors_collection(tmp_path: Path) -> None:
    real = folder("us_equity_eod_and_filings_pystock")
    copy(tmp_path, "pystock_collection", real, only="reports.parquet")
    parsed = read_tables(PystockCollectionFilings(), tmp_path)
    assert rules(parsed) == {"contradicting_filings": 120, "duplicate_filing": 12_976}
    table = pl.read_parquet(real / "reports.parquet")
    assert table.height == 25_583
    told = parsed.rows["raw_facts"]
    assert told.height == 165_197
    assert parsed.rows["raw_events"].height == 12_403
    # No filing is known within two weeks of the end of its period.
    lag = told.select((pl.col("known_at") - pl.col("ts")).dt.total_days())
    assert lag.to_series().min() == 14
    microsoft = told.filter((pl.col("symbol") == "MSFT") & (pl.col("field") == "revenues")).sort("ts")
    assert microsoft.select("period", "form", "value", "known_at").rows() == [
        ("Q", "10-Q", 21_729e6, datetime(2015, 4, 24, 13, 30, tzinfo=UTC)),
        ("FY", "10-K", 93_580e6, datetime(2015, 8, 3, 13, 30, tzinfo=UTC)),
        ("Q", "10-Q", 20_379e6, datetime(2015, 10, 23, 13, 30, tzinfo=UTC)),
    ]
