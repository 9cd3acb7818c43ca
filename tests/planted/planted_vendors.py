"""Excerpts of real vendor files, and how they go back into the vendor's own format and through the gate."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from landing_files import copy, drop
from planted_text import Lines, Texts
from shared_data import folder

from lim_pipelines import ingest
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE
from lim_pipelines.sources import QUOTE_SOURCES


@dataclass(frozen=True)
class Vendor:
    """A vendor.

    Parameters
    ----------
    source
        Name of its source.
    read
        Reads excerpts of its real files.
    write
        Lays texts into a landing folder as the vendor ships them.
    """

    source: str
    read: Callable[[], Texts]
    write: Callable[[Path, Texts], None]


def table(text: str, keep: Callable[[str], bool] = lambda line: True) -> Lines:
    header, *lines = text.replace("\r", "").strip("\n").split("\n")
    return Lines(header.split(","), [header, *(line for line in lines if keep(line))])


def headerless(text: str, columns: str, keep: Callable[[str], bool] = lambda line: True) -> Lines:
    lines = text.replace("\r", "").strip("\n").split("\n")
    return Lines(columns.split(","), [line for line in lines if keep(line)])


def _member(path: Path, name: str) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def _zipped(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, text)
    return packed.getvalue()


GOOGLE_TICKERS = (
    *("NASDAQ_AAPL", "NASDAQ_MSFT", "NASDAQ_GILD", "NASDAQ_CSCO", "NASDAQ_QCOM", "NASDAQ_SBUX"),
    *("NASDAQ_AMZN", "NASDAQ_TSLA", "NYSE_JNJ", "NYSE_PG", "NYSE_V", "NYSE_VZ", "NYSE_WMT", "NYSE_MRK"),
    *("NYSE_DIS", "NYSE_GE", "NYSE_BAC", "NYSE_CVX", "NASDAQ_PCLN", "NASDAQ_GOOG"),
)


def _read_google() -> Texts:
    path = folder("us_equity_daily_rsr") / "raw" / "google_finance_30Y_sample.zip"
    half_year = ("2014-01", "2014-02", "2014-03", "2014-04", "2014-05", "2014-06")
    return {
        name: table(_member(path, f"{name}_30Y.csv"), lambda line: line.startswith(half_year))
        for name in GOOGLE_TICKERS
    }


def _write_google(landing: Path, texts: Texts) -> None:
    for name, lines in texts.items():
        drop(landing, f"google_finance/{name}_30Y.csv", lines.text)


def _read_pystock() -> Texts:
    root = folder("us_equity_eod_and_filings_pystock") / "raw" / "2015"
    texts = {}
    for path in sorted(root.glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            member = archive.extractfile("prices.csv")
            assert member is not None
            text = member.read().decode()
        # Symbols of up to three letters count as New York's: some 240 of them.
        texts[path.name[:8]] = table(text, lambda line: line[0] in "BC" and line.index(",") <= 3)
    return texts


def _write_pystock(landing: Path, texts: Texts) -> None:
    for day, lines in texts.items():
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, data in (
                ("symbols.txt", b""),
                ("prices.csv", lines.text.encode()),
                ("reports.csv", b""),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        drop(landing, f"pystock/2015/{day}.tar.gz", packed.getvalue())


def _read_fxcm() -> Texts:
    root = folder("fx_minute_fxcm")
    morning = tuple(f"2012-02-01 {hour:02}" for hour in range(4))
    return {
        side: table(
            gzip.decompress((root / f"gbpusd-m1-{side}-2012.csv.gz").read_bytes()).decode(),
            lambda line: line.startswith(morning),
        )
        for side in ("bid", "ask")
    }


def _write_fxcm(landing: Path, texts: Texts) -> None:
    for side, lines in texts.items():
        drop(landing, f"fxcm/gbpusd-m1-{side}-2012.csv.gz", lines.text)


def _gz_file(data: str, source: str, keep: tuple[str, ...]) -> Vendor:
    def real() -> Path:
        return next(folder(data).glob("*.csv.gz"))

    def read() -> Texts:
        text = gzip.decompress(real().read_bytes()).decode()
        return {"bars": table(text, lambda line: line.startswith(keep))}

    def write(landing: Path, texts: Texts) -> None:
        drop(landing, f"{source}/{real().name}", texts["bars"].text)

    return Vendor(source, read, write)


def _parquet(data: str, name: str, source: str, first: date, last: date, time: str) -> Vendor:
    """A collection's table; its source takes the same columns as csv."""

    def read() -> Texts:
        rows = pl.read_parquet(folder(data) / name).filter(pl.col(time).dt.date().is_between(first, last))
        return {"bars": table(rows.write_csv(datetime_format="%Y-%m-%d %H:%M:%S"))}

    def write(landing: Path, texts: Texts) -> None:
        drop(landing, f"{source}/bars.csv", texts["bars"].text)

    return Vendor(source, read, write)


_BAR = "time,open,high,low,close,volume"
_LEAN = {
    "daily": ("equity/usa/daily/aapl.zip", "aapl.csv", _BAR),
    "minute": ("equity/usa/minute/aapl/20140605_trade.zip", "20140605_aapl_minute_trade.csv", _BAR),
    "other_minute": ("equity/usa/minute/aapl/20140606_trade.zip", "20140606_aapl_minute_trade.csv", _BAR),
    "quotes": (
        "equity/usa/minute/aapl/20140609_quote.zip",
        "20140609_aapl_minute_quote.csv",
        "time,bid_open,bid_high,bid_low,bid_close,bid_size,ask_open,ask_high,ask_low,ask_close,ask_size",
    ),
    "future": ("future/cme/daily/es_trade.zip", "es_trade_201312.csv", _BAR),
}


