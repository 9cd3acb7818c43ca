"""pysystemtrade's futures data: contracts, roll calendars and FX rates below `landing/pysystemtrade/`.

What does not belong here: the layout of the files (`files.py`), what their tables mean (`quotes.py`),
where instruments are listed (`instruments.py`), the continuous series (`align/continuous.py`, from bars
and rolls).

Times are the vendor's, without a zone (London); a daily bar ends with its exchange's session, whatever
its stamp. Only closes are known.

FX rates (`AUDUSD`: USD for one AUD) are stamped with a date at midnight and name no venue. They are filed
as mid prices of FXSPOT, the registry's venue that is no venue: FXCM and OANDA are dealers with quotes of
their own. A rate counts as the close of its date, the latest moment that it can mean.

A roll dated d holds from the close before d on: the vendor's row of that date already speaks of the new
contract, whatever its hour, and the last row with quotes of both is that of the day before. So a roll's
moment is the midnight that begins d. It is known then: the calendars follow from expiries by rule. Of several
rolls on one date only where they lead from and to is a roll: what lies between is never held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES, ROLLS, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.pysystemtrade.files import config, kind_of, tables
from lim_pipelines.sources.pysystemtrade.instruments import (
    EXCHANGES,
    INSTRUMENTS,
    NAME,
    contract_id,
    contract_listings,
)
from lim_pipelines.sources.pysystemtrade.quotes import CLOSES, MULTIPLE, closes
from lim_pipelines.sources.tabular import ListedAs, Origin, TableFormat, TimeFormat, parse_frame

FX = "FXSPOT"
FX_FORMAT = TableFormat(
    time=TimeFormat(columns=("ts",)),
    columns={"close": "price", "symbol": "symbol"},
    exchange=FX,
    freq="1d",
    price_type="mid",
    listed_as=ListedAs(asset_class="fx", currency="USD"),
)


class Pysystemtrade:
    """Daily closes of contracts and FX rates; roll calendars."""

    name = NAME
    exchanges = EXCHANGES | {FX}

    def files(self, landing: Path) -> list[SourceFile]:
        """List the files with quotes."""
        holds = {"multiple_prices": EXCHANGES, "fx_prices": frozenset({FX}), "zip": self.exchanges}
        return [
            replace(file, exchanges=holds[kind])
            for file in vendor_files(landing, self.name)
            if (kind := kind_of(file.path)) in holds
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file, a block an instrument."""
        facts: dict[str, dict[str, str]] | None = None
        for member, instrument, table in tables(file, landing, "multiple_prices"):
            facts = config(file, landing) if facts is None else facts
            yield _contracts(table, instrument, facts, _origin(file, member))
        for member, pair, table in tables(file, landing, "fx_prices"):
            frame = _with_columns(table, ("ts", "price"), file.path).with_columns(symbol=pl.lit(pair))
            parsed = parse_frame(frame, FX_FORMAT, _origin(file, member))
            currency = pl.col("symbol").str.slice(3)
            yield replace(parsed, listings=parsed.listings.with_columns(currency=currency))

    def reference(self, landing: Path) -> dict[str, pl.DataFrame]:
        """Read every roll calendar; where two files give a roll, the first in order of path counts."""
        rolls = [ROLLS.empty()]
        for file in vendor_files(landing, self.name):
            if kind_of(file.path) in ("roll_calendars", "zip"):
                for member, instrument, table in tables(file, landing, "roll_calendars"):
                    rolls.append(_rolls(table, instrument, _origin(file, member)))
        unique = pl.concat(rolls).unique(ROLLS.key, keep="first", maintain_order=True)
        return {ROLLS.name: ROLLS.conform(unique)}


def _origin(file: SourceFile, member: str) -> Origin:
    return Origin(file.path, None, file.arrived_at, file.history, file.source, member)


def _contracts(
    table: pl.DataFrame, instrument: str, facts: dict[str, dict[str, str]], origin: Origin
) -> Parsed:
    if instrument not in INSTRUMENTS or instrument not in facts:
        raise RejectedFileError(
            origin.path,
            "unknown_instrument",
            f"{instrument} has no exchange, or no line in instrumentconfig.csv",
            "add it to INSTRUMENTS in lim_pipelines/sources/pysystemtrade/instruments.py",
        )
    mic, _ = INSTRUMENTS[instrument]
    rows, held = closes(_with_columns(table, MULTIPLE, origin.path), instrument, origin, mic)
    months = rows["symbol"].str.tail(6).unique().sort().to_list()
    listings = contract_listings(instrument, months, facts[instrument], origin.path)
    if rows.is_empty():
        return Parsed(RAW_QUOTES.empty(), held)
    parsed = parse_frame(rows, CLOSES, replace(origin, exchange=mic))
    return Parsed(parsed.rows, QUARANTINE.conform(pl.concat([parsed.rejected, held])), listings)


def _rolls(table: pl.DataFrame, instrument: str, origin: Origin) -> pl.DataFrame:
    names = ("ts", "current_contract", "next_contract", "carry_contract")
    table = _with_columns(table, names, origin.path)
    moment = pl.col("ts")
    if table.schema["ts"] == pl.String:
        moment = moment.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    begins = moment.dt.truncate("1d").dt.replace_time_zone("UTC").cast(UTC_TIME)
    bad = table.filter(moment.is_null())
    if bad.height or instrument not in INSTRUMENTS:
        where = f"line {bad['_line'][0]} has no time" if bad.height else f"{instrument} has no exchange"
        raise RejectedFileError(origin.file, "unparsable_roll", where, "drop the vendor's own calendar")
    mic, root = INSTRUMENTS[instrument]
    arrived = pl.lit(origin.arrived_at, UTC_TIME)
    stated = table.select(
        source=pl.lit(NAME),
        exchange=pl.lit(mic),
        root=pl.lit(f"{mic}:{root}"),
        ts=begins,
        moment=moment,
        **{name: contract_id(instrument, name) for name in names[1:]},
        file=pl.lit(origin.file),
        line=pl.col("_line").cast(pl.Int64),
        known_at=begins if origin.history else pl.max_horizontal(begins, arrived),
    ).sort("moment", maintain_order=True)
    leaves = pl.col("current_contract").first().over("ts")
    return ROLLS.conform(
        stated.with_columns(current_contract=leaves).unique("ts", keep="last", maintain_order=True)
    )


def _with_columns(table: pl.DataFrame, names: tuple[str, ...], path: str) -> pl.DataFrame:
    if missing := [name for name in names if name not in table.columns]:
        raise RejectedFileError(
            path, "wrong_columns", f"missing {', '.join(missing)}", "drop the vendor's file"
        )
    return table.select("_line", *names)
