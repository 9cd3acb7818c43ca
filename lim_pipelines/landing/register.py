"""The ledger of landed files: every content ever seen under a path, and what became of it.

What does not belong here: what the lake makes of a file's rows (`ingest.py`).

Files that are taken away stay in the ledger as gone; their bars stay in the lake. People clean up: a vendor
takes a bar back by sending the file again without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeVar

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.landing.inspect import Claims, inspect
from lim_pipelines.landing.survey import GONE, PRESENT, REPLACED, survey
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.folder import HISTORY, Entry, entry_at, sha256_of, well_named
from lim_pipelines.sources.reading import READER_FAILED, in_order

BLOCK = 400
"""Files whose lines are written in one commit: a run that is killed goes on where it stopped."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Registered:
    """What a run of the ledger did.

    Parameters
    ----------
    read
        Files that were read.
    touched
        Files whose content was known, under a new time.
    gone
        Files that were taken away.
    left
        Files left alone: they change, or changed while they were read.
    version
        Version of the ledger afterwards, -1 if there is none.
    """

    read: int
    touched: int
    gone: int
    left: int
    version: int


def register(lake: Lake, landing: Path) -> Registered:
    """Read every file that the ledger does not know, each once, in parallel, and write down what is in it.

    A file refused as a whole stays where it is; nothing of it enters the lake. Files on which a reader broke
    down are tried again.
    """
    ledger = lake.revisions(LANDING_FILES).collect()
    found = survey(landing, ledger)
    broken = (pl.col("state") == PRESENT) & (pl.col("rule") == READER_FAILED)
    unread = (
        survey(landing, ledger.filter(~broken)).unread if ledger.select(broken.any()).item() else found.unread
    )
    claims = Claims.of(landing)
    known = ledger.filter(pl.col("path").is_in([entry.path for entry in unread])).partition_by(
        "path", as_dict=True
    )
    read = touched = 0
    left = found.growing
    for block in _blocks(in_order(lambda entry: _look(entry, claims, landing, known), unread)):
        lines = [frame for frame, _ in block if frame is not None]
        left += len(block) - len(lines)
        read += sum(was_read for frame, was_read in block if frame is not None)
        touched += sum(not was_read for frame, was_read in block if frame is not None)
        _write(lake, lines)
    for paths in _blocks(found.gone):
        rows = ledger.filter(pl.col("path").is_in(paths), pl.col("state") == PRESENT)
        _write(lake, [rows.with_columns(state=pl.lit(GONE))])
    return Registered(read, touched, len(found.gone), left, lake.version(LANDING_FILES))


def _look(
    entry: Entry, claims: Claims, landing: Path, known: dict[tuple[object, ...], pl.DataFrame]
) -> tuple[pl.DataFrame | None, bool]:
    """Lines of the ledger that a file changes, None if it must be left alone; and whether it was read."""
    digest = sha256_of(landing, entry.path)
    if not digest:
        digest = f"{entry.bytes}:{entry.modified_at.isoformat()}"
    before = known.get((entry.path,), LANDING_FILES.empty())
    same = before.filter(pl.col("sha256") == digest)
    # What was refused is tried again when it is touched: an exchange may have been registered since.
    if same.is_empty() or same["rule"].item(0) != "":
        lines, was_read = _lines(entry, digest, inspect(entry, claims, landing)), True
    else:
        lines, was_read = same, False
    if well_named(entry.path) and entry_at(landing, entry.path) != entry:
        return None, False
    # A content that is back is news as of now; one that was only touched came when it came.
    returned = same.is_empty() or same["state"].item(0) == REPLACED
    now = LANDING_FILES.conform(
        lines.with_columns(
            bytes=pl.lit(entry.bytes),
            arrived_at=pl.lit(entry.modified_at if returned else same["arrived_at"].item(0)),
            modified_at=pl.lit(entry.modified_at),
            state=pl.lit(PRESENT),
        )
    )
    others = before.filter(pl.col("sha256") != digest, pl.col("state") != REPLACED)
    return pl.concat([now, others.with_columns(state=pl.lit(REPLACED))]), was_read


def _lines(entry: Entry, digest: str, held: pl.DataFrame) -> pl.DataFrame:
    return held.with_columns(
        path=pl.lit(entry.path),
        sha256=pl.lit(digest),
        source=pl.lit(entry.source),
        history=pl.lit(HISTORY in PurePosixPath(entry.path).parts[1:-1]),
    )


def _write(lake: Lake, lines: list[pl.DataFrame]) -> None:
    if lines:
        frame = pl.concat(lines)
        lake.write(LANDING_FILES, frame, frame.select(LANDING_FILES.partition_key))


def _blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while block := list(islice(iterator, BLOCK)):
        yield block
