"""How often windows are drawn from where: weights of groups.

What does not belong here: a table and a plot of them (`mix_shown.py`), drawing (`sampler.py`), near-identical
series (`dedup.py`), which weights are best (`selection.py`).

A group is an exchange, an asset class and a frequency. Weights are n ** exponent (1 / temperature; Conneau et
al. 2020, XLM-R, section 3.1, for languages) times the factor of the most specific entry that names the group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.config import Mix
from lim_pipelines.foundation.series import Ints

Group = tuple[str, str, str]
"""Exchange, asset class, frequency."""

_ANY = "*"


def weights_of(groups: Sequence[Group], counts: Ints, mix: Mix) -> npt.NDArray[np.float64]:
    """Share of the windows that each group gives.

    Parameters
    ----------
    groups
        Exchange, asset class and frequency of each.
    counts
        (G,) windows of each; a group without windows gives none.
    mix
        Exponent and factors.

    Returns
    -------
    (G,) float64
        They add up to 1; all 0 where the mix leaves out every group that has windows.
    """
    factors = np.array([factor_of(group, mix.weights) for group in groups])
    weights = np.where(counts > 0, np.maximum(counts, 1) ** mix.exponent * factors, 0.0)
    shares: npt.NDArray[np.float64] = weights / (weights.sum() or 1.0)
    return shares


def factor_of(group: Group, weights: Mapping[str, float]) -> float:
    """Factor of the entry that names most of a group, of two that name as much the one named first; else 1.

    Parameters
    ----------
    group
        Exchange, asset class, frequency.
    weights
        See `config.Mix`; "*" and what an entry leaves out stand for anything.
    """
    best, factor = -1, 1.0
    for entry, value in weights.items():
        parts = entry.split("/")
        if all(part in (_ANY, name) for part, name in zip(parts, group, strict=False)):
            named = len(parts) - parts.count(_ANY)
            if named > best:
                best, factor = named, value
    return factor
