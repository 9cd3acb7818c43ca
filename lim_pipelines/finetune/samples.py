"""Samples of a strategy: windows of its instruments, what was known beside them, and what came of them.

What does not belong here: models (`heads.py`, `ridge.py`, `persistence.py`), reading the lake
(`train.py`). No torch.

Training and decisions make their samples with the same function, from the bars that were known at the
moment: as of the cutoff, or as of the decision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.finetune.features import DECISION, columns_of
from lim_pipelines.finetune.labels import daily_returns, with_labels
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.trend import trends
from lim_pipelines.foundation.series import Series, build_series

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """N samples: one is an instrument at a decision session.

    Parameters
    ----------
    series
        The instruments' daily series; windows are taken from them.
    frame
        Columns exchange, instrument_id, date, label_end (session whose close ends the label, null where it
        is not known); N rows, sorted by date and instrument.
    picks
        Window of each sample, shape (N, 2): position of its series, row of its last context bar.
    others
        Windows of related instruments, shape (N, K, 2), as in `picks`; row -1 where there is none.
    features
        Features as known at the decision, shape (N, F); NaN where nothing was known.
    label
        Log total return over the horizon, shape (N,); NaN where it is not known.
    volatility
        Trailing standard deviation of a session's log return, shape (N,).
    past_return
        Log total return of the last `horizon` sessions, shape (N,).
    trend
        Where each has gone lately, shape (N, T); `trend.py`.
    """

    series: list[Series]
    frame: pl.DataFrame
    picks: Indices
    others: Indices
    features: Floats
    label: Floats
    volatility: Floats
    past_return: Floats
    trend: Floats

    def __len__(self) -> int:
        return self.frame.height

    def at(self, rows: npt.NDArray[Any]) -> Samples:
        """Return the samples of some rows (indices or a mask)."""
        mask = np.asarray(rows)
        index = np.flatnonzero(mask) if mask.dtype == bool else mask
        return replace(
            self,
            frame=self.frame[index.tolist()] if len(index) else self.frame.clear(),
            picks=self.picks[index],
            others=self.others[index],
            features=self.features[index],
            label=self.label[index],
            volatility=self.volatility[index],
            past_return=self.past_return[index],
            trend=self.trend[index],
        )

    def scale(self, horizon: int) -> Floats:
        """Return the expected size of the return over the horizon, shape (N,).

        It is the volatility of a session times the root of the horizon's sessions.

        Models are fitted on labels over this scale, so that calm and wild years weigh alike.
        """
        return np.asarray(self.volatility * np.sqrt(horizon))

    def groups(self) -> Indices:
        """Return the number of each sample's decision session, its cross-section, shape (N,)."""
        return self.frame["date"].rank("dense").cast(pl.Int64).to_numpy() - 1


def demean(values: Floats, groups: Indices) -> Floats:
    """Subtract each group's mean.

    Parameters
    ----------
    values
        Shape (N,) or (N, k).
    groups
        Group numbers from 0, shape (N,).
    """
    counts = np.bincount(groups)
    if values.ndim == 1:
        return np.asarray(values - (np.bincount(groups, weights=values) / counts)[groups])
    return np.stack([demean(column, groups) for column in values.T], axis=1)


def build_samples(
    spec: ModelSpec, bars: pl.DataFrame, inputs: pl.DataFrame, sessions: list[date] | None = None
) -> Samples:
    """Make all samples that some bars allow.

    Parameters
    ----------
    spec
        Universe, horizon and features.
    bars
        Bars as in `VALIDATED_BARS` as they were known at one moment, one revision a bar.
    inputs
        Features by decision, as from `features.read_features`; each sample gets its own decision's.
    sessions
        Decision sessions to make samples of; None makes all.

    Returns
    -------
    Samples
        Those with enough history for a volatility. Empty if there is none.
    """
    bars = bars.filter((pl.col("freq") == spec.frequency) & spec.universe.rows())
    return samples_of(bars, inputs, columns_of(spec), spec.horizon, sessions)


def samples_of(
    bars: pl.DataFrame,
    inputs: pl.DataFrame,
    columns: list[str],
    horizon: int,
    sessions: list[date] | None = None,
) -> Samples:
    """Make samples of all instruments of some bars, whichever strategy they are for.

    Parameters
    ----------
    bars
        Bars of one frequency, as for `build_samples`.
    inputs, columns
        Features by decision, and which of their columns are taken.
    horizon
        Sessions h of the label.
    sessions
        As for `build_samples`.
    """
    series = build_series(bars)
    rows = with_labels(daily_returns(bars), horizon).filter(
        pl.col("volatility").is_not_null() & pl.col("past_return").is_not_null()
    )
    if sessions is not None:
        rows = rows.filter(pl.col("date").is_in(sessions))
    rows = rows.join(inputs.select(*DECISION, *columns), on=DECISION, how="left")
    rows = rows.sort("date", "instrument_id")
    position = {one.instrument_id: i for i, one in enumerate(series)}
    at = rows["instrument_id"].replace_strict(position, return_dtype=pl.Int64).to_numpy()
    ends = rows["ts"].dt.epoch("us").to_numpy()
    row = np.zeros(len(ends), dtype=np.int64)
    for i, one in enumerate(series):
        row[at == i] = np.searchsorted(one.ts, ends[at == i])
    picks, volatility = np.stack([at, row], axis=1), rows["volatility"].to_numpy()
    return Samples(
        series=series,
        frame=rows.select("exchange", "instrument_id", "date", "label_end"),
        picks=picks,
        others=np.zeros((rows.height, 0, 2), dtype=np.int64),
        features=rows.select(pl.col(columns).fill_null(math.nan))
        .to_numpy()
        .reshape(rows.height, len(columns)),
        label=rows["label"].fill_null(float("nan")).to_numpy(),
        volatility=volatility,
        past_return=rows["past_return"].to_numpy(),
        trend=trends(series, picks, volatility),
    )
