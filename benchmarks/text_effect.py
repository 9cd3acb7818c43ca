"""Read a planted effect of texts back, and nothing where the same texts are dealt anew.

    python -m benchmarks.text_effect [--seeds 5] [--steps 120]

Sixteen simulated shares, a text on half of their sessions; good and bad ones move the share two to four
sessions later (`lim_pipelines/simulate/planted_text.py`). A head on an untaught backbone's embedding gets
each session's own text as MiniLM's embedding, missing where there is none. Fitted on the first sessions,
judged on the rest: rank IC of the cross-section by session, a world a seed, with an interval over days.
"""

from __future__ import annotations

import argparse
import time
from datetime import date

import numpy as np
import polars as pl
import torch

from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.base import forecast, rank_correlation
from lim_pipelines.finetune.features import columns_of
from lim_pipelines.finetune.samples import Floats, Samples, samples_of
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.modalities import MiniLM
from lim_pipelines.paired import paired
from lim_pipelines.simulate.planted_text import Told, dealt_anew, told

CUTOFF = date(2016, 1, 1)
HORIZON = 3
FUSIONS = ("concatenation", "gate", "cross_attention")


def spec_of(fusion: str, steps: int) -> ModelSpec:
    """Say how texts join; the universe is a form only, samples are of a planted world."""
    return ModelSpec.model_validate(
        {
            "name": "told",
            "description": "Texts that move shares.",
            "task": "cross_sectional",
            "universe": {"exchanges": ["XNYS"]},
            "horizon": HORIZON,
            "foundation": "foundation_checkpoint",
            "method": "head",
            "controls": ["without_text"],
            "features": ["text_embedding"],
            "fusion": fusion,
            "fit": {"steps": steps, "batch": 8, "validation_sessions": 60, "judged_sessions": 0},
        }
    )


def samples(world: Told) -> Samples:
    """Make samples of a world, the text of each one's own session beside it."""
    texts = world.texts["text"].unique().sort()
    known = pl.DataFrame({"text": texts, "vector": MiniLM().encode(texts.to_list())})
    columns = columns_of(spec_of("gate", 1))
    place = [pl.col("vector").arr.get(i).cast(pl.Float64).alias(name) for i, name in enumerate(columns)]
    inputs = world.texts.join(known, on="text").select("exchange", "date", "instrument_id", *place)
    return samples_of(world.bars, inputs, columns, HORIZON)


def backbone() -> FoundationModel:
    """Make an untaught backbone: prices say nothing here."""
    torch.manual_seed(0)
    config = FoundationConfig(
        name="untaught",
        exchanges=("XSIM",),
        asset_classes=("equity",),
        freqs=("1d",),
        context=16,
        horizon=8,
        patch=8,
    )
    return FoundationModel(config).eval()


def skills(spec: ModelSpec, everything: Samples, model: FoundationModel) -> dict[str, Floats]:
    """Rank IC of each arm by decision after the cutoff."""
    end, day = everything.frame["label_end"], everything.frame["date"]
    past = everything.at((end < CUTOFF).fill_null(False).to_numpy())
    ahead = everything.at((day >= CUTOFF).to_numpy() & np.isfinite(everything.label))
    found = fit_arms(spec, model, past, CUTOFF).forecasters
    groups = ahead.groups()
    out = {}
    for (arm, _), forecaster in found.items():
        said = forecast(spec, forecaster, ahead)
        days = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        out[arm] = np.array([rank_correlation(said[own], ahead.label[own]) for own in days])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, model = time.perf_counter(), backbone()
    found: dict[str, list[Floats]] = {}
    for seed in range(options.seeds):
        world = told(seed)
        own, control = samples(world), samples(dealt_anew(world, seed))
        for fusion in FUSIONS:
            said = skills(spec_of(fusion, options.steps), own, model)
            found.setdefault(f"text, {fusion}", []).append(said["head"])
            if fusion == FUSIONS[0]:
                found.setdefault("price only", []).append(said["without_text"])
        for fusion in FUSIONS:
            said = skills(spec_of(fusion, options.steps), control, model)
            found.setdefault(f"texts dealt anew, {fusion}", []).append(said["head"])
    rows = []
    for arm, worlds in found.items():
        days = np.mean(worlds, axis=0)
        gain, _ = paired(days, np.arange(len(days)), [""] * len(days), reach=HORIZON)
        each = [world.mean() for world in worlds]
        rows.append(
            (
                arm,
                f"{gain.mean:.3f} ({gain.low:.3f} to {gain.high:.3f})",
                f"{min(each):.3f} to {max(each):.3f}",
            )
        )
    print(markdown(("arm", "rank IC (95 %)", "of the worlds"), rows))
    print(f"\n{options.seeds} worlds, {options.steps} steps, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
