"""Decisions: their moments, their rhythm, and that nothing later reaches them, not even in the last bit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
import torch
from strategy_world import (
    CUTOFF,
    NAMES,
    PERIOD_END,
    alone,
    bars_of,
    inputs,
    macro,
    market,
    put_checkpoint,
    put_lake,
    session_days,
    spec,
)

from lim_pipelines.backtest.metrics import realised
from lim_pipelines.exchanges import EXCHANGES, sessions
from lim_pipelines.finetune import store, train
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.settings import DirectionalLimits
from lim_pipelines.finetune.spec import Task
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import midnight
from lim_pipelines.portfolio.books import OptimisedBooks
from lim_pipelines.portfolio.targets import CutoffMismatchError, make_targets
from lim_pipelines.schemas import LISTINGS, TARGETS
from lim_pipelines.strategies import cross_sectional, directional
from lim_pipelines.strategies.base import Decision, Known, universe_sessions
from lim_pipelines.strategies.execution import Execution
from lim_pipelines.strategies.portfolios import MarkowitzPortfolio
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
World = tuple[StrategySpec, Path, pl.DataFrame]
CHANGE = datetime(2018, 6, 14, 12, tzinfo=UTC)


@pytest.fixture(scope="module", params=["directional", "cross_sectional"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A strategy, its models of `CUTOFF`, and bars through the period."""
    one = spec(request.param)
    bars = market() if request.param == "cross_sectional" else market(seed=1, names=("XNYM:WTI",))
    root = tmp_path_factory.mktemp(request.param)
    put_checkpoint(root / "models", one.foundation, CUTOFF)
    put_lake(root / "lake", bars, macro())
    train.train(
        {
            "lake": str(root / "lake"),
            "models": str(root / "models"),
            "strategy": one.model_dump(mode="json"),
            "cutoffs": [CUTOFF.isoformat()],
        }
    )
    folder = checkpoint.resolve(root / "models", one.name, CUTOFF)
    assert folder is not None
    return one, folder, bars


def decide(
    one: StrategySpec, folder: Path, bars: pl.DataFrame, macro_rows: pl.DataFrame | None = None
) -> pl.DataFrame:
    sessions = universe_sessions(one, PERIOD_END + timedelta(days=7))
    known = inputs(one, bars, macro() if macro_rows is None else macro_rows, PERIOD_END)
    return make_targets(one, CUTOFF, PERIOD_END, folder, bars, known, sessions)


def test_targets_are_decided_in_their_period_by_every_book(
    world: World,
) -> None:
    one, folder, bars = world
    rows = decide(one, folder, bars)
    assert rows.schema == TARGETS.schema
    assert rows["model_digest"].unique().to_list() == [store.read_meta(folder).input_digest]
    assert rows["decided_at"].min() >= midnight(CUTOFF)
    assert rows["decided_at"].max() < midnight(PERIOD_END)
    assert set(rows.select("arm", "seed").unique().iter_rows()) == set(one.books())
    closes = bars.select("exchange", "instrument_id", "date", "ts")
    late = rows.join(closes, on=["exchange", "instrument_id", "date"])
    assert (late["decided_at"] - late["ts"]).unique().to_list() == [timedelta(hours=6)]
    if one.task == "directional":
        assert rows["date"].n_unique() == len(session_days("XNYM", date(2018, 5, 31), date(2018, 6, 29)))
        assert rows["weight"].abs().max() <= 1.0
    else:
        assert rows["date"].n_unique() in (4, 5)
        books = rows.group_by("arm", "seed", "date").agg(
            net=pl.col("weight").sum(),
            gross=pl.col("weight").abs().sum(),
            largest=pl.col("weight").abs().max(),
            forecast=pl.col("forecast").sum(),
        )
        assert books["net"].abs().max() < 1e-7
        assert books["gross"].max() <= 1.0 + 1e-6
        assert books["largest"].max() <= 0.3 + 1e-7
        assert books["forecast"].abs().max() < 1e-12


