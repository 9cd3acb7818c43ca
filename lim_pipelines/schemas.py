"""Every table of the lake: columns, types, units, keys, and how it is partitioned.

What does not belong here: how tables are stored (`lake.py`), which rows are right (`validate/`), or where
values come from (`sources/`).

Two clocks run through all of it. `ts` is the moment a fact describes; `known_at` is the first moment anyone
could have known it. Both are UTC. A bar's `ts` is its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")


class SchemaError(ValueError):
    """A frame does not have the columns, types or keys of its table."""


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
    """

    dtype: Any
    unit: str
    description: str
    nullable: bool = False


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
            Rows with at least the table's columns; others are dropped.

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
        repeated = out.select(pl.struct(self.row_key).is_duplicated().sum()).item() if out.height else 0
        if repeated:
            raise SchemaError(f"table {self.name}: {repeated} rows share a key {self.row_key}")
        return out


_EXCHANGE = Column(pl.String, "", "ISO 10383 market identifier of the exchange; XSIM is simulated")
_DATE = Column(pl.Date, "", "session date in the exchange's own time zone")
_INSTRUMENT = Column(pl.String, "", "stable instrument id, `<MIC>:<name>`; survives symbol changes")
_FREQ = Column(pl.String, "", "bar length as a duration: 1m, 1h, 1d")
_TS = Column(UTC_TIME, "UTC", "end of the bar; a daily bar ends at its session's close")
_KNOWN_AT = Column(UTC_TIME, "UTC", "first moment this row could be known")
_SOURCE = Column(pl.String, "", "name of the source in `lim_pipelines.sources`")
_FILE = Column(pl.String, "", "vendor file: path under the landing folder, or package:// or simulate://")
_LINE = Column(pl.Int64, "", "line of the vendor file, the header being line 1")
_STRATEGY = Column(pl.String, "", "strategy name, the folder under `lim_pipelines/defs`")
_CUTOFF = Column(pl.Date, "", "walk-forward cutoff: nothing known after this midnight UTC was used")
_ARM = Column(pl.String, "", "model arm: the strategy's method, or one of its controls")
_SEED = Column(pl.Int64, "", "random seed of the fit; 0 for deterministic arms")

_PRICES = {
    "open": Column(pl.Float64, "currency", "first price", nullable=True),
    "high": Column(pl.Float64, "currency", "highest price", nullable=True),
    "low": Column(pl.Float64, "currency", "lowest price", nullable=True),
    "close": Column(pl.Float64, "currency", "last price, as traded, not adjusted"),
    "volume": Column(pl.Float64, "units", "units traded", nullable=True),
    "ex_factor": Column(
        pl.Float64,
        "ratio",
        "multiplies the previous close to make it comparable with this bar: 1 without a corporate action,"
        " 0.5 on the ex-date of a 2:1 split; close[t] / (close[t-1] * ex_factor[t]) - 1 is the total return",
    ),
}

RAW_QUOTES = Table(
    "raw_quotes",
    "Vendor quotes parsed to the canonical columns, vendor symbols kept, nothing dropped.",
    {
        "exchange": _EXCHANGE,
        "date": _DATE,
        "source": _SOURCE,
        "symbol": Column(pl.String, "", "the vendor's symbol"),
        "freq": _FREQ,
        "ts": _TS,
        **_PRICES,
        "file": _FILE,
        "line": _LINE,
        "known_at": _KNOWN_AT,
    },
    key=("exchange", "date", "source", "symbol", "freq", "ts"),
    partition_key=("exchange", "date"),
    stored_by=("exchange",),
)

_BARS = {
    "exchange": _EXCHANGE,
    "date": _DATE,
    "instrument_id": _INSTRUMENT,
    "freq": _FREQ,
    "ts": _TS,
    **_PRICES,
    "source": _SOURCE,
    "known_at": _KNOWN_AT,
}
_BAR_KEY = ("exchange", "date", "instrument_id", "freq", "ts")

ALIGNED_BARS = Table(
    "aligned_bars",
    "Bars on the exchange's session grid, under stable instrument ids.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange",),
)

VALIDATED_BARS = Table(
    "validated_bars",
    "Aligned bars that pass every blocking rule; what models and backtests read.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange",),
)

QUARANTINE = Table(
    "quarantine",
    "Rows that were held back: where they came from, which rule, why, and the row itself.",
    {
        "stage": Column(pl.String, "", "parse, align or validate"),
        "exchange": _EXCHANGE,
        "date": _DATE,
        "source": _SOURCE,
        "file": _FILE,
        "line": _LINE,
        "symbol": Column(pl.String, "", "vendor symbol or instrument id"),
        "rule": Column(pl.String, "", "name of the rule that the row fails"),
        "reason": Column(pl.String, "", "what is wrong and what to do"),
        "evidence": Column(pl.String, "", "the row as JSON"),
        "known_at": _KNOWN_AT,
    },
    key=("stage", "exchange", "date", "source", "file", "line", "symbol", "rule", "evidence"),
    partition_key=("stage", "exchange", "date"),
    stored_by=("stage",),
)

_MACRO = {
    "series_id": Column(pl.String, "", "name of the series in `lim_pipelines.sources.macro`"),
    "ts": Column(UTC_TIME, "UTC", "end of the period that the value describes"),
    "value": Column(pl.Float64, "the series' unit", "value as published"),
    "unit": Column(pl.String, "", "unit of the value"),
    "source": _SOURCE,
    "file": _FILE,
    "line": _LINE,
    "known_at": Column(
        UTC_TIME, "UTC", "release time, or period end plus the series' stated publication lag"
    ),
}


