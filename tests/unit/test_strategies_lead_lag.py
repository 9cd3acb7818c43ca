"""Lead-lag: planted leaders are found, shuffled ones are not, and no decision knows what comes later."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_world import macro, market, put_checkpoint, put_lake

from lim_pipelines.audit.samples import leaks_of_samples, leaks_of_selection
from lim_pipelines.finetune import ridge, store, train
from lim_pipelines.finetune.base import rank_correlation
from lim_pipelines.finetune.controls.registry import CONTROLS
from lim_pipelines.finetune.features import read_features
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.selection import Leader, Selection
from lim_pipelines.finetune.settings import LeaderSettings
from lim_pipelines.finetune.split import TooLittleHistoryError, split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.portfolio.targets import make_targets
from lim_pipelines.simulate.planted import Planted, lead_lag, shuffled
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.check import needed
from lim_pipelines.strategies.lead_lag import STALE_DAYS, formation
from lim_pipelines.strategies.leaders import leaders_of, screened
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
WORLD = lead_lag(seed=0, relations=4, others=6, count=700)
CONTROL = shuffled(WORLD, seed=0)
IDS = WORLD.bars["instrument_id"].unique().sort().to_list()
CUTOFF, END = date(2016, 9, 1), date(2016, 9, 15)
TASK = TASKS["lead_lag"]
KNOWN = WORLD.bars.filter(pl.col("known_at") <= midnight(CUTOFF))
NOTHING = pl.DataFrame(schema={"exchange": pl.String, "date": pl.Date, "instrument_id": pl.String})


def spec(**changes: object) -> StrategySpec:
    content: dict[str, object] = {
        "name": "followers",
        "description": "A test.",
        "task": "lead_lag",
        "universe": {"instruments": IDS},
        "horizon": 2,
        "foundation": "xsim_foundation_checkpoint",
        "method": "head",
        "controls": ["ridge"],
        "seeds": [1],
        "fit": {"steps": 10, "batch": 16, "validation_sessions": 60},
        "portfolio": {},
    }
    return StrategySpec.model_validate(content | changes)


def found(world: Planted) -> set[tuple[str, str]]:
    return {(one.leader, one.lagger) for one in leaders_of(LeaderSettings(), world.bars) if one.believed}


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_leaders_are_found_and_in_shuffled_bars_none(seed: int) -> None:
    world = lead_lag(seed, relations=4, others=6, count=700)
    assert set(world.relations) <= found(world)
    assert len(found(world)) <= len(world.relations) + 1
    assert found(shuffled(world, seed)) == set()


def test_among_four_the_mean_makes_no_leaders() -> None:
    """A leader and its lagger are half of the mean that the other two are measured against."""
    wrong = 0
    for seed in range(8):
        world = lead_lag(seed, relations=1, others=2, count=760)
        believed = {
            (one.leader, one.lagger) for one in leaders_of(LeaderSettings(most=3), world.bars) if one.believed
        }
        assert set(world.relations) <= believed
        wrong += len(believed) - 1
    assert wrong <= 1


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.1, 50.0))
def test_the_screen_does_not_know_the_size_of_returns(seed: int, factor: float) -> None:
    returns = np.random.default_rng(seed).standard_t(4, (200, 4))
    one, other = screened(returns, 3), screened(returns * factor, 3)
    np.testing.assert_allclose(one.z, other.z, rtol=1e-6)
    np.testing.assert_allclose(one.correlation, other.correlation, rtol=1e-6)


def test_what_is_there_in_the_first_session_only_is_not_believed() -> None:
    """The fill is a session later: it can be seen, and never traded."""
    dice = np.random.default_rng(3)
    returns = 0.01 * dice.standard_normal((800, 2))
    returns[1:, 1] += 0.9 * returns[:-1, 0]
    returns[2:, 1] -= 0.1 * returns[:-2, 0]
    said = screened(returns, 3)
    assert said.z[0, 1] > 6
    assert said.tradable[0, 1] < 0
    days = WORLD.bars["date"].unique().sort()[:801]
    price = 50 * np.exp(np.cumsum(np.vstack([np.zeros(2), returns - returns.mean(axis=0)]), axis=0))
    template = WORLD.bars.filter(pl.col("instrument_id") == IDS[0])
    assert len(days) == template.height
    rows = [
        template.with_columns(instrument_id=pl.lit(name), close=pl.Series(price[: template.height, i]))
        for i, name in enumerate(("XSIM:A", "XSIM:B"))
    ]
    chosen = leaders_of(LeaderSettings(), pl.concat(rows))
    assert ("XSIM:A", "XSIM:B") not in {(one.leader, one.lagger) for one in chosen if one.believed}


def test_leaders_are_chosen_before_the_validation_window_and_by_nothing_behind_it() -> None:
    one = spec()
    chosen = TASK.select(one, KNOWN)
    assert {(each.leader, each.lagger) for each in chosen.leaders} == set(WORLD.relations)
    samples = TASK.samples(one, KNOWN, NOTHING, chosen)
    first = samples.frame["date"][split(one, samples, CUTOFF).validation.tolist()].min()
    last = formation(one, KNOWN)["date"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    assert last < first
    dice = np.random.default_rng(0)
    noise = pl.Series(np.exp(dice.normal(0, 0.2, KNOWN.height)))
    later = pl.when(pl.col("date") > last).then(pl.col("close") * noise).otherwise("close")
    assert TASK.select(one, KNOWN.with_columns(close=later)) == chosen
    assert leaks_of_selection(one, KNOWN, chosen) == []
    assert leaks_of_selection(one, KNOWN, Selection(leaders=chosen.leaders[1:])) != []


def test_leaders_are_chosen_before_the_validation_window_of_the_exchange_that_is_open_least() -> None:
    names = ["XNYM:WTI", "XNAS:AAPL", "XNAS:FB"]
    one = spec(
        universe={"instruments": names},
        foundation="foundation_checkpoint",
        fit={"validation_sessions": 200},
    )
    bars = market(names=tuple(names), end=date(2018, 6, 1))
    leader = Leader(lagger="XNAS:AAPL", leader="XNYM:WTI", correlation=0.1, p_value=0.1, believed=True)
    samples = TASK.samples(one, bars, NOTHING, Selection(leaders=(leader,)))
    first = samples.frame["date"][split(one, samples, CUTOFF).validation.tolist()].min()
    last = formation(one, bars)["date"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    assert last < first


def test_too_few_sessions_to_screen_leaders_on_say_what_to_do() -> None:
    with pytest.raises(TooLittleHistoryError, match=r"no two have 120 sessions.*import more history"):
        TASK.select(spec(), KNOWN.filter(pl.col("date") > date(2016, 3, 1)))
    days = KNOWN["date"].unique().sort().tail(needed(spec()))
    assert TASK.select(spec(), KNOWN.filter(pl.col("date") >= days[0])).leaders, "the check of YAML knows it"
    with pytest.raises(TooLittleHistoryError):
        TASK.select(spec(), KNOWN.filter(pl.col("date") > days[0]))


def window_days(samples: Samples) -> list[tuple[date, date]]:
    """Each sample's session, and that of the last bar of its leader's window."""
    days = []
    for day, (at, row) in zip(samples.frame["date"], samples.others[:, 0], strict=True):
        moment = pl.Series([int(samples.series[at].ts[row])]).cast(pl.Datetime("us")).dt.date()[0]
        days.append((day, moment))
    return days


def test_a_sample_is_the_lagger_with_its_leaders_window_up_to_the_same_session() -> None:
    one = spec()
    chosen = TASK.select(one, KNOWN)
    samples = TASK.samples(one, KNOWN, NOTHING, chosen)
    assert set(samples.frame["instrument_id"]) == {lagger for _, lagger in WORLD.relations}
    assert samples.others.shape == (len(samples), 1, 2)
    assert all(day == end for day, end in window_days(samples))
    leader = {lagger: name for name, lagger in WORLD.relations}
    beside = [samples.series[at].instrument_id for at in samples.others[:, 0, 0]]
    assert beside == [leader[name] for name in samples.frame["instrument_id"]]
    assert leaks_of_samples(one, KNOWN, NOTHING, 16, chosen) == []


def test_a_leader_without_a_bar_lately_is_not_there() -> None:
    one = spec()
    chosen = TASK.select(one, KNOWN)
    leader, lagger = chosen.leaders[0].leader, chosen.leaders[0].lagger
    gone = date(2016, 8, 1)
    stays = KNOWN.filter((pl.col("instrument_id") != leader) | (pl.col("date") < gone))
    samples = TASK.samples(one, stays, NOTHING, chosen)
    own = samples.at((samples.frame["instrument_id"] == lagger).to_numpy())
    there = own.frame.with_columns(there=pl.Series(own.others[:, 0, 1] >= 0))
    lately = pl.col("date") <= gone - timedelta(days=3) + timedelta(days=STALE_DAYS)
    assert there.filter(lately)["there"].all()
    assert not there.filter(pl.col("date") > gone + timedelta(days=STALE_DAYS))["there"].any()
    assert ridge.inputs(own, ridge_scaling(own), 16)[-1, 17:33].tolist() == [0.0] * 16


def ridge_scaling(samples: Samples) -> ridge.Scaling:
    return ridge.Scaling.of(samples.features)


@pytest.mark.parametrize("control", ["ridge", "lightgbm"])
def test_a_control_is_given_the_leaders_and_forecasts_what_was_planted(control: str) -> None:
    one = spec(fit={"validation_sessions": 150, "judged_sessions": 0})
    chosen = TASK.select(one, KNOWN)
    skills = {}
    for name in ("with", "without"):
        samples = TASK.samples(one, KNOWN, NOTHING, chosen)
        parts = split(one, samples, CUTOFF)
        if name == "without":
            samples.others[..., 1] = -1
        out = samples.at(parts.validation)
        fitted, _ = CONTROLS[control].fit(one, samples, parts, 8)
        skills[name] = rank_correlation(fitted.outputs(out)[:, 0], out.label)
    assert skills["with"] > 0.2
    assert skills["with"] > skills["without"] + 0.1


@pytest.fixture(scope="module", params=["planted", "control"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Lake, Path, pl.DataFrame]:
    """Name of the world, its lake, the models of `CUTOFF`, and bars through the period."""
    bars = (WORLD if request.param == "planted" else CONTROL).bars
    root = tmp_path_factory.mktemp(request.param)
    put_checkpoint(root / "models", "xsim_foundation_checkpoint", CUTOFF)
    lake = put_lake(root / "lake", bars, macro())
    job = {"lake": lake.root, "models": str(root / "models"), "cutoffs": [CUTOFF.isoformat()]}
    train.train({**job, "strategy": spec().model_dump(mode="json")})
    folder = checkpoint.resolve(root / "models", "followers", CUTOFF)
    assert folder is not None
    return request.param, lake, folder, bars


def decide(folder: Path, bars: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    one = spec()
    known = read_features(lake, one, bars, midnight(END))
    return make_targets(one, CUTOFF, END, folder, bars, known, universe_sessions(one, END))


def test_believed_laggers_are_traded_and_in_a_control_nothing(
    trained: tuple[str, Lake, Path, pl.DataFrame],
) -> None:
    world, lake, folder, bars = trained
    leaders = store.read_meta(folder).selection.leaders
    rows = decide(folder, bars, lake)
    laggers = {one.lagger for one in leaders}
    followed = pl.col("instrument_id").is_in(sorted(laggers))
    # What an earlier cutoff's models bought and nobody follows any more would stay for good without a row.
    nobodys = rows.filter(~followed)
    assert set(nobodys["instrument_id"]) == set(IDS) - laggers
    assert nobodys["weight"].to_list() == [0.0] * len(nobodys)
    rows = rows.filter(followed)
    assert set(rows["instrument_id"]) == laggers
    if world == "planted":
        assert {(one.leader, one.lagger) for one in leaders} == set(WORLD.relations)
        ridge_rows = rows.filter(pl.col("arm") == "ridge")
        assert (ridge_rows["weight"] != 0).all()
    else:
        assert not any(one.believed for one in leaders)
        assert rows.height
        assert rows["weight"].abs().max() == 0


def test_what_happens_later_changes_no_bit_of_a_lagger(trained: tuple[str, Lake, Path, pl.DataFrame]) -> None:
    _, lake, folder, bars = trained
    change = midnight(date(2016, 9, 9))
    before = decide(folder, bars, lake).filter(pl.col("decided_at") < change)
    noise = pl.Series(np.exp(np.random.default_rng(1).normal(0, 0.2, bars.height)))
    later = pl.col("known_at") > change
    changed = bars.with_columns(close=pl.when(later).then(pl.col("close") * noise).otherwise("close"))
    after = decide(folder, changed, lake).filter(pl.col("decided_at") < change)
    assert after.equals(before)
    assert after["weight"].to_numpy().tobytes() == before["weight"].to_numpy().tobytes()
    assert before.height
    leader = pl.col("instrument_id").is_in([name for name, _ in WORLD.relations])
    earlier = leader & (pl.col("date") >= date(2016, 9, 1)) & (pl.col("date") <= date(2016, 9, 7))
    moved = bars.with_columns(close=pl.when(earlier).then(pl.col("close") * 1.05).otherwise("close"))
    same = decide(folder, moved, lake).filter(pl.col("decided_at") < change).equals(before)
    assert same == (trained[0] != "planted")


def test_yaml_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="universe: a leader and a lagger are two instruments"):
        spec(universe={"instruments": IDS[:1]})
    with pytest.raises(ValueError, match="leaders: belongs to `task: lead_lag`"):
        spec(task="directional", leaders={"most": 2})
    assert spec(leaders={"most": 2}).related == 2
