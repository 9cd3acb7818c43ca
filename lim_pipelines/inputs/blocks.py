"""What a block of model inputs is: features, the tables they are read from, and how they are computed.

What does not belong here: any block (a file each beside this one), reading for all of them (`build.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from lim_pipelines.align.standardise import Method
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import Table


@dataclass(frozen=True)
class Feature:
    """One input of a model.

    Parameters
    ----------
    name
        What a strategy's YAML calls it; no two blocks share a name.
    description
        What a value says, with its unit.
    scaling
        How `scaled` is made of it (`align/standardise.py`); None leaves the values as they are.
    width
        Numbers it consists of; more than one for embeddings.
    """

    name: str
    description: str
    scaling: Method | None
    width: int = 1


@dataclass(frozen=True)
class Reads:
    """What blocks may read.

    Parameters
    ----------
    lake
        The lake.
    vectors
        Folder of the vector store.
    """

    lake: Lake
    vectors: Path

    def known_by(self, table: Table, moment: datetime, where: pl.Expr | None = None) -> pl.DataFrame:
        """All revisions of a table's facts that were known at a moment, sorted by row key."""
        known = pl.col("known_at") <= moment
        rows = self.lake.revisions(table, known if where is None else known & where)
        return rows.sort(table.row_key).collect()


@dataclass(frozen=True)
class Block:
    """A group of inputs that are read and computed together.

    Parameters
    ----------
    name
        Its name in `model_inputs`.
    about
        What a row of it is about. `session`: the same for all instruments of an exchange, scaled over the
        sessions before. `instrument`: each its own, scaled among the instruments of the session.
    features
        Its features, in the order of `values`.
    tables
        Tables it reads.
    compute
        Gets what it may read and decisions (columns exchange, date, decided_at, and instrument_id where it is
        about instruments); returns these columns, one a feature (Float64, NaN where nothing is known; lists
        of Float64 for wide ones) and `newest` (`known_at` of the newest fact used, null where nothing is
        known). Each row is made of what was known at its own `decided_at`. Rows may be left out.
    version
        Raise it when the same facts give other values.
    encoder
        Digest of the encoder whose vectors it reads; asked when it is needed, because that may load one.
    """

    name: str
    about: Literal["session", "instrument"]
    features: tuple[Feature, ...]
    tables: tuple[Table, ...]
    compute: Callable[[Reads, pl.DataFrame], pl.DataFrame]
    version: int = 1
    encoder: Callable[[], str] | None = None

    @property
    def width(self) -> int:
        """Length of its `values`."""
        return sum(feature.width for feature in self.features)

    def place(self, name: str) -> range:
        """Where a feature lies in `values`."""
        start = 0
        for feature in self.features:
            if feature.name == name:
                return range(start, start + feature.width)
            start += feature.width
        raise KeyError(f"block {self.name} has no feature {name}; it has {[f.name for f in self.features]}")

    def spec(self) -> str:
        """Digest of the definition: rows of equal digest mean the same."""
        content = {
            "block": self.name,
            "version": self.version,
            "features": [(f.name, f.scaling, f.width) for f in self.features],
            "encoder": "" if self.encoder is None else self.encoder(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
