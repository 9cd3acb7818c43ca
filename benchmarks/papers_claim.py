"""The paper's claim: whether pretraining helps to trade futures that the pretraining never saw.

    python -m benchmarks.papers_claim --home HOME [--steps 1000] [--seeds 5] [--out claim-out]

HOME is the lake that `python -m benchmarks.foundation_quality --prepare HOME` builds, once. Futures are
brought into a lake of their own below --out, once (minutes). Two corpora are pretrained on, shares and 30
futures; 15 commodity futures that neither holds are fine-tuned on and traded, walking forward over three
cutoffs from 2011 to 2018: every method, on 1 %, 10 % and all of the data before a cutoff, beside the same
network from scratch, the pretrained model as it is, rules of trend following, ridge and boosted trees.

Tables go to stdout, plots to --out. Steps are those of the first pretraining; later ones take a quarter of
them, fits a tenth. What is made is kept in --out: a run that was killed goes on where it stopped, and every
run in it counts as trials of the deflated Sharpe ratios. With the defaults it takes some forty minutes on a
quiet core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import polars as pl
import torch

from benchmarks.claim_backbones import Backbones, config_of
from benchmarks.claim_cells import CUTOFFS, FINE_STEPS, FITTED, RULES, SCRATCH, ZERO_SHOT, Claim, cells
from benchmarks.claim_data import CORPORA, HELD_OUT, PRETRAINED, bars_of, prepare_futures
from benchmarks.claim_plots import equity, sharpe_by_share
from benchmarks.claim_tables import Compared, Row, compared, named, sharpes, table, traded
from benchmarks.quality_home import lake_of
from lim_pipelines.drawing import png
from lim_pipelines.evaluate.seeds import Estimate
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.modalities.base import digest_of
from lim_pipelines.paired import Gain

HEADER = (
    *(
        "arm",
        "corpus",
        "data",
        "net Sharpe (95 %)",
        "less from scratch (95 %)",
        "squared error less, % (95 %)",
    ),
    *("gross", "rank IC", "deflated", "turnover", "moved", "s"),
)


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def interval(found: Estimate | Gain | None, factor: float = 1.0, digits: int = 2) -> str:
    """Figure and interval as a cell of a table."""
    if found is None:
        return "—"
    value = found.value if isinstance(found, Estimate) else found.mean
    middle, low, high = (f"{factor * part:.{digits}f}" for part in (value, found.low, found.high))
    return f"{middle} ({low} to {high})"


def cells_of(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    return (
        row.arm,
        row.corpus or "—",
        f"{row.share:.0%}" if row.share else "—",
        interval(row.sharpe),
        interval(row.gain),
        interval(row.error, 100.0),
        f"{row.gross:.2f}",
        f"{row.rank_ic:.3f}",
        f"{row.deflated:.2f}",
        f"{row.turnover:.0f}",
        f"{row.trainable:,}" if row.trainable else "—",
        f"{row.seconds:.1f}",
    )


def verdict(first: dict[str, Compared], rows: list[Row]) -> str:
    """Say whether pretraining helped: in the comparison that was fixed beforehand, and in all of them."""
    lines = [
        f"- {corpus}, all {one.pairs} methods and shares as one comparison with from scratch: net Sharpe"
        f" ratio {interval(one.gain)}, squared error less by {interval(one.error, 100.0)} %."
        for corpus, one in first.items()
    ]
    for corpus in CORPORA:
        own = [row for row in rows if row.corpus == corpus]
        for what, found in (
            ("net Sharpe ratio", [(row.gain.low, row.gain.high) for row in own if row.gain]),
            ("squared error", [(row.error.low, row.error.high) for row in own if row.error]),
        ):
            better, worse = sum(low > 0 for low, _ in found), sum(high < 0 for _, high in found)
            lines.append(
                f"- {corpus}, {what}: of {len(found)} single comparisons {better} have the whole"
                f" interval above zero, {worse} below; {0.025 * len(found):.1f} each are expected where there"
                " is no difference."
            )
    return "\n".join(lines)


def ledger(path: Path, found: pl.DataFrame) -> pl.DataFrame:
    """Enter the books of a run among all that were ever made in a folder; give all."""
    key = ["settings", "arm", "seed"]
    parts = [pl.read_parquet(path), found] if path.exists() else [found]
    trials = pl.concat(parts).unique(key, keep="last", maintain_order=True)
    part = path.with_suffix(".part")
    trials.write_parquet(part)
    part.rename(path)
    return trials


def report(
    rows: list[Row],
    first: dict[str, Compared],
    daily: pl.DataFrame,
    trials: pl.DataFrame,
    options: argparse.Namespace,
) -> None:
    """Print all tables, draw all plots."""
    runs, days = trials["settings"].n_unique(), daily["date"].sort().to_list()
    print(
        f"### {len(HELD_OUT)} commodity futures that no pretraining saw, {days[0]} to {days[-1]}\n\n"
        f"Steps {options.steps} (fits {round(FINE_STEPS * options.steps)}), seeds {options.seeds}, cutoffs"
        f" {', '.join(map(str, CUTOFFS))}; {trials.height} trials in {runs} runs.\n"
    )
    learned = [row for row in rows if row.arm not in (*RULES, *FITTED)]
    order = [ZERO_SHOT, SCRATCH]
    learned.sort(key=lambda row: (row.corpus, row.share, order.index(row.arm) if row.arm in order else 9))
    print(markdown(HEADER, [cells_of(row) for row in learned]))
    print("\n### Controls\n")
    print(markdown(HEADER, [cells_of(row) for row in rows if row.arm in (*RULES, *FITTED)]))
    print(f"\n### Does pretraining help?\n\n{verdict(first, rows)}")
    (options.out / "claim_sharpe.png").write_bytes(png(sharpe_by_share(rows)))
    (options.out / "claim_equity.png").write_bytes(png(equity(daily)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("claim-out"))
    options = parser.parse_args()
    if not (options.home / "imported.json").exists():
        parser.error(
            f"--home: no lake in {options.home}; build one with benchmarks.foundation_quality --prepare"
        )
    torch.set_num_threads(1)
    started = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    futures = prepare_futures(options.out / "futures")
    bars = bars_of(futures, HELD_OUT)
    say(f"{len(PRETRAINED)} futures to pretrain on, {len(HELD_OUT)} held out: {bars.height:,} bars")
    config = config_of(options.steps)
    shares = lake_of(options.home)
    backbones = Backbones(shares, futures, options.out / "backbones", config, CUTOFFS, say)
    claim = Claim(bars, backbones, options.out / "cells", say)
    forecasts = named(claim.run(cells(options.seeds)))
    daily = traded(forecasts, bars)
    settings = digest_of(claim.settings() | {"backbone": config.model_dump(mode="json")})
    trials = ledger(options.out / "trials.parquet", sharpes(daily, settings))
    rows, first = table(forecasts, daily, bars, trials), compared(forecasts, daily, bars)
    report(rows, first, daily, trials, options)
    say(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