_LEAN_FUTURES = ("future/cme/map_files",)
"""They say when contracts expire."""


def _lean_root() -> Path:
    return folder("lean_sample") / "Data"


def _read_lean() -> Texts:
    return {
        name: headerless(
            _member(_lean_root() / path, member),
            columns,
            lambda line, name=name: (
                name != "daily" or line.startswith(("201403", "201404", "201405", "201406"))
            ),
        )
        for name, (path, member, columns) in _LEAN.items()
    }


def _write_lean(landing: Path, texts: Texts) -> None:
    for part in (
        "symbol-properties",
        "market-hours",
        "equity/usa/map_files",
        "equity/usa/factor_files",
        *_LEAN_FUTURES,
    ):
        copy(landing, f"lean/Data/{part}", _lean_root() / part, history=False)
    for name, lines in texts.items():
        path, member, _ = _LEAN[name]
        drop(landing, f"lean/Data/{path}", _zipped(member, lines.text), history=False)
    (landing / "lean" / "history").mkdir(exist_ok=True)
    (landing / "lean" / "Data").rename(landing / "lean" / "history" / "Data")


def _read_pysystemtrade() -> Texts:
    path = next((folder("futures_pysystemtrade") / "raw").glob("*.zip"))
    text = _member(path, "multiple_prices_csv/GOLD.csv")
    return {"GOLD": table(text, lambda line: line.startswith(("2010-03", "2010-04", "2010-05")))}


def _write_pysystemtrade(landing: Path, texts: Texts) -> None:
    root = folder("futures_pysystemtrade")
    copy(landing, "pysystemtrade/data/futures/csvconfig", root / "csvconfig", history=False)
    for name, lines in texts.items():
        path = f"pysystemtrade/data/futures/multiple_prices_csv/{name}.csv"
        drop(landing, path, lines.text, history=False)
    (landing / "pysystemtrade" / "history").mkdir(exist_ok=True)
    (landing / "pysystemtrade" / "data").rename(landing / "pysystemtrade" / "history" / "data")


VENDORS = {
    "google_finance": Vendor("google_finance", _read_google, _write_google),
    "pystock": Vendor("pystock", _read_pystock, _write_pystock),
    "fxcm": Vendor("fxcm", _read_fxcm, _write_fxcm),
    "nautilus_bars": _gz_file("futures_minute_6EH4", "nautilus_bars", ("2024-01-02 0", "2024-01-02 1")),
    "btc_perp": _gz_file("crypto_minute_btcperp", "btc_perp", ("2022-01-03",)),
    "trademaster_futures": _parquet(
        "cn_futures_5min_trademaster",
        "bars_5min.parquet",
        "trademaster_futures",
        date(2023, 3, 20),
        date(2023, 3, 21),
        "datetime",
    ),
    "trademaster_shares": _parquet(
        "cn_equity_intraday_trademaster",
        "bars_intraday.parquet",
        "trademaster_shares",
        date(2019, 11, 4),
        date(2019, 11, 8),
        "bar_time_cst",
    ),
    "lean": Vendor("lean", _read_lean, _write_lean),
    "pysystemtrade": Vendor("pysystemtrade", _read_pysystemtrade, _write_pysystemtrade),
}


@dataclass(frozen=True)
class Found:
    """What became of a landing folder: rows in quarantine, and verdicts of the gate."""

    quarantined: pl.DataFrame
    verdicts: pl.DataFrame

    def has(self, rule: str, day: date, says: str) -> bool:
        """Whether a rule found something on a session in what is quarantined, or noted, with some words."""
        held = self.quarantined.filter(
            (pl.col("rule") == rule)
            & (pl.col("date") == day)
            & (pl.col("symbol") + pl.col("file") + pl.col("evidence")).str.contains(says, literal=True)
        )
        noted = self.verdicts.filter(
            (pl.col("rule") == rule)
            & (pl.col("date") == day)
            & pl.col("evidence").str.contains(says, literal=True)
        )
        return bool(held.height + noted.height)

    def on(self, day: date) -> str:
        """All that was found on a session, for the message of a test that fails."""
        names = ("rule", "symbol", "evidence")
        held = self.quarantined.filter(pl.col("date") == day).select(names).rows()
        noted = self.verdicts.filter(pl.col("date") == day).select("rule", "failed", "evidence").rows()
        return "\n".join(str(row)[:300] for row in [*held[:20], *noted])


def through(root: Path, source: str) -> Found:
    """Take everything in `root / landing` through the three steps, nothing lost."""
    lake, landing = Lake(root / "lake"), root / "landing"
    reader = next(one for one in QUOTE_SOURCES if one.name == source)
    blocks = [block for file in reader.files(landing) for block in reader.read(file, landing)]
    keys = ["exchange", "date"]
    scope = pl.concat(frame.select(keys) for block in blocks for frame in (block.rows, block.rejected))
    ingest.load_raw_quotes(lake, landing, scope.unique())
    for step in (ingest.align_quotes, ingest.validate_bars):
        step(lake, scope.unique())
    return Found(lake.revisions(QUARANTINE).collect(), lake.revisions(GATE_RESULTS).collect())
