"""Texts, graphs and stretches of numbers as vectors: one contract, `encode(batch) -> (n, d)`, a file each.

`base.py` the contract; `text.py` sentence embeddings; `sentiment.py` a lexicon; `graph.py` nodes of a graph
as of a time; `numeric.py` windows of numbers, `windows.py` those of bars; `store.py` vectors on disk;
`embed.py` encodes what is not there yet; `search.py` nearest documents, look-alike windows. How to use them,
and what was measured: docs/modalities.md.

What does not belong here: joining vectors with sessions and instruments (`inputs/`).
"""

from __future__ import annotations

from lim_pipelines.modalities.graph import NodeEncoder
from lim_pipelines.modalities.numeric import WindowEncoder
from lim_pipelines.modalities.sentiment import Vader
from lim_pipelines.modalities.text import MiniLM

ENCODERS = {encoder.name: encoder for encoder in (MiniLM, Vader, NodeEncoder, WindowEncoder)}
"""Every encoder there is, by name. A new one is a file beside these and a word here."""

TEXT_ENCODERS = (MiniLM(), Vader())
"""What every text is encoded with."""

__all__ = ["ENCODERS", "TEXT_ENCODERS", "MiniLM", "NodeEncoder", "Vader", "WindowEncoder"]
