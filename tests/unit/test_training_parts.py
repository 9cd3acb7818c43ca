"""Parts of a training: rates, averages, early warning, snapshots, counts of operations."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from foundation_bars import TINY, noise, one_series
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lim_pipelines.foundation.config import FoundationConfig, Shape, Training
from lim_pipelines.foundation.divergence import PATIENCE, Watch
from lim_pipelines.foundation.ema import Average
from lim_pipelines.foundation.flops import tokens_of, training_flops
from lim_pipelines.foundation.folders import BusyError, work_folder
from lim_pipelines.foundation.layouts import SLOTS
from lim_pipelines.foundation.metrics_file import METRICS, MetricsFile, read_metrics
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.optimiser import optimiser_of
from lim_pipelines.foundation.processes import world
from lim_pipelines.foundation.resume import KEPT, RunState, Snapshots, restore, tensors_of
from lim_pipelines.foundation.schedule import LAST_RATE, rate_at
from lim_pipelines.foundation.windows import WindowStore


class Wide(FoundationConfig):
    """A configuration of any width."""

    width: int

    @property
    def shape(self) -> Shape:
        return Shape(d_model=self.width, layers=2, heads=4)


@given(st.integers(1, 3000), st.sampled_from(["wsd", "cosine"]))
def test_rates_rise_then_fall_and_stay_between_nothing_and_the_peak(steps: int, schedule: str) -> None:
    rates = [rate_at(step, steps, schedule) for step in range(steps)]  # type: ignore[arg-type]  # drawn
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) > 0
    assert max(rates) <= 1


def test_wsd_is_flat_until_the_last_fifth() -> None:
    rates = [rate_at(step, 1000, "wsd") for step in range(1000)]
    assert set(rates[100:800]) == {1.0}
    assert rates[801] < 1
    assert rates[999] == pytest.approx(LAST_RATE, abs=0.01)
    assert rate_at(999, 1000, "cosine") == pytest.approx(LAST_RATE, abs=0.01)


def test_an_average_of_weights_follows_its_formula_and_forgets_the_beginning() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(100.0)
    average, expected = Average(model, 0.9), 100.0
    for step in range(1, 201):
        model.weight.data.fill_(1.0)
        average.update(model, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-5)
    assert average.weights["weight"].item() == pytest.approx(1.0, abs=1e-3)


def losses(rng: np.random.Generator, count: int = 1500) -> np.ndarray:
    """A healthy run: it falls, with noise of fat tails as batches of a crisis have it."""
    return 1.4 * np.exp(-np.arange(count) / 150) + 0.1 * rng.standard_t(3, count) - 1


@pytest.mark.parametrize("seed", range(20))
def test_healthy_runs_raise_no_alarm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    watch = Watch()
    norms = np.exp(0.5 * rng.standard_normal(1500) + np.linspace(0, 2, 1500))
    assert not [
        said for loss, norm in zip(losses(rng), norms, strict=True) if (said := watch.see(loss, norm))
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("what", ["loss", "norm"])
def test_an_explosion_is_noticed_soon(seed: int, what: str) -> None:
    rng = np.random.default_rng(seed)
    watch = Watch()
    for loss in losses(rng)[:1000]:
        watch.see(loss, float(np.exp(0.3 * rng.standard_normal())))
    for step in range(60):
        loss = -1 + (math.exp(0.2 * step) if what == "loss" else 0)
        if said := watch.see(loss, math.exp(0.2 * step if what == "norm" else 0.0)):
            assert ("loss rose" if what == "loss" else "norm rose") in said
            return
    raise AssertionError("no alarm")


@given(st.integers(0, 3 * PATIENCE), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_no_number_alarms_at_once(steps: int, wrong: float) -> None:
    watch = Watch()
    for _ in range(steps):
        assert watch.see(1.0, 1.0) is None
    again = Watch.model_validate_json(watch.model_dump_json())
    assert again == watch
    assert "the loss is" in str(watch.see(wrong, 1.0))
    assert "norm is" in str(again.see(1.0, wrong))


def batch(config: FoundationConfig, rows: int = 16) -> tuple[Inputs, torch.Tensor]:
    store = WindowStore([one_series(noise(400))], config.context, config.horizon)
    ends = np.random.default_rng(0).integers(config.context, 380, rows)
    gathered = store.batch(np.stack([np.zeros_like(ends), ends], axis=1))
    return Inputs.of(gathered), torch.from_numpy(gathered.future)


def moved(width: int, base: int) -> float:
    """How far two steps move what the last block says, a coordinate."""
    config = Wide(**TINY.model_dump(), width=width)
    torch.manual_seed(0)
    model = FoundationModel(config)
    inputs, future = batch(config)
    seen: list[torch.Tensor] = []
    model.backbone.blocks[-1].register_forward_hook(lambda block, given, out: seen.append(out.detach()))
    model.encode(inputs)
    optimiser = optimiser_of(model, base, 3e-3)
    for step in range(2):
        optimiser.zero_grad()
        pretraining_loss(model, inputs, future, torch.Generator().manual_seed(step)).backward()
        optimiser.step()
    model.encode(inputs)
    return float((seen[-1] - seen[0]).abs().mean())


def test_steps_move_the_model_alike_at_all_widths() -> None:
    """The coordinate check of Yang et al. 2022, appendix D.1."""
    scaled = [moved(width, width) for width in (32, 64, 128)]
    assert max(scaled) / min(scaled) < 1.25, scaled
    # With the same rate at all widths it grows: the check can fail.
    plain = [moved(width, 64) for width in (32, 64, 128)]
    assert plain[2] / plain[0] > 1.7, plain


def test_a_snapshot_brings_back_every_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = FoundationModel(TINY)
    inputs, future = batch(TINY)
    optimiser, average = optimiser_of(model, 64, 1e-3), Average(model, 0.9)

    def step(k: int) -> None:
        optimiser.zero_grad()
        pretraining_loss(model, inputs, future, torch.Generator().manual_seed(k)).backward()
        optimiser.step()
        average.update(model, k)

    snapshots = Snapshots(tmp_path, writes=True)
    for k in range(5):
        snapshots.save(RunState(step=k, last_target=k), tensors_of(model, optimiser, average))
        step(k)
    expected = tensors_of(model, optimiser, average)

    again = Snapshots(tmp_path, writes=False)
    assert again.steps == snapshots.steps == [3, 4][-KEPT:]
    assert again.state(4).last_target == 4
    restore(again.tensors(4), model, optimiser, average)
    step(4)
    found = tensors_of(model, optimiser, average)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)

    snapshots.back_to(RunState(step=3, factor=0.5))
    assert Snapshots(tmp_path, writes=False).steps == [3]
    assert Snapshots(tmp_path, writes=False).state(3).factor == 0.5
    assert not list(tmp_path.glob(".tmp-*"))


def test_metrics_go_on_without_doubled_or_torn_lines(tmp_path: Path) -> None:
    MetricsFile(tmp_path, 0, writes=True).add([{"step": k, "loss": 1.0} for k in range(1, 9)])
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 9, "lo')
    assert len(read_metrics(tmp_path)) == 8
    going_on = MetricsFile(tmp_path, 5, writes=True)
    going_on.add([{"step": 6, "loss": 2.0}])
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert going_on.lines == read_metrics(tmp_path)


def test_a_work_folder_outlives_errors_and_is_for_one_process(tmp_path: Path) -> None:
    final = tmp_path / "abc"

    def fail() -> None:
        with work_folder(final) as work:
            (work / "half").touch()
            with pytest.raises(BusyError, match="another process is training this"):
                work_folder(final).__enter__()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with work_folder(final) as work:
        assert (work / "half").exists()
    assert not work.exists()


def test_several_processes_that_would_each_train_alone_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert world(Training()) == 1
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ValueError, match="'single'; set 'ddp' or 'fsdp2'"):
        world(Training())
    assert world(Training(strategy="ddp", devices=4, nodes=2)) == 8


@pytest.mark.parametrize("layout", ["patch", "variable", "two_level"])
@pytest.mark.parametrize("objective", ["horizon", "next_patch", "masked"])
def test_operations_are_those_that_torch_counts(layout: str, objective: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = TINY.model_copy(update={"layout": layout, "objective": objective})
    model = FoundationModel(config)
    inputs, future = batch(config, rows=3)
    with FlopCounterMode(display=False) as counter:
        pretraining_loss(model, inputs, future, torch.Generator().manual_seed(0))
    # Torch does not count attention on a CPU; it counts sums that scaling does as matrix products, 0.2 %.
    matrices, forward = counter.get_total_flops() / len(future), training_flops(model) / 3
    n, v = tokens_of(config), 1 if layout == "patch" else len(SLOTS)
    pairs = {"patch": n * n, "variable": n * n, "two_level": n * n / v + n * v}[layout]
    attention = 4 * config.shape.layers * config.shape.d_model * pairs
    assert 0.3 * attention < forward - 0.997 * matrices < 1.01 * attention + 0.003 * matrices
