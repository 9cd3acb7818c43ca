"""Facts, events or texts of anybody as csv, described by `landing/facts_feed/<name>/mapping.yaml`.

What does not belong here: bars (`feed.py`), vendors that need code (a source file each).

`mapping.yaml` says what the csv files (also .gz or .zip) below `landing/facts_feed/<name>/` hold;
`landing/facts_feed/<name>/history/` is declared history. Rows have `facts_feed.<name>` as their source.

A row is known when `known_at` says, or, where nobody wrote that down, `lag_days` after what it describes; in
a feed not before it arrived. One of the two must be given: there is no default that would not look ahead. A
day without a time counts as its last second on the clock of `timezone`. Rows that share symbol, moment,
`known_at` and what is measured repeat or contradict each other: the first is kept, or none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Literal
from zoneinfo import available_timezones

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lim_pipelines.schemas import RAW_EVENTS, RAW_FACTS, RAW_TEXTS, UTC_TIME, Table
from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.daily import text_table
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file, unpack
from lim_pipelines.sources.mappings import MAPPING, mapping
from lim_pipelines.sources.publication import with_publication
from lim_pipelines.sources.quarantine import refused
from lim_pipelines.sources.stocknet import ID_DIGITS

SHAPES: dict[str, Table] = {"facts": RAW_FACTS, "events": RAW_EVENTS, "texts": RAW_TEXTS}
LABELS = MappingProxyType(
    {
        "facts": ("field", "period", "unit"),
        "events": ("kind",),
        "texts": ("text",),
    }
)
"""Text that every row of a shape has, from a column or as a constant."""

OPTIONAL = MappingProxyType({"facts": ("form",), "events": ("unit", "detail"), "texts": ()})
_DAY, _TIMES = "%Y-%m-%d", ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f")
_REASONS = MappingProxyType(
    {
        "missing_value": "symbol, value or a label is empty; fill it, or leave the row out",
        "unparsable_time": "a time is not ISO 8601, or not on the clock of the zone; correct it",
        "unparsable_number": "the value is no finite number; write it with a point and without separators",
        "known_too_early": "it counts as known before what it describes was over; check both times",
        "after_arrival": "it counts as known after the file arrived; check its times",
        "duplicate_row": "the same row was given before; nothing to do",
        "conflicting_rows": "two rows say different values of the same thing at once; keep one",
    }
)


class FactsFormat(BaseModel):
    """What the csv files of a feed hold.

    Parameters
    ----------
    shape
        facts, events or texts.
    columns
        Canonical to vendor column: symbol, ts, known_at, value and labels (facts: field, period, unit, form;
        events: kind, unit, detail; texts: text).
    constants
        Labels that are the same in all rows.
    lag_days
        Days from `ts` until a row is known, where no column says; `by_form`: the longest time that the law
        gives for the row's form (`publication.LAGS`).
    timezone
        IANA zone of times without an offset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Literal["facts", "events", "texts"]
    columns: dict[str, str]
    constants: dict[str, str] = Field(default_factory=dict)
    lag_days: Annotated[float, Field(ge=0)] | Literal["by_form"] | None = None
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone; write e.g. America/New_York or UTC")
        return value

    @model_validator(mode="after")
    def _complete(self) -> FactsFormat:
        labels, given = LABELS[self.shape], {*self.columns, *self.constants}
        needed = {"symbol", "ts", *labels, *(("value",) if self.shape == "facts" else ())}
        if missing := sorted(needed - given):
            raise ValueError(f"{self.shape} need {', '.join(missing)}")
        may = {*needed, "known_at", *OPTIONAL[self.shape], *(("value",) if self.shape == "events" else ())}
        if unknown := sorted(given - may):
            raise ValueError(f"{self.shape} have no {', '.join(unknown)}")
        if twice := sorted(set(self.columns) & set(self.constants)):
            raise ValueError(f"{', '.join(twice)} is both a column and a constant")
        if ("known_at" in self.columns) == (self.lag_days is not None):
            raise ValueError("give known_at as a column, or lag_days, and not both")
        if self.lag_days == "by_form" and "form" not in given:
            raise ValueError("lag_days: by_form needs the column or constant form, which only facts have")
        return self


class FactsFeed:
    """Facts, events and texts described by a mapping."""

    name = "facts_feed"
    tables = frozenset(f"raw_{shape}" for shape in SHAPES)

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files of all feeds, and their mappings."""
        return vendor_files(landing, self.name)

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            no_mapping, wrong_mapping, wrong_columns, or a rule of `landed.py`.
        """
        form = mapping(landing, file.path, FactsFormat)
        _, name, *below = PurePosixPath(file.path).parts
        if below == [MAPPING]:
            return
        rows = _judged(_table(file, landing, form), form, file).with_columns(
            source=pl.lit(f"{self.name}.{name}"), file=pl.lit(file.path)
        )
        table = SHAPES[form.shape]
        # What a feed said at several times arrived at once, and is known one after the other.
        good = rows.filter(pl.col("rule").is_null()).sort("_said", "line")
        nth = pl.int_range(pl.len()).over([*table.key, "known_at"])
        good = good.with_columns(known_at=pl.col("known_at") + pl.duration(microseconds=nth))
        evidence = [column for column in rows.columns if column.startswith("given_")]
        yield ParsedTables({table.name: table.conform(good)}, refused(rows, _REASONS, evidence))