def _macro(name: str, description: str) -> Table:
    return Table(
        name,
        description,
        _MACRO,
        key=("series_id", "ts"),
        partition_key=("series_id",),
        stored_by=("series_id",),
    )


RAW_MACRO = _macro("raw_macro", "Macro series as the vendor ships them, with publication times.")
ALIGNED_MACRO = _macro("aligned_macro", "Macro series on period ends in UTC, duplicates resolved.")
VALIDATED_MACRO = _macro("validated_macro", "Macro series that pass every blocking rule.")

TARGETS = Table(
    "targets",
    "Target weights decided by a strategy's arms, one row an instrument and decision.",
    {
        "strategy": _STRATEGY,
        "cutoff": _CUTOFF,
        "spec_digest": Column(pl.String, "", "content hash of the strategy's specification"),
        "model_digest": Column(pl.String, "", "digest of the models that decided"),
        "arm": _ARM,
        "seed": _SEED,
        "date": Column(pl.Date, "", "session whose close is the last input of the decision"),
        "decided_at": Column(UTC_TIME, "UTC", "when the decision could be taken: all its inputs were known"),
        "exchange": _EXCHANGE,
        "instrument_id": _INSTRUMENT,
        "forecast": Column(
            pl.Float64,
            "log return",
            "forecast over the strategy's horizon; null where the models said nothing",
            nullable=True,
        ),
        "weight": Column(pl.Float64, "fraction of equity", "target weight, negative for short"),
    },
    key=("strategy", "cutoff", "arm", "seed", "date", "exchange", "instrument_id"),
    partition_key=("strategy", "cutoff"),
    stored_by=("strategy",),
)

BACKTEST_DAILY = Table(
    "backtest_daily",
    "Daily results of every arm, net of costs with the gross figure beside.",
    {
        "strategy": _STRATEGY,
        "arm": _ARM,
        "seed": _SEED,
        "date": Column(pl.Date, "", "session on which the result was earned"),
        "gross_return": Column(pl.Float64, "fraction of equity", "return before costs"),
        "cost": Column(pl.Float64, "fraction of equity", "commission, spread and borrow paid"),
        "net_return": Column(pl.Float64, "fraction of equity", "return after costs"),
        "turnover": Column(pl.Float64, "fraction of equity", "sum of absolute weight changes traded"),
        "gross_exposure": Column(pl.Float64, "fraction of equity", "sum of absolute weights held"),
        "net_exposure": Column(pl.Float64, "fraction of equity", "sum of weights held"),
    },
    key=("strategy", "arm", "seed", "date"),
    partition_key=("strategy",),
    stored_by=("strategy",),
)

SCORES = Table(
    "scores",
    "Metrics of every arm and seed of a strategy, long format; the leaderboard reads it.",
    {
        "strategy": _STRATEGY,
        "arm": _ARM,
        "seed": _SEED,
        "metric": Column(pl.String, "", "the field's name of the metric"),
        "value": Column(pl.Float64, "the metric's unit", "value", nullable=True),
    },
    key=("strategy", "arm", "seed", "metric"),
    partition_key=("strategy",),
    stored_by=("strategy",),
)

TRIALS = Table(
    "trials",
    "The trial ledger: every strategy specification ever backtested, per arm and seed.",
    {
        "strategy": _STRATEGY,
        "spec_digest": Column(pl.String, "", "content hash of the strategy's specification"),
        "simulated": Column(pl.Boolean, "", "whether its market is simulated; real trials count apart"),
        "arm": _ARM,
        "seed": _SEED,
        "sharpe_per_day": Column(
            pl.Float64, "1/sqrt(day)", "net Sharpe ratio of daily returns, not annualised"
        ),
        "days": Column(pl.Int64, "days", "length of the out-of-sample record"),
    },
    key=("strategy", "spec_digest", "arm", "seed"),
    partition_key=("strategy", "spec_digest"),
    stored_by=("strategy",),
)

LANDING_FILES = Table(
    "landing_files",
    "Every file seen in the landing folder, by content, and what became of it.",
    {
        "path": Column(pl.String, "", "path under the landing folder"),
        "sha256": Column(pl.String, "", "content hash"),
        "bytes": Column(pl.Int64, "bytes", "size"),
        "source": _SOURCE,
        "exchange": Column(pl.String, "", "exchange it belongs to, where it can be told", nullable=True),
        "first_date": Column(pl.Date, "", "first session in it", nullable=True),
        "last_date": Column(pl.Date, "", "last session in it", nullable=True),
        "rows": Column(pl.Int64, "rows", "rows accepted by the parser"),
        "rows_rejected": Column(pl.Int64, "rows", "rows sent to quarantine by the parser"),
        "rule": Column(pl.String, "", "rule that the whole file fails; empty for an accepted file"),
        "reason": Column(pl.String, "", "what is wrong with the file and what to do; empty if accepted"),
    },
    key=("path", "sha256"),
    partition_key=("path", "sha256"),
    stored_by=(),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_QUOTES,
        ALIGNED_BARS,
        VALIDATED_BARS,
        QUARANTINE,
        RAW_MACRO,
        ALIGNED_MACRO,
        VALIDATED_MACRO,
        TARGETS,
        BACKTEST_DAILY,
        SCORES,
        TRIALS,
        LANDING_FILES,
    )
}
