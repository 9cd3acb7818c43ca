"""How far is too far: thresholds from the reference's own stretches, all tests of a report held to one level.

What does not belong here: the distances (`distances.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lim_pipelines.simulate.processes import Floats
from lim_pipelines.validate.drift.windows import FEWEST_STRETCHES

LEVEL = 0.05
"""Chance of one alarm or more in a whole report of data that do not drift."""

FLOORS = {"psi": 0.1, "ks": 0.1, "mmd": 0.01}
"""What is nearer is no drift, however surely it is seen: a tenth of the rows elsewhere changes no model."""

_NOTHING = 0.001
"""Share of its floor that a distance counts as at least: the logarithm of none at all is no number."""


@dataclass(frozen=True)
class Verdict:
    """What one test says.

    Parameters
    ----------
    statistic
        Distance of the recent stretch.
    threshold
        Distance above which it is drift.
    p_value
        Chance of such a distance without drift, this test by itself.
    """

    statistic: float
    threshold: float
    p_value: float

    @property
    def drifted(self) -> bool:
        """Whether the distance is above its threshold."""
        return self.statistic > self.threshold


def judge(tests: Sequence[tuple[str, Floats]], level: float = LEVEL) -> list[Verdict | None]:
    """Judge all tests of a report together.

    Parameters
    ----------
    tests
        Kind of test (psi, ks, mmd) and distances of the stretches, the recent one last.
    level
        Chance of one false alarm or more among all of them.

    Returns
    -------
    list of Verdict or None
        As `tests`; None where fewer than `FEWEST_STRETCHES` stretches or the recent one have values.

    Notes
    -----
    The logarithm y of the recent distance is taken for one more draw of what those of the reference's b
    stretches are draws of: (y - mean) / (s sqrt(1 + 1/b)) is Student's t with b - 1 degrees of freedom.
    Dependence within a stretch (instruments that move together, volatility that clusters) is in those draws
    already. Roots bring the middle of the distances nearer to normal than logarithms do, but volatility comes
    in bursts, and under a root the farthest stretches lie beyond a normal tail: alarms of the family then
    exceed their level (docs/drift.md). The family
    is held by Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979), which needs no
    independence between tests: of k tests the i-th smallest p-value is held to level / (k - i + 1), until the
    first that is not below.
    """
    from scipy.special import stdtrit

    usable = {i: found for i, (_, d) in enumerate(tests) if (found := _usable(d)) is not None}
    fits = {i: _fit(tests[i][0], found) for i, found in usable.items()}
    p_values = {i: _p_value(fit) for i, fit in fits.items()}
    verdicts: list[Verdict | None] = [None] * len(tests)
    left, stopped = len(usable), False
    for i in sorted(p_values, key=lambda i: (p_values[i], i)):
        share = level / left
        stopped = stopped or p_values[i] > share
        if not stopped:
            left -= 1
        center, spread, freedom, _ = fits[i]
        kind, statistic = tests[i][0], float(usable[i][-1])
        edge = float(np.exp(center - float(stdtrit(freedom, share)) * spread))
        verdicts[i] = Verdict(statistic, max(edge, FLOORS[kind]), p_values[i])
    return verdicts


def _usable(distances: Floats) -> Floats | None:
    """Distances of the stretches that have values; None if they are too few or the recent one has none."""
    past = distances[:-1][np.isfinite(distances[:-1])]
    if past.size < FEWEST_STRETCHES or not np.isfinite(distances[-1]):
        return None
    return np.append(past, distances[-1])


def _fit(kind: str, distances: Floats) -> tuple[float, float, int, float]:
    """Mean, spread of one more draw, degrees of freedom; the recent distance, all as logarithms."""
    logs = np.log(np.maximum(distances, _NOTHING * FLOORS[kind]))
    past = logs[:-1]
    spread = float(past.std(ddof=1)) * float(np.sqrt(1 + 1 / past.size))
    return float(past.mean()), spread, past.size - 1, float(logs[-1])


def _p_value(fit: tuple[float, float, int, float]) -> float:
    from scipy.special import stdtr

    center, spread, freedom, recent = fit
    if not spread:
        return float(recent <= center)
    return float(stdtr(freedom, (center - recent) / spread))
