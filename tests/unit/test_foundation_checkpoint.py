"""Checkpoint folders: whole or not there, found again, refused when damaged."""

import hashlib
import json
import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from foundation_bars import TINY

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.checkpoint import CheckpointError, DataRead, Meta
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.foundation.model import FoundationModel

DIGEST = "ab" * 32
DAY = date(2018, 1, 1)


def meta(**changes: Any) -> Meta:
    read = DataRead(
        table="validated_bars", lake_version=3, as_of="2018-01-01", fingerprint="f", rows=1, groups=()
    )
    given: dict[str, Any] = {
        "config": TINY,
        "cutoff": DAY,
        "input_digest": DIGEST,
        "parent": None,
        "parent_cutoff": None,
        "code_version": "1",
        "seed": 0,
        "steps": 4,
        "data": read,
        "windows": {"purge_bars": 8},
        "metrics": {"skill": 0.1},
        "loss_curve": ((1, 0.5),),
        "wall_seconds": 1.0,
        "hardware": "here",
        "torch_version": torch.__version__,
        "created_at": "2018-01-01",
    }
    return Meta(**(given | changes))


def write(root: Path, digest: str = DIGEST, cutoff: date = DAY) -> tuple[Path, FoundationModel]:
    torch.manual_seed(int(digest[:2], 16))
    model = FoundationModel(TINY)
    folder = checkpoint.folder_of(root, "tiny", cutoff, digest)
    with atomic_folder(folder) as fresh:
        checkpoint.save(model, meta(input_digest=digest, cutoff=cutoff), fresh)
    return folder, model


def test_a_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    folder, model = write(tmp_path)
    loaded, found = checkpoint.load(folder)
    saved = hashlib.sha256((folder / checkpoint.WEIGHTS).read_bytes()).hexdigest()
    assert found == meta(weights_sha256=saved)
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "model.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == [DIGEST[:16]]


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "2018-01-01" / "new"

    def write_half() -> None:
        with atomic_folder(folder) as fresh:
            (fresh / "model.safetensors").write_bytes(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert list(folder.parent.iterdir()) == []


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with atomic_folder(folder) as second:
        (second / "who").write_text("second")
        with atomic_folder(folder) as first:
            (first / "who").write_text("first")
    assert (folder / "who").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_a_killed_process_left_is_swept_a_day_later(tmp_path: Path) -> None:
    old, running = tmp_path / ".tmp-old", tmp_path / ".tmp-running"
    for path in (old, running):
        path.mkdir()
        (path / "part").write_text("x")
    os.utime(old, (time.time() - 90_000,) * 2)
    with atomic_folder(tmp_path / "f"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-running", "f"]


def test_the_current_checkpoint_of_a_cutoff(tmp_path: Path) -> None:
    assert checkpoint.resolve(tmp_path, "tiny", DAY) is None
    assert checkpoint.cutoffs(tmp_path, "tiny") == []
    first, _ = write(tmp_path)
    assert checkpoint.resolve(tmp_path, "tiny", DAY) is None  # written, not yet current
    checkpoint.set_current(tmp_path, "tiny", DAY, DIGEST)
    assert checkpoint.resolve(tmp_path, "tiny", DAY) == first
    second, _ = write(tmp_path, "cd" * 32)
    checkpoint.set_current(tmp_path, "tiny", DAY, "cd" * 32)
    assert checkpoint.resolve(tmp_path, "tiny", DAY) == second
    write(tmp_path, DIGEST, date(2017, 12, 1))
    checkpoint.set_current(tmp_path, "tiny", date(2017, 12, 1), DIGEST)
    assert checkpoint.cutoffs(tmp_path, "tiny") == [date(2017, 12, 1), DAY]
    checkpoint.set_current(tmp_path, "tiny", DAY, "ef" * 32)  # its folder was deleted by hand
    assert checkpoint.resolve(tmp_path, "tiny", DAY) is None


def test_damaged_or_foreign_folders_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="materialise its cutoff again"):
        checkpoint.read_meta(tmp_path / "nowhere")
    folder, _ = write(tmp_path)
    weights = folder / checkpoint.WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged"):
        checkpoint.load(folder)
    weights.write_bytes(whole)
    text = json.loads((folder / checkpoint.META).read_text())
    text["config"]["size"] = "small"
    (folder / checkpoint.META).write_text(json.dumps(text))
    with pytest.raises(CheckpointError, match="of another model"):
        checkpoint.load(folder)
    (folder / checkpoint.META).write_text('{"cutoff": "2018-01-01"}')
    with pytest.raises(CheckpointError, match="not a foundation checkpoint"):
        checkpoint.read_meta(folder)
