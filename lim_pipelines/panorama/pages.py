"""What the pages of the panorama say.

What does not belong here: where they are written (`assets/panorama.py`), reading the lake.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.panorama.coverage import QUIET_SESSIONS, Coverage
from lim_pipelines.panorama.grid import Grid
from lim_pipelines.panorama.heatmap import heatmap_figure
from lim_pipelines.panorama.page import Section, page
from lim_pipelines.panorama.staleness import STATES
from lim_pipelines.panorama.staleness_plot import staleness_figure
from lim_pipelines.panorama.timeline import Timeline
from lim_pipelines.panorama.timeline_plot import detail_figure, whole_figure

DASH = "–"
_MOST_MARKS = 200


def coverage_page(found: Coverage, issuers: Sequence[Grid], now: datetime) -> str:
    """Write the page of the coverage of bars and of alternative data."""
    sections = [
        Section(grid.title, (_said(grid),), drawing.svg(heatmap_figure([grid]), f"map{i}"))
        for i, grid in enumerate([*found.grids, *issuers])
    ]
    if found.gaps:
        rows = tuple((g.instrument_id, g.freq, g.first, g.last, g.sessions) for g in found.gaps)
        note = "The longest stretches of sessions without a bar, of instruments that have bars on both sides."
        sections.append(
            Section(
                "Gaps",
                (note,),
                columns=("instrument", "bars", "from", "to", "sessions"),
                rows=rows,
            )
        )
    if not sections:
        sections = [_empty("validated bars", "validated_bars or archive")]
    have, expected = sum(found.lives["have"].to_list()), sum(found.lives["expected"].to_list())
    facts = [
        ("instruments with bars", f"{found.lives['instrument_id'].n_unique():,}"),
        ("sessions expected", f"{expected:,}"),
        ("of them with bars", _percent(have, expected)),
        ("sources of alternative data", f"{len(issuers)}"),
    ]
    return page(
        "Coverage",
        "How many of the bars that the calendar leads one to expect are there. An instrument is expected from"
        f" its first bar to the end that its listing tells; without a bar for more than {QUIET_SESSIONS}"
        " sessions it counts as ended after its last one. Intraday bars are counted against the instrument's"
        " own usual number a session. Empty cells: nothing is expected yet.",
        facts,
        sections,
        _made("validated_bars, validated_facts, validated_events and validated_texts", now),
    )


def staleness_page(table: pl.DataFrame, now: datetime) -> str:
    """Write the page of how old each source's news is."""
    rows = tuple(
        (
            *(row[name] or DASH for name in ("kind", "source", "part", "state")),
            f"{row['newest_ts']:%Y-%m-%d %H:%M}",
            f"{row['newest_known_at']:%Y-%m-%d %H:%M}",
            f"{_number(row['age'])} {row['unit']}",
            *(_number(row[name]) for name in ("usual", "longest")),
        )
        for row in table.iter_rows(named=True)
    )
    sections = [_empty("validated rows of any source", "validated_bars or validated_macro")]
    if rows:
        columns = ("kind", "source", "part", "state", "newest ts", "newest known_at")
        more = ("age", "usual gap", "longest")
        meaning = "; ".join(f"{state}: {words}" for state, words in STATES.items())
        sections = [
            Section("Age against habit", (meaning + ".",), drawing.svg(staleness_figure(table), "ages")),
            Section("All sources", ("Times are UTC.",), columns=columns + more, rows=rows),
        ]
    counts = [(f"{state}", f"{table.filter(pl.col('state') == state).height}") for state in STATES]
    return page(
        "Staleness of each source",
        "How long each source has been quiet, against its own habit: the gaps between the moments at which"
        " its rows became known, over its last two years. Quotes are measured in sessions of their exchange,"
        " so that no weekend makes them late; all else in days.",
        counts if rows else (),
        sections,
        _made("the validated tables and the ledgers of files", now),
    )


def timeline_page(line: Timeline, now: datetime) -> str:
    """Write the page of one instrument's timeline."""
    sections: list[Section] = []
    facts = [("daily bars", f"{line.bars.height:,}")]
    if line.window is None:
        sections = [_empty(f"anything about {line.instrument_id}", "validated_bars")]
    else:
        if line.bars.height:
            last = line.bars.row(-1, named=True)
            facts = [(f"close of {last['ts']:%Y-%m-%d}", f"{last['close']:,.6g}"), *facts]
            sections.append(
                Section(
                    "Prices",
                    ("All daily closes; what is shaded is drawn below with everything that happened.",),
                    drawing.svg(whole_figure(line), "whole"),
                )
            )
        first, end = line.window
        marks = line.marks.filter(pl.col("known_at").is_between(first, end))
        facts += [
            ("happenings drawn below", f"{marks.height:,}"),
            ("texts", f"{line.texts['texts'].sum():,}"),
        ]
        notes: tuple[str, ...] = (
            "Each happening is a filled mark at the moment it could first be known, joined to a ring at the"
            " moment it describes: the end of the quarter that a filing is about, the date that is announced,"
            " the bar that is revised. Texts stand on the day on which they were known. Lanes with more than"
            " sixty happenings show ticks.",
        )
        if line.bars.filter(pl.col("ts").is_between(first, end)).is_empty():
            notes += ("There are no daily bars in this time.",)
        sections.append(
            Section(f"{first:%Y-%m-%d} to {end:%Y-%m-%d}", notes, drawing.svg(detail_figure(line), "detail"))
        )
        shown = marks.sort("known_at", descending=True).head(_MOST_MARKS)
        rows = tuple(
            (f"{known:%Y-%m-%d %H:%M}", f"{ts:%Y-%m-%d %H:%M}", _lag(ts, known), lane, what)
            for lane, what, ts, known in shown.iter_rows()
        )
        left = f" The newest {_MOST_MARKS} of {marks.height}." if marks.height > _MOST_MARKS else ""
        if rows:
            columns = ("known at", "describes", "after", "lane", "what")
            sections.append(Section("Happenings", (f"Times are UTC.{left}",), columns=columns, rows=rows))
    known = "as known today" if line.as_of is None else f"as known at {line.as_of:%Y-%m-%d %H:%M} UTC"
    issuer = f", issued by {', '.join(line.issuers)}" if line.issuers else ""
    name = f" ({line.name})" if line.name else ""
    return page(
        f"{line.instrument_id}{name}",
        f"Timeline {known}{issuer}.",
        facts,
        sections,
        _made("validated bars, facts, events, texts and macro series", now),
    )


def _said(grid: Grid) -> str:
    return (
        f"{_percent(grid.have, grid.expected)} of {grid.expected:,.0f} expected; a column is a {grid.unit}"
        f" and counts {grid.counted}."
    )


def _empty(what: str, assets: str) -> Section:
    return Section(
        "Nothing to show yet",
        (f"The lake holds no {what}. Materialise {assets} (`make demo` does), then this asset again.",),
    )


def _made(tables: str, now: datetime) -> str:
    return f"Made from {tables} of the lake, {now:%Y-%m-%d %H:%M} UTC, by lim_pipelines/panorama."


def _percent(have: float, expected: float) -> str:
    """Round down: 99.99 % is not all."""
    if not expected:
        return DASH
    return "100 %" if have >= expected else f"{int(1e4 * have / expected) / 100:.2f} %"


def _number(value: float) -> str:
    return DASH if value != value else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _lag(ts: datetime, known: datetime) -> str:
    days = (known - ts).total_seconds() / 86_400
    return f"{days:+.1f} d" if abs(days) < 10 else f"{days:+,.0f} d"
