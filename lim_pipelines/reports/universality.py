"""The page that says where what was learned holds: instruments, exchanges, classes and frequencies.

What does not belong here: asking (`lim_pipelines/universality`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.reports.charts import layout, shortened
from lim_pipelines.reports.page import DASH, Chart, Section, Table, interval, number, percent, sectioned

SUBTITLE = (
    "Does what was learned hold elsewhere? Checkpoints of the last year's cutoffs, each asked about windows"
    " behind its own cutoff only, beside naive forecasts on the same windows; and strategies' trained models"
    " asked about instruments that they do not trade. Nothing is chosen by this test, so nothing of it is"
    " entered in the trial ledger."
)
NEIGHBOURS = ("leaderboard", "effectiveness")
SHOTS = {"full": "seen", "zero": "zero-shot", "few": "few-shot"}
FEWEST_MARKETS = 5
"""Markets below which nothing holds "elsewhere": tossed coins win four of four in 6 % of cases, five of five
in 3 %."""

_ORDER = {shot: at for at, shot in enumerate(SHOTS)}


class Counted(NamedTuple):
    """In how many markets a family beats a naive forecast.

    Parameters
    ----------
    family, simulated
        Which, and its world.
    shot, target, against
        As in `UNIVERSALITY`.
    value, low, high
        Share of markets and its interval.
    cells
        Markets.
    """

    family: str
    simulated: bool
    shot: str
    target: str
    against: str
    value: float
    low: float
    high: float
    cells: int


def page(
    rows: pl.DataFrame,
    shares: Sequence[Counted],
    left_out: Sequence[str],
    few: int,
    links: Mapping[str, str],
) -> str:
    """Write the page.

    Parameters
    ----------
    rows
        Rows of `UNIVERSALITY`.
    shares
        Of all families.
    left_out
        What could not be asked about, and why.
    few
        Windows of a few-shot copy.
    links
        File beside this one, by name.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    charts: dict[str, Chart] = {}
    sections = []
    ranked = pl.col("target") == "rank_ic"
    for simulated in (False, True):
        world = rows.filter(pl.col("simulated") == simulated)
        for family in world.filter(~ranked)["subject"].unique().sort():
            own = world.filter(pl.col("subject") == family)
            counted = [one for one in shares if one.family == family]
            charts[f"skill-{family}"] = skill_chart(own)
            sections += [
                Section(
                    f"Checkpoints {family}",
                    _about(own, few),
                    (),
                    _shares(counted),
                    [(family, verdict(counted))],
                    simulated,
                ),
                Section(f"Skill of {family} by market", "", [f"skill-{family}"], _skills(own)),
            ]
        if world.filter(ranked).height:
            title = "Strategies on what they do not trade" + (" (SIMULATED)" if simulated else "")
            alone = world.filter(ranked, pl.col("shot") == "zero").is_empty()
            text = "Their world has nothing else at their frequency." if alone else ""
            sections.append(Section(title, text, (), _heads(world.filter(ranked)), simulated=simulated))
    if left_out:
        sections.append(Section("Not asked", " ".join(left_out)))
    if rows.is_empty():
        sections.append(Section("Nothing to ask", "There is no checkpoint with bars behind its cutoff yet."))
    return sectioned("Universality", SUBTITLE, sections, charts, links=links)


def verdict(counted: Sequence[Counted]) -> str:
    """Say in words whether a family holds on markets that it never saw."""
    new = [one for one in counted if one.shot == "zero"]
    if not new:
        return "Nothing to say: no market is new to it."
    words = [
        f"{one.target} in {round(one.value * one.cells)} of {drawing.counted(one.cells, 'market')}"
        f" ({interval(100 * one.low, 100 * one.high, 0)} %)"
        for one in new
    ]
    shown = [one.target for one in new if one.low > 0.5 and one.cells >= FEWEST_MARKETS]
    held = f"SHOWN for {', '.join(shown)}" if shown else "NOT SHOWN"
    return (
        f"{held}: of markets that it never saw it beats the naive forecast of {'; '.join(words)}. Shown is"
        f" what holds in more than half of {FEWEST_MARKETS} markets at least, the whole interval."
    )


