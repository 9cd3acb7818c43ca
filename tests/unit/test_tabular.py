"""The engine: both ways of reading say the same, nothing is lost, and vendors' habits are read right."""

import gzip
import io
from datetime import UTC, date, datetime
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES
from lim_pipelines.sources import tabular
from lim_pipelines.sources.base import Parsed, RejectedFileError
from lim_pipelines.sources.tabular import (
    ListedAs,
    Origin,
    TableFormat,
    TimeFormat,
    blocks,
    parse,
    parse_frame,
    times,
)

ARRIVED = datetime(2024, 1, 1, tzinfo=UTC)
HISTORY = Origin("feed/x/a.csv", "XNYS", ARRIVED, history=True)
PRICES = ("open", "high", "low", "close", "volume")
COLUMNS = {name: name for name in ("symbol", *PRICES)}


def layout(**changes: object) -> TableFormat:
    return TableFormat.model_validate(
        {"time": {"columns": ["date"]}, "columns": COLUMNS, "freq": "1d", **changes}
    )


def read(text: str | bytes, form: TableFormat, origin: Origin = HISTORY) -> Parsed:
    found = list(parse(text.encode() if isinstance(text, str) else text, form, origin))
    return Parsed(
        pl.concat(p.rows for p in found),
        pl.concat(p.rejected for p in found),
        pl.concat(p.listings for p in found).unique(),
    )


def read_slowly(text: str, form: TableFormat, origin: Origin = HISTORY) -> Parsed:
    with patch.object(tabular, "quickly", lambda *_: None):
        return read(text, form, origin)


number = st.one_of(
    st.sampled_from(
        ["", "0", "1.5", "-3", "1e3", "+2", "nan", "inf", "x", " 4", "5 ", '"6"', "1,5", "1_0", ".5", "7."]
    ),
    st.floats(1, 1e6).map(lambda value: f"{value:.4f}"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 10**12).map(str),
)
fine_number = st.floats(1e-6, 1e9).map(repr)
day = st.dates(date(2000, 1, 1), date(2023, 12, 31)).map(str)
clock = st.times().map(lambda at: at.isoformat("seconds"))
moment = st.tuples(day, clock).map(" ".join)
symbol = st.sampled_from(["A", "B", "BRK.B", "Ü"])


def lines(when: st.SearchStrategy[str], value: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    row = st.tuples(st.one_of(symbol, symbol, symbol), when, *[value] * 5).map(",".join)
    return st.lists(row, min_size=1, max_size=12)


HEADER = "symbol,date," + ",".join(PRICES) + "\n"


@settings(max_examples=150)
@given(
    st.one_of(lines(day, fine_number), lines(day, number), lines(moment, fine_number)),
    st.sampled_from(["\n", "\r\n"]),
)
def test_both_ways_say_the_same(rows: list[str], end: str) -> None:
    daily = " " not in rows[0].split(",")[1]
    form = layout() if daily else layout(freq="1m")
    text = HEADER + end.join(rows) + end
    quick, slow = read(text, form), read_slowly(text, form)
    assert quick.rows.equals(slow.rows)
    assert quick.rejected.equals(slow.rejected)


@settings(max_examples=100)
@given(
    st.lists(st.one_of(st.text(max_size=40), lines(day, number).map(lambda r: r[0])), min_size=1, max_size=10)
)
def test_rows_in_are_rows_published_and_rows_quarantined(rows: list[str]) -> None:
    rows = [row.replace("\n", "").replace("\0", "").replace("\r", "") for row in rows]
    rows = [row.encode(errors="ignore").decode() for row in rows]
    text = HEADER + "".join(row + "\n" for row in rows)
    count = sum(bool(row.strip(" \t")) for row in rows)
    if not count:
        with pytest.raises(RejectedFileError, match="empty_file"):
            read(text, layout())
        return
    parsed = read(text, layout())
    seen = [*parsed.rows["line"], *parsed.rejected["line"]]
    assert len(seen) == len(set(seen)) == count
    assert RAW_QUOTES.conform(parsed.rows).sort("line").equals(parsed.rows)
    assert QUARANTINE.conform(parsed.rejected).equals(parsed.rejected)


def test_good_tables_go_the_quick_way() -> None:
    text = HEADER + "A,2018-10-01,1,2,0.5,1.5,10\nA,2018-10-02,1,2,0.5,1.5,10\nB,2018-10-01,1,2,0.5,1.5,\n"
    for variant in (text, text.replace("\n", "\r\n"), text.replace("A,", '"A",')):
        with patch.object(tabular, "slowly", side_effect=AssertionError("slow")):
            assert read(variant, layout()).rows.height == 3


def test_blocks_are_cut_at_lines_and_numbered_on() -> None:
    days = pl.date_range(date(2000, 1, 3), date(2020, 1, 1), "1d", eager=True).cast(pl.String)
    text = HEADER + "".join(f"A,{d},1,2,0.5,1.5,10\n" for d in days)
    whole = read(text, layout())
    with patch.object(blocks, "BLOCK_BYTES", 1000):
        found = list(
            parse(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(text.encode()))), layout(), HISTORY)
        )
        assert len(found) > 100
        assert pl.concat(p.rows for p in found).equals(whole.rows)
    assert whole.rows["line"].to_list() == list(range(2, len(days) + 2))


