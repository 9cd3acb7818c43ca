"""Files of alternative data: which there are, and one of them read whole.

What does not belong here: any vendor's format (a source file each), where the rows go
(`lim_pipelines/alternative`).

One vendor file may hold several things: a drop of pystock has filings and names, a reader each. They are read
together, as one file with one fate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lim_pipelines import sources
from lim_pipelines.schemas import (
    QUARANTINE,
    RAW_CLAIMS,
    RAW_EVENTS,
    RAW_FACTS,
    RAW_RELATIONS,
    RAW_TEXTS,
    Table,
)
from lim_pipelines.sources.base import QUARANTINE_AS, AlternativeSource, ParsedTables, SourceFile
from lim_pipelines.sources.reading import read_blocks

RAW_TABLES: dict[str, Table] = {
    table.name: table for table in (RAW_FACTS, RAW_EVENTS, RAW_TEXTS, RAW_RELATIONS, RAW_CLAIMS)
}
"""Tables that files of alternative data are read into, by name."""


@dataclass(frozen=True)
class AlternativeFile:
    """A file and its readers.

    Parameters
    ----------
    file
        The file.
    readers
        Sources of one name that read it; at least one.
    """

    file: SourceFile
    readers: tuple[AlternativeSource, ...]

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.file.source

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse the file by every reader; one block, the whole file, in the tables' own columns and order."""
        frames: dict[str, list[pl.DataFrame]] = {}
        rejected = [QUARANTINE.empty()]
        for reader in self.readers:
            for block in reader.read(file, landing):
                rejected.append(block.rejected.with_columns(exchange=pl.lit(QUARANTINE_AS)))
                for name, frame in block.rows.items():
                    if frame.height:
                        frames.setdefault(name, []).append(frame)
        yield ParsedTables(
            {name: RAW_TABLES[name].conform(pl.concat(blocks)) for name, blocks in frames.items()},
            QUARANTINE.conform(pl.concat(rejected)),
        )


def alternative_files(landing: Path) -> list[AlternativeFile]:
    """List the files of all sources of alternative data, in a fixed order, without reading them."""
    readers: dict[tuple[str, str], list[AlternativeSource]] = {}
    files: dict[tuple[str, str], SourceFile] = {}
    for source in sources.ALTERNATIVE_SOURCES:
        for file in source.files(landing):
            files.setdefault((file.source, file.path), file)
            readers.setdefault((file.source, file.path), []).append(source)
    return [AlternativeFile(file, tuple(readers[key])) for key, file in files.items()]


def read_whole(file: AlternativeFile, landing: Path) -> ParsedTables:
    """Read a file as one block.

    Raises
    ------
    RejectedFileError
        As `read_blocks`: the file cannot be trusted, or a reader broke down on it or gave what does not fit
        the tables.
    """
    (block,) = read_blocks(file, file.file, landing)
    return block
