"""pystock: when a drop is known, what differs from the drop before, and what went ex between its two days."""

import io
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read, rules
from shared_data import folder

from lim_pipelines.align.revisions import merge
from lim_pipelines.schemas import RAW_QUOTES
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.pystock import Pystock
from lim_pipelines.sources.pystock_collection import PystockCollection

HEADER = "symbol,date,open,high,low,close,volume,adj_close"
WEDNESDAY = ["BTU,2015-09-30,1.3,1.4,1.2,1.38,900,1.38", "AAPL,2015-09-30,110,111,109,110.3,500,110.3"]
# A reverse split of 1:15 on Thursday, and a volume of Apple that was corrected overnight.
THURSDAY = [
    "BTU,2015-10-01,18,19,17,17.73,80,17.73",
    "BTU,2015-09-30,1.3,1.4,1.2,1.38,900,20.70",
    "AAPL,2015-10-01,109,110,107,109.6,600,109.6",
    "AAPL,2015-09-30,110,111,109,110.3,550,110.3",
]


def tar(lines: list[str], *, header: bool = True, name: str = "prices.csv") -> bytes:
    content = "\r\n".join([HEADER, *lines] if header else lines).encode() + b"\r\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member, data in (("symbols.txt", b"BTU\tPeabody\r\n"), (name, content), ("reports.csv", b"")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    drop(tmp_path, "pystock/2015/20150930.tar.gz", tar(WEDNESDAY))
    drop(tmp_path, "pystock/2015/20151001.tar.gz", tar(THURSDAY, header=False))
    return tmp_path


def test_a_drop_is_known_from_the_next_open(landing: Path) -> None:
    rows = read(Pystock(), landing).rows
    known = dict(rows.filter(pl.col("symbol") == "BTU").select("date", "known_at").iter_rows())
    assert known == {
        date(2015, 9, 30): datetime(2015, 10, 1, 13, 30, tzinfo=UTC),
        date(2015, 10, 1): datetime(2015, 10, 2, 13, 30, tzinfo=UTC),
    }


def test_what_went_ex_is_read_within_one_drop(landing: Path) -> None:
    rows = read(Pystock(), landing).rows
    factors = dict(rows.filter(pl.col("date") == date(2015, 10, 1)).select("symbol", "ex_factor").iter_rows())
    assert factors == {"BTU": 15.0, "AAPL": 1.0}
    assert rows["vwap"].null_count() == rows.height


def test_a_delivery_that_differs_is_a_revision_and_one_that_does_not_is_held_back(landing: Path) -> None:
    parsed = read(Pystock(), landing)
    apple = parsed.rows.filter((pl.col("symbol") == "AAPL") & (pl.col("date") == date(2015, 9, 30)))
    assert apple.sort("known_at")["volume"].to_list() == [500, 550]
    assert rules(parsed) == {"duplicate_bar": 1}
    assert parsed.rows.height + parsed.rejected.height == len(WEDNESDAY) + len(THURSDAY)


def test_drops_read_day_by_day_or_at_once_end_in_the_same_rows(landing: Path) -> None:
    source = Pystock()
    files = source.files(landing)
    first, second = (next(b.rows for b in source.read(file, landing)) for file in files)
    now = datetime(2026, 9, 2, tzinfo=UTC)
    at_once = merge(RAW_QUOTES.empty(), RAW_QUOTES.conform(pl.concat([first, second])), now, RAW_QUOTES)
    by_day = merge(RAW_QUOTES.conform(first), RAW_QUOTES.conform(pl.concat([first, second])), now, RAW_QUOTES)
    assert by_day.equals(at_once)


def test_two_drops_of_a_feed_that_arrive_together_keep_their_order(tmp_path: Path) -> None:
    drop(tmp_path, "pystock/20150930.tar.gz", tar(WEDNESDAY), history=False)
    drop(tmp_path, "pystock/20151001.tar.gz", tar(THURSDAY), history=False)
    rows = RAW_QUOTES.conform(read(Pystock(), tmp_path).rows)
    apple = rows.filter((pl.col("symbol") == "AAPL") & (pl.col("date") == date(2015, 9, 30)))
    assert apple.sort("known_at")["volume"].to_list() == [500, 550]
    assert (rows["known_at"] >= datetime(2026, 9, 1, tzinfo=UTC)).all()


