"""Controls: rules of trend following and boosted trees, alone and as arms of a strategy."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategy_world import CUTOFF, bars_of, config, market, session_days, spec

from lim_pipelines.finetune import store
from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.base import forecast
from lim_pipelines.finetune.controls.macd import BARS, Macd, response
from lim_pipelines.finetune.controls.registry import CONTROLS
from lim_pipelines.finetune.controls.tsmom import Tsmom
from lim_pipelines.finetune.features import DECISION
from lim_pipelines.finetune.samples import Samples, samples_of
from lim_pipelines.finetune.spec import DETERMINISTIC_ARMS, Control, Method
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.schemas import MODEL_INPUTS
from lim_pipelines.strategies.base import LOOKBACK_SESSIONS

torch.set_num_threads(1)
NO_INPUTS = pl.DataFrame(schema={name: MODEL_INPUTS.schema[name] for name in DECISION})
RETURNS = hnp.arrays(np.float64, (3, BARS), elements=st.floats(-0.1, 0.1))


def samples(bars: pl.DataFrame, sessions: list[date] | None = None) -> Samples:
    return samples_of(bars, NO_INPUTS, [], 5, sessions)


def one_way(slope: float, days: list[date]) -> pl.DataFrame:
    noise = 0.002 * np.random.default_rng(0).standard_normal(len(days))
    return bars_of("XNYM:WTI", days, (50 * np.exp(np.cumsum(slope + noise))).tolist())


def test_every_control_has_a_name_in_the_specification_and_no_seed() -> None:
    names = {name for name in get_args(Control) if not name.startswith("without_")}
    assert set(CONTROLS) == names - set(get_args(Method))
    assert set(DETERMINISTIC_ARMS) == set(CONTROLS)


@pytest.mark.parametrize("slope", [0.001, -0.001])
def test_rules_follow_a_trend(slope: float) -> None:
    some = samples(one_way(slope, session_days("XNYM", date(2016, 1, 4), CUTOFF)))
    late = some.at(np.arange(len(some) - 50, len(some)))
    assert (Tsmom().outputs(late)[:, 0] == np.sign(slope)).all()
    assert (np.sign(slope) * Macd().outputs(late)[:, 0] > 0).mean() > 0.9


@settings(max_examples=40)
@given(RETURNS)
def test_macd_is_odd_and_bounded(returns: npt.NDArray[np.float64]) -> None:
    said = response(returns)
    assert np.isfinite(said).all()
    assert (np.abs(said) <= np.sqrt(2) * np.exp(-0.5) / 0.89 + 1e-12).all()
    assert response(-returns) == pytest.approx(-said, abs=1e-9)


def test_macd_knows_no_units() -> None:
    returns = 0.01 * np.random.default_rng(1).standard_normal((20, BARS))
    assert response(7 * returns) == pytest.approx(response(returns), rel=1e-9)


def test_macd_is_the_formula() -> None:
    """The last response of one series, computed day by day from the definition."""
    returns = 0.01 * np.random.default_rng(2).standard_normal(BARS)
    price, total = np.cumsum(returns), 0.0
    for fast, slow in ((8, 24), (16, 48), (32, 96)):
        signals = []
        for t in range(BARS - 252, BARS):
            means = []
            for n in (fast, slow):
                weights = (1 - 1 / n) ** np.arange(t, -1, -1)
                means.append((weights * price[: t + 1]).sum() / weights.sum())
            signals.append((means[0] - means[1]) / price[t - 62 : t + 1].std(ddof=1))
        y = signals[-1] / np.std(signals, ddof=1)
        total += y * np.exp(-(y**2) / 4) / 0.89 / 3
    assert response(returns[None])[0] == pytest.approx(total)


@pytest.mark.parametrize("rule", [Tsmom(), Macd()])
def test_a_rule_sees_no_more_than_a_decision_does(rule: Tsmom | Macd) -> None:
    """All history, or what a decision looks at: the same bits; what comes later changes none of them."""
    bars = market(start=date(2015, 1, 2), end=CUTOFF, names=("XNYM:WTI",))
    day = bars["date"].unique().sort()[-30]
    seen = bars.filter(pl.col("date") <= day).tail(LOOKBACK_SESSIONS)
    assert rule.outputs(samples(bars, [day])).tobytes() == rule.outputs(samples(seen, [day])).tobytes()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    names = ("lightgbm", "tsmom", "macd", "ridge", "persistence")
    one = spec("directional", controls=list(names), features=[], fit={"steps": 2, "validation_sessions": 60})
    bars = market(seed=1, start=date(2015, 1, 2), end=CUTOFF, names=("XNYM:WTI",))
    torch.manual_seed(0)
    return one, bars, fit_arms(one, FoundationModel(config("foundation_checkpoint")), samples(bars), CUTOFF)


def test_controls_are_arms_of_a_strategy(fitted: tuple[Any, ...]) -> None:
    one, _, arms = fitted
    assert [(a.arm, a.seed) for a in arms.arms] == one.books()
    figures = {a.arm: a.metrics for a in arms.arms}
    assert figures["lightgbm"]["trees"] > 1
    for name in CONTROLS:
        assert figures[name]["fit_rank_ic"] > (0.1 if name == "lightgbm" else -0.1), name


def test_what_is_kept_of_a_control_gives_the_same_bits(fitted: tuple[Any, ...]) -> None:
    one, bars, arms = fitted
    tensors = store.tensors_of(arms.forecasters)
    days = bars["date"].unique().sort()[-5:].to_list()
    for name, control in CONTROLS.items():
        prefix = f"{name}.0."
        kept = {k.removeprefix(prefix): t.numpy() for k, t in tensors.items() if k.startswith(prefix)}
        again = control.load(one, 16, kept)
        for day in days:
            said = [forecast(one, each, samples(bars, [day])) for each in (again, arms.forecasters[name, 0])]
            assert said[0].tobytes() == said[1].tobytes(), name


def test_trees_are_fitted_on_the_split_alone() -> None:
    """Labels behind the validation window, or in its purge, change no tree."""
    one = spec("directional", features=[], fit={"validation_sessions": 60})
    bars = market(seed=1, start=date(2016, 1, 4), end=CUTOFF, names=("XNYM:WTI",))
    some = samples(bars)
    parts = split(one, some, CUTOFF)
    other = some.label.copy()
    other[np.setdiff1d(np.arange(len(some)), np.union1d(parts.fit, parts.validation))] = 99.0
    changed = Samples(**{**some.__dict__, "label": other})
    first, second = (CONTROLS["lightgbm"].fit(one, each, parts, 16)[0] for each in (some, changed))
    assert first == second


def test_the_folder_of_a_model_holds_trees_as_text(tmp_path: Path, fitted: tuple[Any, ...]) -> None:
    _, _, arms = fitted
    kept = store.tensors_of({("lightgbm", 0): arms.forecasters["lightgbm", 0]})
    assert list(kept) == ["lightgbm.0.trees"]
    assert kept["lightgbm.0.trees"].dtype == torch.uint8
    assert bytes(kept["lightgbm.0.trees"].numpy()).startswith(b"tree\n")
