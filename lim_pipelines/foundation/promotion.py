"""Champion against challenger: the newest checkpoint of a family is judged against the one in use.

What does not belong here: the log (`registry.py`), the statistics (`lim_pipelines/paired.py`), the page
(`champion_page.py`).

Both forecast the same windows, whose targets lie behind everything that either was trained on (the later of
their two `held_out_from`), read as of the challenger's cutoff. Where one speaks of a longer horizon, the bars
judge that both speak of, and each is measured against the trivial forecast of its own context. The challenger
is promoted unless it is worse:
unless the whole interval of its gain in skill lies below zero. A tie goes to the challenger, which has seen
the newer data; so does a comparison for which there are too few days. Groups on which it is worse are named
(forgetting), but do not decide alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lim_pipelines import clock
from lim_pipelines.foundation import checkpoint, registry
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.evidence import Event, Evidence, Named, evidence_of
from lim_pipelines.foundation.series import iso, microseconds
from lim_pipelines.foundation.store.family import shown
from lim_pipelines.lake import Lake
from lim_pipelines.paired import LEVEL, Gain, paired

MOST_WINDOWS = 512
"""Windows of each exchange and frequency that judge, at even distances."""

BY = "foundation_champion"
_END = 2**62


@dataclass(frozen=True)
class Judged:
    """What a judgement found.

    Parameters
    ----------
    log
        The log of the family after it.
    events
        What it added; empty where nothing was to judge.
    """

    log: tuple[Event, ...]
    events: tuple[Event, ...]


def is_due(models: str | Path, family: str) -> Named | None:
    """Return the newest cutoff's current checkpoint; None if it was judged, or a person replaced it."""
    cutoffs = checkpoint.cutoffs(models, family)
    if not cutoffs:
        return None
    newest = _current(models, family, len(cutoffs) - 1)
    for event in registry.events(models, family):
        if newest in (event.checkpoint, event.before):
            return None
    return newest


def judge(lake: Lake, models: str | Path, windows: Path, family: str, say: Callable[[str], None]) -> Judged:
    """Judge the newest checkpoint of a family against its champion, and write down what follows.

    Where there is no champion yet, the checkpoint of the cutoff before the newest is it without a test; if
    there is no such one either, the newest is.

    Parameters
    ----------
    lake, models, windows
        Where bars, checkpoints and the window store lie.
    family
        Name of the family.
    say
        Gets a line for each decision.

    Raises
    ------
    RegistryError, CheckpointError
        The log or a checkpoint cannot be read.
    """
    challenger = is_due(models, family)
    added = []
    if challenger is not None:
        first = _first(models, family)
        added = [] if first is None else [first]
        champion = registry.champion(models, family) if first is None else first.checkpoint
        if champion is None:
            raise AssertionError(f"{family}: a log without a champion")
        if champion != challenger:
            added.append(_decide(lake, models, windows, family, champion, challenger))
        for event in added:
            registry.append(models, family, event)
            say(f"{family}: {event.event} {event.checkpoint}: {event.why}")
    return Judged(tuple(registry.events(models, family)), tuple(added))


def verdict(gain: Gain, groups: dict[str, Gain]) -> tuple[bool, str]:
    """Whether a challenger is promoted, and why, in words.

    Parameters
    ----------
    gain
        Skill of the challenger less that of the champion.
    groups
        The same by exchange and frequency.
    """
    interval = f"{LEVEL:.0%} interval {gain.low:+.2%} to {gain.high:+.2%}"
    said = f"skill {gain.mean:+.2%} against the champion's ({interval})"
    if not np.isfinite(gain.low):
        said = (
            f"skill {gain.mean:+.2%} against the champion's on {gain.moments} days, too few for an interval;"
            " the newer one is taken"
        )
    elif gain.worse:
        said = f"worse: {said}"
    elif gain.better:
        said = f"better: {said}"
    else:
        said = f"not told apart: {said}; the newer one is taken"
    lost = [f"{name} ({one.mean:+.2%})" for name, one in groups.items() if one.worse]
    if lost:
        said += f"; it has lost on {', '.join(lost)}"
    return not gain.worse, said