def test_a_damaged_drop_does_not_keep_the_next_one_out(landing: Path) -> None:
    whole = tar(WEDNESDAY)
    drop(landing, "pystock/2015/20150930.tar.gz", whole[: len(whole) // 2])
    source = Pystock()
    damaged, good = source.files(landing)
    with pytest.raises(RejectedFileError):
        list(source.read(damaged, landing))
    (parsed,) = source.read(good, landing)
    assert parsed.rows.height == len(THURSDAY)


def test_exchanges_by_symbol(landing: Path) -> None:
    parsed = read(Pystock(), landing)
    ids = set(parsed.listings["instrument_id"])
    assert ids == {"XNYS:BTU", "XNAS:AAPL"}


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [("drop.tar.gz", tar(WEDNESDAY), "file_name"), ("20150930.tar.gz", tar([], name="p"), "archive_members")],
)
def test_what_is_no_drop_is_refused(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    drop(tmp_path, f"pystock/{name}", content)
    with pytest.raises(RejectedFileError, match=rule):
        read(Pystock(), tmp_path)


def test_a_collection_of_drops_says_the_same(tmp_path: Path) -> None:
    columns = [*HEADER.split(","), "collected"]
    first = [*(f"{row},2015-09-30" for row in WEDNESDAY), *(f"{THURSDAY[n]},2015-10-01" for n in (0, 2))]
    later = [f"{THURSDAY[n]},2015-10-01" for n in (1, 3)]
    for name, lines in (("first_seen", first), ("revisions", later)):
        content = io.BytesIO()
        text = "\n".join([",".join(columns), *lines]).encode()
        pl.read_csv(text, try_parse_dates=True).write_parquet(content)
        drop(tmp_path, f"pystock_collection/prices_{name}.parquet", content.getvalue())
    parsed = read(PystockCollection(), tmp_path)
    drop(tmp_path, "pystock/20150930.tar.gz", tar(WEDNESDAY))
    drop(tmp_path, "pystock/20151001.tar.gz", tar(THURSDAY))
    shown = ["symbol", "date", "close", "volume", "ex_factor", "known_at"]
    drops = read(Pystock(), tmp_path)
    assert parsed.rows.select(shown).sort(shown).equals(drops.rows.select(shown).sort(shown))
    assert rules(parsed) == rules(drops) == {"duplicate_bar": 1}
    # Of a feed, the split is read from the table that came later: nobody knew of it before.
    feed_folder = tmp_path / "feed"
    for name, month in (("first_seen", 1), ("revisions", 6)):
        path = f"pystock_collection/prices_{name}.parquet"
        content = (tmp_path / "pystock_collection/history" / f"prices_{name}.parquet").read_bytes()
        drop(feed_folder, path, content, history=False, arrived=datetime(2016, month, 1, tzinfo=UTC))
    feed = read(PystockCollection(), feed_folder).rows.filter(pl.col("ex_factor") != 1)
    assert feed["file"].to_list() == ["pystock_collection/prices_first_seen.parquet"]
    assert feed["known_at"].to_list() == [datetime(2016, 6, 1, tzinfo=UTC)]


def test_an_unknown_table_of_the_collection_may_hold_prices_or_filings(tmp_path: Path) -> None:
    drop(tmp_path, "pystock_collection/figures.parquet", b"")
    with pytest.raises(RejectedFileError, match=r"prices_revisions\.parquet if .*, reports\.parquet if"):
        read(PystockCollection(), tmp_path)


def test_the_vendors_drops(tmp_path: Path) -> None:
    copy(tmp_path, "pystock", folder("us_equity_eod_and_filings_pystock") / "raw")
    source = Pystock()
    files = source.files(tmp_path)
    assert [file.last for file in files][:2] == [date(2015, 8, 19), date(2015, 8, 20)]
    parsed = read(source, tmp_path)
    # Lines of the nine prices.csv; none is lost, and only repeated ones are held back.
    assert parsed.rows.height + parsed.rejected.height == 109_974
    assert rules(parsed) == {"duplicate_bar": 48_467}
    own = pl.col("file").str.extract(r"(\d{8})\.tar").str.to_date("%Y%m%d") == pl.col("date")
    again = parsed.rows.filter(~own)
    # The first drop's eve has no drop before; of the others, what was delivered again differs.
    assert again.filter(pl.col("file").str.contains("20150819")).height == 6_118
    assert again.height == 6_118 + 410
    RAW_QUOTES.conform(parsed.rows)
    split = parsed.rows.filter((pl.col("symbol") == "FBIZ") & (pl.col("date") == date(2015, 8, 31)))
    assert split["ex_factor"].to_list() == [0.5]


@pytest.mark.slow
def test_the_collection(tmp_path: Path) -> None:
    copy(tmp_path, "pystock_collection", folder("us_equity_eod_and_filings_pystock"), only="prices_*.parquet")
    parsed = read(PystockCollection(), tmp_path)
    assert parsed.rows.height + parsed.rejected.height == 605_290 + 13_080
    assert rules(parsed) == {"duplicate_bar": 4_634}
    assert parsed.rows.filter(pl.col("volume") == 0).height >= 14_810
    peabody = parsed.rows.filter((pl.col("symbol") == "BTU") & (pl.col("date") == date(2015, 10, 1)))
    assert peabody["ex_factor"].round(3).to_list()[0] == 15.0
    RAW_QUOTES.conform(parsed.rows)
