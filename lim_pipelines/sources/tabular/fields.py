"""Fields of a block of text as typed vendor columns: quickly where all is in order, else line by line.

What does not belong here: what the columns mean (`shape.py`), which rows are refused (`verdict.py`).

The quick way is one typed read by polars. It gives up wherever it cannot be sure to say the same as the slow
way, which knows for every line whether it has the right number of fields and which numbers cannot be read.
"""

from __future__ import annotations

import csv

import polars as pl

from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.tabular.blocks import Block, count_byte
from lim_pipelines.sources.tabular.format import LABELS, TableFormat

LINE, TEXT, WHOLE, BAD = "_line", "_text", "_whole", "_bad"
"""Columns beside the vendor's: line number; of the slow way the line, whether it has the right number of
fields, and whether a number in it cannot be read."""
_STRIP = " \t"


def header_names(header: str | None, form: TableFormat) -> list[str]:
    """Names in a header line, or those that the format gives to a table without one."""
    if header is None:
        return list(form.header or ())
    (parts,) = csv.reader([header[:10_000]], delimiter=form.separator)
    return parts


def resolve(parts: list[str], form: TableFormat, path: str) -> list[str]:
    """Names of a table's columns, those that the format names spelled as there.

    Raises
    ------
    RejectedFileError
        wrong_columns: one is missing, occurs twice, or is not expected.
    """
    wanted = {column.casefold(): column for column in form.vendor_columns}
    names = [part.strip().strip('"').strip() for part in parts]
    names = [wanted.get(name.casefold(), name) for name in names]
    missing = [c for c in form.vendor_columns if c not in names and c not in form.optional_columns]
    twice = sorted({name for name in names if name in form.vendor_columns and names.count(name) > 1})
    unexpected = [] if form.extra_columns else sorted(set(names) - set(form.vendor_columns))
    problems = []
    if missing:
        problems.append(f"missing {', '.join(missing)}")
    if unexpected:
        problems.append(f"unexpected {', '.join(map(repr, unexpected))[:300]}")
    if twice:
        problems.append(f"{', '.join(twice)} occurs twice")
    if problems:
        needed = ", ".join(c for c in form.vendor_columns if c not in form.optional_columns)
        others = ", ".join(sorted(form.optional_columns))
        raise RejectedFileError(
            path,
            "wrong_columns",
            "; ".join(problems),
            f"the header must be: {needed}" + (f"; optional {others}" if others else ""),
        )
    return names


def quickly(block: Block, names: list[str], form: TableFormat) -> pl.DataFrame | None:
    """Typed vendor columns of a block in good order, else None.

    Returns
    -------
    pl.DataFrame or None
        `_line` and the vendor columns that are there: labels and times as text (times that are counts as
        Int64), numbers as Float64; null where a field is empty or one of the format's nulls.
    """
    content = block.content
    quoted = b'"' in content
    if quoted and content.count(b'"') % 2:
        return None
    code, breaks = form.separator.encode(), block.breaks
    separators = count_byte(content, code[0]) if len(code) == 1 else content.count(code)
    if separators != breaks * (len(names) - 1):
        return None
    types = _types(form)
    # polars takes the point of 1.234 for a decimal one even where the comma is: those are read as text.
    read = types if form.decimal == "." else dict.fromkeys(types, pl.String())
    wanted = [i for i, name in enumerate(names) if name in types]
    last = len(names) - 1
    frame = _typed_read(content, names, read, [*wanted, *({last} - {*wanted})], form, quoted=quoted)
    if frame is not None and frame[f"{last}"].null_count():
        # The line may be short: then another is long, which only a read of all columns notices, or holds a
        # quoted separator.
        if frame.width < len(names):
            frame = _typed_read(content, names, read, None, form, quoted=quoted)
        if quoted and frame is not None and _holds(frame, form.separator):
            return None
    if frame is None or frame.height != breaks:
        return None
    frame = frame.select(pl.col(f"{i}").alias(names[i]) for i in wanted)
    if read is not types:
        numbers = {name: dtype for name, dtype in types.items() if name in names and dtype != pl.String()}
        typed = frame.with_columns(
            _number(pl.col(name), form).cast(dtype, strict=False) for name, dtype in numbers.items()
        )
        if not typed.select(*numbers).null_count().equals(frame.select(*numbers).null_count()):
            return None
        frame = typed
    if quoted and any(_has_quotes(column) for column in frame.iter_columns() if column.dtype == pl.String):
        return None
    return frame.with_columns(pl.int_range(block.line, block.line + breaks, eager=True).alias(LINE))


def _typed_read(
    content: bytes,
    names: list[str],
    types: dict[str, pl.DataType],
    columns: list[int] | None,
    form: TableFormat,
    *,
    quoted: bool,
) -> pl.DataFrame | None:
    """Columns by their places; None if polars cannot read them so."""
    try:
        return pl.read_csv(
            content,
            has_header=False,
            schema={f"{i}": types.get(name, pl.String()) for i, name in enumerate(names)},
            columns=columns,
            separator=form.separator,
            quote_char='"' if quoted else None,
            null_values=list(form.nulls) or None,
        )
    except pl.exceptions.PolarsError:
        return None


