"""Which candidates of the data mix help the others, found by short trainings (the paper's second challenge).

What does not belong here: weights of groups (`mix.py`), the short training (`proxy.py`), the statistics
(`lim_pipelines/paired.py`).

A candidate gains if tiny models that draw from it too forecast the targets (all groups that are no candidate)
better than models that do not, after as many steps from the same initial weights: what it takes from the
targets' steps counts against it. Judged on windows of the targets behind all that the proxies were trained
on, and before all that the checkpoint itself holds out: the choice spoils no validation, and nothing behind
the cutoff exists for it. Candidates are taken in greedily, the best first, until none gains any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.config import FoundationConfig, Mix
from lim_pipelines.foundation.decided import Selection, Tried
from lim_pipelines.foundation.mix import Group, factor_of
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import DAY, iso
from lim_pipelines.foundation.windows import Span, Windows, target_span
from lim_pipelines.paired import LEVEL, Gain, paired

SEEDS = 3
"""Proxies of each mix, which differ in initial weights and windows. A candidate must gain with every one: an
interval over windows knows nothing of the luck of a training."""

MOST_STEPS = 300
SHARE, MOST_DAYS = 0.1, 366
"""Share of the time before the held-out bars whose windows judge the proxies, and the most days of it: a
market whose minutes are two years old must have some left to be taught from."""

_MOST_WINDOWS = 256  # of each exchange and frequency
_BEGINNING = -(2**62)

Floats = npt.NDArray[np.float64]


class MixError(ValueError):
    """The candidates leave nothing to learn for, or nothing to judge by."""


def drawn_from(config: FoundationConfig, windows: Windows, refused: Sequence[str]) -> FoundationConfig:
    """Leave the groups of refused candidates out of a configuration's mix.

    Parameters
    ----------
    config
        The family's configuration.
    windows
        What there is to draw from.
    refused
        Candidates that are left out, as `Selection.refused`.
    """
    # Named in full, an entry is outdone by none.
    none = {"/".join(group): 0.0 for group in _groups(windows) if _is_of(group, refused)}
    mix = config.mix.model_copy(update={"weights": none | _but(config.mix, none)})
    return config.model_copy(update={"mix": mix})


def select(
    config: FoundationConfig, windows: Windows, until: int, say: Callable[[str], None] = lambda line: None
) -> Selection:
    """Try the candidates of a family's mix.

    Parameters
    ----------
    config
        The family's configuration, with `mix.candidates`.
    windows
        Everything known at the cutoff, nothing later.
    until
        First moment that the checkpoint holds out, microseconds, UTC: nothing here sees it.
    say
        Gets a line for each trial.

    Raises
    ------
    MixError
        All groups are candidates, or the targets have no windows to learn from or to judge by.
    """
    start = time.perf_counter()
    proxies = _Proxies(config, windows, until)
    tried: list[Tried] = []

    def tell(one: Tried) -> None:
        tried.append(one)
        sure = "too few days" if one.low is None else f"{one.low:+.2%} to {one.high:+.2%}"
        beside = ", ".join(one.beside) or "the targets"
        say(f"{config.name}: {one.candidate} beside {beside}: skill {one.gain:+.2%} ({sure})")

    # Of an exchange without bars nothing is known: it is refused until the next training from scratch.
    there = [one for one in config.mix.candidates if any(_is_of(group, (one,)) for group in _groups(windows))]
    chosen = greedy(there, proxies.lost, proxies.compared, tell)
    picked = tuple(one.model_copy(update={"chosen": (one.candidate, one.beside) in chosen}) for one in tried)
    names = tuple(candidate for candidate, _ in chosen)
    span = target_span(windows, proxies.picks, config.horizon)
    return Selection(
        chosen=names,
        refused=tuple(one for one in config.mix.candidates if one not in names),
        tried=picked,
        steps=proxies.steps,
        trainings=proxies.trainings,
        seconds=round(time.perf_counter() - start, 1),
        validated_from=iso(span[0]),
        validated_until=iso(span[1]),
    )


def greedy(
    candidates: Sequence[str],
    lost: Callable[[tuple[str, ...]], Floats],
    compared: Callable[[Floats], Gain],
    tell: Callable[[Tried], None],
) -> list[tuple[str, tuple[str, ...]]]:
    """Take in the candidate that gains most, then the one that gains most beside it, until none gains.

    Parameters
    ----------
    candidates
        Names.
    lost
        (seeds, n) scores of the target windows, lower is better, by the candidates drawn from.
    compared
        Mean and interval of (n,) gains.
    tell
        Gets each trial.

    Returns
    -------
    list
        Candidates that were taken in, in order, and what had been before each.
    """
    chosen: list[tuple[str, tuple[str, ...]]] = []
    beside: tuple[str, ...] = ()
    without = lost(beside) if candidates else np.empty((0, 0))
    while left := [one for one in candidates if one not in beside]:
        best: tuple[float, str, Floats] | None = None
        for candidate in left:
            scores = lost((*beside, candidate))
            gain = compared((without - scores).mean(0))
            by_seed = np.nanmean(without - scores, axis=1)
            tell(_tried(candidate, beside, gain, by_seed))
            helps = gain.better and bool((by_seed > 0).all())
            if helps and (best is None or gain.mean > best[0]):
                best = gain.mean, candidate, scores
        if best is None:
            break
        _, candidate, without = best
        chosen.append((candidate, beside))
        beside = (*beside, candidate)
    return chosen


def _tried(candidate: str, beside: tuple[str, ...], gain: Gain, by_seed: Floats) -> Tried:
    low, high = (round(end, 6) if np.isfinite(end) else None for end in (gain.low, gain.high))
    return Tried(
        candidate=candidate,
        beside=beside,
        gain=round(gain.mean, 6),
        low=low,
        high=high,
        by_seed=tuple(round(float(one), 6) for one in by_seed),
        chosen=False,
    )


class _Proxies:
    """Tiny models taught from mixes, judged on windows of the targets."""

    def __init__(self, config: FoundationConfig, windows: Windows, until: int) -> None:
        # torch: this module is read where nothing is selected.
        from lim_pipelines.foundation.judged import days_of, laid_out, reach_of

        self.steps = min(config.steps_first, MOST_STEPS)
        self.trainings = 0
        candidates = config.mix.candidates
        self._config = config.model_copy(update={"size": "tiny"})
        self._windows, self._candidates = windows, candidates
        targets = [not _is_of(group, candidates) for group in _of_series(windows)]
        if not any(targets):
            raise MixError(
                f"{config.name}: every group is a candidate ({', '.join(candidates)}); leave at least one"
                " exchange or frequency out of mix.candidates of lim_pipelines/foundation/config.py"
            )
        first = min(int(windows.ts(at)[0]) for at in range(len(windows.length)) if targets[at])
        self._border = until - min(round((until - first) * SHARE), MOST_DAYS * DAY)
        self._refuse_nothing_to_learn(windows)
        judged = self._sampler(self._config, Span(self._border, until)).spread(_MOST_WINDOWS)
        mine = {group: picks[np.asarray(targets)[picks[:, 0]]] for group, picks in judged.items()}
        self.picks, self._groups = laid_out(mine)
        if not len(self.picks):
            raise MixError(
                f"{config.name}: no window of the targets between {iso(self._border)} and {iso(until)} to"
                " judge candidates by; load more history, or empty mix.candidates"
            )
        self._days = days_of(windows, self.picks)
        self._reach = reach_of(windows, self.picks, config.horizon, self._days)

    def _refuse_nothing_to_learn(self, windows: Windows) -> None:
        alone = drawn_from(self._config, windows, self._candidates)
        if not self._sampler(alone, Span(_BEGINNING, self._border)).shares:
            raise MixError(
                f"{self._config.name}: the targets have no training window before {iso(self._border)}; load"
                " more history, or empty mix.candidates"
            )

    def _sampler(self, config: FoundationConfig, span: Span) -> WindowSampler:
        return WindowSampler(
            self._windows, horizon=config.horizon, patch=config.patch, span=span, mix=config.mix
        )

    def lost(self, chosen: tuple[str, ...]) -> Floats:
        """Shortfall on each target window after drawing from the targets and some candidates: (seeds, n)."""
        import torch

        from lim_pipelines.foundation.judged import scores_of, shortfalls
        from lim_pipelines.foundation.model import FoundationModel
        from lim_pipelines.foundation.proxy import teach

        config = drawn_from(self._config, self._windows, [c for c in self._candidates if c not in chosen])
        sampler = self._sampler(config, Span(_BEGINNING, self._border))
        rows = []
        for seed in range(SEEDS):
            torch.manual_seed(config.seed + seed)
            model = teach(
                FoundationModel(config),
                self._windows,
                sampler,
                steps=self.steps,
                learning_rate=config.learning_rate,
                seed=config.seed + seed,
            )
            rows.append(shortfalls(scores_of(model, self._windows, self.picks), self._groups))
            self.trainings += 1
        return np.stack(rows)

    def compared(self, gains: Floats) -> Gain:
        """Mean gain and its interval; as many candidates, as many chances to be lucky."""
        level = 1 - (1 - LEVEL) / len(self._candidates)
        return paired(gains, self._days, self._groups, reach=self._reach, level=level)[0]


def _groups(windows: Windows) -> list[Group]:
    return sorted(set(_of_series(windows)))


def _of_series(windows: Windows) -> list[Group]:
    return list(zip(windows.exchange, windows.asset_class, windows.freq, strict=True))


def _is_of(group: Group, candidates: Sequence[str]) -> bool:
    return any(factor_of(group, {one: 0.0}) == 0.0 for one in candidates)


def _but(mix: Mix, entries: dict[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in mix.weights.items() if name not in entries}
