"""Embeddings of a checkpoint, computed once and shared by all strategies that leave it as it is.

What does not belong here: what an embedding is (`embedding.py`), heads, decisions (one moment's embeddings
are not kept: nobody asks for them again).

    <models>/<family>/<cutoff>/<digest[:16]>/embeddings/<key>.npy

A file holds embeddings of one series, of rows out of `BLOCK` that follow each other. Its key is the content
of all that they depend on: the checkpoint's weights, the bars that the windows read, which rows they end
at, and the code. So a file is never wrong for its key, strategies need not know of each other, and two
processes that write the same one write the same bits. They lie in their checkpoint's folder and go with it.

A block is embedded the same way whether or not it is kept: no fit depends, to the bit, on what others left.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lim_pipelines.finetune.embedding import CHUNK, Embedded, Encode, Frozen, embed, encoder
from lim_pipelines.finetune.samples import Indices, Samples
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import CODE_VERSION
from lim_pipelines.foundation.folders import sync
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.series import Series

BLOCK = 1024
"""Rows of a series that one file is about: few files, and a new bar spoils one of them only."""


class Shared(Frozen):
    """A backbone that is not trained, for fits: it remembers embeddings, in its checkpoint's folder, too.

    Parameters
    ----------
    backbone
        The checkpoint's model.
    folder
        The checkpoint's folder; None keeps nothing on disk.
    """

    def __init__(self, backbone: FoundationModel, folder: Path | None) -> None:
        super().__init__(backbone)
        self._folder = None if folder is None else folder / checkpoint.EMBEDDINGS
        weights = "" if folder is None else checkpoint.sha256_of_weights(folder)
        self._about = json.dumps([CODE_VERSION, torch.__version__, weights, backbone.config.architecture])

    @torch.no_grad()
    def _compute(self, samples: Samples) -> Embedded:
        self.backbone.eval()
        encode = encoder(self.backbone, samples)

        def by_block(picks: Indices) -> Tensor:
            out = torch.empty(len(picks), self.backbone.config.shape.d_model)
            for rows in _blocks(picks):
                out[torch.from_numpy(rows)] = self._block(encode, samples.series, picks[rows])
            return out

        return embed(by_block, samples.picks, samples.others)

    def _block(self, encode: Encode, series: list[Series], picks: Indices) -> Tensor:
        """Embed windows of one block, or read them."""
        path = None
        if self._folder is not None:
            path = self._folder / f"{self._key(series[picks[0, 0]], picks[:, 1])}.npy"
            found = _read(path, (len(picks), self.backbone.config.shape.d_model))
            if found is not None:
                return found
        fresh = torch.cat([encode(picks[i : i + CHUNK]) for i in range(0, len(picks), CHUNK)])
        if path is not None:
            _write(path, fresh)
        return fresh

    def _key(self, series: Series, rows: Indices) -> str:
        """Hash all that the embeddings of windows ending at some rows, in order, depend on."""
        first = max(int(rows[0]) - self.backbone.config.context + 1, 0)
        read = slice(first, int(rows[-1]) + 1)
        digest = hashlib.sha256(f"{self._about} {series.freq} {series.asset_class}".encode())
        for array in (rows - first, series.values[read], series.calendar[read]):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _blocks(picks: Indices) -> Iterator[Indices]:
    """Yield positions of picks that belong to one block of one series, by their rows."""
    order = np.lexsort((picks[:, 1], picks[:, 0]))
    block = np.stack([picks[order, 0], picks[order, 1] // BLOCK], axis=1)
    edges = np.flatnonzero((np.diff(block, axis=0) != 0).any(axis=1)) + 1
    yield from np.split(order, edges)


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """Read a file; None if there is none, or a damaged one, which is then written again."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    if found.shape != shape or found.dtype != np.float32:
        return None
    return torch.from_numpy(np.array(found))


def _write(path: Path, embeddings: Tensor) -> None:
    """Write a file so that it is there wholly or not at all."""
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f".tmp-{uuid.uuid4().hex}.npy")
    try:
        np.save(fresh, embeddings.numpy(), allow_pickle=False)
        sync(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
