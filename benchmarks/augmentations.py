"""What changing windows, weighing groups and dropping twins is worth: each on against off.

    python -m benchmarks.augmentations [--home HOME --exchanges FXCM --freqs 1m] [--steps 300] [--seeds 3]

Equal steps from the same initial weights, trained on bars before a moment (the last fifth of the time is held
out), judged by CRPS over all variables on windows of the time behind it, both before 2018. Without `--home`
the quotes that packages bring along (bokeh, arch, hvsampledata) are imported into a folder that is thrown
away; a home as `benchmarks.foundation_quality --prepare` makes it brings what it holds.

Prints, as a table, how much less CRPS each has than the plain training, in per cent: mean over seeds and
windows, its interval over moments (paired, blocks in time), each seed's mean, and the time of a step.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lim_pipelines.bulk import import_history
from lim_pipelines.foundation.config import REAL, Augment, FoundationConfig, Mix
from lim_pipelines.foundation.data import read_bars, series_of
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.entrants import learn
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import Series
from lim_pipelines.foundation.skill import window_scores
from lim_pipelines.foundation.windows import Span, split_time, store_of
from lim_pipelines.instruments import ASSET_CLASSES
from lim_pipelines.lake import Lake, Past, midnight
from lim_pipelines.paired import paired

CUTOFF = date(2018, 1, 1)
FIRST = date(1999, 1, 1)
HELD_OUT = 0.2
WINDOWS = 400  # of each exchange and frequency
ARMS: dict[str, dict[str, object]] = {
    "plain": {},
    "time_scale .3": {"augment": Augment(time_scale=0.3)},
    "jitter .3": {"augment": Augment(jitter=0.3)},
    "mixup .3": {"augment": Augment(mixup=0.3)},
    "synthetic .2": {"augment": Augment(synthetic=0.2)},
    "mix exponent .5": {"mix": Mix(exponent=0.5)},
    "mix exponent 1": {"mix": Mix(exponent=1.0)},
    "twins kept": {"mix": Mix(dedup=False)},
}


def quotes(home: Path | None, config: FoundationConfig) -> list[Series]:
    """All series of a lake before the cutoff, as they were known then."""
    with tempfile.TemporaryDirectory(prefix="lim-augment-") as folder:
        lake = Lake(str((home or Path(folder)) / "lake"))
        if home is None:
            for mic in config.exchanges:
                import_history(lake, Path(folder) / "landing", mic, FIRST, CUTOFF)
        return series_of(read_bars(Past(lake, midnight(CUTOFF)), config, CUTOFF))


def until(series: Sequence[Series], moment: int) -> list[Series]:
    """Cut series at a moment; those that had no bar by then are gone."""
    ends = [int(np.searchsorted(one.ts, moment)) for one in series]
    return [
        replace(
            one, ts=one.ts[:n], known_at=one.known_at[:n], values=one.values[:n], calendar=one.calendar[:n]
        )
        for one, n in zip(series, ends, strict=True)
        if n
    ]


def main() -> None:
    """Train all arms and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path)
    parser.add_argument("--exchanges", nargs="+", default=list(REAL.exchanges))
    parser.add_argument("--freqs", nargs="+", default=list(REAL.freqs))
    parser.add_argument("--steps", type=int, default=REAL.steps_first)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = FoundationConfig.model_validate(
        REAL.model_dump()
        | {"exchanges": given.exchanges, "freqs": given.freqs, "steps_first": given.steps}
        | {"asset_classes": ASSET_CLASSES}
    )
    series = quotes(given.home, config)
    store = store_of(series, config)
    split = split_time(store, HELD_OUT)
    past = until(series, split)
    span = Span(split, 2**62)
    judged = WindowSampler(store, horizon=config.horizon, patch=config.patch, span=span).spread(WINDOWS)
    picks = np.concatenate(list(judged.values()))
    groups = [" ".join(name) for name, chosen in judged.items() for _ in chosen]
    moments = np.array([int(store.ts(at)[row]) for at, row in picks.tolist()])
    print(
        f"{len(past)} series, {sum(map(len, past)):,} bars before, {len(picks)} windows behind;"
        f" {config.size}, {given.steps} steps, {given.seeds} seeds"
    )
    print("| arm | CRPS less, % | 95 % | each seed | ms a step |\n|---|---|---|---|---|")
    plain: list[npt.NDArray[np.float64]] = []
    for arm in dict.fromkeys(["plain", *given.arms]):
        scores, start = [], time.perf_counter()
        for seed in range(given.seeds):
            torch.manual_seed(seed)
            model = FoundationModel(config.model_copy(update=ARMS[arm]))
            rate = config.learning_rate
            learn(model, past, steps=given.steps, rate=rate, seed=seed, label=f"{arm} {seed}")
            scores.append(window_scores(model, store.batch(picks))[0].nanmean(1).double().numpy())
        cost = (time.perf_counter() - start) / given.seeds / given.steps * 1e3
        plain = plain or scores
        # Relative to the group's own mean, so that a group of wide scores is not all that counts.
        level = np.array([np.nanmean([s[np.array(groups) == g] for s in plain]) for g in groups])
        better = [100 * (off - on) / level for off, on in zip(plain, scores, strict=True)]
        gain, _ = paired(np.mean(better, axis=0), moments, groups)
        each = " ".join(f"{paired(one, moments, groups)[0].mean:+.2f}" for one in better)
        print(
            f"| {arm} | {gain.mean:+.2f} | {gain.low:+.2f} to {gain.high:+.2f} | {each} | {cost:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
