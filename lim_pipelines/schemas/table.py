"""What a table is: columns with types and units, a key, a partition.

What does not belong here: the tables themselves (a file a part of the platform, beside this one).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")

INTRADAY: Final = {
    "1s": timedelta(seconds=1),
    "15s": timedelta(seconds=15),
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "20m": timedelta(minutes=20),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
}
"""Bar lengths within a session."""

SESSIONS_AND_LONGER: Final = ("1d", "1w", "1mo")
"""Bar lengths of a session, a week, a month; they end with the session's, week's or month's last close."""

PRICE_TYPES: Final = ("trade", "bid", "ask", "mid")
"""What the prices of a bar are. A bar of bids and one of asks are two rows."""

ONE_PRICE: Final = ("trade", "mid")
"""What models and backtests read: an instrument has trades, or mid quotes where nobody prints trades."""


class SchemaError(ValueError):
    """A frame does not have the columns, types or keys of its table."""


MUST_BE_GIVEN: Final = object()
"""No default: producers name the column."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    dtype
        Polars type.
    unit
        Unit of the values; empty for identifiers.
    description
        What a value says.
    nullable
        Whether a value may be missing.
    default
        What `Table.conform` fills in where a producer leaves the column out. Nullable columns that have no
        default must be there: a missing price column is a mistake, a missing count of trades is not.
    """

    dtype: Any
    unit: str
    description: str
    nullable: bool = False
    default: Any = MUST_BE_GIVEN


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    Parameters
    ----------
    name
        Name of the table, and of its folder in the lake.
    description
        One sentence for the catalogue.
    columns
        Column name to `Column`, in storage order.
    key
        Columns that identify a fact; together with `known_at` (where the table has it) a row.
    partition_key
        Columns of the unit that is written whole or not at all.
    stored_by
        Columns that become folders of the stored table.
    """

    name: str
    description: str
    columns: dict[str, Column]
    key: tuple[str, ...]
    partition_key: tuple[str, ...]
    stored_by: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        """Column names and polars types."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    @property
    def has_revisions(self) -> bool:
        """Whether facts carry `known_at` and may be revised by later rows."""
        return "known_at" in self.columns

    @property
    def row_key(self) -> list[str]:
        """Columns that identify one row: the key, and `known_at` where facts may be revised."""
        return [*self.key, "known_at"] if self.has_revisions else list(self.key)

    def empty(self) -> pl.DataFrame:
        """Return a frame of this table without rows."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring a frame to the table's columns, types and row order.

        Parameters
        ----------
        frame
            Rows with the table's columns, but for those that have a default; others are dropped.

        Returns
        -------
        pl.DataFrame
            The table's columns in storage order, sorted by key (and `known_at`).

        Raises
        ------
        SchemaError
            A column is missing, cannot be cast, holds a null it must not, or a row key occurs twice.
        """
        missing = [name for name in self.columns if name not in frame.columns]
        optional = {n: self.columns[n] for n in missing if self.columns[n].default is not MUST_BE_GIVEN}
        frame = frame.with_columns(pl.lit(c.default, c.dtype).alias(name) for name, c in optional.items())
        missing = [name for name in missing if name not in optional]
        if missing:
            raise SchemaError(f"table {self.name}: columns {missing} are missing (has {frame.columns})")
        try:
            out = frame.select(pl.col(name).cast(column.dtype) for name, column in self.columns.items())
        except pl.exceptions.PolarsError as error:
            raise SchemaError(f"table {self.name}: {error}") from error
        nulls = out.null_count().row(0, named=True) if out.height else {}
        bad = [name for name, n in nulls.items() if n and not self.columns[name].nullable]
        if bad:
            raise SchemaError(f"table {self.name}: nulls in {bad}, which must be filled")
        out = out.sort(self.row_key)
        # After sorting, rows that share a key are neighbours.
        same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in self.row_key)
        repeated = out.select(same.sum()).item() or 0
        if repeated:
            raise SchemaError(f"table {self.name}: {repeated} rows share a key {self.row_key}")
        return out
