"""What a strategy chose at each cutoff, as lists of its report: pairs, leaders of followers, stocks held.

What does not belong here: choosing (`strategies/`, `portfolio/`), the page (`strategy.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from lim_pipelines.drawing import counted
from lim_pipelines.finetune.selection import Leader, Pair
from lim_pipelines.finetune.store import ModelMeta
from lim_pipelines.strategies.portfolios import SelectionPortfolio
from lim_pipelines.strategies.spec import StrategySpec

LONGEST_OPEN = 12
"""Lines of a list that is shown before anybody asks for it."""

_PAIR = ("pair", "hedge", "test statistic", "p-value", "half-life, sessions", "believed")
_LEADER = ("follower", "leader", "correlation", "p-value", "believed")
_HELD = ("instrument", "held at, share of decisions", "mean weight")
_ABOUT = {
    "pairs": "Chosen on what was known at the cutoff, among the pairs with the nearest returns. The p-value"
    " is that of the test for cointegration, before the control of false discoveries. Only what passes that"
    " is believed, and may be traded. Hedge: units of the second that hedge one of the first.",
    "lead_lag": "Chosen on what was known at the cutoff. Correlation of the leader's return of a session with"
    " the follower's of the next ones, each less its session's mean; the p-value is that before the control"
    " of false discoveries. Only a follower of a believed leader may be traded.",
}
_ABOUT_HELD = "Of all decisions and seeds of {method} behind a cutoff, those that held the instrument."


@dataclass(frozen=True)
class Choice:
    """What was chosen at one cutoff.

    Parameters
    ----------
    title
        When, and how much.
    columns
        Names of the columns.
    rows
        Cells, by row.
    shown
        Whether the list is unfolded.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shown: bool = False


def choices(
    spec: StrategySpec, targets: pl.DataFrame, models: Mapping[date, ModelMeta]
) -> tuple[list[Choice], str]:
    """Lay out what was chosen, newest first.

    Parameters
    ----------
    spec
        The strategy.
    targets
        Rows of `TARGETS` of the strategy.
    models
        Meta of the models that decided, by cutoff.

    Returns
    -------
    choices, about
        The lists, the newest unfolded unless it is long; what their columns mean. Both empty for a task that
        chooses nothing.
    """
    if isinstance(spec.portfolio, SelectionPortfolio):
        found, about = _held(spec, targets), _ABOUT_HELD.format(method=spec.method)
    else:
        found, about = [*_pairs(models), *_leaders(models)], _ABOUT.get(spec.task, "")
    newest_first = found[::-1]
    if newest_first and len(newest_first[0].rows) <= LONGEST_OPEN:
        newest_first[0] = replace(newest_first[0], shown=True)
    return newest_first, about if newest_first else ""


def _pairs(models: Mapping[date, ModelMeta]) -> list[Choice]:
    found = []
    for meta in _each(models):
        for formation in meta.selection.formations[-1:]:
            title = _title(meta, formation.pairs, "pair")
            found.append(Choice(title, _PAIR, tuple(map(_pair, formation.pairs))))
    return found


def _pair(pair: Pair) -> tuple[str, ...]:
    return (
        f"{pair.first} and {pair.second}",
        f"{pair.hedge:.2f}",
        f"{pair.statistic:.2f}",
        _chance(pair.p_value),
        f"{pair.half_life:.1f}",
        _believed(pair),
    )


def _leaders(models: Mapping[date, ModelMeta]) -> list[Choice]:
    found = []
    for meta in _each(models):
        leaders = meta.selection.leaders
        if leaders or meta.spec.task == "lead_lag":
            before = [None, *(one.lagger for one in leaders)]
            rows = (_leader(one, one.lagger != last) for one, last in zip(leaders, before, strict=False))
            found.append(Choice(_title(meta, leaders, "leader"), _LEADER, tuple(rows)))
    return found


def _leader(leader: Leader, first: bool) -> tuple[str, ...]:
    name = leader.lagger if first else ""
    return name, leader.leader, f"{leader.correlation:+.3f}", _chance(leader.p_value), _believed(leader)


def _held(spec: StrategySpec, targets: pl.DataFrame) -> list[Choice]:
    found = []
    own = targets.filter(pl.col("arm") == spec.method)
    for (cutoff,), here in own.sort("cutoff").group_by(["cutoff"], maintain_order=True):
        decisions = here.select("date", "seed").n_unique()
        weights = (
            here.filter(pl.col("weight") > 0)
            .group_by("instrument_id")
            .agg(share=pl.len() / decisions, weight=pl.col("weight").sum() / decisions)
            .sort("share", "instrument_id", descending=[True, False])
        )
        rows = tuple((name, f"{share:.0%}", f"{weight:.1%}") for name, share, weight in weights.iter_rows())
        title = f"{cutoff}: {counted(len(rows), 'instrument')} held at some time"
        found.append(Choice(title, _HELD, rows))
    return found


def _each(models: Mapping[date, ModelMeta]) -> Iterable[ModelMeta]:
    """Each model once, in order of their cutoffs: one that stayed in use chose once."""
    return {meta.cutoff: meta for _, meta in sorted(models.items())}.values()


def _title(meta: ModelMeta, chosen: Sequence[Pair | Leader], noun: str) -> str:
    if not chosen:
        return f"{meta.cutoff}: no {noun} found"
    believed = sum(one.believed for one in chosen)
    return f"{meta.cutoff}: {counted(len(chosen), noun)}, {believed or 'none'} believed"


def _believed(one: Pair | Leader) -> str:
    return "yes" if one.believed else "no"


def _chance(p_value: float) -> str:
    return f"{p_value:.1e}" if p_value < 0.001 else f"{p_value:.3f}"
