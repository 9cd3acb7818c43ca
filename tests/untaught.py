"""Checkpoints with real weights that nobody taught, for tests of who is better and what follows."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import torch

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.evidence import Named
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.foundation.model import FoundationModel

HELD_OUT = "2010-06-01T00:00:00+00:00"


def leave(
    models: Path, config: FoundationConfig, cutoff: date, said: float = 0.0, held_out_from: str = HELD_OUT
) -> Named:
    """Leave a checkpoint whose forecasts are as the context was, but for being off by `said`."""
    torch.manual_seed(0)
    model = FoundationModel(config)
    with torch.no_grad():
        model.decode.out.bias.add_(said)
    digest = hashlib.sha256(f"{cutoff}{said}".encode()).hexdigest()
    read = checkpoint.DataRead(
        table="validated_bars", lake_version=0, as_of="", fingerprint="", rows=1, groups=()
    )
    meta = checkpoint.Meta(
        config=config,
        cutoff=cutoff,
        input_digest=digest,
        parent=None,
        parent_cutoff=None,
        code_version=CODE_VERSION,
        seed=0,
        steps=1,
        data=read,
        windows={"held_out_from": held_out_from},
        metrics={},
        loss_curve=(),
        wall_seconds=0,
        hardware="",
        torch_version="",
        created_at="",
    )
    with atomic_folder(checkpoint.folder_of(models, config.name, cutoff, digest)) as folder:
        checkpoint.save(model, meta, folder)
    checkpoint.set_current(models, config.name, cutoff, digest)
    return Named(cutoff=cutoff, digest=digest)
