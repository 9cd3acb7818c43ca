"""One ledger as the frames that the engine is called with; and the same frames as the slow engine's decimals.

What does not belong here: the ledgers (`ledgers_*.py`), either engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
from ledger_case import CAPITAL, Bar, Case, Quote, Thing
from slow_world import ONE, SlowBar, SlowInstrument, SlowTerms, SlowWorld, exact

from lim_pipelines.backtest.engine import Result, run
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.schemas import CORPORATE_ACTIONS, LISTINGS, TARGETS, UTC_TIME, VALIDATED_BARS
from lim_pipelines.strategies.execution import Execution

PAID = ("equity", "crypto")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_PRICES = ("open", "close", "vwap", "volume", "turnover")


@dataclass(frozen=True)
class Frames:
    """Everything that a backtest is called with, of one book."""

    targets: pl.DataFrame
    bars: pl.DataFrame
    costs: Costs
    execution: Execution
    facts: Facts

    def fast(self) -> Result:
        """Run the engine."""
        return run(self.targets, self.bars, None, self.costs, self.execution, self.facts)


def frames_of(case: Case) -> Frames:
    """A ledger as frames."""
    days = case.days()
    rate = {"commission": 0.0, "half_spread": 0.0, "borrow": 0.0, "multiplier": 1.0} | dict(case.rates)
    costs = Costs(
        multiplier=rate["multiplier"],
        commission_bps=rate["commission"],
        half_spread_bps=rate["half_spread"],
        borrow_bps_per_year=rate["borrow"],
    )
    bars = [bars_of(name, days, row, case.things.get(name, Thing())) for name, row in case.quotes.items()]
    execution = Execution.model_validate(
        {"capital": CAPITAL, "impact": 0.0, "financing_spread": 0.0} | dict(case.terms)
    )
    facts = Facts(_listings(case, days), _actions(case, days), _rates(case, days))
    orders = [(days[at], name, weight) for at, name, weight in case.orders]
    return Frames(targets_of(orders), pl.concat(bars, how="diagonal"), costs, execution, facts)


def targets_of(orders: list[tuple[date, str, float]]) -> pl.DataFrame:
    """Rows of `TARGETS` of one book from (day decided at, instrument, weight)."""
    frame = pl.DataFrame(
        orders, schema={"date": pl.Date, "instrument_id": pl.String, "weight": pl.Float64}, orient="row"
    )
    stamp: dict[str, Any] = {
        "strategy": "s",
        "cutoff": date(2010, 1, 1),
        "arm": "full",
        "seed": 0,
        "forecast": 0.0,
        "spec_digest": "",
        "model_digest": "",
        "decided_at": ALWAYS,
    }
    mic = pl.col("instrument_id").str.split(":").list.first()
    return TARGETS.conform(frame.with_columns(exchange=mic, **{k: pl.lit(v) for k, v in stamp.items()}))


def bars_of(name: str, days: list[date], row: list[Quote] | tuple[Quote, ...], thing: Thing) -> pl.DataFrame:
    """Rows of `VALIDATED_BARS`, with a contract where one is named."""
    mic = name.split(":")[0]
    closing = dict(sessions(mic, min(days), max(days)).select("date", "close").iter_rows())
    told = [(day, _bar(quote)) for day, quote in zip(days, row, strict=False) if quote is not None]
    at = [closing.get(day, datetime.combine(day, time(21), UTC)) for day, _ in told]
    frame = pl.DataFrame(
        {"date": [day for day, _ in told], "ts": at, "ex_factor": [bar.f for _, bar in told]}
        | {field: pl.Series([getattr(bar, field) for _, bar in told], dtype=pl.Float64) for field in _PRICES}
    ).with_columns(
        exchange=pl.lit(mic),
        instrument_id=pl.lit(name),
        freq=pl.lit("1d"),
        price_type=pl.lit("mid" if thing.kind in ("fx", "cfd") else "trade"),
        asset_class=pl.lit(thing.kind),
        source=pl.lit("test"),
        high=pl.lit(None, pl.Float64),
        low=pl.lit(None, pl.Float64),
        known_at=pl.col("ts").cast(UTC_TIME) + get_exchange(mic).feed_lag,
    )
    bars = VALIDATED_BARS.conform(frame)
    if any(bar.contract for _, bar in told):
        bars = bars.with_columns(contract=pl.Series([bar.contract for _, bar in told], dtype=pl.String))
    return bars


def _bar(quote: Bar | float) -> Bar:
    return quote if isinstance(quote, Bar) else Bar(quote)


def _listings(case: Case, days: list[date]) -> pl.DataFrame:
    rows = [
        {
            "source": "test",
            "symbol": name,
            "exchange": name.split(":")[0],
            "instrument_id": name,
            "last": None if thing.ends is None else days[thing.ends],
            "name": name,
            "asset_class": thing.kind,
            "currency": thing.currency,
            "multiplier": thing.multiplier,
            "tick_size": thing.tick,
            "lot_size": thing.lot,
            "file": "",
            "known_at": ALWAYS,
        }
        for name, thing in case.things.items()
    ]
    kinds = {"last": pl.Date, "tick_size": pl.Float64, "lot_size": pl.Float64, "multiplier": pl.Float64}
    return LISTINGS.conform(pl.DataFrame(rows, schema_overrides=kinds)) if rows else LISTINGS.empty()


def _actions(case: Case, days: list[date]) -> pl.DataFrame:
    rows = [
        {
            "source": "test",
            "exchange": name.split(":")[0],
            "symbol": name,
            "instrument_id": name,
            "ex_date": days[at],
            "kind": kind,
            "ratio": number if kind == "split" else None,
            "amount": number if kind == "dividend" else None,
            "file": "",
            "line": 1,
            "known_at": ALWAYS,
        }
        for name, thing in case.things.items()
        for kind, told in (("split", thing.splits), ("dividend", thing.dividends))
        for at, number in told.items()
    ]
    kinds = {"ratio": pl.Float64, "amount": pl.Float64}
    if not rows:
        return CORPORATE_ACTIONS.empty()
    return CORPORATE_ACTIONS.conform(pl.DataFrame(rows, schema_overrides=kinds))


def _rates(case: Case, days: list[date]) -> pl.DataFrame:
    """Fixings that are known at six in the morning: before every close of their day, after those before."""
    rows = [
        (currency, datetime.combine(day, time(6), UTC), rate)
        for currency, row in case.fx.items()
        for day, rate in zip(days, row, strict=False)
        if rate is not None
    ]
    return pl.DataFrame(rows, {"currency": pl.String, "known_at": UTC_TIME, "rate": pl.Float64}, orient="row")


def slow_of(frames: Frames) -> SlowWorld:
    """The same as decimals, for the slow engine."""
    named = frames.targets["instrument_id"].unique().to_list()
    bars = frames.bars.filter(pl.col("freq") == "1d").sort("date")
    instruments = {
        str(name): _slow(str(name), group, frames)
        for (name,), group in bars.group_by(["instrument_id"], maintain_order=True)
        if name in named
    }
    decisions = [
        (day, name, exact(weight) or Decimal(0))
        for day, name, weight in frames.targets.select("date", "instrument_id", "weight").iter_rows()
    ]
    rates: dict[str, dict[date, Decimal]] = {}
    for currency, known_at, rate in frames.facts.rates.select("currency", "known_at", "rate").iter_rows():
        rates.setdefault(currency, {})[known_at.date()] = exact(rate) or ONE
    return SlowWorld(instruments, decisions, _terms(frames), rates, frames.execution.currency)


def _terms(frames: Frames) -> SlowTerms:
    e = frames.execution
    return SlowTerms(
        fill=e.fill,
        delay=e.delay,
        participation=exact(e.participation),
        impact=exact(e.impact) or Decimal(0),
        capital=exact(e.capital) or Decimal(0),
        exchange_rules=e.exchange_rules,
        cash_rate=exact(e.cash_rate) or Decimal(0),
        financing_spread=exact(e.financing_spread) or Decimal(0),
        initial_margin=exact(e.initial_margin),
        maintenance_margin=exact(e.maintenance_margin),
        multiplier=exact(frames.costs.multiplier) or Decimal(0),
    )


def _slow(name: str, bars: pl.DataFrame, frames: Frames) -> SlowInstrument:
    mic = name.split(":")[0]
    exchange, costs = get_exchange(mic), frames.costs
    kind = bars["asset_class"][0]
    rows = {
        row["date"]: SlowBar(
            *(exact(row[field]) for field in ("close", "open", "vwap", "volume", "turnover")),
            ex_factor=exact(row["ex_factor"]) or ONE,
            contract=row.get("contract"),
            quoted=row["price_type"] != "trade",
        )
        for row in bars.iter_rows(named=True)
    }
    own = frames.facts.listings.filter(pl.col("instrument_id") == name).sort("priority").to_dicts()
    told = frames.facts.actions.filter(pl.col("instrument_id") == name)
    return SlowInstrument(
        mic=mic,
        bars=rows,
        commission=_bps(costs.commission_bps, exchange.commission_bps),
        half_spread=_bps(costs.half_spread_bps, exchange.half_spread_bps),
        borrow=_bps(costs.borrow_bps_per_year, exchange.borrow_bps_per_year),
        paid=kind in PAID,
        currency=own[0]["currency"] if own else exchange.currency,
        multiplier=(exact(own[0]["multiplier"]) if own else None) or ONE,
        lot=exact(own[0]["lot_size"]) if own else None,
        tick=exact(own[0]["tick_size"]) if own else None,
        ends=_end([row["last"] for row in own]),
        haircut=exact(frames.execution.delisting_haircut) or Decimal(0),
        splits=_told(told, "split", "ratio"),
        dividends=_told(told, "dividend", "amount"),
    )


def _bps(own: float | None, of_exchange: float) -> Decimal:
    return (exact(of_exchange if own is None else own) or Decimal(0)) * Decimal("1e-4")


def _end(lasts: list[date | None]) -> date | None:
    """A listing that is open, or none at all, has no end."""
    known = [last for last in lasts if last is not None]
    return max(known) if known and len(known) == len(lasts) else None


def _told(actions: pl.DataFrame, kind: str, field: str) -> dict[date, Decimal]:
    """Splits of a day are multiplied, dividends added."""
    found: dict[date, Decimal] = {}
    for day, number in actions.filter(pl.col("kind") == kind).select("ex_date", field).iter_rows():
        value = exact(number) or ONE
        before = found.get(day)
        found[day] = value if before is None else before * value if kind == "split" else before + value
    return found
