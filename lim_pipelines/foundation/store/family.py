"""What one family of checkpoints is shown at one cutoff.

What does not belong here: how the store is brought up to date (`updating.py`), the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.foundation.checkpoint import DataRead, Group
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import NoBarsError
from lim_pipelines.foundation.series import iso
from lim_pipelines.foundation.store.index import Index, cell, cells_of
from lim_pipelines.foundation.store.mapped import MappedWindows
from lim_pipelines.foundation.store.shelf import Shelf
from lim_pipelines.foundation.store.updating import update
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.schemas import VALIDATED_BARS


@dataclass(frozen=True)
class Shown:
    """Series of a family as of a cutoff.

    Parameters
    ----------
    config
        The family.
    index
        Index of the cutoff.
    """

    config: FoundationConfig
    index: Index

    @property
    def digest(self) -> str:
        """Content hash: `digest_of` of the family's series."""
        return self.index.digest(self.config)

    @property
    def rows(self) -> int:
        """Bars in all."""
        return int(self.index.of(self.config)["length"].sum())

    def windows(self) -> MappedWindows:
        """Map them, to draw windows from."""
        config = self.config
        return MappedWindows(
            Shelf(self.index.folder), self.index.of(config), config.context, config.horizon, config.coarse
        )

    def data_read(self) -> DataRead:
        """Describe them, for the checkpoint's meta."""
        groups = self.index.of(self.config).group_by("exchange", "freq", maintain_order=True)
        found = groups.agg(
            instruments=pl.len(),
            rows=pl.col("length").sum(),
            first_ts=pl.col("first_ts").min(),
            last_ts=pl.col("last_ts").max(),
        ).sort("exchange", "freq")
        return DataRead(
            table=VALIDATED_BARS.name,
            lake_version=min(self.index.cells[cell(*one)] for one in cells_of(self.config)),
            as_of=midnight(self.index.cutoff).isoformat(),
            fingerprint=self.digest,
            rows=self.rows,
            groups=tuple(
                Group(**{**row, "first_ts": iso(row["first_ts"]), "last_ts": iso(row["last_ts"])})
                for row in found.iter_rows(named=True)
            ),
        )


def shown(lake: Lake, root: Path, config: FoundationConfig, cutoff: date) -> Shown:
    """Bring the store to a cutoff and show a family its series.

    Parameters
    ----------
    lake, root, cutoff
        As for `update`.
    config
        The family.

    Raises
    ------
    NoBarsError
        The lake has nothing for the family as of the cutoff.
    LookAheadError
        A bar was not known at the cutoff.
    """
    found = Shown(config, update(lake, root, cells_of(config), cutoff)[0])
    if not found.rows:
        raise NoBarsError.of(lake, config, cutoff)
    return found
