"""Windows that break a rule: the audit says which, from the record and from the bars."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from foundation_bars import TINY, bars, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.audit.windows import foundation_windows
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.data import series_from
from lim_pipelines.foundation.decided import Selection
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import build_series, iso
from lim_pipelines.foundation.windows import Span, WindowStore, split_time, target_span

CUTOFF = date(2010, 9, 1)
BARS = pl.concat([bars(noise(160)), bars(noise(160, 1), "XNYS:SPX", seed=1)])
_ENDS = 2**62


def store(rows: pl.DataFrame = BARS) -> WindowStore:
    return WindowStore(build_series(rows), TINY.context, TINY.horizon)


SPLIT = split_time(store(), 0.2)


def sampler(span: Span, rows: pl.DataFrame = BARS) -> WindowSampler:
    return WindowSampler(store(rows), horizon=TINY.horizon, patch=TINY.patch, span=span)


def meta(
    windows: dict[str, Any], cutoff: date = CUTOFF, parent: checkpoint.Meta | None = None
) -> checkpoint.Meta:
    read = checkpoint.DataRead(
        table="validated_bars",
        lake_version=0,
        as_of=f"{cutoff}T00:00:00+00:00",
        fingerprint="",
        rows=BARS.height,
        groups=(
            checkpoint.Group(
                exchange="XNYS",
                freq="1d",
                instruments=2,
                rows=BARS.height,
                first_ts=str(BARS["ts"].min()),
                last_ts=str(BARS["ts"].max()),
            ),
        ),
    )
    return checkpoint.Meta(
        config=TINY,
        cutoff=cutoff,
        input_digest=f"{cutoff:%Y%m%d}" * 8,
        parent=parent.input_digest if parent else None,
        parent_cutoff=parent.cutoff if parent else None,
        code_version="",
        seed=0,
        steps=0,
        data=read,
        windows=windows,
        metrics={},
        loss_curve=(),
        wall_seconds=0.0,
        hardware="",
        torch_version="",
        created_at="",
    )


def honest(split: int = SPLIT, horizon: int = TINY.horizon) -> dict[str, Any]:
    """What an honest training records."""
    train, validation = (sampler(span) for span in (Span(-_ENDS, split), Span(split, _ENDS)))
    seen = validation.spread(1000)["XNYS", "1d"]
    first, last = target_span(store(), seen, horizon)
    return {
        "train": len(train),
        "validation": len(validation),
        "purge_bars": horizon,
        "held_out_from": iso(split),
        "trained_until": iso(target_span(store(), train.spread(1000)["XNYS", "1d"], horizon)[1]),
        "validated_from": iso(first),
        "validated_until": iso(last),
    }


@settings(max_examples=20)
@given(st.floats(0.1, 0.5))
def test_honest_windows_pass_wherever_they_are_split(share: float) -> None:
    split = split_time(store(), share)
    assert foundation_windows(Path("nowhere"), meta(honest(split)), BARS) == []


SPX_CHANGED = BARS["ts"].sort()[100]
BEHIND = iso(SPLIT + 86_400_000_000)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"purge_bars": 7}, "7 bars are purged, a target has 8"),
        ({"trained_until": BEHIND}, "trained on targets until"),
        ({"validated_from": iso(SPLIT - 86_400_000_000)}, "validated on targets from"),
        ({"validated_until": "2010-09-01T20:00:00+00:00"}, "after the cutoff"),
        ({"train": 1000}, "train: 1000 windows, by the bars known at the cutoff"),
        ({"validation": 1}, "validation: 1 windows, by the bars known"),
    ],
)
def test_a_record_that_breaks_a_rule_is_found(said: dict[str, Any], words: str) -> None:
    (broken,) = foundation_windows(Path("nowhere"), meta(honest() | said), BARS)
    assert words in broken


def test_a_mix_that_was_chosen_by_what_is_held_out_is_found() -> None:
    how = {"chosen": (), "refused": (), "tried": (), "steps": 1, "trainings": 1, "seconds": 0.0}
    for until, broken in ((SPLIT - 1, 0), (SPLIT, 1)):
        selection = Selection(**how, validated_from=iso(0), validated_until=iso(until))
        found = foundation_windows(
            Path("nowhere"), meta(honest()).model_copy(update={"selection": selection}), BARS
        )
        assert len(found) == broken
        assert all("its mix was chosen by targets until" in one for one in found)


def test_an_instrument_that_changed_its_class_is_two_series() -> None:
    other = pl.when(pl.col("ts") < SPX_CHANGED).then(pl.lit("equity")).otherwise("asset_class")
    rows = BARS.with_columns(asset_class=other)
    windows = WindowStore(series_from(rows), TINY.context, TINY.horizon)
    counts = {
        name: len(WindowSampler(windows, horizon=TINY.horizon, patch=TINY.patch, span=span))
        for name, span in (("train", Span(-_ENDS, SPLIT)), ("validation", Span(SPLIT, _ENDS)))
    }
    assert foundation_windows(Path("nowhere"), meta(honest() | counts), rows) == []
    assert counts["train"] < honest()["train"]


def test_bars_and_reads_of_after_the_cutoff_are_found() -> None:
    early = date(2010, 7, 1)
    found = foundation_windows(Path("nowhere"), meta(honest(), early), BARS)
    assert any(f"ends {BARS['ts'].max()}, after the cutoff" in one for one in found)
    other = meta(honest())
    late = other.data.model_copy(update={"as_of": "2010-10-01T00:00:00+00:00"})
    (broken,) = foundation_windows(Path("nowhere"), other.model_copy(update={"data": late}), BARS)
    assert "was read as of 2010-10-01" in broken


def test_ancestors_are_earlier_and_were_not_trained_on_what_is_validated(tmp_path: Path) -> None:
    before = CUTOFF - timedelta(days=31)
    parent = meta(honest(), before)
    child = meta(honest(), parent=parent)
    (gone,) = foundation_windows(tmp_path, child, BARS)
    assert "is gone" in gone
    folder = checkpoint.folder_of(tmp_path, TINY.name, before, parent.input_digest)
    folder.mkdir(parents=True)
    (folder / checkpoint.META).write_text(parent.model_dump_json())
    assert foundation_windows(tmp_path, child, BARS) == []
    later = meta(honest() | {"trained_until": BEHIND}, before)
    # It was trained on the first bars that the child is validated on.
    (folder / checkpoint.META).write_text(later.model_dump_json())
    early = honest() | {"validated_from": iso(SPLIT + 3_600_000_000)}
    (shared,) = foundation_windows(tmp_path, meta(early, parent=parent), BARS)
    assert "was trained until" in shared
    self_parent = child.model_copy(update={"parent_cutoff": CUTOFF})
    (not_earlier,) = foundation_windows(tmp_path, self_parent, BARS)
    assert "not earlier" in not_earlier


def test_the_reach_of_windows_is_read_off_the_bars() -> None:
    series, windows = build_series(BARS), store()
    picks = np.array([[0, 20], [1, 10]])
    first, last = target_span(windows, picks, 8)
    assert (first, last) == (int(series[1].ts[11]), int(series[0].ts[28]))
    assert target_span(windows, np.array([[0, len(series[0]) - 1]]), 8) == (int(series[0].ts[-1]),) * 2
