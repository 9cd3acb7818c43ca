"""Every table of the lake: columns, types, units, keys, and how it is partitioned.

What does not belong here: how tables are stored (`lake.py`), which rows are right (`validate/`), or where
values come from (`sources/`).

Two clocks run through all of it. `ts` is the moment a fact describes; `known_at` is the first moment anyone
could have known it. Both are UTC. A bar's `ts` is its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
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


_EXCHANGE = Column(pl.String, "", "ISO 10383 market identifier of the exchange; XSIM is simulated")
_DATE = Column(pl.Date, "", "session date in the exchange's own time zone")
_INSTRUMENT = Column(pl.String, "", "stable instrument id, `<MIC>:<name>`; survives symbol changes")
_FREQ = Column(pl.String, "", "bar length: 1s, 15s, 1m, 5m, 15m, 20m, 30m, 1h, 1d, 1w or 1mo")
_PRICE_TYPE = Column(
    pl.String,
    "",
    "what the prices are: trade, bid, ask, or mid (made from bid and ask where there are no trades)",
    default="trade",
)
_WITHDRAWN = Column(
    pl.Boolean, "", "true: the vendor took the bar back; reads as of now do not show it", default=False
)
_TS = Column(UTC_TIME, "UTC", "end of the bar; a daily bar ends at its session's close")
_KNOWN_AT = Column(UTC_TIME, "UTC", "first moment this row could be known")
_ASSET_CLASS = Column(pl.String, "", "equity, index, commodity, fx, cfd, crypto, future or rate")
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
    "volume": Column(pl.Float64, "units", "units traded; of bids and asks the size quoted", nullable=True),
    "ex_factor": Column(
        pl.Float64,
        "ratio",
        "multiplies the previous close to make it comparable with this bar: 1 without a corporate action,"
        " 0.5 on the ex-date of a 2:1 split; close[t] / (close[t-1] * ex_factor[t]) - 1 is the total return",
    ),
    "turnover": Column(pl.Float64, "currency", "value traded", nullable=True, default=None),
    "vwap": Column(pl.Float64, "currency", "volume-weighted average price", nullable=True, default=None),
    "trades": Column(pl.Int64, "trades", "number of trades", nullable=True, default=None),
    "open_interest": Column(
        pl.Float64,
        "contracts",
        "contracts open, as last published when the bar was known",
        nullable=True,
        default=None,
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
        "price_type": _PRICE_TYPE,
        "ts": _TS,
        **_PRICES,
        "file": _FILE,
        "line": _LINE,
        "withdrawn": _WITHDRAWN,
        "known_at": _KNOWN_AT,
    },
    key=("exchange", "date", "source", "symbol", "freq", "price_type", "ts"),
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

_BARS = {
    "exchange": _EXCHANGE,
    "date": _DATE,
    "instrument_id": _INSTRUMENT,
    "freq": _FREQ,
    "price_type": _PRICE_TYPE,
    "ts": _TS,
    **_PRICES,
    "asset_class": _ASSET_CLASS,
    "source": _SOURCE,
    "withdrawn": _WITHDRAWN,
    "known_at": _KNOWN_AT,
}
_BAR_KEY = ("exchange", "date", "instrument_id", "freq", "price_type", "ts")

ALIGNED_BARS = Table(
    "aligned_bars",
    "Bars on the exchange's session grid, under stable instrument ids.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

VALIDATED_BARS = Table(
    "validated_bars",
    "Aligned bars that pass every blocking rule; what models and backtests read.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

RESAMPLED_BARS = Table(
    "resampled_bars",
    "Longer bars made from validated ones, where the vendors give none, by the exchange's sessions.",
    _BARS,
    key=_BAR_KEY,
    partition_key=("exchange", "date"),
    stored_by=("exchange", "freq"),
)

CONTINUOUS_FUTURES = Table(
    "continuous_futures",
    "Futures contracts stitched at their rolls: prices as traded of the contract held; point in time.",
    {
        **_BARS,
        "contract": Column(pl.String, "", "instrument id of the contract held"),
        "roll_gap": Column(
            pl.Float64, "currency", "after a roll the new contract's close less the old one's, else 0"
        ),
    },
    key=_BAR_KEY,
    partition_key=("exchange", "instrument_id"),
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

LISTINGS = Table(
    "listings",
    "What a source calls an instrument, from when to when, and what the instrument is.",
    {
        "source": _SOURCE,
        "symbol": Column(pl.String, "", "the vendor's symbol"),
        "exchange": _EXCHANGE,
        "instrument_id": _INSTRUMENT,
        "first": Column(
            pl.Date, "", "first session on which the symbol means the instrument", default=date(1900, 1, 1)
        ),
        "last": Column(pl.Date, "", "last such session; null is open", nullable=True, default=None),
        "priority": Column(
            pl.Int64, "", "where two sources give the same bar the lower number wins", default=5
        ),
        "name": Column(pl.String, "", "name for people"),
        "asset_class": _ASSET_CLASS,
        "currency": Column(pl.String, "", "ISO 4217 code of its prices, or the coin that quotes it"),
        "multiplier": Column(pl.Float64, "currency per point", "value of one point", default=1.0),
        "tick_size": Column(pl.Float64, "currency", "smallest step of price", nullable=True, default=None),
        "lot_size": Column(pl.Float64, "units", "smallest amount traded", nullable=True, default=None),
        "root": Column(
            pl.String, "", "instrument id of a future's continuous series", nullable=True, default=None
        ),
        "expiry": Column(pl.Date, "", "last session of a contract", nullable=True, default=None),
        "file": _FILE,
        "known_at": _KNOWN_AT,
    },
    key=("source", "symbol", "exchange", "first"),
    partition_key=("source", "exchange"),
    stored_by=("source",),
)

CORPORATE_ACTIONS = Table(
    "corporate_actions",
    "Splits, dividends, symbol changes and delistings, as vendors report them; bars carry their effect as"
    " `ex_factor`.",
    {
        "source": _SOURCE,
        "exchange": _EXCHANGE,
        "symbol": Column(pl.String, "", "the vendor's symbol"),
        "instrument_id": _INSTRUMENT,
        "ex_date": Column(pl.Date, "", "first session on which the price is without it"),
        "kind": Column(pl.String, "", "split, dividend, symbol_change or delisting"),
        "ratio": Column(
            pl.Float64, "ratio", "what it multiplies the previous close by; .5 for a 2:1 split", nullable=True
        ),
        "amount": Column(pl.Float64, "currency", "cash a share", nullable=True),
        "new_symbol": Column(pl.String, "", "symbol from `ex_date` on", nullable=True, default=None),
        "file": _FILE,
        "line": _LINE,
        "known_at": _KNOWN_AT,
    },
    key=("source", "exchange", "symbol", "ex_date", "kind"),
    partition_key=("source",),
    stored_by=("source",),
)

ROLLS = Table(
    "futures_rolls",
    "Roll calendars of futures: from when which contract stands for the root.",
    {
        "source": _SOURCE,
        "exchange": _EXCHANGE,
        "root": Column(pl.String, "", "instrument id of the continuous series"),
        "ts": Column(UTC_TIME, "UTC", "moment from which `next_contract` is held"),
        "current_contract": Column(pl.String, "", "instrument id of the contract held before"),
        "next_contract": Column(pl.String, "", "instrument id of the contract held from `ts` on"),
        "carry_contract": Column(
            pl.String, "", "contract that the carry is measured against", nullable=True, default=None
        ),
        "file": _FILE,
        "line": _LINE,
        "known_at": _KNOWN_AT,
    },
    key=("source", "root", "ts"),
    partition_key=("source",),
    stored_by=("source",),
)

INDEX_MEMBERS = Table(
    "index_members",
    "Members of indices over time.",
    {
        "source": _SOURCE,
        "index_id": Column(pl.String, "", "instrument id of the index"),
        "symbol": Column(pl.String, "", "the member's symbol on the dates given"),
        "first": Column(pl.Date, "", "first day as a member"),
        "last": Column(pl.Date, "", "last day as a member; null is open", nullable=True),
        "file": _FILE,
        "line": _LINE,
        "known_at": _KNOWN_AT,
    },
    key=("source", "index_id", "symbol", "first"),
    partition_key=("source",),
    stored_by=("source",),
)

LANDING_FILES = Table(
    "landing_files",
    "Every file seen in the landing folder, by content, and what became of it: a row an exchange in it.",
    {
        "path": Column(pl.String, "", "path under the landing folder"),
        "sha256": Column(pl.String, "", "content hash; size and time if the content may not be read"),
        "exchange": Column(pl.String, "", "exchange of the rows counted; empty for a refused file"),
        "bytes": Column(pl.Int64, "bytes", "size"),
        "arrived_at": Column(UTC_TIME, "UTC", "when this content reached us: its modification time then"),
        "modified_at": Column(UTC_TIME, "UTC", "modification time as last seen; a touched file is no news"),
        "state": Column(pl.String, "", "present; replaced: the file has another content; gone: taken away"),
        "source": _SOURCE,
        "history": Column(pl.Boolean, "", "declared history: known when it happened, not when it arrived"),
        "first_date": Column(pl.Date, "", "first session in it", nullable=True),
        "last_date": Column(pl.Date, "", "last session in it", nullable=True),
        "rows": Column(pl.Int64, "rows", "rows accepted by the parser"),
        "rows_rejected": Column(pl.Int64, "rows", "rows sent to quarantine by the parser"),
        "rule": Column(pl.String, "", "rule that the whole file fails; empty for an accepted file"),
        "reason": Column(pl.String, "", "what is wrong with the file and what to do; empty if accepted"),
    },
    key=("path", "sha256", "exchange"),
    partition_key=("path", "sha256"),
    stored_by=(),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_QUOTES,
        ALIGNED_BARS,
        VALIDATED_BARS,
        RESAMPLED_BARS,
        CONTINUOUS_FUTURES,
        QUARANTINE,
        RAW_MACRO,
        ALIGNED_MACRO,
        VALIDATED_MACRO,
        TARGETS,
        BACKTEST_DAILY,
        SCORES,
        TRIALS,
        LISTINGS,
        CORPORATE_ACTIONS,
        ROLLS,
        INDEX_MEMBERS,
        LANDING_FILES,
    )
}
