"""Do tweets say where a share goes next? StockNet's movement task, with text, without, and with wrong text.

    python -m benchmarks.stocknet HOME [--seeds 5] [--steps 300] [--tweets 3] [--pretrain 600] [--folds 6]

The task is Xu and Cohen's (ACL 2018): the sign of the adjusted close's change from one session to the next,
moves between -0.5 % and 0.55 % left out. Fitted up to 2015-08-01 and judged on what they call development
months, August and September 2015: their test months are not in shared data. The folds before it are the same
two months at a time, for more days. Differences to the paper, all of them stricter: text counts that was
known six hours after the close before the move (theirs: until the day of the move begins); validation is the
end of the months that are fitted on; thresholds and split were not tuned. Half of their shares (40) are here.

The model is a strategy's: a head on the frozen embedding of 64 bars, fused with the mean embedding, sentiment
and number of the last five days' tweets. "Price only" is the same head with the text hidden; in "text of
another" the texts of a session are dealt anew among the shares: what a control should not gain. A share is
called up if its forecast lies above the median forecast of the validation window.

HOME keeps texts' vectors and the backbone (pretrained on shares before 2014): a second run makes neither.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from benchmarks.stocknet_texts import FEATURES, FIRST, features
from benchmarks.us_shares import backbone, stocknet_bars
from lim_pipelines.bootstrap import resampled_rows
from lim_pipelines.finetune.embedding import Frozen
from lim_pipelines.finetune.features import columns_of
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.finetune.modalities import hidden
from lim_pipelines.finetune.network import FrozenNetwork
from lim_pipelines.finetune.quantiles import mean
from lim_pipelines.finetune.samples import Samples, samples_of
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation.quality.tables import markdown

UP, DOWN = 0.0055, -0.005
CUTOFFS = [date(2014, 10, 1), date(2014, 12, 1), date(2015, 2, 1), date(2015, 4, 1), date(2015, 6, 1)]
PAPER = date(2015, 8, 1)
ENDS = {**dict(zip(CUTOFFS, [*CUTOFFS[1:], PAPER], strict=True)), PAPER: date(2015, 10, 1)}
PRETRAINED_BEFORE = date(2014, 1, 1)
RESAMPLES, BLOCK = 2000, 5
SENTIMENT = ("text_sentiment", "text_count")

Calls = npt.NDArray[np.float64]


def spec_of(seeds: int, steps: int, fusion: str, told: tuple[str, ...]) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "stocknet",
            "description": "Movement of the next session.",
            "task": "directional",
            "universe": {"exchanges": ["XNYS"]},
            "horizon": 1,
            "foundation": "foundation_checkpoint",
            "method": "head",
            "features": told,
            "fusion": fusion,
            "seeds": tuple(range(seeds)),
            "fit": {"steps": steps, "batch": 64, "validation_sessions": 40, "judged_sessions": 0},
        }
    )


def movements(bars: pl.DataFrame, inputs: pl.DataFrame) -> Samples:
    """Make samples whose label is the next session's movement, up or down, in units of the sample's scale."""
    samples = samples_of(bars, inputs, columns_of(spec_of(1, 1, "concatenation", FEATURES)), 1)
    close, day = pl.col("close"), pl.col("date")
    ahead = bars.sort("instrument_id", "date").select(
        "instrument_id",
        "date",
        change=(close.shift(-1) / close - 1).over("instrument_id"),
        label_end=day.shift(-1).over("instrument_id"),
    )
    frame = samples.frame.drop("label_end").join(
        ahead, on=["instrument_id", "date"], how="left", maintain_order="left"
    )
    change = frame["change"].fill_null(0.0).to_numpy()
    sign = np.where(change >= UP, 1.0, np.where(change <= DOWN, -1.0, np.nan))
    samples = replace(samples, frame=frame.drop("change"), label=sign * samples.scale(1))
    return samples.at((frame["date"] >= FIRST).to_numpy())


def dealt(samples: Samples, seed: int = 0) -> Samples:
    """Deal the features of each session anew among its shares."""
    rng, out = np.random.default_rng(seed), samples.features.copy()
    for group in np.unique(samples.groups()):
        own = np.flatnonzero(samples.groups() == group)
        out[own] = samples.features[rng.permutation(own)]
    return replace(samples, features=out)


def mcc(counts: Calls) -> Calls:
    """Matthews' correlation of (..., 4): true up, true down, false up, false down; 0 if one side is empty."""
    tp, tn, fp, fn = np.moveaxis(counts, -1, 0)
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.asarray(np.divide(tp * tn - fp * fn, below, out=np.zeros_like(below), where=below > 0))


def counts_of(said: Calls, label: Calls, days: npt.NDArray[np.int64]) -> Calls:
    """Outcomes by day: (days, 4) as `mcc` reads them. Nothing said is said down."""
    up, rose = said > 0, label > 0
    kinds = np.stack([up & rose, ~up & ~rose, up & ~rose, ~up & rose], axis=1).astype(np.float64)
    out = np.zeros((days.max() + 1, 4))
    np.add.at(out, days, kinds)
    return out


