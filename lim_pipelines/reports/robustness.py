"""The page of one strategy's robustness: a word on top, then each family of scenarios beside the plain run.

What does not belong here: the scenarios and their figures (`lim_pipelines/stress`), the strategy's own report
(`strategy.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.evaluate.verdict import SHORTEST_RECORD
from lim_pipelines.reports.charts import layout, line
from lim_pipelines.reports.page import (
    Chart,
    Section,
    Table,
    interval,
    number,
    percent,
    sectioned,
)
from lim_pipelines.strategies.spec import StrategySpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
_BINS = 40


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
            charts |= {"sharpes": _histogram(found.sharpes, "net Sharpe ratio", 1.0)}
            charts |= {"drawdowns": _histogram(found.drawdowns, "largest loss, %", 100.0)}
            names = ["sharpes", "drawdowns"]
        elif rows:
            names = [family.replace(" ", "-")]
            charts[names[0]] = dots(rows)
        if family == "costs and fills" and found.costed:
            charts["equity"] = _equity(found)
            names.append("equity")
        text = " ".join([about, *_again(family, found), *_left_out(left)])
        note = " ".join(_reasons(rows, found.reasons))
        sections.append(Section(family, text, names, _table(family, rows, note)))
    name = found.spec.name
    beside = [file for file in (name, *NEIGHBOURS) if (reports / f"{file}.html").exists()]
    first, last = found.record["date"].min(), found.record["date"].max()
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
        links={file: f"{file}.html" for file in beside},
        simulated=found.spec.simulated,
    )


def dots(rows: Sequence[Row]) -> Chart:
    """Draw net Sharpe ratios, a line a scenario, and those without it.

    Bars are the interval of the difference, laid round the ratio: where they do not reach the other mark, it
    is measurable. Those of either ratio by itself are far wider.
    """
    shown = [row for row in reversed(rows) if row["net_sharpe"] is not None]
    names = [_wrapped(row["scenario"]) for row in shown]
    own = {
        "type": "scatter",
        "mode": "markers",
        "name": "in the scenario, 95 % interval of the difference",
        "x": [_short(row["net_sharpe"]) for row in shown],
        "y": names,
        "marker": {"size": 9, "color": drawing.COLORS[0]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_short(_less(row["difference_high"], row["difference"])) for row in shown],
            "arrayminus": [_short(_less(row["difference"], row["difference_low"])) for row in shown],
            "color": drawing.COLORS[0],
            "thickness": 1.4,
        },
    }
    plain = {
        "type": "scatter",
        "mode": "markers",
        "name": "without it",
        "x": [_short(row["plain_sharpe"]) for row in shown],
        "y": names,
        "marker": {"size": 9, "symbol": "diamond-open", "color": drawing.COLORS[1]},
    }
    where = layout("", 110 + 34 * len(shown), hovermode="closest", showlegend=True)
    where["xaxis"] |= {"title": {"text": "net Sharpe ratio a year"}, "showgrid": True, "zeroline": True}
    where["yaxis"] |= {"type": "category", "dtick": 1, "showgrid": False, "range": [-0.6, len(shown) - 0.4]}
    where["margin"]["b"] = 48
    return {"data": [own, plain], "layout": where}


def figure(rows: pl.DataFrame) -> Figure:
    """Draw what each scenario changes in the net Sharpe ratio, for an asset's metadata.

    Parameters
    ----------
    rows
        Rows of `ROBUSTNESS` of one strategy.
    """
    shown = rows.filter(pl.col("difference").is_not_null() & (pl.col("family") != HISTORIES)).to_dicts()
    picture = drawing.figure_of(5.6, 0.9 + 0.2 * len(shown))
    axes = drawing.styled(picture.subplots())
    axes.grid(axis="y", visible=False)
    families = list(ABOUT)
    for at, row in enumerate(shown):
        color = drawing.COLORS[families.index(row["family"]) % len(drawing.COLORS)]
        if row["difference_low"] is not None:
            axes.plot([row["difference_low"], row["difference_high"]], [at, at], color=color, lw=1.4)
        axes.plot(row["difference"], at, "o", color=color, ms=4)
    axes.axvline(0.0, color=drawing.INK, lw=0.6)
    axes.set_yticks(range(len(shown)), [row["scenario"] for row in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("change of the net Sharpe ratio, 95 % interval", color=drawing.INK, fontsize=8)
    return picture


def _facts(found: Stressed) -> list[tuple[str, str]]:
    judged = found.rows.filter(pl.col("family") != HISTORIES)
    worse = judged.filter(pl.col("verdict").str.starts_with("worse")).height
    lost = judged.filter(pl.col("verdict").str.contains("loses money")).height
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
    sessions = found.rows.filter(pl.col("family") == family)["sessions"].max()
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
        *("other sessions" if within else "without it", "difference", "95 % interval", "CAGR"),
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
            percent(row["cagr"]),
            percent(row["max_drawdown"]),
            *([] if within else [number(row["turnover_per_year"], 1)]),
            row["verdict"],
        )
        for row in rows
    ]
    return Table(head, cells, note)


def _equity(found: Stressed) -> Chart:
    records = {"plain": found.record, **found.costed}
    lines = [
        line(
            record["date"],
            np.cumprod(1.0 + record["net_return"].to_numpy()),
            name,
            drawing.COLORS[i % len(drawing.COLORS)],
            2.4 if i == 0 else 1.3,
        )
        for i, (name, record) in enumerate(records.items())
    ]
    return {"data": lines, "layout": layout("growth of 1, net", 300, showlegend=True)}


def _histogram(values: Floats, label: str, times: float) -> Chart:
    values = times * values[np.isfinite(values)]
    counts, edges = np.histogram(values, bins=_BINS) if len(values) else (np.zeros(0), np.zeros(1))
    bar = {
        "type": "bar",
        "name": "histories",
        "x": [_short(one) for one in (edges[1:] + edges[:-1]) / 2],
        "y": counts.tolist(),
        "marker": {"color": drawing.COLORS[0]},
    }
    where = layout("histories", 200, hovermode="closest", showlegend=False, bargap=0.05)
    where["xaxis"] |= {"title": {"text": label}}
    where["margin"]["b"] = 48
    return {"data": [bar], "layout": where}


def _wrapped(name: str) -> str:
    """Break a long name in two: on a phone the plot keeps half the width."""
    if len(name) <= 18:
        return name
    words = name.split(" ")
    at = min(range(1, len(words)), key=lambda i: abs(len(" ".join(words[:i])) - len(name) / 2), default=0)
    return f"{' '.join(words[:at])}<br>{' '.join(words[at:])}" if at else name


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _short(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")
