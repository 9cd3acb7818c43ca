r"""The probability of backtest overfitting: does the best of many on half of the days do well on the rest.

Combinatorially symmetric cross-validation: the days are cut into S blocks; each of the
:math:`\binom{S}{S/2}` ways to take half of them is one time the sample that a trial is chosen in, by its
Sharpe ratio, and the rest is the sample that it is judged in. With the chosen trial's rank :math:`r` among N
there,

.. math:: \lambda = \log\frac{\omega}{1-\omega},\quad \omega = \frac{r}{N+1}, \qquad
    \mathrm{PBO} = \Pr[\lambda < 0] + \tfrac12 \Pr[\lambda = 0].

Of trials without skill the chosen one is above the median as often as below: PBO is a half on average. (The
paper counts all of :math:`\lambda \le 0`; with half of the ties that is so for an odd N, too.)

What does not belong here: which trials are compared (`ledger.py`).

D. Bailey, J. Borwein, M. Lopez de Prado and Q. Zhu (2017), The probability of backtest overfitting, Journal
of Computational Finance 20(4), section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_BLOCKS = 16
"""S of the paper's examples: 12,870 ways."""

SHORTEST_BLOCK = 10
"""Sessions of a block: two weeks, longer than the horizons of the strategies here."""

FEWEST_BLOCKS = 4
_AT_ONCE = 2048
"""Ways that are computed in one go: what bounds memory."""


@dataclass(frozen=True)
class Overfitting:
    """What choosing the best of N trials is worth.

    Parameters
    ----------
    probability
        PBO, between 0 and 1.
    loss_probability
        How often the chosen trial loses money in the days that it was not chosen in.
    slope
        Of the regression of the chosen trial's Sharpe ratio there on the one it was chosen by: 1 keeps all of
        an advantage, 0 none. NaN if the latter does not vary.
    logits
        lambda of each way, shape (C,).
    chosen_by, judged
        Sharpe ratio per day of the chosen trial in the sample that it was chosen in, and in the other,
        shape (C,).
    blocks
        S.
    """

    probability: float
    loss_probability: float
    slope: float
    logits: Floats
    chosen_by: Floats
    judged: Floats
    blocks: int


def blocks_of(days: int) -> int:
    """Even number of blocks that so many days are cut into; 0 if they are too few."""
    blocks = min(MOST_BLOCKS, days // SHORTEST_BLOCK) // 2 * 2
    return blocks if blocks >= FEWEST_BLOCKS else 0


def overfitting(returns: Floats, blocks: int) -> Overfitting:
    """Choose the best of all trials in each half of the days, and judge it in the other.

    Parameters
    ----------
    returns
        Daily returns of N trials on the same T days, shape (T, N), N at least 2, without NaN.
    blocks
        S, even, at least 2 and at most T / 2; `blocks_of` has one for each T.

    Raises
    ------
    ValueError
        Fewer than two trials, or the days cannot be cut into so many blocks.
    """
    days, trials = returns.shape
    if trials < 2:
        raise ValueError("choosing among one trial overfits nothing; at least two are needed")
    if blocks % 2 or not 2 <= blocks <= days / 2:
        raise ValueError(
            f"{days} days cannot be cut into {blocks} blocks; take an even number up to {days // 2}"
        )
    cut = np.linspace(0, days, blocks + 1).round().astype(int)[:-1]
    sums = np.stack([np.add.reduceat(power, cut) for power in (returns, returns**2)])
    lengths = np.diff(np.append(cut, days)).astype(np.float64)
    taken = np.zeros((math.comb(blocks, blocks // 2), blocks))
    for row, half in zip(taken, combinations(range(blocks), blocks // 2), strict=True):
        row[list(half)] = 1.0
    parts = [_chosen(part, sums, lengths) for part in np.split(taken, range(_AT_ONCE, len(taken), _AT_ONCE))]
    chosen_by, judged, rank = (np.concatenate(values) for values in zip(*parts, strict=True))
    share = rank / (trials + 1)
    logits = np.log(share / (1 - share))
    spread = chosen_by.var()
    return Overfitting(
        probability=float((share < 0.5).mean() + 0.5 * (share == 0.5).mean()),
        loss_probability=float((judged < 0).mean()),
        slope=float(np.cov(chosen_by, judged, ddof=0)[0, 1] / spread) if spread > 0 else math.nan,
        logits=logits,
        chosen_by=chosen_by,
        judged=judged,
        blocks=blocks,
    )


def _chosen(taken: Floats, sums: Floats, lengths: Floats) -> tuple[Floats, Floats, Floats]:
    """Sharpe ratios of the trial that each way chooses, in both samples, and its rank in the other."""
    inside, outside = (_sharpes(half, sums, lengths) for half in (taken, 1.0 - taken))
    best = inside.argmax(axis=1)[:, None]
    judged = np.take_along_axis(outside, best, axis=1)
    # Ties share their mean rank.
    rank = (outside < judged).sum(axis=1) + ((outside == judged).sum(axis=1) + 1) / 2
    return np.take_along_axis(inside, best, axis=1)[:, 0], judged[:, 0], rank


def _sharpes(half: Floats, sums: Floats, lengths: Floats) -> Floats:
    """Sharpe ratio per day of each trial in each half, (C, N); 0 where a trial does not vary."""
    days = (half @ lengths)[:, None]
    mean, square = half @ sums[0] / days, half @ sums[1] / days
    variance = (square - mean**2) * days / (days - 1)
    # A record that does not vary has a variance of some last bits, not 0.
    flat = variance <= 1e-12 * square
    return np.asarray(np.where(flat, 0.0, mean / np.sqrt(np.where(flat, 1.0, variance))))
