"""The page of one strategy's robustness: a word on top, then each family of scenarios beside the plain run.

What does not belong here: the scenarios and their figures (`lim_pipelines/stress`), the strategy's own report
(`strategy.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.evaluate.verdict import SHORTEST_RECORD
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.reports.page import Chart, Section, Table, interval, number, percent, sectioned, there
from lim_pipelines.reports.robustness_charts import dots, equity, histogram
from lim_pipelines.strategies.spec import StrategySpec

Floats = npt.NDArray[np.float64]
Row = Mapping[str, Any]

HISTORIES = "resampled histories"
WITHIN = ("crisis windows", "regimes")
AGAIN = ("worse data", "portfolio settings")

ABOUT = {
    "crisis windows": "Days of the record, beside all its other days. The list was made before any record was"
    " seen; months of the highest volatility, where it has no crisis, are known in hindsight.",
    "regimes": "Sessions by what the market was known to be like the session before, beside all others."
    " Volatility is that of the mean instrument over 20 sessions, ranked among all that were known by then;"
    " rising and falling are its return over 252 sessions. Sessions of a regime are not next to each other: a"
    " drawdown is that of a fund which was invested on these alone.",
    "costs and fills": "The same targets, traded otherwise. The optimiser does not know.",
    "worse data": "The same models decide again from worse data; their trades are filled at the true prices.",
    "portfolio settings": "The same forecasts, sized by other settings, one number at a time.",
    HISTORIES: "Blocks of the record's own days (stationary bootstrap, ten days on average) in another order,"
    " 2,000 times. What never happened in the record happens in none of them. Quantiles are of each figure by"
    " itself.",
}
NEIGHBOURS = ("effectiveness", "universality", "leaderboard")


@dataclass(frozen=True)
class Stressed:
    """What was found of one strategy.

    Parameters
    ----------
    spec, verdict
        The strategy; what is to be said of it.
    rows
        Rows of `ROBUSTNESS`.
    reasons
        Why each scenario is asked, by its name.
    left_out
        (family, name, why) of what is not asked.
    record
        The plain record, as from `metrics.pooled`.
    costed
        Records of the same targets at other costs, by scenario.
    sharpes, drawdowns, loss
        Of resampled histories: Sharpe ratios, largest losses, shape (R,); share that ends with a loss.
    cutoffs, seeds
        Whose decisions were taken again.
    """

    spec: StrategySpec
    verdict: str
    rows: pl.DataFrame
    reasons: Mapping[str, str]
    left_out: Sequence[tuple[str, str, str]]
    record: pl.DataFrame
    costed: Mapping[str, pl.DataFrame]
    sharpes: Floats
    drawdowns: Floats
    loss: float
    cutoffs: Sequence[str]
    seeds: int


def page(found: Stressed, reports: Path) -> str:
    """Write the page.

    Parameters
    ----------
    found
        What was found.
    reports
        Folder that it is written to; pages that lie there are led to.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    charts: dict[str, Chart] = {}
    sections = []
    for family, about in ABOUT.items():
        rows = found.rows.filter(pl.col("family") == family).to_dicts()
        left = [(name, why) for of, name, why in found.left_out if of == family]
        if not rows and not left:
            continue
        names = []
        if family == HISTORIES:
            charts |= {"sharpes": histogram(found.sharpes, "net Sharpe ratio", 1.0)}
            charts |= {"drawdowns": histogram(found.drawdowns, "largest loss, %", 100.0)}
            names = ["sharpes", "drawdowns"]
        elif rows:
            names = [family.replace(" ", "-")]
            charts[names[0]] = dots(rows)
        if family == "costs and fills" and found.costed:
            charts["equity"] = equity({"plain": found.record, **found.costed})
            names.append("equity")
        few = [f"Of fewer than {SHORTEST_RECORD} sessions, in or beside it, nothing is said."]
        text = " ".join([about, *(few if family in WITHIN else _again(family, found)), *_left_out(left)])
        note = " ".join(_reasons(rows, found.reasons))
        sections.append(Section(family, text, names, _table(family, rows, note)))
    name = found.spec.name
    first, last = found.record.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    return sectioned(
        f"Robustness of {name}",
        f"What becomes of {found.spec.method}, net of all costs, when things are not as they were: other"
        f" markets, costs, data, settings. The record is that of {first} to {last}. Nothing is chosen by"
        " these runs, so none is entered in the trial ledger. Intervals hold with 95 % each, not all of them"
        " at once: of forty scenarios that change nothing two look as if they did.",
        sections,
        charts,
        verdicts=[(name, found.verdict)],
        facts=_facts(found),
        links=there(reports, (name, *NEIGHBOURS)),
        simulated=found.spec.simulated,
    )


