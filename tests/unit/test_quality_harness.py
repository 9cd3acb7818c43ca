"""A walk-forward shows nobody the future, nor what is held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
import torch
from foundation_bars import TINY, noise, one_series

from lim_pipelines.foundation.baselines.paths import CLOSE
from lim_pipelines.foundation.baselines.persistence import Persistence
from lim_pipelines.foundation.baselines.unfitted import Unfitted
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.entrants import Baseline, Lim
from lim_pipelines.foundation.quality.harness import (
    Plan,
    before,
    shown,
    underlying,
    walk_forward,
    windows_to_judge,
)
from lim_pipelines.foundation.series import Floats, Ints, Series
from lim_pipelines.foundation.windows import WindowBatch, WindowStore

STOCKS = ("AAPL", "IBM", "MSFT", "NFLX", "GOOG", "FB")


def market(rows: int = 200) -> list[Series]:
    return [one_series(noise(rows, seed), "XNAS:AAPL") for seed in range(3)] + [
        one_series(noise(rows, seed), "XNYS:IBM") for seed in range(3, 6)
    ]


def plan_of(series: Sequence[Series], *rows: int, **how: object) -> Plan:
    return Plan(
        cutoffs=tuple(int(series[0].ts[row]) for row in rows),
        context=TINY.context,
        horizon=TINY.horizon,
        moments=5,
        paths=8,
        **how,  # type: ignore[arg-type]
    )


class Watched(Unfitted):
    """Remembers what it was shown."""

    name = "watched"

    def __init__(self, seen: list[tuple[int, Sequence[Series]]]) -> None:
        self.seed, self.seen = 0, seen

    def at(self, cutoff: int, past: Sequence[Series]) -> Watched:
        self.seen.append((cutoff, past))
        return self

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        return Persistence().sample(batch, horizon, count, seed)


def test_what_is_learned_from_was_known_before_the_cutoff() -> None:
    series = market()
    seen: list[tuple[int, Sequence[Series]]] = []
    plan = plan_of(series, 100, 150, held_out=0.0, held_exchanges=("XNYS",))
    found = walk_forward(series, [Watched(seen)], plan, lambda line: None)
    assert [cutoff for cutoff, _ in seen] == list(plan.cutoffs)
    for cutoff, past in seen:
        assert {one.exchange for one in past} == {"XNAS"}
        assert all(one.known_at.max() < cutoff and one.ts.max() < cutoff for one in past)
    assert set(found["shown"]) == {"seen", "new exchange"}


def test_windows_end_between_the_cutoffs_with_their_whole_horizon() -> None:
    series = market()
    plan = plan_of(series, 100, 150)
    for start, end in ((plan.cutoffs[0], plan.cutoffs[1]), (plan.cutoffs[1], 2**62)):
        picks = windows_to_judge(series, start, end, plan)
        assert len(picks) == 5 * 6
        for at, row in picks.tolist():
            assert start <= series[at].ts[row] < end
            assert row + plan.horizon < len(series[at])


def test_nobody_is_asked_to_forecast_across_a_hole() -> None:
    (one, *_) = market()
    ts = one.ts.copy()
    ts[150:] += 365 * 86_400_000_000
    series = [Series(**{**one.__dict__, "ts": ts})]
    plan = plan_of(series, 100)
    rows = windows_to_judge(series, plan.cutoffs[0], 2**62, Plan(**{**plan.__dict__, "moments": 10**6}))[:, 1]
    assert set(range(100, 200 - 8)) - set(rows.tolist()) == set(range(142, 150))


@pytest.mark.parametrize(
    ("ids", "symbol"),
    [
        (("XNAS:AAPL", "XNAS:AAPL@2017"), "AAPL"),
        (("XCBT:ZC.201912", "XCBT:ZC.202003"), "ZC"),
        (("OANDA:EURUSD", "FXSPOT:EURUSD"), "EURUSD"),
    ],
)
def test_all_quotes_of_one_thing_are_held_out_together(ids: tuple[str, ...], symbol: str) -> None:
    (one, *_) = market(20)
    for name in ids:
        series = Series(**{**one.__dict__, "instrument_id": name})
        assert underlying(series) == symbol
        assert shown(series, Plan(cutoffs=(0,))) == shown(
            Series(**{**one.__dict__, "instrument_id": ids[0]}), Plan(cutoffs=(0,))
        )


def test_late_bars_end_what_was_known() -> None:
    (one, *_) = market(50)
    known_at = one.known_at.copy()
    known_at[30] = one.ts[45]
    late = Series(**{**one.__dict__, "known_at": known_at})
    assert len(before([late], int(one.ts[40]))[0]) == 30
    assert len(before([late], int(one.ts[46]))[0]) == 46
    assert before([late], int(one.ts[0])) == []


def test_the_same_run_twice_gives_the_same_scores_and_the_model_learns_on() -> None:
    series = market()
    plan = plan_of(series, 110, 150, held_out=0.0)

    def run() -> pl.DataFrame:
        entrants = [Baseline(lambda config: Persistence(), TINY, 20), Lim(TINY, seed=1)]
        return walk_forward(series, entrants, plan, lambda line: None).drop("seconds")

    first = run()
    assert first.equals(run(), null_equal=True)
    assert first.group_by("forecaster").len()["len"].to_list() == [60, 60]
    assert np.isfinite(first["crps_return"].to_numpy()).all()


def test_a_walk_needs_something_behind_its_first_cutoff() -> None:
    series = market(60)
    with pytest.raises(ValueError, match="earlier cutoffs"):
        walk_forward(series, [], plan_of(series, 59), lambda line: None)


def test_an_infinite_path_is_refused() -> None:
    class Wild(Watched):
        def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
            paths = super().sample(batch, horizon, count, seed)
            paths[0, -1, -1, 0] = np.inf
            return paths

    series = market()
    with pytest.raises(ValueError, match="watched: infinite paths"):
        walk_forward(series, [Wild([])], plan_of(series, 100), lambda line: None)


@pytest.mark.parametrize("horizon", [TINY.horizon, 2 * TINY.horizon])
def test_the_expected_return_of_the_model_is_the_mean_of_its_paths(horizon: int) -> None:
    torch.manual_seed(0)
    model = FoundationModel(TINY).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    model_says = LimForecaster(model, "LIM")
    batch = WindowStore(market()[:2], TINY.context, TINY.horizon).batch(np.array([[0, 150], [1, 100]]))
    said = model_says.expected(batch, horizon)
    drawn = model_says.sample(batch, horizon, 2000, 1)[..., CLOSE].astype(np.float64)
    assert said.shape == (2, horizon)
    error = drawn.std(0) / np.sqrt(2000)
    assert (np.abs(drawn.mean(0) - said) < 6 * error).all()
    assert np.abs(said).max() > 6 * error.max()  # else zeros would pass


def test_baselines_learn_from_whole_horizons_before_the_cutoff() -> None:
    series = market()
    learned: list[tuple[Ints, int]] = []

    class Learning(Persistence):
        def fit(self, store: object, picks: Ints) -> None:
            learned.append((picks, store.length[0]))  # type: ignore[attr-defined]

    plan = plan_of(series, 120, held_out=0.0)
    walk_forward(series, [Baseline(lambda config: Learning(), TINY, 50)], plan, lambda line: None)
    ((picks, length),) = learned
    assert len(picks) == 50
    assert length <= 120
    assert (picks[:, 1] + TINY.horizon < length).all()
