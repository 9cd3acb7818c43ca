"""When a spread is entered and left, and how the legs add up."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_world import alone, bars_of, spec

from lim_pipelines.exchanges import sessions
from lim_pipelines.finetune.selection import Pair
from lim_pipelines.portfolio.pair_books import PairBooks, leg_forecasts, legs
from lim_pipelines.portfolio.spread_rule import NOTHING, Held, step, walked
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.portfolios import PairsPortfolio
from lim_pipelines.strategies.spreads import spread_bars, z_scores

RULE = PairsPortfolio(entry=2.0, exit=0.5, stop=4.0, hold_sessions=5)
PATHS = st.lists(st.tuples(st.floats(-6, 6), st.sampled_from([-1, 0, 1])), min_size=1, max_size=40)


def steps(path: list[tuple[float, int]]) -> list[Held]:
    held, out = NOTHING, []
    for z, agreed in path:
        held = step(held, z, agreed, RULE)
        out.append(held)
    return out


def test_a_spread_is_entered_far_out_and_left_when_it_is_back() -> None:
    path = [(1.9, -1), (2.1, -1), (1.0, 0), (0.6, 1), (0.4, -1)]
    assert [held.side for held in steps(path)] == [0, -1, -1, -1, 0]
    assert [held.side for held in steps([(-2.5, 1), (-0.6, 0), (0.7, 1)])] == [1, 1, 0]


def test_the_model_must_agree() -> None:
    assert steps([(2.5, 1)]) == steps([(2.5, 0)]) == [NOTHING]


def test_a_loss_is_taken_and_not_entered_again_until_the_spread_was_back() -> None:
    path = [(2.5, -1), (4.1, -1), (3.0, -1), (0.3, -1), (2.2, -1)]
    assert [(held.side, held.waiting) for held in steps(path)] == [
        (-1, False),
        (0, True),
        (0, True),
        (0, False),
        (-1, False),
    ]
    assert steps([(4.5, -1)]) == [NOTHING], "beyond the stop nothing is entered"


def test_time_runs_out() -> None:
    held = steps([(2.5, -1)] * 8)
    assert [one.side for one in held] == [-1] * 5 + [0] * 3
    assert held[-1].waiting


@given(PATHS)
def test_laws_of_every_path(path: list[tuple[float, int]]) -> None:
    held, mirrored = steps(path), steps([(-z, -agreed) for z, agreed in path])
    before = NOTHING
    for (z, agreed), now, other in zip(path, held, mirrored, strict=True):
        assert (now.side, now.sessions, now.waiting) == (-other.side, other.sessions, other.waiting)
        if now.side:
            assert now.side * z < 0, "a spread that is held is still out"
            assert now.sessions < RULE.hold_sessions
        if now.side and not before.side:
            assert now.side == agreed
            assert RULE.entry <= abs(z) < RULE.stop
            assert not before.waiting
        if before.waiting and abs(z) > RULE.exit:
            assert now.waiting
        before = now


@given(st.lists(st.floats(-6, 6)), st.floats(-0.5, 0.5), st.lists(st.floats(-6, 6)))
def test_what_lies_behind_a_spread_that_was_back_does_not_matter(
    past: list[float], back: float, path: list[float]
) -> None:
    assert walked([*past, back, *path], RULE) == walked(path, RULE)


def daily(closes: list[float]) -> pl.DataFrame:
    """Bars of A, which moves, and B, which does not."""
    days = sessions("XSIM", date(2017, 1, 2), date(2018, 12, 31))["date"][: len(closes)].to_list()
    moved = bars_of("XSIM:SIM01", days, closes)
    return pl.concat([moved, bars_of("XSIM:SIM02", days, [100.0] * len(closes))])


def test_a_stop_from_before_the_replay_is_not_forgotten() -> None:
    """Books that begin at different sessions hold the same: nothing, until the spread was back."""
    rule = PairsPortfolio(entry=1.0, exit=0.2, stop=4.0, hold_sessions=5)
    one = spec(task="pairs", portfolio=rule.model_dump(), pairs={"window": 20}, controls=[], seeds=[1])
    # A calm spread stirs, jumps beyond the stop, and then goes on up, never within exit of its mean.
    closes = [100 * math.exp(0.001 * (-1) ** i) for i in range(40)]
    closes += [100.25, 120.0, *(120.0 * 1.02**i for i in range(1, 30))]
    bars = daily(closes)
    days = bars["date"].unique().sort().to_list()
    own = [pair("XSIM:SIM01", "XSIM:SIM02", 1.0)]
    z = z_scores(spread_bars(bars, own), 20)["z_score"].to_list()
    assert rule.entry <= z[40] < rule.stop <= z[41]
    assert min(z[42:]) > rule.exit
    assert any(rule.entry <= value < rule.stop for value in z[-20:]), "a book that knew nothing would enter"
    held = []
    for first in (40, len(days) - 20):
        books = PairBooks(one, rule, own)
        weights = [books.rebalance(known(bars, day))["weight"].to_list() for day in days[first:]]
        held.append(weights[-20:])
    assert held[0] == held[1] == [[0.0, 0.0]] * 20


def known(bars: pl.DataFrame, day: date) -> Known:
    """A decision for which the model believes that the spread falls."""
    said = {"arm": "head", "seed": 1, "exchange": "XSIM", "instrument_id": "XSIM:SIM01~XSIM:SIM02"}
    forecasts = pl.DataFrame([said | {"forecast": -0.5}])
    at = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
    return alone(Decision(day, at, ("XSIM",)), bars.filter(pl.col("date") <= day), forecasts)


def pair(first: str, second: str, hedge: float) -> Pair:
    return Pair(
        first=first, second=second, hedge=hedge, statistic=-5, p_value=0.001, half_life=8, believed=True
    )


def test_legs_add_up_over_pairs_by_hand() -> None:
    pairs = [pair("A", "B", 1.0), pair("B", "C", 3.0)]
    settings = PairsPortfolio(pair_gross=0.4, gross=10)
    weights = legs(pairs, {"A~B": 1, "B~C": -1}, settings)
    assert weights == pytest.approx({"A": 0.2, "B": -0.2 - 0.1, "C": 0.3})
    assert legs(pairs, {"A~B": 0, "B~C": 0}, settings) == {}
    said = leg_forecasts(pairs, {"A~B": 0.02, "B~C": 0.04, "A~Z": 1.0})
    assert said == pytest.approx({"A": 0.01, "B": (-0.01 + 0.02) / 2, "C": -0.02 / 3})


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABCDE"),
            st.sampled_from("VWXYZ"),
            st.floats(1 / 3, 3),
            st.sampled_from([-1, 0, 1]),
        ),
        unique_by=lambda one: one[:2],
        max_size=12,
    ),
    st.floats(0.1, 2),
)
def test_gross_keeps_its_limit_and_turning_all_sides_turns_all_weights(
    chosen: list[tuple[str, str, float, int]], gross: float
) -> None:
    pairs = [pair(first, second, hedge) for first, second, hedge, _ in chosen]
    settings = PairsPortfolio(pair_gross=0.3, gross=gross)
    sides = {one.name: side for one, (*_, side) in zip(pairs, chosen, strict=True)}
    weights = legs(pairs, sides, settings)
    assert sum(map(abs, weights.values())) <= gross + 1e-12
    turned = legs(pairs, {name: -side for name, side in sides.items()}, settings)
    assert turned == {name: -weight for name, weight in weights.items()}


def test_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"entry \(2.0\), entry below stop \(1.0\)"):
        PairsPortfolio(entry=2.0, stop=1.0)
