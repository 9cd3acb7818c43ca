"""Leaks in what a portfolio is told and in when its orders are filled: how each is planted.

What does not belong here: leaks in training, in decisions and backtests of every strategy (`model_leaks.py`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
from model_leaks import Leak, Patch
from model_world import CUTOFFS, LATE, OIL, SHARES, ModelWorld
from strategy_world import NAMES

from lim_pipelines import walkforward
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.backtest import engine, market, orders
from lim_pipelines.entities.known import FOREVER
from lim_pipelines.lake import LATEST, midnight
from lim_pipelines.schemas import ENTITY_LINKS, LISTINGS, TARGETS, UTC_TIME, VALIDATED_BARS
from lim_pipelines.strategies import base
from lim_pipelines.strategies.spec import StrategySpec

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
TURNED = date(2018, 6, 15)
"""Known from here on: other industries, a larger multiplier."""

_HELD = {"max_position": 0.3, "risk_sessions": 60}


def _but(one: StrategySpec, **changes: Any) -> StrategySpec:
    """The same models, whose forecasts become other positions."""
    return StrategySpec.model_validate(one.model_dump(mode="json") | changes)


def traded(world: ModelWorld, **execution: Any) -> StrategySpec:
    """Oil's targets, filled otherwise; its bars have opens."""
    one = _but(OIL, execution=execution)
    rows = world.lake.revisions(VALIDATED_BARS, pl.col("instrument_id") == "XNYM:WTI").collect()
    rows = rows.with_columns(open=pl.col("close") * 0.999)
    world.lake.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())
    own = pl.col("strategy") == OIL.name
    decided = world.lake.read(TARGETS, as_of=LATEST, where=own).collect()
    world.put(one, decided.with_columns(spec_digest=pl.lit(one.digest())), *CUTOFFS)
    return one


def _opened_before_the_decision(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Futures trade again an hour after their close; the decision takes six."""
    one = traded(world, fill="open")
    patch.setattr(orders, "_refuse_early_opens", lambda *_: None)
    world.backtest(one)
    return world.audit_backtest(one)


def _without_its_delay(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = engine.place

    def at_once(targets: pl.DataFrame, grid: Any, execution: Any) -> Any:
        return honest(targets, grid, execution.model_copy(update={"delay": 1}))

    one = traded(world, delay=2)
    patch.setattr(engine, "place", at_once)
    world.backtest(one)
    return world.audit_backtest(one)


def _filled_at_yesterdays_close(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Orders for the opening get the close before it, so the night is earned, too."""

    def before(grid: Any, close: Any, volume: Any, execution: Any) -> Any:
        return np.vstack([np.full_like(close[:1], np.nan), close[:-1]])

    one = traded(world, fill="open", delay=2)
    patch.setattr(market, "fill_prices", before)
    world.backtest(one)
    return world.audit_backtest(one)


def in_industries(world: ModelWorld) -> StrategySpec:
    """Shares in industries, of which one scheme is known from `TURNED` on and knows more of them."""
    told = [(name, f"industry:old/{'ab'[i % 2]}", CUTOFFS[0]) for i, name in enumerate(NAMES[:4])]
    told += [(name, f"industry:new/{'xy'[i // 3]}", TURNED) for i, name in enumerate(NAMES)]
    rows = pl.DataFrame(
        [
            {
                **{"relation": "in_industry", "child": f"issuer:{name}", "parent": parent, "source": "test"},
                **{"last": FOREVER, "score": 1.0, "method": "vendor", "known_at": midnight(day)},
            }
            for name, parent, day in told
        ]
    )
    world.lake.write(ENTITY_LINKS, ENTITY_LINKS.conform(rows), rows.select("relation").unique())
    return _but(SHARES, portfolio=_HELD | {"max_sector": 0.02})


def _industries_of_later(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """What is known of industries at the end of the period is taken to have been known always."""
    one, honest = in_industries(world), walkforward.read_links

    def always(lake: Any, known_by: datetime) -> pl.DataFrame:
        return honest(lake, known_by).with_columns(known_at=pl.lit(LONG_AGO).cast(UTC_TIME))

    patch.setattr(walkforward, "read_links", always)
    world.decide(one, LATE)
    return world.audit_targets(one)


def in_contracts(world: ModelWorld) -> StrategySpec:
    """Shares of which little is traded; from `TURNED` on they are listed as contracts of many each."""
    rows = world.lake.revisions(VALIDATED_BARS, pl.col("exchange") == "XSIM").collect()
    rows = rows.with_columns(volume=pl.lit(1000.0))
    world.lake.write(VALIDATED_BARS, rows, rows.select(VALIDATED_BARS.partition_key).unique())
    says = {"source": "test", "exchange": "XSIM", "name": "", "asset_class": "future", "currency": "USD"}
    listed = pl.DataFrame({"symbol": NAMES, "instrument_id": NAMES}).with_columns(
        *(pl.lit(value).alias(name) for name, value in says.items()),
        first=TURNED,
        priority=-9,
        multiplier=1000.0,
        file=pl.lit("test"),
        known_at=pl.lit(LONG_AGO),
    )
    listed = LISTINGS.conform(listed)
    world.lake.write(LISTINGS, listed, listed.select(LISTINGS.partition_key).unique())
    return _but(SHARES, portfolio=_HELD | {"max_adv": 1.0})


def _contracts_of_later(world: ModelWorld, patch: Patch) -> list[Verdict]:
    one = in_contracts(world)
    patch.setattr(base, "listings_on", lambda listings, today: listings)
    world.decide(one, LATE)
    return world.audit_targets(one)


LEAKS = (
    Leak(
        "open before the decision",
        "backtest/orders.py",
        "windows",
        "at an earlier open",
        _opened_before_the_decision,
    ),
    Leak("order without its delay", "backtest/orders.py", "windows", "before they can", _without_its_delay),
    Leak(
        "order for the open filled at the close before it",
        "backtest/fills.py",
        "windows",
        "not the open of their session",
        _filled_at_yesterdays_close,
    ),
    Leak("industries of later", "walkforward.py", "recompute", "weight", _industries_of_later),
    Leak("contracts of later", "strategies/base.py", "recompute", "weight", _contracts_of_later),
)
