"""Draw a fan chart: what the model said of bars behind its cutoff, and what came.

    python scripts/fan_chart.py [--checkpoint FOLDER] [--at 2023-06-30] [--to docs/images/fan_chart.png]

AAPL of hvsampledata, daily, 2019-2024: behind the cutoffs of the demo. Without a checkpoint the champion of
LIM_HOME is asked (`make demo` makes one). The bands hold 50, 80 and 95 % of the paths. What does not belong
here: judging forecasts (`foundation/quality`); one picture says nothing of a model's worth.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines.drawing.figures import COLORS, INK, dated, figure_of, png, styled
from lim_pipelines.foundation.inference import LIM
from lim_pipelines.sources.hv_apple import HvApple

BANDS = (0.95, 0.8, 0.5)
PAST = 60
HORIZON = 40
PATHS = 2000


def apple() -> pl.DataFrame:
    """Daily bars of AAPL, sessions as `ts`."""
    source = HvApple()
    (file,) = source.files(Path())
    (parsed,) = source.read(file, Path())
    return parsed.rows.select(
        "exchange", "open", "high", "low", "close", "volume", "ex_factor", ts="date", instrument_id="symbol"
    )


def main() -> None:
    """Ask, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", default="champion", help="a checkpoint folder; else the champion")
    parser.add_argument("--at", type=date.fromisoformat, default=date(2023, 6, 30), help="last bar shown")
    parser.add_argument("--to", type=Path, default=Path("docs/images/fan_chart.png"))
    given = parser.parse_args()
    bars = apple()
    past, came = bars.filter(pl.col("ts") <= given.at), bars.filter(pl.col("ts") > given.at).head(HORIZON)
    lim = LIM.load(given.checkpoint)
    drawn = lim.forecast(past, horizon=came.height, samples=PATHS)
    paths = drawn["close"].to_numpy().reshape(PATHS, came.height)
    last = past["close"][-1]
    # The paths start where the past ends.
    paths = np.concatenate([np.full((PATHS, 1), last), paths], axis=1)
    ends = [past["ts"][-1], *came["ts"]]
    figure = figure_of(9, 4)
    axes = dated(styled(figure.add_subplot(), "USD"))
    for shade, band in zip((0.15, 0.25, 0.4), BANDS, strict=True):
        low, high = np.quantile(paths, [(1 - band) / 2, (1 + band) / 2], axis=0)
        axes.fill_between(ends, low, high, color=COLORS[0], alpha=shade, lw=0, label=f"{band:.0%}")
    axes.plot(ends, np.median(paths, axis=0), color=COLORS[0], label="median")
    shown = past.tail(PAST)
    axes.plot(shown["ts"], shown["close"], color=INK, label="context (its end)")
    axes.plot(ends, [last, *came["close"]], color=COLORS[1], label="what came")
    title = f"AAPL, {came.height} sessions from {given.at}, by a model trained up to {lim.meta.cutoff}"
    axes.set_title(title, color=INK, fontsize=10)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left", ncols=2)
    given.to.write_bytes(png(figure))
    print(f"{given.to}: {PATHS} paths")


if __name__ == "__main__":
    main()
