"""The loss curve as a small SVG, so that a checkpoint's folder can be looked at in a browser.

What does not belong here: reports of strategies (`backtest/report.py`). No plotting library: training
processes start often, and this is one line.
"""

from __future__ import annotations

from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 480, 200, 44, 24, 26


def loss_svg(title: str, curve: Sequence[tuple[int, float]]) -> str:
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
    low, high = min(loss for _, loss in curve), max(loss for _, loss in curve)
    last = curve[-1][0]
    inner_width, inner_height = _WIDTH - _LEFT - 10, _HEIGHT - _TOP - _BOTTOM

    def place(step: int, loss: float) -> str:
        x = _LEFT + inner_width * step / last
        y = _TOP + inner_height * (high - loss) / ((high - low) or 1.0)
        return f"{x:.1f},{y:.1f}"

    points = " ".join(place(step, loss) for step, loss in curve)
    labels = [
        (_LEFT, 16, "start", title),
        (_LEFT - 6, _TOP + 8, "end", f"{high:.3f}"),
        (_LEFT - 6, _TOP + inner_height, "end", f"{low:.3f}"),
        (_WIDTH - 10, _HEIGHT - 6, "end", f"step {last}"),
    ]
    texts = "".join(
        f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in labels
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
        f' font-size="11" fill="#888"><polyline points="{points}" fill="none" stroke="#2a7fd4"/>'
        f'<path d="M{_LEFT} {_TOP}V{_TOP + inner_height}H{_WIDTH - 10}" fill="none" stroke="#888"/>'
        f"{texts}</svg>\n"
    )
