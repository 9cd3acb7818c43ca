"""Worlds of known answer: their oracle is one, and what a model learned from noise is noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foundation_bars import TINY

from lim_pipelines.foundation.baselines.historical import Ewma
from lim_pipelines.foundation.quality.entrants import Lim
from lim_pipelines.foundation.quality.harness import before
from lim_pipelines.foundation.quality.targets import judged
from lim_pipelines.foundation.quality.worlds import WORLDS, run
from lim_pipelines.foundation.series import Floats
from lim_pipelines.foundation.windows import WindowStore


@pytest.mark.parametrize("name", list(WORLDS))
def test_the_oracle_is_calibrated_and_nobody_beats_it(name: str) -> None:
    world = run(WORLDS[name], 200, 120, seed=3)
    picks = np.stack([np.arange(200), np.full(200, 100)], axis=1)
    batch = WindowStore(world.series, 64, 8).batch(picks)
    oracle = judged(world.paths(picks, 8, 200, 0), batch)
    for target in ("return", "volatility", "volume"):
        pit = np.sort(oracle[f"pit_{target}"])
        # Kolmogorov and Smirnov at .001; 200 independent windows.
        assert np.abs(pit - (np.arange(200) + 0.5) / 200).max() < 1.95 / np.sqrt(200)
    rival = judged(Ewma().sample(batch, 8, 200, 0), batch)
    for target in ("return", "volatility"):
        assert np.mean(oracle[f"crps_{target}"]) < 1.02 * np.mean(rival[f"crps_{target}"])


def test_the_same_seed_gives_the_same_world() -> None:
    one, same, other = (run(WORLDS["garch"], 3, 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.series[2].values, same.series[2].values)
    assert not np.array_equal(one.series[2].values, other.series[2].values, equal_nan=True)


def learned(name: str, steps: int) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Scores of a tiny model on windows that it never saw, and those of the oracle."""
    torch.set_num_threads(1)
    config = TINY.model_copy(update={"steps_first": steps, "batch_size": 32, "context": 64})
    world = run(WORLDS[name], 64, 200, seed=4)
    cutoff = int(world.series[0].ts[150])
    lim = Lim(config).at(cutoff, before(world.series[:48], cutoff))
    picks = np.stack([np.repeat(np.arange(64), 5), np.tile(np.arange(150, 190, 8), 64)], axis=1)
    batch = WindowStore(world.series, config.context, config.horizon).batch(picks)
    return judged(lim.sample(batch, 8, 200, 0), batch), judged(world.paths(picks, 8, 200, 0), batch)


def test_on_pure_noise_it_says_the_unconditional_distribution_and_no_more() -> None:
    mine, oracle = learned("noise", 100)
    ratios = {t: np.mean(mine[f"crps_{t}"]) / np.mean(oracle[f"crps_{t}"]) for t in ("return", "volatility")}
    # The spread itself has to be guessed from 64 bars; 100 steps do not bring that to an end.
    assert 0.98 < ratios["return"] < 1.06, ratios
    assert 0.98 < ratios["volatility"] < 1.3, ratios
    assert np.var(mine["point_return"]) < 0.05 * np.var(mine["truth_return"])


def test_what_can_be_known_is_learned() -> None:
    """Of returns with a memory, what the last one says."""
    mine, oracle = learned("ar", 150)
    assert np.corrcoef(mine["point_return"], oracle["point_return"])[0, 1] > 0.5
