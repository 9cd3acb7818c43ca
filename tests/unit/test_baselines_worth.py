"""Each baseline wins where it must: on data of its own making."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from foundation_bars import TINY, noise, one_series

from lim_pipelines.foundation.baselines.alpha158 import NAMES, alpha158
from lim_pipelines.foundation.baselines.base import Forecaster
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.scores import crps
from lim_pipelines.foundation.series import VARIABLES, Series
from lim_pipelines.foundation.windows import WindowBatch, WindowStore

HORIZON = 8
CLOSE, VOLUME = VARIABLES.index("close"), VARIABLES.index("volume")
Doubles = npt.NDArray[np.float64]
Question = Callable[[torch.Tensor], torch.Tensor]


def total(paths: torch.Tensor) -> torch.Tensor:
    return paths[..., CLOSE].sum(-1)


def volatility(paths: torch.Tensor) -> torch.Tensor:
    return paths[..., CLOSE].square().mean(-1).sqrt()


def volume(paths: torch.Tensor) -> torch.Tensor:
    return paths[..., VOLUME].mean(-1)


def score(forecaster: Forecaster, batch: WindowBatch, ask: Question) -> float:
    paths = torch.from_numpy(forecaster.sample(batch, HORIZON, 100, 0))
    return float(crps(ask(paths), ask(torch.from_numpy(batch.future))).mean())


def world(rows: Callable[[int], Doubles], variable: int = CLOSE, count: int = 4) -> list[Series]:
    """Series whose one variable is as given, whose others are noise."""
    out = []
    for seed in range(count):
        made = rows(seed)
        one = one_series(noise(len(made), seed))
        values = one.values.copy()
        values[:, variable] = made
        out.append(replace(one, values=values))
    return out


def garch(seed: int) -> Doubles:
    rng = np.random.default_rng(seed)
    out, variance = np.empty(1200), 1.0
    for t in range(1200):
        out[t] = np.sqrt(variance * 3 / 5) * rng.standard_t(5)
        variance = 0.05 + 0.2 * out[t] ** 2 + 0.75 * variance
    return 0.01 * out


def autoregressive(seed: int) -> Doubles:
    out = noise(1200, seed)
    for t in range(1, len(out)):
        out[t] += 0.6 * out[t - 1]
    return out


def split(series: list[Series], context: int, step: int) -> tuple[WindowStore, Doubles, WindowBatch]:
    """Store, windows to learn from, and later ones to be judged on."""
    store = WindowStore(series, context, HORIZON)
    ends = [range(context, 800, 5), range(820, 1190, step)]
    train, test = (np.array([(i, e) for i in range(len(series)) for e in part]) for part in ends)
    return store, train, store.batch(test)


def made(name: str, context: int, steps: int = 1) -> Forecaster:
    update = {"context": context, "steps_first": steps, "batch_size": 32, "learning_rate": 5e-3}
    return BASELINES[name](TINY.model_copy(update=update))


def test_on_a_random_walk_nothing_beats_persistence() -> None:
    _, _, batch = split(world(lambda seed: noise(1200, seed)), 64, 8)
    scores = {name: score(made(name, 64), batch, total) for name in ("persistence", "drift")}
    assert scores["persistence"] < scores["drift"]
    walk = world(lambda seed: 10 + 5 * noise(1200, seed + 9).cumsum(), VOLUME)
    _, _, batch = split(walk, 64, 8)
    assert score(made("persistence", 64), batch, volume) < score(made("ewma", 64), batch, volume)


def test_garch_beats_the_exponential_memory_on_its_own_volatility() -> None:
    _, _, batch = split(world(garch), 256, 30)
    scores = {name: score(made(name, 256), batch, volatility) for name in ("garch", "ewma", "persistence")}
    assert scores["garch"] < 0.98 * scores["ewma"] < 0.98 * scores["persistence"]


def test_what_was_learned_from_other_windows_tells_volatility() -> None:
    store, train, batch = split(world(garch), 64, 8)
    still = score(made("persistence", 64), batch, volatility)
    for name in ("ridge", "lightgbm"):
        forecaster = made(name, 64)
        forecaster.fit(store, train)
        assert score(forecaster, batch, volatility) < 0.9 * still


def test_ridge_finds_autoregression() -> None:
    store, train, batch = split(world(autoregressive), 64, 8)
    ridge = made("ridge", 64)
    ridge.fit(store, train)
    assert score(ridge, batch, total) < 0.96 * score(made("persistence", 64), batch, total)


@pytest.mark.parametrize("name", ["dlinear", "patchtst"])
def test_networks_find_a_sine(name: str) -> None:
    def sine(seed: int) -> Doubles:
        return 10 + np.sin(2 * np.pi * (np.arange(1200) / 16 + seed / 3)) + 5 * noise(1200, seed)

    store, train, batch = split(world(sine, VOLUME), 32, 16)
    network = made(name, 32, steps=80)
    network.fit(store, train)
    assert score(network, batch, volume) < 0.5 * score(made("ewma", 32), batch, volume)


@pytest.mark.parametrize("name", ["historical_volatility", "ewma", "persistence"])
def test_on_noise_the_truth_is_any_of_the_paths(name: str) -> None:
    _, _, batch = split(world(lambda seed: noise(1200, seed), count=10), 64, 9)
    paths = torch.from_numpy(made(name, 64).sample(batch, HORIZON, 100, 0))
    below = (total(paths) < total(torch.from_numpy(batch.future))).double().mean(0).sort().values
    even = (torch.arange(len(below)) + 0.5) / len(below)
    # Kolmogorov's distance at a level of .001, and a half of the paths' own step.
    assert (below - even).abs().max() < 1.95 / len(below) ** 0.5 + 0.005


def test_alpha158_is_what_its_names_say() -> None:
    values = one_series(noise(100)).values[None, 20:]
    found = dict(zip(NAMES, alpha158(values, np.array([0.01]))[0], strict=True))
    level = np.append(0.0, values[0, 1:, CLOSE].astype(float).cumsum())
    level = (level - level[-1]) / 0.01
    high = level + values[0, :, VARIABLES.index("high")] / 0.01
    assert len(NAMES) == 157
    assert np.isfinite(list(found.values())).all()
    slope, start = np.polyfit(np.arange(20), level[-20:], 1)
    expected = {
        "ROC10": level[-11],
        "MA5": level[-5:].mean(),
        "STD30": level[-30:].std(ddof=1),
        "BETA20": slope,
        "RESI20": level[-1] - start - slope * 19,
        "RSQR20": np.corrcoef(level[-20:], np.arange(20))[0, 1] ** 2,
        "MAX60": high[-60:].max(),
        "RANK10": (level[-10:] <= level[-1]).mean(),
        "CNTP5": (np.diff(level[-6:]) > 0).mean(),
        "QTLU10": np.quantile(level[-10:], 0.8),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name


def test_a_context_that_is_too_short_for_a_window_leaves_its_features_out() -> None:
    values = one_series(noise(100)).values[None, -15:]
    found = alpha158(values, np.array([0.01]))[0]
    missing = {name for name, value in zip(NAMES, found, strict=True) if np.isnan(value)}
    assert {"ROC20", "MA20", "MA60", "CORD20"} <= missing
    assert {"ROC5", "MA10", "KMID"} & missing == set()
