"""Whether a strategy's newest forecasts are worse than its earlier ones: a one-sided test of rank IC.

What does not belong here: joining forecasts with what came of them (`backtest/metrics.py`), what follows from
a decay (`policies.py`).

Compared with the strategy's own earlier live decisions, not with its validation: early stopping has chosen
the best on that, so an honest model would look decayed at its first decision. Labels overlap (a forecast over
h sessions shares returns with its neighbours), so decisions are averaged in blocks of h + 1, which are nearly
independent, and the means of blocks are compared: B. Welch (1947), The generalization of Student's problem,
Biometrika 34. The rank IC is Spearman's correlation, as everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from lim_pipelines.finetune.spec import RELATIVE_TASKS, Task

LEVEL = 0.002
"""Of one look. Looks are many and overlap: looked at every week, about one sound strategy in ten alarms in
a year (docs/lab.md), for the price of one fit of its heads."""

POWER = 0.8
"""Probability with which a decay of the stated size is found."""

NEWEST_BLOCKS = 10
EARLIER_BLOCKS = 20
"""Fewest blocks of earlier decisions: fewer say little about what the skill was."""

_LEAST = 1e-12


@dataclass(frozen=True)
class LiveSkill:
    """What was measured.

    Parameters
    ----------
    newest, earlier
        Decisions that are compared.
    live, before
        Their rank IC; NaN where there are too few.
    p_value
        Probability of so low a figure, or a lower one, if nothing had changed; NaN where there are too few.
    shows
        Smallest decay, in rank IC, that this test finds with probability `POWER`; NaN where too few.
    needed
        Decisions that a judgement needs.
    """

    newest: int
    earlier: int
    live: float
    before: float
    p_value: float
    shows: float
    needed: int

    @property
    def decayed(self) -> bool:
        """Whether there was skill and it has become less."""
        return self.before > 0 and self.p_value < LEVEL

    @property
    def words(self) -> str:
        """What was found, for people, with what such a test can find at all."""
        if math.isnan(self.p_value):
            return f"{self.newest + self.earlier} of {self.needed} decisions with known outcome"
        text = (
            f"live rank IC {self.live:.3f} over the newest {self.newest} decisions, {self.before:.3f} over"
            f" {self.earlier} before (p {self.p_value:.3f}; a fall of {self.shows:.3f} is found in"
            f" {POWER:.0%} of cases)"
        )
        if self.before <= 0:
            return f"{text}; there was no skill to lose"
        return f"{text}; decayed" if self.decayed else text


def measure(task: Task, horizon: int, came: pl.DataFrame) -> LiveSkill:
    """Compare the newest decisions with those before.

    Parameters
    ----------
    task
        Relative ones are judged across instruments, a decision at a time; others over time, an instrument at
        a time.
    horizon
        Sessions of the forecast.
    came
        As from `backtest.metrics.realised`, of one arm; seeds are averaged.
    """
    reach = horizon + 1
    judged = (
        came.group_by("date", "instrument_id")
        .agg(pl.col("forecast").mean(), pl.col("label").first())
        .sort("date", "instrument_id")
    )
    if task in RELATIVE_TASKS:
        # A decision that ranks nobody says nothing: it takes no place among the newest.
        ranks = pl.corr("forecast", "label", method="spearman").over("date")
        judged = judged.filter(ranks.is_finite())
    dates = judged["date"].unique().sort()
    size = NEWEST_BLOCKS * reach
    newest, earlier = dates[-size:], dates[:-size] if len(dates) > size else dates[:0]
    # The last labels before reach into the newest decisions' returns.
    earlier = earlier[:-reach]
    live = _contributions(task, judged.filter(pl.col("date").is_in(newest.implode())))
    before = _contributions(task, judged.filter(pl.col("date").is_in(earlier.implode())))
    needed = size + (EARLIER_BLOCKS + 1) * reach
    if len(live) < size or len(before) < EARLIER_BLOCKS * reach:
        return LiveSkill(len(live), len(before), math.nan, math.nan, math.nan, math.nan, needed)
    new, old = _blocks(live, reach), _blocks(before, reach)
    return LiveSkill(len(live), len(before), _mean(new), _mean(old), *_welch(new, old), needed)


def _contributions(task: Task, judged: pl.DataFrame) -> list[float]:
    """Shares of the decisions in the rank IC, in order of time; their mean is the rank IC."""
    if task in RELATIVE_TASKS:
        found = judged.group_by("date").agg(share=pl.corr("forecast", "label", method="spearman"))
    else:
        both = pl.col("forecast", "label")
        ranks = judged.with_columns(both.rank().over("instrument_id"))
        product = ranks.with_columns(((both - both.mean()) / both.std(ddof=0)).over("instrument_id"))
        found = product.group_by("date").agg(share=(pl.col("forecast") * pl.col("label")).mean())
    found = found.drop_nulls("share").filter(pl.col("share").is_finite())
    return found.sort("date")["share"].to_list()


def _blocks(shares: list[float], reach: int) -> list[float]:
    """Means of whole blocks, counted backwards from the newest decision."""
    whole = len(shares) // reach
    shares = shares[len(shares) - whole * reach :]
    return [_mean(shares[i * reach : (i + 1) * reach]) for i in range(whole)]


def _welch(new: list[float], old: list[float]) -> tuple[float, float]:
    """One-sided p-value that the mean of `new` is lower, and the fall that is found with `POWER`."""
    from scipy.special import stdtr, stdtrit

    p_value = 1.0
    if _variance(new) + _variance(old) > 0:
        error, freedom = _error(_variance(new) / len(new), _variance(old) / len(old), len(new), len(old))
        p_value = float(stdtr(freedom, (_mean(new) - _mean(old)) / error))
    # What could be found was so before the newest were looked at: they are taken to vary as those before.
    spread = max(_variance(old), _LEAST)
    error, freedom = _error(spread / len(new), spread / len(old), len(new), len(old))
    return p_value, float(error * (stdtrit(freedom, 1 - LEVEL) + stdtrit(freedom, POWER)))


def _error(new: float, old: float, few: int, many: int) -> tuple[float, float]:
    """Say how sure the difference of two means of these variances is: standard error, degrees of freedom."""
    return math.sqrt(new + old), (new + old) ** 2 / (new**2 / (few - 1) + old**2 / (many - 1))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _variance(values: list[float]) -> float:
    centre = _mean(values)
    return sum((value - centre) ** 2 for value in values) / (len(values) - 1)
