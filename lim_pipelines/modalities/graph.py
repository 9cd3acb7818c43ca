"""Entities as vectors, learnt from who does what to whom, and who belongs where, as of a time.

What does not belong here: which edges were known then (`embed.py`), keeping the vectors (`store.py`).

DistMult (Yang et al., ICLR 2015): an edge (head, relation, tail) scores sum_i h_i r_i t_i. Both ends of each
edge are predicted against nodes drawn at random, a softmax over one true and `NEGATIVES` false ones; an edge
reported w times weighs log2(1 + w).

Vectors of two cutoffs must be comparable, or a strategy that reads them would see all companies move each
month. So training starts where the graph itself puts a node: numbers drawn by each node's name, mixed over
its neighbours and theirs, and the learning rate falls to zero. (Measured on FinDKG, one month on: median
cosine of a node with itself 0.98; from numbers drawn by name alone 0.43, at an AUC of 0.79 instead of 0.74.)
No cutoff builds upon another: each can be made again on its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.modalities.base import Floats, digest_of

if TYPE_CHECKING:
    from torch import Tensor

WIDTH: Final = 32
EPOCHS: Final = 8
BATCH: Final = 1024
NEGATIVES: Final = 64
LEARNING_RATE: Final = 0.06
"""Of the first epoch; falls to zero in equal steps."""

DECAY: Final = 1e-3
"""Pull of the touched vectors to zero: rare nodes are not to stand far out for one edge."""

START: Final = 0.3
"""Root mean square of the numbers of a vector before training."""

HOPS: Final = 2
"""How far names are mixed over neighbours before training."""

SEED: Final = 0
HELD_OUT: Final = 20
"""One edge of so many is kept from training, if its ends have others, to see how well links are predicted."""

Ints = npt.NDArray[np.int64]


class NodeEncoder:
    """Names of nodes to their vectors.

    Parameters
    ----------
    nodes
        Names, as learnt by `learn`.
    vectors
        (n, d) their vectors.
    """

    name = "distmult"
    width = WIDTH

    def __init__(self, nodes: Sequence[str] = (), vectors: Floats | None = None) -> None:
        self.nodes = tuple(nodes)
        self.vectors = np.zeros((0, WIDTH), np.float32) if vectors is None else vectors
        self._row = {node: row for row, node in enumerate(self.nodes)}

    @property
    def digest(self) -> str:
        """Of the settings; what was learnt from is told by the rows' `content`."""
        return digest_of(
            {
                "model": "distmult",
                "width": WIDTH,
                "epochs": EPOCHS,
                "batch": BATCH,
                "negatives": NEGATIVES,
                "learning_rate": LEARNING_RATE,
                "decay": DECAY,
                "start": START,
                "hops": HOPS,
                "seed": SEED,
                "held_out": HELD_OUT,
                "version": 1,
            }
        )

    def encode(self, batch: Sequence[str]) -> Floats:
        """Look nodes up.

        Returns
        -------
        (n, 32) float32
            A vector a node; zeros for one that the graph does not have.
        """
        rows = np.zeros((len(batch), WIDTH), dtype=np.float32)
        for i, node in enumerate(batch):
            row = self._row.get(node)
            if row is not None:
                rows[i] = self.vectors[row]
        return rows


@dataclass(frozen=True)
class Learnt:
    """What `learn` gives.

    Parameters
    ----------
    encoder
        The nodes and their vectors.
    losses
        Mean loss of each epoch.
    auc
        Chance that a held-out edge scores above the same edge with another's tail, by which popular nodes win
        nothing; 0.5 is guessing. NaN if nothing could be held out.
    held_out
        Edges kept from training.
    """

    encoder: NodeEncoder
    losses: tuple[float, ...]
    auc: float
    held_out: int


def edges_digest(edges: pl.DataFrame) -> str:
    """Return 16 hexadecimal digits over edges, whatever their order."""
    rows = edges.select("head", "relation", "tail", "weight").sort(pl.all())
    return hashlib.sha256(rows.write_csv().encode()).hexdigest()[:16]


def learn(edges: pl.DataFrame, advance: Callable[[float], object] = lambda loss: None) -> Learnt:
    """Learn a vector a node.

    Parameters
    ----------
    edges
        Distinct edges known at a time: head, relation, tail, weight (how often reported). Their order does
        not matter.
    advance
        Called with the loss after each epoch.

    Returns
    -------
    Learnt
        The same edges give the same bits on one machine.
    """
    edges = edges.sort("head", "relation", "tail")
    nodes = pl.concat([edges["head"], edges["tail"]]).unique().sort().to_list()
    if not nodes:
        return Learnt(NodeEncoder(), (), float("nan"), 0)
    relations = edges["relation"].unique().sort().to_list()
    triples = np.stack(
        [
            _positions(edges["head"], nodes),
            _positions(edges["relation"], relations),
            _positions(edges["tail"], nodes),
        ],
        axis=1,
    )
    held = _held_out(edges, triples, len(nodes))
    start = np.stack([_named_draw(f"node {node}") for node in nodes])
    weights = np.log2(1 + edges["weight"].to_numpy()).astype(np.float32)
    with _one_thread():
        vectors, relation_vectors, losses = _train(
            triples[~held], weights[~held], start, len(relations), advance
        )
    auc = _auc(triples[held], vectors, relation_vectors)
    return Learnt(NodeEncoder(nodes, vectors), losses, auc, int(held.sum()))


