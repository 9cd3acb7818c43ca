"""Does it help a cross-section to know who is in which industry? RSR's shares, with the graph and without.

    python -m benchmarks.industry_graph HOME [--seeds 5] [--steps 150] [--shares 200] [--pretrain 600]

The graph is NASDAQ.com's industries as Relational Stock Ranking collected them (Feng et al. 2019, ACM TOIS
37), learnt into node vectors by the platform's own DistMult. A head on the frozen embedding of 64 bars ranks
all shares once a week by the return of the next five sessions from the next close on, relative to the mean.
Heads: a perceptron, for which an industry is a trait of the share, and attention across the shares of a
session, to which vectors tell who is a neighbour: there the graph can carry what neighbours did. Each without
vectors, with them, and with vectors dealt anew among the shares, the control.

Fitted before each cutoff, judged on the two years after it. Two things look ahead and cannot be mended here:
industries are of December 2017, and the shares are those that RSR chose with hindsight. Both are the same for
all arms but one: what is compared is the gain over the same head without the graph.

HOME keeps the backbone, pretrained on shares before the first cutoff.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import torch

from benchmarks.quality_home import DATA
from benchmarks.us_shares import MICS, backbone, rsr_bars
from lim_pipelines.finetune.base import rank_correlation, to_returns
from lim_pipelines.finetune.embedding import Frozen
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.finetune.network import FrozenNetwork
from lim_pipelines.finetune.samples import Floats, Samples, samples_of
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation.quality.tables import markdown
from lim_pipelines.modalities.graph import learn
from lim_pipelines.paired import paired
from lim_pipelines.schemas import MODEL_INPUTS

CUTOFFS = (date(2011, 1, 1), date(2013, 1, 1), date(2015, 1, 1))
YEARS = 2
HORIZON = 5
FIFTH = 0.2
PEERS = 10
"""Shares of an industry."""
INPUTS = {name: MODEL_INPUTS.schema[name] for name in ("exchange", "date", "instrument_id")}
COST = 2e-4
"""Commission and half spread of New York, fraction of the traded value."""


def spec_of(seeds: int, steps: int, head: str, graph: bool) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "industries",
            "description": "Shares ranked with and without their industries.",
            "task": "cross_sectional",
            "universe": {"exchanges": ["XNYS", "XNAS"]},
            "horizon": HORIZON,
            "foundation": "foundation_checkpoint",
            "method": "head",
            "head": head,
            "features": ("graph_embedding",) if graph else (),
            "fusion": "gate" if graph else "concatenation",
            "seeds": tuple(range(seeds)),
            "fit": {
                "steps": steps,
                "batch": 4,
                "validation_sessions": 26,
                "judged_sessions": 0,
            },
        }
    )


def chosen(shares: int) -> pl.DataFrame:
    """Choose shares, `PEERS` of each of the largest industries: exchange, ticker, industry."""
    names = pl.read_parquet(DATA / "us_equity_daily_rsr" / "tickers.parquet").filter(
        pl.col("industry") != "n/a"
    )
    sizes = names.group_by("industry").agg(size=pl.len()).sort("size", "industry", descending=True)
    kept = sizes.head(max(1, shares // PEERS))
    named = pl.col("exchange").replace_strict(MICS) + ":" + pl.col("ticker") + "@2017"
    names = names.join(kept, on="industry").with_columns(instrument_id=named).sort("exchange", "ticker")
    return names.filter(pl.int_range(pl.len()).over("industry") < PEERS)


def vectors_of(names: pl.DataFrame) -> tuple[Floats, float]:
    """Vector of each share's node, (n, 32), and how many have a neighbour of their industry nearest."""
    edges = names.select(
        head="issuer:" + pl.col("exchange") + ":" + pl.col("ticker"),
        relation=pl.lit("in_industry"),
        tail="industry:" + pl.col("industry"),
        weight=pl.lit(1.0),
    )
    vectors = learn(edges).encoder.encode(edges["head"].to_list()).astype(np.float64)
    direction = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    industry = names["industry"].to_numpy()
    nearest = np.argmax(direction @ direction.T - 2 * np.eye(len(vectors)), axis=1)
    return vectors, float((industry[nearest] == industry).mean())


def weekly(samples: Samples) -> Samples:
    """Keep every fifth session: labels of neighbouring decisions do not overlap."""
    days = samples.frame["date"].unique().sort().gather_every(HORIZON)
    return samples.at(samples.frame["date"].is_in(days.implode()).to_numpy())


