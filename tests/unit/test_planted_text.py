"""An effect of texts is found where it was planted, and not where the same texts were dealt anew."""

import numpy as np
import polars as pl
import torch

from benchmarks.text_effect import backbone, samples, skills, spec_of
from lim_pipelines.simulate.planted_text import dealt_anew, told

torch.set_num_threads(1)


def test_the_same_seed_tells_the_same_and_more_sessions_change_none_before() -> None:
    short, again, longer = told(1, 4, 60), told(1, 4, 60), told(1, 4, 80)
    assert short.bars.equals(again.bars)
    assert short.texts.equals(longer.texts.head(short.texts.height))
    assert not short.texts.equals(told(2, 4, 60).texts)
    dealt = dealt_anew(short, 1)
    assert dealt.texts.drop("text").equals(short.texts.drop("text"))
    assert sorted(dealt.texts["text"]) == sorted(short.texts["text"])


def test_texts_stand_where_they_were_written_and_are_missing_elsewhere() -> None:
    world = told(1, 4, 60)
    made = samples(world)
    keys = made.frame.select("instrument_id", "date").with_row_index("row")
    there = keys.join(world.texts, on=["instrument_id", "date"], how="semi")["row"].to_numpy()
    known = np.isfinite(made.features).all(axis=1)
    assert np.array_equal(np.flatnonzero(known), np.sort(there))
    assert (world.texts["ts"].dt.date() == world.texts["date"]).all()
    assert world.texts.select(pl.struct("instrument_id", "date").is_unique().all()).item()


def test_the_planted_effect_is_found_by_text_alone() -> None:
    world, model, spec = told(0), backbone(), spec_of("gate", 80)
    found, control = skills(spec, samples(world), model), skills(spec, samples(dealt_anew(world, 0)), model)
    with_text, without, dealt = found["head"], found["without_text"], control["head"]
    error = {name: np.nanstd(one) / np.sqrt(len(one) / 3) for name, one in (("t", with_text), ("d", dealt))}
    assert np.nanmean(with_text) > 0.12
    assert np.nanmean(with_text) > np.nanmean(without) + 3 * error["t"]
    assert np.nanmean(dealt) < np.nanmean(with_text) - 3 * error["d"]
