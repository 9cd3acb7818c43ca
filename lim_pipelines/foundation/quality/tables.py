"""Scores of a walk-forward as tables of Markdown, and in words where the model loses.

What does not belong here: the scores (`metrics.py`), pictures (`plots.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lim_pipelines.foundation.quality.metrics import (
    Estimate,
    coverage,
    direction,
    r2,
    rank_ic,
    skill,
)

PRICE, VOLATILITY, VOLUME = "persistence", "historical_volatility", "historical_volatility"
"""Whom skill in return, volatility and volume is measured against."""

_LEAST_WINDOWS = 20


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table of Markdown; all columns but the first are numbers."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def percent(estimate: Estimate) -> str:
    """Skill in percent with its interval; bold where the interval leaves out zero; empty for nothing."""
    if estimate.value != estimate.value:
        return ""
    text = f"{100 * estimate.value:.1f}"
    if estimate.low == estimate.low:
        text += f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
    return f"**{text}**" if estimate.low > 0 or estimate.high < 0 else text


def names_of(scores: pl.DataFrame) -> list[str]:
    """Forecasters in the order in which they took part."""
    return scores["forecaster"].unique(maintain_order=True).to_list()


def overall(scores: pl.DataFrame) -> str:
    """Everybody on all windows of some scores, a line each."""
    header = (
        *("forecaster", f"return: skill, % of {PRICE}", f"volatility: skill, % of {VOLATILITY}"),
        *(f"volume: skill, % of {VOLUME}", "rank IC", "direction", "R2 of log volatility"),
        *("80 % interval holds: return", "volatility", "ms a window"),
    )
    rows = []
    for name in names_of(scores):
        mine = scores.filter(pl.col("forecaster") == name)
        ic, _ = rank_ic(mine)
        rows.append(
            (
                name,
                percent(skill(scores, name, PRICE, "return")),
                percent(skill(scores, name, VOLATILITY, "volatility")),
                percent(skill(scores, name, VOLUME, "volume")),
                str(ic),
                str(direction(mine)),
                str(r2(mine, "volatility")),
                f"{coverage(mine, 'return').value:.2f}",
                f"{coverage(mine, 'volatility').value:.2f}",
                f"{1000 * mine['seconds'].sum() / mine.height:.1f}",
            )
        )
    return markdown(header, rows)


def against(scores: pl.DataFrame, name: str, rivals: Sequence[str], target: str, by: Sequence[str]) -> str:
    """Skill of one forecaster against each rival, a line a group.

    Parameters
    ----------
    scores
        Of everybody.
    name
        Whom to judge.
    rivals
        Against whom; those that took no part have no column.
    target
        One of `targets.TARGETS`.
    by
        Columns that make the groups. A cell is empty where fewer than 20 windows have the target (most of a
        market of indices have no volume), a group without any cell is left out.
    """
    there = [rival for rival in rivals if rival in names_of(scores)]
    rows = []
    for key, group in sorted(scores.group_by(by), key=lambda item: tuple(map(str, item[0]))):
        found = [skill(group, name, rival, target) for rival in there]
        cells = [percent(one) if one.windows >= _LEAST_WINDOWS else "" for one in found]
        if any(cells):
            most = max(one.windows for one in found)
            rows.append((" ".join(map(str, key)), f"{most:,}", *cells))
    return markdown((", ".join(by), "windows", *(f"% of {rival}" for rival in there)), rows)


def losses(scores: pl.DataFrame, name: str) -> list[str]:
    """In words, where a forecaster does worse than a rival, overall and by class and frequency.

    A loss is an interval of skill below zero as a whole, of 20 windows at least. Among equals one comparison
    in forty is lost by luck.
    """
    out = []
    groups = [("all markets", scores)]
    groups += [
        (" ".join(map(str, key)), group)
        for key, group in sorted(scores.group_by("asset_class", "freq"), key=lambda item: str(item[0]))
    ]
    for where, group in groups:
        for rival in names_of(scores):
            for target in ("return", "volatility", "volume"):
                found = skill(group, name, rival, target)
                if rival != name and found.high < 0 and found.windows >= _LEAST_WINDOWS:
                    out.append(f"- {where}, {target}: behind {rival} by {percent(found).strip('*')} %")
    return out
