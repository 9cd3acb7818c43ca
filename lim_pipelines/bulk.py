"""History in bulk: years of one exchange through the three steps, in bounded memory.

Every file is read once. What does not fit into memory is laid aside in a scratch folder, then taken up again
period by period, as many sessions as make about a million rows; each period goes through the same steps as
daily partitions do and is committed before the next is taken up. An import that dies leaves whole periods
behind; the next one commits only what is missing. The bars before a period, which it is judged against, are
handed over from the period before: two are worked on at once, and which is committed first must not matter.

What does not belong here: the steps (`ingest.py`), reading files (`sources/`).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Lock

import polars as pl

from lim_pipelines import ingest
from lim_pipelines.derive import resample_bars
from lim_pipelines.lake import Lake
from lim_pipelines.reference import known_listings, register
from lim_pipelines.schemas import LISTINGS, QUARANTINE, RAW_QUOTES, Table
from lim_pipelines.sources import QUOTE_SOURCES
from lim_pipelines.sources.base import QuoteSource, RejectedFileError, SourceFile
from lim_pipelines.sources.collecting import may_hold, settle
from lim_pipelines.sources.reading import in_order, read_blocks
from lim_pipelines.validate.beside import read_beside_import
from lim_pipelines.validate.handover import Handover

PERIOD_ROWS = 500_000
"""Rows of a period; a million bars are about 250 MB, and several copies while they are worked on."""

PERIODS_AT_ONCE = 2
"""Periods are disjoint partitions, so their commits do not meet: one is computed while another is written."""

MEMORY_ROWS = 2_000_000
"""Rows held in memory before they are laid aside."""


@dataclass
class Imported:
    """What an import did.

    Parameters
    ----------
    rows_in
        Rows that the files gave, rejected ones included.
    published
        Rows of `validated_bars` in the partitions now; of those not published, what was there before.
    held
        Rows held back: columns stage, rule, rows. Of partitions that are not published, stage publish, the
        rows that pass all rules of rows.
    files
        Files read, refused ones included.
    refused
        One error for each file refused as a whole.
    warnings
        Warning rule to the number of rows that went on although they look odd.
    periods
        Periods committed.
    changed
        Partitions of `validated_bars` that changed.
    version
        Hash of the content of `validated_bars`; the same files give the same.
    """

    rows_in: int = 0
    published: int = 0
    held: pl.DataFrame = field(default_factory=lambda: _by_rule(QUARANTINE.empty()))
    files: list[SourceFile] = field(default_factory=list)
    refused: list[RejectedFileError] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    periods: int = 0
    changed: int = 0
    version: str = ""

    @property
    def accounted(self) -> frozenset[str]:
        """Files that were read and not refused."""
        return frozenset(file.path for file in self.files) - {error.path for error in self.refused}


def import_history(
    lake: Lake,
    landing: Path,
    mic: str,
    first: date,
    last: date,
    progress: Callable[[date, int], None] | None = None,
) -> Imported:
    """Bring all that the sources hold of one exchange into the lake: raw, aligned, validated, resampled.

    Parameters
    ----------
    lake
        Lake to write.
    landing
        Folder of dropped vendor files.
    mic
        The exchange.
    first, last
        Session dates, both included.
    progress
        Called after each period with its last date and its rows.
    """
    done = Imported()
    with tempfile.TemporaryDirectory(prefix="lim-import-") as folder:
        aside = _Aside(Path(folder))
        register(lake, _read_all(aside, done, landing, mic, first, last))
        listings = known_listings(lake)
        held, contents = [done.held], hashlib.sha256()
        handover = Handover(read_beside_import(lake, _scope(mic, first, last)), mic)

        def load(numbered: tuple[int, tuple[date, date]]) -> tuple[date, int, tuple[ingest.Step, ...]]:
            nth, (start, end) = numbered
            rows, repeated = settle(aside.take(RAW_QUOTES, start, end))
            rejected = pl.concat([aside.take(QUARANTINE, start, end), repeated])
            scope = _scope(mic, start, end)
            with handover.period(nth):
                beside = partial(handover.beside, nth, end)
                steps = ingest.load_period(lake, rows, rejected, scope, listings, done.accounted, beside)
            resample_bars(lake, scope)
            return end, rows.height, steps

        periods = _periods(_with_stored(lake, mic, aside.counts(), first, last), first, last)
        for end, count, steps in in_order(load, enumerate(periods), threads=PERIODS_AT_ONCE):
            held += [_by_rule(step.quarantined) for step in steps]
            held.append(_by_rule_of_partitions(steps[-1].held))
            for rule, odd in steps[-1].warnings.items():
                done.warnings[rule] = done.warnings.get(rule, 0) + odd
            done.rows_in += steps[0].rows_in
            done.published += steps[-1].commit.rows
            done.changed += steps[-1].commit.changed.height
            contents.update(steps[-1].commit.fingerprint.encode())
            done.periods += 1
            if progress is not None:
                progress(end, count)
        done.version = contents.hexdigest()
        done.held = pl.concat(held).group_by("stage", "rule").agg(pl.col("rows").sum()).sort("stage", "rule")
    return done


def _by_rule(quarantined: pl.DataFrame) -> pl.DataFrame:
    return quarantined.group_by("stage", "rule").agg(rows=pl.len().cast(pl.Int64))


def _by_rule_of_partitions(held: pl.DataFrame) -> pl.DataFrame:
    return held.group_by(pl.lit("publish").alias("stage"), "rule").agg(pl.col("rows").sum())


def _scope(mic: str, first: date, last: date) -> pl.DataFrame:
    days = pl.date_range(first, last, eager=True).alias("date")
    return days.to_frame().select(pl.lit(mic).alias("exchange"), "date")


def _read_all(
    aside: _Aside, done: Imported, landing: Path, mic: str, first: date, last: date
) -> pl.DataFrame:
    """Read every file once, lay its rows aside, and return the instruments that the files speak of."""
    here = (pl.col("exchange") == mic) & pl.col("date").is_between(first, last)
    lock, listings = Lock(), [LISTINGS.empty()]

    def read(job: tuple[QuoteSource, SourceFile]) -> tuple[SourceFile, RejectedFileError | None]:
        source, file = job
        try:
            for block in read_blocks(source, file, landing):
                with lock:
                    aside.add(RAW_QUOTES, block.rows.filter(here))
                    aside.add(QUARANTINE, block.rejected.filter(here))
                    listings.append(block.listings.filter(pl.col("exchange") == mic))
        except RejectedFileError as error:
            return file, error
        return file, None

    jobs = (
        (source, file)
        for source in QUOTE_SOURCES
        if mic in source.exchanges
        for file in source.files(landing)
        if may_hold(file, frozenset({mic}), first, last)
    )
    for file, error in in_order(read, jobs):
        done.files.append(file)
        if error is not None:
            done.refused.append(error)
            aside.forget(file.path)
    return _without(pl.concat(listings), [error.path for error in done.refused]).unique()


def _without(frame: pl.DataFrame, paths: list[str]) -> pl.DataFrame:
    """Leave out rows of some files; rows of archives name the file, #, and the name inside."""
    if not paths:
        return frame
    return frame.filter(~pl.col("file").str.split("#").list.first().is_in(paths))


