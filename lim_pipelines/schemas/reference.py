"""Facts about instruments beside their quotes, and the ledger of landed files.

What does not belong here: companies and industries (`entities.py`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import UTC_TIME, Column, Table

LISTINGS = Table(
    "listings",
    "What a source calls an instrument, from when to when, and what the instrument is.",
    {
        "source": columns.SOURCE,
        "symbol": Column(pl.String, "", "the vendor's symbol"),
        "exchange": columns.EXCHANGE,
        "instrument_id": columns.INSTRUMENT,
        "first": Column(
            pl.Date, "", "first session on which the symbol means the instrument", default=date(1900, 1, 1)
        ),
        "last": Column(pl.Date, "", "last such session; null is open", nullable=True, default=None),
        "priority": Column(
            pl.Int64, "", "where two sources give the same bar the lower number wins", default=5
        ),
        "name": Column(pl.String, "", "name for people"),
        "asset_class": columns.ASSET_CLASS,
        "currency": Column(pl.String, "", "ISO 4217 code of its prices, or the coin that quotes it"),
        "multiplier": Column(pl.Float64, "currency per point", "value of one point", default=1.0),
        "tick_size": Column(pl.Float64, "currency", "smallest step of price", nullable=True, default=None),
        "lot_size": Column(pl.Float64, "units", "smallest amount traded", nullable=True, default=None),
        "root": Column(
            pl.String, "", "instrument id of a future's continuous series", nullable=True, default=None
        ),
        "expiry": Column(pl.Date, "", "last session of a contract", nullable=True, default=None),
        "file": columns.FILE,
        "known_at": columns.KNOWN_AT,
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
        "source": columns.SOURCE,
        "exchange": columns.EXCHANGE,
        "symbol": Column(pl.String, "", "the vendor's symbol"),
        "instrument_id": columns.INSTRUMENT,
        "ex_date": Column(pl.Date, "", "first session on which the price is without it"),
        "kind": Column(pl.String, "", "split, dividend, symbol_change or delisting"),
        "ratio": Column(
            pl.Float64, "ratio", "what it multiplies the previous close by; .5 for a 2:1 split", nullable=True
        ),
        "amount": Column(pl.Float64, "currency", "cash a share", nullable=True),
        "new_symbol": Column(pl.String, "", "symbol from `ex_date` on", nullable=True, default=None),
        "file": columns.FILE,
        "line": columns.LINE,
        "known_at": columns.KNOWN_AT,
    },
    key=("source", "exchange", "symbol", "ex_date", "kind"),
    partition_key=("source",),
    stored_by=("source",),
)

ROLLS = Table(
    "futures_rolls",
    "Roll calendars of futures: from when which contract stands for the root.",
    {
        "source": columns.SOURCE,
        "exchange": columns.EXCHANGE,
        "root": Column(pl.String, "", "instrument id of the continuous series"),
        "ts": Column(UTC_TIME, "UTC", "moment from which `next_contract` is held"),
        "current_contract": Column(pl.String, "", "instrument id of the contract held before"),
        "next_contract": Column(pl.String, "", "instrument id of the contract held from `ts` on"),
        "carry_contract": Column(
            pl.String, "", "contract that the carry is measured against", nullable=True, default=None
        ),
        "file": columns.FILE,
        "line": columns.LINE,
        "known_at": columns.KNOWN_AT,
    },
    key=("source", "root", "ts"),
    partition_key=("source",),
    stored_by=("source",),
)

INDEX_MEMBERS = Table(
    "index_members",
    "Members of indices over time.",
    {
        "source": columns.SOURCE,
        "index_id": Column(pl.String, "", "instrument id of the index"),
        "symbol": Column(pl.String, "", "the member's symbol on the dates given"),
        "first": Column(pl.Date, "", "first day as a member"),
        "last": Column(pl.Date, "", "last day as a member; null is open", nullable=True),
        "file": columns.FILE,
        "line": columns.LINE,
        "known_at": columns.KNOWN_AT,
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
        "source": columns.SOURCE,
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
