"""The window store: the series of all exchanges and frequencies that are trained on, as of each cutoff.

    <windows>/<layout>-<time made>/rows.f32, ...               rows of all series (`shelf.py`)
    <windows>/<layout>-<time made>/indices/<cutoff>.parquet    which of them a cutoff shows (`index.py`)

What does not belong here: how one exchange is brought up to date (`refresh.py`), windows (`mapped.py`).

Nothing that an index names or ever named is overwritten, and an index appears at once: a process that is
killed leaves rows that nobody names, and can be run again. Writers wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from lim_pipelines.foundation.data import RESAMPLED
from lim_pipelines.foundation.series import CALENDAR, VARIABLES
from lim_pipelines.foundation.store import changes, index
from lim_pipelines.foundation.store.index import SCHEMA, Index, cell
from lim_pipelines.foundation.store.refresh import Refresh
from lim_pipelines.foundation.store.writer import Extent, Writer
from lim_pipelines.lake import Lake, Past, midnight
from lim_pipelines.schemas import VALIDATED_BARS

_VERSION: Final = 2
"""Raise it when the same bars would give other rows, or files are others: the store is made anew."""

_COLUMNS: Final = hashlib.sha256(repr((_VERSION, VARIABLES, CALENDAR)).encode()).hexdigest()[:8]
LAYOUT: Final = f"series-{_COLUMNS}"

_MOST_ABANDONED: Final = 0.5
_GONE: Final = ".gone-"


@dataclass(frozen=True)
class Done:
    """What was done for one exchange and frequency.

    Parameters
    ----------
    exchange, freq
        Which.
    series, rows
        How many there are now.
    appended, rewritten
        Series that grew, series of which a stored bar changed or went.
    written
        Bytes, copies included.
    seconds
        Wall time.
    """

    exchange: str
    freq: str
    series: int
    rows: int
    appended: int
    rewritten: int
    written: int
    seconds: float


def update(
    lake: Lake, root: Path, cells: Iterable[tuple[str, str]], cutoff: date
) -> tuple[Index, list[Done]]:
    """Bring the store to what was known at a cutoff.

    It goes on from the index of the same cutoff, or the latest earlier one. Sessions that are new are
    appended; an instrument of which a bar was corrected, came late or was withdrawn is rewritten elsewhere:
    earlier cutoffs go on showing what was known then.

    Parameters
    ----------
    lake
        Where the bars are. Values are read of a `Past` of the cutoff.
    root
        Folder of the store, `Places.windows`.
    cells
        Exchanges and frequencies, as from `index.cells_of`.
    cutoff
        The cutoff.

    Returns
    -------
    tuple
        The index of the cutoff, that of other cells in it, too; what was done, by exchange and frequency.

    Raises
    ------
    LookAheadError
        A bar was not known at the cutoff.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        # Of a name of its own: who was shown an index of a store that has gone never reads another one.
        folder = _newest(root) or root / f"{LAYOUT}-{time.time_ns()}"
        folder.mkdir(exist_ok=True)
        identity = lake.identity(VALIDATED_BARS)
        old = _of_lake(index.read(folder, cutoff), identity)
        old = old or Index(folder, cutoff, identity, {}, pl.DataFrame(schema=SCHEMA))
        days = [day for day in reversed(index.cutoffs(folder)) if day < cutoff]
        bases, writer, done = [old], Writer(folder), []
        cells_now, parts = dict(old.cells), []
        for exchange, freq in sorted(cells):
            while not any(cell(exchange, freq) in base.cells for base in bases) and days:
                earlier = _of_lake(index.read(folder, days.pop(0)), identity)
                bases += [earlier] if earlier else []
            base = next((base for base in bases if cell(exchange, freq) in base.cells), None)
            # Asked before the rows are read: a commit in between is then new to the next update, not lost.
            version = lake.version(VALIDATED_BARS)
            part, what = _brought_up(writer, lake, base, exchange, freq, cutoff, version)
            parts.append(part)
            done.append(what)
            cells_now[cell(exchange, freq)] = version
        mine = pl.DataFrame(sorted(cells), schema=["exchange", "freq"], orient="row")
        others = old.series.join(mine, on=["exchange", "freq"], how="anti")
        series = pl.concat([others, *parts]).sort("exchange", "instrument_id", "freq", "asset_class")
        new = Index(folder, cutoff, identity, cells_now, series)
        if new.cells != old.cells or not new.series.equals(old.series):
            writer.shelf.flush()
            index.write(new)
    return new, done


