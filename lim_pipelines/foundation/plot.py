"""Curves of a training as small SVGs, for its run in Dagster.

What does not belong here: reports of strategies (`reports/`). No plotting library: they are drawn
again every half minute, and these are lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lim_pipelines.foundation.metrics_file import Line

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 480, 200, 48, 24, 26, 10
_POINTS = 120
_COLORS = ("#2a7fd4", "#d4632a", "#2a9d5f", "#a05bc4", "#c49a1c", "#c43b5b")
"""Readable on white and on black."""

Curve = Sequence[tuple[int, float]]


def loss_svg(title: str, curve: Curve) -> str:
    """Draw a loss curve.

    Parameters
    ----------
    title
        What stands on top.
    curve
        (step, loss) pairs, steps increasing.

    Returns
    -------
    str
        A complete SVG document, readable on light and dark pages.
    """
    return _document(_WIDTH, _HEIGHT, _panel(title, {"": curve}))


def training_svg(title: str, lines: Sequence[Line]) -> str:
    """Draw a training: loss, skill on validation by group, gradient norm, windows a second.

    Parameters
    ----------
    title
        What stands on top.
    lines
        Lines of `metrics.jsonl`, at least one.

    Returns
    -------
    str
        A complete SVG document, readable on light and dark pages.
    """
    panels = [_panel(f"{title}: training loss", {"": _of(lines, "loss")})]
    judged = [line for line in lines if "validation" in line]
    # Variables are left out: who trains looks at where the windows come from.
    names = [name for name in judged[-1]["validation"] if name.startswith("skill")] if judged else []
    groups = [name for name in names if name == "skill" or name.count("_") > 1]
    shown = {
        name.removeprefix("skill_"): [
            (line["step"], line["validation"][name]) for line in judged if name in line["validation"]
        ]
        for name in groups[: len(_COLORS)]
    }
    if shown:
        panels.append(_panel("skill on validation windows", shown))
    panels.append(_panel("gradient norm", {"": _of(lines, "gradient_norm")}))
    panels.append(_panel("windows a second", {"": _of(lines, "windows_per_s")}))
    placed = "".join(
        f'<g transform="translate({(i % 2) * _WIDTH} {(i // 2) * _HEIGHT})">{panel}</g>'
        for i, panel in enumerate(panels)
    )
    return _document(2 * _WIDTH, -(-len(panels) // 2) * _HEIGHT, placed)


def _of(lines: Sequence[Line], name: str) -> Curve:
    """Average a number by step over even stretches."""
    width = -(-len(lines) // _POINTS)
    stretches = [lines[i : i + width] for i in range(0, len(lines), width)]
    return [(part[-1]["step"], sum(line[name] for line in part) / len(part)) for part in stretches]


def _panel(title: str, curves: Mapping[str, Curve]) -> str:
    values = [value for curve in curves.values() for _, value in curve]
    low, high = min(values), max(values)
    last = max(curve[-1][0] for curve in curves.values())
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(step: int, value: float) -> str:
        x = _LEFT + inner_width * step / max(last, 1)
        y = _TOP + inner_height * (high - value) / ((high - low) or 1.0)
        return f"{x:.1f},{y:.1f}"

    parts = []
    for i, (name, curve) in enumerate(curves.items()):
        color = _COLORS[i % len(_COLORS)]
        points = " ".join(place(step, value) for step, value in curve)
        # One point is no line.
        dots = "".join(_dot(place(*one), color) for one in curve) if len(curve) < 3 else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}"/>{dots}')
        if name:
            y = _TOP + 12 * (i + 1)
            at = f'x="{_WIDTH - _RIGHT}" y="{y}" text-anchor="end"'
            parts.append(f'<text {at} fill="{color}">{escape(name)}</text>')
    labels = [
        (_LEFT, 16, "start", escape(title)),
        (_LEFT - 6, _TOP + 8, "end", f"{high:.3g}"),
        (_LEFT - 6, _TOP + inner_height, "end", f"{low:.3g}"),
        (_WIDTH - _RIGHT, _HEIGHT - 6, "end", f"step {last}"),
    ]
    parts += [f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in labels]
    axes = f'<path d="M{_LEFT} {_TOP}V{_TOP + inner_height}H{_WIDTH - _RIGHT}" fill="none" stroke="#888"/>'
    return "".join(parts) + axes


def _dot(place: str, color: str) -> str:
    x, y = place.split(",")
    return f'<circle cx="{x}" cy="{y}" r="2" fill="{color}"/>'


def _document(width: int, height: int, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        f' font-size="11" fill="#888">{content}</svg>\n'
    )
