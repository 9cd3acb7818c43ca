"""Where training ends and validation begins, checked against what was recorded and against the bars.

Training and the last decisions before a cutoff must share no return: purge and embargo (Lopez de Prado 2018,
Advances in Financial Machine Learning, section 7.4). Validation always lies behind training here, so what
must be purged is before it, and no embargo behind it is needed: nothing is trained on there.

What does not belong here: which rows were read (`checkpoints.py`) and whether they give these weights
(`retrained.py`). No window is cut here as training cuts it: reaches and counts are computed again from the
bars' moments alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.finetune.store import ModelMeta
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import midnight

_REACH = ("held_out_from", "trained_until", "validated_from", "validated_until")


def foundation_windows(models: Path, meta: checkpoint.Meta, bars: pl.DataFrame) -> list[str]:
    """Check the windows of a foundation checkpoint.

    Parameters
    ----------
    models
        Folder of all models; parents lie there.
    meta
        The checkpoint's.
    bars
        Bars of the family as known at the cutoff, one row a key, with those that are resampled from them;
        columns instrument_id, freq, asset_class, ts.

    Returns
    -------
    list of str
        Rules that are broken, in words.
    """
    said = meta.windows
    broken = list(_reads(meta.cutoff, [meta.data]))
    for group in meta.data.groups:
        if datetime.fromisoformat(group.last_ts) > midnight(meta.cutoff):
            broken.append(f"a {group.freq} bar of {group.exchange} ends {group.last_ts}, after the cutoff")
    if _validates(said) and not all(name in said for name in _REACH):
        broken.append("it does not record which bars its windows forecast")
    else:
        broken += _reach(meta, said)
        broken += _counts(meta, bars)
        broken += _parents(models, meta)
    return broken


def model_windows(models: Path, meta: ModelMeta, bars: pl.DataFrame) -> list[str]:
    """Check the fit and the validation tail of a strategy's models.

    Parameters
    ----------
    models
        Folder of all models; the foundation checkpoint lies there.
    meta
        The models'.
    bars
        Daily bars of the universe as known at the cutoff, one row a key.

    Returns
    -------
    list of str
        Rules that are broken, in words.
    """
    said = meta.windows
    broken = list(_reads(meta.cutoff, meta.data))
    if "fit_labels_end" not in said:
        broken.append("it does not record where the labels end that it was fitted on")
    else:
        broken += _split(meta, said, bars)
    parent = checkpoint.folder_of(models, meta.parent_family, meta.cutoff, meta.parent)
    if not (parent / checkpoint.META).exists():
        broken.append(
            f"it starts from {meta.parent_family} {meta.parent[:16]}, which is no checkpoint of {meta.cutoff}"
        )
    elif checkpoint.read_meta(parent).cutoff > meta.cutoff:
        broken.append(f"{parent} is of the later cutoff {checkpoint.read_meta(parent).cutoff}")
    return broken


def _reads(cutoff: date, reads: Any) -> Iterator[str]:
    for read in reads:
        if datetime.fromisoformat(read.as_of) != midnight(cutoff):
            yield f"{read.table} was read as of {read.as_of}, not as of the cutoff's midnight"


def _validates(said: dict[str, Any]) -> bool:
    return bool(said.get("validation"))


def _reach(meta: checkpoint.Meta, said: dict[str, Any]) -> Iterator[str]:
    """Compare what the drawn windows forecast with the moment from which targets are held out."""
    held_out, trained = said["held_out_from"], said.get("trained_until", "")
    if said["purge_bars"] < meta.config.horizon:
        yield f"{said['purge_bars']} bars are purged, a target has {meta.config.horizon}"
    if not trained or datetime.fromisoformat(trained) >= datetime.fromisoformat(held_out):
        yield f"trained on targets until {trained or 'nobody knows when'}, held out from {held_out}"
    chosen_until = meta.selection.validated_until if meta.selection else ""
    if chosen_until and datetime.fromisoformat(chosen_until) >= datetime.fromisoformat(held_out):
        yield f"its mix was chosen by targets until {chosen_until}, held out from {held_out}"
    if _validates(said):
        if datetime.fromisoformat(said["validated_from"]) < datetime.fromisoformat(held_out):
            yield f"validated on targets from {said['validated_from']}, held out from {held_out}"
        if datetime.fromisoformat(said["validated_until"]) > midnight(meta.cutoff):
            yield f"validated on targets until {said['validated_until']}, after the cutoff"


def _counts(meta: checkpoint.Meta, bars: pl.DataFrame) -> Iterator[str]:
    """Count the windows that lie wholly before and wholly behind the held-out moment."""
    held_out = pl.lit(meta.windows["held_out_from"]).str.to_datetime("%+", time_unit="us", time_zone="UTC")
    last = pl.col("ts").shift(-meta.config.horizon)
    series = ["instrument_id", "freq", "asset_class"]
    ends = bars.sort(*series, "ts").select(
        pl.col("ts"),
        last=last.over(series),
        # Row 0 has no return: the shortest context is rows 1 to `patch`.
        row=pl.int_range(pl.len()).over(series),
    )
    ends = ends.filter(pl.col("row") >= meta.config.patch, pl.col("last").is_not_null())
    found = ends.select(
        train=(pl.col("last") < held_out).sum(), validation=(pl.col("ts") >= held_out).sum()
    ).row(0, named=True)
    for part, count in found.items():
        if count != meta.windows[part]:
            yield f"{part}: {meta.windows[part]} windows, by the bars known at the cutoff {count}"


def _parents(models: Path, meta: checkpoint.Meta) -> Iterator[str]:
    """Walk up the chain: earlier cutoffs only, and nothing validated on that an ancestor was trained on."""
    child = meta
    while child.parent is not None:
        if child.parent_cutoff is None or child.parent_cutoff >= child.cutoff:
            yield f"cutoff {child.cutoff} goes on from cutoff {child.parent_cutoff}, which is not earlier"
            return
        folder = checkpoint.folder_of(models, meta.config.name, child.parent_cutoff, child.parent)
        if not (folder / checkpoint.META).exists():
            yield f"its ancestor {folder} is gone, so what it was trained on is not known"
            return
        child = checkpoint.read_meta(folder)
        trained = child.windows.get("trained_until")
        first = meta.windows.get("validated_from", meta.windows["held_out_from"])
        if trained is None:
            yield f"its ancestor {folder} does not record what it was trained on"
        elif datetime.fromisoformat(trained) >= datetime.fromisoformat(first):
            yield f"its ancestor {folder} was trained until {trained}, this one is validated from {first}"


def _split(meta: ModelMeta, said: dict[str, Any], bars: pl.DataFrame) -> Iterator[str]:
    """Compare the recorded split with the sessions that labels reach to, computed from the bars."""
    reach = meta.spec.horizon + 1
    (fit_first, fit_last), (first, last) = (
        [date.fromisoformat(day) for day in said[part]] for part in ("fit", "validation")
    )
    fit_end, end = (date.fromisoformat(said[f"{part}_labels_end"]) for part in ("fit", "validation"))
    if not fit_first <= fit_last < first <= last:
        yield f"fitted on {fit_first} to {fit_last}, validated on {first} to {last}: not one after the other"
    if said["purged_sessions"] < reach:
        yield f"{said['purged_sessions']} sessions are purged, a label reaches {reach}"
    if fit_end >= first:
        yield f"a label that was fitted on reaches {fit_end}, the validation begins {first}"
    if end > meta.cutoff:
        yield f"a label of the validation reaches {end}, after the cutoff"
    judged = [date.fromisoformat(day) for day in said.get("judged", [])]
    if judged and end >= judged[0]:
        yield f"a label of the validation reaches {end}, the sessions that judge the models begin {judged[0]}"
    if judged and judged[-1] > meta.cutoff:
        yield f"the models are judged on sessions until {judged[-1]}, after the cutoff"
    ends = (
        bars.filter(pl.col("close") > 0)
        .sort("instrument_id", "date")
        .select("date", end=pl.col("date").shift(-reach).over("instrument_id"))
    )
    for part, day, recorded in (("fit", fit_last, fit_end), ("validation", last, end)):
        # An instrument without sessions enough behind this one has no label and was not a sample.
        earliest = ends.filter(pl.col("date") == day)["end"].min()
        if not isinstance(earliest, date):
            yield f"{part}: no label of {day} was known at the cutoff by the bars known then"
        elif recorded < earliest:
            yield f"{part}: labels of {day} are said to end by {recorded}, by the bars they end {earliest}"
    purged = ends.filter(pl.col("date").is_between(fit_first, fit_last), pl.col("end") < first).height
    if said["fit_rows"] > purged:
        yield f"fitted on {said['fit_rows']} samples, labels of {purged} end before the validation"
