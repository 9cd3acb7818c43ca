"""The page of a family's champion: the decision in words, scores by group with intervals, lineage, the log.

What does not belong here: judging (`promotion.py`), how pages look (`panorama/page.py`, `drawing/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lim_pipelines import drawing
from lim_pipelines.foundation import registry
from lim_pipelines.foundation.evidence import Event, Evidence, GroupScore
from lim_pipelines.panorama.page import Section, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASH = "–"


def champion_page(models: Path, family: str, log: Sequence[Event], now: datetime) -> str:
    """Write the page of a family.

    Parameters
    ----------
    models
        Root of the checkpoints; the lineage is read off their metas.
    family
        Name of the family.
    log
        Its log, not empty.
    now
        When it is written, UTC.
    """
    champion = registry.champion_of(list(log))
    assert champion is not None
    newest = log[-1]
    judged = next((event for event in reversed(log) if event.evidence is not None), None)
    sections = [Section("Decision", (f"{newest.event} {newest.checkpoint}: {newest.why}.",))]
    if judged is not None and judged.evidence is not None:
        sections += _comparison(family, judged, judged.evidence)
    sections += [_lineage(models, family, log), _history(log)]
    facts = [
        ("champion of cutoff", f"{champion.cutoff}"),
        ("its digest", champion.digest[:16]),
        ("decided by", newest.by),
        ("decisions", f"{len(log)}"),
    ]
    return page(
        f"Champion of {family}",
        "Which checkpoint is in use, against which it was judged, and what it comes of. For use now:"
        " strategies that are tested on the past take the checkpoint of their own cutoff, never this one.",
        facts,
        sections,
        f"Made from {models / family / registry.LOG}, {now:%Y-%m-%d %H:%M} UTC.",
    )


def comparison_figure(evidence: Evidence) -> Figure:
    """Draw skill of champion and challenger by group, and their difference with its interval."""
    count = len(evidence.groups)
    figure = drawing.figure_of(7.6, 1.3 + 0.38 * count)
    left, right = figure.subplots(1, 2, sharey=True)
    rows = range(count)
    for axes, title in ((drawing.styled(left), "skill"), (drawing.styled(right), "gain of the challenger")):
        axes.set_title(title, color=drawing.INK, fontsize=9)
        axes.grid(axis="x", color=drawing.INK, alpha=0.25, lw=0.6)
        axes.axvline(0, color=drawing.INK, lw=0.8)
        axes.xaxis.set_major_formatter("{x:.1%}")
    before, now = ([one.champion for one in evidence.groups], [one.challenger for one in evidence.groups])
    left.plot(before, rows, "o", color=drawing.COLORS[0], label="champion", ms=5)
    left.plot(now, rows, "D", color=drawing.COLORS[1], label="challenger", ms=5)
    for row, one in zip(rows, evidence.groups, strict=True):
        right.plot(one.gain, row, "D", color=drawing.COLORS[1], ms=5)
        if one.low is not None and one.high is not None:
            right.plot([one.low, one.high], [row, row], color=drawing.COLORS[1], lw=1.6)
    left.set_yticks(list(rows), [one.group for one in evidence.groups])
    left.set_ylim(count - 0.5, -0.5)
    left.legend(fontsize=8, labelcolor=drawing.INK, frameon=False)
    return figure


def _comparison(family: str, event: Event, evidence: Evidence) -> list[Section]:
    note = (
        f"Challenger {event.checkpoint} against {event.before}: {evidence.windows:,} windows of"
        f" {evidence.days} days, which forecast {evidence.judged_from[:10]} to {evidence.judged_until[:10]},"
        " behind all that either was trained on. Skill is 1 - CRPS / CRPS of the trivial forecast. Intervals"
        f" of groups hold together at {evidence.level:.0%}; days were resampled in blocks."
    )
    columns = ("group", "windows", "champion", "challenger", "gain", "interval")
    rows = [_row(one) for one in evidence.groups]
    interval = _interval(evidence.low, evidence.high)
    rows.append(("all groups alike", f"{evidence.windows:,}", DASH, DASH, f"{evidence.gain:+.2%}", interval))
    figure = drawing.svg(comparison_figure(evidence), f"champion-{family}")
    return [Section("Champion against challenger", (note,), figure, columns, tuple(rows))]


def _row(one: GroupScore) -> tuple[str, ...]:
    return (
        *(one.group, f"{one.windows:,}", f"{one.champion:.2%}", f"{one.challenger:.2%}", f"{one.gain:+.2%}"),
        _interval(one.low, one.high),
    )


def _interval(low: float | None, high: float | None) -> str:
    return f"{DASH} (too few days)" if low is None or high is None else f"{low:+.2%} to {high:+.2%}"


def _lineage(models: Path, family: str, log: Sequence[Event]) -> Section:
    """Say what the champion, and the last challenger if it is another, come of."""
    champion = registry.champion_of(list(log))
    named = dict.fromkeys(one for one in (champion, log[-1].checkpoint) if one is not None)
    rows = tuple(
        (
            f"{meta.cutoff}",
            meta.input_digest[:16],
            meta.start.reason if meta.start else DASH,
            f"{meta.steps:,}",
            f"{meta.data.rows:,}",
            meta.data.fingerprint[:16],
            f"{meta.metrics['skill']:.2%}" if "skill" in meta.metrics else DASH,
        )
        for one in named
        for meta in registry.lineage(models, family, one)
    )
    columns = ("cutoff", "digest", "start", "steps", "rows read", "data", "own validation skill")
    note = "From the checkpoint back to the training from scratch that it goes back to."
    return Section("Lineage", (note,), columns=columns, rows=rows)


def _history(log: Sequence[Event]) -> Section:
    rows = tuple(
        (one.moment[:16], one.event.replace("_", " "), str(one.checkpoint), one.by, one.why)
        for one in reversed(log)
    )
    return Section("All decisions", columns=("when (UTC)", "decision", "checkpoint", "by", "why"), rows=rows)
