"""Experiments beside the walk-forward: does skill grow with parameters and data, does pretraining pay.

Run by `python -m benchmarks.foundation_quality --home HOME --scaling` and `--fewshot`.

What does not belong here: the walk-forward of everybody (`foundation_quality.py`).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from benchmarks.foundation_quality import config_of, plan_of, read_series, say
from lim_pipelines.drawing import png
from lim_pipelines.foundation.baselines.base import Forecaster
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.continual import RATE
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality import plots
from lim_pipelines.foundation.quality.entrants import Baseline, Lim, learn
from lim_pipelines.foundation.quality.harness import before, judge, shown, walk_forward, windows_to_judge
from lim_pipelines.foundation.quality.metrics import Estimate, skill
from lim_pipelines.foundation.quality.tables import PRICE, VOLATILITY, VOLUME, markdown, percent
from lim_pipelines.foundation.quality.targets import TARGETS
from lim_pipelines.foundation.series import Series
from lim_pipelines.foundation.windows import WindowStore

CUTOFF = "2014-01-01"
SIZES = ("tiny", "small", "base")
SHARES = (1 / 64, 1 / 16, 1 / 4, 1.0)
FEW = (0.01, 0.1, 1.0)
FINE_STEPS = 0.2  # of the pretraining's steps
_YARDSTICK = dict(zip(TARGETS, (PRICE, VOLATILITY, VOLUME), strict=True))


@dataclass
class Shared:
    """LIM that learns from a share of the series.

    Parameters
    ----------
    lim
        The model.
    share
        Share of the series, evenly spread over all of them.
    name
        What tables call it.
    seed
        Of the model.
    """

    lim: Lim
    share: float
    name: str
    seed: int

    def at(self, cutoff: int, past: Sequence[Series]) -> Forecaster:
        """See `harness.Entrant.at`."""
        return self.lim.at(cutoff, part_of(past, self.share))


def part_of(series: Sequence[Series], share: float) -> list[Series]:
    """Take a share of series, evenly spread, at least one."""
    every = max(1, round(1 / share))
    return list(series[::every])


def cells(scores: pl.DataFrame, name: str) -> list[str]:
    """Skill in all targets."""
    return [percent(skill(scores, name, _YARDSTICK[target], target)) for target in TARGETS]


def scaling(home: Path, out: Path, options: argparse.Namespace) -> None:
    """Skill at equal steps: sizes of the model on all data, shares of the series for one size."""
    series = read_series(home, options.sources)
    config = config_of(series, options.size, options.steps)
    plan = plan_of([CUTOFF], options.moments)
    yardsticks = [Baseline(BASELINES[name], config, 1) for name in ("persistence", "historical_volatility")]
    runs: list[Shared] = []
    for seed in range(options.seeds):
        for size in SIZES:
            lim = Lim(config.model_copy(update={"size": size}), seed)
            runs.append(Shared(lim, 1.0, f"size {size}", seed))
        runs += [Shared(Lim(config, seed), share, f"data {share:.4g}", seed) for share in SHARES[:-1]]
    scores = walk_forward(series, [*yardsticks, *runs], plan, say)
    scores.write_parquet(out / "scaling.parquet")
    header = ("model", "parameters", "series", *(f"{t}: skill, %" for t in TARGETS))
    rows = []
    sizes: dict[str, dict[float, Estimate]] = {t: {} for t in TARGETS}
    shares: dict[str, dict[float, Estimate]] = {t: {} for t in TARGETS}
    for one in runs[: len(SIZES) + len(SHARES) - 1]:
        parameters = sum(p.numel() for p in FoundationModel(one.lim.config).parameters())
        rows.append((one.name, f"{parameters:,}", f"{one.share:.1%}", *cells(scores, one.name)))
        for target in TARGETS:
            found = skill(scores, one.name, _YARDSTICK[target], target)
            if one.name.startswith("size"):
                sizes[target][parameters] = found
            if one.name.startswith("data") or one.lim.config.size == config.size:
                shares[target][one.share] = found
    print(f"### Scaling: {options.steps} steps, {options.seeds} seeds, windows behind {CUTOFF}\n")
    print(markdown(header, rows))
    (out / "quality_parameters.png").write_bytes(png(plots.curves(sizes, "parameters")))
    (out / "quality_data.png").write_bytes(png(plots.curves(shares, "share of the series")))


def fewshot(home: Path, out: Path, options: argparse.Namespace) -> None:
    """On instruments that pretraining never saw: as it is, fine-tuned, and from scratch with as many steps.

    From scratch gets the steps of pretraining and fine-tuning together, so that compute is not the reason.
    """
    series = read_series(home, options.sources)
    config = config_of(series, options.size, options.steps)
    plan = plan_of([CUTOFF], options.moments)
    held = [one for one in series if shown(one, plan) == "new instrument"]
    seen = [one for one in series if shown(one, plan) == "seen"]
    cutoff = plan.cutoffs[0]
    past, own = before(seen, cutoff), before(held, cutoff)
    picks = windows_to_judge(held, cutoff, 2**62, plan)
    store = WindowStore(held, plan.context, plan.horizon)
    fine = max(1, round(FINE_STEPS * options.steps))
    parts = []

    def ask(forecaster: Forecaster, name: str, seed: int) -> None:
        parts.append(judge(forecaster, store, held, picks, plan, name=name, seed=seed))
        say(f"{name} {seed}")

    for name in ("persistence", "historical_volatility"):
        ask(Baseline(BASELINES[name], config, 1).at(cutoff, past), name, 0)
    names = ["zero-shot"]
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        pretrained = FoundationModel(config)
        how = {"seed": seed, "label": f"fewshot {seed}"}
        learn(pretrained, past, steps=options.steps, rate=config.learning_rate, **how)
        ask(LimForecaster(pretrained, "zero-shot"), "zero-shot", seed)
        for share in FEW:
            few = part_of(own, share)
            tuned = copy.deepcopy(pretrained)
            learn(tuned, few, steps=fine, rate=config.learning_rate * RATE, **how)
            torch.manual_seed(seed)
            scratch = FoundationModel(config)
            learn(scratch, few, steps=options.steps + fine, rate=config.learning_rate, **how)
            for name, model in (
                (f"fine-tuned on {share:.0%}", tuned),
                (f"from scratch on {share:.0%}", scratch),
            ):
                ask(LimForecaster(model, name), name, seed)
                names += [name] if seed == 0 else []
    scores = pl.concat(parts)
    scores.write_parquet(out / "fewshot.parquet")
    print(
        f"### Few shots: {len(held):,} series held out, {options.steps} + {fine} steps,"
        f" {options.seeds} seeds\n"
    )
    print(markdown(("model", *(f"{t}: skill, %" for t in TARGETS)), [(n, *cells(scores, n)) for n in names]))
    print("\nFine-tuned against from scratch on the same data, skill in %:\n")
    rows = []
    for share in FEW:
        mine, its = f"fine-tuned on {share:.0%}", f"from scratch on {share:.0%}"
        rows.append((f"{share:.0%}", *(percent(skill(scores, mine, its, target)) for target in TARGETS)))
    print(markdown(("data", *TARGETS), rows))
