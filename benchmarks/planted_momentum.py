"""The momentum of XSIM: what is planted, what can be known of it, what every arm finds, and in a control.

    python -m benchmarks.planted_momentum [--seeds 3] [--steps 64] [--pretrain 100]

A world a seed: XSIM made anew, and its control, in which each instrument's sessions are dealt anew and a coin
says whether each rises (what rose on balance would still do so if only shuffled). Of 64 instruments 24 have
a drift that is a slow AR(1), which nobody observes. Walk forward over two cutoffs, a year behind each,
the control over the second; the backbone is pretrained before the first one on the world's own bars, and the
networks have the seed of their world. One model is fitted on all 64 and never told who has a drift; judged
are the 24, directional each for itself, cross_sectional one against another.

Rank IC with the return of five sessions, of every fifth session, by month: the mean over worlds with its 95 %
interval over months, then from the worst world to the best. `drift` is the planted drift of the label itself,
`filter` what can be known of it at best from an instrument's own returns (a Kalman filter that is told the
process). The last column is the correlation with the planted drift: it has no noise of returns in it. Prints
a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import torch

from lim_pipelines.finetune.arms import fit_arms
from lim_pipelines.finetune.base import forecast, rank_correlation, targets
from lim_pipelines.finetune.controls.lookback import of_past_returns
from lim_pipelines.finetune.samples import Floats, Indices, Samples, demean, samples_of
from lim_pipelines.finetune.spec import RELATIVE_TASKS, ModelSpec
from lim_pipelines.foundation.config import XSIM
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.entrants import learn
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.foundation.series import build_series
from lim_pipelines.paired import paired
from lim_pipelines.simulate import xsim
from lim_pipelines.simulate.planted import Planted, dealt_anew, published
from lim_pipelines.simulate.processes import decay

CUTOFFS, END = (date(2016, 1, 1), date(2017, 1, 1)), date(2018, 1, 1)
HORIZON = 5
FILTERED = 256
"""Bars that the filter sees; more would change nothing."""

CONTROLS = ("full", "scratch", "ridge", "lightgbm", "tsmom", "macd", "persistence")


def spec_of(task: str, steps: int, seed: int, **changes: Any) -> ModelSpec:
    """Ask for all arms; a step sees 192 windows in both tasks."""
    content = {
        "name": "momentum",
        "description": "Planted momentum.",
        "task": task,
        "universe": {"exchanges": ["XSIM"]},
        "horizon": HORIZON,
        "foundation": XSIM.name,
        "method": "head",
        "controls": CONTROLS,
        "seeds": [seed],
        "fit": {
            "steps": steps,
            "batch": 3 if task in RELATIVE_TASKS else 192,
            "validation_sessions": 126,
            "judged_sessions": 0,
            "sample_every": 8,
        },
    }
    return ModelSpec.model_validate(content | changes)


def asked(steps: int, seed: int) -> Iterator[tuple[str, ModelSpec]]:
    """Say what is fitted, and what its method is called in the table."""
    for task in ("directional", "cross_sectional"):
        yield "head", spec_of(task, steps, seed)
    yield "head, attention", spec_of("cross_sectional", steps, seed, head="attention", controls=[])


def pretrained(bars: pl.DataFrame, steps: int, seed: int) -> FoundationModel:
    """Pretrain a backbone on what was known at the first cutoff."""
    torch.manual_seed(seed)
    model = FoundationModel(XSIM.model_copy(update={"freqs": ("1d",)}))
    past = build_series(bars.filter(pl.col("date") < CUTOFFS[0]))
    learn(model, past, steps=steps, rate=XSIM.learning_rate, seed=seed, label=f"backbone {seed}")
    return model


def filtered(returns: Floats) -> Floats:
    """Mean of the drift given returns (n, bars) up to now, (n,): Kalman, the planted process known."""
    phi = decay(xsim.MOMENTUM_HALF_LIFE)
    noise = (returns**2).mean(axis=1)
    unknown = np.full(len(returns), xsim.MOMENTUM_STD**2)
    drift = np.zeros(len(returns))
    for now in returns.T:
        drift = phi * drift
        unknown = phi**2 * unknown + xsim.MOMENTUM_STD**2 * (1 - phi**2)
        gain = unknown / (unknown + noise)
        drift = drift + gain * (now - drift)
        unknown = (1 - gain) * unknown
    return np.asarray(drift)


def drift_of(truth: xsim.Truth, samples: Samples) -> Floats:
    """Planted drift of each sample's label, (N,); 0 of what has none."""
    named = truth.expected.with_columns(instrument_id=pl.format("XSIM:{}", "symbol")).sort("symbol", "date")
    ahead = pl.col("expected").rolling_sum(HORIZON).shift(-HORIZON - 1).over("symbol")
    keys = ["instrument_id", "date"]
    rows = named.with_columns(drift=ahead).filter(pl.col("symbol").is_in(list(truth.momentum)))
    found = samples.frame.join(rows.select(*keys, "drift"), on=keys, how="left", maintain_order="left")
    return found["drift"].fill_null(0.0).to_numpy()


