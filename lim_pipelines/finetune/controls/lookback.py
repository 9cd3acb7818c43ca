"""Past returns of samples, as the rules of trend following read them.

What does not belong here: what is made of them (a file each).

A rule sees a fixed number of bars, fewer than a decision looks at (`strategies/base.py`), so that it says the
same to the bit whether it is asked about one day or about all history.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.foundation.series import VARIABLES
from lim_pipelines.foundation.windows import WindowStore

_CLOSE = VARIABLES.index("close")
_CHUNK = 4096
"""Samples at a time; bounds the memory."""


def of_past_returns(samples: Samples, bars: int, rule: Callable[[Floats], Floats]) -> Floats:
    """Apply a rule to the last returns of each sample.

    Parameters
    ----------
    samples
        N samples.
    bars
        Log returns that the rule sees, the last one being that of the decision's session.
    rule
        Returns (n, bars), oldest first, to (n,). What is missing, or before the history began, is 0.

    Returns
    -------
    ndarray
        Shape (N,).
    """
    store = WindowStore(samples.series, bars, 1)
    parts = [np.zeros(0)]
    for start in range(0, len(samples), _CHUNK):
        returns = store.batch(samples.picks[start : start + _CHUNK]).values[:, :, _CLOSE]
        parts.append(rule(np.nan_to_num(returns.astype(np.float64))))
    return np.concatenate(parts)
