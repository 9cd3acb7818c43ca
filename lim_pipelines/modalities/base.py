"""What every encoder is: a name, a width, a digest of what makes its numbers, and `encode`.

What does not belong here: any one modality (a file each beside this one), where vectors are kept
(`store.py`).

A row of the answer depends on its own item alone, to the last bit: not on the items encoded with it. Were it
otherwise, a text that is known tomorrow could change a number of yesterday.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Batch = TypeVar("Batch", contravariant=True)


class Encoder(Protocol[Batch]):
    """Items of one modality to vectors."""

    @property
    def name(self) -> str:
        """Short name, part of a table's name."""

    @property
    def width(self) -> int:
        """Numbers a vector, d."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over everything that makes the numbers: package, version, settings."""

    def encode(self, batch: Batch) -> Floats:
        """Encode n items.

        Parameters
        ----------
        batch
            Items, as the modality says: texts, names of nodes, windows of numbers.

        Returns
        -------
        (n, d) float32
            A row an item, in their order.
        """


class MissingExtraError(ImportError):
    """An optional package is not installed.

    Parameters
    ----------
    package
        What is missing.
    extra
        Extra of lim-pipelines that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; remedy: pip install 'lim-pipelines[{extra}]'")


def digest_of(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