def said_by(
    spec: ModelSpec, method: str, model: FoundationModel, samples: Samples, cutoff: date, behind: Samples
) -> dict[str, Floats]:
    """Fit all arms on what was known at a cutoff; forecasts behind it, in units of the scale."""
    past = samples.at((samples.frame["label_end"] < cutoff).fill_null(False).to_numpy())
    arms = fit_arms(spec, model, past, cutoff).forecasters
    scale = behind.scale(HORIZON)
    out = {
        method if arm == "head" else arm: forecast(spec, made, behind) / scale
        for (arm, _), made in arms.items()
    }
    if method == "head":
        told = of_past_returns(behind, FILTERED, filtered)
        out["filter"] = (demean(told, behind.groups()) if spec.task in RELATIVE_TASKS else told) / scale
    return out


def judged(
    world: str, bars: pl.DataFrame, truth: xsim.Truth, seed: int, steps: int, pretrain: int
) -> pl.DataFrame:
    """Walk a world forward: columns task, arm, month, rank IC of it, correlation with the drift."""
    model = pretrained(bars, pretrain, seed)
    nothing = pl.DataFrame(schema={"exchange": pl.String, "date": pl.Date, "instrument_id": pl.String})
    samples = samples_of(bars, nothing, [], HORIZON)
    rows = []
    years = list(zip(CUTOFFS, (*CUTOFFS[1:], END), strict=True))
    for cutoff, end in years if world == "XSIM" else years[-1:]:
        behind = samples.at(_weekly(samples, cutoff, end))
        drift = drift_of(truth, behind)
        own = behind.frame["instrument_id"].is_in([f"XSIM:{name}" for name in truth.momentum]).to_numpy()
        month = behind.frame["date"].dt.strftime("%Y-%m").to_numpy()
        for method, spec in asked(steps, seed):
            said = said_by(spec, method, model, samples, cutoff, behind)
            relative = spec.task in RELATIVE_TASKS
            planted = (demean(drift, behind.groups()) if relative else drift) / behind.scale(HORIZON)
            label = targets(spec.task, behind) / behind.scale(HORIZON)
            if method == "head":
                said["drift"] = planted
            for arm, values in said.items():
                for one in np.unique(month):
                    at = own & (month == one)
                    skill = rank_correlation(values[at], label[at]), _correlation(values[at], planted[at])
                    rows.append((world, seed, spec.task, arm, one, *skill))
    columns = ["world", "seed", "task", "arm", "month", "rank_ic", "with_drift"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _weekly(samples: Samples, start: date, end: date) -> Indices:
    """Rows of every fifth session of a stretch of time: labels that hardly overlap."""
    day = samples.frame["date"]
    days = day.filter((day >= start) & (day < end)).unique().sort()
    return np.flatnonzero(
        day.is_in(days.gather_every(HORIZON).to_list()).to_numpy() & np.isfinite(samples.label)
    )


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 else float("nan")


def line(rows: pl.DataFrame, planted: bool) -> tuple[str, ...]:
    """One line of the table, of an arm's months in all worlds."""
    rows = rows.with_columns(pl.col("rank_ic", "with_drift").fill_nan(0.0))
    months = rows.group_by("month").agg(pl.col("rank_ic").mean()).sort("month")["rank_ic"].to_numpy()
    gain, _ = paired(months, np.arange(len(months)), [""] * len(months))
    worlds = rows.group_by("seed").agg(pl.col("rank_ic").mean())["rank_ic"].to_numpy()
    return (
        f"{gain.mean:.3f} ({gain.low:.3f} to {gain.high:.3f})",
        f"{worlds.min():.3f} to {worlds.max():.3f}",
        f"{rows['with_drift'].to_numpy().mean():.2f}" if planted else "-",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="worlds, from XSIM's own seed on")
    parser.add_argument("--steps", type=int, default=64, help="of fine-tuning")
    parser.add_argument("--pretrain", type=int, default=100, help="steps of the backbone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    parts = []
    for seed in range(xsim.SEED, xsim.SEED + given.seeds):
        made = xsim.simulate(seed, END)
        bars = published(made)
        control = dealt_anew(Planted(bars, ()), seed).bars
        for world, rows in (("XSIM", bars), ("dealt anew", control)):
            parts.append(judged(world, rows, made.truth, seed, given.steps, given.pretrain))
    found = pl.concat(parts)
    lines = [
        (*key, *line(rows, key[0] == "XSIM"))
        for key, rows in found.group_by("world", "task", "arm", maintain_order=True)
        if key[0] == "XSIM" or key[2] not in ("drift", "filter")
    ]
    print(markdown(("world", "task", "arm", "rank IC (95 %)", "of the worlds", "with the drift"), lines))
    print(f"\n{given.seeds} worlds, {given.steps} steps, {time.process_time() - start:.0f} CPU seconds")


if __name__ == "__main__":
    main()
