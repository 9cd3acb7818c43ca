"""The data mix of a family as a table and a plot: what there is, and what training draws of it.

What does not belong here: the weights themselves (`mix.py`), how plots look (`lim_pipelines/drawing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lim_pipelines import drawing
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.dedup import twins
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.windows import Span, Windows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EVER = Span(-(2**62), 2**62)
_MOST = 24


@dataclass(frozen=True)
class GroupShare:
    """One exchange, asset class and frequency in a data mix.

    Parameters
    ----------
    exchange, asset_class, freq
        The group.
    series, twins
        Series; those of them that are left out as nearly identical with others.
    bars, windows
        Bars; windows that could be drawn if nothing were left out.
    bar_share, window_share, draw_share
        Of all groups' bars, windows and expected draws.
    """

    exchange: str
    asset_class: str
    freq: str
    series: int
    twins: int
    bars: int
    windows: int
    bar_share: float
    window_share: float
    draw_share: float


def data_mix(windows: Windows, config: FoundationConfig) -> list[GroupShare]:
    """Say what a family's windows are, and how often a training from scratch draws them.

    Parameters
    ----------
    windows
        All series of the family as of a moment.
    config
        Mix, horizon and patch.

    Returns
    -------
    list of GroupShare
        Those with windows, the one that is drawn most first.
    """
    same = twins(windows, _EVER.end, config.mix)
    sampler = WindowSampler(
        windows, horizon=config.horizon, patch=config.patch, span=_EVER, mix=config.mix, left_out=same
    )
    kinds = list(zip(windows.exchange, windows.asset_class, windows.freq, strict=True))
    drawn = sampler.shares
    counts = sampler.counts
    out = []
    for group, count in zip(sampler.groups, counts.tolist(), strict=True):
        members = [at for at, kind in enumerate(kinds) if kind == group]
        bars = int(windows.length[members].sum())
        out.append(
            GroupShare(
                *group,
                series=len(members),
                twins=sum(at in same for at in members),
                bars=bars,
                windows=count,
                bar_share=bars / int(windows.length.sum()),
                window_share=count / int(counts.sum()),
                draw_share=drawn.get(group, 0.0),
            )
        )
    return sorted(out, key=lambda one: (-one.draw_share, one.exchange, one.asset_class, one.freq))


def mix_figure(mix: Sequence[GroupShare]) -> Figure:
    """Draw shares of bars, windows and draws by group, at most 24 groups.

    Parameters
    ----------
    mix
        As `data_mix` gives it, not empty.
    """
    shown = mix[:_MOST]
    figure = drawing.figure_of(7.6, 1.1 + 0.42 * len(shown))
    axes = drawing.styled(figure.add_subplot())
    rows = np.arange(len(shown))
    shares = np.array([(one.bar_share, one.window_share, one.draw_share) for one in shown])
    for k, label in enumerate(("bars", "windows", "drawn")):
        axes.barh(rows + (k - 1) * 0.26, 100 * shares[:, k], 0.24, label=label, color=drawing.COLORS[k])
    axes.set_yticks(rows, [f"{one.exchange} {one.asset_class} {one.freq}" for one in shown])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=drawing.INK, alpha=0.25, lw=0.6)
    hidden = len(mix) - len(shown)
    more = (
        f"; {hidden} groups more, {sum(one.draw_share for one in mix[_MOST:]):.0%} of draws" if hidden else ""
    )
    axes.set_xlabel(f"share of all, %{more}", color=drawing.INK, fontsize=9)
    figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=8, labelcolor=drawing.INK)
    return figure
