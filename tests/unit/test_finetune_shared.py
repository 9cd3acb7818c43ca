"""Embeddings that strategies share: the same bits, computed once, and again when anything is other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from strategy_world import CUTOFF, config, inputs, market, put_checkpoint, spec

from lim_pipelines.finetune import shared
from lim_pipelines.finetune.embedding import embed_all
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.schemas import VALIDATED_MACRO

torch.set_num_threads(1)
FAMILY = "xsim_foundation_checkpoint"
BARS = market(end=CUTOFF)
INPUTS = inputs(spec(), BARS, VALIDATED_MACRO.empty(), CUTOFF)


def samples(horizon: int = 5) -> Samples:
    return build_samples(spec(horizon=horizon), BARS, INPUTS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    digest = put_checkpoint(tmp_path, FAMILY, CUTOFF)
    return checkpoint.folder_of(tmp_path, FAMILY, CUTOFF, digest)


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / checkpoint.EMBEDDINGS).iterdir()}


def encoded(model: FoundationModel) -> list[int]:
    """Numbers of windows that a model encodes from now on."""
    counts: list[int] = []
    model.embed.register_forward_hook(lambda module, given, tokens: counts.append(len(tokens)))
    return counts


def test_they_are_those_of_the_backbone_whether_kept_or_not(folder: Path) -> None:
    model, _ = checkpoint.load(folder)
    one = samples()
    first = shared.Shared(model, folder).embed(one)
    assert first.own == pytest.approx(embed_all(model, one).own, abs=1e-5)
    assert torch.equal(shared.Shared(model, folder).embed(one).own, first.own)
    assert torch.equal(shared.Shared(model, None).embed(one).own, first.own)


def test_another_strategy_encodes_only_what_nobody_asked_for(folder: Path) -> None:
    shared.Shared(checkpoint.load(folder)[0], folder).embed(samples())
    before = files(folder)
    model, _ = checkpoint.load(folder)
    counts = encoded(model)
    some = samples()
    two = np.isin(some.picks[:, 0], (1, 4))
    shared.Shared(model, folder).embed(some.at(two))
    assert counts == []
    assert files(folder) == before
    shared.Shared(model, folder).embed(some.at(two & (some.picks[:, 1] < 200)))
    assert sum(counts) == (two & (some.picks[:, 1] < 200)).sum()


def test_other_bars_other_weights_and_damage_are_embedded_anew(folder: Path, tmp_path: Path) -> None:
    model, _ = checkpoint.load(folder)
    one = samples()
    first = shared.Shared(model, folder).embed(one).own
    one.series[2].values[150, 0] += 0.5
    changed = shared.Shared(model, folder).embed(one).own
    assert not torch.equal(changed, first)
    rows = (changed != first).any(1).numpy()
    assert set(one.picks[rows, 0]) == {2}
    assert set(one.picks[rows, 1]) <= set(range(150, 150 + config(FAMILY).context))
    torch.manual_seed(7)
    other = FoundationModel(config(FAMILY)).eval()
    put_checkpoint(tmp_path, FAMILY, date(2018, 7, 1), seed=7)
    there = checkpoint.resolve(tmp_path, FAMILY, date(2018, 7, 1))
    assert there is not None
    shared.Shared(other, there).embed(one)
    assert not files(there).keys() & files(folder).keys()
    for path in (there / checkpoint.EMBEDDINGS).iterdir():
        path.write_bytes(path.read_bytes()[:200])
    again = shared.Shared(other, there).embed(one).own
    assert torch.equal(again, shared.Shared(other, None).embed(one).own)