def _with_stored(lake: Lake, mic: str, counts: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Add the rows of dates that no file holds any more: they are worked on again, too, and take memory."""
    here = (pl.col("exchange") == mic) & pl.col("date").is_between(first, last)
    stored = lake.revisions(RAW_QUOTES, here).group_by("date").agg(rows=pl.len()).collect()
    return pl.concat([counts, stored.join(counts, on="date", how="anti")])


def _periods(counts: pl.DataFrame, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Stretches of dates, without gaps from `first` to `last`, each of about `PERIOD_ROWS` rows."""
    nth = (pl.col("rows").cum_sum() - pl.col("rows")) // PERIOD_ROWS
    starts = counts.sort("date").group_by(nth.alias("nth")).agg(pl.col("date").min())["date"].sort()
    bounds = [first, *starts.to_list()[1:], last + timedelta(days=1)]
    for start, following in pairwise(bounds):
        yield start, following - timedelta(days=1)


class _Aside:
    """Rows laid aside: in memory while they are few, then in files sorted by date, which are read in part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, list[pl.DataFrame]] = {RAW_QUOTES.name: [], QUARANTINE.name: []}
        self._counts: list[pl.DataFrame] = []
        self._forgotten: list[str] = []
        self._files = 0

    def add(self, table: Table, rows: pl.DataFrame) -> None:
        """Lay rows aside."""
        if rows.is_empty():
            return
        self._counts.append(rows.group_by("date").agg(rows=pl.len()))
        if len(self._counts) > 100:  # Thousands of files hold the same dates.
            self._counts = [self.counts()]
        kept = self._kept[table.name]
        kept.append(rows)
        if sum(frame.height for frame in kept) > MEMORY_ROWS:
            path = self._folder / f"{table.name}-{self._files:05}.parquet"
            # Small row groups: a period takes up only those that hold its dates.
            pl.concat(kept).sort("date").write_parquet(path, compression="lz4", row_group_size=50_000)
            self._files += 1
            kept.clear()

    def forget(self, path: str) -> None:
        """Leave out a file that was refused after some of its blocks had been laid aside."""
        self._forgotten.append(path)

    def counts(self) -> pl.DataFrame:
        """Rows by date, rejected ones and those of forgotten files included."""
        empty = pl.DataFrame(schema={"date": pl.Date, "rows": pl.UInt32})
        return pl.concat([empty, *self._counts]).group_by("date").agg(pl.col("rows").sum())

    def take(self, table: Table, start: date, end: date) -> pl.DataFrame:
        """Rows of some dates, both included, in no particular order."""
        here = pl.col("date").is_between(start, end)
        kept = [frame.filter(here) for frame in self._kept[table.name]]
        files = sorted(self._folder.glob(f"{table.name}-*.parquet"))
        stored = [pl.scan_parquet(files).filter(here).collect()] if files else []
        return _without(pl.concat([table.empty(), *stored, *kept]), self._forgotten)
