"""How much memory a step of a fit holds, counted by its tensors.

What does not belong here: the loop (`neural.py`), time.

The process's own peak says nothing of one arm: arms are fitted one after the other in one process, and it
never falls. Tensors say the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Held:
    """Bytes that steps of a fit hold at once: weights, gradients, the optimiser's moments, activations.

    Parameters
    ----------
    module
        What is fitted.
    moving
        Its weights that move: each has a gradient and AdamW's two moments beside it.
    """

    def __init__(self, module: nn.Module, moving: Sequence[Tensor]) -> None:
        weights = [*module.parameters(), *module.buffers()]
        self._weights = {one.untyped_storage().data_ptr() for one in weights}
        self._fixed = sum(_bytes(one) for one in weights) + 3 * sum(_bytes(one) for one in moving)
        self._most = 0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Count what the forward pass inside the block keeps for the backward pass."""
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            yield
        self._most = max(self._most, sum(kept.values()))

    @property
    def megabytes(self) -> float:
        """The most of the counted steps, in 2**20 bytes."""
        return (self._fixed + self._most) / 2**20


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