def _facts(found: Stressed) -> list[tuple[str, str]]:
    judged = found.rows.filter(pl.col("family") != HISTORIES)
    worse = judged.filter(pl.col("verdict").str.starts_with("worse")).height
    # Part of a record that loses turns nothing: it is in the record.
    turned = judged.filter(~pl.col("family").is_in(WITHIN))
    lost = turned.filter(pl.col("verdict").str.contains("loses money")).height
    return [
        ("sessions of the record", str(found.record.height)),
        ("scenarios", str(judged.height)),
        ("measurably worse", str(worse)),
        ("turn a gain into a loss", str(lost)),
        ("resampled records that lose", percent(found.loss, 0)),
    ]


def _again(family: str, found: Stressed) -> list[str]:
    if family not in AGAIN:
        return []
    cutoffs, seeds = found.cutoffs, drawing.counted(found.seeds, "seed")
    sessions = found.rows.filter(pl.col("family") == family).select(pl.col("sessions").max()).item()
    span = cutoffs[0] if len(cutoffs) == 1 else f"{cutoffs[0]} to {cutoffs[-1]}"
    return [
        f"Decided again: {drawing.counted(len(cutoffs), 'cutoff')} ({span}), {seeds} of {found.spec.method},"
        f" {sessions} sessions, beside the plain run of the same; of fewer than {SHORTEST_RECORD} nothing is"
        " said. The asset's configuration asks for more."
    ]


def _reasons(rows: Sequence[Row], reasons: Mapping[str, str]) -> list[str]:
    """Say why, once for all scenarios with the same reason."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if row["scenario"] in reasons:
            names.setdefault(reasons[row["scenario"]], []).append(row["scenario"])
    return [f"{', '.join(who)}: {why}" for why, who in names.items()] if len(names) > 1 else list(names)


def _left_out(left: Sequence[tuple[str, str]]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, why in left:
        names.setdefault(why, []).append(name)
    return [f"Left out: {', '.join(who)} ({why})." for why, who in names.items()]


def _table(family: str, rows: Sequence[Row], note: str) -> Table | None:
    if not rows:
        return None
    if family == HISTORIES:
        head: tuple[str, ...] = ("histories", "net Sharpe", "CAGR", "max drawdown")
        cells = [
            (row["scenario"], number(row["net_sharpe"]), percent(row["cagr"]), percent(row["max_drawdown"]))
            for row in rows
        ]
        return Table(head, cells, note)
    within = family in WITHIN
    head = (
        *("scenario", *(["sessions"] if within else []), "net Sharpe"),
        *("other sessions" if within else "without it", "difference", "95 % interval"),
        "net return" if within else "CAGR",
        *("max drawdown", *([] if within else ["turnover a year"]), "verdict"),
    )
    cells = [
        (
            row["scenario"],
            *([str(row["sessions"])] if within else []),
            number(row["net_sharpe"]),
            number(row["plain_sharpe"]),
            number(row["difference"]),
            interval(row["difference_low"], row["difference_high"]),
            percent(_earned(row) if within else row["cagr"]),
            percent(row["max_drawdown"]),
            *([] if within else [number(row["turnover_per_year"], 1)]),
            row["verdict"],
        )
        for row in rows
    ]
    return Table(head, cells, note)


def _earned(row: Row) -> float | None:
    """Net return of a scenario's sessions together: a growth a year says little of twenty of them."""
    return None if row["cagr"] is None else (1.0 + row["cagr"]) ** (row["sessions"] / SESSIONS_PER_YEAR) - 1.0
