"""The leaderboard as a page: all strategies beside each other, real and simulated markets apart.

What does not belong here: judging (`evaluate/leaderboard.py`), reading (`standings.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.drawing import counted
from lim_pipelines.evaluate.deflated_sharpe import luckiest
from lim_pipelines.evaluate.leaderboard import SECTIONS, Judgement
from lim_pipelines.evaluate.ledger import Ledger
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.reports.charts import layout, line
from lim_pipelines.reports.luck import length
from lim_pipelines.reports.page import DASH, Chart, interval, number, percent, render

COLUMNS = (
    *(
        "net Sharpe",
        "95 % interval",
        "gross Sharpe",
        "CAGR",
        "max drawdown",
        "best control",
        "deflated Sharpe",
    ),
    *("sessions", "sessions needed", "SPA p", "p against control", "confidence set"),
)
_BINS = 30


@dataclass(frozen=True)
class World:
    """All that was tried in one world, real or simulated.

    Parameters
    ----------
    judged
        Its strategies, the best first.
    records
        Daily record of each, as from `metrics.pooled`.
    ledger
        Its trials.
    """

    judged: Sequence[Judgement]
    records: Mapping[str, pl.DataFrame]
    ledger: Ledger


def page(worlds: Mapping[bool, World], links: Mapping[str, str]) -> str:
    """Write the page.

    Parameters
    ----------
    worlds
        By whether they are simulated; those with strategies only.
    links
        Tests of all strategies beside it: file by name.

    Returns
    -------
    str
        HTML that loads nothing from anywhere; it leads to the reports, which lie beside it.
    """
    charts: dict[str, Chart] = {}
    sections = []
    for simulated, world in sorted(worlds.items()):
        key = "simulated" if simulated else "real"
        charts |= {
            f"sharpes-{key}": sharpes(world.judged),
            f"equity-{key}": _equities(world),
            f"trials-{key}": trials(world.ledger),
        }
        sections.append(
            {
                "key": key,
                "simulated": simulated,
                "title": SECTIONS[simulated],
                "said": [(one.strategy, one.verdict) for one in world.judged],
                "rows": [(one.strategy, one.arm, _cells(one)) for one in world.judged],
                "about": _about(world),
            }
        )
    return render(
        "leaderboard.html.j2", "Leaderboard", charts, columns=COLUMNS, sections=sections, links=links
    )


def sharpes(judged: Sequence[Judgement]) -> Chart:
    """Draw net Sharpe ratios with their intervals, and the best control of each."""
    shown = [one for one in reversed(judged) if math.isfinite(one.net_sharpe)]
    names = [one.strategy for one in shown]
    own = {
        "type": "scatter",
        "mode": "markers",
        "name": "net, 95 % interval",
        "x": [_round(one.net_sharpe) for one in shown],
        "y": names,
        "marker": {"size": 10, "color": drawing.COLORS[0]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_round(one.high - one.net_sharpe) for one in shown],
            "arrayminus": [_round(one.net_sharpe - one.low) for one in shown],
            "color": drawing.COLORS[0],
        },
    }
    control = {
        "type": "scatter",
        "mode": "markers",
        "name": "best control",
        "x": [_round(one.best_control_sharpe) for one in shown],
        "y": names,
        "marker": {"size": 9, "symbol": "diamond-open", "color": drawing.COLORS[1]},
    }
    where = layout("", 110 + 34 * len(shown), hovermode="closest", showlegend=True)
    where["xaxis"] |= {"title": {"text": "Sharpe ratio a year"}, "showgrid": True, "zeroline": True}
    where["yaxis"] |= {"type": "category", "showgrid": False}
    where["margin"]["b"] = 48
    return {"data": [own, control], "layout": where}


def trials(ledger: Ledger) -> Chart:
    """Draw the Sharpe ratios of all trials, and the best that is expected of as many without skill."""
    year = math.sqrt(SESSIONS_PER_YEAR)
    ratios = ledger.trials["sharpe_per_day"].to_numpy()
    counts, edges = np.histogram(ratios * year, bins=min(_BINS, max(5, len(ratios))))
    bar = {
        "type": "bar",
        "name": "trials",
        "x": [_round(value) for value in (edges[1:] + edges[:-1]) / 2],
        "y": counts.tolist(),
        "marker": {"color": drawing.COLORS[0]},
    }
    lucky = _round(luckiest(ratios) * year)
    mark = {
        "type": "scatter",
        "mode": "lines",
        "name": "expected of the best without skill",
        "x": [lucky, lucky],
        "y": [0, int(counts.max())],
        "line": {"color": drawing.COLORS[1], "dash": "dash"},
    }
    where = layout("trials", 220, hovermode="closest", showlegend=True, bargap=0.05)
    where["xaxis"] |= {"title": {"text": "net Sharpe ratio a year"}}
    where["margin"]["b"] = 48
    return {"data": [bar, mark], "layout": where}


def _equities(world: World) -> Chart:
    lines = [
        line(record["date"], np.cumprod(1 + record["net_return"].to_numpy()), name, color, 1.6)
        for (name, record), color in zip(
            world.records.items(), drawing.COLORS * len(world.records), strict=False
        )
    ]
    return {"data": lines, "layout": layout("growth of 1, net", 320, showlegend=True)}


def _cells(one: Judgement) -> list[str]:
    luck = one.luck
    control = f"{one.best_control} ({number(one.best_control_sharpe)})" if one.best_control else DASH
    inside = DASH if luck.may_be_best is None else ("in" if luck.may_be_best else "out")
    return [
        number(one.net_sharpe),
        interval(one.low, one.high),
        number(one.gross_sharpe),
        percent(one.cagr),
        percent(one.max_drawdown),
        control,
        percent(luck.deflated, 0),
        str(one.days),
        length(luck.sessions_needed_deflated),
        number(luck.p_money, 3),
        number(luck.p_control, 3),
        inside,
    ]


def _about(world: World) -> str:
    first = world.judged[0].luck
    words = (
        f"The ledger has {counted(first.trials, 'trial')} of this world: every arm and seed of every"
        " specification ever backtested."
    )
    pbo = [one.luck.overfitting.probability for one in world.judged if one.luck.overfitting is not None]
    if pbo:
        span = percent(min(pbo), 0) if len(pbo) == 1 else f"{percent(min(pbo), 0)} to {percent(max(pbo), 0)}"
        words += (
            f" Probability of backtest overfitting, of choosing the best among them: {span} (by the sessions"
            " of each record)."
        )
    return words


def _round(value: Any) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
