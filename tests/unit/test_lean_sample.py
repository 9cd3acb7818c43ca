"""QuantConnect's own sample data, read where they are present: counts, known prices, and the whole tree."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from lean_world import joined
from shared_data import folder

from lim_pipelines.schemas import CORPORATE_ACTIONS, ROLLS
from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.lean import Lean
from lim_pipelines.sources.lean.paths import understand
from lim_pipelines.sources.lean.reference_files import listed

ROOT = "lean/history/Data"


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as it would land; its files arrive now."""
    landing = tmp_path_factory.mktemp("landing")
    shutil.copytree(folder("lean_sample") / "Data", landing / ROOT, copy_function=shutil.copyfile)
    return landing


@pytest.fixture(scope="module")
def files(landing: Path) -> dict[str, SourceFile]:
    return {file.path.removeprefix(f"{ROOT}/"): file for file in Lean().files(landing)}


def read(landing: Path, path: str) -> Parsed:
    return joined(list(Lean().read(listed(landing, f"{ROOT}/{path}"), landing)))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


NEW_YEAR = (2007, 1, 2, 4, 59, 59)
"""No session: the day's end in New York."""

# A file of each kind: rows, exchange, and end and close of the first and the last bar (bids of quotes).
SPOTS = {
    "equity/usa/daily/aapl.zip": (5849, "XNAS", (1998, 1, 2, 21), 16.25, (2021, 3, 31, 20), 122.15),
    "equity/usa/daily/spy.zip": (5849, "XNYS", (1998, 1, 2, 21), 97.36, (2021, 3, 31, 20), 396.33),
    "equity/usa/hour/spy.zip": (40832, "XNYS", (1998, 1, 2, 15), 97.03, (2021, 3, 31, 20), 396.33),
    "equity/usa/minute/spy/20131004_trade.zip": (
        711,
        "XNYS",
        (2013, 10, 4, 8, 7),
        167.65,
        (2013, 10, 5),
        168.84,
    ),
    "equity/usa/second/ibm/20131007_trade.zip": (5123, "XNYS", (2013, 10, 7, 8, 0, 31), 181.52, None, 181.99),
    "equity/india/daily/cccl.zip": (495, "XNSE", (2010, 1, 4, 10), 413.0, (2011, 12, 30, 10), 16.0),
    "equity/india/minute/yesbank/20190709_trade.zip": (377, "XNSE", (2019, 7, 9, 3, 46), 94.85, None, 91.35),
    "forex/fxcm/daily/eurusd.zip": (2 * 3487, "FXCM", (2007, 3, 30, 21), 1.33581, (2018, 7, 4, 21), 1.16559),
    "forex/fxcm/hour/eurusd.zip": (2 * 69928, "FXCM", (2007, 3, 30, 6), 1.33201, (2018, 7, 5, 5), 1.16559),
    "forex/oanda/daily/gbpusd.zip": (
        2 * 3738,
        "OANDA",
        NEW_YEAR,
        1.96325,
        (2018, 12, 31, 22),
        1.27541,
    ),
    "cfd/oanda/daily/xauusd.zip": (2 * 3949, "OANDA", (2006, 3, 20, 22), 553.8, (2019, 2, 25, 22), 1327.485),
    "cfd/oanda/minute/xauusd/20140501_quote.zip": (
        2 * 1375,
        "OANDA",
        (2014, 5, 1, 0, 1),
        1291.464,
        None,
        1284.027,
    ),
    "crypto/coinbase/daily/btcusd_trade.zip": (
        1318,
        "COINBASE",
        (2014, 12, 2),
        370.0,
        (2018, 8, 14),
        6253.67,
    ),
    "crypto/coinbase/second/btcusd/20161007_trade.zip": (
        4063,
        "COINBASE",
        (2016, 10, 7, 0, 0, 5),
        611.87,
        None,
        617.98,
    ),
    "crypto/binance/hour/btcusdt_trade.zip": (
        120,
        "BINANCE",
        (2018, 5, 1, 1),
        8955.01,
        (2018, 5, 6),
        9864.0,
    ),
    "crypto/bitfinex/hour/btcusd_trade.zip": (
        733,
        "BITFINEX",
        (2013, 10, 1, 1),
        126.49,
        (2013, 10, 31, 22),
        203.95,
    ),
    "crypto/bybit/minute/btcusdt/20221213_trade.zip": (
        1440,
        "BYBIT",
        (2022, 12, 13, 0, 1),
        17205.0,
        (2022, 12, 14),
        17778.49,
    ),
    "cryptofuture/dydx/minute/btcusd/20260101_trade.zip": (
        1410,
        "DYDX",
        (2026, 1, 1, 0, 1),
        87488.0,
        (2026, 1, 2),
        88771.0,
    ),
    "cryptofuture/binance/daily/adausdt_trade.zip": (
        9,
        "BINANCE",
        (2022, 12, 8),
        0.31,
        (2022, 12, 16),
        0.3001,
    ),
    "index/usa/daily/spx.zip": (2, "XNYS", (2021, 1, 4, 21), 3700.65, (2021, 1, 14, 21), 3795.54),
    "index/usa/hour/ndx.zip": (36, "XNAS", (2021, 3, 17, 14), 13050.9556, (2021, 3, 22, 22), 13086.5142),
    "index/hkfe/daily/hsi.zip": (42, "XHKG", (2013, 9, 2, 8), 22176.64, (2013, 11, 1, 8), 23248.6),
    "index/ose/minute/n225/20210114_trade.zip": (
        304,
        "XTKS",
        (2021, 1, 14, 0, 1),
        28427.42,
        (2021, 1, 14, 6, 16),
        28698.26,
    ),
    "index/eurex/minute/sx5e/20240729_trade.zip": (511, "XEUR", (2024, 7, 29, 7, 3), 4885.89, None, 4819.21),
}


