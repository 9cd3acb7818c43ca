"""Training: learns what can be learned, claims nothing where there is nothing, again to the bit."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from foundation_bars import TINY, noise, one_series

from lim_pipelines.foundation.config import FoundationConfig, Training
from lim_pipelines.foundation.divergence import DivergedError
from lim_pipelines.foundation.metrics_file import read_metrics
from lim_pipelines.foundation.model import FoundationModel, Inputs, States
from lim_pipelines.foundation.pretrain import Fit, NoWindowsError, fit
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import Series, iso
from lim_pipelines.foundation.windows import Span, WindowStore, held_out_from

CONFIG = TINY.model_copy(update={"batch_size": 32})
COUNT = 1500


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(
    series: list[Series], steps: int, seed: int = 0, config: FoundationConfig = CONFIG, **how: Any
) -> tuple[FoundationModel, Fit]:
    torch.manual_seed(seed)
    model = FoundationModel(config)
    store = WindowStore(series, config.context, config.horizon)
    with TemporaryDirectory() as folder:
        settings = {"learning_rate": 3e-3, "label": "test", "folder": Path(folder), **how}
        return model, fit(model, store, steps=steps, seed=seed, **settings)


def closes(rows: list[npt.NDArray[np.float64]]) -> list[Series]:
    return [one_series(row, "XNYS:IBM", close_only=True) for row in rows]


def test_a_sine_is_learned() -> None:
    days = np.arange(COUNT)
    series = closes([0.01 * np.sin(2 * np.pi * (days + 3 * k) / 10) for k in range(3)])
    _, found = train(series, 120)
    assert found.metrics["skill_close"] > 0.8


def test_an_autoregression_is_learned_about_as_far_as_it_goes() -> None:
    series = []
    for seed in range(3):
        row = noise(COUNT, seed)
        for t in range(1, COUNT):
            row[t] += 0.9 * row[t - 1]
        series.append(row)
    _, found = train(closes(series), 300)
    # Of the variance of 8 steps ahead the past explains (.9^2 + ... + .9^16) / 8 = .43 at best.
    assert 0.2 < found.metrics["skill_close"] < 0.55


def test_no_skill_is_claimed_on_white_noise() -> None:
    _, found = train(closes([noise(COUNT, seed) for seed in range(4)]), 120)
    assert abs(found.metrics["skill_close"]) < 0.03


def test_same_seed_same_weights_and_another_seed_others() -> None:
    series = [one_series(noise(300))]
    weights = [train(series, 6, seed)[0].state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["embed.project.weight"], weights[2]["embed.project.weight"])


def test_products_in_bfloat16_train_weights_in_float32() -> None:
    series, losses = [one_series(noise(300))], []
    for precision in ("32-true", "bf16-mixed"):
        config = CONFIG.model_copy(update={"training": Training.model_validate({"precision": precision})})
        model, found = train(series, 20, config=config)
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        losses.append([loss for _, loss in found.curve])
    assert losses[0] != losses[1], "it is not what it says"
    assert losses[1] == pytest.approx(losses[0], abs=0.03)


def test_training_targets_end_before_the_first_held_out_bar() -> None:
    series = [one_series(noise(400)), one_series(noise(300, 1), "XNYS:SPX")]
    store = WindowStore(series, CONFIG.context, CONFIG.horizon)
    moment = held_out_from(store)
    _, found = train(series, 2)
    assert found.windows["held_out_from"] == iso(moment)
    assert found.windows["purge_bars"] == CONFIG.horizon
    sampler = WindowSampler(store, horizon=CONFIG.horizon, patch=CONFIG.patch, span=Span(-(2**62), moment))
    last = max(series[i].ts[end + CONFIG.horizon] for i, end in sampler.draw(5000, 0))
    assert last < moment
    assert found.windows["train"] == len(sampler)
    assert found.windows["validation"] > 0


def test_what_the_parent_was_trained_on_is_not_validated_on() -> None:
    series = [one_series(noise(400))]
    later = iso(int(series[0].ts[-2]))
    _, found = train(series, 2, held_out_before=later)
    assert found.windows["held_out_from"] == later
    assert found.windows["validation"] == 0
    assert "skill" not in found.metrics  # nothing to judge by, so no judgement


def test_every_step_is_logged_as_it_happens(tmp_path: Path) -> None:
    _, found = train([one_series(noise(300))], 7, folder=tmp_path)
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 8))
    assert found.curve[-1][0] == 7
    assert found.curve[-1][1] == pytest.approx(lines[-1]["loss"], abs=1e-5)


def test_a_diverged_model_is_never_kept() -> None:
    with pytest.raises(DivergedError, match=r"went back 3 times .* lower learning_rate of tiny"):
        train([one_series(noise(300))], 4, learning_rate=1e30)


def test_too_short_a_history_says_how_much_is_needed() -> None:
    with pytest.raises(NoWindowsError, match=r"needs 17 bars .* the longest has 15"):
        train([one_series(noise(15))], 2)


class Exploding(FoundationModel):
    """A model whose answers are wild in five steps of its training."""

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__(config)
        self.passes = 0

    def states(self, inputs: Inputs, hidden: torch.Tensor | None = None) -> States:
        said = super().states(inputs, hidden)
        self.passes += self.training
        return said._replace(tokens=said.tokens * 1e4) if 75 <= self.passes < 80 else said


def test_a_run_that_diverges_goes_back_slows_down_and_goes_on(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"training": Training(save_every=20)})
    said: list[str] = []
    torch.manual_seed(0)
    store = WindowStore([one_series(noise(400))], config.context, config.horizon)
    how = {"steps": 100, "learning_rate": 3e-3, "seed": 0, "label": "wild", "folder": tmp_path}
    found = fit(Exploding(config), store, say=said.append, **how)
    (told,) = found.rollbacks
    assert (told.step, told.back_to, told.factor) == (80, 60, 0.5)
    assert len(said) == 1
    assert "back to step 60, learning rate times 0.5" in said[0]
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 101))
    assert max(line["loss"] for line in lines[60:]) < 10, "what was rolled back is forgotten"
    assert lines[60]["rate"] < 0.55 * lines[59]["rate"]
    assert "skill" in found.metrics
