"""What a user names on the command line: a report, models of a cutoff, or rows of a table.

What does not belong here: looking it up further than is needed to know what is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.foundation import checkpoint
from lim_pipelines.places import Places
from lim_pipelines.schemas import TABLES, VALIDATED_BARS, Table

BOARD = "leaderboard"
"""Name of the page of all strategies, and of the asset that writes it."""

_SUFFIXES = ("_model", "_targets", "_backtest")
"""Names of a strategy's assets in Dagster, behind the strategy's own."""


class SubjectError(ValueError):
    """What was asked for is not there or not understood; the message says what is."""


@dataclass(frozen=True)
class Report:
    """The backtest of a strategy, and its report."""

    strategy: str


@dataclass(frozen=True)
class Board:
    """The leaderboard: the reports of all strategies."""

    strategies: tuple[str, ...]


@dataclass(frozen=True)
class Models:
    """A checkpoint folder: of a foundation family or of a strategy.

    Parameters
    ----------
    name, cutoff
        Family or strategy, and cutoff.
    folder
        The folder.
    """

    name: str
    cutoff: date
    folder: Path


@dataclass(frozen=True)
class Rows:
    """Rows of a table.

    Parameters
    ----------
    table
        The table.
    key
        Column of its partition key to the value asked for; columns that are left out may have any.
    """

    table: Table
    key: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> pl.Expr:
        """Filter of the rows."""
        return pl.all_horizontal(pl.lit(True), *(pl.col(name) == value for name, value in self.key.items()))

    def __str__(self) -> str:
        # As Dagster writes it: dimensions by their names, a date before its exchange.
        key = "|".join(str(self.key[name]) for name in sorted(self.key))
        return f"{self.table.name}@{key}" if key else self.table.name


Subject = Report | Board | Models | Rows


def find(text: str, places: Places) -> Subject:
    """Find out what is meant.

    Parameters
    ----------
    text
        `wti_transfer` or `reports/wti_transfer.html`; `leaderboard`; `wti_transfer@2018-06-01`,
        `foundation_checkpoint@2018-06-01` or a checkpoint's folder; `2018-06-01|XNAS`,
        `model_inputs@2018-06-01|XNAS` or `entity_links`.
    places
        Where to look.

    Raises
    ------
    SubjectError
        It is none of these, or not there.
    """
    text = text.strip()
    if text.endswith(".html"):
        return _report(Path(text).stem, places)
    for folder in (Path(text), places.models / text):
        if (folder / checkpoint.META).is_file():
            return _folder(folder.resolve())
    name, at, key = text.partition("@")
    if name in TABLES:
        return Rows(TABLES[name], partition_of(TABLES[name], key) if at else {})
    if at:
        return _of_cutoff(name, key, places)
    if "|" in text or re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return Rows(VALIDATED_BARS, partition_of(VALIDATED_BARS, text))
    return _report(_strategy(name), places)


def partition_of(table: Table, key: str) -> dict[str, Any]:
    """Read a partition key as Dagster writes it, such as `2018-06-01|XNAS`, or a part of one.

    Raises
    ------
    SubjectError
        It does not fit the table's partition key.
    """
    left, found = list(table.partition_key), {}
    for part in key.split("|"):
        for name in left:
            value = _cast(part, table.schema[name])
            if value is not None:
                found[name] = value
                left.remove(name)
                break
        else:
            raise SubjectError(
                f"{table.name}@{key}: {part!r} is no part of its partition key"
                f" {' | '.join(table.partition_key)}; write it as Dagster does, such as"
                " validated_bars@2018-06-01|XNAS or macro series validated_macro@vix"
            )
    return {name: found[name] for name in table.partition_key if name in found}


def _cast(text: str, dtype: pl.DataType) -> Any:
    """Value of a part of a key; None if it is not of that type."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if dtype == pl.Date:
        return day
    if dtype.is_integer():
        return int(text) if text.isdigit() else None
    return text if text and day is None and dtype == pl.String else None


def _strategy(name: str) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _of_cutoff(name: str, key: str, places: Places) -> Subject:
    family = name if (places.models / name).is_dir() else _strategy(name)
    if not (places.models / family).is_dir():
        raise _unknown(name, places)
    there = checkpoint.cutoffs(places.models, family)
    try:
        cutoff = date.fromisoformat(key)
    except ValueError as error:
        raise SubjectError(f"{name}@{key}: {key!r} is no cutoff; {_cutoffs(family, there)}") from error
    folder = checkpoint.resolve(places.models, family, cutoff)
    if folder is None:
        raise SubjectError(
            f"{name}@{key}: {places.models / family} has no checkpoint of that cutoff;"
            f" {_cutoffs(family, there)}"
        )
    return Models(family, cutoff, folder)


def _cutoffs(family: str, there: list[date]) -> str:
    if not there:
        return f"{family} has none yet: materialise it"
    return f"{family} has {len(there)}: {there[0]} to {there[-1]}"


def _folder(folder: Path) -> Models:
    try:
        cutoff = date.fromisoformat(folder.parent.name)
    except ValueError as error:
        raise SubjectError(
            f"{folder}: a checkpoint lies in <models>/<name>/<cutoff>/<digest>, not here"
        ) from error
    return Models(folder.parents[1].name, cutoff, folder)


def _report(strategy: str, places: Places) -> Report | Board:
    if strategy == BOARD and strategies(places):
        return Board(tuple(strategies(places)))
    if (places.reports / f"{strategy}.html").is_file() or strategy in strategies(places):
        return Report(strategy)
    raise _unknown(strategy, places)


def strategies(places: Places) -> list[str]:
    """Names of the strategies that have a backtest."""
    rows = places.lake().revisions(TABLES["scores"]).select(pl.col("strategy").unique()).collect()
    return sorted(rows["strategy"].to_list())


def _unknown(name: str, places: Places) -> SubjectError:
    models = sorted(path.name for path in places.models.glob("*") if path.is_dir())
    return SubjectError(
        f"{name!r} is nothing that {places.root} holds. Reports: {', '.join(strategies(places)) or 'none'}."
        f" Checkpoints (name@cutoff): {', '.join(models) or 'none'}. Tables (name or name@partition):"
        f" {', '.join(sorted(TABLES))}. Partitions of validated_bars: 2018-06-01|XNAS."
        " Another home: --home or $LIM_HOME"
    )