@pytest.mark.parametrize("path", SPOTS)
def test_spots(landing: Path, files: dict[str, SourceFile], path: str) -> None:
    count, exchange, first, open_close, last, end_close = SPOTS[path]
    assert path in files
    parsed = read(landing, path)
    assert (parsed.rows.height, parsed.rejected.height) == (count, 0)
    rows = parsed.rows.filter(pl.col("price_type") != "ask").sort("ts")
    assert set(rows["exchange"]) == {exchange}
    assert (rows["ts"][0], rows["close"][0]) == (utc(*first), pytest.approx(open_close, abs=1e-9))
    assert rows["close"][-1] == pytest.approx(end_close, abs=1e-9)
    if last is not None:
        assert rows["ts"][-1] == utc(*last)
    assert (rows["known_at"] > rows["ts"]).all()
    assert parsed.listings["instrument_id"].str.starts_with(f"{exchange}:").all()


def test_apples_split_and_dividends_give_the_total_return(landing: Path) -> None:
    rows = read(landing, "equity/usa/daily/aapl.zip").rows.sort("ts")
    splits = rows.filter(pl.col("ex_factor").is_in([1 / 2, 1 / 4, 1 / 7]))
    assert splits.select("date", "ex_factor").rows() == [
        (date(2000, 6, 21), 1 / 2),
        (date(2005, 2, 28), 1 / 2),
        (date(2014, 6, 9), 1 / 7),
        (date(2020, 8, 31), 1 / 4),
    ]
    back = rows.with_columns(back=pl.col("close") / (pl.col("close").shift(1) * pl.col("ex_factor")) - 1)
    day = back.filter(pl.col("date") == date(2014, 6, 9))
    assert day["back"].item() == pytest.approx(93.70 / (645.57 / 7) - 1)
    # 47 cents on 2014-08-07. LEAN's factor is of the listing exchange's close, a cent below the tape's.
    day = back.filter(pl.col("date") == date(2014, 8, 7))
    assert day["back"].item() == pytest.approx(94.48 / (94.97 - 0.47) - 1, abs=1e-6)
    # No day without an event looks like one.
    assert back["back"].abs().max() < 0.6
    # LEAN's own adjusted level, over all of the history: its first row has both factors.
    growth = (1 + back["back"].drop_nulls()).product()
    assert growth == pytest.approx(122.15 / (16.25 * 0.8613657 * 0.00892857), rel=1e-5)


