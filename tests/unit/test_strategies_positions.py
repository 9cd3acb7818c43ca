"""Strategies whose models say positions, from the specification to targets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from small_samples import NO_INPUTS, position_spec
from strategy_world import (
    CUTOFF,
    PERIOD_END,
    macro,
    market,
    put_checkpoint,
    put_lake,
    spec,
)

from lim_pipelines.backtest import engine, metrics
from lim_pipelines.exchanges import get_exchange
from lim_pipelines.finetune import store, train
from lim_pipelines.finetune.base import positions
from lim_pipelines.finetune.samples import build_samples
from lim_pipelines.foundation import checkpoint
from lim_pipelines.portfolio.targets import make_targets
from lim_pipelines.schemas import MODEL_INPUTS, TARGETS
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.portfolios import OwnPositions
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
World = tuple[StrategySpec, Path, pl.DataFrame]
CHANGE = datetime(2018, 6, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"portfolio": {"gross": 1.0}}, "models size their own positions"),
        ({"position": {"vol_target": 0.1}}, "vol_target"),
        ({"position": {"gross": -1}}, "greater than 0"),
        ({"output": "alpha", "position": {}, "portfolio": {"gross": 1.0}}, "belongs to `output: position`"),
        ({"output": "alpha", "position": None}, "is missing; add it"),
        ({"fit": {"sample_every": 2}}, "must divide horizon"),
        ({"fit": {"batch": 16}}, "fewer than 20 decisions is noise"),
        ({"fit": {"validation_sessions": 14}}, "raise validation_sessions"),
        ({"task": "pairs"}, "only models of tasks"),
        ({"output": "weights"}, "'alpha' or 'position'"),
    ],
)
def test_a_wrong_specification_says_what_to_change(changes: dict[str, Any], message: str) -> None:
    content = position_spec("cross_sectional").model_dump() | changes
    if changes.get("output") == "alpha" and "portfolio" not in changes:
        del content["portfolio"]
    with pytest.raises(ValidationError, match=message):
        StrategySpec.model_validate(content)


def test_limits_and_costs_of_positions_are_what_models_are_trained_for() -> None:
    one = position_spec("cross_sectional")
    assert isinstance(one.portfolio, OwnPositions)
    assert StrategySpec.model_validate(one.model_dump(mode="json")) == one
    for changes in ({"position": {"gross": 0.5}}, {"costs": {"multiplier": 2.0}}):
        assert position_spec("cross_sectional", **changes).model_config_json() != one.model_config_json()
    # Rates are what counts, wherever they are written: an exchange's own that change change the models, too.
    exchange = get_exchange("XSIM")
    said = {
        "commission_bps": exchange.commission_bps,
        "half_spread_bps": exchange.half_spread_bps,
        "borrow_bps_per_year": exchange.borrow_bps_per_year,
    }
    assert position_spec("cross_sectional", costs=said).model_config_json() == one.model_config_json()
    # Of an alpha they change positions only.
    assert spec(costs={"multiplier": 2.0}).model_config_json() == spec().model_config_json()


@pytest.fixture(scope="module", params=["directional", "cross_sectional"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A strategy, its models of `CUTOFF`, and bars through the period."""
    task = request.param
    one = position_spec(task, controls=["ridge"])
    bars = market() if task == "cross_sectional" else market(seed=1, names=("XNYM:WTI",))
    root = tmp_path_factory.mktemp(task)
    put_checkpoint(root / "models", one.foundation, CUTOFF)
    put_lake(root / "lake", bars, macro())
    job = {"lake": str(root / "lake"), "models": str(root / "models"), "cutoffs": [CUTOFF.isoformat()]}
    train.train({**job, "strategy": one.model_dump(mode="json")})
    folder = checkpoint.resolve(root / "models", one.name, CUTOFF)
    assert folder is not None
    return one, folder, bars


def decide(world: World, bars: pl.DataFrame) -> pl.DataFrame:
    one, folder, _ = world
    known = NO_INPUTS.with_columns(known_at=pl.lit(None, dtype=MODEL_INPUTS.schema["known_at"]))
    return make_targets(one, CUTOFF, PERIOD_END, folder, bars, known, universe_sessions(one, PERIOD_END))


def test_positions_keep_their_limits_and_say_no_forecast(world: World) -> None:
    one, folder, bars = world
    targets = decide(world, bars)
    assert TARGETS.conform(targets).equals(targets)
    assert targets["forecast"].is_null().all()
    books = set(targets.select("arm", "seed").iter_rows())
    assert books == set(one.books())
    sums = targets.group_by("arm", "seed", "date").agg(
        net=pl.col("weight").sum(), gross=pl.col("weight").abs().sum(), largest=pl.col("weight").abs().max()
    )
    if one.task == "cross_sectional":
        assert sums["net"].abs().max() < 1e-12
        assert sums["gross"].max() <= 1 + 1e-12
        assert sums["largest"].max() <= 0.3 + 1e-12
    else:
        assert sums["gross"].max() <= 1 + 1e-12
    assert (sums["gross"] > 0).all()
    # Decisions are a horizon apart.
    days = targets["date"].unique().sort()
    here = universe_sessions(one, PERIOD_END).filter(pl.col("date").is_in(days.implode()))
    assert here["ordinal"].diff().drop_nulls().unique().to_list() == [one.horizon]
    figures = {(arm.arm, arm.seed): arm for arm in store.read_meta(folder).arms}
    assert {figures[book].forecast_scale == 1.0 for book in books if book[0] != "ridge"} == {True}
    assert figures["ridge", 0].forecast_scale < 0.9
    network = figures[one.method, 1].metrics
    assert network["fit_r2"] is None
    assert network["fit_rank_ic"] is not None
    assert network["fit_rank_ic"] > 0.05
    assert network["validation_loss_of_zero"] == 0
    daily = engine.run(targets, bars, costs=one.costs).daily
    assert metrics.scores(one.name, one.task, one.horizon, daily, targets, bars).height


def test_where_no_instrument_has_a_bar_nothing_is_said(world: World) -> None:
    one, folder, bars = world
    nobody = build_samples(one, bars.clear(), NO_INPUTS, [])
    for forecaster in store.load(folder)[0].values():
        assert positions(one, forecaster, nobody, 1.0).shape == (0,)


def test_what_happens_later_changes_no_bit_of_a_position(world: World) -> None:
    _, _, bars = world
    later = pl.col("known_at") > CHANGE
    other = bars.with_columns(close=pl.when(later).then(pl.col("close") * 1.37).otherwise("close"))
    before = pl.col("decided_at") <= CHANGE
    first, second = decide(world, bars), decide(world, other)
    assert first.filter(before).equals(second.filter(before))
    assert first.filter(before).height
    assert not first.equals(second)


def test_what_has_no_bar_is_sold_in_a_cross_section(world: World) -> None:
    one, _, bars = world
    if one.task != "cross_sectional":
        return
    name = bars["instrument_id"][0]
    day = decide(world, bars)["date"].unique().sort()[1]
    gone = decide(world, bars.filter((pl.col("instrument_id") != name) | (pl.col("date") != day)))
    rows = gone.filter((pl.col("date") == day) & (pl.col("instrument_id") == name))
    assert rows["weight"].to_list() == [0.0] * len(one.books())
    held = gone.filter(pl.col("date") == day).group_by("arm", "seed").agg(pl.col("weight").sum())
    assert np.abs(held["weight"].to_numpy()).max() < 1e-12
