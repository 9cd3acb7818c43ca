"""What lies in the landing folder that the ledger does not know: by name, size and time; nothing is read.

What does not belong here: contents (`register.py`). Nothing here writes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from lim_pipelines import clock
from lim_pipelines.sources.folder import Entry, entries

SETTLED_AFTER = timedelta(seconds=5)
"""A file that changed less than this ago may still grow and is left alone."""

PRESENT, REPLACED, GONE = "present", "replaced", "gone"
"""States of a content in the ledger: the file's present one, one that it had before, a file taken away."""


@dataclass(frozen=True)
class Survey:
    """What a look at the landing folder found.

    Parameters
    ----------
    unread
        Files that are new, changed or touched; sorted by path.
    gone
        Paths that the ledger has as present and that are no longer there, sorted.
    growing
        Files left alone because they changed a moment ago.
    unchanged
        Files that are as the ledger knows them.
    """

    unread: tuple[Entry, ...]
    gone: tuple[str, ...]
    growing: int
    unchanged: int

    @property
    def is_news(self) -> bool:
        """Whether the ledger has something to learn."""
        return bool(self.unread or self.gone)

    def key(self) -> str:
        """Return a digest of paths, sizes and times: the same as long as there is the same to learn."""
        lines = [f"{file.path}@{file.bytes}@{file.modified_at.isoformat()}" for file in self.unread]
        return hashlib.sha256("\n".join([*lines, *self.gone]).encode()).hexdigest()[:16]

    def summary(self) -> str:
        """One sentence for people."""
        if not (self.unchanged or self.growing):
            return "the landing folder is empty; drop files into landing/<source>/"
        return f"nothing new: {self.unchanged} files known, {self.growing} still growing"


def survey(landing: Path, ledger: pl.DataFrame, now: datetime | None = None) -> Survey:
    """Look for files that the ledger does not know as they lie there.

    Parameters
    ----------
    landing
        The landing folder; it need not exist.
    ledger
        Frame of `LANDING_FILES`.
    now
        Moment of the look, UTC; the present one if absent.
    """
    moment = now or clock.now()
    present = ledger.filter(pl.col("state") == PRESENT).select("path", "bytes", "modified_at").unique()
    known = {path: (size, modified_at) for path, size, modified_at in present.iter_rows()}
    unread = []
    growing = unchanged = 0
    missing = set(known)
    for file in entries(landing):
        missing.discard(file.path)
        if known.get(file.path) == (file.bytes, file.modified_at):
            unchanged += 1
        # A time to come is a clock ahead of ours, and says nothing of when the file will rest.
        elif -SETTLED_AFTER < moment - file.modified_at < SETTLED_AFTER:
            growing += 1
        else:
            unread.append(file)
    return Survey(tuple(unread), tuple(sorted(missing)), growing, unchanged)