def test_hours_and_minutes_carry_the_split_once(landing: Path) -> None:
    hours = read(landing, "equity/usa/hour/aapl.zip").rows
    assert hours.filter(pl.col("ex_factor") != 1).height == 39
    minute = read(landing, "equity/usa/minute/aapl/20140609_trade.zip").rows.filter(pl.col("ex_factor") != 1)
    assert minute.select("ts", "ex_factor").rows() == [(utc(2014, 6, 9, 13, 31), 1 / 7)]


def test_tickers_that_changed_hands(landing: Path) -> None:
    def owners(path: str) -> set[str]:
        return set(read(landing, path).listings["instrument_id"])

    assert owners("equity/usa/minute/foxa/20130701_trade.zip") == {"XNAS:TFCFA"}
    assert owners("equity/usa/daily/nwsa.zip") == {"XNAS:TFCFA", "XNAS:NWSA"}
    assert owners("equity/usa/hour/spwra.zip") == owners("equity/usa/hour/spwr.zip") == {"XNAS:SPWR"}
    assert owners("equity/usa/daily/fb.zip") == {"XNYS:FB~1999", "XNAS:FB"}
    assert owners("equity/usa/daily/uw.zip") == owners("equity/usa/daily/wm.zip") == {"XNYS:WM"}


def test_corporate_actions_and_rolls(landing: Path) -> None:
    reference = Lean().reference(landing)
    actions = reference[CORPORATE_ACTIONS.name]
    assert dict(actions["kind"].value_counts().iter_rows()) == {
        "dividend": 824,
        "split": 33,
        "symbol_change": 15,
        "delisting": 8,
    }
    apple = actions.filter(pl.col("instrument_id") == "XNAS:AAPL", pl.col("ex_date") == date(2021, 2, 5))
    assert apple.select("kind", "amount").row(0) == ("dividend", pytest.approx(0.205, abs=1e-4))
    rolls = reference[ROLLS.name]
    spring = rolls.filter(pl.col("current_contract") == "XCME:ES.201312")
    assert spring.select("next_contract", pl.col("ts").dt.date()).row(0) == (
        "XCME:ES.201403",
        date(2013, 12, 19),
    )
    assert Counter(rolls["root"]) == {"XCME:ES": 54, "XCEC:GC": 20, "XHKF:HSI": 11, "XEUR:FESX": 6}


def test_one_pair_at_two_venues(landing: Path) -> None:
    """FXCM's clock is five hours behind OANDA's; read right, their quotes agree to a few pips."""
    path = "forex/{}/minute/eurusd/20140502_quote.zip"
    one, other = (read(landing, path.format(venue)).rows for venue in ("fxcm", "oanda"))
    both = one.join(other, on=["ts", "price_type"])
    assert both.height > 1500
    assert (both["close"] - both["close_right"]).abs().median() < 0.0001
    assert (both["close"] - both["close_right"]).abs().max() < 0.0010
    # An hour off, they do not.
    off = one.with_columns(pl.col("ts").dt.offset_by("1h")).join(other, on=["ts", "price_type"])
    assert (off["close"] - off["close_right"]).abs().median() > 0.0001


def test_contracts(landing: Path) -> None:
    parsed = read(landing, "future/cme/daily/es_trade.zip")
    assert {"ES.201312", "ES.201403"} <= set(parsed.rows["symbol"])
    front = parsed.rows.filter(pl.col("symbol") == "ES.201312").sort("date")
    assert front.row(1, named=True)["close"] == 1668.0
    # As of Sunday's file; Monday's own comes on Tuesday.
    assert front["open_interest"].to_list()[:3] == [None, 2691941, 2674467]
    expiry = parsed.listings.filter(pl.col("symbol") == "ES.201312")["expiry"].item()
    assert expiry == date(2013, 12, 20)
    quotes = read(landing, "future/comex/minute/gc/20131007_quote.zip").rows
    assert quotes.filter(pl.col("symbol") == "GC.201310")["line"].n_unique() == 1376


