"""What a published model was worth, as tables and a picture.

What does not belong here: how it was found (`as_published_waterfall.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.as_published_books import reciprocal_rank, squared_error
from benchmarks.as_published_data import Floats
from benchmarks.as_published_waterfall import MARKET, STEPS, Accounts, Stage, best
from lim_pipelines.backtest.metrics import sharpe_per_day
from lim_pipelines.drawing import COLORS, INK, figure_of, png, styled
from lim_pipelines.evaluate.deflated_sharpe import deflated_sharpe
from lim_pipelines.evaluate.intervals import sharpe_interval
from lim_pipelines.finetune.base import rank_correlation
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.paired import paired

RULES = ("reversal", "momentum", "distance")
"""They rank, and say no returns."""
K = 5
"""Shares of the book that the tables and the picture show."""

_RED, _DARK = "#d1495b", "#4a4a4a"


@dataclass(frozen=True)
class Outcome:
    """All models on one exchange and test.

    Parameters
    ----------
    mic, test
        Which.
    first, last
        As published, and without leaks.
    accounts
        Books of the last in the engine.
    steps
        By model and size: returns by decision, (T,), at each step.
    markets
        The same of all that could be picked.
    """

    mic: str
    test: str
    first: Stage
    last: Stage
    accounts: Accounts
    steps: Mapping[tuple[str, int], Mapping[str, Floats]]
    markets: Mapping[str, Floats]

    @property
    def models(self) -> list[str]:
        """Their names."""
        return list(self.first.said)

    @property
    def name(self) -> str:
        """Exchange and test."""
        return f"{self.mic}, {self.test}"


def rank_ics(stage: Stage, model: str) -> Floats:
    """Mean rank IC of each seed, (seeds,)."""
    there, label = stage.there & np.isfinite(stage.label), stage.label
    out = []
    for said in stage.said[model]:
        own = (
            rank_correlation(s[t], y[t])
            for s, t, y in zip(said, there & np.isfinite(said), label, strict=True)
        )
        out.append(np.nanmean(list(own)))
    return np.array(out)


def trials(outcome: Outcome, published: bool) -> Floats:
    """Sharpe ratios a day of every model, seed and size that was tried."""
    if not published:
        books = [one.net for seeds in outcome.accounts.values() for one in seeds]
    else:
        sizes = sorted({k for _, k in outcome.steps})
        books = [b for name in outcome.models for k in sizes for b in outcome.first.earned(name, k)]
    return np.array([ratio for ratio in map(sharpe_per_day, books) if math.isfinite(ratio)])


def ratio(returns: Floats) -> str:
    """Annual Sharpe ratio with its interval."""
    low, high = sharpe_interval(returns)
    return f"{sharpe_per_day(returns) * math.sqrt(SESSIONS_PER_YEAR):.2f} ({low:.2f} to {high:.2f})"


def summary(outcome: Outcome) -> str:
    """Both ends for every model, the book of `K`."""
    header = (
        "as published",
        "IRR",
        "over the market",
        "Sharpe (95 %)",
        "deflated",
        "rank IC",
        "MRR",
        "MSE, e-4",
    )
    header += (
        "leak-free: IRR",
        "over the market",
        "Sharpe over the market (95 %)",
        "deflated",
        "rank IC",
        "MRR",
    )
    rows = []
    tried = {which: trials(outcome, which) for which in (True, False)}
    for name in outcome.models:
        steps = outcome.steps[name, K]
        then, now = steps["published"], steps["missing"]
        seed = best(outcome.first.earned(name, K))
        first, last = outcome.first, outcome.last
        said = first.said[name][seed]
        error = 1e4 * squared_error(said, first.there, first.label)
        ranks = [reciprocal_rank(s, last.there, last.label) for s in last.said[name]]
        over = now - outcome.markets["missing"]
        rows.append(
            (
                name,
                f"{then.sum():.2f}",
                f"{(then - outcome.markets['published']).sum():.2f}",
                ratio(then),
                f"{deflated_sharpe(then, tried[True]):.0%}",
                f"{rank_ics(first, name)[seed]:.3f}",
                f"{reciprocal_rank(said, first.there, first.label):.3f}",
                "" if name in RULES else f"{error:.1f}",
                f"{now.sum():.2f}",
                f"{over.sum():.2f}",
                ratio(over),
                f"{deflated_sharpe(now, tried[False]):.0%}",
                f"{rank_ics(last, name).mean():.3f}",
                f"{np.mean(ranks):.3f}",
            )
        )
    then, now = outcome.markets["published"], outcome.markets["missing"]
    blank = ("",) * 4
    rows.append((MARKET, f"{then.sum():.2f}", "", ratio(then), *blank, f"{now.sum():.2f}", *blank, ""))
    return markdown(header, rows)


def worth(outcome: Outcome) -> str:
    """Tell what each step takes from the sum of returns; bold where its interval leaves out zero."""
    rows = []
    shown = {**{name: outcome.steps[name, K] for name in outcome.models}, MARKET: outcome.markets}
    for name, steps in shown.items():
        cells, before = [], steps["published"]
        for step in STEPS:
            if step in steps:
                cells.append(_change(steps[step] - before))
                before = steps[step]
            else:
                cells.append("not known")
            if step == "costs":
                cells.append(f"{before.sum():.2f}")
        rows.append((name, f"{steps['published'].sum():.2f}", *cells, f"{before.sum():.2f}"))
    steps = list(STEPS.values())
    after = list(STEPS).index("costs") + 1
    header = ("IRR", "as published", *steps[:after], "so far", *steps[after:], "leak-free, costed")
    return markdown(header, rows)


def _change(difference: Floats) -> str:
    if not difference.any():
        return "0"
    gain, _ = paired(difference, np.arange(len(difference)), [""] * len(difference))
    text = f"{difference.sum():+.2f}"
    return f"**{text}**" if gain.better or gain.worse else text


def sizes(outcome: Outcome) -> str:
    """IRR by the number of shares, at both ends."""
    ks = sorted({k for _, k in outcome.steps})
    rows = [
        (
            name,
            *(f"{outcome.steps[name, k]['published'].sum():.2f}" for k in ks),
            *(f"{outcome.steps[name, k]['missing'].sum():.2f}" for k in ks),
        )
        for name in outcome.models
    ]
    ends = [f"{end}, top {k}" for end in ("published", "leak-free") for k in ks]
    return markdown(("IRR", *ends), rows)


def report(outcomes: Sequence[Outcome]) -> str:
    """All tables."""
    parts = []
    for outcome in outcomes:
        then, now = (stage.there.sum(1).mean() for stage in (outcome.first, outcome.last))
        count = f"{len(outcome.first.days)} decisions, {then:.0f} shares as published, {now:.0f} at the end"
        parts += [f"### {outcome.name} ({count})", summary(outcome), worth(outcome), sizes(outcome)]
    return "\n\n".join(parts)


def draw(outcomes: Sequence[Outcome]) -> bytes:
    """Draw what each difference is worth, a panel an exchange and test: PNG."""
    figure = figure_of(10, 3.2 * math.ceil(len(outcomes) / 2))
    panels = figure.subplots(math.ceil(len(outcomes) / 2), 2, squeeze=False).ravel()
    colours = dict(zip(STEPS, (*COLORS, _RED, _DARK), strict=True))
    for axes, outcome in zip(panels, outcomes, strict=False):
        styled(axes, "sum of returns")
        axes.set_title(outcome.name, color=INK, fontsize=9)
        shown = [*((name, outcome.steps[name, K]) for name in outcome.models), (MARKET, outcome.markets)]
        for at, (_, steps) in enumerate(shown):
            _bars(axes, at, steps, colours)
        axes.axhline(0, color=INK, lw=0.8)
        axes.set_xticks(range(len(shown)), [name for name, _ in shown], rotation=25, ha="right")
    handles = panels[0].get_legend_handles_labels()
    unique = dict(zip(handles[1], handles[0], strict=True))
    figure.legend(
        unique.values(),
        unique.keys(),
        loc="outside upper center",
        fontsize=8,
        frameon=False,
        ncols=4,
        labelcolor=INK,
    )
    return png(figure)


def _bars(axes: Any, at: int, steps: Mapping[str, Floats], colours: Mapping[str, str]) -> None:
    """Stack what the steps take below zero and what they give above; mark both ends."""
    ends, before = {1: 0.0, -1: 0.0}, steps["published"].sum()
    for step, label in STEPS.items():
        change = float(steps.get(step, np.array([before])).sum() - before)
        side = 1 if change > 0 else -1
        axes.bar(at, change, 0.6, bottom=ends[side], color=colours[step], label=label)
        ends[side] += change
        before += change
    axes.plot(at, steps["published"].sum(), "o", color=INK, ms=6, mfc="white", label="as published")
    axes.plot(at, before, "D", color=INK, ms=5, label="leak-free, costed")
