"""The ledger of landed files: every content ever seen under a path, and what became of it.

What does not belong here: what the lake makes of a file's rows (`ingest.py`).

Files that are taken away stay in the ledger as gone; their bars stay in the lake. People clean up: a vendor
takes a bar back by sending the file again without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeVar

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.lake.maintenance import compact
from lim_pipelines.landing.inspect import Claims, Line, inspect
from lim_pipelines.landing.survey import GONE, PRESENT, REPLACED, survey
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.folder import HISTORY, Entry, entry_at, sha256_of, well_named
from lim_pipelines.sources.reading import READER_FAILED, in_order

BLOCK = 400
"""Files whose lines are written in one commit: a run that is killed goes on where it stopped."""

SCATTERED = 64
"""Parquet files of the ledger at most: a look reads it whole, and where files trickle in a run adds one."""

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
    known: dict[str, list[Line]] = defaultdict(list)
    for line in ledger.filter(pl.col("path").is_in([entry.path for entry in unread])).iter_rows(named=True):
        known[line["path"]].append(line)
    looks = in_order(lambda entry: _look(entry, claims, landing, known.get(entry.path, [])), unread)
    read = touched = 0
    left = found.growing
    for block in _blocks(looks):
        settled = [look for look in block if look is not None]
        _write(lake, [line for look in settled for line in look.lines])
        read += sum(look.was_read for look in settled)
        touched += sum(not look.was_read for look in settled)
        left += len(block) - len(settled)
    for paths in _blocks(found.gone):
        lines = ledger.filter(pl.col("path").is_in(paths), pl.col("state") == PRESENT)
        _write(lake, lines.with_columns(state=pl.lit(GONE)).to_dicts())
    if len(lake.file_uris(LANDING_FILES)) > SCATTERED:
        compact(lake, LANDING_FILES)
    return Registered(read, touched, len(found.gone), left, lake.version(LANDING_FILES))


@dataclass(frozen=True)
class _Look:
    """Lines of the ledger that a file makes or changes, and whether its content was read."""

    lines: list[Line]
    was_read: bool


def _look(entry: Entry, claims: Claims, landing: Path, before: list[Line]) -> _Look | None:
    """Look into a file; None if it changes meanwhile and must be left alone."""
    digest = sha256_of(landing, entry.path) or f"{entry.bytes}:{entry.modified_at.isoformat()}"
    same = [line for line in before if line["sha256"] == digest]
    # What was refused is tried again when it is touched: an exchange may have been registered since.
    was_read = not same or any(line["rule"] != "" for line in same)
    lines = inspect(entry, claims, landing) if was_read else same
    if well_named(entry.path) and entry_at(landing, entry.path) != entry:
        return None
    # A content that is back is news as of now; one that was only touched came when it came.
    returned = not same or same[0]["state"] == REPLACED
    now = {
        "path": entry.path,
        "sha256": digest,
        "bytes": entry.bytes,
        "arrived_at": entry.modified_at if returned else same[0]["arrived_at"],
        "modified_at": entry.modified_at,
        "state": PRESENT,
        "source": entry.source,
        "history": HISTORY in PurePosixPath(entry.path).parts[1:-1],
    }
    others = [line for line in before if line["sha256"] != digest and line["state"] != REPLACED]
    return _Look(
        [{**line, **now} for line in lines] + [{**line, "state": REPLACED} for line in others], was_read
    )


def _write(lake: Lake, lines: list[Line]) -> None:
    if lines:
        frame = pl.DataFrame(lines, schema=LANDING_FILES.schema)
        lake.write(LANDING_FILES, frame, frame.select(LANDING_FILES.partition_key))


def _blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while block := list(islice(iterator, BLOCK)):
        yield block
