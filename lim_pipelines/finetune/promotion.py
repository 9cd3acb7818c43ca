"""A retrained model against the one in use: it replaces that one unless it is worse.

What does not belong here: the rule and its words (`foundation/promotion.py`), the statistics
(`lim_pipelines/paired.py`), where decisions lie (`champions.py`), how samples are made (the tasks).

Both forecast the sessions that the challenger kept from its fit and from its early stopping
(`split.Split.judged`), as far as the checkpoint that it starts from was not pretrained on them either; the
champion is older and knew still less. Everything is read as of the challenger's cutoff. Loss is the squared
error of the scaled forecast, of a position model the negative profit; of a session, and of the seeds of the
strategy's own method together. Only sessions of which both say something count, so two models that follow
other pairs or leaders can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from lim_pipelines import clock
from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune.base import Forecaster, forecast, positions, targets
from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.evidence import Event, Evidence, Named, evidence_of
from lim_pipelines.foundation.promotion import verdict
from lim_pipelines.paired import LEVEL, Gain, paired

BY = "training"

SamplesOf = Callable[[store.ModelMeta], Samples]
"""Samples of all sessions by a model's own selection, as known at the challenger's cutoff."""


def decide(models: Path, spec: ModelSpec, challenger: Path, samples_of: SamplesOf) -> Event:
    """Decide whether a cutoff's new models are used, and write it down.

    The same models against the same champion are not judged again.

    Parameters
    ----------
    models
        Root of all models.
    spec
        The strategy.
    challenger
        Folder of the new models, current at their cutoff.
    samples_of
        Makes samples.
    """
    meta = store.read_meta(challenger)
    named = Named(cutoff=meta.cutoff, digest=meta.input_digest)
    was = champions.before(models, spec.name, meta.cutoff)
    there = champions.event_at(models, spec.name, meta.cutoff)
    if there is not None and (there.checkpoint, there.before) == (named, was):
        return there
    evidence, promoted, why = judge(models, spec, challenger, was, samples_of)
    event = Event(
        moment=clock.now().isoformat(timespec="seconds"),
        event="promoted" if promoted else "kept",
        checkpoint=named,
        before=was,
        evidence=evidence,
        by=BY,
        why=why,
    )
    champions.put(models, spec.name, event)
    return event


def judge(
    models: Path, spec: ModelSpec, challenger: Path, was: Named | None, samples_of: SamplesOf
) -> tuple[Evidence | None, bool, str]:
    """Measure new models against those in use.

    Parameters
    ----------
    models, spec, challenger, samples_of
        As for `decide`.
    was
        Those in use when the new ones came; None for the first.

    Returns
    -------
    tuple
        What was measured, None if nothing could be; whether the new ones are taken; why.
    """
    if was is None:
        return None, True, "the first of its strategy: there was nothing to compare with"
    window = store.read_meta(challenger).windows["judged"]
    if not window:
        return (
            None,
            True,
            "no sessions are kept for a judgement (fit.judged_sessions); the newer one is taken",
        )
    try:
        old, meta = store.load(champions.folder_of(models, spec.name, was))
    except store.ModelError as error:
        return None, True, f"the one in use cannot be read any more ({error}); the newer one is taken"
    if meta.spec.model_config_json() != spec.model_config_json():
        return None, True, "the one in use was made for another specification; the newer one is taken"
    new, own = store.load(challenger)
    first, last = map(date.fromisoformat, (window[0], window[-1]))
    held_out = checkpoint.read_meta(store.parent_folder(challenger, own)).windows.get("held_out_from")
    if held_out is not None:
        first = max(first, date.fromisoformat(held_out[:10]))
    with store.one_thread():
        both = _losses(old, meta, _within(samples_of(meta), first, last)).join(
            _losses(new, own, _within(samples_of(own), first, last)), on=["exchange", "date"], suffix="_new"
        )
    if both.is_empty():
        return (
            None,
            True,
            f"no session from {first} to {last} of which both say something; the newer one is taken",
        )
    both = both.sort("exchange", "date")
    evidence, gain, by_group = compare(both, spec.horizon)
    return evidence, *verdict(gain, by_group)


def compare(losses: pl.DataFrame, horizon: int) -> tuple[Evidence, Gain, dict[str, Gain]]:
    """Compare the losses of two models session by session.

    Parameters
    ----------
    losses
        Columns exchange, date, loss and loss_new, one row an exchange and session; lower is better.
    horizon
        Sessions that a forecast is over: losses of neighbouring sessions hang together that long.

    Returns
    -------
    tuple
        What is written down; the gain over all exchanges alike, and by exchange.
    """
    dates = losses["date"].rank("dense").cast(pl.Int64).to_numpy()
    groups = losses["exchange"].to_list()
    gains = (losses["loss"] - losses["loss_new"]).to_numpy()
    reach = float(horizon + 1)
    gain, _ = paired(gains, dates, groups, reach=reach)
    count = losses["exchange"].n_unique()
    _, by_group = paired(gains, dates, groups, reach=reach, level=1 - (1 - LEVEL) / count)
    means = {name: (_mean(losses, name, "loss"), _mean(losses, name, "loss_new")) for name in by_group}
    span = (str(losses["date"].min()), str(losses["date"].max()))
    return evidence_of(gain, by_group, means, *span), gain, by_group


def _within(samples: Samples, first: date, last: date) -> Samples:
    """Keep the sessions that judge, as far as what came of them is known."""
    judged = samples.frame["date"].is_between(first, last).to_numpy()
    return samples.at(judged & np.isfinite(samples.label))


def _losses(
    forecasters: Mapping[store.Book, Forecaster], meta: store.ModelMeta, samples: Samples
) -> pl.DataFrame:
    """Losses of the strategy's own method, mean over its seeds: exchange, date, loss.

    1 - their mean is the share of the squared scaled label that is explained; of a position model its profit
    a session before costs, fraction of equity.
    """
    spec, rows = meta.spec, samples.frame.select("exchange", "date")
    own = [(spec.method, seed) for seed in spec.arm_seeds(spec.method)] if len(samples) else []
    if spec.output == "position":
        held = [positions(spec, forecasters[book], samples, meta.scales()[book]) for book in own]
        profits = np.mean(held, axis=0) * samples.label if own else samples.label
        sums = (
            rows.with_columns(profit=pl.Series(profits))
            .group_by("exchange", "date")
            .agg(pl.col("profit").sum())
        )
        return sums.select("exchange", "date", loss=1 - pl.col("profit"))
    scale = samples.scale(spec.horizon)
    label = targets(spec.task, samples) / scale
    errors = [(label - forecast(spec, forecasters[book], samples) / scale) ** 2 for book in own]
    loss: Floats = np.mean(errors, axis=0) if own else label
    rows = rows.with_columns(loss=pl.Series(loss), zero=pl.Series(label**2))
    means = rows.group_by("exchange", "date").agg(pl.col("loss", "zero").mean())
    # What a forecast of nothing loses, over all sessions: on a single one it may be next to nothing.
    return means.select("exchange", "date", pl.col("loss") / pl.col("zero").mean().over("exchange"))


def _mean(losses: pl.DataFrame, exchange: str, column: str) -> float:
    return float(losses.filter(pl.col("exchange") == exchange)[column].to_numpy().mean())
