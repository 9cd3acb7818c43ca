"""Books on real quotes: shares with splits and dividends, futures with rolls and foreign money.

What does not belong here: what is asked of them (`test_books_real.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ledger_frames import ALWAYS, Frames, targets_of
from shared_data import folder

from lim_pipelines.backtest.facts import Facts
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.schemas import CORPORATE_ACTIONS, LISTINGS, UTC_TIME, VALIDATED_BARS
from lim_pipelines.sources.lean import Lean
from lim_pipelines.sources.lean.reference_files import listed
from lim_pipelines.strategies.execution import Execution

LEAN_ROOT = "lean/history/Data"
SHARES = ("aapl", "aig", "bac", "ibm", "wm")
"""AIG fell by 95 % and was merged 1 for 20; Apple was split four times; a tick was a 16th until 2001."""

FUTURES = {"AEX": "XEUE", "SP500": "XCME", "GOLD": "XCEC", "SHATZ": "XEUR"}


def random_targets(days: list[date], names: list[str], seed: int, every: int, size: float) -> pl.DataFrame:
    """Weights that change every so many sessions and have both signs."""
    rng = np.random.default_rng(seed)
    return targets_of(
        [
            (day, name, round(float(size * rng.standard_normal() / len(names)), 3))
            for day in days[:-1:every]
            for name in names
        ]
    )


def us_shares(landing: Path, first: date, last: date, seed: int, execution: Mapping[str, Any]) -> Frames:
    """Five US shares of LEAN's sample; splits and dividends as its factor files tell them."""
    data = folder("lean_sample") / "Data"
    for part in ("equity/usa/factor_files", "equity/usa/map_files", "market-hours", "symbol-properties"):
        shutil.copytree(data / part, landing / LEAN_ROOT / part, dirs_exist_ok=True)
    rows = []
    for name in SHARES:
        path = f"{LEAN_ROOT}/equity/usa/daily/{name}.zip"
        (landing / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / f"equity/usa/daily/{name}.zip", landing / path)
        rows += [parsed.rows for parsed in Lean().read(listed(landing, path), landing)]
    instrument = pl.concat_str("exchange", pl.lit(":"), "symbol")
    bars = pl.concat(rows).filter(pl.col("date").is_between(first, last))
    bars = VALIDATED_BARS.conform(bars.with_columns(instrument_id=instrument, asset_class=pl.lit("equity")))
    actions = Lean().reference(landing)[CORPORATE_ACTIONS.name]
    names = bars["instrument_id"].unique().sort().to_list()
    days = bars["date"].unique().sort().to_list()
    targets = random_targets(days[30:], names, seed, every=7, size=1.2)
    return Frames(targets, bars, Costs(), Execution.model_validate(execution), Facts(actions=actions))


def futures(first: date, last: date, seed: int, execution: Mapping[str, Any]) -> Frames:
    """Futures of two currencies, with the contracts held; the jump of a roll is that of the day before."""
    data = folder("futures_pysystemtrade")
    prices = (
        pl.read_parquet(data / "multiple_prices.parquet")
        .filter(pl.col("instrument").is_in(list(FUTURES)) & pl.col("price").is_not_null())
        .with_columns(date=pl.col("ts").dt.date())
        .filter(pl.col("date").is_between(first, last) & (pl.col("date").dt.weekday() <= 5))
        .sort("instrument", "ts")
        .unique(["instrument", "date"], keep="last", maintain_order=True)
    )
    before = pl.col("price", "forward", "price_contract").shift(1).over("instrument").name.prefix("old_")
    rolled = pl.col("price_contract") != pl.col("old_price_contract")
    jump = pl.col("old_forward") / pl.col("old_price")
    mic = pl.col("instrument").replace_strict(FUTURES)
    bars = prices.with_columns(before).select(
        "date",
        exchange=mic,
        instrument_id=pl.concat_str(mic, pl.lit(":"), "instrument"),
        ts=pl.col("date").cast(UTC_TIME).dt.offset_by("23h"),
        close="price",
        ex_factor=pl.when(rolled).then(jump.fill_null(1.0)).otherwise(1.0),
        contract="price_contract",
        freq=pl.lit("1d"),
        price_type=pl.lit("trade"),
        asset_class=pl.lit("future"),
        source=pl.lit("pysystemtrade"),
        **{name: pl.lit(None, pl.Float64) for name in ("open", "high", "low", "volume")},
    )
    contract = bars["contract"]
    bars = VALIDATED_BARS.conform(bars.with_columns(known_at=pl.col("ts"))).with_columns(contract=contract)
    names = bars["instrument_id"].unique().sort().to_list()
    days = bars["date"].unique().sort().to_list()
    facts = Facts(listings=_listings(data), rates=_euro(data, first, last))
    targets = random_targets(days, names, seed, every=11, size=2.0)
    return Frames(targets, bars, Costs(), Execution.model_validate(execution), facts)


def _listings(data: Path) -> pl.DataFrame:
    told = pl.read_parquet(data / "instruments.parquet").filter(pl.col("instrument").is_in(list(FUTURES)))
    mic = pl.col("instrument").replace_strict(FUTURES)
    return LISTINGS.conform(
        told.select(
            source=pl.lit("pysystemtrade"),
            symbol="instrument",
            exchange=mic,
            instrument_id=pl.concat_str(mic, pl.lit(":"), "instrument"),
            name="instrument",
            asset_class=pl.lit("future"),
            currency="Currency",
            multiplier=pl.col("Pointsize").cast(pl.Float64),
            file=pl.lit(""),
            known_at=pl.lit(ALWAYS, UTC_TIME),
        )
    )


def _euro(data: Path, first: date, last: date) -> pl.DataFrame:
    """Dollars for a euro: known when the next day begins."""
    fixings = pl.read_parquet(data / "fx_spot.parquet").filter(pl.col("pair") == "EURUSD")
    since = datetime.combine(first, time(0), UTC).replace(tzinfo=None)
    near = fixings.filter(pl.col("ts").dt.offset_by("30d") > since, pl.col("ts").dt.date() <= last)
    return near.sort("ts").select(
        currency=pl.lit("EUR"),
        known_at=pl.col("ts").dt.truncate("1d").dt.offset_by("1d").cast(UTC_TIME),
        rate="price",
    )