def _table(file: SourceFile, landing: Path, form: FactsFormat) -> pl.DataFrame:
    """Text of all that the mapping names, in columns `given_...`, and `line`."""
    try:
        table = text_table(unpack(read_file(landing, file.path), file.path))
    except pl.exceptions.PolarsError as error:
        raise RejectedFileError(
            file.path, "wrong_columns", str(error).split("\n")[0][:200], "write a comma-separated csv"
        ) from error
    if missing := sorted(set(form.columns.values()) - set(table.columns)):
        raise RejectedFileError(
            file.path,
            "wrong_columns",
            f"it has no {', '.join(missing)}",
            "correct the header, or the mapping",
        )
    columns = {f"given_{name}": pl.col(column) for name, column in form.columns.items()}
    constants = {f"given_{name}": pl.lit(value) for name, value in form.constants.items()}
    return table.select("line", **columns, **constants)


def _judged(table: pl.DataFrame, form: FactsFormat, file: SourceFile) -> pl.DataFrame:
    """Add what the tables want, `_said`, from when a row is known whoever reads it, and `rule`."""
    labels, arrived = LABELS[form.shape], pl.lit(file.arrived_at, UTC_TIME)
    given = [name for name in OPTIONAL[form.shape] if f"given_{name}" in table.columns]
    value = pl.col("given_value") if "given_value" in table.columns else pl.lit(None, pl.String)
    rows = table.with_columns(
        ts=_moment(pl.col("given_ts"), form.timezone),
        value=value.cast(pl.Float64, strict=False),
        **{name: pl.col(f"given_{name}").str.strip_chars() for name in ("symbol", *labels, *given)},
    )
    rows = _dated(rows, form, file)
    needed = [
        "given_symbol",
        *(f"given_{n}" for n in labels),
        *(["given_value"] if form.shape == "facts" else []),
    ]
    empty = pl.any_horizontal(pl.col(name).fill_null("").str.strip_chars() == "" for name in needed)
    tests = {
        "missing_value": empty,
        "unparsable_time": pl.col("ts").is_null() | pl.col("_said").is_null(),
        "unparsable_number": (value.is_not_null() & pl.col("value").is_null()) | ~pl.col("value").is_finite(),
        # Events may be announced; figures and texts are about what was.
        "known_too_early": (pl.col("_said") < pl.col("ts")) & (form.shape != "events"),
        "after_arrival": pl.col("_said") > arrived,
    }
    rows = rows.with_columns(
        rule=pl.coalesce(pl.when(failed).then(pl.lit(rule)) for rule, failed in tests.items()),
        known_at=pl.col("_said") if file.history else pl.max_horizontal("_said", arrived),
        year=pl.col("ts").dt.year(),
    )
    if form.shape == "texts":
        ids = [hashlib.sha256((text or "").encode()).hexdigest()[:ID_DIGITS] for text in rows["text"]]
        rows = rows.with_columns(pl.Series("text_id", ids, pl.String))
    table_key = [*(name for name in SHAPES[form.shape].key if name in rows.columns), "_said", "rule"]
    told = pl.struct("value", *given).n_unique().over(table_key)
    nth = pl.int_range(pl.len()).over(table_key, order_by="line")
    again = pl.when(told > 1).then(pl.lit("conflicting_rows")).when(nth > 0).then(pl.lit("duplicate_row"))
    return rows.with_columns(
        rule=pl.when(pl.col("rule").is_null()).then(again).otherwise("rule"),
        date=pl.col("ts").fill_null(arrived).dt.date(),
        known_at=pl.col("known_at").fill_null(arrived),
    )


def _dated(rows: pl.DataFrame, form: FactsFormat, file: SourceFile) -> pl.DataFrame:
    """Add `_said`, from when a row is known: as the file says, or some time after what it describes."""
    if form.lag_days is None:
        return rows.with_columns(_said=_moment(pl.col("given_known_at"), form.timezone))
    if isinstance(form.lag_days, float):
        lag = pl.duration(microseconds=round(form.lag_days * 86_400_000_000))
        return rows.with_columns(_said=pl.col("ts") + lag)
    silent = rows.filter(pl.col("ts").is_not_null()).select(
        "line", "form", "ts", known_at=pl.lit(None, UTC_TIME)
    )
    try:
        published = with_publication(silent)
    except ValueError as error:
        raise RejectedFileError(
            file.path, "no_publication_lag", str(error), "or give known_at as a column"
        ) from error
    return rows.join(published.select("line", _said="known_at"), on="line", how="left", maintain_order="left")


def _moment(text: pl.Expr, zone: str) -> pl.Expr:
    """Text of ISO 8601 in UTC; without an offset on the clock of the zone, a day as its last second."""
    clean = text.str.strip_chars().str.replace("T", " ", literal=True).str.replace("Z$", "+00:00")
    day = clean.str.to_datetime(_DAY, strict=False, time_unit="us") + pl.duration(
        hours=23, minutes=59, seconds=59
    )
    local = pl.coalesce(day, *(clean.str.to_datetime(f, strict=False, time_unit="us") for f in _TIMES))
    there = local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    offset = pl.coalesce(clean.str.to_datetime(f + "%:z", strict=False, time_unit="us") for f in _TIMES)
    return pl.coalesce(there.dt.convert_time_zone("UTC").cast(UTC_TIME), offset.cast(UTC_TIME))
