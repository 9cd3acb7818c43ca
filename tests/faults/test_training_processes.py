"""One training in two processes: the same windows, the same curve, one checkpoint, by one entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import Mix, Training
from lim_pipelines.foundation.metrics_file import read_metrics
from lim_pipelines.foundation.train import CutoffResult, Job, train_cutoffs
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from foundation_bars import TINY, bars, noise

ROOT = Path(__file__).resolve().parents[2]
CUTOFFS = (date(2011, 4, 1), date(2011, 6, 1))
ENTRY = ["-m", "lim_pipelines.foundation.train", "--job"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def job(root: Path, name: str, mix: Mix, **training: object) -> Job:
    settings = Training(ema=0.5, save_every=3, **training)  # type: ignore[arg-type]  # a subset of the fields
    steps = {"steps_first": 8, "steps_continual": 3}
    config = TINY.model_copy(update={**steps, "mix": mix, "training": settings})
    models = str(root / name)
    places = {"lake": str(root / "lake"), "models": models, "windows": models + "-windows"}
    return Job(**places, family="tiny", cutoffs=CUTOFFS, config=config)


def run(root: Path, given: Job, *before: str) -> list[CutoffResult]:
    path = root / f"{Path(given.models).name}.json"
    path.write_text(given.model_dump_json())
    known = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *before, *ENTRY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=known, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stderr.count(f"tiny {CUTOFFS[0]}: trained") == 1, "one process reports"
    return [CutoffResult.model_validate(one) for one in json.loads(done.stdout)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "before", "mix"),
    # Processes that others start, and that have a mix to agree on; processes that Lightning starts.
    [("ddp", TORCHRUN, Mix(candidates=("XNYS/index",))), ("fsdp2", (), Mix())],
)
def test_two_processes_train_what_one_does(
    tmp_path: Path, strategy: str, before: tuple[str, ...], mix: Mix
) -> None:
    frame = pl.concat([bars(noise(400)), bars(noise(400, 1), "XNYS:SPX", seed=1)])
    Lake(tmp_path / "lake").write(VALIDATED_BARS, frame, frame.select("exchange", "date").unique())
    expected = train_cutoffs(job(tmp_path, "one", mix), lambda line: None)
    found = run(tmp_path, job(tmp_path, "two", mix, strategy=strategy, devices=2, accumulate=2), *before)
    for one, two in zip(expected, found, strict=True):
        assert (one.steps, two.reused) == (two.steps, False)
        for a, b in zip(read_metrics(Path(one.folder)), read_metrics(Path(two.folder)), strict=True):
            assert (a["step"], a["rate"]) == (b["step"], b["rate"])
            # A process weighs its windows alike, whatever is missing in them: hence not to the last digit.
            assert b["loss"] == pytest.approx(a["loss"], abs=0.01)
            assert b["gradient_norm"] == pytest.approx(a["gradient_norm"], rel=0.05)
        assert two.metrics["skill"] == pytest.approx(one.metrics["skill"], abs=2e-3)
        assert not list(Path(two.folder).parent.glob(".*")), "snapshots go away"
        chosen = [checkpoint.read_meta(result.folder).selection for result in (one, two)]
        assert [c and c.refused for c in chosen] == [c and c.refused for c in reversed(chosen)]
        assert (chosen[0] is not None) == bool(mix.candidates)
