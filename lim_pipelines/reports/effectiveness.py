"""The page that says whether strategies work: every year, net, beyond luck and beyond the simple rule.

What does not belong here: the figures and the verdict (`lim_pipelines/effectiveness.py`), what a strategy
holds and trades (`strategy.py`), trials and equities side by side (`leaderboard.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.evaluate.leaderboard import Judgement
from lim_pipelines.evaluate.years import ALL
from lim_pipelines.reports.charts import layout, less, shortened
from lim_pipelines.reports.page import Chart, Section, Table, interval, number, percent, sectioned

SUBTITLE = (
    "Does it work, year after year, net, beyond luck and beyond the simple rule? Every strategy with a"
    " backtest, walked forward. It passes if it is better than luck after all trials and better than its best"
    " control, each with 95 %, and was above zero and above that control in two of three years, of three at"
    " least. Nothing is chosen by this test, so nothing of it is entered in the trial ledger. Names lead to"
    " the reports."
)
NEIGHBOURS = ("leaderboard", "universality")


@dataclass(frozen=True)
class Tested:
    """What was found of one strategy.

    Parameters
    ----------
    judged
        What the leaderboard says of it.
    arms
        Its method, then its controls.
    figures
        Rows of `EFFECTIVENESS`.
    passed, verdict
        Whether it works; why, in words.
    """

    judged: Judgement
    arms: Sequence[str]
    figures: pl.DataFrame
    passed: bool
    verdict: str


def page(found: Sequence[Tested], links: Mapping[str, str]) -> str:
    """Write the page.

    Parameters
    ----------
    found
        All strategies, real before simulated.
    links
        File beside this one, by name.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    sections, charts = [], {}
    for one in found:
        name = one.judged.strategy
        figures = {
            (arm, period, metric): value
            for _, arm, period, metric, value in one.figures.iter_rows()
            if value is not None
        }
        periods = sorted({period for _, period, _ in figures} - {ALL})
        charts[f"years-{name}"] = years_chart(one, figures, periods)
        shown = [f"years-{name}"]
        if worn := [metric for _, _, metric in figures if metric.startswith("rank_ic_month_")]:
            charts[f"decay-{name}"] = _decay_chart(one, figures, worn)
            shown.append(f"decay-{name}")
        sections.append(
            Section(
                f"Strategy {name}",
                _promises(one, figures),
                shown,
                _years(one, figures, [*periods, ALL] if len(periods) > 1 else periods),
                [(name, one.verdict)],
                one.judged.simulated,
            )
        )
    facts = [
        (f"{world} strategies that pass", f"{sum(one.passed for one in them)} of {len(them)}")
        for world, them in (
            ("real", [one for one in found if not one.judged.simulated]),
            ("simulated", [one for one in found if one.judged.simulated]),
        )
        if them
    ]
    if not found:
        sections.append(Section("Nothing to test", "No strategy has a backtest yet."))
    return sectioned("Effectiveness", SUBTITLE, sections, charts, facts=facts, links=links)


Figures = Mapping[tuple[str, str, str], float]
"""Values by arm, period and metric; undefined ones are not there."""


def years_chart(one: Tested, figures: Figures, periods: Sequence[str]) -> Chart:
    """Draw the net Sharpe ratio by year, method and best control, with their 95 % intervals."""
    arms = [arm for arm in (one.judged.arm, one.judged.best_control) if arm]
    bars = []
    for arm, color in zip(arms, drawing.COLORS, strict=False):
        rows = [[figures.get((arm, p, f"sharpe{end}")) for end in ("", "_low", "_high")] for p in periods]
        bars.append(
            {
                "type": "bar",
                "name": arm,
                "x": list(periods),
                "y": [shortened(value) for value, _, _ in rows],
                "marker": {"color": color},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [shortened(less(high, value)) for value, _, high in rows],
                    "arrayminus": [shortened(less(value, low)) for value, low, _ in rows],
                    "color": drawing.INK,
                    "thickness": 1.2,
                },
            }
        )
    where = layout("net Sharpe ratio, 95 % interval", 260, showlegend=True, barmode="group", bargap=0.5)
    where["hovermode"] = "closest"
    where["xaxis"] |= {"type": "category"}
    where["yaxis"] |= {"zeroline": True, "showgrid": True}
    return {"data": bars, "layout": where}


def _decay_chart(one: Tested, figures: Figures, worn: Sequence[str]) -> Chart:
    months = sorted(int(name.rpartition("_")[2]) for name in worn)
    values = [shortened(figures[one.judged.arm, ALL, f"rank_ic_month_{month}"]) for month in months]
    where = layout("rank IC by months since the models' cutoff", 220, hovermode="closest")
    where["xaxis"] |= {"type": "category"}
    bar = {"type": "bar", "x": [str(m) for m in months], "y": values, "marker": {"color": drawing.COLORS[0]}}
    return {"data": [bar], "layout": where}


def _years(one: Tested, figures: Figures, periods: Sequence[str]) -> Table:
    rows = []
    for period in periods:
        for arm in one.arms:
            of = {name: figures.get((arm, period, name)) for name in _COLUMNS}
            rows.append(
                (
                    "all years" if period == ALL else period,
                    arm,
                    number(of["days"], 0),
                    number(of["sharpe"]),
                    interval(of["sharpe_low"], of["sharpe_high"]),
                    percent(of["cagr"]),
                    percent(of["max_drawdown"]),
                    percent(of["hit_rate"], 0),
                    number(of["turnover_per_year"], 1),
                    number(of["rank_ic"], 3),
                )
            )
    head = ("year", "arm", "sessions", "net Sharpe", "95 % interval", "CAGR", "max drawdown", "hit rate")
    note = "Seeds pooled; rank ICs are means over seeds. Of fewer than 60 sessions nothing is said."
    return Table((*head, "turnover a year", "rank IC"), rows, note)


_COLUMNS = (
    *("days", "sharpe", "sharpe_low", "sharpe_high", "cagr", "max_drawdown", "hit_rate"),
    *("turnover_per_year", "rank_ic"),
)


def _promises(one: Tested, figures: Figures) -> str:
    arm, control = one.judged.arm, one.judged.best_control
    words = []
    share = figures.get((arm, ALL, "share_of_years_above_zero"))
    if share is not None:
        years = figures[arm, ALL, "years"]
        words.append(f"Above zero in {years * share:.0f} of {drawing.counted(int(years), 'year')}")
        beaten = figures.get((arm, ALL, "share_of_years_above_control"))
        words[0] += "." if beaten is None else f", above {control} in {years * beaten:.0f}."
    promised = figures.get((arm, ALL, "promised_rank_ic"))
    if promised is not None:
        came = figures.get((arm, ALL, "came_rank_ic"))
        words.append(
            f"Before the cutoffs validation promised a rank IC of {number(promised, 3)}; behind them came"
            f" {number(came, 3)}, measured alike (means over cutoffs and seeds)."
        )
        best = figures.get((control, ALL, "promised_rank_ic"))
        if best is not None:
            came = figures.get((control, ALL, "came_rank_ic"))
            words.append(f"Of {control}: {number(best, 3)} promised, {number(came, 3)} came.")
    return " ".join(words)
