"""A training that is killed at any step: started again, it ends in the same bits as an undisturbed one."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import Training
from lim_pipelines.foundation.metrics_file import read_metrics
from lim_pipelines.foundation.series import Series
from lim_pipelines.foundation.train import Job, train_cutoffs
from lim_pipelines.foundation.windows import WindowStore
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from foundation_bars import TINY, bars, noise, one_series

CUTOFF = date(2010, 9, 1)
STEPS, EVERY = 40, 4
SETTINGS = Training(ema=0.9, save_every=EVERY, accumulate=2, schedule="wsd")
CONFIG = TINY.model_copy(update={"steps_first": STEPS, "training": SETTINGS, "hide": 0.3})
WEIGHTS, FOUND = "weights.safetensors", "found.txt"


def run(series: list[Series], folder: Path) -> None:
    """What a training process does."""
    from lim_pipelines.foundation.model import FoundationModel
    from lim_pipelines.foundation.pretrain import fit

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = FoundationModel(CONFIG)
    store = WindowStore(series, CONFIG.context, CONFIG.horizon)
    found = fit(model, store, steps=STEPS, learning_rate=3e-3, seed=0, label="killed", folder=folder)
    (folder / FOUND).write_text(f"{found.windows} {found.metrics} {found.curve}")
    save_file(model.state_dict(), folder / WEIGHTS)


def start(folder: Path) -> multiprocessing.process.BaseProcess:
    # Processes are forked off one that has imported Lightning already, which takes seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lim_pipelines.foundation.pretrain"])
    folder.mkdir(exist_ok=True)
    process = context.Process(target=run, args=([one_series(noise(300))], folder))
    process.start()
    return process


def losses(folder: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in read_metrics(folder)]


def test_killed_at_random_moments_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    process = start(undisturbed)
    process.join(120)
    assert process.exitcode == 0

    rng = random.Random(0)
    taken_up, done = [], 0
    while done < STEPS - 2 * EVERY:
        process = start(killed)
        goal = done + rng.randint(1, STEPS // 3)
        while process.is_alive() and len(read_metrics(killed)) < goal:
            time.sleep(0.005)
        time.sleep(rng.random() * 0.05)
        process.kill()
        process.join()
        done = len(read_metrics(killed))
        taken_up.append(max(int(path.stem.split("-")[1]) for path in killed.glob("snapshot-*")))
    assert len(set(taken_up)) >= 3, f"kills came too early or too late: {taken_up}"

    process = start(killed)
    process.join(120)
    assert process.exitcode == 0
    one, other = (load_file(folder / WEIGHTS) for folder in (undisturbed, killed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (undisturbed / FOUND).read_text() == (killed / FOUND).read_text()
    assert losses(killed) == losses(undisturbed)
    assert [step for step, *_ in losses(killed)] == list(range(1, STEPS + 1))


@pytest.mark.slow
def test_a_killed_entry_point_leaves_no_checkpoint_and_goes_on(tmp_path: Path) -> None:
    frame = pl.concat([bars(noise(200)), bars(noise(200, 1), "XNYS:SPX", seed=1)])
    Lake(tmp_path / "lake").write(VALIDATED_BARS, frame, frame.select("exchange", "date").unique())
    roots = {"lake": str(tmp_path / "lake"), "windows": str(tmp_path / "windows")}
    places = {**roots, "family": "tiny", "cutoffs": (CUTOFF,), "config": CONFIG}
    (expected,) = train_cutoffs(Job(models=str(tmp_path / "undisturbed"), **places), lambda line: None)

    job = Job(models=str(tmp_path / "killed"), **places)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    command = [sys.executable, "-m", "lim_pipelines.foundation.train", "--job", str(tmp_path / "job.json")]
    at = checkpoint.folder_of(job.models, "tiny", CUTOFF, expected.digest).parent
    work = at / f".work-{expected.digest[:16]}"
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and len(read_metrics(work)) < STEPS // 2:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert [path.name for path in at.iterdir()] == [work.name], "a checkpoint is there wholly or not at all"

    told: list[str] = []
    (found,) = train_cutoffs(job, told.append)
    assert "goes on from step" in told[0]
    one, other = (load_file(Path(r.folder) / checkpoint.WEIGHTS) for r in (expected, found))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert found.metrics == expected.metrics
    assert losses(Path(found.folder)) == losses(Path(expected.folder))
    assert {path.name for path in at.iterdir()} == {Path(found.folder).name, checkpoint.CURRENT}