def with_vectors(samples: Samples, names: pl.DataFrame, vectors: Floats) -> Samples:
    """Put each share's vector beside its samples."""
    place = {key: i for i, key in enumerate(names["instrument_id"])}
    rows = samples.frame["instrument_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    return replace(samples, features=vectors[rows])


def judged(said: Floats, samples: Samples) -> Floats:
    """Judge each decision: rank IC, and the net return of the upper fifth less the lower, (days, 2)."""
    days, shares = samples.groups(), samples.picks[:, 0]
    out, held = [], np.zeros(shares.max() + 1)
    for day in np.unique(days):
        own = np.flatnonzero(days == day)
        order = shares[own[np.argsort(said[own], kind="stable")]]
        size = max(1, int(FIFTH * len(own)))
        target = np.zeros_like(held)
        target[order[-size:]], target[order[:size]] = 1 / size, -1 / size
        earned = samples.label[own] @ target[shares[own]] - COST * np.abs(target - held).sum()
        out.append((rank_correlation(said[own], samples.label[own]), earned))
        held = target
    return np.array(out)


class Fold:
    """One cutoff: rows before it, and rows of the two years after it."""

    def __init__(self, samples: Samples, cutoff: date) -> None:
        day, end = samples.frame["date"], samples.frame["label_end"]
        until = cutoff.replace(year=cutoff.year + YEARS)
        self.cutoff = cutoff
        self.past = (end < cutoff).fill_null(False).to_numpy()
        ahead = ((day >= cutoff) & (day < until)).to_numpy()
        self.ahead = np.flatnonzero(ahead & np.isfinite(samples.label))

    def said(self, spec: ModelSpec, frozen: Frozen, samples: Samples) -> list[Floats]:
        """Judge the decisions ahead, an array a seed."""
        # Labels of the years ahead do not exist for a fit.
        seen = replace(samples, label=np.where(self.past, samples.label, np.nan))
        parts, part = split(spec, seen, self.cutoff), samples.at(self.ahead)
        out = []
        for seed in spec.seeds:
            network, _ = METHODS["head"](Job(spec, frozen, seen, parts, seed))
            assert isinstance(network, FrozenNetwork)
            said = to_returns(spec.task, network.outputs_at(samples, self.ahead), part, HORIZON)
            out.append(judged(said, part))
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--shares", type=int, default=200)
    parser.add_argument("--pretrain", type=int, default=600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    names = chosen(options.shares)
    vectors, told_apart = vectors_of(names)
    bars = rsr_bars(names)
    bare = weekly(samples_of(bars, pl.DataFrame(schema=INPUTS), [], HORIZON))
    told = with_vectors(bare, names, vectors)
    dealt = with_vectors(bare, names, np.random.default_rng(0).permutation(vectors))
    frozen = Frozen(backbone(options.pretrain, CUTOFFS[0], options.home))
    heads = ("perceptron", "attention")
    worlds = {"no graph": bare, "industries": told, "industries dealt anew": dealt}
    found: dict[tuple[str, str], list[Floats]] = {(head, world): [] for head in heads for world in worlds}
    for cutoff in CUTOFFS:
        fold = Fold(bare, cutoff)
        for (head, world), parts in found.items():
            spec = spec_of(options.seeds, options.steps, head, graph=world != "no graph")
            parts.append(np.stack(fold.said(spec, frozen, worlds[world])))
        print(f"{cutoff}: {fold.past.sum()} samples before, {len(fold.ahead)} judged", flush=True)
    rows = []
    for (head, world), parts in found.items():
        all_days = np.concatenate(parts, axis=1)  # (seeds, days, 2)
        alone = np.concatenate(found[head, "no graph"], axis=1)
        cells = [*_cells(all_days[..., 0], 1.0, 4), *_cells(all_days[..., 1], 1e4, 1)]
        more = "" if world == "no graph" else _cells(all_days[..., 0] - alone[..., 0], 1.0, 4)[0]
        rows.append((f"{head}, {world}", cells[0], cells[1], more, cells[2]))
    titles = (
        "head, graph",
        "rank IC (95 %)",
        "of the seeds",
        "over no graph",
        "fifth, net, bp a week (95 %)",
    )
    print("\n" + markdown(titles, rows))
    count = f"{names.height} shares of {names['industry'].n_unique()} industries"
    print(
        f"\n{count} ({told_apart:.0%} have one of their own nearest), {all_days.shape[1]} weekly decisions,"
        f" {options.seeds} seeds, {options.steps} steps, {time.perf_counter() - start:.0f} s"
    )


def _cells(values: Floats, unit: float, digits: int) -> tuple[str, str]:
    """Mean of (seeds, days) with an interval over days, and the range of the seeds' means."""
    days = values.mean(axis=0) * unit
    gain, _ = paired(days, np.arange(len(days)), [""] * len(days))
    each = values.mean(axis=1) * unit
    return (
        f"{gain.mean:.{digits}f} ({gain.low:.{digits}f} to {gain.high:.{digits}f})",
        f"{each.min():.{digits}f} to {each.max():.{digits}f}",
    )


if __name__ == "__main__":
    main()
