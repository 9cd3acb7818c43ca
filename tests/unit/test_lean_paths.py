"""What LEAN's paths, markets and clocks say, without reading bars."""

from datetime import date
from pathlib import Path

import pytest
from lean_world import FEED, LeanWorld

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.lean import Lean, markets
from lim_pipelines.sources.lean.hours import data_zone
from lim_pipelines.sources.lean.paths import understand


@pytest.mark.parametrize("root", ["lean", "lean/Data", "lean/history", "lean/history/Data"])
def test_files_a_day(root: str) -> None:
    path = understand(f"{root}/equity/usa/minute/aapl/20140605_quote.zip")
    assert path is not None
    assert (path.root, path.asset_class, path.market, path.ticker) == (root, "equity", "usa", "AAPL")
    assert (path.kind, path.freq, path.day) == ("quote", "1m", date(2014, 6, 5))


@pytest.mark.parametrize(
    ("path", "kind", "freq"),
    [
        ("lean/equity/usa/daily/aapl.zip", "trade", "1d"),
        ("lean/forex/oanda/daily/eurusd.zip", "quote", "1d"),
        ("lean/cfd/oanda/hour/xauusd.zip", "quote", "1h"),
        ("lean/crypto/coinbase/daily/btcusd_quote.zip", "quote", "1d"),
        ("lean/future/cme/hour/es_openinterest.zip", "openinterest", "1h"),
        ("lean/equity/usa/second/spy/20131007_trade.zip", "trade", "1s"),
        ("lean/equity/usa/tick/ibm/20131007_trade.zip", "trade", "1s"),
    ],
)
def test_kind_and_length(path: str, kind: str, freq: str) -> None:
    understood = understand(path)
    assert understood is not None
    assert (understood.kind, understood.freq) == (kind, freq)


@pytest.mark.parametrize(
    "path",
    [
        "lean/equity/usa/minute/aapl/20140631_trade.zip",  # no such day
        "lean/equity/usa/minute/aapl/20140605.zip",
        "lean/equity/usa/minute/20140605_trade.zip",
        "lean/equity/usa/monthly/aapl.zip",
        "lean/equity/usa/daily/aapl.csv",
        "lean/other/equity/usa/daily/aapl.zip",
        "lean/aapl.zip",
        "lean/forex/oanda/daily/eurusd_bars.zip",
    ],
)
def test_what_lean_has_not(path: str) -> None:
    assert understand(path) is None


def test_every_market_is_a_registered_exchange() -> None:
    assert EXCHANGES.keys() >= markets.EXCHANGES


@pytest.mark.parametrize(
    ("path", "exchanges"),
    [
        ("equity/usa/daily/aapl.zip", {"XNAS", "XNYS"}),
        ("equity/india/daily/cccl.zip", {"XNSE"}),
        ("forex/fxcm/daily/eurusd.zip", {"FXCM"}),
        ("cfd/oanda/daily/xauusd.zip", {"OANDA"}),
        ("crypto/coinbase/daily/btcusd_trade.zip", {"COINBASE"}),
        ("cryptofuture/dydx/daily/btcusd_trade.zip", {"DYDX"}),
        ("future/cme/daily/es_trade.zip", {"XCME"}),
        ("future/hkfe/daily/hsi_trade.zip", {"XHKF"}),
        ("index/usa/daily/spx.zip", {"XNYS"}),
        ("index/usa/hour/ndx.zip", {"XNAS"}),
        ("index/ose/daily/n225.zip", {"XTKS"}),
        ("index/hkfe/daily/hsi.zip", {"XHKG"}),
        ("crypto/nowhere/daily/btcusd_trade.zip", set()),
    ],
)
def test_exchanges(path: str, exchanges: set[str]) -> None:
    understood = understand(f"lean/{path}")
    assert understood is not None
    assert markets.exchanges_of(understood) == exchanges


