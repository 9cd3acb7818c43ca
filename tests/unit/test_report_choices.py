"""What a strategy chose, as its report lists it: pairs, leaders, holdings; the newest first."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from strategy_world import NAMES, config, spec

from lim_pipelines.finetune.selection import Formation, Leader, Pair, Selection
from lim_pipelines.finetune.store import ModelMeta
from lim_pipelines.reports.choices import LONGEST_OPEN, choices
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.spec import StrategySpec

FIRST, SECOND, THIRD = (date(2018, month, 1) for month in (10, 11, 12))
NOTHING = TARGETS.empty()


def meta(one: StrategySpec, cutoff: date, selection: Selection) -> ModelMeta:
    return ModelMeta(
        spec=one,
        cutoff=cutoff,
        input_digest=f"{cutoff}",
        parent_family=one.foundation,
        parent="p",
        backbone=config(one.foundation),
        code_version="test",
        data=(),
        windows={},
        selection=selection,
        arms=(),
        wall_seconds=0.0,
        hardware="",
        torch_version="",
        created_at="",
    )


def pair(second: str, believed: bool) -> Pair:
    return Pair(
        **{"first": NAMES[0], "second": second, "hedge": 0.954, "statistic": -4.321},
        **{"p_value": 0.00002 if believed else 0.25, "half_life": 6.66, "believed": believed},
    )


def formed(pairs: tuple[Pair, ...]) -> Selection:
    old = Formation(since=date(2018, 1, 2), until=FIRST, pairs=(pair(NAMES[5], believed=True),))
    return Selection(formations=(old, Formation(since=FIRST, until=None, pairs=pairs)))


def test_pairs_of_the_newest_choice_with_their_statistics() -> None:
    one = spec("pairs", portfolio={})
    pairs = (pair(NAMES[1], believed=True), pair(NAMES[2], believed=False))
    models = {FIRST: meta(one, FIRST, formed(())), SECOND: meta(one, SECOND, formed(pairs))}
    (new, old), about = choices(one, NOTHING, models)
    assert new.title == "2018-11-01: 2 pairs, 1 believed"
    assert new.shown
    assert not old.shown
    assert new.rows == (
        (f"{NAMES[0]} and {NAMES[1]}", "0.95", "-4.32", "2.0e-05", "6.7", "yes"),
        (f"{NAMES[0]} and {NAMES[2]}", "0.95", "-4.32", "0.250", "6.7", "no"),
    )
    assert old.title == "2018-10-01: no pair found"
    assert "cointegration" in about


def test_models_that_stay_in_use_are_named_once() -> None:
    one = spec("pairs", portfolio={})
    kept = meta(one, FIRST, formed((pair(NAMES[1], believed=False),)))
    (only,), _ = choices(one, NOTHING, {FIRST: kept, SECOND: kept, THIRD: kept})
    assert only.title == "2018-10-01: 1 pair, none believed"


def test_leaders_stand_beside_their_follower() -> None:
    one = spec("lead_lag", portfolio={})
    leaders = tuple(
        Leader(lagger=lagger, leader=leader, correlation=0.1234, p_value=0.01, believed=True)
        for lagger, leader in ((NAMES[1], NAMES[2]), (NAMES[1], NAMES[3]), (NAMES[2], NAMES[0]))
    )
    models = {FIRST: meta(one, FIRST, Selection(leaders=leaders)), SECOND: meta(one, SECOND, Selection())}
    (none, some), about = choices(one, NOTHING, models)
    assert none.title == "2018-11-01: no leader found"
    assert some.title == "2018-10-01: 3 leaders, 3 believed"
    assert [row[:3] for row in some.rows] == [
        (NAMES[1], NAMES[2], "+0.123"),
        ("", NAMES[3], "+0.123"),
        (NAMES[2], NAMES[0], "+0.123"),
    ]
    assert "Correlation of the leader's return" in about


@pytest.mark.parametrize("count", [LONGEST_OPEN, LONGEST_OPEN + 1])
def test_stocks_that_were_held_and_a_long_list_stays_folded(count: int) -> None:
    one = spec(portfolio={"selection": 2})
    names = [f"XSIM:SIM{i:02d}" for i in range(count)]
    rows = [
        (arm, seed, FIRST + timedelta(days=7 * week), name, 0.5 if week == 0 or name == names[0] else 0.0)
        for arm, seed in (("head", 1), ("head", 2), ("ridge", 1))
        for week in range(2)
        for name in names
    ]
    targets = pl.DataFrame(
        rows, schema=["arm", "seed", "date", "instrument_id", "weight"], orient="row"
    ).with_columns(cutoff=pl.lit(FIRST))
    (only,), about = choices(one, targets, {})
    assert only.title == f"2018-10-01: {count} instruments held at some time"
    assert only.rows[:2] == ((names[0], "100%", "50.0%"), (names[1], "50%", "25.0%"))
    assert only.shown == (count == LONGEST_OPEN)
    assert "seeds of head" in about


def test_a_task_that_chooses_nothing_has_no_lists() -> None:
    assert choices(spec(), NOTHING, {FIRST: meta(spec(), FIRST, Selection())}) == ([], "")
