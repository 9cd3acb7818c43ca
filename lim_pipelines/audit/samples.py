"""Contexts, features and labels of one decision, when what lies behind it, or before it, is changed.

What a decision sees must not change with the bars behind it; what it is judged by must not change with the
bars up to its own close, since it is filled at the next one. Both are tried on the functions that training
and decisions share, with bars that are really different.

What does not belong here: which rows were read (`checkpoints.py`), whole decisions (`targets.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines.audit.compare import alike
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import TooLittleHistoryError
from lim_pipelines.foundation.data import Bars, series_of
from lim_pipelines.foundation.series import Series, iso
from lim_pipelines.foundation.windows import WindowStore
from lim_pipelines.strategies.registry import TASKS

if TYPE_CHECKING:
    from lim_pipelines.foundation.inference import LIM

_LABEL_TOLERANCE = 1e-9
"""A label is a difference of running sums: what went before stays in its last bits."""

_OTHER = 1.37
"""What prices are multiplied with where the world is another."""

_OTHER_FACTOR = 0.999
"""What adjustment factors are multiplied with there. Multiplied up over all sessions they stay finite."""


def leaks_of_samples(
    spec: ModelSpec, bars: pl.DataFrame, inputs: pl.DataFrame, context: int, selection: Selection
) -> list[str]:
    """Try the samples of one decision session, in the middle of those that have labels.

    Parameters
    ----------
    spec
        Universe, horizon and features.
    bars, inputs
        As from `finetune.plan.read_inputs`: what was known at a cutoff.
    context
        L_X, in bars.
    selection
        What the task chose at the cutoff.

    Returns
    -------
    list of str
        What looks ahead, in words.
    """

    def made(seen: pl.DataFrame, features: pl.DataFrame, days: list[date] | None = None) -> Samples:
        return TASKS[spec.task].samples(spec, seen, features, selection, days)

    everything = made(bars, inputs)
    days = everything.frame["date"].filter(pl.Series(np.isfinite(everything.label))).unique().sort()
    if days.is_empty():
        return []
    day = days[len(days) // 2]
    asked = [day]
    here = made(bars, inputs, asked)
    after = made(_changed(bars, pl.col("date") > day), _other_inputs(inputs, day), asked)
    before = made(_changed(bars, pl.col("date") <= day), inputs, asked)
    if not len(here) and not len(after):
        return []
    if not here.frame.select("instrument_id", "date").equals(after.frame.select("instrument_id", "date")):
        return [f"{day}: which instruments are samples depends on later bars"]
    return [
        f"{day}: {what} of a sample changes with bars or inputs that came later"
        for what, one, other in _seen(here, after, context)
        if not np.array_equal(one, other, equal_nan=True)
    ] + _labels(day, here, before)


def leaks_of_selection(spec: ModelSpec, bars: pl.DataFrame, selection: Selection) -> list[str]:
    """Choose again what the task chose before its models were fitted.

    Parameters
    ----------
    spec, bars, selection
        As for `leaks_of_samples`.

    Returns
    -------
    list of str
        What was chosen otherwise, in words.
    """
    again = TASKS[spec.task].select(spec, bars)
    found = [
        f"what was chosen ({name}) is not what the bars that were known at the cutoff give"
        for name in Selection.model_fields
        if not alike(again.model_dump()[name], selection.model_dump()[name])
    ]
    for past in selection.formations[-2:-1]:
        # Where nothing was to be fitted on before it, the choice cannot be made as of then.
        with suppress(TooLittleHistoryError):
            then = TASKS[spec.task].select(spec, bars.filter(pl.col("date") < past.since)).formations[-1]
            if not alike(then.model_dump()["pairs"], past.model_dump()["pairs"]):
                found.append(f"pairs of {past.since} are not those that the bars before it give")
    return found


def leaks_of_contexts(bars: Bars) -> list[str]:
    """Try one context in the middle of each series, made of bars as pretraining makes it.

    Parameters
    ----------
    bars
        Bars of some instruments.

    Returns
    -------
    list of str
        What looks ahead, in words.
    """
    context, horizon = bars.config.context, bars.config.horizon
    found = []
    for here, after, end in _worlds(bars):
        pick = np.array([[0, end]])
        one, other = (WindowStore([each], context, horizon).batch(pick) for each in (here, after))
        if not np.array_equal(one.values, other.values, equal_nan=True) or not np.array_equal(
            one.calendar, other.calendar
        ):
            found.append(f"{_middle(here, end)}: the context changes with the bars behind it")
    return found


def leaks_of_inference(lim: LIM, bars: Bars) -> list[str]:
    """Try what a model says of one context in the middle of each series: embedding and forecast, every bit.

    Parameters
    ----------
    lim
        The model.
    bars
        Bars of some instruments.

    Returns
    -------
    list of str
        What looks ahead, in words.
    """
    found = []
    for here, after, end in _worlds(bars):
        ends = np.array([end])
        for what, say in (("embedding", lim.embed_series), ("forecast", lim.forecast_series)):
            if not np.array_equal(say(here, ends), say(after, ends), equal_nan=True):
                found.append(f"{_middle(here, end)}: the {what} changes with the bars behind the context")
    return found


def _worlds(bars: Bars) -> Iterator[tuple[Series, Series, int]]:
    """Yield each series, the same where all bars behind its middle are others, and the middle's row.

    The bars are changed, not the series: what looks ahead may do so where series are made.
    """
    here = series_of(bars)
    after: dict[int, dict[tuple[str, str], Series]] = {}
    for one in here:
        end = len(one) // 2
        moment = int(one.ts[end])
        if moment not in after:
            later = pl.col("ts").dt.epoch("us") > moment
            changed = series_of(replace(bars, frame=_changed(bars.frame, later)))
            after[moment] = {(each.instrument_id, each.freq): each for each in changed}
        yield one, after[moment][one.instrument_id, one.freq], end


def _middle(series: Series, end: int) -> str:
    return f"{series.instrument_id} {series.freq}, {iso(int(series.ts[end]))}"


def sample_of(bars: Bars) -> Bars:
    """Keep the first instrument of each exchange and frequency: windows of all are cut by the same code."""
    first = pl.col("instrument_id") == pl.col("instrument_id").min().over("exchange", "freq")
    return replace(bars, frame=bars.frame.filter(first))


def _seen(here: Samples, after: Samples, context: int) -> list[tuple[str, Any, Any]]:
    """Everything that a model sees of samples, in two worlds."""
    one, other = (WindowStore(each.series, context, 1).batch(each.picks) for each in (here, after))
    there, then = (each.others[..., 1] >= 0 for each in (here, after))
    beside, behind = (
        WindowStore(each.series, context, 1).batch(each.others[known]).values
        for each, known in ((here, there), (after, then))
    )
    return [
        ("which related instruments stand beside it", there, then),
        ("the context of a related instrument", beside, behind),
        ("the context", one.values, other.values),
        ("the calendar", one.calendar, other.calendar),
        ("a feature", here.features, after.features),
        ("the volatility", here.volatility, after.volatility),
        ("the past return", here.past_return, after.past_return),
        ("the trend", here.trend, after.trend),
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
    """Bars with other prices, volumes and adjustment factors where the condition holds."""
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
