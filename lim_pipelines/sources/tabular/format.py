"""How a vendor's table is laid out: the description that the engine works from.

What does not belong here: reading (the other files of this package), any vendor (a source file each).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lim_pipelines.instruments import AssetClass
from lim_pipelines.schemas import INTRADAY, SESSIONS_AND_LONGER

FREQS = (*INTRADAY, *SESSIONS_AND_LONGER)
NUMBERS = (
    *("open", "high", "low", "close", "volume", "ex_factor"),
    *("turnover", "vwap", "trades", "open_interest"),
)
LABELS = ("exchange", "symbol", "freq", "price_type")
EPOCHS: dict[str, Literal["s", "ms", "us", "ns"]] = {
    "epoch_s": "s",
    "epoch_ms": "ms",
    "epoch_us": "us",
    "epoch_ns": "ns",
}
PriceType = Literal["trade", "bid", "ask", "mid"]
Number = Literal[
    "open", "high", "low", "close", "volume", "ex_factor", "turnover", "vwap", "trades", "open_interest"
]
Label = Literal["exchange", "symbol", "freq", "price_type"]


Canonical = Number | Label


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """All zones; listing them walks through a thousand files."""
    return frozenset(available_timezones())


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeFormat(_Model):
    """Where a row says when its bar was, and how.

    Parameters
    ----------
    columns
        Vendor columns; several (a date and a time) are read as one text, joined by a blank.
    format
        `iso`: YYYY-MM-DD, or with a time after a blank or T, seconds and fractions optional, offset optional.
        `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`: counted from 1970 UTC.
        `ms_of_day`: milliseconds since midnight of the date in the file's name, on the clock of `timezone`.
        Anything else is a chrono format as polars takes it, e.g. `%d.%m.%Y %H:%M`.
    file_date
        Regular expression on the path (or on the member's name, in an archive of several) whose only group
        is the date of the file, YYYYMMDD; needed for `ms_of_day`.
    timezone
        IANA zone of times without an offset; None: the exchange's.
    stamp
        Whether the time given is the bar's start or its end. Bars of a day or longer are named by a date in
        them, and always end with the last close of their period.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    format: str = "iso"
    file_date: str | None = None
    timezone: str | None = None
    stamp: Literal["start", "end"] = "end"

    @field_validator("columns", mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in _zones():
            raise ValueError(f"{value!r} is no IANA time zone; write e.g. America/New_York or UTC")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> TimeFormat:
        if (self.format == "ms_of_day") != (self.file_date is not None):
            raise ValueError("ms_of_day needs file_date, and nothing else does")
        if self.file_date is not None and re.compile(self.file_date).groups != 1:
            raise ValueError("file_date must have exactly one group, the date as YYYYMMDD")
        if self.format in (*EPOCHS, "ms_of_day"):
            if len(self.columns) > 1:
                raise ValueError(f"{self.format} is read from one column")
        elif self.format != "iso" and "%" not in self.format:
            raise ValueError(
                f"format {self.format!r} is neither iso, {', '.join(EPOCHS)}, ms_of_day nor %..."
            )
        return self

    @property
    def numeric(self) -> bool:
        """Whether the time is a count."""
        return self.format == "ms_of_day" or self.format in EPOCHS


class ListedAs(_Model):
    """What instruments of a table are, where the vendor's symbols are the instruments' names.

    Parameters
    ----------
    asset_class, currency, multiplier, tick_size, lot_size
        As in `LISTINGS`; the same for all symbols of the table.
    """

    asset_class: AssetClass
    currency: str
    multiplier: float = Field(default=1.0, gt=0)
    tick_size: float | None = Field(default=None, gt=0)
    lot_size: float | None = Field(default=None, gt=0)


class TableFormat(_Model):
    """Layout of a vendor's delimited text or Parquet table of bars.

    Parameters
    ----------
    time
        When the bars were.
    columns
        Canonical column to vendor column: numbers (open, high, low, close, volume, ex_factor, turnover, vwap,
        trades, open_interest) and labels (exchange, symbol, freq, price_type). close must be there, or
        `sides`.
    sides
        Price type to canonical-to-vendor columns, for tables whose rows hold several bars (bid and ask): each
        row gives a bar a side. A side whose prices are all missing gives none.
    optional
        Canonical columns that the file may lack.
    extra_columns
        Whether the file may have columns that are not named here. With False a misspelt optional column is
        noticed.
    exchange, symbol, freq, price_type
        Constants, for labels that have no column, or whose column is empty or missing. The exchange may also
        come from where the file lies (`Origin.exchange`).
    symbol_from_path
        Regular expression on the path (or on the member's name) whose only group is the symbol.
    values
        Label to vendor value to canonical value, e.g. {"exchange": {"NASDAQ": "XNAS"}}.
    freqs
        Bar lengths that the table may hold.
    divide_by
        Canonical number to a divisor: 10000 for prices in ten-thousandths.
    zero_is_missing
        Canonical numbers for which the vendor writes 0 where it has none.
    separator, decimal, encoding, nulls
        Of text. Empty fields are always missing; thousand separators are refused.
    header
        Names of the columns of files without a header line.
    skip_rows
        Lines before the header, or before the first row.
    final_line_break
        Whether a file must end with a line break, so that a cut number cannot pass for a smaller one.
        Vendors whose own files lack it say False.
    listed_as
        Given, every symbol is registered as instrument `<MIC>:<symbol>`; None: symbols must be known.
    """

    time: TimeFormat
    columns: dict[Canonical, str] = Field(default_factory=dict)
    sides: dict[PriceType, dict[Number, str]] = Field(default_factory=dict)
    optional: tuple[Canonical, ...] = ()
    extra_columns: bool = True
    exchange: str | None = None
    symbol: str | None = None
    freq: str | None = None
    price_type: PriceType = "trade"
    symbol_from_path: str | None = None
    values: dict[Label, dict[str, str]] = Field(default_factory=dict)
    freqs: tuple[str, ...] = FREQS
    divide_by: dict[Number, float] = Field(default_factory=dict)
    zero_is_missing: tuple[Number, ...] = ()
    separator: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None
    skip_rows: int = Field(default=0, ge=0)
    final_line_break: bool = True
    listed_as: ListedAs | None = None

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding; write e.g. utf-8, latin-1 or utf-16") from error
        return value

    @model_validator(mode="after")
    def _consistent(self) -> TableFormat:
        problems = []
        if not self.sides and "close" not in self.columns:
            problems.append("columns must name the close, or sides must")
        if self.sides and any("close" not in side for side in self.sides.values()):
            problems.append("every side must name its close")
        if self.sides and "price_type" in self.columns:
            problems.append("sides say the price type; leave it out of columns")
        if "symbol" not in self.columns and not self.symbol and not self.symbol_from_path:
            problems.append("say where the symbol comes from: columns, symbol or symbol_from_path")
        if self.symbol_from_path and re.compile(self.symbol_from_path).groups != 1:
            problems.append("symbol_from_path must have exactly one group")
        if "freq" not in self.columns and self.freq is None:
            problems.append("say the bar length: columns or freq")
        unknown = sorted({*self.freqs, *([self.freq] if self.freq else ())} - set(FREQS))
        if unknown:
            problems.append(f"freq {', '.join(unknown)} is none of {', '.join(FREQS)}")
        if self.separator in '"\r\n' or self.separator == self.decimal:
            problems.append("separator and decimal must differ, and the separator is no quote or line break")
        if 0 in self.divide_by.values():
            problems.append("divide_by 0")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @cached_property
    def label_columns(self) -> dict[str, str]:
        """Label to vendor column, for the labels that have one."""
        return {label: self.columns[label] for label in LABELS if label in self.columns}  # type: ignore[index]

    @cached_property
    def number_columns(self) -> dict[str, dict[str, str]]:
        """Price type (the empty text: as the labels say) to number to vendor column."""
        common = {str(name): self.columns[name] for name in self.columns if name in NUMBERS}
        if not self.sides:
            return {"": common}
        return {kind: {**common, **side} for kind, side in self.sides.items()}  # type: ignore[dict-item]

    @cached_property
    def vendor_columns(self) -> tuple[str, ...]:
        """All vendor columns that are read."""
        numbers = (column for side in self.number_columns.values() for column in side.values())
        return tuple(dict.fromkeys((*self.time.columns, *self.label_columns.values(), *numbers)))

    @cached_property
    def optional_columns(self) -> frozenset[str]:
        """Vendor columns that a file may lack."""
        return frozenset(self.columns[name] for name in self.optional if name in self.columns)


@dataclass(frozen=True)
class Origin:
    """Where a table comes from.

    Parameters
    ----------
    path
        Path under the landing folder.
    exchange
        Registered exchange, where the folder says it.
    arrived_at
        When the file arrived (UTC).
    history
        Whether its rows count as known at the bar's end plus the feed's lag, not at arrival.
    source
        Source of the rows; empty: the first folder of the path.
    member
        Name in an archive that holds several tables; rows then say `<path>#<member>` as their file.
    """

    path: str
    exchange: str | None
    arrived_at: datetime
    history: bool = False
    source: str = ""
    member: str = ""

    @property
    def file(self) -> str:
        """What rows say as their file."""
        return f"{self.path}#{self.member}" if self.member else self.path

    @property
    def source_name(self) -> str:
        """What rows say as their source."""
        return self.source or PurePosixPath(self.path).parts[0]

    @property
    def name(self) -> str:
        """What names are read from: the member's, or the path."""
        return self.member or self.path
