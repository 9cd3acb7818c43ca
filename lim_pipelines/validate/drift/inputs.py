"""What is watched of model inputs: each feature by itself, and each block as a whole.

What does not belong here: what the features are (`lim_pipelines/inputs`), comparing (`distances.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import MODEL_INPUTS
from lim_pipelines.validate.drift.observations import MOST_INSTRUMENTS, sample_of
from lim_pipelines.validate.drift.windows import MOST_STRETCHES, RECENT_SESSIONS

EVERY_CLASS = "all"
"""Asset class of features that are the same for all instruments of an exchange."""

_MOST_VALUES = 20_000_000
_DAYS = timedelta(days=int(1.5 * (MOST_STRETCHES + 1) * RECENT_SESSIONS))


@dataclass(frozen=True)
class WatchedBlock:
    """A block of model inputs.

    Parameters
    ----------
    name
        Its name in `model_inputs`.
    features
        Where each feature lies in `values`.
    shared
        Whether it is the same for all instruments of an exchange.
    """

    name: str
    features: dict[str, range]
    shared: bool

    @property
    def width(self) -> int:
        """Length of `values`."""
        return sum(len(place) for place in self.features.values())


def read_inputs(
    lake: Lake, exchange: str, block: WatchedBlock, newest: date, classes: dict[str, str]
) -> pl.DataFrame:
    """Read a block's rows of both windows, of a sample of instruments.

    Parameters
    ----------
    lake
        Where the inputs lie.
    exchange
        Market identifier.
    block
        The block.
    newest
        Newest session of the exchange.
    classes
        Asset class of the instruments whose bars are watched.

    Returns
    -------
    pl.DataFrame
        asset_class, date, instrument_id, values; of the newest definition of the block only; sorted. A
        shared block has one row a session.
    """
    sessions = (MOST_STRETCHES + 1) * RECENT_SESSIONS
    most = 1 if block.shared else min(MOST_INSTRUMENTS, max(1, _MOST_VALUES // (sessions * block.width)))
    names: list[str] = []
    for kind in sorted(set(classes.values())):
        names += sample_of((name for name, of in classes.items() if of == kind), most)
    where = (
        (pl.col("exchange") == exchange)
        & (pl.col("block") == block.name)
        & (pl.col("date") > newest - _DAYS)
        & (pl.col("date") <= newest)
        & (pl.lit(block.shared) | pl.col("instrument_id").is_in(names))
        & (pl.col("values").list.len() == block.width)
    )
    columns = ("date", "instrument_id", "values", "spec")
    rows = lake.read(MODEL_INPUTS, as_of=LATEST, where=where).select(columns)
    if block.shared:
        rows = rows.group_by("date").agg(pl.all().sort_by("instrument_id").first())
    found = rows.sort("date", "instrument_id").collect()
    kind_of = pl.lit(EVERY_CLASS) if block.shared else _classes(classes)
    # What another definition made is no drift of the world.
    same = found.filter(pl.col("spec") == pl.col("spec").last())
    return same.select(kind_of.alias("asset_class"), "date", "instrument_id", "values")


def _classes(classes: dict[str, str]) -> pl.Expr:
    return pl.col("instrument_id").replace_strict(classes, default=None, return_dtype=pl.String)
