"""What is new in the landing folder, and which partitions it touches.

What does not belong here: parsing (`sources/csv_drop.py`), the ledger (`ingest.register_landing_files`).
Nothing here writes; the caller remembers what it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from lim_pipelines.sources.csv_drop import FOLDER, inspect
from lim_pipelines.sources.folder import sha256_of, vendor_files, well_named

SETTLED_AFTER = timedelta(seconds=5)
"""A file that changed less than this ago may still grow and is left alone."""


@dataclass(frozen=True)
class Seen:
    """What is remembered of a file.

    Parameters
    ----------
    signature
        Size and modification time; if they are the same the file is not read again. Empty for a file whose
        name cannot be written down.
    sha256
        Hash of its content.
    changes
        How often its content changed; part of the run key, so that going back to an old content is news too.
    """

    signature: str
    sha256: str
    changes: int


@dataclass(frozen=True)
class Arrival:
    """A file with new content.

    Parameters
    ----------
    path
        Path under the landing folder.
    exchange
        Its exchange.
    dates
        Sessions it touches, sorted; rejected rows count, because their quarantine belongs to a partition too.
    key
        Run key: path, content, number of the change.
    """

    path: str
    exchange: str
    dates: tuple[date, ...]
    key: str


@dataclass(frozen=True)
class Refused:
    """A file that is refused as a whole: path, run key, and the reason with its remedy."""

    path: str
    key: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """What a look at the landing folder found.

    Parameters
    ----------
    arrivals, refused
        Files with new content.
    growing
        Files left alone because they changed a moment ago, or while they were read.
    unchanged
        Files whose content is known.
    seen
        What to remember for the next look.
    """

    arrivals: tuple[Arrival, ...]
    refused: tuple[Refused, ...]
    growing: int
    unchanged: int
    seen: dict[str, Seen]

    def keys(self) -> list[str]:
        """Run keys of all files with new content."""
        return [arrival.key for arrival in self.arrivals] + [file.key for file in self.refused]

    def summary(self) -> str:
        """One sentence for people."""
        if not (self.unchanged or self.growing):
            return "the landing folder is empty; drop files into landing/csv_drop/<MIC>/"
        return f"nothing new: {self.unchanged} files known, {self.growing} still growing"


def survey(landing: Path, seen: Mapping[str, Seen], now: datetime | None = None) -> Survey:
    """Look for files whose content is new.

    Parameters
    ----------
    landing
        The landing folder.
    seen
        What the last look remembered, by path.
    now
        Moment of the look, UTC; the present one if absent.
    """
    moment = now or datetime.now(UTC)
    arrivals, refused = [], []
    # Files that were taken away stay in mind: the same file may come back with another content, or the same.
    remembered = dict(seen)
    growing = unchanged = 0
    for file in vendor_files(landing, FOLDER):
        path = file.path
        before = seen.get(path)
        signature, changed_at = _signature(landing / path)
        if not signature and well_named(path):
            continue  # Taken away since it was listed.
        if before is not None and before.signature == signature:
            unchanged += 1
            continue
        if moment - changed_at < SETTLED_AFTER:
            growing += 1
            continue
        found = inspect(file, landing)
        if _signature(landing / path)[0] != signature:
            growing += 1  # Changed or taken away while it was read: it must not be remembered as seen.
            continue
        digest = sha256_of(landing, file)
        if before is not None and before.sha256 == digest and digest:
            unchanged += 1
            remembered[path] = Seen(signature, digest, before.changes)
            continue
        changes = before.changes + 1 if before is not None else 0
        remembered[path] = Seen(signature, digest, changes)
        key = f"{path}@{digest[:16] or signature}" + (f"#{changes}" if changes else "")
        if found.rule:
            refused.append(Refused(path, key, f"{found.rule}: {found.reason}"))
        else:
            arrivals.append(Arrival(path, path.split("/")[1], found.dates, key))
    return Survey(tuple(arrivals), tuple(refused), growing, unchanged, remembered)


def _signature(where: Path) -> tuple[str, datetime]:
    """Size and modification time; empty and long ago where nothing lies under that name."""
    try:
        status = where.lstat()
    except OSError:
        return "", datetime.min.replace(tzinfo=UTC)
    return f"{status.st_size}:{status.st_mtime_ns}", datetime.fromtimestamp(status.st_mtime, UTC)
