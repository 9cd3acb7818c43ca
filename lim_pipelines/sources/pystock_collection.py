"""A collection of pystock's drops in two tables: `landing/pystock_collection/prices_*.parquet`.

`prices_first_seen.parquet` holds the first value delivered for (symbol, date), `prices_revisions.parquet`
later deliveries that differ; both have the vendor's columns and `collected`, the name of the drop. They must
lie in one folder: what went ex on a day is read from both.

What does not belong here: the drops as shipped, and all that is said of prices, times and exchanges there
(`pystock.py`); `reports.parquet`, which lies in the same folder (`pystock_filings.py`).

A row is fresh if its date is its drop's. Rows that were first delivered a drop late (about one in sixty) say
nothing of what went ex on their day: their `ex_factor` is 1. Of a feed, whose deliveries arrive at once, the
later one is known a microsecond after the one before, and none before both tables arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines import clock
from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import entry_at
from lim_pipelines.sources.landed import inside
from lim_pipelines.sources.pystock import EX_FACTOR_DIGITS, FORMAT, PRIORITY, next_open, relisted
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.table_files import listed, read_table

FILES = ("prices_first_seen.parquet", "prices_revisions.parquet")
REPORTS = "reports.parquet"
"""Filings, which lie in the same folder and are read by `pystock_filings.py`."""
_KEY = ["symbol", "date"]
_VALUES = ["open", "high", "low", "close", "volume"]


class PystockCollection:
    """Daily bars and all their revisions."""

    name = "pystock_collection"
    exchanges = frozenset({"XNAS", "XNYS"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the tables of prices."""
        files = listed(landing, self.name, self.exchanges)
        return [file for file in files if PurePosixPath(file.path).name != REPORTS]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one of the two tables, with what the other says of its days."""
        name = PurePosixPath(file.path).name
        if name not in FILES:
            raise RejectedFileError(
                file.path,
                "file_name",
                "it is none of the tables",
                f"name it {' or '.join(FILES)} if it holds prices, {REPORTS} if it holds filings",
            )
        facts = _facts(file, landing).filter(pl.col("_file") == name).drop("_file")
        for block in read_table(file, landing, FORMAT):
            rows = block.rows.drop("ex_factor", "known_at", "vwap").join(facts, on="line", how="left")
            same = RAW_QUOTES.conform(rows.filter("_same")).with_columns(
                rule=pl.lit("duplicate_bar"),
                reason=pl.lit("the drop before gave the bar with the same values; only adj_close differs"),
            )
            held = quarantine("parse", same, list(RAW_QUOTES.columns))
            kept = RAW_QUOTES.conform(rows.filter(~pl.col("_same")))
            rejected = QUARANTINE.conform(pl.concat([block.rejected, held]))
            yield relisted(Parsed(kept, rejected, block.listings), PRIORITY + 1)


def _facts(file: SourceFile, landing: Path) -> pl.DataFrame:
    """Ex factor and moment of every delivery, and whether it repeats the one before, by table and line."""
    folder = PurePosixPath(file.path).parent
    parts = []
    for name in FILES:
        where = inside(landing, str(folder / name))
        if not where.is_file():
            raise RejectedFileError(
                file.path, "incomplete", f"{name} does not lie beside it", "drop both tables into one folder"
            )
        table = pl.read_parquet(where, columns=[*_KEY, *_VALUES, "adj_close", "collected"])
        parts.append(table.with_row_index("line", offset=1).with_columns(_file=pl.lit(name)))
    first, later = parts
    # All but one in fifty are first deliveries: only the others need to be counted.
    nth = 1 + pl.int_range(pl.len()).over(_KEY, order_by="collected")
    before = first.select(*_KEY, *(pl.col(name).alias(f"_{name}") for name in _VALUES))
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"_{name}")) for name in _VALUES)
    later = later.with_columns(nth=nth).join(before, on=_KEY, how="left", maintain_order="left")
    later = later.with_columns(_same=same & (pl.col("nth") == 1)).select(*first.columns, "nth", "_same")
    first = first.with_columns(nth=pl.lit(0, pl.Int64), _same=pl.lit(False))
    both = pl.concat([first, later]).with_columns(ratio=pl.col("adj_close") / pl.col("close"))
    deliveries = next_open(both.sort("collected"))
    known_at = pl.col("_open")
    if not file.history:
        # What went ex is read from both tables: nobody knew it before the later one was here.
        beside = [entry_at(landing, str(folder / name)) for name in FILES]
        both_here = max(file.arrived_at, *(min(e.modified_at, clock.now()) for e in beside if e))
        arrived = pl.max_horizontal("_open", pl.lit(both_here, UTC_TIME))
        known_at = arrived + pl.duration(microseconds=pl.col("nth"))
    return deliveries.join(_went_ex(deliveries), on=_KEY, how="left").select(
        "_file",
        "_same",
        pl.col("line").cast(pl.Int64),
        pl.col("ex_factor").fill_null(1.0),
        known_at=known_at,
    )


def _went_ex(deliveries: pl.DataFrame) -> pl.DataFrame:
    """Ex factor of every (symbol, date) that was delivered fresh: as its own drop tells it."""
    days = deliveries.select(_KEY).unique().sort(_KEY)
    days = days.with_columns(eve=pl.col("date").shift(1).over("symbol", order_by="date"))
    fresh = deliveries.filter((pl.col("date") == pl.col("collected")) & (pl.col("nth") == 0))
    known = deliveries.select("symbol", pl.col("date").alias("eve"), "collected", eve_ratio="ratio")
    joined = (
        fresh.join(days, on=_KEY)
        .sort("collected")
        .join_asof(known.sort("collected"), on="collected", by=["symbol", "eve"], check_sortedness=False)
    )
    change = (pl.col("eve_ratio") / pl.col("ratio")).round(EX_FACTOR_DIGITS)
    usable = change.is_finite() & (change > 0)
    return joined.select(*_KEY, ex_factor=pl.when(usable).then(change).otherwise(1.0))
