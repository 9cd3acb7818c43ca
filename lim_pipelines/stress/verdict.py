"""What is to be said of scenarios, in words.

What does not belong here: the figures (`robustness.py`), whether the record is luck (`evaluate/verdict.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from lim_pipelines.evaluate.seeds import Estimate
from lim_pipelines.evaluate.verdict import SHORTEST_RECORD
from lim_pipelines.stress.scenarios import COSTS, CRISES, DATA, REGIMES, SETTINGS

WORSE, BETTER, SAME = "worse", "better", "nothing measurable"
UNCHANGED = "no change"
SHORT = "too short"
EMPTY = "nothing held"
LOSES = "loses money"

SLIGHT = 0.005
"""Difference of Sharpe ratios that a page writes as 0.00: surely there or not, nobody would act on it."""

SMALL = 0.2
"""Sharpe ratio below which a share of it says nothing."""


def of_difference(sharpe: float, plain: float, gap: Estimate, sessions: int) -> str:
    """Judge one scenario.

    Parameters
    ----------
    sharpe, plain
        Net Sharpe ratios in it and without it.
    gap
        Their difference.
    sessions
        What it rests on.

    Returns
    -------
    str
        Whether the whole interval of the difference lies on one side of zero, unless the difference is less
        than `SLIGHT`, the record is shorter than `SHORTEST_RECORD` or one of the two has no Sharpe ratio, as
        nothing moved in it; and whether one that earned money loses it.
    """
    if gap.low == gap.high == 0.0:
        word = UNCHANGED
    elif sessions < SHORTEST_RECORD:
        word = SHORT
    elif math.isnan(gap.low):
        word = SHORT if math.isfinite(gap.value) else EMPTY
    elif abs(gap.value) < SLIGHT:
        word = SAME
    else:
        word = WORSE if gap.high < 0 else BETTER if gap.low > 0 else SAME
    return f"{word}; {LOSES}" if sharpe < 0 < plain else word


def of_strategy(rows: pl.DataFrame, plain: float, sessions: int, loss: float, simulated: bool) -> str:
    """Sum up all scenarios of a strategy.

    Parameters
    ----------
    rows
        Rows of `ROBUSTNESS` of it.
    plain
        Net Sharpe ratio of its record; NaN if it held nothing.
    sessions
        Sessions of the record.
    loss
        Share of resampled records that end with a loss.
    simulated
        Whether its market is simulated.
    """
    world = "SIMULATED market, no real result. " if simulated else ""
    if sessions < SHORTEST_RECORD:
        return f"{world}Too short to say anything: {sessions} sessions."
    if math.isnan(plain):
        return f"{world}Held nothing, so there is nothing to break."
    found = list(rows.iter_rows(named=True))
    words = [_costs([row for row in found if row["family"] == COSTS], plain)]
    for families, kind in (((COSTS, DATA), "loses"), ((SETTINGS,), "hangs on")):
        harmed = [row for row in found if row["family"] in families and _is(row, WORSE)]
        words += [_harm(row, kind) for row in harmed if not _dearer(row)]
    words.append(_harmless([row for row in found if row["family"] in (COSTS, DATA, SETTINGS)]))
    words.append(_markets([row for row in found if row["family"] in (CRISES, REGIMES)]))
    words.append(f"of records resampled from its own days {loss:.0%} end with a loss")
    text = "; ".join(word for word in words if word)
    return f"{world}{text[0].upper()}{text[1:]}."


def _is(row: dict[str, Any], word: str) -> bool:
    return str(row["verdict"]).split(";")[0] == word


def _costs(rows: Sequence[dict[str, Any]], plain: float) -> str:
    if not plain > 0:
        return f"loses money as it is (Sharpe {plain:.2f}), so there is little to break"
    dearer = [row for row in rows if _dearer(row) and row["net_sharpe"] is not None]
    for row in dearer:
        if row["net_sharpe"] <= 0:
            return f"{row['scenario']} make it lose (Sharpe {row['net_sharpe']:.2f} instead of {plain:.2f})"
    if not dearer:
        return ""
    last = dearer[-1]
    return f"still earns money at {last['scenario']} (Sharpe {last['net_sharpe']:.2f} instead of {plain:.2f})"


def _dearer(row: dict[str, Any]) -> bool:
    return row["family"] == COSTS and str(row["scenario"]).startswith("costs")


def _harm(row: dict[str, Any], kind: str) -> str:
    if row["plain_sharpe"] > SMALL:
        share = f"{-row['difference'] / row['plain_sharpe']:.0%} of its Sharpe ratio"
    else:
        share = f"{-row['difference']:.2f} of Sharpe ratio"
    where = f"{row['scenario']} ({row['difference_low']:.2f} to {row['difference_high']:.2f})"
    return f"loses {share} with {where}" if kind == "loses" else f"hangs on a setting: {share} with {where}"


def _harmless(rows: Sequence[dict[str, Any]]) -> str:
    said = {word: sum(_is(row, word) for row in rows) for word in (SAME, UNCHANGED, SHORT)}
    whole = f"of {len(rows)} scenarios of costs, data and settings"
    words = []
    if said[SAME] or said[UNCHANGED]:
        words.append(f"{said[SAME] + said[UNCHANGED]} change nothing measurable")
    if said[UNCHANGED]:
        words[0] += f" ({said[UNCHANGED]} nothing at all)"
    if said[SHORT]:
        words.append(f"{said[SHORT]} rest on too few sessions to say")
    return f"{whole} {', '.join(words)}" if words else ""


def _markets(rows: Sequence[dict[str, Any]]) -> str:
    worse = [row["scenario"] for row in rows if _is(row, WORSE)]
    if worse:
        return f"measurably worse than on other sessions in {', '.join(worse)}"
    judged = [row for row in rows if not _is(row, SHORT) and not _is(row, EMPTY)]
    if not judged:
        return ""
    return f"no crisis or regime of its record ({len(judged)} long enough to say) was measurably worse"
