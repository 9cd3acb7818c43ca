"""Any table of numbers over time by the protocol of Informer (Zhou et al. 2021) and its followers.

    python -m benchmarks.any_csv FILE.csv [--context 512] [--horizons 96 192 336 720] [--steps 200]
        [--zero-shot CHECKPOINT ...]

Rows are split 7:1:2 in order of time; columns are z-scored by the training part; the mean squared and mean
absolute error of the test part are averaged over windows, columns and the horizon. Every column is a series
of its own. All read its differences as they would read log returns, so a column may have any sign; the
level is the last known one plus the mean of what they say. Unlike in the literature there is one model for
all horizons (baselines learn the longest, LIM rolls out what is longer than 96), and `--windows` test windows
a horizon are judged, evenly spread, not every one. Nothing is tuned on the test part; nobody uses the
validation part at all. The defaults take some five minutes on a quiet core; published models train longer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from lim_pipelines.foundation.baselines.base import Expecting, Forecaster
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.inference import LIM
from lim_pipelines.foundation.quality.entrants import Baseline, Lim
from lim_pipelines.foundation.quality.harness import before
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Ints, Series
from lim_pipelines.foundation.windows import WindowStore

TRAIN, VALIDATION = 0.7, 0.1
RIVALS = ("persistence", "drift", "ridge", "dlinear", "patchtst")
PATCH = 16
CLOSE = VARIABLES.index("close")
_HOUR = 3_600_000_000


class Table:
    """A csv file as z-scored levels (T, C) and as series of differences.

    Parameters
    ----------
    path
        File with one column of dates and any number of numeric ones.
    """

    def __init__(self, path: Path) -> None:
        frame = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
        numbers = frame.select(pl.selectors.numeric()).fill_nan(None).fill_null(strategy="forward")
        if not numbers.width or numbers.height < 100:
            raise ValueError(
                f"{path}: {numbers.width} numeric columns, {numbers.height} rows; it needs 100 rows"
            )
        late = [name for name in numbers.columns if numbers[name].null_count()]
        if late:
            raise ValueError(f"{path}: {', '.join(late)} begin with no value; cut the rows before the first")
        levels = numbers.to_numpy().astype(np.float64)
        self.train = int(len(levels) * TRAIN)
        self.test = int(len(levels) * (TRAIN + VALIDATION))
        mean, spread = levels[: self.train].mean(0), levels[: self.train].std(0)
        self.levels: npt.NDArray[np.float64] = (levels - mean) / np.where(spread > 0, spread, 1.0)
        self.series = [
            self._series(name, column) for name, column in zip(numbers.columns, self.levels.T, strict=True)
        ]

    @staticmethod
    def _series(name: str, levels: npt.NDArray[np.float64]) -> Series:
        values = np.full((len(levels), len(VARIABLES)), np.nan, np.float32)
        values[1:, CLOSE] = np.diff(levels)
        # Dates are not read: an hour a row. Weekdays are an exchange's business, and there is none.
        ts = np.arange(len(levels), dtype=np.int64) * _HOUR
        calendar = np.zeros((len(levels), len(CALENDAR)), np.float32)
        return Series(name, "csv", "index", "1h", ts, ts, values, calendar)

    def picks(self, horizon: int, count: int) -> Ints:
        """Windows of the test part, evenly spread: (n, 2)."""
        last = len(self.levels) - horizon - 1
        if last < self.test - 1:
            raise ValueError(f"the test part has {len(self.levels) - self.test} rows, a horizon {horizon}")
        ends = np.unique(np.linspace(self.test - 1, last, count).astype(np.int64))
        return np.array([(c, end) for c in range(len(self.series)) for end in ends], dtype=np.int64)


def errors(
    table: Table, forecaster: Forecaster, context: int, horizon: int, picks: Ints
) -> tuple[float, float]:
    """Mean squared and mean absolute error."""
    if not isinstance(forecaster, Expecting):
        raise TypeError(f"{forecaster.name} says paths, but not their mean")
    store = WindowStore(table.series, context, horizon)
    squared, absolute, count = 0.0, 0.0, 0
    for start in range(0, len(picks), 16):
        chosen = picks[start : start + 16]
        last = table.levels[chosen[:, 1], chosen[:, 0]]
        truth = np.stack([table.levels[row + 1 : row + 1 + horizon, c] for c, row in chosen.tolist()])
        steps = forecaster.expected(store.batch(chosen), horizon)
        said = last[:, None] + steps.cumsum(1, dtype=np.float64)
        squared += float(((said - truth) ** 2).sum())
        absolute += float(np.abs(said - truth).sum())
        count += truth.size
    return squared / count, absolute / count


def config_of(context: int, steps: int, horizon: int) -> FoundationConfig:
    """Make a family that learns from the table alone."""
    return FoundationConfig.model_validate(
        {
            "name": "any_csv",
            "exchanges": ("csv",),
            "asset_classes": ("index",),
            "freqs": ("1h",),
            "context": context,
            "horizon": horizon,
            "patch": PATCH,
            "steps_first": steps,
        }
    )


def forecasters(table: Table, options: argparse.Namespace) -> dict[str, Forecaster]:
    """Everybody, fitted to the training part."""
    longest = max(options.horizons)
    if table.train < longest + PATCH + 1:
        raise ValueError(f"the training part has {table.train} rows; a horizon of {longest} needs more")
    # Longer horizons than this are rolled out.
    reach = max(PATCH, min(96, min(options.horizons)) // PATCH * PATCH)
    config = config_of(options.context, options.steps, reach)
    end = int(table.series[0].ts[table.train])
    past = before(table.series, end)
    whole = config.model_copy(update={"horizon": longest})
    found = {name: Baseline(BASELINES[name], whole, 2000).at(end, past) for name in RIVALS}
    found["LIM, trained on it"] = Lim(config).at(end, past)
    for folder in options.zero_shot:
        found[f"LIM, zero-shot ({folder.name})"] = LimForecaster(LIM.load(folder).model)
    return found


def report(table: Table, options: argparse.Namespace) -> str:
    """Everybody's errors at all horizons as a table."""
    rows = []
    everybody = forecasters(table, options)
    for horizon in options.horizons:
        picks = table.picks(horizon, options.windows)
        for name, forecaster in everybody.items():
            mse, mae = errors(table, forecaster, options.context, horizon, picks)
            rows.append((f"{horizon}, {name}", f"{mse:.3f}", f"{mae:.3f}"))
    return markdown(("horizon, forecaster", "MSE", "MAE"), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--horizons", type=int, nargs="+", default=[96, 192, 336, 720])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--zero-shot", type=Path, nargs="*", default=())
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    start = time.perf_counter()
    table = Table(options.file)
    print(report(table, options))
    rows, columns = table.levels.shape
    print(f"\n{rows:,} rows, {columns} columns, {options.steps} steps, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
