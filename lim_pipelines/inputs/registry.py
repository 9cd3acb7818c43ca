"""All blocks of model inputs, and where a feature lies in them.

What does not belong here: the blocks (a file each beside this one).
"""

from __future__ import annotations

from typing import Final

from lim_pipelines.inputs import events, fundamentals, graph, macro, membership, texts
from lim_pipelines.inputs.blocks import Block

BLOCKS: Final[dict[str, Block]] = {
    block.name: block
    for block in (macro.BLOCK, fundamentals.BLOCK, events.BLOCK, membership.BLOCK, texts.BLOCK, graph.BLOCK)
}
"""Every block by its name."""

OWNER: Final[dict[str, Block]] = {
    feature.name: block for block in BLOCKS.values() for feature in block.features
}
"""Every feature's block, by the name that strategies call the feature."""


def width_of(features: tuple[str, ...]) -> int:
    """Numbers that some features consist of."""
    return sum(len(OWNER[name].place(name)) for name in features)
