"""US shares of pystock: a drop a day, `landing/pystock/.../<yyyymmdd>.tar.gz`, prices of two days in each.

A drop named D was collected after the close of D: its rows are known from the next session's open, no
earlier (nor, where it is a feed, before it arrived). In it, `prices.csv` (symbol, date, open, high, low,
close, volume, adj_close; the header is sometimes missing) holds D and the day before once more: what differs
from the drop before is a revision, what does not is held back as `duplicate_bar`.

What does not belong here: filings (`reports.csv`, `pystock_filings.py`), names (`symbols.txt`), the
collection of drops in two tables (`pystock_collection.py`).

Prices are as traded. adj_close is Yahoo's as of the delivery, so the ratio adj_close / close of D's eve, as
D's own drop has it, over that of D is what went ex on D: the row's `ex_factor`, known with it. The eve's own
`ex_factor` is that of the drop before; without that drop it is 1.

The vendor does not say where a share is listed. By its symbol: one to three letters NYSE, four and more
Nasdaq. For 595 symbols whose exchange another vendor names this is right for 92 %; NYSE American counts as
either. All keep the same sessions, so times are right anyhow. Other sources win where they have the bar.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import member
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.tabular import ListedAs, Origin, TableFormat, TimeFormat, parse

MEMBER = "prices.csv"
NAME = re.compile(r"^(\d{8})\.tar\.gz$")
COLUMNS = ("symbol", "date", "open", "high", "low", "close", "volume", "adj_close")
FORMAT = TableFormat(
    time=TimeFormat(columns=("date",)),
    # adj_close travels in a column that the vendor does not fill, and leaves it in `with_ex_factor`.
    columns={
        **{"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"},
        **{"symbol": "symbol", "vwap": "adj_close"},
    },
    exchange="XNYS",
    freq="1d",
    listed_as=ListedAs(asset_class="equity", currency="USD"),
)
PRIORITY = 7
EX_FACTOR_DIGITS = 6
"""Prices have six digits behind the point; a ratio of them that survives rounding is an event."""
_LONGEST_BREAK = timedelta(days=10)
_INSTANT = pl.duration(microseconds=1)
_VALUES = ("open", "high", "low", "close", "volume", "ex_factor")


class Pystock:
    """Daily bars and their revisions, a drop a day."""

    name = "pystock"
    exchanges = frozenset({"XNAS", "XNYS"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the drops; each holds its own day and the session before."""
        found = []
        for file in vendor_files(landing, self.name):
            day = drop_day(file.path)
            first = None if day is None else day - _LONGEST_BREAK
            found.append(replace(file, exchanges=self.exchanges, first=first, last=day))
        return found

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse the prices of one drop, beside those of the drop before."""
        day = drop_day(file.path)
        if day is None:
            raise RejectedFileError(
                file.path,
                "file_name",
                "it is no drop of a day",
                "name it <yyyymmdd>.tar.gz as the vendor does",
            )
        parsed = _prices(file, landing)
        eve = _drop_before(file, day, landing)
        before = RAW_QUOTES.empty() if eve is None else _fresh(landing, eve)
        known = _known(day, file)
        fresh = parsed.rows.filter(pl.col("date") == day).with_columns(known_at=known)
        again = parsed.rows.filter(pl.col("date") != day).drop("ex_factor")
        again = again.join(
            before.select("symbol", "date", "ex_factor", pl.col("known_at").alias("_since")),
            on=["symbol", "date"],
            how="left",
            maintain_order="left",
        ).with_columns(
            pl.col("ex_factor").fill_null(1.0),
            # Two drops may arrive at once, or in the wrong order: the later one still has the last word.
            known_at=pl.max_horizontal(known, pl.col("_since") + _INSTANT),
        )
        same = again.join(
            before.select("symbol", "date", *_VALUES),
            on=["symbol", "date", *_VALUES],
            how="semi",
            nulls_equal=True,
        ).with_columns(
            rule=pl.lit("duplicate_bar"),
            reason=pl.lit("the drop before gave the bar with the same values; nothing to do"),
        )
        news = again.join(same, on="line", how="anti")
        columns = list(RAW_QUOTES.columns)
        held = quarantine("parse", same.select(*columns, "rule", "reason"), columns)
        yield Parsed(
            RAW_QUOTES.conform(pl.concat([fresh.select(columns), news.select(columns)])),
            QUARANTINE.conform(pl.concat([parsed.rejected, held])),
            parsed.listings,
        )


def listed_by_symbol() -> pl.Expr:
    """Exchange that a symbol looks like."""
    return pl.when(pl.col("symbol").str.len_chars() > 3).then(pl.lit("XNAS")).otherwise(pl.lit("XNYS"))


def next_open(days: pl.DataFrame) -> pl.DataFrame:
    """Add the opens of the next sessions.

    Parameters
    ----------
    days
        Column `collected` (dates, sorted).

    Returns
    -------
    pl.DataFrame
        With column `_open` (UTC) beside.
    """
    first, last = days["collected"].min(), days["collected"].max()
    grid = sessions("XNYS", first, last + _LONGEST_BREAK).select(  # type: ignore[arg-type,operator]
        pl.col("date").alias("_session"), pl.col("open").alias("_open")
    )
    return (
        days.with_columns(_tomorrow=pl.col("collected").dt.offset_by("1d"))
        .join_asof(grid, left_on="_tomorrow", right_on="_session", strategy="forward")
        .drop("_tomorrow", "_session", strict=False)
    )


def with_ex_factor(rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows of one drop what went ex between two neighbouring days, and free the column of adj_close."""
    ratio = pl.col("vwap") / pl.col("close")
    change = (ratio.shift(1) / ratio).over("symbol", order_by="date").round(EX_FACTOR_DIGITS)
    usable = change.is_finite() & (change > 0)
    return rows.with_columns(
        ex_factor=pl.when(usable).then(change).otherwise(1.0), vwap=pl.lit(None, pl.Float64)
    )


