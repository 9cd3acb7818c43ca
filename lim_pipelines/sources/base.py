"""What every source gives: files, parsed rows, rejected rows, and a clear refusal of a whole file.

What does not belong here: the format of any vendor (a file each beside this one), instrument ids (`align/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from lim_pipelines.schemas import LISTINGS


@dataclass(frozen=True)
class SourceFile:
    """One vendor file.

    Parameters
    ----------
    source
        Name of the source it belongs to.
    path
        Path under the landing folder, or package://..., or simulate://...
    bytes
        Size of the file.
    arrived_at
        When the file reached us (UTC).
    exchanges
        Exchanges it may hold, as far as source and path tell without reading it.
    first, last
        Sessions it may hold, both included, where the path tells; None is open.
    history
        Declared history: its facts count as known when they happened, not when the file arrived.
    """

    source: str
    path: str
    bytes: int
    arrived_at: datetime
    exchanges: frozenset[str]
    first: date | None = None
    last: date | None = None
    history: bool = False


@dataclass(frozen=True)
class Parsed:
    """What a file, or a block of it, holds: rows in = rows + rejected.

    Parameters
    ----------
    rows
        Frame of `RAW_QUOTES`.
    rejected
        Frame of `QUARANTINE`, stage parse.
    listings
        Frame of `LISTINGS`: instruments that the file speaks of and the source vouches for.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    listings: pl.DataFrame = field(default_factory=LISTINGS.empty)


class QuoteSource(Protocol):
    """A source of quotes; `template.py` is one to copy."""

    @property
    def name(self) -> str:
        """Name of the source, and of its folder under the landing folder if it has one."""

    @property
    def exchanges(self) -> frozenset[str]:
        """Exchanges it can serve."""

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files there are now, in a fixed order, without reading them."""

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file, in blocks of at most about a million rows.

        Raises
        ------
        RejectedFileError
            The file as a whole cannot be trusted; what it has given so far counts for nothing.
        """


class ReferenceSource(Protocol):
    """A source of facts about instruments, beside their quotes."""

    @property
    def name(self) -> str:
        """Name of the source, and of its folder under the landing folder."""

    def reference(self, landing: Path) -> dict[str, pl.DataFrame]:
        """Read everything there is now.

        Returns
        -------
        dict
            Table name to frame, of `CORPORATE_ACTIONS`, `ROLLS` and `INDEX_MEMBERS`.
        """


@dataclass(frozen=True)
class ParsedTables:
    """What a file of alternative data holds, or a block of it: rows in = rows + rejected.

    Parameters
    ----------
    rows
        Raw table (`raw_facts`, `raw_events`, `raw_texts`, `raw_relations`, `raw_claims`) to its frame.
    rejected
        Frame of `QUARANTINE`, stage parse, exchange `QUARANTINE_AS`.
    """

    rows: Mapping[str, pl.DataFrame]
    rejected: pl.DataFrame


QUARANTINE_AS = "ALTERNATIVE"
"""Alternative data belongs to no exchange; the quarantine files it here."""


class AlternativeSource(Protocol):
    """A source of facts, events, texts, relations, or claims about companies."""

    @property
    def name(self) -> str:
        """Name of the source, and of its folder under the landing folder."""

    @property
    def tables(self) -> frozenset[str]:
        """Raw tables that it fills."""

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files there are now, in a fixed order, without reading them (`exchanges` is empty)."""

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one file, in blocks of at most about a million rows.

        Raises
        ------
        RejectedFileError
            The file as a whole cannot be trusted; what it has given so far counts for nothing.
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
