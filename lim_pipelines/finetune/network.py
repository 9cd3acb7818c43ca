"""The network of every neural arm: a backbone's embeddings and a head; fitted, it is a `base.Forecaster`.

What does not belong here: which of its weights move (`methods/`), how they are fitted (`neural.py`), files
(`store.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from lim_pipelines.finetune.batch import Reader
from lim_pipelines.finetune.embedding import Embedded, Frozen, embed_all
from lim_pipelines.finetune.heads import Head
from lim_pipelines.finetune.samples import Floats, Indices, Samples
from lim_pipelines.foundation.model import FoundationModel


class FrozenNetwork:
    """A head on a frozen backbone.

    Parameters
    ----------
    frozen
        The backbone, shared by all seeds.
    head
        The head.
    """

    def __init__(self, frozen: Frozen, head: Head) -> None:
        self.frozen = frozen
        self.head = head

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        if not len(samples):
            return np.zeros((0, self.head.width_out))
        return _say(self.head, samples, self.frozen.embed(samples))

    def outputs_at(self, samples: Samples, rows: Indices) -> Floats:
        """Say (B, Q) of some rows of samples that were embedded before."""
        return _say(self.head, samples.at(rows), self.frozen.embed(samples).at(rows))

    def moved(self) -> dict[str, Tensor]:
        """Return the tensors that a fit made: the head's."""
        return dict(self.head.state_dict())

    def restore(self, tensors: Mapping[str, Tensor]) -> FrozenNetwork:
        """Take over what `moved` gave.

        Raises
        ------
        RuntimeError
            The tensors are not this network's.
        """
        self.head.load_state_dict(dict(tensors))
        return self


class Network(nn.Module):
    """A backbone of its own and a head.

    Parameters
    ----------
    backbone
        A foundation model; what moves in it requires a gradient.
    head
        The head.
    """

    def __init__(self, backbone: FoundationModel, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        if not len(samples):
            return np.zeros((0, self.head.width_out))
        return _say(self.head, samples, embed_all(self.backbone, samples))

    def moved(self) -> dict[str, Tensor]:
        """Return the tensors that a fit made: weights that require a gradient, and the head's scaling."""
        state = self.state_dict()
        names = {name for name, weights in self.named_parameters() if weights.requires_grad}
        names |= {f"head.{name}" for name, _ in self.head.named_buffers()}
        return {name: state[name] for name in state if name in names}

    def restore(self, tensors: Mapping[str, Tensor]) -> Network:
        """Take over what `moved` gave; the other weights stay as they are.

        Raises
        ------
        RuntimeError
            The tensors are not this network's.
        """
        if different := sorted(tensors.keys() ^ self.moved().keys()):
            raise RuntimeError(f"tensors {different} are in the file or in the network only")
        self.load_state_dict(dict(tensors), strict=False)
        return self.eval()


def _say(head: Head, samples: Samples, embedded: Embedded) -> Floats:
    return head.outputs(Reader(samples, head.scaling).batch(np.arange(len(samples)), embedded))