def relisted(parsed: Parsed, priority: int) -> Parsed:
    """File everything under the exchange that its symbol looks like."""
    exchange = listed_by_symbol()
    listings = parsed.listings.with_columns(exchange=exchange, priority=pl.lit(priority, pl.Int64))
    return Parsed(
        parsed.rows.with_columns(exchange=exchange),
        parsed.rejected.with_columns(exchange=exchange),
        listings.with_columns(instrument_id=pl.col("exchange") + ":" + pl.col("symbol")),
    )


def drop_day(path: str) -> date | None:
    """Day that a drop is named after; None if it is no drop."""
    found = NAME.match(PurePosixPath(path).name)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None


def _known(day: date, file: SourceFile) -> pl.Expr:
    opens = next_open(pl.DataFrame({"collected": [day]}))["_open"][0]
    return pl.lit(opens if file.history else max(opens, file.arrived_at), UTC_TIME)


def _prices(file: SourceFile, landing: Path) -> Parsed:
    content = member(landing, file.path, MEMBER)
    headed = content.lstrip(b"\xef\xbb\xbf").startswith(b"symbol,")
    form = FORMAT if headed else FORMAT.model_copy(update={"header": COLUMNS})
    origin = Origin(file.path, None, file.arrived_at, file.history, file.source, MEMBER)
    blocks = [relisted(block, PRIORITY) for block in parse(io.BytesIO(content), form, origin)]
    return Parsed(
        with_ex_factor(pl.concat([block.rows for block in blocks])),
        pl.concat([block.rejected for block in blocks]),
        pl.concat([block.listings for block in blocks]),
    )


def _drop_before(file: SourceFile, day: date, landing: Path) -> SourceFile | None:
    """Find the last drop before a day in the same folder, or in that of the year before."""
    here = PurePosixPath(file.path).parent
    for days in range(1, _LONGEST_BREAK.days + 1):
        eve = day - timedelta(days=days)
        for folder in dict.fromkeys((here, here.parent / str(eve.year))):
            path = folder / f"{eve:%Y%m%d}.tar.gz"
            where = landing / path
            if where.is_file() and not where.is_symlink():
                status = where.stat()
                arrived_at = datetime.fromtimestamp(status.st_mtime, UTC)
                return replace(file, path=str(path), bytes=status.st_size, arrived_at=arrived_at)
    return None


@lru_cache(maxsize=4)
def _fresh(landing: Path, file: SourceFile) -> pl.DataFrame:
    """Rows that a drop gives of its own day, with the moment they are known from; none if refused."""
    day = drop_day(file.path)
    if day is None:
        return RAW_QUOTES.empty()
    try:
        rows = _prices(file, landing).rows
    except RejectedFileError:
        return RAW_QUOTES.empty()
    return rows.filter(pl.col("date") == day).with_columns(known_at=_known(day, file))