def skill_chart(rows: pl.DataFrame) -> Chart:
    """Draw the skill in volatility of each market with its interval, by shot."""
    wanted = rows.filter(pl.col("target") == "volatility", pl.col("against") == "historical_volatility")
    names = [_market(one) for one in wanted.sort("exchange", "asset_class", "freq").iter_rows(named=True)]
    order = list(dict.fromkeys(reversed(names)))
    data = []
    # Zero-shot and few-shot of a market lie beside each other; what was seen has no other, so in the middle.
    for shot in ("zero", "full", "few"):
        own, color = wanted.filter(pl.col("shot") == shot), drawing.COLORS[_ORDER[shot]]
        if own.is_empty():
            continue
        low, high = (
            [
                shortened(None if end is None else abs(end - one))
                for one, end in own.select("skill", at).iter_rows()
            ]
            for at in ("low", "high")
        )
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": SHOTS[shot],
                "orientation": "h",
                "offsetgroup": shot,
                "legendrank": _ORDER[shot],
                "x": [shortened(value) for value in own["skill"]],
                "y": [_market(one) for one in own.iter_rows(named=True)],
                "marker": {"size": 9, "color": color},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": high,
                    "arrayminus": low,
                    "color": color,
                },
            }
        )
    where = layout("", 110 + 34 * len(order), hovermode="closest", showlegend=True, scattermode="group")
    title = "skill, volatility"
    where["xaxis"] |= {"title": {"text": title}, "showgrid": True, "zeroline": True, "tickformat": ".0%"}
    where["yaxis"] |= {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": order,
        "showgrid": False,
    }
    where["margin"]["b"] = 48
    return {"data": data, "layout": where}


def _about(rows: pl.DataFrame, few: int) -> str:
    windows = rows.group_by("exchange", "asset_class", "freq").agg(pl.col("windows").max())["windows"].sum()
    newest = rows.select(pl.col("cutoff").max()).item()
    return (
        f"{windows:,} windows, cutoffs up to {newest}. Seen: what it was trained on. Zero-shot:"
        f" the checkpoint as it is on what its training never saw. Few-shot: a copy after one pass over the"
        f" market's last {few} windows known at the cutoff."
    )


def _shares(counted: Sequence[Counted]) -> Table:
    rows = [
        (
            SHOTS[one.shot],
            one.target,
            one.against.replace("_", " "),
            f"{round(one.value * one.cells)} of {one.cells}",
            percent(one.value, 0),
            interval(100 * one.low, 100 * one.high, 0),
        )
        for one in counted
    ]
    note = (
        "Markets (exchange, class, frequency) in which the skill is above zero. They are not independent:"
        " days are drawn in blocks, each with all that every market has of it, and the share is counted anew."
    )
    return Table(("asked", "target", "beside", "beaten", "share", "95 % interval, %"), rows, note)


def _skills(rows: pl.DataFrame) -> Table:
    targets = rows.select("target", "against").unique().sort("target", "against").rows()
    out = []
    keys = ["exchange", "asset_class", "freq", "shown", "shot"]
    for key, own in sorted(
        rows.group_by(keys), key=lambda item: (*map(str, item[0][:4]), _ORDER[str(item[0][4])])
    ):
        cells = {(one["target"], one["against"]): one for one in own.iter_rows(named=True)}
        exchange, asset_class, freq, shown, shot = map(str, key)
        out.append(
            (
                f"{exchange} {asset_class} {freq}",
                _new(shown),
                SHOTS[shot],
                str(own["windows"].max()),
                *(_skill(cells.get(pair)) for pair in targets),
            )
        )
    head = ("market", "new to it", "asked", "windows")
    note = (
        "Skill in CRPS, %, with its 95 % interval (days drawn in blocks): 0 is as good as the naive forecast,"
        " below is worse. Windows whose context was corrected or came later are not asked."
    )
    return Table((*head, *(f"{t} / {a.replace('_', ' ')}" for t, a in targets)), out, note)


def _skill(one: Mapping[str, Any] | None) -> str:
    if one is None or one["skill"] is None:
        return DASH
    said, low, high = (
        None if one[name] is None else round(100 * one[name]) for name in ("skill", "low", "high")
    )
    return number(said, 0) if low is None else f"{number(said, 0)} ({interval(low, high, 0)})"


def _heads(rows: pl.DataFrame) -> Table:
    out = [
        (
            one["subject"],
            f"{one['exchange']} {one['asset_class']} {one['freq']}",
            "its own" if one["shot"] == "full" else _new(one["shown"]),
            str(one["windows"]),
            number(one["skill"], 3),
            interval(one["low"], one["high"], 3),
        )
        for one in rows.sort("subject", "shot", "exchange", "asset_class").iter_rows(named=True)
    ]
    note = (
        "Rank IC of the method's mean forecast over its seeds with what came: across instruments of a session"
        " for relative tasks, over time for others. Models and features as they were at each cutoff."
    )
    return Table(("strategy", "market", "new to it", "forecasts", "rank IC", "95 % interval"), out, note)


def _new(shown: str) -> str:
    """Say what is new in a cell under the head "new to it"."""
    return DASH if shown == "seen" else shown.replace("new ", "").replace("asset class", "class")


def _market(one: Mapping[str, Any]) -> str:
    return f"{one['exchange']} {one['asset_class']} {one['freq']}"
