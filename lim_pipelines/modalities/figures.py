"""The picture of a stretch of market and of those that looked like it.

What does not belong here: finding them (`search.py`), how figures look in general (`drawing/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.lake import LATEST
from lim_pipelines.modalities.store import WINDOWS, Vectors
from lim_pipelines.modalities.windows import BAR_WINDOWS, LENGTH


def look_alike_figure(vectors: Vectors, found: pl.DataFrame) -> bytes:
    """Draw the paths of stretches over each other, each on its own scale.

    Parameters
    ----------
    vectors
        Where their vectors are.
    found
        As `look_alikes` returns it, the stretch that was asked for on top; at most five more are drawn.

    Returns
    -------
    bytes
        A PNG image.
    """
    found = found.head(len(drawing.COLORS) + 1)
    keys = ", ".join("'" + key.replace("'", "''") + "'" for key in found["key"])
    stored = vectors.read(WINDOWS, BAR_WINDOWS, as_of=LATEST, where=f"key IN ({keys})")
    paths = dict(zip(stored["key"], stored["vector"].to_numpy()[:, :LENGTH], strict=True))
    figure = drawing.figure_of(8, 3.6)
    axes = drawing.styled(figure.subplots(), "log price, window's own scale")
    colors = (drawing.INK, *drawing.COLORS)
    for (key, name, end, similarity), color in reversed(
        list(zip(found.select("key", "instrument_id", "end", "similarity").iter_rows(), colors, strict=False))
    ):
        asked = color == drawing.INK
        label = f"{name} to {end:%Y-%m-%d}" + ("" if asked else f"  {similarity:.2f}")
        axes.plot(range(LENGTH), paths[key], color=color, lw=2.6 if asked else 1.2, label=label)
    axes.set_xlabel("sessions", color=drawing.INK, fontsize=9)
    axes.legend(frameon=False, fontsize=8, labelcolor=drawing.INK, loc="upper left", bbox_to_anchor=(1, 1))
    return drawing.png(figure)
