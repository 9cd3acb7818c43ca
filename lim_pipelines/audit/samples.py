"""Contexts, features and labels of one decision, when what lies behind it, or before it, is changed.

What a decision sees must not change with the bars behind it; what it is judged by must not change with the
bars up to its own close, since it is filled at the next one. Both are tried on the functions that training
and decisions share, with bars that are really different.

What does not belong here: which rows were read (`checkpoints.py`), whole decisions (`targets.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines.finetune.samples import Samples, build_samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import Bars
from lim_pipelines.foundation.series import Series
from lim_pipelines.foundation.windows import WindowStore

if TYPE_CHECKING:
    from lim_pipelines.foundation.inference import LIM

_LABEL_TOLERANCE = 1e-9
"""A label is a difference of running sums: what went before stays in its last bits."""

_OTHER = 1.37
"""What prices are multiplied with where the world is another."""

_OTHER_FACTOR = 0.999
"""What adjustment factors are multiplied with there. Multiplied up over all sessions they stay finite."""


def leaks_of_samples(spec: ModelSpec, bars: pl.DataFrame, inputs: pl.DataFrame, context: int) -> list[str]:
    """Try the samples of one decision session, in the middle of those that have labels.

    Parameters
    ----------
    spec
        Universe, horizon and features.
    bars, inputs
        As from `finetune.train.read_inputs`: what was known at a cutoff.
    context
        L_X, in bars.

    Returns
    -------
    list of str
        What looks ahead, in words.
    """
    everything = build_samples(spec, bars, inputs)
    days = everything.frame["date"].filter(pl.Series(np.isfinite(everything.label))).unique().sort()
    if days.is_empty():
        return []
    day = days[len(days) // 2]
    asked = [day]
    here = build_samples(spec, bars, inputs, asked)
    after = build_samples(spec, _changed(bars, pl.col("date") > day), _other_inputs(inputs, day), asked)
    before = build_samples(spec, _changed(bars, pl.col("date") <= day), inputs, asked)
    if not here.frame.select("instrument_id", "date").equals(after.frame.select("instrument_id", "date")):
        return [f"{day}: which instruments are samples depends on later bars"]
    return [
        f"{day}: {what} of a sample changes with bars or inputs that came later"
        for what, one, other in _seen(here, after, context)
        if not np.array_equal(one, other, equal_nan=True)
    ] + _labels(day, here, before)


def leaks_of_contexts(series: Sequence[Series], config: FoundationConfig) -> list[str]:
    """Try one window in the middle of each series, as pretraining cuts it.

    Parameters
    ----------
    series
        Some series.
    config
        Context and horizon.

    Returns
    -------
    list of str
        What looks ahead, in words.
    """
    return [
        f"{one.instrument_id} {one.freq}: the context that ends {len(one) // 2} bars after the first changes"
        " with the bars behind it"
        for one in series
        if not _same_context(one, config)
    ]


def leaks_of_inference(lim: LIM, series: Sequence[Series]) -> list[str]:
    """Try what a model says of one window in the middle of each series: embedding and forecast, every bit.

    Parameters
    ----------
    lim
        The model.
    series
        Some series.

    Returns
    -------
    list of str
        What looks ahead, in words.
    """
    found = []
    for one in series:
        middle = len(one) // 2
        ends, other = np.array([middle]), _later(one, middle)
        for what, say in (("embedding", lim.embed), ("forecast", lim.forecast)):
            if not np.array_equal(say(one, ends), say(other, ends), equal_nan=True):
                found.append(
                    f"{one.instrument_id} {one.freq}: the {what} changes with bars behind the context"
                )
    return found


def sample_of(bars: Bars) -> Bars:
    """Keep the first instrument of each exchange and frequency: windows of all are cut by the same code."""
    first = pl.col("instrument_id") == pl.col("instrument_id").min().over("exchange", "freq")
    return replace(bars, frame=bars.frame.filter(first))


def _seen(here: Samples, after: Samples, context: int) -> list[tuple[str, Any, Any]]:
    """Everything that a model sees of samples, in two worlds."""
    one, other = (WindowStore(each.series, context, 1).batch(each.picks) for each in (here, after))
    return [
        ("the context", one.values, other.values),
        ("the calendar", one.calendar, other.calendar),
        ("a feature", here.features, after.features),
        ("the volatility", here.volatility, after.volatility),
        ("the past return", here.past_return, after.past_return),
    ]


def _labels(day: date, here: Samples, before: Samples) -> list[str]:
    """Compare labels in two worlds that differ up to the decision's own close."""
    label = before.frame.select("instrument_id", "date").with_columns(other=pl.Series(before.label))
    both = (
        here.frame.select("instrument_id", "date")
        .with_columns(label=pl.Series(here.label))
        .join(label, on=["instrument_id", "date"])
        .filter(pl.col("label").is_finite())
    )
    far = both.filter((pl.col("label") - pl.col("other")).abs() > _LABEL_TOLERANCE)
    if far.is_empty():
        return []
    return [
        f"{day}: the label of {far['instrument_id'][0]} changes with the decision's own close: it is filled"
        " at a price that the decision sees"
    ]


def _changed(bars: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    """Bars with other prices, volumes and adjustment factors on some dates."""
    prices = [pl.col(name) * _OTHER for name in ("open", "high", "low", "close")]
    other = [*prices, pl.col("volume") * 3.0, pl.col("ex_factor") * _OTHER_FACTOR]
    return bars.with_columns(
        pl.when(where)
        .then(column)
        .otherwise(pl.col(column.meta.output_name()))
        .alias(column.meta.output_name())
        for column in other
    )


def _other_inputs(inputs: pl.DataFrame, day: date) -> pl.DataFrame:
    features = [name for name, dtype in inputs.schema.items() if dtype == pl.Float64]
    return inputs.with_columns(
        pl.when(pl.col("date") > day).then(pl.col(name) * 2.0 + 1.0).otherwise(name).alias(name)
        for name in features
    )


def _later(series: Series, row: int) -> Series:
    """Return the series with other values behind a row."""
    values = series.values.copy()
    values[row + 1 :] = values[row + 1 :] * 3.0 + 0.5
    return replace(series, values=values)


def _same_context(series: Series, config: FoundationConfig) -> bool:
    middle = len(series) // 2
    picks = np.array([[0, middle]])
    one, other = (
        WindowStore([each], config.context, config.horizon).batch(picks)
        for each in (series, _later(series, middle))
    )
    return np.array_equal(one.values, other.values, equal_nan=True) and np.array_equal(
        one.calendar, other.calendar
    )