def test_decimal_commas_and_no_thousands() -> None:
    form = layout(
        separator=";", decimal=",", encoding="latin-1", time={"columns": ["date"], "format": "%d.%m.%Y"}
    )
    head = HEADER.replace(",", ";")
    text = (
        head + "Ä;01.10.2018;1,5;2;1;1,25;10\nÄ;02.10.2018;1,5;2;1;1.250,5;10\nÄ;03.10.2018;1;2;1;1.250;1\n"
    )
    parsed = read(text.encode("latin-1"), form)
    assert parsed.rows.select("symbol", "date", "open", "close").rows() == [
        ("Ä", date(2018, 10, 1), 1.5, 1.25)
    ]
    assert parsed.rejected.sort("line").select("line", "rule").rows() == [
        (3, "unparsable_number"),
        (4, "unparsable_number"),
    ]


def test_a_thousand_point_is_refused_though_all_other_numbers_are_fine() -> None:
    form = layout(separator=";", decimal=",")
    text = HEADER.replace(",", ";") + "A;2018-10-01;1,5;2;1;1,25;1.250\nA;2018-10-02;1,5;2;1;1,25;950\n"
    parsed = read(text, form)
    assert parsed.rows["volume"].to_list() == [950]
    assert parsed.rejected.select("line", "rule").rows() == [(2, "unparsable_number")]
    with patch.object(tabular, "slowly", side_effect=AssertionError("slow")):
        fine = read(text.replace("1.250", "1250,5"), form)
    assert fine.rows["volume"].to_list() == [1250.5, 950]
    assert fine.rows["close"].to_list() == [1.25, 1.25]


@pytest.mark.parametrize(
    "rows",
    [
        # A thousand separator makes one line long, and another line is short.
        ["A,2018-10-02,1,2,1,1,234,5,x", "A,2018-10-03,1,2,1,1,5"],
        ['"A, Inc",2018-10-02,1,2,1,1,5'],
    ],
)
def test_lines_of_other_lengths_are_held_back_though_their_separators_balance(rows: list[str]) -> None:
    head = "".join([HEADER.replace("\n", ",note\n"), "A,2018-10-01,1,2,1,1,5,x\n"])
    parsed = read(head + "".join(f"{row}\n" for row in rows), layout())
    assert parsed.rows["line"].to_list() == [2]
    assert parsed.rejected["rule"].to_list() == ["wrong_field_count"] * len(rows)


@pytest.mark.parametrize("count", [1_545_920_060_000, 154_592_006_000_000, 2**63 - 1, -(2**63), 10**16])
def test_an_epoch_of_another_unit_holds_back_its_row_not_the_file(count: int) -> None:
    form = layout(freq="1m", time={"columns": ["date"], "format": "epoch_s"})
    parsed = read(HEADER + f"A,1545920040,1,2,1,1,1\nA,{count},1,2,1,1,1\n", form)
    assert parsed.rows["line"].to_list() == [2]
    assert parsed.rejected.select("line", "rule").rows() == [(3, "unparsable_date")]


