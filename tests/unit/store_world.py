"""Bars that are corrected, come late and are withdrawn, for the tests of the window store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from foundation_bars import bars, noise, weekdays

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import NoBarsError, read_bars, series_of
from lim_pipelines.foundation.store import Done, Index, cells_of, digest_of, update
from lim_pipelines.foundation.store.digest import digest_series
from lim_pipelines.foundation.store.shelf import Shelf
from lim_pipelines.lake import Lake, Past, midnight
from lim_pipelines.schemas import VALIDATED_BARS

IBM, SPX, KO = "XNYS:IBM", "XNYS:SPX", "XNYS:KO"
CONFIG = FoundationConfig(
    name="stored",
    exchanges=("XNYS",),
    asset_classes=("equity", "index"),
    freqs=("1d", "1w"),
    context=16,
    horizon=8,
    patch=8,
)
DAYS = weekdays(120)
BARS = pl.concat(
    [
        bars(noise(120, 0), IBM),
        bars(noise(120, 1), SPX, seed=1),
        bars(noise(120, 2), seed=2).with_columns(instrument_id=pl.lit(KO)),
    ]
)
CUTOFFS = (date(2010, 3, 1), date(2010, 4, 1), date(2010, 5, 1), date(2010, 6, 1))


def revision(day: int, instrument: str, known: datetime, factor: float = 1.0, **what: object) -> pl.DataFrame:
    """A later word about the bar of an instrument's day."""
    row = BARS.filter(pl.col("instrument_id") == instrument, pl.col("ts") == DAYS[day])
    return row.with_columns(
        pl.col("close") * factor,
        known_at=pl.lit(known).dt.cast_time_unit("us"),
        **{name: pl.lit(value) for name, value in what.items()},
    )


def at(day: date, hours: int = 0) -> datetime:
    """Hours after a day's midnight, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours)


def put(lake: Lake, *frames: pl.DataFrame) -> None:
    """Make rows the whole content of the lake, so that what is not among them goes."""
    rows = pl.concat(frames).unique(VALIDATED_BARS.row_key, keep="last", maintain_order=True)
    there = lake.revisions(VALIDATED_BARS).select("exchange", "date").collect()
    lake.write(VALIDATED_BARS, rows, pl.concat([there, rows.select("exchange", "date")]).unique())


def brought_up(lake: Lake, root: Path, cutoff: date) -> tuple[Index, dict[str, Done]]:
    """Update a store, and what was done by frequency."""
    found, done = update(lake, root, cells_of(CONFIG), cutoff)
    return found, {one.freq: one for one in done}


def expected(lake: Lake, cutoff: date) -> str:
    """Digest of what the lake shows as of a cutoff, read in one go."""
    try:
        return digest_of(series_of(read_bars(Past(lake, midnight(cutoff)), CONFIG, cutoff)))
    except NoBarsError:
        return digest_of([])


def stored(found: Index) -> list[str]:
    """Digests of what lies in the shelf where an index says."""
    shelf, digests = Shelf(found.folder), []
    for row in found.series.iter_rows(named=True):
        here = slice(row["offset"], row["offset"] + row["length"])
        name = (row["exchange"], row["asset_class"], row["freq"], row["instrument_id"])
        digests.append(digest_series(name, shelf.ts[here], shelf.known_at[here], shelf.rows[here])[0])
    return digests