def test_what_happens_later_changes_no_bit_of_a_decision(
    world: World,
) -> None:
    """Bars and macro rows known after a moment change, vanish or are new; decisions before it stay."""
    one, folder, bars = world
    before = decide(one, folder, bars).filter(pl.col("decided_at") < CHANGE)
    assert before.height
    later = pl.col("known_at") > CHANGE
    rng = np.random.default_rng(9)
    noise = pl.Series(np.exp(rng.normal(0, 0.2, bars.height)))
    changed = bars.with_columns(close=pl.when(later).then(pl.col("close") * noise).otherwise("close"))
    correction = bars.filter(~later).with_columns(
        close=pl.col("close") * 3, known_at=pl.lit(CHANGE + timedelta(seconds=1))
    )
    macro_rows = macro().with_columns(value=pl.when(later).then(90.0).otherwise("value"))
    worlds = (
        (changed, macro_rows),
        (bars.filter(~later), macro_rows.filter(~later)),
        (pl.concat([bars, correction]), macro()),
    )
    for other_bars, other_macro in worlds:
        after = decide(one, folder, other_bars, other_macro).filter(pl.col("decided_at") < CHANGE)
        assert after.equals(before)
        assert after["weight"].to_numpy().tobytes() == before["weight"].to_numpy().tobytes()
    assert not decide(one, folder, changed).equals(decide(one, folder, bars))


def test_a_bar_that_arrives_late_is_not_there_yet(world: World) -> None:
    """The bars of one session come a day late: nothing is decided on it, and nothing breaks."""
    one, folder, bars = world
    day = decide(one, folder, bars)["date"][-1]
    arrives = (
        pl.when(pl.col("date") == day).then(pl.col("known_at") + timedelta(days=1)).otherwise("known_at")
    )
    rows = decide(one, folder, bars.with_columns(known_at=arrives))
    assert day not in rows["date"].to_list()
    assert rows.height


def test_a_file_that_is_late_but_in_time_for_the_decision_is_used(world: World) -> None:
    one, folder, bars = world
    late = bars.with_columns(known_at=pl.col("ts") + timedelta(minutes=20))
    assert decide(one, folder, late).equals(decide(one, folder, bars))


def test_every_decision_falls_between_its_own_feed_and_the_next_close() -> None:
    for exchange in EXCHANGES.values():
        close = sessions(exchange.mic, date(1990, 1, 1), date(2019, 12, 31))["close"]
        assert exchange.feed_lag <= exchange.decision_lag < close.diff().min()
    with pytest.raises(ValueError, match="XNYS: decision_lag 0:10:00 is shorter than feed_lag 0:15:00"):
        replace(EXCHANGES["XNYS"], decision_lag=timedelta(minutes=10))


def test_models_decide_for_their_own_cutoff_and_specification_only(
    world: World,
) -> None:
    one, folder, bars = world
    sessions = universe_sessions(one, PERIOD_END)
    with pytest.raises(CutoffMismatchError, match="trained at cutoff 2018-06-01, targets of 2018-05-01"):
        make_targets(
            one, date(2018, 5, 1), CUTOFF, folder, bars, inputs(one, bars, macro(), CUTOFF), sessions
        )
    with pytest.raises(CutoffMismatchError, match="another specification"):
        decide(spec(one.task, horizon=6), folder, bars)


def test_an_instrument_without_a_bar_is_sold_when_it_trades_again(
    world: World,
) -> None:
    one, folder, bars = world
    if one.task == "directional":
        return
    days = decide(one, folder, bars)["date"].unique().sort()
    rows = decide(
        one, folder, bars.filter((pl.col("instrument_id") != NAMES[2]) | (pl.col("date") != days[1]))
    )
    gone = rows.filter((pl.col("date") == days[1]) & (pl.col("instrument_id") == NAMES[2]))
    assert gone["weight"].to_list() == [0.0] * len(one.books())
    assert gone["forecast"].is_null().all()
    assert rows.filter(pl.col("date") == days[1]).height == len(NAMES) * len(one.books())


def test_an_instrument_with_too_little_history_has_no_forecast_and_no_rank(world: World) -> None:
    one, folder, bars = world
    if one.task == "directional":
        return
    young = bars.filter((pl.col("instrument_id") != NAMES[2]) | (pl.col("date") >= CUTOFF))
    rows = decide(one, folder, young).filter(pl.col("instrument_id") == NAMES[2])
    early = rows.filter(pl.col("date") < date(2018, 6, 20))
    assert early.height
    assert early["forecast"].is_null().all()
    assert early["weight"].abs().max() == 0
    assert NAMES[2] not in realised(early, young, one.horizon)["instrument_id"].to_list()


