"""Fine-tuning methods by name: how they are fitted, and how their networks are set up again.

What does not belong here: the methods (a file each), controls that are no fine-tuning (`ridge.py`,
`persistence.py`). This module loads torch: specifications name methods, they do not import them.
"""

from __future__ import annotations

from collections.abc import Callable

from lim_pipelines.finetune.embedding import Frozen
from lim_pipelines.finetune.heads import make_head
from lim_pipelines.finetune.methods import (
    adapter,
    distilled,
    full,
    head,
    last_layers,
    layerwise,
    lora,
    scratch,
)
from lim_pipelines.finetune.methods.job import Method
from lim_pipelines.finetune.network import FrozenNetwork, Network
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.model import FoundationModel

METHODS: dict[str, Method] = {
    "head": head.fit,
    "last_layers": last_layers.fit,
    "full": full.fit,
    "layerwise": layerwise.fit,
    "lora": lora.fit,
    "adapter": adapter.fit,
    "distilled": distilled.fit,
    "scratch": scratch.fit,
}
"""How each is fitted; keys are `spec.Method`."""

STARTS: dict[str, Callable[[ModelSpec, FoundationModel], FoundationModel]] = {
    "last_layers": last_layers.start,
    "full": full.start,
    "layerwise": layerwise.start,
    "lora": lora.start,
    "adapter": adapter.start,
    "distilled": distilled.start,
    "scratch": scratch.start,
}
"""Backbones before a fit, of methods that move one: what of it moves requires a gradient."""


def unfitted(spec: ModelSpec, method: str, frozen: Frozen) -> Network | FrozenNetwork:
    """Set up a method's network as it is before a fit, to be restored from a file.

    Parameters
    ----------
    spec
        What it was fitted for.
    method
        A key of `METHODS`.
    frozen
        The checkpoint that it started from.
    """
    head = make_head(spec, frozen.backbone.config.shape.d_model)
    if method not in STARTS:
        return FrozenNetwork(frozen, head)
    return Network(STARTS[method](spec, frozen.backbone), head)
