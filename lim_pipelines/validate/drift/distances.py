"""How far each stretch of sessions is from the reference: population stability, Kolmogorov-Smirnov, MMD.

What does not belong here: how far is too far (`family.py`), which rows (`observations.py`, `inputs.py`).

All three are taken for the recent stretch against the whole reference, and for each stretch of the reference
against its others: those tell how far chance goes when instruments move together and volatility clusters.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from lim_pipelines.simulate.processes import Floats
from lim_pipelines.validate.drift.windows import Stretches

BINS = 10
_FINE = 400
"""Quantiles of the reference at which distribution functions are compared: off by 1/400 at most."""

MMD_ROWS = 64
"""Rows of a stretch that are compared pair by pair; of all stretches some 2,000: 4 M pairs."""

TIED_ROWS = 128
"""The same where ranks are compared: how variables are tied is lost in the noise of fewer."""

_BANDWIDTH_ROWS = 512

TESTS: Final = ("psi", "ks", "mmd")


def scalar_distances(values: Floats, stretch: Stretches, stretches: int) -> dict[str, Floats]:
    """Return each stretch's population stability index and Kolmogorov-Smirnov distance to the reference.

    Parameters
    ----------
    values
        One number a row, shape (n,); NaN where it is missing.
    stretch
        Stretch of each row, shape (n,): 0 to `stretches` - 1 in the reference, `stretches` in the recent one.
    stretches
        Stretches of the reference.

    Returns
    -------
    dict
        `psi` and `ks`, each of shape (stretches + 1,), the recent one last. NaN where a side has no rows; for
        `ks` where it has no values.

    Notes
    -----
    The index is taken over the deciles of the reference and a bin for missing values, half an observation
    added to each, so that it is always finite: a feature that falls silent is drift too. Siddiqi, Credit Risk
    Scorecards (2006), calls 0.1 a slight and 0.25 a marked change, for independent rows.
    """
    there = np.isfinite(values)
    reference = values[there & (stretch < stretches)]
    if not reference.size:
        nothing = np.full(stretches + 1, np.nan)
        return {"psi": nothing, "ks": nothing}
    levels = np.linspace(0, 1, _FINE + 1)[1:-1]
    edges = np.quantile(reference, levels)
    place = np.where(there, np.searchsorted(edges, values, side="right"), _FINE)
    cells = np.bincount(stretch * (_FINE + 1) + place, minlength=(stretches + 1) * (_FINE + 1))
    counts = cells.reshape(stretches + 1, _FINE + 1).astype(np.float64)
    others = _others(counts, stretches)
    return {
        "psi": _stability(counts, others),
        "ks": _farthest(counts[:, :_FINE], others[:, :_FINE]),
    }


def _others(counts: Floats, stretches: int) -> Floats:
    """Return what each stretch is compared with: the reference without it; for the recent one all of it."""
    whole = counts[:stretches].sum(axis=0)
    return np.vstack([whole - counts[:stretches], whole])


def _stability(counts: Floats, others: Floats) -> Floats:
    shares = []
    for fine in (counts, others):
        coarse = fine[:, :_FINE].reshape(len(fine), BINS, -1).sum(axis=2)
        binned = np.column_stack([coarse, fine[:, _FINE]]) + 0.5
        shares.append(binned / binned.sum(axis=1, keepdims=True))
    q, p = shares
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    index[(counts.sum(axis=1) == 0) | (others.sum(axis=1) == 0)] = np.nan
    return index


def _farthest(counts: Floats, others: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        p, q = (np.cumsum(c, axis=1) / c.sum(axis=1, keepdims=True) for c in (others, counts))
    gap: Floats = np.abs(q - p).max(axis=1)
    return gap


def ranked(values: Floats, stretch: Stretches) -> Floats:
    """Replace each variable by its rank within the stretch, from 0 to 1: what is left is how they are tied.

    Parameters
    ----------
    values
        One vector a row, shape (n, d); finite.
    stretch
        Stretch of each row, shape (n,).

    Notes
    -----
    The empirical copula of each stretch (Nelsen, An Introduction to Copulas, 2006). Margins have tests of
    their own; they change from stretch to stretch so much that a tie at equal margins is lost in them.
    """
    sizes = np.bincount(stretch)
    firsts = np.cumsum(sizes) - sizes
    ranks = np.empty(values.shape)
    for column, out in zip(values.T, ranks.T, strict=True):
        order = np.lexsort((column, stretch))
        out[order] = (np.arange(len(order)) - firsts[stretch[order]] + 0.5) / sizes[stretch[order]]
    return ranks


def vector_distances(values: Floats, stretch: Stretches, stretches: int, most: int = MMD_ROWS) -> Floats:
    """Squared maximum mean discrepancy of each stretch from the reference.

    Parameters
    ----------
    values
        One vector a row, shape (n, d); finite, all d on one scale.
    stretch, stretches
        As for `scalar_distances`.
    most
        Rows of a stretch that are compared.

    Returns
    -------
    ndarray
        Shape (stretches + 1,), the recent one last, from 0 (equal) to 2; NaN where a side has no rows.

    Notes
    -----
    The biased estimate with a Gaussian kernel exp(-|x - y|^2 / w), w the median squared distance in the
    reference: Gretton, Borgwardt, Rasch, Schoelkopf and Smola, A Kernel Two-Sample Test, JMLR 13 (2012),
    equation 5. Its bias depends on the number of rows, so each stretch brings as many, drawn with a seed made
    of the values themselves.
    """
    rows = _draw(values, stretch, stretches, most)
    x, of = values[rows].astype(np.float32), stretch[rows]
    if not (of < stretches).any():
        return np.full(stretches + 1, np.nan)
    squares = (x**2).sum(axis=1)
    far = np.maximum(squares[:, None] + squares[None] - 2 * (x @ x.T), 0)
    past = np.flatnonzero(of < stretches)
    some = past[:: max(1, past.size // _BANDWIDTH_ROWS)]
    pairs = far[np.ix_(some, some)][np.triu_indices(some.size, 1)]
    width = float(np.median(pairs)) if pairs.size else 0.0
    np.exp(-far / (width or 1.0), out=far)
    member = (of[None] == np.arange(stretches + 1)[:, None]).astype(np.float32)
    sums = (member @ far @ member.T).astype(np.float64)
    count = member.sum(axis=1).astype(np.float64)
    return np.array([_discrepancy(sums, count, k, stretches) for k in range(stretches + 1)])


def _discrepancy(sums: Floats, count: Floats, k: int, stretches: int) -> float:
    """Squared discrepancy between stretch k and the reference without it, from sums of the kernel."""
    others = [i for i in range(stretches) if i != k]
    n, m = count[k], count[others].sum()
    if not (n and m):
        return float("nan")
    both = sums[k, k] / n**2 + sums[np.ix_(others, others)].sum() / m**2 - 2 * sums[k, others].sum() / (n * m)
    return max(float(both), 0.0)


def _draw(values: Floats, stretch: Stretches, stretches: int, most: int) -> Stretches:
    """Rows to compare, as many of each stretch; the same values give the same rows."""
    seed = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(seed, "little"))
    order = rng.permutation(len(values))
    order = order[np.argsort(stretch[order], kind="stable")]
    sizes = np.bincount(stretch, minlength=stretches + 1)
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(len(values)) - np.repeat(firsts, sizes)
    return np.sort(order[rank < most])
