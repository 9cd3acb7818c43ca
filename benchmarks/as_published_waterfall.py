"""From "as published" to "leak-free and costed", one difference at a time, in a fixed order.

What a step is worth depends on the order; it was fixed before any result was there. Up to the universe the
best seed of the test is taken at each step, as whoever publishes the best run does.

What does not belong here: returns of a ranking (`as_published_books.py`), tables and plots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.as_published_books import Account, account, counted, market, picks
from benchmarks.as_published_data import Fill, Flags, Floats, Inputs, Scaling

STEPS = {
    "fill": "same close -> next",
    "scaling": "whole period -> trailing",
    "universe": "survivors -> all",
    "costs": "no costs -> costs",
    "impact": "no impact -> impact",
    "seed": "best seed -> mean",
    "missing": "missing = 0 -> held",
}
"""Differences in the order in which they are removed."""
MODELS: Sequence[tuple[Scaling, Fill]] = (("whole", "same"), ("whole", "next"), ("trailing", "next"))
"""Settings that are fitted: as published, then with each of the first two differences removed."""
MARKET = "all, equally weighted"


@dataclass(frozen=True)
class Stage:
    """One setting on the sessions of one test.

    Parameters
    ----------
    inputs
        What was read.
    days
        Rows of its panel, T of them.
    said
        By model: what each seed said, (T, N).
    """

    inputs: Inputs
    days: Sequence[int]
    said: Mapping[str, Sequence[Floats]]

    @property
    def there(self) -> Flags:
        """What could be picked, (T, N)."""
        return np.asarray(self.inputs.there[list(self.days)])

    @property
    def label(self) -> Floats:
        """What came of it, (T, N)."""
        return np.asarray(self.inputs.label[list(self.days)])

    def earned(self, model: str, k: int) -> Floats:
        """Return by decision of each seed as papers count it, (seeds, T)."""
        there, label = self.there, self.label
        return np.stack([counted(picks(said, there, k), label) for said in self.said[model]])

    def market(self) -> Floats:
        """Return of all that could be picked, (T,)."""
        return market(self.there, self.label)


def best(earned: Floats) -> int:
    """Seed whose returns, (seeds, T), add up to most: known only afterwards."""
    return int(np.argmax(earned.sum(axis=1)))


Accounts = Mapping[str, Sequence[Account]]
"""By arm: the account of each seed."""


def arm(model: str, k: int) -> str:
    """Name of a model's book of k shares."""
    return f"{model}/{k}"


def accounts(mic: str, bars: pl.DataFrame, stage: Stage, sizes: Sequence[int]) -> Accounts:
    """Run every model, seed and size."""
    there = stage.there
    books = {
        (arm(model, k), seed): picks(said, there, k)
        for model, seeds in stage.said.items()
        for seed, said in enumerate(seeds)
        for k in sizes
    }
    done = account(mic, bars, stage.inputs.panel, stage.days, books)
    names = {arm(model, k): len(seeds) for model, seeds in stage.said.items() for k in sizes}
    return {name: [done[name, seed] for seed in range(count)] for name, count in names.items()}


def waterfall(stages: Sequence[Stage], last: Accounts, model: str, k: int) -> dict[str, Floats]:
    """Give returns by decision, (T,), as published and after each step.

    Parameters
    ----------
    stages
        As published, then with each of the differences that need another fit or universe removed.
    last
        The books of the last stage in the engine.
    model, k
        Whose book.

    Returns
    -------
    dict
        "published", then the steps' names; "universe" only where there is such a stage.
    """
    out = {}
    for name, stage in zip(("published", *STEPS), stages, strict=False):
        earned = stage.earned(model, k)
        out[name] = earned[best(earned)]
    own = last[arm(model, k)]
    costed = earned - np.stack([one.cost for one in own])
    paid = costed - np.stack([one.impact for one in own])
    out["costs"] = costed[best(costed)]
    out["impact"] = paid[best(paid)]
    out["seed"] = paid.mean(axis=0)
    out["missing"] = np.mean([one.net for one in own], axis=0)
    return out


def markets(stages: Sequence[Stage]) -> dict[str, Floats]:
    """Give returns of all that could be picked at the same steps; nobody trades them: nothing is paid."""
    out = {name: stage.market() for name, stage in zip(("published", *STEPS), stages, strict=False)}
    return {**out, **dict.fromkeys(("costs", "impact", "seed", "missing"), stages[-1].market())}
