"""What a strategy's `features` are at each decision: looked up in the model inputs.

What does not belong here: how inputs come about (`lim_pipelines/inputs`), scaling inside a model (fitted
before the cutoff, stored with each model).
"""

from __future__ import annotations

import math
from datetime import date, datetime

import polars as pl

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.inputs.registry import OWNER
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS

DECISION = ("exchange", "date", "instrument_id")


class MissingInputsError(RuntimeError):
    """Model inputs were never built for sessions that have bars, or by another version of the code."""


def columns_of(spec: ModelSpec) -> list[str]:
    """Columns of a strategy's features: a feature's name, for embeddings with the number's place behind."""
    return [label for name in spec.features for label in _labels(name)]


def _labels(name: str) -> list[str]:
    width = len(OWNER[name].place(name))
    return [name] if width == 1 else [f"{name}.{i}" for i in range(width)]


def read_features(
    lake: Lake, spec: ModelSpec, bars: pl.DataFrame, known_by: datetime, since: date = date.min
) -> pl.DataFrame:
    """Read a strategy's features, each as it was known at its decision.

    Parameters
    ----------
    lake
        Lake to read.
    spec
        Universe and features.
    bars
        Bars of the universe; their sessions must have inputs.
    known_by
        Decisions taken at or before this moment are read.
    since
        First session that is read.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, instrument_id, `columns_of(spec)` (Float64, NaN where nothing was known) and
        known_at, sorted. A decision of which nothing was known has no row.

    Raises
    ------
    MissingInputsError
        Sessions of `bars` that were decided on by then have no inputs, or inputs of another definition.
    """
    columns = columns_of(spec)
    schema = {name: MODEL_INPUTS.schema[name] for name in DECISION}
    schema |= {**dict.fromkeys(columns, pl.Float64()), "known_at": MODEL_INPUTS.schema["known_at"]}
    out = pl.DataFrame(schema=schema)
    if not columns:
        return out
    blocks = {OWNER[name].name: OWNER[name] for name in spec.features}
    wanted = (pl.col("known_at") <= known_by) & (pl.col("date") >= since)
    here = pl.col("exchange").is_in(spec.universe.mics()) & pl.col("block").is_in(sorted(blocks)) & wanted
    _refuse_missing(lake, spec, bars.filter(pl.col("date") >= since), known_by, here, sorted(blocks))
    rows = lake.revisions(MODEL_INPUTS, rows_of_features(spec) & wanted).collect()
    keys = rows.select(*DECISION, "known_at").unique()
    for name in spec.features:
        block = OWNER[name]
        place = block.place(name)
        own = rows.filter(pl.col("block") == block.name)
        _refuse_other_definition(spec, own.filter(pl.col("spec") != block.spec()), block.name)
        picked = own.select(
            *DECISION,
            *(
                pl.col("values").list.get(at).alias(label)
                for at, label in zip(place, _labels(name), strict=True)
            ),
        )
        keys = keys.join(picked, on=DECISION, how="left")
    return keys.select(*schema).with_columns(pl.col(columns).fill_null(math.nan)).sort(DECISION)


def rows_of_features(spec: ModelSpec) -> pl.Expr:
    """Rows of `MODEL_INPUTS` that a strategy's features are looked up in."""
    return spec.universe.named() & pl.col("block").is_in(sorted({OWNER[name].name for name in spec.features}))


def values_of_features(spec: ModelSpec) -> list[pl.Expr]:
    """Values of a strategy's features in a row of `MODEL_INPUTS`, a column each; null in another block's."""
    return [
        pl.when(pl.col("block") == OWNER[name].name).then(pl.col("values").list.get(at)).alias(label)
        for name in spec.features
        for at, label in zip(OWNER[name].place(name), _labels(name), strict=True)
    ]


def _refuse_missing(
    lake: Lake, spec: ModelSpec, bars: pl.DataFrame, known_by: datetime, here: pl.Expr, blocks: list[str]
) -> None:
    """Raise if a session with bars was never built: its features would be NaN, and nobody would know why."""
    lag = {mic: get_exchange(mic).decision_lag for mic in spec.universe.mics()}
    decided_at = pl.col("ts") + pl.col("exchange").replace_strict(lag, return_dtype=pl.Duration("us"))
    sessions = bars.filter(decided_at <= known_by).select("exchange", "date").unique()
    built = lake.revisions(INPUT_SCALES, here).select("exchange", "date", "block").unique().collect()
    wanted = sessions.join(pl.DataFrame({"block": blocks}), how="cross")
    missing = wanted.join(built, on=["exchange", "date", "block"], how="anti").sort("exchange", "date")
    if missing.height:
        raise MissingInputsError(f"strategy {spec.name}: {_named(missing, 'never built')}")


def _refuse_other_definition(spec: ModelSpec, rows: pl.DataFrame, block: str) -> None:
    if rows.height:
        what = f"built with another definition of block {block}"
        raise MissingInputsError(f"strategy {spec.name}: {_named(rows.sort('exchange', 'date'), what)}")


def _named(sessions: pl.DataFrame, what: str) -> str:
    """Partitions and remedy in words, by the first exchange concerned."""
    mic = sessions["exchange"][0]
    days = sessions.filter(pl.col("exchange") == mic)["date"].unique().sort()
    return (
        f"model_inputs of {len(days)} sessions of {mic} with bars were {what}, {days[0]}|{mic} to"
        f" {days[-1]}|{mic}; materialise model_inputs for these partitions and, for what lies before the"
        f" first of them, archive_inputs, partition {mic}"
    )
