"""Pairs: chosen on the past only, found where planted and nowhere else; nothing later reaches a decision."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from strategy_world import macro, put_checkpoint, put_lake

from lim_pipelines import walkforward
from lim_pipelines.audit.checkpoints import audit_model
from lim_pipelines.audit.targets import audit_targets
from lim_pipelines.finetune import store
from lim_pipelines.finetune.selection import Formation, Pair, Selection
from lim_pipelines.finetune.settings import PairSettings
from lim_pipelines.finetune.spec import SPREAD_FEATURES
from lim_pipelines.finetune.split import Split, TooLittleHistoryError, split
from lim_pipelines.finetune.train import train
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.schemas import TARGETS, VALIDATED_BARS
from lim_pipelines.simulate import planted, xsim
from lim_pipelines.strategies.check import needed
from lim_pipelines.strategies.pair_selection import EVERY, formations
from lim_pipelines.strategies.pairs import Pairs
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.strategies.spreads import spread_bars, z_scores

torch.set_num_threads(1)
SETTINGS = PairSettings(formation_sessions=400, window=40)
WORLD = planted.pairs(1, relations=3, others=5, count=800)
DAYS = WORLD.bars["date"].unique().sort().to_list()
CUTOFF = date(2017, 2, 1)
NO_INPUTS = pl.DataFrame(
    schema={
        "exchange": pl.String,
        "date": pl.Date,
        "instrument_id": pl.String,
        "known_at": pl.Datetime("us", "UTC"),
    }
)


def spec(**changes: Any) -> StrategySpec:
    content: dict[str, Any] = {
        "name": "pairs",
        "description": "A test.",
        "task": "pairs",
        "universe": {"exchanges": ["XSIM"]},
        "horizon": 5,
        "foundation": "xsim_foundation_checkpoint",
        "method": "head",
        "controls": ["ridge"],
        "seeds": [1],
        "fit": {"steps": 20, "batch": 32, "validation_sessions": 40},
        "pairs": SETTINGS.model_dump(),
        "portfolio": {"entry": 1.0, "exit": 0.2, "hold_sessions": 10},
    }
    return StrategySpec.model_validate(content | changes)


def believed(formation: Formation) -> set[tuple[str, str]]:
    return {(pair.first, pair.second) for pair in formation.pairs if pair.believed}


def truth(world: planted.Planted) -> set[tuple[str, str]]:
    return {(min(legs), max(legs)) for legs in world.relations}


def test_planted_pairs_are_found_and_nothing_else() -> None:
    right = wrong = missed = 0
    for seed in range(4):
        world = planted.pairs(seed, count=900)
        found = believed(formations(PairSettings(formation_sessions=700), world.bars)[-1])
        right += len(found & truth(world))
        wrong += len(found - truth(world))
        missed += len(truth(world) - found)
    assert right >= 0.8 * (right + missed), "recall"
    assert wrong <= 0.1 * (right + wrong), "precision"


@pytest.mark.parametrize("control", [planted.shuffled, planted.shuffled_together])
def test_nothing_is_found_where_sessions_are_shuffled(control: Any) -> None:
    """Twenty worlds; the rate of five per cent is a bound on the share of worlds with any pair, too."""
    wrong = [
        len(believed(formations(SETTINGS, control(planted.pairs(seed, count=420), seed).bars)[-1]))
        for seed in range(20)
    ]
    assert sum(count > 0 for count in wrong) <= 2


def test_the_pairs_of_xsim_are_found_and_nothing_else() -> None:
    simulated = xsim.simulate()
    names = {name: f"XSIM:{name}" for name in xsim.instrument_names()}
    bars = simulated.bars.filter(pl.col("freq") == "1d").with_columns(
        exchange=pl.lit("XSIM"), instrument_id=pl.col("symbol").replace(names), ex_factor=1.0
    )
    planted_pairs = {
        (min(a, b), max(a, b)) for a, b in ((names[a], names[b]) for a, b in simulated.truth.pairs)
    }
    found = believed(formations(PairSettings(), bars)[-1])
    assert len(found & planted_pairs) >= 5
    assert not found - planted_pairs


def test_a_day_missing_here_and_there_costs_no_pair() -> None:
    kept = pl.Series(np.random.default_rng(0).random(WORLD.bars.height) > 0.03)
    found, thinned = (
        set().union(*map(believed, formations(SETTINGS, bars)))
        for bars in (WORLD.bars, WORLD.bars.filter(kept))
    )
    assert found
    assert thinned
    assert thinned <= truth(WORLD)


def test_each_choice_is_that_of_its_own_moment() -> None:
    """As if the bars ended where its sessions begin: nothing behind that is in it, to the last bit."""
    chosen = formations(SETTINGS, WORLD.bars)
    assert [one.until for one in chosen] == [*(one.since for one in chosen[1:]), None]
    assert chosen[-1].since == DAYS[-1] + timedelta(days=1)
    for one in chosen:
        assert formations(SETTINGS, WORLD.bars.filter(pl.col("date") < one.since))[-1].pairs == one.pairs
    assert {DAYS.index(b.since) - DAYS.index(a.since) for a, b in pairwise(chosen[:-1])} == {EVERY}


def test_the_spread_is_the_first_leg_against_the_hedge_by_hand() -> None:
    days = DAYS[:3]
    legs = WORLD.bars.filter(pl.col("date").is_in(days))
    one, other = sorted(legs["instrument_id"].unique())[:2]
    pair = Pair(first=one, second=other, hedge=0.5, statistic=-5, p_value=0, half_life=8, believed=True)
    closes = {
        name: legs.filter(pl.col("instrument_id") == name).sort("date")["close"].to_numpy()
        for name in (one, other)
    }
    halved = legs.with_columns(
        pl.when((pl.col("instrument_id") == other) & (pl.col("date") == days[2]))
        .then(pl.col(name) * by)
        .otherwise(pl.col(name))
        .alias(name)
        for name, by in (("open", 0.5), ("close", 0.5), ("ex_factor", 0.5))
    )
    spread = spread_bars(halved, [pair])
    want = np.diff(np.log(closes[one])) - 0.5 * np.diff(np.log(closes[other]))
    assert np.diff(np.log(spread["close"].to_numpy())) == pytest.approx(want), "a split is no move"
    opens = {
        name: legs.filter(pl.col("instrument_id") == name).sort("date")["open"].to_numpy()
        for name in (one, other)
    }
    gap = np.log(opens[one] / closes[one]) - 0.5 * np.log(opens[other] / closes[other])
    assert np.log((spread["open"] / spread["close"]).to_numpy()) == pytest.approx(gap)
    missing = spread_bars(
        halved.filter((pl.col("instrument_id") != one) | (pl.col("date") != days[1])), [pair]
    )
    assert missing["date"].to_list() == [days[0], days[2]]
    assert np.diff(np.log(missing["close"].to_numpy())) == pytest.approx([want.sum()])


def test_the_z_score_is_of_the_last_sessions_only() -> None:
    pairs = formations(SETTINGS, WORLD.bars)[-1].pairs
    spreads = spread_bars(WORLD.bars, pairs)
    scores = z_scores(spreads, 40).filter(pl.col("instrument_id") == pairs[0].name)
    level = np.log(spreads.filter(pl.col("instrument_id") == pairs[0].name)["close"].to_numpy())
    assert scores["z_score"].null_count() == 39
    last = level[-40:]
    assert scores["z_score"][-1] == pytest.approx((last[-1] - last.mean()) / last.std(ddof=1))


def test_samples_are_of_the_pairs_chosen_before_them() -> None:
    one = spec()
    chosen = formations(SETTINGS, WORLD.bars)
    samples = Pairs().samples(one, WORLD.bars, NO_INPUTS, Selection(formations=chosen))
    assert samples.features.shape == (len(samples), len(SPREAD_FEATURES)) == (len(samples), one.inputs_width)
    allowed = {f"{pair.name}@{past.since}": past for past in chosen[:-1] for pair in past.pairs}
    for name, day in samples.frame.select("instrument_id", "date").iter_rows():
        assert allowed[name].since <= day < allowed[name].until
    assert samples.frame["date"].min() >= chosen[0].since
    newest = Pairs().samples(one, WORLD.bars, NO_INPUTS, Selection(formations=chosen), DAYS[-3:])
    assert set(newest.frame["instrument_id"]) == {pair.name for pair in chosen[-1].pairs}
    assert newest.frame["date"].unique().sort().to_list() == DAYS[-3:]


def test_too_little_history_says_what_to_do() -> None:
    with pytest.raises(
        TooLittleHistoryError, match=r"strategy pairs: 11 instruments .*pairs.formation_sessions"
    ):
        TASKS["pairs"].select(spec(), WORLD.bars.filter(pl.col("date") < DAYS[420]))


@pytest.mark.parametrize("window", [40, 100])
def test_the_check_of_yaml_knows_how_much_history_pairs_need(window: int) -> None:
    one = spec(fit={"validation_sessions": window})
    known = WORLD.bars.filter(pl.col("date") < DAYS[needed(one)])

    def parts(bars: pl.DataFrame) -> Split:
        chosen = TASKS["pairs"].select(one, bars)
        return split(one, TASKS["pairs"].samples(one, bars, NO_INPUTS, chosen), CUTOFF)

    assert len(parts(known).fit)
    with pytest.raises(TooLittleHistoryError):
        parts(known.filter(pl.col("date") > DAYS[0]))


def test_settings_of_pairs_belong_to_pairs() -> None:
    with pytest.raises(ValueError, match="pairs: belongs to `task: pairs`"):
        spec(task="cross_sectional", portfolio={})
    with pytest.raises(ValueError, match="a pair is two instruments"):
        spec(universe={"instruments": ["XSIM:P01"]})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of the world, models of `CUTOFF`, and its targets."""
    root, one = tmp_path_factory.mktemp("pairs"), spec()
    put_checkpoint(root / "models", one.foundation, CUTOFF)
    lake = put_lake(root / "lake", WORLD.bars, macro())
    job = {"lake": lake.root, "models": str(root / "models"), "cutoffs": [CUTOFF.isoformat()]}
    train({**job, "strategy": one.model_dump(mode="json")})
    rows = walkforward.decide(lake, root / "models", one, [CUTOFF])
    lake.write(TARGETS, rows, rows.select(TARGETS.partition_key).unique())
    return root


