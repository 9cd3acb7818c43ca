"""A published model as published, and without leaks and with costs: what is each difference worth.

    python -m benchmarks.as_published HOME OUT [--markets XNAS XNYS] [--seeds 3] [--epochs 8] [--days 200]
        [--stocks 256]

Relational Stock Ranking (RSR; Feng et al. 2019, ACM TOIS 37(2)) is the protocol of dozens of papers: shares
that were still there years later, prices divided by their highest of the whole period, bought at the very
close that was read, sold at the next, the best few each day, no costs, the best of some runs. Eight models go
through it: three rules, ridge, trees, and three networks, among them the paper's. Then one difference after
the other is removed (`as_published_waterfall.py`). docs/as-published.md has the results.

HOME holds the lake (`python -m benchmarks.foundation_quality --prepare HOME`). OUT keeps what each fit said:
a run that was killed goes on. The test year 2017 is not in shared data: the tests are June to December 2015,
the only months of which all shares are there and not the survivors alone, and 2016.

What does not belong here: inputs, models, books, the waterfall, tables (a file each, `as_published_*.py`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.as_published_data import EVERYONE, SURVIVORS, Floats, Inputs, Panel, bars_of, panel_of
from benchmarks.as_published_models import Job, Model, distance, momentum, reversal, ridge, trees
from benchmarks.as_published_nets import Training, network
from benchmarks.as_published_tables import Outcome, draw, report
from benchmarks.as_published_waterfall import MODELS, Stage, accounts, markets, waterfall

FITTED, VALIDATED = date(2012, 1, 1), date(2014, 7, 1)
"""First session that is fitted on, and that chooses among epochs and penalties; until the first test."""
TESTS = {"2015": (date(2015, 6, 1), date(2015, 12, 31)), "2016": (date(2016, 1, 1), date(2016, 12, 30))}
SIZES = (1, 5, 10)
Said = dict[str, list[dict[tuple[str, str], Floats]]]
"""By model, by seed, by vendor and test: what was said, (T, N)."""
FIXED = ("reversal", "momentum", "distance", "ridge")
"""Models without anything random: one seed is all of them."""


@dataclass(frozen=True)
class Market:
    """Both vendors' shares of an exchange.

    Parameters
    ----------
    mic
        The exchange.
    bars, panels
        By vendor.
    """

    mic: str
    bars: dict[str, pl.DataFrame]
    panels: dict[str, Panel]

    def days(self, source: str, test: str) -> Sequence[int]:
        """Rows of a panel on which is decided: what comes of the last one is known when the test ends."""
        first, last = TESTS[test]
        panel = self.panels[source]
        return range(panel.at(first), min(panel.at(last), len(panel.dates) - 1) - 1)


def market_of(home: Path, mic: str) -> Market:
    """Read an exchange."""
    bars = {source: bars_of(home, mic, source) for source in (SURVIVORS, EVERYONE)}
    panels = {source: panel_of(frame, source == SURVIVORS) for source, frame in bars.items()}
    return Market(mic, bars, panels)


def models_of(training: Training) -> dict[str, Model]:
    """All models by name."""
    return {
        "reversal": reversal,
        "momentum": momentum,
        "distance": distance,
        "ridge": ridge,
        "LightGBM": trees,
        "Rank_LSTM": network("none", training),
        "RSR, industries": network("industry", training),
        "attention": network("attention", training),
    }


def foretold(
    market: Market, name: str, model: Model, stage: int, seed: int, keep: Path
) -> dict[tuple[str, str], Floats]:
    """Ask a model at one setting: by vendor and test, (T, N); read where it was asked before."""
    scaling, fill = MODELS[stage]
    asked = [(SURVIVORS, test) for test in TESTS]
    if stage == len(MODELS) - 1:
        asked.append((EVERYONE, "2015"))
    path = keep / f"{market.mic}-{name}-{scaling}-{fill}-{seed}.npz"
    if not path.exists():
        inputs = {source: Inputs(market.panels[source], scaling, fill) for source, _ in asked}
        own = inputs[SURVIVORS].panel
        # A label reaches two sessions ahead: none is shared by what is fitted, chooses, and is judged.
        bounds = [own.at(day) for day in (FITTED, VALIDATED, TESTS["2015"][0])]
        job = Job(
            inputs[SURVIVORS],
            range(bounds[0], bounds[1] - 2),
            range(bounds[1], bounds[2] - 2),
            [(inputs[source], market.days(source, test)) for source, test in asked],
            seed,
        )
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, *(said.astype(np.float32) for said in model(job)))
        part.replace(path)
    with np.load(path) as held:
        return {key: held[f"arr_{i}"].astype(np.float64) for i, key in enumerate(asked)}


def stages_of(market: Market, test: str, said: Sequence[Said]) -> list[Stage]:
    """Put together what was said, setting by setting; the last on all shares where they are there."""
    asked = [(i, SURVIVORS) for i in range(len(MODELS))]
    if test == "2015":
        asked.append((len(MODELS) - 1, EVERYONE))
    return [
        Stage(
            Inputs(market.panels[source], *MODELS[i]),
            market.days(source, test),
            {name: [one[source, test] for one in seeds] for name, seeds in said[i].items()},
        )
        for i, source in asked
    ]


def run(home: Path, mic: str, seeds: int, training: Training, keep: Path) -> list[Outcome]:
    """Fit and judge all models on an exchange."""
    start, market = time.perf_counter(), market_of(home, mic)
    said: list[Said] = [{} for _ in MODELS]
    # Seed by seed: a run that is stopped has all models with the seeds before.
    for seed in range(seeds):
        for name, model in models_of(training).items():
            if seed and name in FIXED:
                continue
            for stage in range(len(MODELS)):
                found = foretold(market, name, model, stage, seed, keep)
                said[stage].setdefault(name, []).append(found)
        print(f"{mic} seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
    out = []
    for test in TESTS:
        stages = stages_of(market, test, said)
        source = EVERYONE if test == "2015" else SURVIVORS
        last = accounts(mic, market.bars[source], stages[-1], SIZES)
        steps = {(name, k): waterfall(stages, last, name, k) for name in said[0] for k in SIZES}
        out.append(Outcome(mic, test, stages[0], stages[-1], last, steps, markets(stages)))
        print(f"{mic} {test}: {time.perf_counter() - start:.0f} s", flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--markets", nargs="+", default=["XNAS", "XNYS"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--days", type=int, default=200, help="sessions of an epoch")
    parser.add_argument("--stocks", type=int, default=256, help="shares of a step")
    options = parser.parse_args()
    training = Training(options.epochs, options.days, options.stocks)
    keep = options.out / f"said-{training.epochs}-{training.days}-{training.shares}"
    keep.mkdir(parents=True, exist_ok=True)
    import torch

    torch.set_num_threads(1)
    outcomes = [
        found for mic in options.markets for found in run(options.home, mic, options.seeds, training, keep)
    ]
    (options.out / "tables.md").write_text(report(outcomes))
    (options.out / "as_published.png").write_bytes(draw(outcomes))
    print(report(outcomes))


if __name__ == "__main__":
    main()