def slowly(block: Block, names: list[str], form: TableFormat) -> pl.DataFrame:
    """Typed vendor columns of any block, blank lines left out.

    Returns
    -------
    pl.DataFrame
        As `quickly`, with `_text`, `_whole` and `_bad`. A field that is no number is null there.
    """
    lines = pl.Series(TEXT, [block.content.decode()]).str.split("\n").explode().str.strip_chars_end("\r")
    frame = lines.to_frame().with_row_index(LINE, offset=block.line).cast({LINE: pl.Int64})
    frame = frame.filter(pl.col(TEXT).str.strip_chars(" \t\r") != "")
    parts = _split(frame[TEXT], len(names), form.separator)
    types = _types(form)
    fields = frame.with_columns(parts.is_not_null().alias(WHOLE)).with_columns(
        _field(parts, i, form).alias(name) for i, name in enumerate(names) if name in types
    )
    numbers = [name for name in names if name in types and types[name] != pl.String()]
    typed = {name: _number(pl.col(name), form).cast(types[name], strict=False) for name in numbers}
    unreadable = {n: pl.col(n).is_not_null() & typed[n].is_null() for n in numbers}
    bad = [unreadable[name] for name in numbers if name not in form.time.columns]
    return fields.with_columns(pl.any_horizontal(bad or [False]).fill_null(False).alias(BAD)).with_columns(
        **typed
    )


def of_frame(frame: pl.DataFrame, form: TableFormat, path: str, first_line: int) -> pl.DataFrame:
    """Typed vendor columns of a frame, with `_line` and `_bad`.

    Raises
    ------
    RejectedFileError
        wrong_columns.
    """
    given = [name for name in frame.columns if name != LINE]
    names = resolve(given, form, path)
    types = _types(form)
    vendor = frame.select(given).rename(dict(zip(given, names, strict=True)))
    used = [name for name in names if name in types]
    columns, bad = [], []
    for name in used:
        column = vendor[name]
        if name in form.time.columns:
            moment = isinstance(column.dtype, pl.Date | pl.Datetime) and len(form.time.columns) == 1
            columns.append(column if moment else column.cast(types[name], strict=False))
            continue
        columns.append(column.cast(types[name], strict=False))
        bad.append(column.is_not_null() & columns[-1].is_null())
    any_bad = pl.select(pl.any_horizontal(*bad)).to_series() if bad else pl.Series([False])
    line = (
        frame[LINE]
        if LINE in frame.columns
        else pl.int_range(first_line, first_line + frame.height, eager=True)
    )
    return pl.DataFrame(columns).with_columns(line.cast(pl.Int64).alias(LINE), any_bad.alias(BAD))


def as_text(frame: pl.DataFrame) -> pl.Series:
    """Rows of a frame as JSON."""
    return frame.select(
        pl.struct(pl.all().cast(pl.String, strict=False)).struct.json_encode().alias(TEXT)
    ).to_series()


def _types(form: TableFormat) -> dict[str, pl.DataType]:
    """Type in which each vendor column is read."""
    types: dict[str, pl.DataType] = {}
    for side in form.number_columns.values():
        types |= dict.fromkeys(side.values(), pl.Float64())
    types |= {form.columns[label]: pl.String() for label in LABELS if label in form.columns}  # type: ignore[index]
    types |= dict.fromkeys(form.time.columns, pl.Int64() if form.time.numeric else pl.String())
    return types


def _holds(frame: pl.DataFrame, text: str) -> bool:
    return any(
        column.str.contains(text, literal=True).any()
        for column in frame.iter_columns()
        if column.dtype == pl.String
    )


def _has_quotes(column: pl.Series) -> bool:
    return bool((column.str.contains('"', literal=True) | (column == "")).any())


def _split(text: pl.Series, count: int, separator: str) -> pl.Series:
    """Fields of every line, null for lines with another number of them."""
    # Counted before they are split: a line of a million separators must not become a million fields.
    quoted = text.str.contains('"', literal=True)
    whole = (text.str.count_matches(separator, literal=True) == count - 1) & ~quoted
    parts = pl.select(pl.when(whole).then(text.str.split(separator))).to_series()
    if not quoted.any():
        return parts
    read = pl.Series(
        [_quoted_line(line, count, separator) for line in text.filter(quoted)], dtype=parts.dtype
    )
    place = (quoted.cast(pl.Int64).cum_sum() - 1).clip(0)
    return parts.zip_with(~quoted, pl.Series(read, dtype=parts.dtype).gather(place))


def _quoted_line(line: str, count: int, separator: str) -> list[str] | None:
    if line.count(separator) > 4 * count:
        return None
    try:
        (parts,) = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        return None
    return parts if len(parts) == count else None


def _field(parts: pl.Series, place: int, form: TableFormat) -> pl.Expr:
    text = pl.lit(parts.list.get(place, null_on_oob=True)).str.strip_chars(_STRIP)
    return pl.when(~text.is_in(["", *form.nulls])).then(text)


def _number(text: pl.Expr, form: TableFormat) -> pl.Expr:
    if form.decimal == ".":
        return text
    return pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))