def _first(models: str | Path, family: str) -> Event | None:
    """Make the first champion; None if there has been one."""
    if registry.champion(models, family) is not None:
        return None
    at = max(0, len(checkpoint.cutoffs(models, family)) - 2)
    named = _current(models, family, at)
    return _event("promoted", named, None, None, "the first of its family: there was nothing to compare with")


def _decide(
    lake: Lake, models: str | Path, windows: Path, family: str, champion: Named, challenger: Named
) -> Event:
    evidence, promoted, why = _compare(lake, models, windows, family, champion, challenger)
    return _event("promoted" if promoted else "kept", challenger, champion, evidence, why)


def _compare(
    lake: Lake, models: str | Path, windows: Path, family: str, champion: Named, challenger: Named
) -> tuple[Evidence | None, bool, str]:
    # Both are torch; the rest of this module is read where nothing is judged.
    from lim_pipelines.foundation.judged import days_of, laid_out, reach_of, scores_of, shortfalls
    from lim_pipelines.foundation.sampler import WindowSampler
    from lim_pipelines.foundation.windows import Span, target_span

    before, now = (
        checkpoint.folder_of(models, family, named.cutoff, named.digest) for named in (champion, challenger)
    )
    newer = checkpoint.load(now)
    try:
        contenders = [checkpoint.load(before), newer]
    except checkpoint.CheckpointError as error:
        # Of an older version of the model, say: nobody could use it.
        return None, True, f"the champion cannot be read any more ({error}); the newer one is taken"
    metas = [meta for _, meta in contenders]
    config = metas[1].config
    # The later of the two, whichever it is: after a rollback the champion may be the one held out longer.
    start = max(microseconds(meta.windows["held_out_from"]) for meta in metas)
    as_of = max(meta.cutoff for meta in metas)
    bars = min(_said(meta.config) for meta in metas)
    patch = max(meta.config.patch for meta in metas)
    stores = [shown(lake, windows, _of_length(config, meta.config), as_of).windows() for meta in metas]
    sampler = WindowSampler(stores[0], horizon=bars, patch=patch, span=Span(start, _END))
    if not len(sampler):
        return (
            None,
            True,
            f"no window behind {iso(start)} that neither was trained on; the newer one is taken",
        )
    picks, groups = laid_out(sampler.spread(MOST_WINDOWS))
    lost = [
        shortfalls(scores_of(model, store, picks, bars), groups)
        for (model, _), store in zip(contenders, stores, strict=True)
    ]
    days = days_of(stores[0], picks)
    reach = reach_of(stores[0], picks, bars, days)
    gain, _ = paired(lost[0] - lost[1], days, groups, reach=reach)
    # As many intervals as groups: each holds at the level at which all of them hold together.
    count = len(set(groups))
    _, by_group = paired(lost[0] - lost[1], days, groups, reach=reach, level=1 - (1 - LEVEL) / count)
    names = np.asarray(groups)
    span = target_span(stores[0], picks, bars)
    losses = {
        name: (float(np.nanmean(lost[0][names == name])), float(np.nanmean(lost[1][names == name])))
        for name in by_group
    }
    evidence = evidence_of(gain, by_group, losses, *map(iso, span))
    return evidence, *verdict(gain, by_group)


def _said(config: FoundationConfig) -> int:
    """Bars behind a context that a model speaks of."""
    return config.patch if config.objective == "next_patch" else config.horizon


def _of_length(config: FoundationConfig, other: FoundationConfig) -> FoundationConfig:
    """Quotes of one configuration in windows of another, should the two differ."""
    lengths = {
        "context": other.context,
        "horizon": other.horizon,
        "patch": other.patch,
        "coarse": other.coarse,
    }
    return config.model_copy(update=lengths)


def _current(models: str | Path, family: str, at: int) -> Named:
    cutoff = checkpoint.cutoffs(models, family)[at]
    meta = checkpoint.read_meta(registry.resolve(models, family, cutoff))
    return Named(cutoff=cutoff, digest=meta.input_digest)


def _event(event: str, named: Named, before: Named | None, evidence: Evidence | None, why: str) -> Event:
    moment = clock.now().isoformat(timespec="seconds")
    return Event.model_validate(
        {"moment": moment, "event": event, "checkpoint": named, "before": before, "evidence": evidence}
        | {"by": BY, "why": why}
    )