def test_the_rhythm_does_not_depend_on_the_cutoff() -> None:
    sessions = universe_sessions(spec(), date(2018, 12, 31))
    whole = cross_sectional.decisions(sessions, 5, midnight(date(2018, 1, 1)), midnight(date(2019, 1, 1)))
    pieces = []
    for month in range(1, 13):
        start, end = midnight(date(2018, month, 1)), midnight(date(2018 + month // 12, month % 12 + 1, 1))
        piece = cross_sectional.decisions(sessions, 5, start, end)
        assert piece[0].decided_at < start
        assert piece[1].decided_at >= start
        pieces += piece[1:]
    assert pieces == whole[1:]
    days = session_days("XSIM", date(2017, 12, 1), date(2018, 12, 31))
    steps = np.diff([days.index(decision.date) for decision in whole])
    assert set(steps) == {5}
    every = directional.decisions(sessions, midnight(date(2018, 1, 1)), midnight(date(2018, 2, 1)))
    assert [decision.date for decision in every] == session_days("XSIM", date(2018, 1, 1), date(2018, 1, 30))


def known(decision_day: date, bars: pl.DataFrame) -> Known:
    forecasts = pl.DataFrame(
        {
            "exchange": ["XSIM"] * 2,
            "instrument_id": list(NAMES[:2]),
            "volatility": [0.01] * 2,
            "arm": ["head"] * 2,
            "seed": [1, 1],
            "forecast": [0.02, -0.02],
            "forecast_scale": [0.01] * 2,
        }
    )
    at = datetime(decision_day.year, decision_day.month, decision_day.day, 22, tzinfo=UTC)
    return alone(
        Decision(decision_day, at, ("XSIM",)), bars.filter(pl.col("date") <= decision_day), forecasts
    )


def test_books_drift_from_their_fill_on() -> None:
    """0.3 against -0.3, filled a session after the decision at 10; one doubles: 0.6 and -0.3 of 1.3."""
    days = session_days("XSIM", date(2018, 3, 1), date(2018, 3, 29))
    closes = {NAMES[0]: [10.0, 9.0, 10.0, 20.0, 20.0], NAMES[1]: [10.0, 11.0, 10.0, 10.0, 10.0]}
    bars = pl.concat([bars_of(name, days[:5], values) for name, values in closes.items()])
    settings = MarkowitzPortfolio(max_position=0.3, gross=0.6, risk_aversion=0.01)
    books = OptimisedBooks(settings, 5, Costs(), Execution())
    first = books.rebalance(known(days[1], bars)).sort("instrument_id")["weight"].to_list()
    assert first == pytest.approx([0.3, -0.3], abs=1e-6)
    second = known(days[4], bars)
    held = books._drifted(("head", 1), second, daily_returns(second.bars))
    assert [held[name] for name in NAMES[:2]] == pytest.approx([0.6 / 1.3, -0.3 / 1.3], rel=1e-5)


def test_a_listing_counts_from_its_first_day_on(world: World) -> None:
    """From the middle of the period on a listing says a larger multiplier: limits grow from then on."""
    one, folder, bars = world
    if one.task == "directional":
        return
    limited = spec(portfolio={"max_position": 0.3, "risk_sessions": 60, "max_adv": 1.0})
    valued = bars.with_columns(volume=100.0)
    known, sessions = inputs(limited, valued, macro(), PERIOD_END), universe_sessions(limited, PERIOD_END)
    row = {"source": "t", "name": "", "asset_class": "future", "currency": "USD", "file": ""}
    listed = LISTINGS.conform(
        pl.DataFrame({"instrument_id": NAMES, "symbol": NAMES}).with_columns(
            **{name: pl.lit(value) for name, value in row.items()},
            exchange=pl.lit("XSIM"),
            first=CHANGE.date(),
            multiplier=1000.0,
            known_at=pl.lit(midnight(CUTOFF)),
        )
    )
    free, tight = (
        make_targets(limited, CUTOFF, PERIOD_END, folder, valued, known, sessions, listings=rows)
        for rows in (listed, LISTINGS.empty())
    )
    before = pl.col("decided_at") < CHANGE
    assert tight["weight"].abs().max() < 0.005
    assert free.filter(before).equals(tight.filter(before))
    assert free.filter(~before)["weight"].abs().max() > 0.2


def test_every_task_has_rules_and_each_its_own_portfolio() -> None:
    assert set(TASKS) == set(get_args(Task))
    assert isinstance(spec("directional").portfolio, DirectionalLimits)
    assert isinstance(spec().portfolio, MarkowitzPortfolio)
