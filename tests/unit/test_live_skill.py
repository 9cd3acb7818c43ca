"""A decay of live skill: found where it is planted, seldom where nothing changed, never without skill."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from lim_pipelines.finetune.spec import Task
from lim_pipelines.retraining.live_skill import EARLIER_BLOCKS, LEVEL, NEWEST_BLOCKS, LiveSkill, measure

HORIZON = 2
NEWEST = NEWEST_BLOCKS * (HORIZON + 1)
NEEDED = NEWEST + (EARLIER_BLOCKS + 1) * (HORIZON + 1)


def decisions(
    skill: float, newest: float, days: int = 300, instruments: int = 20, seed: int = 1
) -> pl.DataFrame:
    """Forecasts with a correlation of `skill` with overlapping labels, `newest` for the newest decisions."""
    dice = np.random.default_rng(seed)
    returns = dice.standard_normal((days + HORIZON + 1, instruments)).cumsum(axis=0)
    label = (returns[HORIZON + 1 :] - returns[1:-HORIZON])[:days] / np.sqrt(HORIZON)
    days = len(label)
    share = np.where(np.arange(days) < days - NEWEST, skill, newest)[:, None]
    forecast = share * label + np.sqrt(1 - share**2) * dice.standard_normal(label.shape)
    dates = [date(2018, 1, 1) + timedelta(i) for i in range(days)]
    return pl.DataFrame(
        {
            "date": [day for day in dates for _ in range(instruments)],
            "instrument_id": [f"XSIM:{i}" for i in range(instruments)] * days,
            "forecast": forecast.ravel(),
            "label": label.ravel(),
        }
    )


@pytest.mark.parametrize("task", ["cross_sectional", "directional"])
def test_a_planted_decay_is_found_and_steady_skill_is_not(task: Task) -> None:
    fell = measure(task, HORIZON, decisions(0.3, 0.0))
    assert fell.decayed
    assert fell.words.endswith("; decayed")
    assert (fell.before, fell.live) == (pytest.approx(0.28, abs=0.05), pytest.approx(0.0, abs=0.1))
    alarms = [measure(task, HORIZON, decisions(0.3, 0.3, seed=seed)).decayed for seed in range(100)]
    assert sum(alarms) <= 3, f"of 100 looks at {LEVEL:.1%}"


def test_the_fall_that_is_named_is_found_as_often_as_is_said() -> None:
    steady = [measure("cross_sectional", HORIZON, decisions(0.3, 0.3, seed=s)) for s in range(60)]
    shows = np.mean([one.shows for one in steady])
    # A correlation of normals of r is a rank correlation of 6 / pi asin(r / 2).
    rank = 6 / np.pi * np.arcsin(0.15) - shows
    fallen = 2 * np.sin(np.pi / 6 * rank)
    found = [measure("cross_sectional", HORIZON, decisions(0.3, fallen, seed=s)).decayed for s in range(60)]
    assert 0.65 <= np.mean(found) <= 0.95


def test_where_there_was_no_skill_none_can_be_lost() -> None:
    found = measure("cross_sectional", HORIZON, decisions(-0.2, -0.9))
    assert found.p_value < LEVEL
    assert not found.decayed
    assert found.words.endswith("there was no skill to lose")


def test_too_few_decisions_judge_nothing_and_say_how_many_are_needed() -> None:
    found = measure("cross_sectional", HORIZON, decisions(0.3, 0.0, days=NEEDED - 1))
    assert not found.decayed
    assert found.words == f"{found.newest + found.earlier} of {NEEDED} decisions with known outcome"
    assert measure("cross_sectional", HORIZON, decisions(0.3, 0.0, days=NEEDED)).decayed
    nothing = measure("cross_sectional", HORIZON, decisions(0.3, 0.0).clear())
    assert (nothing.decayed, nothing.newest) == (False, 0)


def test_a_decision_that_ranks_nobody_takes_no_place_among_the_newest() -> None:
    some = decisions(0.3, 0.0)
    day = some["date"].max() - timedelta(2)
    forecast = pl.when(pl.col("date") == day).then(1.0).otherwise("forecast")
    found = measure("cross_sectional", HORIZON, some.with_columns(forecast=forecast))
    assert found.decayed
    assert (found.newest, found.earlier) == (NEWEST, 300 - NEWEST - HORIZON - 2)


def test_seeds_are_averaged_and_ties_are_no_trouble() -> None:
    one = decisions(0.3, 0.0)
    twice = pl.concat([one, one.with_columns(pl.col("forecast") * 3)])
    assert measure("cross_sectional", HORIZON, twice) == measure("cross_sectional", HORIZON, one)
    constant: LiveSkill = measure("directional", HORIZON, one.with_columns(forecast=pl.lit(1.0)))
    assert not constant.decayed
