"""Vendors that ship plain tables, csv (also packed) or Parquet: a folder of files and a `TableFormat`.

What does not belong here: the layout of any vendor (a source file each), opening files (`landed.py`), parsing
(`tabular/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import polars as pl

from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import open_file, read_file, table, unpack
from lim_pipelines.sources.tabular import Origin, TableFormat, parse, parse_frame

BLOCK_ROWS = 500_000
TEXT = (".csv", ".csv.gz", ".zip")
PARQUET = ".parquet"


def listed(landing: Path, source: str, exchanges: frozenset[str]) -> list[SourceFile]:
    """Files of a source all of which may hold all of its exchanges."""
    return [replace(file, exchanges=exchanges) for file in vendor_files(landing, source)]


def read_table(
    file: SourceFile,
    landing: Path,
    form: TableFormat,
    *,
    exchange: str | None = None,
    prepare: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> Iterator[Parsed]:
    """Parse a file of one table.

    Parameters
    ----------
    file, landing
        What to read.
    form
        Its layout.
    exchange
        Registered exchange, where the source knows it from the path.
    prepare
        Adds what the format wants to the vendor's columns of a Parquet file, or of a csv as text.

    Raises
    ------
    RejectedFileError
        unknown_file_type, damaged_parquet, or a rule of `landed.py` or of the engine.
    """
    origin = Origin(file.path, exchange, file.arrived_at, file.history, file.source)
    name = file.path.lower()
    if name.endswith(TEXT):
        if prepare is None:
            with table(landing, file) as stream:
                yield from parse(stream, form, origin)
        else:
            content = unpack(read_file(landing, file.path), file.path)
            yield parse_frame(prepare(_text(content, file)), form, origin)
    elif name.endswith(PARQUET):
        with open_file(landing, file.path) as stream:
            for first, frame in _blocks(stream, file):
                yield parse_frame(frame if prepare is None else prepare(frame), form, origin, first)
    else:
        raise RejectedFileError(
            file.path,
            "unknown_file_type",
            "its name ends unlike a table",
            f"name it *{', *'.join((*TEXT, PARQUET))}",
        )


def _text(content: bytes, file: SourceFile) -> pl.DataFrame:
    try:
        return pl.read_csv(content, infer_schema=False).with_row_index("_line", offset=2)
    except pl.exceptions.PolarsError as error:
        raise RejectedFileError(
            file.path, "wrong_columns", str(error).split("\n")[0][:200], "drop the vendor's file as it ships"
        ) from error


def _blocks(stream: IO[bytes], file: SourceFile) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield blocks of rows, each with the number of its first row, counted from 1; a row group at a time."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    first = 1
    try:
        for batch in ParquetFile(stream).iter_batches(batch_size=BLOCK_ROWS):
            frame = pl.DataFrame(batch)
            yield first, frame
            first += frame.height
    except (ArrowException, OSError) as error:
        raise RejectedFileError(
            file.path, "damaged_parquet", str(error).split("\n")[0][:200], "drop the complete file again"
        ) from error
