"""Pretrained models of others behind the same contract, from a local path. Nothing is ever downloaded.

What does not belong here: weights. Whose they are and what their licence allows is for those who hold them.

Such a model reads one variable at a time and says quantiles of each bar to come. It is given the returns
themselves and the logs of volume. Quantiles of bars are no paths: bars are tied by a Gaussian copula whose
correlation falls with distance at the pace of the context's own first autocorrelation: about 0 for returns,
high for volume.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from lim_pipelines.foundation.baselines.paths import (
    CLOSE,
    VOLUME,
    Array,
    assemble,
    column,
    last_of,
    mean_of,
)
from lim_pipelines.foundation.baselines.unfitted import Unfitted
from lim_pipelines.foundation.series import Floats
from lim_pipelines.foundation.windows import WindowBatch

LEVELS: Array = np.arange(1, 10) / 10
"""Levels of the quantiles that are asked for: those that all of these models were trained on."""

Says = Callable[[Floats, int], Array]
"""(B, L) float32 contexts, NaN where missing, and a horizon to (B, horizon, 9) quantiles at `LEVELS`."""


class MissingModelError(RuntimeError):
    """A package or a folder of weights is not there."""


class External(Unfitted):
    """A univariate quantile forecaster that is used as it is.

    Parameters
    ----------
    name
        What tables call it.
    says
        The model.
    """

    def __init__(self, name: str, says: Says) -> None:
        self.name = name
        self._says = says

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`."""
        rng = np.random.default_rng(seed)
        close, volume = (
            self._paths(column(batch.values, variable), horizon, count, rng) for variable in (CLOSE, VOLUME)
        )
        return assemble(close, volume, batch.values.shape[2])

    def _paths(self, context: Array, horizon: int, count: int, rng: np.random.Generator) -> Array:
        out = np.full((count, len(context), horizon), np.nan)
        shown = np.isfinite(last_of(context))
        if shown.any():
            quantiles = np.sort(self._says(context[shown].astype(np.float32), horizon), axis=2)
            uniform = ndtr(_tied(_autocorrelation(context[shown]), horizon, count, rng))
            out[:, shown] = _inverted(quantiles, uniform)
        return out


def chronos(path: Path) -> External:
    """Chronos or Chronos-Bolt (Ansari et al. 2024) from a folder of weights; package `chronos-forecasting`.

    Raises
    ------
    MissingModelError
        The folder or the package is not there.
    """
    folder = _folder(path, "chronos")
    try:
        import torch
        from chronos import BaseChronosPipeline
    except ImportError as error:
        raise MissingModelError(
            "chronos: the package is not installed; pip install chronos-forecasting"
        ) from error
    pipeline = BaseChronosPipeline.from_pretrained(str(folder), device_map="cpu", local_files_only=True)

    def says(context: Floats, horizon: int) -> Array:
        quantiles, _ = pipeline.predict_quantiles(
            torch.from_numpy(context), prediction_length=horizon, quantile_levels=LEVELS.tolist()
        )
        return _double(quantiles)

    return External("chronos", says)


def tirex(path: Path) -> External:
    """TiRex (Auer et al. 2025) from a local checkpoint; package `tirex-ts`.

    Raises
    ------
    MissingModelError
        The file or the package is not there.
    """
    folder = _folder(path, "tirex")
    try:
        import torch
        from tirex import load_model
    except ImportError as error:
        raise MissingModelError("tirex: the package is not installed; pip install tirex-ts") from error
    model = load_model(str(folder), device="cpu")

    def says(context: Floats, horizon: int) -> Array:
        quantiles, _ = model.forecast(context=torch.from_numpy(context), prediction_length=horizon)
        return _double(quantiles)

    return External("tirex", says)


def onnx(path: Path) -> External:
    """Any model as an ONNX file: contexts (B, L) float32 to quantiles (B, H, 9), the first input and output.

    Raises
    ------
    MissingModelError
        The file or the package is not there.
    ValueError
        It speaks of fewer bars than it is asked for, or of other quantiles.
    """
    file = _folder(path, "onnx")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingModelError("onnx: the package is not installed; pip install onnxruntime") from error
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def says(context: Floats, horizon: int) -> Array:
        quantiles = session.run(None, {given.name: context})[0]
        if quantiles.shape[1] < horizon or quantiles.shape[2] != len(LEVELS):
            raise ValueError(
                f"{file}: says {quantiles.shape[1:]} (bars, quantiles), asked for {(horizon, len(LEVELS))};"
                " export it for that horizon and the quantiles .1, .2, ... .9"
            )
        return _double(quantiles[:, :horizon])

    return External(file.stem, says)


def _folder(path: Path, what: str) -> Path:
    if not path.exists():
        raise MissingModelError(
            f"{what}: {path} is not there; nothing is downloaded, so give the local path of the weights"
        )
    return path


def _double(quantiles: Any) -> Array:
    return np.asarray(quantiles, dtype=np.float64)


def _autocorrelation(context: Array) -> Array:
    """First autocorrelation of each row, between 0 and .98, (B,)."""
    around = context - mean_of(context)[:, None]
    products = mean_of(around[:, 1:] * around[:, :-1])
    squares = mean_of(around**2)
    ratio = np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)
    out: Array = np.nan_to_num(ratio).clip(0.0, 0.98)
    return out


def _tied(phi: Array, horizon: int, count: int, rng: np.random.Generator) -> Array:
    """Draw standard normals whose correlation is phi to the power of the distance in bars, (count, B, H)."""
    out = rng.standard_normal((count, len(phi), horizon))
    for h in range(1, horizon):
        out[:, :, h] = phi * out[:, :, h - 1] + np.sqrt(1 - phi**2) * out[:, :, h]
    return out


def _inverted(quantiles: Array, uniform: Array) -> Array:
    """Values at uniform draws (count, B, H): linear between quantiles (B, H, 9), exponential tails beyond.

    A tail falls at the pace of the outermost two quantiles, as that of a Laplace distribution would.
    """
    upper = np.searchsorted(LEVELS, uniform).clip(1, len(LEVELS) - 1)
    spread = np.broadcast_to(quantiles, (*uniform.shape, len(LEVELS)))
    low, high = (np.take_along_axis(spread, at[..., None], axis=3)[..., 0] for at in (upper - 1, upper))
    share = (uniform - LEVELS[upper - 1]) / (LEVELS[upper] - LEVELS[upper - 1])
    inner = low + share.clip(0, 1) * (high - low)
    pace = np.log(LEVELS[1] / LEVELS[0])
    left = np.log(np.minimum(uniform / LEVELS[0], 1)) * (quantiles[..., 1] - quantiles[..., 0]) / pace
    right = (
        np.log(np.minimum((1 - uniform) / LEVELS[0], 1)) * (quantiles[..., -1] - quantiles[..., -2]) / pace
    )
    out: Array = inner + left - right
    return out
