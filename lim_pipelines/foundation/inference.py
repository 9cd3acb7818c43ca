"""LIM: a checkpoint in use. Forecasts and embeddings of any bars, in the units they came in.

What does not belong here: training, fine-tuning (`finetune/`); reading frames (`frames.py`), drawing paths
(`rollout.py`), what is said of them (`answers.py`), making the weights fast (`export.py`), comparisons
(`forecaster.py`).

    lim = LIM.load("champion", models=".lim/models", family="foundation_checkpoint")
    lim.forecast(frame, horizon=5, quantiles=(0.05, 0.5, 0.95))
    lim.embed(frame)

All instruments are treated alike, whether the model learned from them or not. docs/foundation-api.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import overload

import numpy as np
import polars as pl
import torch
from torch import Tensor

from lim_pipelines.foundation import checkpoint, registry
from lim_pipelines.foundation.answers import ArrayForecast, levels, of_arrays, sample_paths, summary
from lim_pipelines.foundation.checkpoint import Meta
from lim_pipelines.foundation.config import REAL
from lim_pipelines.foundation.contexts import Array, last_windows, read_for, windows_at, windows_of
from lim_pipelines.foundation.frames import ArrowTable
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.rollout import Paths, Speaker, embeddings, paths_behind
from lim_pipelines.foundation.series import Floats, Ints, Series
from lim_pipelines.foundation.windows import WindowBatch
from lim_pipelines.places import Places

PATHS = 500
"""Paths behind quantiles: the 5 % quantile is then one between 3 % and 7 %."""


class LIM:
    """A foundation model that is used, not trained.

    Parameters
    ----------
    model
        Model, on any device.
    meta
        What is known about its training.
    speaker
        What answers in its place, with the same weights; None: the model itself. See `fast`.
    """

    def __init__(self, model: FoundationModel, meta: Meta, speaker: Speaker | None = None) -> None:
        self.model = model.eval()
        self.meta = meta
        self.speaker: Speaker = speaker or self.model

    @classmethod
    def load(
        cls,
        which: str | Path = "champion",
        *,
        cutoff: date | None = None,
        models: str | Path | None = None,
        family: str = REAL.name,
    ) -> LIM:
        """Load a checkpoint.

        Parameters
        ----------
        which
            Folder of a checkpoint, or "champion": the family's champion.
        cutoff
            Take that cutoff's current checkpoint instead. Whoever replays the past names the cutoff.
        models
            Root of the checkpoints; None: `models` below LIM_HOME.
        family
            Name of the family.

        Raises
        ------
        CheckpointError
            There is no such checkpoint, or its weights are damaged.
        ValueError
            Both a folder and a cutoff are given.
        """
        if which != "champion":
            if cutoff is not None:
                raise ValueError(f"cutoff {cutoff} and the folder {which}: give one of the two")
            return cls(*checkpoint.load(which))
        root = Places.find().models if models is None else models
        return cls(*checkpoint.load(registry.resolve(root, family, "champion" if cutoff is None else cutoff)))

    def fast(self) -> LIM:
        """Return the same weights made fast for processors: see `export.py` for how, and how exact.

        Raises
        ------
        ImportError
            The extra `infer` is not installed.
        ValueError
            The model has another layout or objective than the default ones, or is not on the CPU.
        """
        from lim_pipelines.foundation.export import FastModel

        return LIM(self.model, self.meta, FastModel(self.model))

    @overload
    def forecast(
        self,
        bars: Array,
        horizon: int | None = None,
        quantiles: Sequence[float] = ...,
        samples: int = ...,
        seed: int = ...,
    ) -> ArrayForecast: ...

    @overload
    def forecast(
        self,
        bars: ArrowTable | pl.LazyFrame,
        horizon: int | None = None,
        quantiles: Sequence[float] = ...,
        samples: int = ...,
        seed: int = ...,
    ) -> pl.DataFrame: ...

    def forecast(
        self,
        bars: Array | ArrowTable | pl.LazyFrame,
        horizon: int | None = None,
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        samples: int = 0,
        seed: int = 0,
    ) -> pl.DataFrame | ArrayForecast:
        """Forecast what follows the last bar of each instrument.

        The model need not have seen the instruments, their exchange, their frequency or their variables.

        Parameters
        ----------
        bars
            A polars or Arrow table, as `frames.read_frame` describes: `ts`, `close` and what else is known.
            Or contexts as arrays, see `contexts.windows_of`. Contexts longer than the model's are cut.
        horizon
            Bars to forecast; None: the model's own, L_Y. Longer ones are rolled out path by path.
        quantiles
            Levels, each in (0, 1); may be empty.
        samples
            Number of paths to return; 0 returns quantiles.
        seed
            Same bars, same seed, same answer.

        Returns
        -------
        pl.DataFrame
            Of a table: instrument_id, freq, step (from 1), variable, mean, q05 and so on, one row for each
            step and variable: prices `close`, `open`, `high`, `low`, the `volume`, the bar's log `return`,
            and variables of your own. What the context does not show has no rows. `mean` of
            prices and volume is exp of the expected log. With samples: instrument_id, freq, sample, step, and
            a column for each variable. There is no `ts`: it is not known when a future bar ends.
        ArrayForecast
            Of arrays.

        Raises
        ------
        FrameError
            The table cannot be read; the message says what to do.
        ValueError
            A horizon below 1, a quantile outside (0, 1), an array of a wrong shape or of no contexts.
        """
        horizon = self.model.config.horizon if horizon is None else horizon
        _check(horizon, quantiles, samples)
        if isinstance(bars, WindowBatch | np.ndarray | Tensor):
            batch = windows_of(bars, self.model.config)
            if not len(batch.values):
                raise ValueError("an array of no contexts: there is nothing to forecast")
            return of_arrays(self.paths(batch, horizon, samples or PATHS, seed), quantiles, samples)
        read = read_for(bars, self.model.config)
        start, parts = 0, []
        for paths in self.paths(last_windows(read, self.model.config), horizon, samples or PATHS, seed):
            close = read.close[start : start + len(paths.mean)]
            found = levels(paths.drawn.cpu().numpy(), close, read.unknown)
            if samples:
                part = sample_paths(found)
            else:
                expected = levels(paths.mean[None].cpu().numpy(), close, read.unknown)
                part = summary(found, expected, quantiles)
            parts.append(part.with_columns(pl.col("row") + start))
            start += len(close)
        names = pl.DataFrame(
            {"instrument_id": [s.instrument_id for s in read.series], "freq": [s.freq for s in read.series]}
        )
        whole = pl.concat(parts)
        return pl.concat([names[whole["row"].to_numpy()], whole.drop("row")], how="horizontal")

    @overload
    def embed(self, bars: Array) -> Floats: ...

    @overload
    def embed(self, bars: ArrowTable | pl.LazyFrame) -> pl.DataFrame: ...

    def embed(self, bars: Array | ArrowTable | pl.LazyFrame) -> pl.DataFrame | Floats:
        """Embed the last context of each instrument.

        Parameters
        ----------
        bars
            As in `forecast`.

        Returns
        -------
        pl.DataFrame
            Of a table: instrument_id, freq, ts (end of the last bar, UTC), embedding (d_model float32).
        ndarray
            Of arrays: (B, d_model) float32.

        Raises
        ------
        FrameError, ValueError
            See `forecast`.
        """
        if isinstance(bars, WindowBatch | np.ndarray | Tensor):
            return self._embeddings(windows_of(bars, self.model.config))
        read = read_for(bars, self.model.config)
        return pl.DataFrame(
            {
                "instrument_id": [one.instrument_id for one in read.series],
                "freq": [one.freq for one in read.series],
                "ts": pl.Series([one.ts[-1] for one in read.series]).cast(pl.Datetime("us", "UTC")),
                "embedding": pl.Series(self._embeddings(last_windows(read, self.model.config))),
            }
        )

    def embed_series(self, series: Series, ends: Ints) -> Floats:
        """Embed the windows of a series that end at some rows.

        Parameters
        ----------
        series
            Any series; the model need not have seen its instrument.
        ends
            (n,) rows of the last context bars.

        Returns
        -------
        (n, d_model) float32
            Row i depends on rows 0 .. ends[i] of the series alone.
        """
        return self._embeddings(
            windows_at([series], np.stack([np.zeros_like(ends), ends], axis=1), self.model.config)
        )

    def forecast_series(self, series: Series, ends: Ints) -> Floats:
        """Point forecasts of the L_Y bars behind some rows of a series.

        Parameters
        ----------
        series
            Any series; the model need not have seen its instrument.
        ends
            (n,) rows of the last context bars.

        Returns
        -------
        (n, L_Y, p) float32
            The columns of `VARIABLES`, in their units; NaN for variables that the context does not show.
        """
        batch = windows_at([series], np.stack([np.zeros_like(ends), ends], axis=1), self.model.config)
        length = self.model.config.horizon
        means = [part.mean.cpu().numpy() for part in self.paths(batch, length, 1, 0)]
        return np.concatenate([np.empty((0, length, batch.values.shape[2]), np.float32), *means])

    def paths(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Iterator[Paths]:
        """Paths behind contexts, some contexts at a time; see `rollout.paths_behind`."""
        return paths_behind(self.speaker, batch, horizon, count, seed, self._device)

    def _embeddings(self, batch: WindowBatch) -> Floats:
        parts = list(embeddings(self.speaker, batch, self._device))
        return np.concatenate([np.empty((0, self.model.config.shape.d_model), np.float32), *parts])

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def _check(horizon: int, quantiles: Sequence[float], samples: int) -> None:
    if horizon < 1:
        raise ValueError(f"horizon {horizon}: the number of bars to forecast, at least 1")
    if samples < 0:
        raise ValueError(f"samples {samples}: the number of paths to return, 0 for quantiles")
    wrong = [q for q in quantiles if not 0 < q < 1]
    if wrong:
        raise ValueError(f"quantiles {wrong}: levels lie between 0 and 1, e.g. 0.05 for 5 %")
