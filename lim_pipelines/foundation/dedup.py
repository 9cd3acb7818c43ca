"""Near-identical series: the same share from two vendors, share classes, two ways to roll one future.

What does not belong here: drawing (`sampler.py` leaves out what it is told), identity of instruments
(`lim_pipelines/entities`: names and codes; here only returns count).

All pairs of 100,000 series are too many. Series are cut into blocks of time; the signs of a block's returns
are its signature; series that share the signature of a block are candidates (locality-sensitive hashing;
Charikar 2002, sign random projections, with time itself as the directions), and only candidates are compared
bar by bar. A twin is left out of the training draw, so that one share does not count twice; the model still
reads and forecasts it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.config import FREQS, Mix
from lim_pipelines.foundation.mix import factor_of
from lim_pipelines.foundation.series import BAR_LENGTH_US, Ints
from lim_pipelines.foundation.windows import Windows

CORRELATION = 0.99
"""Of the ranks of common returns, from which on two series are twins."""

_BLOCK = 32  # times of bars in a block: a signature is 32 signs at most
_SIGNS = 12  # returns other than 0 that a signature needs
_SIGNATURES, _TRIED = 24, 512  # blocks of a series: used, looked at
_BUCKET = 8  # members of a bucket that are all compared with each other; else with the longest
_COMPARED = 20_000  # latest bars that a comparison reads
_OVERLAP, _OVERLAP_SHARE = 60, 0.8  # of the shorter: what is left out shall not be news
Hashes = npt.NDArray[np.uint64]


def twins(windows: Windows, until: int, mix: Mix) -> dict[int, int]:
    """Find series that are nearly another one.

    Parameters
    ----------
    windows
        Series to compare, of the same frequency each; other frequencies are other series.
    until
        Only bars before this moment count, microseconds since 1970, UTC.
    mix
        What it never draws stands for nothing; where it wants no deduplication, there are no twins.

    Returns
    -------
    dict
        Position of a series to that of a longer one (of two as long, the first) that it is nearly, that
        covers it and that is not left out itself.
    """
    if not mix.dedup:
        return {}
    bars = _bars(windows, until, mix)
    rank = np.lexsort((np.arange(len(bars)), -bars)).argsort().tolist()
    # Longer ones first: so what stands for a series is settled before the series is looked at.
    pairs = sorted(_candidates(windows, bars, rank), key=lambda pair: (rank[pair[1]], rank[pair[0]]))
    out: dict[int, int] = {}
    for longer, shorter in pairs:
        if shorter in out or longer in out:
            continue
        if correlation(windows, longer, shorter, until) >= CORRELATION:
            out[shorter] = longer
    return out


def _bars(windows: Windows, until: int, mix: Mix) -> Ints:
    """Bars of each series before a moment; none of groups that a mix never draws."""
    groups = list(zip(windows.exchange, windows.asset_class, windows.freq, strict=True))
    drawn = {group for group in set(groups) if factor_of(group, mix.weights) > 0}
    return np.array(
        [np.searchsorted(windows.ts(at), until) if group in drawn else 0 for at, group in enumerate(groups)],
        dtype=np.int64,
    )


def correlation(windows: Windows, one: int, other: int, until: int) -> float:
    """Rank correlation (Spearman) of the latest returns in common; 0 where they overlap too little.

    Of ranks, because one bad tick of one vendor would hide a twin from any other.
    """
    (times, returns), (others, of_other) = (_latest(windows, at, until) for at in (one, other))
    _, at, there = np.intersect1d(times, others, assume_unique=True, return_indices=True)
    if len(at) < max(_OVERLAP, _OVERLAP_SHARE * min(len(times), len(others))):
        return 0.0
    x, y = _ranked(returns[at]), _ranked(of_other[there])
    return float((x * y).sum() / (x * x).sum())


def _ranked(returns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    ranks = np.empty(len(returns))
    ranks[np.argsort(returns, kind="stable")] = np.arange(len(returns))
    return ranks - (len(returns) - 1) / 2


def _latest(windows: Windows, at: int, until: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return the times of a series' latest bars, in bars since 1970, and their returns, where known."""
    ts = windows.ts(at)
    end = int(np.searchsorted(ts, until))
    part = slice(max(0, end - _COMPARED), end)
    returns = np.asarray(windows.returns(at)[part], dtype=np.float64)
    times = (ts[part] - 1) // int(BAR_LENGTH_US[windows.freq[at]])
    times, first = np.unique(times, return_index=True)
    returns = returns[first]
    known = np.isfinite(returns)
    return times[known], returns[known]