def targets(root: Path) -> pl.DataFrame:
    return Lake(root / "lake").read(TARGETS, as_of=midnight(date(2030, 1, 1))).sort(TARGETS.row_key).collect()


def test_only_what_is_in_a_believed_pair_is_held_and_legs_hedge_each_other(root: Path) -> None:
    folder = checkpoint.resolve(root / "models", "pairs", CUTOFF)
    assert folder is not None
    newest = store.read_meta(folder).selection.formations[-1]
    legs = {leg for pair in believed(newest) for leg in pair}
    assert believed(newest) <= truth(WORLD)
    assert believed(newest)
    rows = targets(root)
    assert rows["date"].n_unique() == len([day for day in DAYS if (day.year, day.month) == (2017, 2)])
    held = rows.filter(pl.col("weight") != 0)
    assert held.height
    assert set(held["instrument_id"]) <= legs
    assert set(rows["instrument_id"]) == set(WORLD.bars["instrument_id"]), "what is in no pair is sold"
    books = held.group_by("arm", "seed", "date").agg(
        gross=pl.col("weight").abs().sum(), net=pl.col("weight").sum()
    )
    assert books["gross"].max() <= 1.0 + 1e-9
    assert books["net"].abs().max() < 0.2
    assert set(rows.filter(pl.col("forecast").is_not_null())["instrument_id"]) == legs


