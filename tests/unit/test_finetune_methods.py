"""Every fine-tuning method: what moves, what stays, and that it learns what is planted."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from strategy_world import CUTOFF, config, inputs, macro, market, put_checkpoint, put_lake, spec
from torch import Tensor, nn

from lim_pipelines.finetune import neural, store, train
from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.base import forecast, rank_correlation
from lim_pipelines.finetune.batch import Reader
from lim_pipelines.finetune.batches import Rows
from lim_pipelines.finetune.embedding import Frozen, embed, embed_all, encoder
from lim_pipelines.finetune.heads import make_head
from lim_pipelines.finetune.methods import adapter, last_layers, layerwise, lora, peft
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS, STARTS, unfitted
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.quantiles import mean
from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.finetune.split import Split, split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.backbone import Block
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.lake import midnight
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
WTI = market(seed=1, end=CUTOFF, names=("XNYM:WTI",))
INPUTS = inputs(spec("directional"), WTI, macro(), CUTOFF)
OTHERS = [name for name in METHODS if name != "full"]


def one(**fit: Any) -> StrategySpec:
    settings = {"steps": 40, "batch": 32, "validation_sessions": 60}
    return spec("directional", controls=OTHERS, seeds=[1], fit=settings | fit)


@cache
def backbone() -> FoundationModel:
    """A backbone that does not begin as the identity, as trained ones do not."""
    torch.manual_seed(0)
    model = FoundationModel(config("foundation_checkpoint"))
    for block in model.backbone.blocks:
        assert isinstance(block, Block)
        nn.init.normal_(block.attention.out.weight, std=0.05)
        nn.init.normal_(block.feed.down.weight, std=0.05)
    return model.eval()


@cache
def known() -> tuple[Samples, Split]:
    samples = build_samples(one(), WTI, INPUTS)
    return samples, split(one(), samples, CUTOFF)


def job(**fit: Any) -> Job:
    return Job(one(**fit), Frozen(backbone()), *known(), seed=1)


@cache
def fitted(method: str) -> tuple[Any, neural.Fitted]:
    return METHODS[method](job())


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> set[str]:
    return {name for name in a if name in b and torch.equal(a[name], b[name])}


@pytest.mark.parametrize("method", list(METHODS))
def test_it_learns_planted_momentum_and_leaves_the_checkpoint_alone(method: str) -> None:
    before = {name: tensor.clone() for name, tensor in backbone().state_dict().items()}
    network, said = fitted(method)
    samples, parts = known()
    rows = samples.at(parts.validation)
    assert rank_correlation(mean(network.outputs(rows)), rows.label) > 0.15
    assert said.validation_loss < said.zero_loss
    assert len(same(before, backbone().state_dict())) == len(before)


def test_each_says_what_it_took() -> None:
    said = {method: fitted(method)[1] for method in METHODS}
    order = ["head", "adapter", "lora", "last_layers", "distilled", "full"]
    numbers = [said[method].trainable for method in order]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)
    assert said["full"].trainable == said["scratch"].trainable == said["layerwise"].trainable
    assert said["head"].memory_mb < said["adapter"].memory_mb < said["full"].memory_mb
    # Weights, gradients and both moments, four bytes each, and activations beside them.
    assert said["full"].memory_mb > 16 * said["full"].trainable / 2**20
    assert all(one.seconds > 0 and one.best_step <= one.steps for one in said.values())


@pytest.mark.parametrize("start", [lora.start, adapter.start])
def test_deltas_and_bottlenecks_begin_as_the_checkpoint_itself(start: Any) -> None:
    samples = known()[0]
    first = embed_all(backbone(), samples).own
    begun = start(one(), backbone())
    assert torch.equal(embed_all(begun, samples).own, first)
    moving = [weights for weights in begun.parameters() if weights.requires_grad]
    with torch.no_grad():
        for weights in moving:
            weights += 0.05
    assert not torch.allclose(embed_all(begun, samples).own, first, atol=1e-2)


def test_merged_deltas_say_the_same_as_deltas_beside_their_matrices() -> None:
    samples = known()[0]
    tuned = fitted("lora")[0].backbone
    plain = lora.merged(tuned)
    assert plain.state_dict().keys() == backbone().state_dict().keys()
    assert embed_all(plain, samples).own == pytest.approx(embed_all(tuned, samples).own, abs=1e-5)
    assert not torch.allclose(embed_all(plain, samples).own, embed_all(backbone(), samples).own, atol=1e-3)


def test_last_layers_leaves_the_rest_untouched_to_the_bit() -> None:
    network, _ = last_layers.fit(job(layers=2, steps=5))
    before = {f"backbone.{name}": tensor for name, tensor in backbone().state_dict().items()}
    moved = before.keys() - same(before, network.state_dict())
    assert moved
    assert {name.rsplit("blocks.", 1)[-1][0] for name in moved} == {"1", "2"}
    assert {name for name in network.moved() if name.startswith("backbone.")} == {
        name for name in before if ".blocks.1." in name or ".blocks.2." in name
    }


def test_layers_thaw_when_they_should_from_the_head_downwards() -> None:
    samples, parts = known()
    asked = one(steps=16)
    network = Network(layerwise.start(asked, backbone()), make_head(asked, 64))
    groups = layerwise.groups_of(network)
    assert [group.rate for group in groups] == pytest.approx([0.7**u for u in range(5)])
    assert [group.starts * 16 for group in groups] == [0, 2, 4, 6, 8]
    assert sum(len(group.weights) for group in groups) == len(
        [weights for weights in network.parameters() if weights.requires_grad]
    )
    encode, reader = encoder(network.backbone, samples), Reader(samples, network.head.scaling)
    seen: list[list[Tensor]] = []

    def outputs(rows: Rows) -> Tensor:
        if len(rows) == asked.fit.batch:
            seen.append([torch.cat([w.detach().flatten() for w in group.weights]) for group in groups])
        embedded = embed(encode, samples.picks[rows], samples.others[rows])
        out: Tensor = network.head(reader.batch(rows, embedded))
        return out

    neural.fit(network, outputs, asked, samples, parts, 1, groups)
    # What a step changes is seen at the next one.
    moved_in = [
        next(at - 1 for at in range(1, 16) if not torch.equal(seen[at][i], seen[0][i])) for i in range(5)
    ]
    assert moved_in == [0, 2, 4, 6, 8]


def test_a_student_is_smaller_than_its_teacher_and_says_much_the_same() -> None:
    samples, parts = known()
    teacher, student = fitted("full")[0], fitted("distilled")[0]
    assert len(student.backbone.backbone.blocks) == 1
    assert len(teacher.backbone.backbone.blocks) == 3
    rows = samples.at(parts.validation)
    assert rank_correlation(mean(student.outputs(rows)), mean(teacher.outputs(rows))) > 0.8


def test_a_fit_without_gains_ends_early_and_keeps_its_best_step() -> None:
    samples, parts = known()
    rng = np.random.default_rng(0)
    noise = replace(samples, label=samples.volatility * rng.standard_normal(len(samples)))
    asked = one(steps=200, evaluations=50, patience=3, learning_rate=0.01)
    _, said = METHODS["head"](Job(asked, Frozen(backbone()), noise, parts, 1))
    assert said.steps < 200
    assert said.steps - said.best_step == 3 * 4


def test_all_methods_come_back_from_their_file_to_the_bit(tmp_path: Path) -> None:
    asked = one(steps=4, batch=8)
    put_checkpoint(tmp_path / "models", asked.foundation, CUTOFF)
    put_lake(tmp_path / "lake", WTI, macro())
    train.train(
        {
            "lake": str(tmp_path / "lake"),
            "models": str(tmp_path / "models"),
            "strategy": asked.model_dump(mode="json"),
            "cutoffs": [CUTOFF.isoformat()],
        }
    )
    folder = checkpoint.resolve(tmp_path / "models", asked.name, CUTOFF)
    assert folder is not None
    loaded, meta = store.load(folder)
    parent, _ = checkpoint.load(store.parent_folder(folder, meta))
    bars = WTI.filter(pl.col("known_at") <= midnight(CUTOFF))
    samples = build_samples(asked, bars, INPUTS)
    again = fit_arms(asked, parent, samples, CUTOFF)
    then = build_samples(asked, WTI, INPUTS, [date(2018, 5, 3)])
    for book, forecaster in again.forecasters.items():
        assert forecast(asked, loaded[book], then) == forecast(asked, forecaster, then), book
    names = store.tensors_of(loaded)
    assert not [name for name in names if "decode" in name]
    assert {name.rsplit(".", 1)[-1] for name in names if name.startswith("lora.1.backbone")} == {"a", "b"}
    assert not [name for name in names if name.startswith("adapter.1.backbone") and ".block." in name]


def test_more_layers_than_the_backbone_has_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"fit: layers \(3\) must be fewer than the 3 blocks"):
        one(layers=3)


def test_a_file_of_another_method_is_refused() -> None:
    network = Network(STARTS["full"](one(), backbone()), make_head(one(), 64))
    with pytest.raises(RuntimeError, match="in the file or in the network only"):
        network.restore(fitted("lora")[0].moved())


def test_deltas_go_to_the_format_of_peft_and_back(tmp_path: Path) -> None:
    network = fitted("lora")[0]
    peft.export(one(), network, tmp_path)
    names = load_file(tmp_path / "adapter_model.safetensors")
    first = "base_model.model.backbone.backbone.blocks.0.attention.qkv.lora_A.weight"
    assert names[first].shape == (4, 64)
    assert names[first.replace("lora_A", "lora_B")].shape == (192, 4)
    fresh = unfitted(one(), "lora", Frozen(backbone()))
    assert isinstance(fresh, Network)
    back = peft.load(one(), fresh, tmp_path)
    rows = known()[0].at(known()[1].validation)
    assert np.array_equal(back.outputs(rows), network.outputs(rows))
    with pytest.raises(peft.PeftError, match=r"adapter_config.json: r 4.*set fit.rank"):
        peft.load(one(rank=8), fresh, tmp_path)
    with pytest.raises(peft.PeftError, match=r"no deltas in the format of peft"):
        peft.load(one(), fresh, tmp_path / "nowhere")


@pytest.mark.slow  # the package takes its time to import
def test_peft_itself_reads_our_deltas_and_we_read_its(tmp_path: Path) -> None:
    from peft import PeftModel

    network = fitted("lora")[0]
    peft.export(one(), network, tmp_path)
    base = Network(copy.deepcopy(backbone()), make_head(one(), 64))
    theirs = PeftModel.from_pretrained(base, str(tmp_path))
    theirs.save_pretrained(str(tmp_path / "theirs"))
    rows = known()[0].at(known()[1].validation)
    assert np.allclose(theirs.merge_and_unload().eval().outputs(rows), network.outputs(rows), atol=1e-5)
    back = peft.load(one(), unfitted(one(), "lora", Frozen(backbone())), tmp_path / "theirs")
    assert np.array_equal(back.outputs(rows), network.outputs(rows))
