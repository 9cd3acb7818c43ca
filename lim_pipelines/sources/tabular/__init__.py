"""The engine that turns delimited text and Parquet into raw quotes; a vendor is a `TableFormat`.

What does not belong here: opening files (`landed.py`), any vendor (a source file each beside this package).

Every block of a table goes the quick way, whole columns at a time; a block in which anything is odd goes
the slow way, row by row, where each row is published or quarantined with its line and reason. Both say the
same of a good table.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lim_pipelines.schemas import QUARANTINE
from lim_pipelines.sources.archives import Stream
from lim_pipelines.sources.base import Parsed
from lim_pipelines.sources.reading import in_order
from lim_pipelines.sources.tabular.blocks import Block, Text, open_text
from lim_pipelines.sources.tabular.fields import (
    BAD,
    as_text,
    header_names,
    of_frame,
    quickly,
    resolve,
    slowly,
)
from lim_pipelines.sources.tabular.format import Canonical, ListedAs, Origin, TableFormat, TimeFormat
from lim_pipelines.sources.tabular.shape import shaped
from lim_pipelines.sources.tabular.verdict import judge, listings, publish


def parse(content: bytes | Stream | Text, form: TableFormat, origin: Origin) -> Iterator[Parsed]:
    """Parse delimited text.

    Parameters
    ----------
    content
        The text, unpacked, or a stream of it, of which only a block is held in memory at a time; or what
        `open_text` made of it, for sources that choose the format by the header.
    form
        Its layout.
    origin
        Where it comes from.

    Yields
    ------
    Parsed
        Blocks in file order, the rows of a block in file order too (by side, where rows hold several bars).
        Lines in = lines published + lines quarantined. Within a block no bar occurs twice.

    Raises
    ------
    RejectedFileError
        The table as a whole cannot be trusted: encoding, empty_file, truncated, line_length, wrong_columns,
        file_name, unknown_exchange. It may come after some blocks: then they count for nothing.
    """
    text = content if isinstance(content, Text) else open_text(content, form, origin)
    names = resolve(header_names(text.header, form), form, origin.path)

    def read(block: Block) -> Parsed:
        fields = quickly(block, names, form)
        parsed = None if fields is None else _at_once(fields, form, origin)
        return parsed or judge(shaped(slowly(block, names, form), form, origin), form, origin)

    # A block is too small for polars to share it among all cores.
    yield from in_order(read, text.blocks)


def parse_frame(frame: pl.DataFrame, form: TableFormat, origin: Origin, first_line: int = 1) -> Parsed:
    """Parse a frame of vendor columns, such as a row group of a Parquet file.

    Parameters
    ----------
    frame
        The vendor's columns; times may be dates and moments already. Of bounded size: it is one block.
    form
        What the columns are.
    origin
        Where it comes from.
    first_line
        Number of its first row in the file, unless a column `_line` numbers the rows.

    Returns
    -------
    Parsed
        As `parse` gives for a block.

    Raises
    ------
    RejectedFileError
        wrong_columns, file_name, unknown_exchange.
    """
    fields = of_frame(frame, form, origin.path, first_line)
    parsed = None if fields[BAD].any() else _at_once(fields, form, origin)
    if parsed is not None:
        return parsed
    return judge(shaped(fields.with_columns(as_text(frame)), form, origin), form, origin)


def _at_once(fields: pl.DataFrame, form: TableFormat, origin: Origin) -> Parsed | None:
    """Rows of a block in good order; None if any row is not."""
    varying = [label for label, column in form.label_columns.items() if column in fields.columns]
    rows = publish(shaped(fields, form, origin), form, origin, varying)
    return None if rows is None else Parsed(rows, QUARANTINE.empty(), listings(rows, form, origin))


__all__ = [
    "Canonical",
    "ListedAs",
    "Origin",
    "TableFormat",
    "TimeFormat",
    "header_names",
    "open_text",
    "parse",
    "parse_frame",
]