class Fold:
    """One cutoff: rows that are fitted on, before it, and rows that are judged, in the months after it."""

    def __init__(self, samples: Samples, cutoff: date) -> None:
        end, known = samples.frame["label_end"], np.isfinite(samples.label)
        self.cutoff = cutoff
        self.past = (end < cutoff).fill_null(False).to_numpy() & known
        self.ahead = np.flatnonzero(
            ((end >= cutoff) & (end < ENDS[cutoff])).fill_null(False).to_numpy() & known
        )

    def said(self, spec: ModelSpec, frozen: Frozen, samples: Samples) -> list[Calls]:
        """Say how far each row ahead lies above what was usual in the validation window, an array a seed.

        The sign alone says little but the drift of the months that were fitted on.
        """
        # Labels of the months ahead do not exist for a fit.
        seen = replace(samples, label=np.where(self.past, samples.label, np.nan))
        parts = split(spec, seen, self.cutoff)
        out = []
        for seed in spec.seeds:
            network, _ = METHODS["head"](Job(spec, frozen, seen, parts, seed))
            assert isinstance(network, FrozenNetwork)
            usual = np.median(mean(network.outputs_at(samples, parts.validation)))
            out.append(mean(network.outputs_at(samples, self.ahead)) - usual)
        return out


def judged(counts: list[Calls]) -> tuple[str, str, str]:
    """Accuracy and MCC of some seeds (each (days, 4)), with intervals over days, and the seeds' range."""
    stacked = np.stack(counts)  # (seeds, days, 4)
    drawn = resampled_rows(stacked.shape[1], RESAMPLES, BLOCK, np.random.default_rng(0))
    sums = stacked[:, drawn].sum(axis=2)  # (seeds, RESAMPLES, 4)
    total = stacked.sum(axis=1)

    def accuracy(found: Calls) -> Calls:
        return np.asarray(found[..., :2].sum(-1) / found.sum(-1))

    cells = []
    for figure, digits in ((accuracy, 3), (mcc, 3)):
        low, high = np.quantile(figure(sums).mean(0), [0.025, 0.975])
        cells.append(f"{figure(total).mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
    each = mcc(total)
    return cells[0], cells[1], f"{each.min():.3f} to {each.max():.3f}"


def gained(counts: list[Calls], over: list[Calls]) -> str:
    """Accuracy gained over another arm, in points, both on the same days, with an interval over days."""
    more = (np.stack(counts)[..., :2].sum(-1) - np.stack(over)[..., :2].sum(-1)).mean(0)
    labels = counts[0].sum(-1)
    drawn = resampled_rows(len(labels), RESAMPLES, BLOCK, np.random.default_rng(0))
    samples = 100 * more[drawn].sum(1) / labels[drawn].sum(1)
    low, high = np.quantile(samples, [0.025, 0.975])
    return f"{100 * more.sum() / labels.sum():+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--tweets", type=int, default=3, help="of a company and session")
    parser.add_argument("--pretrain", type=int, default=600)
    parser.add_argument("--folds", type=int, default=6, help="the paper's, and those before it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    frozen = Frozen(backbone(options.pretrain, PRETRAINED_BEFORE, options.home))
    inputs, bars = features(options.home, options.tweets), stocknet_bars()
    samples = movements(bars, inputs)
    told = np.isfinite(samples.features).any(axis=1)
    sentiment = replace(samples, features=samples.features[:, -len(SENTIMENT) :])

    def spec(fusion: str, own: tuple[str, ...] = FEATURES) -> ModelSpec:
        return spec_of(options.seeds, options.steps, fusion, own)

    # All of them have the same windows, which are embedded once.
    arms = {
        "price only": (spec("concatenation"), hidden(samples, tuple(range(samples.features.shape[1])))),
        "text, concatenation": (spec("concatenation"), samples),
        "text, gate": (spec("gate"), samples),
        "text, cross-attention": (spec("cross_attention"), samples),
        "sentiment alone, gate": (spec("gate", SENTIMENT), sentiment),
        "text of another, gate": (spec("gate"), dealt(samples)),
    }
    counts: dict[str, list[list[Calls]]] = {name: [] for name in ("majority", *arms)}
    for cutoff in [*CUTOFFS, PAPER][-options.folds :]:
        fold = Fold(samples, cutoff)
        label = samples.label[fold.ahead]
        days = samples.at(fold.ahead).groups()
        usual = np.sign(samples.label[fold.past]).sum()
        counts["majority"].append([counts_of(np.full(len(label), usual), label, days)])
        for name, (one, world) in arms.items():
            counts[name].append([counts_of(said, label, days) for said in fold.said(one, frozen, world)])
        print(
            f"{cutoff}: {fold.past.sum()} movements before, {len(label)} judged, {(label > 0).mean():.1%} up",
            flush=True,
        )
    tables = {"The paper's split": 1, f"All {options.folds} folds": options.folds}
    for title, last in list(tables.items())[: options.folds]:
        rows = []
        for name in counts:
            seeds = [np.concatenate(parts) for parts in zip(*counts[name][-last:], strict=True)]
            price = [np.concatenate(parts) for parts in zip(*counts["price only"][-last:], strict=True)]
            more = "" if name in ("majority", "price only") else gained(seeds, price)
            rows.append((name, *judged(seeds), more))
        print(f"\n{title}:\n")
        heads = (
            "arm",
            "accuracy (95 %)",
            "MCC (95 %)",
            "MCC of the seeds",
            "accuracy over price only, points",
        )
        print(markdown(heads, rows))
    share = told[np.isfinite(samples.label)].mean()
    seconds = time.perf_counter() - start
    print(
        f"\n{share:.0%} of all movements have a tweet; {options.seeds} seeds, {options.steps} steps, at most"
        f" {options.tweets} tweets of a company and session, {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