def _positions(names: pl.Series, of: list[str]) -> Ints:
    return names.cast(pl.Enum(of)).to_physical().cast(pl.Int64).to_numpy()


def _named_draw(name: str) -> Floats:
    """Numbers of a standard normal, told by a name alone."""
    seed = int.from_bytes(hashlib.sha256(f"{SEED} {name}".encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(WIDTH, dtype=np.float32)


def _held_out(edges: pl.DataFrame, triples: Ints, nodes: int) -> npt.NDArray[np.bool_]:
    """Which edges are kept from training: by their names alone, and never a node's last one."""
    names = edges.select(pl.concat_str("head", "relation", "tail", separator="\n")).to_series()
    drawn = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % HELD_OUT == 0 for name in names]
    degree = np.bincount(triples[:, [0, 2]].ravel(), minlength=nodes)
    held = np.array(drawn)
    for i in np.flatnonzero(held):
        ends = triples[i, [0, 2]]
        held[i] = (degree[ends] > 1).all()
        if held[i]:
            degree[ends] -= 1
    return held


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: steps are so small that two wait for each other, and sums have one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _mixed(names: Tensor, triples: Tensor, weight: Tensor) -> Tensor:
    """Place each node by the graph: its numbers, (n, d), mixed with its neighbours' over `HOPS` steps."""
    import torch
    from torch.nn.functional import normalize

    head, tail = triples[:, 0], triples[:, 2]
    degree = torch.zeros(len(names)).index_add(0, head, weight).index_add(0, tail, weight).clamp(min=1e-9)
    reach = normalize(names)
    total = 0.5 * reach
    for _ in range(HOPS):
        told = reach / degree[:, None].sqrt()
        gathered = torch.zeros_like(reach)
        gathered = gathered.index_add(0, head, told[tail] * weight[:, None])
        gathered = gathered.index_add(0, tail, told[head] * weight[:, None])
        reach = normalize(gathered / degree[:, None])
        total = total + reach
    placed: Tensor = START * WIDTH**0.5 * normalize(total)
    return placed


def _train(
    triples: Ints, weights: Floats, names: Floats, relations: int, advance: Callable[[float], object]
) -> tuple[Floats, Floats, tuple[float, ...]]:
    """Vectors of nodes, of relations, and the loss of each epoch."""
    import torch
    from torch.nn.functional import cross_entropy

    edges, weight = torch.from_numpy(triples), torch.from_numpy(weights)
    draws = torch.Generator().manual_seed(SEED)
    nodes = torch.nn.Parameter(_mixed(torch.from_numpy(names), edges, weight))
    kinds = torch.nn.Parameter(torch.ones(relations, WIDTH))
    optimizer = torch.optim.Adagrad([nodes, kinds], lr=LEARNING_RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=EPOCHS)

    def loss_of(known: Tensor, true: Tensor, false: Tensor, weight: Tensor) -> Tensor:
        scores = torch.cat([(known * true).sum(1, keepdim=True), known @ false.T], dim=1)
        first = torch.zeros(len(scores), dtype=torch.long)
        return (cross_entropy(scores, first, reduction="none") * weight).sum() / weight.sum()

    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        order = torch.randperm(len(edges), generator=draws)
        for part in torch.split(order, BATCH):
            head, relation, tail = edges[part].unbind(1)
            h, r, t = nodes[head], kinds[relation], nodes[tail]
            false = nodes[torch.randint(len(nodes), (NEGATIVES,), generator=draws)]
            w = weight[part]
            loss = 0.5 * (loss_of(h * r, t, false, w) + loss_of(t * r, h, false, w))
            penalty = DECAY * ((h**2).sum(1) + (t**2).sum(1)).mean()
            optimizer.zero_grad()
            (loss + penalty).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(part)
        falling.step()
        losses.append(total / max(len(edges), 1))
        advance(losses[-1])
    return nodes.detach().numpy(), kinds.detach().numpy(), tuple(losses)


def _auc(triples: Ints, vectors: Floats, relations: Floats) -> float:
    """Held-out edges against the same edges with the tail of another held-out edge of their relation."""
    wins = count = 0.0
    for relation in np.unique(triples[:, 1]):
        of = triples[triples[:, 1] == relation]
        known = vectors[of[:, 0]] * relations[relation]
        scores = known @ vectors[of[:, 2]].T
        true = np.diagonal(scores)[:, None]
        other = of[:, 2][None, :] != of[:, 2][:, None]
        wins += ((true > scores) & other).sum() + 0.5 * ((true == scores) & other).sum()
        count += other.sum()
    return float(wins / count) if count else float("nan")
