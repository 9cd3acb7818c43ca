"""From multiple prices to daily closes of contracts.

What does not belong here: opening files (`files.py`), the continuous series (`align/continuous.py`).

A row of multiple prices is a moment with up to three quotes: of the contract held (price), of the one the
carry is measured against, and of the next one (forward), each with its contract. From about 2013 on there
are hourly rows besides the day's. Stamps have no zone (London); 23:00 is the day's close, and the last
row of a date stands for it where there is none. A daily bar is the last quote of a contract on a date, if
the date's last row still speaks of that contract: on the day of a roll, snapshots of the old contract
from before it are no close. Rows that give no bar are held back: `intraday_snapshot`, or `missing_value`
if they hold no quote at all.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import QUARANTINE, UTC_TIME
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.tabular import Origin, TableFormat, TimeFormat

LEGS = ("forward", "carry", "price")
"""In the order of rising preference, where one row quotes a contract twice."""
MULTIPLE = ("ts", *(column for leg in LEGS for column in (leg, f"{leg}_contract")))
CLOSES = TableFormat(
    time=TimeFormat(columns=("date",)), columns={"close": "close", "symbol": "symbol"}, freq="1d"
)
REASONS = {
    "intraday_snapshot": "a snapshot within the day is no bar; nothing to do",
    "missing_value": "the row holds no price of any contract; nothing to do",
    "unparsable_row": "its time, a contract (YYYYMM00) or a price cannot be read; correct the row",
}
_EVIDENCE = list(MULTIPLE)


def closes(
    table: pl.DataFrame, instrument: str, origin: Origin, mic: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows of one instrument.

    Parameters
    ----------
    table
        Columns `_line` and `MULTIPLE`: text, or typed already.
    instrument
        Vendor's code.
    origin
        Where the rows come from.
    mic
        Exchange of the instrument.

    Returns
    -------
    closes, held
        Columns `_line`, date, symbol (`<instrument>/<YYYYMM>`), close, a row a contract and date; and the
        rows that give none, frame of `QUARANTINE`.
    """
    rows = _typed(table)
    good = rows.filter(~pl.col("_bad"))
    quotes = pl.concat(
        good.filter(pl.col(leg).is_not_null()).select(
            "_line", "moment", "date", contract=f"{leg}_contract", close=leg, preference=pl.lit(n)
        )
        for n, leg in enumerate(LEGS)
    )
    last = good.sort("moment").group_by("date", maintain_order=True).last()
    spoken_of = pl.concat(last.select("date", contract=f"{leg}_contract") for leg in LEGS).unique()
    bars = (
        quotes.join(spoken_of, on=["date", "contract"], how="semi")
        .sort("contract", "date", "moment", "preference")
        .group_by("contract", "date", maintain_order=True)
        .last()
        .select(
            "_line", "date", "close", symbol=pl.lit(f"{instrument}/") + pl.col("contract").str.slice(0, 6)
        )
    )
    empty = pl.all_horizontal(pl.col(leg).is_null() for leg in LEGS)
    rule = (
        pl.when("_bad")
        .then(pl.lit("unparsable_row"))
        .when(empty)
        .then(pl.lit("missing_value"))
        .otherwise(pl.lit("intraday_snapshot"))
    )
    held = rows.join(bars, on="_line", how="anti").with_columns(rule=rule)
    return bars, _held(held, table, instrument, origin, mic)


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    moment = pl.col("ts")
    if table.schema["ts"] == pl.String:
        moment = moment.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    numbers = {leg: pl.col(leg).cast(pl.Float64, strict=False) for leg in LEGS}
    unread = [
        pl.col(leg).is_not_null() & ~number.is_finite().fill_null(False) for leg, number in numbers.items()
    ]
    names = [~pl.col(f"{leg}_contract").str.contains(r"^\d{6}00$").fill_null(False) for leg in LEGS]
    bad = pl.any_horizontal(moment.is_null(), *unread, *names)
    return table.with_columns(moment=moment, _bad=bad, **numbers).with_columns(
        date=pl.col("moment").dt.date()
    )


def _held(held: pl.DataFrame, table: pl.DataFrame, instrument: str, origin: Origin, mic: str) -> pl.DataFrame:
    if held.is_empty():
        return QUARANTINE.empty()
    arrived = pl.lit(origin.arrived_at, UTC_TIME)
    at = pl.col("moment").dt.replace_time_zone("UTC")
    as_text = table.select("_line", pl.col(_EVIDENCE).cast(pl.String))
    rows = held.select("_line", "date", "rule", known_at=at if origin.history else arrived).join(
        as_text, on="_line"
    )
    return quarantine(
        "parse",
        rows.with_columns(
            pl.col("known_at").fill_null(arrived),
            pl.col("date").fill_null(origin.arrived_at.date()),
            exchange=pl.lit(mic),
            source=pl.lit(origin.source_name),
            file=pl.lit(origin.file),
            line=pl.col("_line").cast(pl.Int64),
            symbol=pl.lit(instrument),
            reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String),
        ),
        _EVIDENCE,
    )
