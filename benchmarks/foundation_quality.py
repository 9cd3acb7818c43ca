"""What the foundation model is worth on real quotes, walked forward, against every baseline.

    python -m benchmarks.foundation_quality --prepare HOME                     build the lake of HOME, once
    python -m benchmarks.foundation_quality --home HOME [--steps 1000] [--seeds 2] [--sources XNYS FXCM/fx]
    python -m benchmarks.foundation_quality --home HOME --scaling [--steps 300]       size of model and data
    python -m benchmarks.foundation_quality --home HOME --fewshot [--steps 1000]      does pretraining pay
    python -m benchmarks.foundation_quality --scores OUT/scores.parquet        the tables of a run again

Pretrained models of others take part in the walk with `--chronos`, `--tirex` or `--onnx` and the local path
of their weights.

Tables go to stdout, plots and scores to --out. Steps are those of the first cutoff; each later one goes on
for a quarter of them. What is given above takes some five minutes on a quiet core; more steps are better. The
same steps, seeds and lake give the same tables.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch

from benchmarks.quality_home import lake_of, prepare
from lim_pipelines.drawing import png
from lim_pipelines.foundation.baselines.external import External, chronos, onnx, tirex
from lim_pipelines.foundation.baselines.registry import BASELINES
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.quality import plots, tables
from lim_pipelines.foundation.quality.entrants import Baseline, Lim
from lim_pipelines.foundation.quality.harness import Plan, walk_forward
from lim_pipelines.foundation.series import Series, build_series, microseconds
from lim_pipelines.instruments import ASSET_CLASSES
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

CUTOFFS = ("2012-02-15", "2014-01-01", "2016-01-01", "2022-01-15")
"""Between them end: minutes of FXCM; stocks; stocks, futures and currencies; minutes of a crypto future."""

HELD_EXCHANGE = "XCEC"
"""Metals of COMEX: another asset than all other futures here, and the only exchange for them."""

OTHERS = {"chronos": chronos, "tirex": tirex, "onnx": onnx}

LEARNED_FROM = 2000  # windows that baselines are fitted to
RIVALS = ("persistence", "historical_volatility", "ewma", "garch", "ridge", "lightgbm", "dlinear", "patchtst")


def config_of(series: Sequence[Series], size: str, steps: int) -> FoundationConfig:
    """Family of everything there is."""
    return FoundationConfig.model_validate(
        {
            "name": "quality",
            "exchanges": sorted({one.exchange for one in series}),
            "asset_classes": ASSET_CLASSES,
            "freqs": sorted({one.freq for one in series}),
            "size": size,
            "context": 128,
            "horizon": 16,
            "patch": 16,
            # Drawn alike, windows of the smallest markets are met most often. Not measured: lab.md.
            "mix": {"exponent": 0.5},
            "steps_first": steps,
            "steps_continual": max(1, steps // 4),
        }
    )


def plan_of(cutoffs: Sequence[str], moments: int) -> Plan:
    """Walk of some cutoffs."""
    starts = tuple(microseconds(f"{day}T00:00:00+00:00") for day in cutoffs)
    return Plan(cutoffs=starts, held_exchanges=(HELD_EXCHANGE,), moments=moments)


def read_series(home: Path, sources: Sequence[str]) -> list[Series]:
    """Series of a home, as known at the end; of some exchanges, "exchange/class" or "exchange/class/freq".

    Bars that vendors corrected later (8,500 of 4.3 million) are read as corrected, in contexts, too.
    """
    rows = lake_of(home).read(VALIDATED_BARS, as_of=LATEST, where=pl.col("price_type").is_in(ONE_PRICE))
    series = build_series(rows.collect())
    wanted = tuple(f"{source}/" for source in sources)
    return [
        one
        for one in series
        if not wanted or f"{one.exchange}/{one.asset_class}/{one.freq}/".startswith(wanted)
    ]


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def report(scores: pl.DataFrame, out: Path) -> None:
    """Print all tables and draw all plots of a walk-forward."""
    by_seen = scores.group_by("shown", maintain_order=True)
    print("### All windows\n\n" + tables.overall(scores) + "\n")
    for (why,), group in sorted(by_seen, key=lambda item: str(item[0])):
        print(f"### Instruments: {why}\n\n" + tables.overall(group) + "\n")
    for target in ("return", "volatility", "volume"):
        for by in (["asset_class", "freq"], ["exchange"]):
            print(f"### LIM's skill in {target} by {', '.join(by)}\n")
            print(tables.against(scores, "LIM", RIVALS, target, by) + "\n")
    lost = tables.losses(scores, "LIM")
    print("### Where LIM loses (the whole interval below zero)\n")
    print("\n".join(lost) or "Nowhere.")
    shown = [
        name for name in tables.names_of(scores) if name in ("LIM", "ewma", "garch", "ridge", "patchtst")
    ]
    for name, figure in (
        ("quality_skill", plots.skill_by_market(scores, shown)),
        ("quality_calibration", plots.calibration(scores, shown)),
    ):
        (out / f"{name}.png").write_bytes(png(figure))


def walk(home: Path, out: Path, options: argparse.Namespace) -> None:
    """Everybody at all cutoffs."""
    start = time.perf_counter()
    series = read_series(home, options.sources)
    config = config_of(series, options.size, options.steps)
    say(
        f"{len(series):,} series, {sum(map(len, series)):,} bars, read in {time.perf_counter() - start:.0f} s"
    )
    entrants = [Baseline(made, config, LEARNED_FROM) for made in BASELINES.values()]
    paths = {name: getattr(options, name) for name in OTHERS}
    entrants += [_as_it_is(OTHERS[name](path), config) for name, path in paths.items() if path]
    scores = walk_forward(
        series,
        [*entrants, *(Lim(config, seed) for seed in range(options.seeds))],
        plan_of(CUTOFFS, options.moments),
        say,
    )
    scores.write_parquet(out / "scores.parquet")
    report(scores, out)
    say(f"{time.perf_counter() - start:.0f} s")


def _as_it_is(other: External, config: FoundationConfig) -> Baseline:
    """Let a model take part that is loaded once and learns nothing."""
    return Baseline(lambda _: other, config, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--prepare", type=Path, metavar="HOME")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--moments", type=int, default=8)
    parser.add_argument("--sources", nargs="*", default=())
    for name in OTHERS:
        parser.add_argument(f"--{name}", type=Path, metavar="WEIGHTS")
    experiment = parser.add_mutually_exclusive_group()
    experiment.add_argument("--scaling", action="store_true")
    experiment.add_argument("--fewshot", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("quality-out"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.prepare:
        prepare(options.prepare)
        return
    if not options.scores and (options.home is None or not (options.home / "imported.json").exists()):
        parser.error(f"--home: no lake in {options.home}; build one with --prepare")
    if options.steps is None:
        options.steps = 300 if options.scaling else 1000
    options.out.mkdir(parents=True, exist_ok=True)
    if options.scores:
        report(pl.read_parquet(options.scores), options.out)
    elif options.scaling or options.fewshot:
        from benchmarks import quality_experiments

        run = quality_experiments.scaling if options.scaling else quality_experiments.fewshot
        run(options.home, options.out, options)
    else:
        walk(options.home, options.out, options)


if __name__ == "__main__":
    main()
