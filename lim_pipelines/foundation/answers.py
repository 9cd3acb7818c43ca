"""Paths of model variables as answers in the units of whoever asked: prices, volumes, quantiles.

What does not belong here: drawing paths (`rollout.py`), reading frames (`frames.py`), torch.

Quantiles are those of the paths' prices and volumes, so a quantile of a price is one of sums of returns.
Expected values are taken before: a return has one, but the price that fat-tailed logs make has none; its mean
over paths would be that of the wildest path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.foundation.series import VARIABLES, Floats

if TYPE_CHECKING:
    from lim_pipelines.foundation.rollout import Paths

Doubles = npt.NDArray[np.float64]

RETURN = "return"
"""What the model's variable `close` is called beside the price: the log total return of a bar."""


class ArrayForecast(NamedTuple):
    """What may follow B contexts that were given as arrays, in the variables of the model.

    Parameters
    ----------
    mean
        (B, horizon, p) expected values.
    quantiles
        (Q, B, horizon, p) quantiles, in the order asked for.
    samples
        (n, B, horizon, p) paths; n is 0 if none were asked for.
    """

    mean: Floats
    quantiles: Floats
    samples: Floats


def name_of(quantile: float) -> str:
    """Name of a quantile's column: q05, q50, q97.5."""
    percent = f"{100 * quantile:.6g}"
    return "q" + ("0" + percent if 100 * quantile < 10 else percent)


def levels(drawn: Floats, close: Doubles, unknown: Sequence[str]) -> dict[str, Doubles]:
    """Turn paths of returns and logs into paths of prices and volumes.

    Parameters
    ----------
    drawn
        (n, B, horizon, p) paths, the columns of `VARIABLES` and the unknown variables.
    close
        (B,) last known closes.
    unknown
        Names of the unknown variables; they are what they were.

    Returns
    -------
    dict
        Name to (n, B, horizon) paths. A price assumes that no corporate action comes, so `close` is the value
        of one unit with all payments reinvested. A high is not below open and close, a low not above.
    """
    parts = {name: drawn[..., i].astype(np.float64) for i, name in enumerate((*VARIABLES, *unknown))}
    total = np.cumsum(parts["close"], axis=2)
    # A path that multiplies a price by e^20 has left the world, but must not become infinite.
    price = close[:, None] * np.exp(total.clip(-20, 20))
    before = np.concatenate([np.broadcast_to(close[:, None], price[..., :1].shape), price[..., :-1]], axis=2)
    opened = before * np.exp(parts["open"].clip(-20, 20))
    out = {"close": price, RETURN: parts["close"], "open": opened}
    for name, widest in (("high", np.fmax), ("low", np.fmin)):
        known = price * np.exp(parts[name].clip(-20, 20))
        out[name] = np.where(np.isfinite(known), widest(widest(known, price), opened), np.nan)
    out["volume"] = np.expm1(parts["volume"].clip(0, 50))
    return out | {name: parts[name] for name in unknown}


def summary(
    paths: dict[str, Doubles], expected: dict[str, Doubles], quantiles: Sequence[float]
) -> pl.DataFrame:
    """Sum up: expected value and quantiles of every variable at every step.

    Parameters
    ----------
    paths
        Name to (n, B, horizon), as `levels` gives them.
    expected
        Name to (1, B, horizon), as `levels` gives them of the expected path.
    quantiles
        Levels, each in (0, 1).

    Returns
    -------
    pl.DataFrame
        Columns row (position of the context), step (from 1), variable, mean, one for each quantile; sorted by
        row, variable in the order of `paths`, and step. Variables that a context does not show have no rows.
    """
    _, batch, horizon = paths[RETURN].shape
    row, step = (part.ravel() for part in np.indices((batch, horizon)))
    frames = []
    for order, (name, values) in enumerate(paths.items()):
        found = np.quantile(values, list(quantiles), axis=0)
        columns = {"mean": expected[name][0]}
        columns |= {name_of(q): part for q, part in zip(quantiles, found, strict=True)}
        frames.append(
            pl.DataFrame({"row": row, "step": step + 1}).with_columns(
                pl.lit(name).alias("variable"),
                pl.lit(order).alias("order"),
                *(pl.Series(key, part.ravel()) for key, part in columns.items()),
            )
        )
    whole = pl.concat(frames).filter(pl.col("mean").is_not_nan())
    return whole.sort("row", "order", "step").drop("order")


def sample_paths(paths: dict[str, Doubles]) -> pl.DataFrame:
    """Lay out the paths themselves.

    Returns
    -------
    pl.DataFrame
        Columns row (position of the context), sample and step (from 1), one for each variable; null where a
        context does not show the variable. Sorted by row, sample and step.
    """
    count, batch, horizon = paths[RETURN].shape
    row, sample, step = (part.ravel() for part in np.indices((batch, count, horizon)))
    return pl.DataFrame({"row": row, "sample": sample + 1, "step": step + 1}).with_columns(
        pl.Series(name, values.swapaxes(0, 1).ravel()).fill_nan(None) for name, values in paths.items()
    )


def of_arrays(parts: Iterable[Paths], quantiles: Sequence[float], samples: int) -> ArrayForecast:
    """Sum up paths, in the variables of the model.

    Parameters
    ----------
    parts
        Paths behind some contexts after the other, at least one.
    quantiles
        Levels, each in (0, 1).
    samples
        Number of paths to keep.
    """
    mean, found, kept = [], [], []
    for part in parts:
        drawn = part.drawn.cpu().numpy()
        mean.append(part.mean.cpu().numpy())
        found.append(np.quantile(drawn, list(quantiles), axis=0).astype(np.float32))
        kept.append(drawn[:samples])
    return ArrayForecast(np.concatenate(mean), np.concatenate(found, axis=1), np.concatenate(kept, axis=1))