def test_a_share_is_listed_where_its_map_file_says_else_by_the_length_of_its_ticker() -> None:
    assert markets.listed_on("usa", "AAPL", "Q") == "XNAS"
    assert [markets.listed_on("usa", "SPY", code) for code in "NPAZ"] == ["XNYS"] * 4
    assert markets.listed_on("usa", "FB", "") == "XNYS"
    assert markets.listed_on("usa", "GOOAV", "") == "XNAS"
    assert markets.listed_on("india", "CCCL", "") == "XNSE"


def test_listing_reads_nothing(tmp_path: Path) -> None:
    world = LeanWorld(tmp_path)
    for path in (
        "equity/usa/minute/aapl/20140605_trade.zip",
        "equity/usa/second/ibm/20131007_trade.zip",
        "equity/usa/tick/ibm/20131007_trade.zip",  # the second bars of that day are LEAN's own
        "equity/usa/tick/ibm/20131008_trade.zip",
        "equity/usa/daily/aapl.zip",
        "future/cme/minute/es/20131007_trade.zip",
        "equity/usa/map_files/aapl.csv",
        "equity/usa/factor_files/aapl.csv",
        "equity/usa/universes/etf/spy/20201201.csv",
        "option/usa/minute/aapl/20140606_trade_american.zip",
        "equity/usa/daily/readme.txt",
    ):
        world.text(path, "no zip")
    found = {file.path.removeprefix("lean/history/Data/"): file for file in Lean().files(tmp_path)}
    assert sorted(found) == [
        "equity/usa/daily/aapl.zip",
        "equity/usa/daily/readme.txt",
        "equity/usa/minute/aapl/20140605_trade.zip",
        "equity/usa/second/ibm/20131007_trade.zip",
        "equity/usa/tick/ibm/20131008_trade.zip",
        "future/cme/minute/es/20131007_trade.zip",
    ]
    assert all(file.history for file in found.values())
    minute = found["equity/usa/minute/aapl/20140605_trade.zip"]
    assert (minute.first, minute.last) == (date(2014, 6, 5), date(2014, 6, 5))
    daily = found["equity/usa/daily/aapl.zip"]
    assert (daily.first, daily.last) == (None, None)
    # Monday's evening in Chicago belongs to Tuesday.
    future = found["future/cme/minute/es/20131007_trade.zip"]
    assert future.first is not None
    assert future.last is not None
    assert future.first <= date(2013, 10, 7) < date(2013, 10, 8) <= future.last
    assert found["equity/usa/daily/readme.txt"].exchanges == frozenset()
    with pytest.raises(RejectedFileError, match="unknown_layout"):
        list(Lean().read(found["equity/usa/daily/readme.txt"], tmp_path))


def test_clocks(tmp_path: Path) -> None:
    world = LeanWorld(tmp_path, FEED)

    def zone(path: str, mic: str) -> str:
        understood = understand(f"lean/{path}")
        assert understood is not None
        return data_zone(world.landing, path, understood, mic)

    assert zone("index/usa/daily/spx.zip", "XNYS") == "America/Chicago"
    assert zone("index/usa/daily/rut.zip", "XNYS") == "America/New_York"
    # Five hours behind Greenwich, which IANA writes with the other sign.
    assert zone("forex/fxcm/daily/eurusd.zip", "FXCM") == "Etc/GMT+5"
    # The database is silent: the exchange's own clock.
    assert zone("index/ose/daily/n225.zip", "XTKS") == "Asia/Tokyo"


def test_without_the_market_hours_database_nothing_is_read(tmp_path: Path) -> None:
    world = LeanWorld(tmp_path)
    world.zip("future/cme/daily/es_trade.zip", {"es_trade_201312.csv": "20131007 00:00,1,1,1,1,1"})
    hours = tmp_path / world.root / "market-hours/market-hours-database.json"
    hours.unlink()
    with pytest.raises(RejectedFileError, match="no_market_hours"):
        world.read("future/cme/daily/es_trade.zip")
    world.text(
        "market-hours/market-hours-database.json", '{"entries": {"Future-cme-[*]": {"dataTimeZone": "Mars"}}}'
    )
    with pytest.raises(RejectedFileError, match="reference_file"):
        world.read("future/cme/daily/es_trade.zip")
