"""Whether strategies can work with what the lake holds: checked when they are written, not when they run.

What does not belong here: what YAML may say whatever the data (`spec.py`), reading it (`document.py`).

Of what has not come yet nothing is said: a lake without bars of an exchange refuses no strategy on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.finetune.labels import MIN_VOL_SESSIONS
from lim_pipelines.finetune.setting import meant
from lim_pipelines.instruments import instruments
from lim_pipelines.lake import Lake, next_cutoff
from lim_pipelines.schemas import LISTINGS, ONE_PRICE, VALIDATED_BARS
from lim_pipelines.strategies.document import Document, Loc, SpecError
from lim_pipelines.strategies.leaders import FEWEST_SESSIONS
from lim_pipelines.strategies.pair_selection import EVERY
from lim_pipelines.strategies.spec import StrategySpec

_NO_BARS = pl.DataFrame(
    schema={
        **dict.fromkeys(("exchange", "instrument_id", "asset_class"), pl.String),
        "dates": pl.List(pl.Date),
    }
)

FEWEST = 10
"""Decision sessions that a split must leave to fit on, see `finetune/split.py`."""


@dataclass(frozen=True)
class Checked:
    """What was found.

    Parameters
    ----------
    wrong
        What is wrong whatever the data, as `file:line: field: remedy`.
    unfit
        What the lake's data cannot bear, in the same words.
    """

    wrong: tuple[str, ...]
    unfit: tuple[str, ...]


def check(folder: Path, lake: Lake | None) -> Checked:
    """Check every strategy below a folder.

    Parameters
    ----------
    folder
        Folder of `<name>/defs.yaml`.
    lake
        What they are to work with; None checks without data.
    """
    wrong, read = [], []
    for path in sorted(folder.glob("*/defs.yaml")):
        try:
            document = Document(path)
            read.append((document, StrategySpec.of(document)))
        except SpecError as error:
            wrong += str(error).splitlines()
    there, listed = _NO_BARS, set[str]()
    if lake is not None and read:
        there = _history(lake, [spec for _, spec in read])
        listed = {*lake.revisions(LISTINGS).select("instrument_id").collect()["instrument_id"]}
    unfit = [
        document.at(loc, words) for document, spec in read for loc, words in unfit_for(spec, there, listed)
    ]
    return Checked(tuple(wrong), tuple(unfit))


def unfit_for(spec: StrategySpec, there: pl.DataFrame, listed: set[str]) -> Iterator[tuple[Loc, str]]:
    """Say what a strategy asks of the data that they cannot give.

    Parameters
    ----------
    spec
        The strategy.
    there
        Columns exchange, instrument_id, asset_class, dates (list of its sessions, in order): what the lake
        holds of the strategies' exchanges.
    listed
        Instruments of the lake's listings.

    Yields
    ------
    tuple
        Where in `attributes:`, and what to do.
    """
    for place, name in enumerate(spec.universe.instruments):
        words = _unknown(name, {*instruments(), *listed, *there["instrument_id"]}, listed)
        if words:
            yield ("universe", "instruments", place), words
    own = there.filter(spec.universe.rows())
    if own.is_empty():
        here = there.filter(spec.universe.named())
        if here.height:
            classes = ", ".join(here["asset_class"].unique().sort())
            yield (
                ("universe", "asset_classes"),
                f"no instrument is left in it: of these the lake holds {classes} only; widen `asset_classes`",
            )
        return
    name, dates = (
        own.sort(pl.col("dates").list.len(), "instrument_id").select("instrument_id", "dates").row(-1)
    )
    yield from _too_short(spec, name, dates)


def _unknown(name: str, known: set[str], listed: set[str]) -> str:
    """Say that nobody knows an instrument; nothing if its vendor's files may not have come yet."""
    mic, _, own = name.partition(":")
    names = [one.partition(":")[2] for one in known if one.startswith(f"{mic}:")]
    like = meant(own, names)
    if name in known or not (like or any(one.startswith(f"{mic}:") for one in listed)):
        return ""
    return f"{name} is in no listing of {mic}{like}; correct it (like XNYM:WTI), or load a file that has it"


def needed(spec: StrategySpec) -> int:
    """Sessions of an instrument before a cutoff that a training needs at least (`finetune/split.py`)."""
    reach = spec.horizon + 1
    before, behind = FEWEST * spec.fit.sample_every + reach, spec.fit.validation_sessions + reach
    if spec.task == "pairs":  # samples follow a choice of pairs; choices are whole quarters before the cutoff
        return spec.pairs.formation_sessions + -(-(before + behind) // EVERY) * EVERY
    before += max(MIN_VOL_SESSIONS, spec.horizon)
    if spec.task == "lead_lag":  # leaders are screened there
        before = max(before, FEWEST_SESSIONS + spec.leaders.lags + 1)
    return before + behind


def _too_short(spec: StrategySpec, name: str, dates: Sequence[date]) -> Iterator[tuple[Loc, str]]:
    held = f"the lake holds {len(dates)} of {name}, the longest of the universe ({dates[0]} to {dates[-1]})"
    if len(dates) <= spec.horizon + 1:
        yield (
            ("horizon",),
            f"a return over {spec.horizon} sessions is longer than the data: {held}; shorten it, or import"
            " more history (archive)",
        )
    elif len(dates) < needed(spec):
        yield (
            ("fit", "validation_sessions"),
            f"a training needs {needed(spec)} sessions before its cutoff, {held}; lower it, or import more"
            " history (archive)",
        )
    elif spec.cadence.first_cutoff is not None:
        ready = next_cutoff(dates[needed(spec) - 1])
        if spec.cadence.first_cutoff < ready:
            yield (
                ("cadence", "first_cutoff"),
                f"lies before there is enough history: {name}, the longest of the universe, begins {dates[0]}"
                f" and a training needs {needed(spec)} sessions; write {ready} or later, or import more"
                " history (archive)",
            )


def _history(lake: Lake, specs: Sequence[StrategySpec]) -> pl.DataFrame:
    """Sessions of every instrument on the strategies' exchanges; see `unfit_for`."""
    mics = sorted({mic for spec in specs for mic in spec.universe.mics()})
    where = pl.col("exchange").is_in(mics) & (pl.col("freq") == "1d") & pl.col("price_type").is_in(ONE_PRICE)
    rows = lake.revisions(VALIDATED_BARS, where).group_by("exchange", "instrument_id", "asset_class")
    return rows.agg(dates=pl.col("date").unique().sort()).collect()
