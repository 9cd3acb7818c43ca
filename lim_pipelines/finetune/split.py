"""Which samples are fitted on and which are held out, all of it before the cutoff.

What does not belong here: models, and anything behind the cutoff: bars are read as of it, so a label that
was not known by then is not there.

The held-out tail is purged: no label that is fitted on reaches past the first held-out decision's fill, so
the two share no return (Lopez de Prado 2018, Advances in Financial Machine Learning, section 7.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec


class TooLittleHistoryError(ValueError):
    """There are too few samples before the cutoff; the message says how many and what to change."""


@dataclass(frozen=True)
class Split:
    """Rows of `Samples` by what they are for.

    Parameters
    ----------
    fit, validation
        Row numbers.
    purged_sessions
        Sessions between both that are in neither.
    judged
        Sessions behind the validation that neither may touch: a retrained model is judged on them
        (`promotion.py`). None of their rows is in either.
    """

    fit: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    purged_sessions: int
    judged: tuple[date, ...] = ()


def split(spec: ModelSpec, samples: Samples, cutoff: date) -> Split:
    """Split samples into those fitted on and the purged validation tail.

    Parameters
    ----------
    spec
        Horizon and fit settings.
    samples
        Samples known at the cutoff.
    cutoff
        The cutoff, for messages.

    Raises
    ------
    TooLittleHistoryError
        Fewer than ten decision sessions are left to fit on or to validate on.
    """
    known = np.isfinite(samples.label)
    dates = samples.frame["date"].filter(pl.Series(known)).unique().sort().to_list()
    purge = spec.horizon + 1
    held_out = dates[-spec.fit.validation_sessions :]
    kept = min(spec.fit.judged(spec.horizon), len(held_out))
    judged = tuple(held_out[len(held_out) - kept :])
    if judged:
        held_out = held_out[: max(len(held_out) - kept - purge, 0)]
    before = dates[: max(len(dates) - spec.fit.validation_sessions - purge, 0)]
    if spec.fit.history_sessions is not None:
        before = before[-spec.fit.history_sessions :]
    every = spec.fit.sample_every
    # Counted backwards, so that the newest sessions are always among them.
    held_out, before = held_out[::-1][::every][::-1], before[::-1][::every][::-1]
    if min(len(before), len(held_out)) < 10:
        raise TooLittleHistoryError(
            f"strategy {spec.name}, cutoff {cutoff}: {len(dates)} labelled sessions leave {len(before)} to"
            f" fit on and {len(held_out)} to validate on, 10 of each are needed; take a later cutoff, import"
            f" more history (archive), or lower fit.validation_sessions ({spec.fit.validation_sessions}),"
            f" fit.judged_sessions ({len(judged)}) or horizon ({spec.horizon})"
        )
    day, label_end = samples.frame["date"], samples.frame["label_end"]
    # An instrument that skips sessions has labels that reach further than the purge.
    in_time = (label_end < held_out[0]).fill_null(False).to_numpy()
    stopped = np.ones(len(day), dtype=bool)
    if judged:
        stopped = (label_end < judged[0]).fill_null(False).to_numpy()
    return Split(
        np.flatnonzero(known & in_time & day.is_in(before).to_numpy()),
        np.flatnonzero(known & stopped & day.is_in(held_out).to_numpy()),
        purge,
        judged,
    )


def windows_of(samples: Samples, parts: Split) -> dict[str, Any]:
    """Say what is fitted on and what is validated on, for `meta.json`.

    Read off the rows themselves, not off what the split intended: an audit compares the two.

    Returns
    -------
    dict
        purged_sessions; of `fit` and `validation` the first and last decision session, under
        `<part>_rows` the number of samples, under `<part>_sessions` that of decision sessions, and under
        `<part>_labels_end` the last session whose close a label reaches to; `judged` the first and last
        session that neither touches, empty where there are none.
    """
    out: dict[str, Any] = {"purged_sessions": parts.purged_sessions}
    out["judged"] = [day.isoformat() for day in parts.judged[:: max(len(parts.judged) - 1, 1)]]
    for name, rows in (("fit", parts.fit), ("validation", parts.validation)):
        frame = samples.at(rows).frame
        first, last, end = frame.select(
            first=pl.col("date").min(), last=pl.col("date").max(), end=pl.col("label_end").max()
        ).row(0)
        out[name] = [first.isoformat(), last.isoformat()]
        out[f"{name}_rows"] = frame.height
        out[f"{name}_sessions"] = frame["date"].n_unique()
        out[f"{name}_labels_end"] = end.isoformat()
    return out