def _candidates(windows: Windows, bars: Ints, rank: list[int]) -> set[tuple[int, int]]:
    """Find pairs that share a signature, the longer series of each first."""
    hashes = [_signatures(windows, at, end) for at, end in enumerate(bars.tolist())]
    hashed = np.concatenate([*hashes, np.empty(0, dtype=np.uint64)])
    position = np.repeat(np.arange(len(rank)), [len(own) for own in hashes])
    order = np.argsort(hashed, kind="stable")
    hashed, position = hashed[order], position[order]
    edges = (np.flatnonzero(np.diff(hashed)) + 1).tolist()
    found: set[tuple[int, int]] = set()
    for start, end in zip([0, *edges], [*edges, len(hashed)], strict=True):
        if end - start > 1:
            found.update(_pairs(sorted(position[start:end].tolist(), key=rank.__getitem__)))
    return found


def _pairs(members: list[int]) -> Iterator[tuple[int, int]]:
    """Pairs of one bucket, of a large one those with its longest only."""
    for i, one in enumerate(members if len(members) <= _BUCKET else members[:1]):
        for other in members[i + 1 :]:
            yield one, other


def _signatures(windows: Windows, at: int, end: int) -> Hashes:
    """Hash the signs of returns in some blocks of a series' first bars; which, a hash of the block says."""
    ts, freq = windows.ts(at), windows.freq[at]
    length = int(BAR_LENGTH_US[freq])
    if end < _SIGNS:
        return np.empty(0, dtype=np.uint64)
    first, last = ((int(moment) - 1) // length // _BLOCK for moment in (ts[0], ts[end - 1]))
    blocks = np.arange(first, last + 1)
    # Of long series those blocks whose hash is least: another series of the time would try the same ones.
    blocks = blocks[np.argsort(_hash(blocks.astype(np.uint64)), kind="stable")[:_TRIED]]
    low, high = (np.searchsorted(ts[:end], (blocks + k) * _BLOCK * length, side="right") for k in (0, 1))
    found = []
    returns = windows.returns(at)
    for block, start, stop in zip(blocks.tolist(), low.tolist(), high.tolist(), strict=True):
        if stop - start < _SIGNS:
            continue
        part = returns[start:stop]
        told = np.isfinite(part) & (part != 0)
        if told.sum() < _SIGNS:
            continue
        bit = np.uint64(1) << ((ts[start:stop] - 1) // length % _BLOCK).astype(np.uint64)
        shown, up = np.bitwise_or.reduce(bit[told]), np.bitwise_or.reduce(bit[told & (part > 0)], initial=0)
        if up not in (0, shown):  # a straight line has the signs of any other
            found.append((block, int(shown), int(up)))
        if len(found) == _SIGNATURES:
            break
    if not found:
        return np.empty(0, dtype=np.uint64)
    which, shown_bits, up_bits = (np.array(column, dtype=np.uint64) for column in zip(*found, strict=True))
    return _hash(_hash(which * np.uint64(len(FREQS)) + np.uint64(FREQS.index(freq))) ^ up_bits) ^ _hash(
        shown_bits
    )


def _hash(values: Hashes) -> Hashes:
    """Mix 64 bits (Steele, Lea and Flood 2014, SplitMix)."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
