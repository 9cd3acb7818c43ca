"""From typed vendor columns to canonical ones: labels, numbers, sides.

What does not belong here: reading text (`fields.py`), times (`times.py`).
"""

from __future__ import annotations

import re

import polars as pl

from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.tabular.fields import BAD
from lim_pipelines.sources.tabular.format import LABELS, NUMBERS, Origin, TableFormat

WHEN = "_when"


def shaped(fields: pl.DataFrame, form: TableFormat, origin: Origin) -> list[pl.DataFrame]:
    """Canonical columns of a block, a frame for each side.

    Parameters
    ----------
    fields
        Vendor columns, with `_line`; what else begins with an underscore is kept.
    form, origin
        What the columns mean, and where labels without a column come from.

    Returns
    -------
    list of DataFrame
        Columns exchange, symbol, freq, price_type (text; null where the row does not say), `_when` (what it
        says of its time), the canonical numbers (ex_factor 1 where it is missing), and those kept.
    """
    kept = [name for name in fields.columns if name.startswith("_")]
    labels = {name: _label(name, fields, form, origin) for name in LABELS}
    when = _when(fields, form)
    frames = []
    for side, columns in form.number_columns.items():
        there = {name: column for name, column in columns.items() if column in fields.columns}
        numbers = [_number(name, there.get(name), form).alias(name) for name in NUMBERS]
        # One selection: what is the same in all rows stays a single value until it is written.
        frame = fields.select(*kept, *numbers, when.alias(WHEN), **labels)
        if side:
            frame = frame.with_columns(pl.lit(side).alias("price_type"))
        frames.append(frame)
    return _without_empty_sides(frames) if form.sides else frames


def _label(name: str, fields: pl.DataFrame, form: TableFormat, origin: Origin) -> pl.Expr:
    constant = {
        "exchange": form.exchange or origin.exchange,
        "symbol": form.symbol or _symbol(form, origin),
        "freq": form.freq,
        "price_type": form.price_type,
    }[name]
    column = form.label_columns.get(name)
    if column is None or column not in fields.columns:
        return pl.lit(constant, pl.String)
    value = pl.col(column)
    if fields.schema[column] != pl.String:
        value = value.cast(pl.String)
    if name in form.values:
        value = value.replace(form.values[name])  # type: ignore[index]
    # A symbol or exchange that is left empty is a mistake; a length or price type left empty is as usual.
    return value.fill_null(pl.lit(constant, pl.String)) if name in ("freq", "price_type") else value


def _symbol(form: TableFormat, origin: Origin) -> str | None:
    if form.symbol_from_path is None or "symbol" in form.columns:
        return None
    found = re.search(form.symbol_from_path, origin.name)
    if found is None or not found.group(1):
        raise RejectedFileError(
            origin.path,
            "file_name",
            f"{origin.name} names no symbol as {form.symbol_from_path!r} wants it",
            "name it as the vendor does",
        )
    return found.group(1)


def _when(fields: pl.DataFrame, form: TableFormat) -> pl.Expr:
    first, *others = form.time.columns
    if not others:
        return pl.col(first)
    return pl.concat_str([pl.col(column).cast(pl.String) for column in form.time.columns], separator=" ")


def _number(name: str, column: str | None, form: TableFormat) -> pl.Expr:
    if column is None:
        return pl.lit(1.0 if name == "ex_factor" else None, pl.Float64)
    value = pl.col(column).cast(pl.Float64, strict=False)
    if name in form.zero_is_missing:
        value = pl.when(value != 0).then(value)
    if name in form.divide_by:
        # By a column: polars multiplies by the reciprocal of a constant, which misses the last digit of a
        # third of all prices.
        value = value / (value * 0 + form.divide_by[name])  # type: ignore[index]
    return value.fill_null(1.0) if name == "ex_factor" else value


def _without_empty_sides(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Leave out sides without any price; a row of which nothing is left stays with its first side."""
    prices = ("open", "high", "low", "close")
    empty = [frame.select(pl.all_horizontal(pl.col(prices).is_null())).to_series() for frame in frames]
    if not any(side.any() for side in empty):
        return frames
    nothing = pl.select(pl.all_horizontal(*empty)).to_series()
    if BAD in frames[0].columns:
        # A price that cannot be read is no missing price.
        nothing = nothing | frames[0][BAD]
        empty = [side & ~frames[0][BAD] for side in empty]
    first = frames[0].filter(~empty[0] | nothing)
    return [
        first,
        *(frame.filter(~side & ~nothing) for frame, side in zip(frames[1:], empty[1:], strict=True)),
    ]