def test_ticks_are_the_vendors_seconds(landing: Path) -> None:
    """LEAN's own bars of a second: quotes agree; from trades LEAN leaves out some that it does not flag."""
    ticks = read(landing, "equity/usa/tick/ibm/20131007_quote.zip")
    seconds = read(landing, "equity/usa/second/ibm/20131007_quote.zip").rows
    both = ticks.rows.join(seconds, on=["ts", "price_type"])
    assert both.height == seconds.height == 23352
    assert both.filter(pl.col("close") != pl.col("close_right")).height <= 1
    assert ticks.rejected["rule"].to_list() == ["suspicious_tick"]
    ticks = read(landing, "equity/usa/tick/ibm/20131007_trade.zip")
    assert ticks.rows["trades"].sum() == 24293
    seconds = read(landing, "equity/usa/second/ibm/20131007_trade.zip").rows
    assert seconds.join(ticks.rows, on="ts", how="anti").is_empty()
    pair = read(landing, "forex/oanda/tick/eurusd/20140501_quote.zip").rows
    minutes = read(landing, "forex/oanda/minute/eurusd/20140501_quote.zip").rows
    last = pair.group_by(
        "price_type", pl.col("ts").dt.offset_by("-1us").dt.truncate("1m").dt.offset_by("1m")
    ).agg(pl.col("close").sort_by(pl.col("ts")).last())
    both = minutes.join(last, on=["ts", "price_type"])
    assert both.height > 2000
    assert both.select((pl.col("close") - pl.col("close_right")).abs().max()).item() < 1e-4


REJECTED = {
    # Every minute twice: once back-adjusted (5077.04 on a tick of 1), once as traded.
    "future/eurex/minute/fesx/20240603_trade.zip": ("conflicting_duplicate", 2304),
    "future/eurex/minute/fesx/20240604_trade.zip": ("conflicting_duplicate", 2248),
    "future/eurex/minute/fesx/20240621_trade.zip": ("conflicting_duplicate", 504),
    # Each zip holds the next session's bars too.
    "index/india/minute/nifty50/20190101_trade.zip": ("wrong_day", 378),
    "index/india/minute/nifty50/20190102_trade.zip": ("wrong_day", 377),
    "index/india/minute/nifty50/20190103_trade.zip": ("wrong_day", 377),
    "index/india/minute/nifty50/20190104_trade.zip": ("wrong_day", 377),
}
"""All that the sample has and the parser holds back."""


@pytest.mark.slow
def test_every_file_of_the_tree(landing: Path, files: dict[str, SourceFile]) -> None:
    """Lines in = lines with a row + lines rejected, for every zip; ticks count in their bars."""
    zips = {path.relative_to(landing / ROOT).as_posix() for path in (landing / ROOT).rglob("*.zip")}
    ticks = {path for path in zips if "/tick/ibm/" in path}
    # Ticks of IBM have LEAN's own seconds beside them, but for one day's quotes.
    assert zips - files.keys() <= ticks
    assert files.keys() <= zips
    total = 0
    for path, file in files.items():
        parsed = joined(list(Lean().read(file, landing)))
        with zipfile.ZipFile(landing / file.path) as archive:
            lines = sum(len(archive.read(name).splitlines()) for name in archive.namelist())
        understood = understand(file.path)
        assert understood is not None
        rejected = Counter(parsed.rejected["rule"])
        assert rejected == dict([REJECTED[path]] if path in REJECTED else []), path
        total += parsed.rows.height
        if understood.kind == "openinterest":
            assert parsed.rows.is_empty()
            assert not parsed.listings.is_empty()
        elif understood.resolution != "tick":
            given = parsed.rows.select("file", "line").n_unique() if parsed.rows.height else 0
            assert given + parsed.rejected.height == lines, path
    assert total > 1_500_000
