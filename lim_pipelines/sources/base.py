"""What every source of quotes gives: files, parsed rows, rejected rows, and a clear refusal of a whole file.

What does not belong here: the format of any vendor (a file each beside this one), instrument ids (`align/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl


@dataclass(frozen=True)
class SourceFile:
    """One vendor file.

    Parameters
    ----------
    source
        Name of the source it belongs to.
    path
        Path under the landing folder, or package://..., or simulate://...
    sha256
        Hash of the content (hex); empty if the content may not be read.
    bytes
        Size of the file.
    arrived_at
        When the file reached us (UTC).
    exchange
        Market identifier, where the path tells it.
    """

    source: str
    path: str
    sha256: str
    bytes: int
    arrived_at: datetime
    exchange: str | None = None


@dataclass(frozen=True)
class Parsed:
    """What a file holds: rows in = rows + rejected.

    Parameters
    ----------
    rows
        Frame of `RAW_QUOTES`.
    rejected
        Frame of `QUARANTINE`, stage parse.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame


class QuoteSource(Protocol):
    """A source of quotes; `template.py` is one to copy."""

    @property
    def name(self) -> str:
        """Name of the source, as in `instruments.listings()`."""

    @property
    def exchanges(self) -> frozenset[str]:
        """Exchanges it can serve."""

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files there are now, in a fixed order."""

    def read(self, file: SourceFile, landing: Path) -> Parsed:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            The file as a whole cannot be trusted.
        """


class RejectedFileError(ValueError):
    """A file is refused as a whole; nothing of it enters.

    Parameters
    ----------
    path
        Path under the landing folder.
    rule
        Name of the rule that it fails.
    reason
        What is wrong.
    remedy
        What to do.
    """

    def __init__(self, path: str, rule: str, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {rule}: {reason}; {remedy}")
        self.path = path
        self.rule = rule
        self.reason = reason
        self.remedy = remedy
