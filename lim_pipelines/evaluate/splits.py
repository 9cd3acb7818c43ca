r"""Splits of history that share no return: purged and embargoed folds, combined into many paths.

The sessions are cut into N groups. Each of the :math:`\binom{N}{k}` ways to hold k groups out is one fit on
the rest, so every group is forecast by :math:`\varphi = \binom{N-1}{k-1}` fits that have not seen it. They
make :math:`\varphi` whole histories out of sample, where walking forward has one. A sample reaches from its
decision to the end of its label. It is not fitted on if it shares a session with a group that is held out
(purged), or if it is decided in the sessions after one (embargoed), when inputs still carry what was in it.

Folds fit on what came later, too: they say how much a result hangs on the one history there was; nothing that
was traded is decided by them.

What does not belong here: fits (`paths.py`), the one split that models are trained by (`finetune/split.py`).
`purgedcv` and `skfolio` are the oracles in the tests: the first cuts by rows, and so through a session's
instruments, the second knows one length for all labels.

M. Lopez de Prado (2018), Advances in Financial Machine Learning, sections 7.4 and 12.3 to 12.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """One way to hold groups out.

    Parameters
    ----------
    fit
        Rows that may be fitted on, in order.
    held_out
        Rows of each group that is held out.
    paths
        Number of the path that each of these groups belongs to.
    """

    fit: Ints
    held_out: tuple[Ints, ...]
    paths: tuple[int, ...]


def path_count(groups: int, tested: int) -> int:
    """Count the whole histories that the folds make."""
    return comb(groups - 1, tested - 1)


def combinatorial_folds(
    decided: Ints, label_end: Ints, groups: int, tested: int, embargo: int = 0
) -> Iterator[Fold]:
    """Hold out each combination of groups of sessions.

    Parameters
    ----------
    decided
        Number of each sample's decision session in order of time, shape (n,), sorted; samples of one session
        are in one group.
    label_end
        Number of the last session whose close a sample's label reaches to, shape (n,), after `decided`.
    groups, tested
        N, at least 2, and k, from 1 to N - 1. With k = 1 these are purged folds, each held out once.
    embargo
        Sessions after a group's last label in which nothing is fitted on.

    Raises
    ------
    ValueError
        There are fewer sessions than groups, or k is out of range.
    """
    sessions = np.unique(decided)
    if not 1 <= tested < groups <= len(sessions):
        raise ValueError(
            f"{tested} of {groups} groups of {len(sessions)} sessions: hold out at least one and fewer than"
            " all, and take no more groups than sessions"
        )
    group = np.searchsorted(sessions, decided) * groups // len(sessions)
    rows = [np.flatnonzero(group == number) for number in range(groups)]
    spans = [(int(decided[own].min()), int(label_end[own].max())) for own in rows]
    lost = [(label_end >= first) & (decided <= last + embargo) for first, last in spans]
    next_path = [0] * groups
    for out in combinations(range(groups), tested):
        barred = np.isin(group, out)
        for number in out:
            barred |= lost[number]
        paths = tuple(next_path[number] for number in out)
        for number in out:
            next_path[number] += 1
        yield Fold(np.flatnonzero(~barred), tuple(rows[number] for number in out), paths)
