"""A strategy's features by modality: which columns belong together, and how one is hidden from a fit.

A modality is a block of model inputs (`inputs/registry.py`): its numbers are computed together, and they are
known or missing together. macro, fundamentals, events and membership are numeric; text and graph are
embeddings.

What does not belong here: joining modalities with the backbone (`fusion.py`), computing inputs (`inputs/`).
No torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lim_pipelines.finetune.base import Forecaster
from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.finetune.spec import WITHOUT, ModelSpec
from lim_pipelines.inputs.registry import OWNER


@dataclass(frozen=True)
class Modality:
    """Columns of the features that belong together.

    Parameters
    ----------
    name
        The block's name.
    columns
        Places of its numbers among the features, in the strategy's order.
    optional
        Whether one instrument may have it while another has not. What is about the session (macro) all
        instruments have, or none.
    """

    name: str
    columns: tuple[int, ...]
    optional: bool


def modalities_of(spec: ModelSpec) -> tuple[Modality, ...]:
    """Group a strategy's features, in the order in which each modality is first named.

    What the task itself puts behind them comes last.
    """
    columns: dict[str, list[int]] = {}
    at = 0
    for name in spec.features:
        width = len(OWNER[name].place(name))
        columns.setdefault(OWNER[name].name, []).extend(range(at, at + width))
        at += width
    about = {block.name: block.about for block in OWNER.values()}
    named = [Modality(name, tuple(own), about[name] == "instrument") for name, own in columns.items()]
    if spec.own_features:
        named.append(Modality(spec.task, tuple(range(at, spec.inputs_width)), optional=False))
    return tuple(named)


def hidden(samples: Samples, columns: tuple[int, ...]) -> Samples:
    """Hide some columns of the features: samples as if nothing were known in them."""
    features = samples.features.copy()
    features[:, list(columns)] = np.nan
    return replace(samples, features=features)


@dataclass(frozen=True)
class Without:
    """A forecaster from which a modality is hidden, as it was in its fit.

    Parameters
    ----------
    inner
        The fitted one.
    columns
        What it does not see.
    """

    inner: Forecaster
    columns: tuple[int, ...]

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        return self.inner.outputs(hidden(samples, self.columns))


def fitted_as(spec: ModelSpec, arm: str) -> str:
    """Name the method or control that an arm is fitted as: `without_X` is the strategy's own method."""
    return spec.method if arm.startswith(WITHOUT) else arm


def hidden_columns(spec: ModelSpec, arm: str) -> tuple[int, ...]:
    """Columns that are hidden from an arm: those of X for the control `without_X`, else none."""
    if not arm.startswith(WITHOUT):
        return ()
    return next(m.columns for m in modalities_of(spec) if m.name == arm.removeprefix(WITHOUT))
