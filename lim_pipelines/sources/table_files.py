"""Vendors that ship plain tables, csv (also packed) or Parquet: a folder of files and a `TableFormat`.

What does not belong here: the layout of any vendor (a source file each), opening files (`landed.py`), parsing
(`tabular/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO

import polars as pl

from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import open_file, read_file, table, unpack
from lim_pipelines.sources.tabular import Origin, TableFormat, parse, parse_frame

BLOCK_ROWS = 500_000
MAX_WHOLE_ROWS = 20 * BLOCK_ROWS
"""Rows of a table that is read at once."""
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


def whole_table(
    file: SourceFile, landing: Path, columns: Mapping[str, tuple[type[pl.DataType], ...]]
) -> pl.DataFrame:
    """Read a small Parquet table at once.

    Parameters
    ----------
    file, landing
        What to read.
    columns
        Wanted column to the types that it may have; others are left out.

    Returns
    -------
    pl.DataFrame
        The wanted columns behind `line`, the number of the row, counted from 1.

    Raises
    ------
    RejectedFileError
        wrong_columns, too_large, damaged_parquet, or a rule of `landed.py`.
    """
    remedy = "drop the vendor's file as it ships"
    with open_file(landing, file.path) as stream:
        blocks = []
        for _, block in _blocks(stream, file):
            wrong = [
                f"{name} is {block.schema.get(name, 'missing')}, not {' or '.join(map(str, types))}"
                for name, types in columns.items()
                if name not in block.schema or block.schema[name].base_type() not in types
            ]
            if wrong:
                raise RejectedFileError(file.path, "wrong_columns", "; ".join(wrong), remedy)
            blocks.append(block.select(list(columns)))
            if len(blocks) * BLOCK_ROWS > MAX_WHOLE_ROWS:
                raise RejectedFileError(
                    file.path, "too_large", f"it has over {MAX_WHOLE_ROWS:,} rows", "split it by date"
                )
    if not blocks:
        raise RejectedFileError(file.path, "empty_file", "it holds no rows", "drop the complete file again")
    return pl.concat(blocks).with_row_index("line", offset=1).cast({"line": pl.Int64})


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
