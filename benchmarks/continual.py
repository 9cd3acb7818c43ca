"""Continual training against training from scratch: quality, cost, forgetting over exchanges and time.

    nice -n 10 python -m benchmarks.continual [--steps 300] [--seeds 2] [--image docs/images/forgetting.png]
    nice -n 10 python -m benchmarks.continual --home HOME --exchanges XNAS XNYS      real daily bars

Simulated, three exchanges: one stays as it is (trends), one turns from trends to reversals half way (a change
of regime), one closes half way (its bars follow a cycle of five days): nothing new comes of it, so it is
there to be forgotten. A third of the instruments judges and is never trained on. The lake of real bars is
what `python -m benchmarks.foundation_quality --prepare HOME` makes.

Prints a markdown table, arms beside each other; the matrix is drawn to `--image`.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import torch

from lim_pipelines import drawing
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.data import read_bars, series_of
from lim_pipelines.foundation.forgetting import (
    Arm,
    Outcome,
    Rolling,
    cells_of,
    forgetting,
    forward,
    kept,
    next_rows,
)
from lim_pipelines.foundation.forgetting_plot import forgetting_figure
from lim_pipelines.foundation.judged import days_of, reach_of
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Series
from lim_pipelines.foundation.windows import store_of
from lim_pipelines.instruments import ASSET_CLASSES
from lim_pipelines.lake import Lake
from lim_pipelines.paired import paired

CUTOFFS = 6
DAYS, INSTRUMENTS = 1400, 9
DAY = 86_400_000_000
TREND, CYCLE = 0.8, 5
SCRATCH = Arm("from scratch", 1, 1.0)
ARMS = (
    SCRATCH,
    Arm("continual, no replay", 0, 0.0),
    Arm("continual, replay .25", 0, 0.25),
    Arm("continual, replay .5", 0, 0.5),
    Arm("continual, replay .75", 0, 0.75),
    Arm("full every 3, replay .5", 3, 0.5),
)


def returns(kind: str, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Daily returns of one instrument of an exchange, standard deviation 1 %."""
    noise = rng.standard_normal(DAYS)
    if kind == "closing":
        cycle = np.sin(2 * np.pi * (np.arange(DAYS) / CYCLE + rng.random()))
        return 0.01 * (cycle + 0.5 * noise)
    for t in range(1, DAYS):
        memory = -TREND if kind == "turning" and t >= DAYS // 2 else TREND
        noise[t] = memory * noise[t - 1] + np.sqrt(1 - TREND**2) * noise[t]
    return 0.01 * noise


def simulated() -> list[Series]:
    """Make the three exchanges."""
    out = []
    for kind in ("steady", "turning", "closing"):
        days = DAYS // 2 if kind == "closing" else DAYS
        for i in range(INSTRUMENTS):
            rng = np.random.default_rng([i, *kind.encode()])
            values = np.full((days, len(VARIABLES)), np.nan, dtype=np.float32)
            values[:, 0] = returns(kind, rng)[:days]
            ts = np.arange(1, days + 1, dtype=np.int64) * DAY
            calendar = np.zeros((days, len(CALENDAR)), dtype=np.float32)
            out.append(Series(f"{kind}:{i}", kind, "equity", "1d", ts, ts, values, calendar))
    return out


def real(home: Path, config: FoundationConfig) -> list[Series]:
    """Read the daily bars of a lake, all that is known."""
    return series_of(read_bars(Lake(str(home / "lake")), config, date(2100, 1, 1)))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300, help="of a training from scratch; a fifth go on")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--exchanges", nargs="+", default=["XNAS", "XNYS"])
    parser.add_argument("--image", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = FoundationConfig(
        name="continual",
        exchanges=tuple(given.exchanges),
        asset_classes=ASSET_CLASSES,
        freqs=("1d",),
        context=32,
        steps_first=given.steps,
        steps_continual=max(1, given.steps // 5),
    )
    series = simulated() if given.home is None else real(given.home, config)
    report(series, config, given.seeds, given.image)


def report(series: list[Series], config: FoundationConfig, seeds: int, image: Path | None) -> None:
    """Roll all arms, print the table, draw the matrix."""
    windows = store_of(series, config)
    held_out = [at for at in range(len(series)) if at % 3 == 2]
    first, last = min(int(s.ts[0]) for s in series), max(int(s.ts[-1]) for s in series)
    cutoffs = first + ((last - first) * np.linspace(0.3, 0.9, CUTOFFS)).astype(np.int64)
    cells = cells_of(windows, config, cutoffs, held_out)
    rollings = [Rolling(windows, config, cutoffs, cells, held_out, seed) for seed in range(seeds)]
    found = {arm: [rolling.run(arm) for rolling in rollings] for arm in ARMS}
    rows = np.concatenate(next_rows(cells, CUTOFFS))
    judged = cells.picks[rows]
    groups = np.asarray(cells.exchange)[cells.cell[rows]].tolist()
    days = days_of(windows, judged)
    reach = reach_of(windows, judged, config.horizon, days)

    def mean(outcomes: list[Outcome]) -> Outcome:
        return Outcome(
            matrix=np.mean([one.matrix for one in outcomes], axis=0),
            next_lost=np.mean([one.next_lost for one in outcomes], axis=0),
            flops=outcomes[0].flops,
            seconds=float(np.mean([one.seconds for one in outcomes])),
        )

    outcomes = {arm: mean(each) for arm, each in found.items()}
    scratch = outcomes[SCRATCH]
    print(
        f"{len(series)} series, {CUTOFFS} cutoffs, {config.steps_first} steps from scratch,"
        f" {config.steps_continual} to go on, {seeds} seeds; skill on {len(cells.picks):,} windows of"
        f" {len(held_out)} instruments that none was trained on.\n"
    )
    print(
        "| arm | skill behind the cutoff | less that from scratch (95 %) | skill before it, last checkpoint |"
        " forgetting, mean | worst cell | FLOPs over scratch | seconds over scratch |\n|" + "---|" * 8
    )
    for arm, one in outcomes.items():
        gain = paired(scratch.next_lost - one.next_lost, days, groups, reach=reach)[0]
        lost = forgetting(one.matrix, cells.stretch)
        worst = int(np.nanargmax(lost))
        print(
            f"| {arm.name} | {forward(one.matrix, cells.stretch):.2%} |"
            f" {gain.mean:+.2%} ({gain.low:+.2%} to {gain.high:+.2%}) |"
            f" {kept(one.matrix, cells.stretch):.2%} | {np.nanmean(lost):+.2%} |"
            f" {cells.exchange[worst]} {cells.stretch[worst]}: {lost[worst]:+.2%} |"
            f" {one.flops / scratch.flops:.2f} | {one.seconds / scratch.seconds:.2f} |"
        )
    if image is not None:
        matrices = {arm.name: one.matrix for arm, one in outcomes.items()}
        image.write_bytes(drawing.png(forgetting_figure(matrices, cells.exchange, cells.stretch), dpi=90))


if __name__ == "__main__":
    main()
