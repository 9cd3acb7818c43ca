"""When a decision is filled, and what a book has become by the next: as the engine has it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import NAMES, alone, market, session_days

from lim_pipelines.backtest import engine
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.portfolio.books import OptimisedBooks
from lim_pipelines.portfolio.fills import fills
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.base import Decision
from lim_pipelines.strategies.execution import Execution
from lim_pipelines.strategies.portfolios import MarkowitzPortfolio

DAYS = session_days("XSIM", date(2018, 3, 1), date(2018, 3, 29))
FREE = Costs(commission_bps=0, half_spread_bps=0, borrow_bps_per_year=0)
EXECUTIONS = [{"delay": delay, "fill": fill} for delay, fill in product((1, 2, 7), ("close", "open", "vwap"))]


def bars(seed: int, gaps: bool = False) -> pl.DataFrame:
    """Three instruments; where there are gaps: no bars, no volume, no open of some of them."""
    rng = np.random.default_rng(seed)
    rows = market(seed=seed, start=DAYS[0], end=DAYS[-1], names=NAMES[:3])
    away = [pl.Series(np.exp(rng.normal(0, 0.01, rows.height))) for _ in range(2)]
    rows = rows.with_columns(
        open=pl.col("close") * away[0],
        vwap=pl.col("close") * away[1],
        volume=1000.0,
        price_type=pl.lit("trade"),
    )
    if not gaps:
        return rows
    dice = [pl.Series(rng.random(rows.height)) for _ in range(3)]
    return rows.with_columns(
        volume=pl.when(dice[0] > 0.25).then("volume").otherwise(0.0),
        open=pl.when(dice[1] > 0.25).then("open"),
    ).filter(dice[2] > 0.25)


def targets(weights: dict[tuple[str, int], float]) -> pl.DataFrame:
    """One book's targets, by instrument and number of the session."""
    rows = [(name, DAYS[day], weight) for (name, day), weight in weights.items()]
    names = {"strategy": "small", "spec_digest": "", "model_digest": "", "arm": "head", "exchange": "XSIM"}
    frame = pl.DataFrame(rows, schema=["instrument_id", "date", "weight"], orient="row").with_columns(
        *(pl.lit(value).alias(name) for name, value in names.items()),
        decided_at=pl.col("date").cast(pl.Datetime("us", "UTC")) + timedelta(hours=22),
        cutoff=DAYS[0],
        seed=1,
        forecast=0.0,
    )
    return TARGETS.conform(frame)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(EXECUTIONS),
    st.booleans(),
    st.lists(st.integers(0, 8), min_size=3, max_size=3),
)
def test_the_engine_fills_on_the_same_sessions(
    seed: int, execution: dict[str, object], rules: bool, days: list[int]
) -> None:
    how = Execution.model_validate(execution | {"exchange_rules": rules})
    rows = bars(seed, gaps=True)
    decided = targets(dict.fromkeys(zip(NAMES, days, strict=False), 0.2))
    found = fills(decided.select("instrument_id", "date"), rows, how)
    assert found["date"].to_list() == decided["date"].to_list()
    traded = engine.run(decided, rows, costs=FREE, execution=how).trades
    first = traded.group_by("instrument_id").agg(pl.col("date", "price").sort_by("date").first())
    expected = found.drop_nulls("filled").select("instrument_id", "filled", "price").sort("instrument_id")
    assert expected.rows() == first.sort("instrument_id").rows()


@pytest.mark.parametrize("execution", EXECUTIONS, ids=str)
@pytest.mark.parametrize("gap", [5, 12])
def test_a_book_drifts_from_its_fill_as_the_engine_has_it(execution: dict[str, object], gap: int) -> None:
    how = Execution.model_validate(execution | {"exchange_rules": False})
    rows, at = bars(3), datetime(2018, 3, 1, 23, tzinfo=UTC)
    about = pl.DataFrame({"instrument_id": NAMES[:3], "forecast": [0.02, -0.01, -0.01]}).with_columns(
        exchange=pl.lit("XSIM"), arm=pl.lit("head"), seed=pl.lit(1, dtype=pl.Int64), forecast_scale=0.02
    )
    portfolio = MarkowitzPortfolio(max_position=0.5, risk_aversion=0.01, risk_sessions=20)
    books = OptimisedBooks(portfolio, 5, FREE, how)
    history = pl.concat(
        [market(seed=9, start=date(2018, 1, 2), end=date(2018, 2, 28), names=NAMES[:3]), rows]
    )
    first, second = (
        alone(Decision(day, at, ("XSIM",)), history.filter(pl.col("date") <= day), about)
        for day in (DAYS[1], DAYS[1 + gap])
    )
    decided = dict(books.rebalance(first).select("instrument_id", "weight").iter_rows())
    assert abs(sum(map(abs, decided.values()))) > 0.9
    held = books._drifted(("head", 1), second, daily_returns(second.bars))
    ran = engine.run(
        targets({(name, 1): weight for name, weight in decided.items()}), rows, costs=FREE, execution=how
    )
    engines = dict(
        ran.positions.filter(pl.col("date") == DAYS[1 + gap]).select("instrument_id", "weight").iter_rows()
    )
    if how.delay > gap:
        assert not engines
        assert held == decided, "what is still to be filled will be, before anything new is"
    else:
        assert held == pytest.approx(engines, rel=1e-9)
        assert how.fill == "close" or held != pytest.approx(decided, rel=1e-3)
