"""Backbones of the paper's claim: pretrained on one corpus up to a cutoff, and on from there to the next one.

What does not belong here: which quotes (`claim_data.py`), fine-tuning (`claim_cells.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file, save_file

from benchmarks.claim_data import PRETRAINED, bars_of, corpus
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.continual import RATE
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.entrants import learn
from lim_pipelines.foundation.quality.harness import before
from lim_pipelines.foundation.series import Series, microseconds
from lim_pipelines.instruments import ASSET_CLASSES
from lim_pipelines.lake import Lake, fingerprint, midnight
from lim_pipelines.modalities.base import digest_of
from lim_pipelines.schemas import VALIDATED_BARS


def config_of(steps: int) -> FoundationConfig:
    """Family of both corpora: the same but for the quotes; `steps` are those of the first cutoff."""
    return FoundationConfig.model_validate(
        {
            "name": "claim",
            "exchanges": ["XNAS", "XNYS"],
            "asset_classes": ASSET_CLASSES,
            "freqs": ["1d"],
            "context": 128,
            "horizon": 16,
            "patch": 16,
            "mix": {"exponent": 0.5},
            "steps_first": steps,
            "steps_continual": max(1, steps // 4),
        }
    )


class Backbones:
    """Pretrained models by corpus, seed and cutoff; made when they are asked for and not there.

    Parameters
    ----------
    shares
        Lake of shares.
    futures
        Continuous series of all futures.
    folder
        Where they lie.
    config
        Their family.
    cutoffs
        In order of time: a model of a later one goes on from that of the one before.
    say
        Gets a line a training.
    """

    def __init__(
        self,
        shares: Lake,
        futures: pl.DataFrame,
        folder: Path,
        config: FoundationConfig,
        cutoffs: Sequence[date],
        say: Callable[[str], None],
    ) -> None:
        self._shares, self._futures, self._folder, self._say = shares, futures, folder, say
        self.config, self._cutoffs = config, cutoffs
        self._quotes = {
            "equities": f"{shares.root} {shares.version(VALIDATED_BARS)}",
            "futures": fingerprint(bars_of(futures, PRETRAINED)),
        }
        self._series: dict[str, list[Series]] = {}

    def digest(self, name: str, seed: int, cutoff: date) -> str:
        """Hash of what a model is made of."""
        content: dict[str, Any] = {
            "code": CODE_VERSION,
            "config": self.config.model_dump(mode="json"),
            "quotes": self._quotes[name],
            "seed": seed,
            "cutoffs": [str(one) for one in self._cutoffs if one <= cutoff],
        }
        return digest_of(content)

    def get(self, name: str, seed: int, cutoff: date) -> FoundationModel:
        """Model of a corpus, trained up to a cutoff."""
        return self._model(name, seed, cutoff)[0].eval()

    def _model(self, name: str, seed: int, cutoff: date) -> tuple[FoundationModel, str]:
        """Model, and from when on it held targets out, ISO 8601."""
        folder = self._folder / self.digest(name, seed, cutoff)
        if not folder.exists():
            self._train(folder, name, seed, cutoff)
        model = FoundationModel(self.config)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        return model, json.loads((folder / "meta.json").read_text())["held_out_from"]

    def _train(self, folder: Path, name: str, seed: int, cutoff: date) -> None:
        earlier = [one for one in self._cutoffs if one < cutoff]
        held_out = None
        if earlier:
            model, held_out = self._model(name, seed, earlier[-1])
        else:
            torch.manual_seed(seed)
            model = FoundationModel(self.config)
        if name not in self._series:
            self._series[name] = corpus(name, self._shares, self._futures)
        found = learn(
            model,
            before(self._series[name], microseconds(midnight(cutoff).isoformat())),
            steps=self.config.steps_continual if earlier else self.config.steps_first,
            rate=self.config.learning_rate * (RATE if earlier else 1.0),
            seed=seed * 1_000_003 + cutoff.toordinal(),
            label=f"{name} {seed} {cutoff}",
            held_out_before=held_out,
            replay=self.config.continual.replay if earlier else 1.0,
        )
        self._say(f"{cutoff} {name} seed {seed}: pretrained, {found.metrics}")
        with atomic_folder(folder) as part:
            save_file(model.state_dict(), part / "model.safetensors")
            meta = {
                "corpus": name,
                "seed": seed,
                "cutoff": str(cutoff),
                "held_out_from": found.windows["held_out_from"],
                "metrics": found.metrics,
                "cost": found.cost,
            }
            (part / "meta.json").write_text(json.dumps(meta, indent=1))