def test_a_count_of_trades_beyond_all_counting_holds_back_its_row() -> None:
    form = layout(columns={**COLUMNS, "trades": "trades"})
    text = HEADER.replace("\n", ",trades\n") + "A,2018-10-01,1,2,1,1,1,7\nA,2018-10-02,1,2,1,1,1,1e20\n"
    parsed = read(text, form)
    assert parsed.rows["trades"].to_list() == [7]
    assert parsed.rejected.select("line", "rule").rows() == [(3, "unparsable_number")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings(encoding: str) -> None:
    parsed = read((HEADER + "Ü,2018-10-01,1,2,1,1,1\n").encode(encoding), layout(encoding=encoding))
    assert parsed.rows["symbol"].to_list() == ["Ü"]


def test_bid_and_ask_in_one_row_without_header() -> None:
    form = TableFormat(
        time=TimeFormat(columns=("ms",), format="ms_of_day", file_date=r"(\d{8})_", stamp="start"),
        header=("ms", "b", "bs", "a", "as"),
        sides={"bid": {"close": "b", "volume": "bs"}, "ask": {"close": "a", "volume": "as"}},
        divide_by={"close": 10_000},
        symbol="IBM",
        freq="1m",
        final_line_break=False,
    )
    origin = Origin("lean/x.zip", "XNYS", ARRIVED, history=True, member="20131007_ibm.csv")
    text = "34200000,1057500,1,1057600,2\n34260000,,,1057600,2\n34320000,x,1,2,2\n34380000,,,,"
    parsed = read(text, form, origin)
    assert parsed.rows.select("ts", "price_type", "close", "volume", "line").rows() == [
        (datetime(2013, 10, 7, 13, 31, tzinfo=UTC), "bid", 105.75, 1.0, 1),
        (datetime(2013, 10, 7, 13, 31, tzinfo=UTC), "ask", 105.76, 2.0, 1),
        (datetime(2013, 10, 7, 13, 32, tzinfo=UTC), "ask", 105.76, 2.0, 2),
    ]
    assert parsed.rejected.sort("line").select("line", "rule").rows() == [
        (3, "unparsable_number"),
        (4, "missing_close"),
    ]
    assert set(parsed.rows["file"]) == {"lean/x.zip#20131007_ibm.csv"}


def test_a_fold_is_not_guessed_and_a_gap_has_no_time() -> None:
    text = HEADER + "".join(
        f"A,{t},1,2,1,1,1\n" for t in ("2018-11-04 01:30", "2018-03-11 02:30", "2018-10-01 10:00")
    )
    parsed = read(text, layout(freq="1m"))
    assert parsed.rows["ts"].to_list() == [datetime(2018, 10, 1, 14, 0, tzinfo=UTC)]
    assert set(parsed.rejected["rule"]) == {"ambiguous_time"}


def test_several_exchanges_and_lengths_in_one_file() -> None:
    form = layout(
        columns={**COLUMNS, "exchange": "venue", "freq": "bar"},
        freq=None,
        values={"exchange": {"NYSE": "XNYS", "Tokyo": "XTKS?"}, "freq": {"60": "1h"}},
        listed_as=ListedAs(asset_class="equity", currency="USD"),
    )
    text = (
        "venue,bar," + HEADER + "NYSE,60,A,2018-10-01 11:00,1,2,1,1,1\nXNAS,1d,B,2018-10-01,1,2,1,1,1\n"
        "Tokyo,1d,C,2018-10-01,1,2,1,1,1\nXNAS,1w,B,2018-10-01,1,2,1,1,1\nXNAS,9m,B,2018-10-01,1,2,1,1,1\n"
    )
    parsed = read(text, form, Origin("feed/x/a.csv", None, ARRIVED))
    assert parsed.rows.select("exchange", "freq", "date", "ts").rows() == [
        ("XNYS", "1h", date(2018, 10, 1), datetime(2018, 10, 1, 15, tzinfo=UTC)),
        ("XNAS", "1d", date(2018, 10, 1), datetime(2018, 10, 1, 20, tzinfo=UTC)),
        ("XNAS", "1w", date(2018, 10, 5), datetime(2018, 10, 5, 20, tzinfo=UTC)),
    ]
    assert parsed.rows["known_at"].unique().to_list() == [ARRIVED]
    assert parsed.rejected.sort("line").select("line", "rule").rows() == [
        (4, "unknown_exchange"),
        (6, "unknown_freq"),
    ]
    assert set(parsed.listings["instrument_id"]) == {"XNYS:A", "XNAS:B"}


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)])
def test_epochs(unit: str, factor: int) -> None:
    moment = datetime(2018, 10, 1, 14, 31, tzinfo=UTC)
    form = layout(time={"columns": ["date"], "format": f"epoch_{unit}"}, freq="1m")
    text = HEADER + f"A,{int(moment.timestamp()) * factor},1,2,1,1,1\n"
    assert read(text, form).rows["ts"].to_list() == [moment]


def test_zeros_nulls_and_vendor_frames() -> None:
    form = layout(zero_is_missing=["open"], nulls=["NA"])
    parsed = read(HEADER + "A,2018-10-01,0,NA,0,1,0\n", form)
    assert parsed.rows.select(PRICES).row(0) == (None, None, 0.0, 1.0, 0.0)
    frame = pl.DataFrame(
        {
            "symbol": ["A", "A", None],
            "date": [date(2018, 10, 1), None, date(2018, 10, 1)],
            **{n: [1, 2, 3] for n in PRICES},
        }
    )
    parsed = parse_frame(frame, layout(), HISTORY)
    assert parsed.rows["line"].to_list() == [1]
    assert parsed.rejected.sort("line").select("line", "rule").rows() == [
        (2, "unparsable_date"),
        (3, "missing_symbol"),
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": {"symbol": "s"}}, "close"),
        ({"columns": {"close": "c"}}, "symbol"),
        ({"freq": "7m"}, "7m"),
        ({"time": {"columns": "d", "timezone": "Mars"}}, "Mars"),
        ({"encoding": "klingon"}, "klingon"),
        ({"decimal": ","}, "separator"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_wrong_format_is_explained(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        layout(**changes)


@settings(max_examples=60)
@given(
    st.lists(
        st.datetimes(datetime.fromisoformat("1972-01-01"), datetime.fromisoformat("2030-01-01")), max_size=9
    ),
    st.sampled_from(
        ["America/New_York", "Europe/London", "Asia/Shanghai", "America/Sao_Paulo", "Asia/Beirut"]
    ),
)
def test_the_clock_by_days_is_the_clock_by_moments(moments: list[datetime], zone: str) -> None:
    changes = [
        "2018-11-04 01:30",
        "2018-03-11 02:30",
        "2018-03-25 01:30",
        "2018-11-04 00:30",
        "2018-03-25 00:30",
    ]
    wall = pl.Series([*moments, None, *map(datetime.fromisoformat, changes)], dtype=pl.Datetime("us"))
    each = times._utc_of_each(wall, zone)
    assert times._utc(wall, zone).to_list() == each.to_list()