def test_what_happens_later_changes_no_bit_of_a_decision(root: Path) -> None:
    verdicts = audit_targets(Lake(root / "lake"), root / "models", spec(), CUTOFF, 2)
    assert len(verdicts) == 3
    assert [verdict.finding for verdict in verdicts if not verdict.passed] == []
    moment = targets(root)["decided_at"].unique().sort()[4]
    later = pl.col("known_at") > moment
    noise = pl.Series(np.exp(np.random.default_rng(9).normal(0, 0.2, WORLD.bars.height)))
    changed = WORLD.bars.with_columns(close=pl.when(later).then(pl.col("close") * noise).otherwise("close"))
    other = Lake(root / "other")
    other.write(VALIDATED_BARS, changed, changed.select("exchange", "date").unique())
    after = walkforward.decide(other, root / "models", spec(), [CUTOFF]).sort(TARGETS.row_key)
    here = pl.col("decided_at") <= moment
    assert after.filter(here).equals(targets(root).filter(here))
    assert not after.equals(targets(root))


def chosen_otherwise(root: Path, to: Path, formations_: tuple[Formation, ...]) -> Path:
    """The models with another choice of pairs."""
    shutil.copytree(root / "models", to)
    folder = checkpoint.resolve(to, "pairs", CUTOFF)
    assert folder is not None
    meta = store.read_meta(folder)
    other = meta.model_copy(update={"selection": Selection(formations=formations_)})
    (folder / checkpoint.META).write_text(other.model_dump_json())
    return to


def test_where_no_pair_is_left_everything_is_sold(root: Path, tmp_path: Path) -> None:
    *past, newest = formations(SETTINGS, WORLD.bars.filter(pl.col("date") < CUTOFF))
    none = chosen_otherwise(root, tmp_path / "none", (*past, newest.model_copy(update={"pairs": ()})))
    rows = walkforward.decide(Lake(root / "lake"), none, spec(), [CUTOFF])
    assert rows.height == targets(root).height
    assert rows["weight"].unique().to_list() == [0.0]
    assert rows["forecast"].null_count() == rows.height


def test_models_pass_their_audit_and_a_choice_that_looked_ahead_does_not(root: Path, tmp_path: Path) -> None:
    lake = Lake(root / "lake")
    assert [
        one.finding for one in audit_model(lake, root / "models", "pairs", CUTOFF) if not one.passed
    ] == []
    told = formations(SETTINGS, WORLD.bars.filter(pl.col("date") < CUTOFF + timedelta(days=28)))
    models = chosen_otherwise(root, tmp_path / "told", told)
    findings = [one.finding for one in audit_model(lake, models, "pairs", CUTOFF) if not one.passed]
    assert any("what was chosen (formations) is not" in finding for finding in findings)