def _of_lake(found: Index | None, identity: str) -> Index | None:
    """Return an index if it is of this lake: versions of one that is gone tell nothing about what changed."""
    return found if found and found.lake == identity else None


def _brought_up(
    writer: Writer, lake: Lake, base: Index | None, exchange: str, freq: str, cutoff: date, version: int
) -> tuple[pl.DataFrame, Done]:
    began, bytes_before = time.perf_counter(), writer.written
    past = Past(lake, midnight(cutoff))
    here = changes.wanted(exchange, RESAMPLED.get(freq, freq))
    if base is None:
        rows = pl.DataFrame(schema=SCHEMA)
        changed = changes.everything(past, here)
    else:
        rows = base.series.filter(pl.col("exchange") == exchange, pl.col("freq") == freq)
        changed = changes.since(
            past,
            here,
            midnight(base.cutoff),
            base.cells[cell(exchange, freq)],
            version,
            rows["instrument_id"].unique(),
        )
    before = _extents(rows)
    after, rewritten = before, 0
    if changed.height:
        refresh = Refresh(writer, past, exchange, freq, cutoff, _extents(rows))
        refresh.run(changed)
        after, rewritten = refresh.extents, len(refresh.rewritten)
        rows = _rows(exchange, freq, after)
    grown = sum(key in before and before[key].length < one.length for key, one in after.items())
    what = Done(
        exchange=exchange,
        freq=freq,
        series=len(after),
        rows=sum(one.length for one in after.values()),
        appended=len(after.keys() - before.keys()) + grown,
        rewritten=rewritten,
        written=writer.written - bytes_before,
        seconds=round(time.perf_counter() - began, 3),
    )
    return rows, what


def _extents(rows: pl.DataFrame) -> dict[tuple[str, str], Extent]:
    names = [name for name in SCHEMA.names() if name not in ("exchange", "freq")]
    return {
        (row["asset_class"], row["instrument_id"]): Extent(
            **{name: value for name, value in row.items() if name not in ("asset_class", "instrument_id")}
        )
        for row in rows.select(names).iter_rows(named=True)
    }


def _rows(exchange: str, freq: str, extents: dict[tuple[str, str], Extent]) -> pl.DataFrame:
    rows = [
        {"exchange": exchange, "freq": freq, "asset_class": key[0], "instrument_id": key[1], **one.__dict__}
        for key, one in extents.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def clear(root: Path) -> int:
    """Remove a store of which most rows are nobody's any more, and those of other layouts.

    The next `update` makes it anew; who has mapped it reads on.

    Parameters
    ----------
    root
        Folder of the store.

    Returns
    -------
    int
        Bytes of disk that were freed.
    """
    if not root.is_dir():
        return 0
    freed = 0
    with _alone(root):
        kept = _newest(root)
        if kept is not None and index.abandoned(kept) > _MOST_ABANDONED:
            kept = None
        for path in [*root.glob("series-*"), *root.glob(f"{_GONE}*")]:
            if path == kept:
                continue
            # At once: half a store would be read as one.
            gone = path if path.name.startswith(_GONE) else path.rename(root / f"{_GONE}{path.name}")
            freed += sum(512 * file.stat().st_blocks for file in gone.rglob("*") if file.is_file())
            shutil.rmtree(gone)
    return freed


def _newest(root: Path) -> Path | None:
    """Folder that is read and written; None if there is none yet."""
    found = [path for path in root.glob(f"{LAYOUT}-*") if path.name.rpartition("-")[2].isdigit()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other process writes."""
    with (root / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
