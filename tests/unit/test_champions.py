"""Retrained models against those in use: the rule, the rows that judge, and what decides at a cutoff."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_world import inputs, macro, market, put_checkpoint, put_lake, session_days, spec

from lim_pipelines import walkforward
from lim_pipelines.finetune import champions, promotion, store, train
from lim_pipelines.finetune.cadence import Cadence
from lim_pipelines.finetune.samples import build_samples
from lim_pipelines.finetune.split import split
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.evidence import Event, Named
from lim_pipelines.lake import Lake

MONTHS = [date(2018, month, 1) for month in (4, 5, 6)]
MONTH = st.dates(date(2010, 1, 1), date(2030, 12, 31)).map(lambda day: day.replace(day=1))


@given(MONTH, MONTH, st.sampled_from(["monthly", "quarterly"]))
def test_what_decides_was_trained_by_then_and_one_training_serves_until_the_next(
    first: date, cutoff: date, retrain: Any
) -> None:
    cadence = Cadence(retrain=retrain, first_cutoff=first)
    if cutoff < first:
        assert not cadence.begun(cutoff)
        with pytest.raises(ValueError, match="first_cutoff"):
            cadence.trained_at(cutoff)
        return
    trained = cadence.trained_at(cutoff)
    assert first <= trained <= cutoff
    assert cadence.trained_at(trained) == trained
    assert (cutoff - trained).days <= {"monthly": 0, "quarterly": 62}[retrain]


def test_a_cutoff_is_the_first_of_a_month() -> None:
    with pytest.raises(ValueError, match="write 2018-04-01"):
        Cadence(first_cutoff=date(2018, 4, 2))


def test_nothing_that_is_fitted_or_validated_touches_the_sessions_that_judge() -> None:
    one = spec(fit={"steps": 1, "validation_sessions": 60, "judged_sessions": 20})
    bars = market()
    samples = build_samples(one, bars, inputs(one, bars, macro(), MONTHS[-1]))
    parts = split(one, samples, MONTHS[-1])
    assert len(parts.judged) == 20
    assert parts.judged[-1] == samples.frame["date"].filter(pl.Series(np.isfinite(samples.label))).max()
    for rows in (parts.fit, parts.validation):
        assert samples.at(rows).frame["label_end"].max() < parts.judged[0]
    # Without them the split is what it was before anything was judged.
    none = one.model_copy(update={"fit": one.fit.model_copy(update={"judged_sessions": 0})})
    before = split(none, samples, MONTHS[-1])
    assert before.judged == ()
    assert before.fit.tolist() == parts.fit.tolist()
    assert len(before.validation) == 60 * samples.frame["instrument_id"].n_unique()


@pytest.mark.parametrize(
    ("window", "horizon", "every", "judged"),
    [(252, 5, 1, 63), (40, 5, 1, 10), (39, 5, 1, 0), (126, 5, 8, 31), (126, 5, 10, 0)],
)
def test_a_quarter_judges_where_that_leaves_enough(
    window: int, horizon: int, every: int, judged: int
) -> None:
    one = spec(fit={"validation_sessions": window, "sample_every": every})
    assert one.fit.judged(horizon) == judged


def losses(days: int, better: float, noise: float, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    dates = session_days("XSIM", date(2018, 1, 2), date(2018, 12, 31))[:days]
    loss = 1 + noise * rng.standard_normal(days)
    return pl.DataFrame(
        {"exchange": "XSIM", "date": dates, "loss": loss, "loss_new": loss - better}
    ).with_columns(pl.col("loss_new") + noise * pl.Series(rng.standard_normal(days)))


@pytest.mark.parametrize(
    ("days", "better", "taken", "word"),
    [
        (60, 0.5, True, "better"),
        (60, -0.5, False, "worse"),
        (60, 0.0, True, "not told apart"),
        (5, -9, True, "few"),
    ],
)
def test_only_what_is_surely_worse_is_refused(days: int, better: float, taken: bool, word: str) -> None:
    evidence, gain, by_group = promotion.compare(losses(days, better, 0.3), 5)
    promoted, why = promotion.verdict(gain, by_group)
    assert (promoted, word in why) == (taken, True), why
    assert (evidence.days, evidence.windows) == (days, days)
    assert evidence.groups[0].gain == pytest.approx(
        evidence.groups[0].challenger - evidence.groups[0].champion, abs=2e-6
    )


class World:
    """Three monthly cutoffs with checkpoints of random weights."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.spec = spec(
            seeds=[1],
            controls=["persistence"],
            fit={"steps": 4, "batch": 8, "validation_sessions": 80, "judged_sessions": 40},
            **changes,
        )
        self.models = root / "models"
        self.lake: Lake = put_lake(root / "lake", market(end=date(2018, 8, 1)), macro())
        for number, cutoff in enumerate(MONTHS):
            put_checkpoint(self.models, self.spec.foundation, cutoff, number)

    def train(self, *cutoffs: date) -> list[dict[str, Any]]:
        job = {
            "lake": str(self.lake.root),
            "models": str(self.models),
            "strategy": self.spec.model_dump(mode="json"),
        }
        # One by one: several would be fitted in processes of their own, which take seconds to start.
        return [entry for day in cutoffs for entry in train.train(job | {"cutoffs": [day.isoformat()]})]

    def in_use(self, cutoff: date) -> Path:
        folder = champions.in_use(self.models, self.spec, cutoff)
        assert folder is not None
        return folder

    def decided(self, cutoff: date) -> Event:
        event = champions.event_at(self.models, self.spec.name, cutoff)
        assert event is not None
        return event


def test_a_challenger_is_judged_against_what_was_in_use_when_it_came(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, second = world.train(*MONTHS[:2])
    assert first["decision"].startswith("promoted: the first of its strategy")
    event = world.decided(MONTHS[1])
    assert event.before == Named(cutoff=MONTHS[0], digest=first["digest"])
    assert event.evidence is not None
    meta = store.read_meta(checkpoint.folder_of(world.models, "small", MONTHS[1], second["digest"]))
    assert [event.evidence.judged_from, event.evidence.judged_until] == meta.windows["judged"]
    assert event.evidence.judged_until < MONTHS[1].isoformat()
    assert event.evidence.judged_from > meta.windows["validation_labels_end"]
    # Asked again, nothing is trained or decided again, not even the moment.
    assert [entry["reused"] for entry in world.train(*MONTHS[:2])] == [True, True]
    assert world.decided(MONTHS[1]) == event


def test_no_session_judges_that_the_challengers_checkpoint_was_pretrained_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    path = checkpoint.resolve(world.models, world.spec.foundation, MONTHS[1])
    assert path is not None
    meta = checkpoint.read_meta(path)
    seen = meta.model_copy(update={"windows": {"held_out_from": "2018-03-01T05:30:00+00:00"}})
    (path / checkpoint.META).write_text(seen.model_dump_json())
    world.train(*MONTHS[:2])
    evidence = world.decided(MONTHS[1]).evidence
    assert evidence is not None
    assert evidence.judged_from == "2018-03-01"


def test_where_the_champions_checkpoint_is_gone_the_newer_one_is_taken(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.train(MONTHS[0])
    parent = checkpoint.resolve(world.models, world.spec.foundation, MONTHS[0])
    assert parent is not None
    shutil.rmtree(parent)
    (entry,) = world.train(MONTHS[1])
    assert entry["decision"].startswith("promoted: the one in use cannot be read any more")


def refuse(world: World, cutoff: date) -> None:
    """Write the decision of a cutoff as if its challenger had been worse."""
    event = world.decided(cutoff)
    champions.put(world.models, "small", event.model_copy(update={"event": "kept", "why": "worse: planted"}))


def test_what_is_kept_goes_on_deciding_and_is_what_the_next_one_is_judged_against(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.train(*MONTHS[:2])
    refuse(world, MONTHS[1])
    world.train(MONTHS[2])
    assert world.in_use(MONTHS[1]) == world.in_use(MONTHS[0])
    assert world.decided(MONTHS[2]).before == world.decided(MONTHS[0]).checkpoint
    rows = walkforward.decide(world.lake, world.models, world.spec, [MONTHS[1]])
    kept = store.read_meta(world.in_use(MONTHS[0]))
    assert rows["model_digest"].unique().to_list() == [kept.input_digest]
    assert rows["decided_at"].min() >= datetime(2018, 5, 1, tzinfo=UTC)


def test_targets_of_a_cutoff_do_not_know_what_was_decided_later(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.train(*MONTHS[:2])
    before = walkforward.decide(world.lake, world.models, world.spec, [MONTHS[1]])
    world.train(MONTHS[2])
    refuse(world, MONTHS[2])
    assert walkforward.decide(world.lake, world.models, world.spec, [MONTHS[1]]).equals(before)


def test_a_decision_against_another_champion_is_refused_by_name(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.train(MONTHS[1])
    world.train(MONTHS[0])  # later than the newer one: that was judged against nothing
    with pytest.raises(champions.ChampionError, match=r"small_model, partition 2018-05-01, again"):
        world.in_use(MONTHS[1])
    world.train(MONTHS[1])
    assert world.decided(MONTHS[1]).before == world.decided(MONTHS[0]).checkpoint
    world.in_use(MONTHS[1])


def test_quarters_train_once_and_nothing_is_decided_before_the_first_cutoff(tmp_path: Path) -> None:
    world = World(tmp_path, cadence={"retrain": "quarterly", "first_cutoff": "2018-04-01"})
    april, may = world.train(date(2018, 3, 1), *MONTHS[:2])
    assert (april["cutoff"], may["cutoff"], may["trained_at"]) == ("2018-04-01", "2018-05-01", "2018-04-01")
    assert checkpoint.cutoffs(world.models, "small") == MONTHS[:1]
    rows = walkforward.decide(world.lake, world.models, world.spec, [date(2018, 3, 1), MONTHS[1]])
    assert rows["cutoff"].unique().to_list() == [MONTHS[1]]
    assert rows["model_digest"].unique().to_list() == [april["digest"]]


def test_costs_and_cadence_retrain_nothing() -> None:
    assert spec(costs={"multiplier": 2}).model_config_json() == spec().model_config_json()
    assert spec(cadence={"retrain": "quarterly"}).model_config_json() == spec().model_config_json()
    assert spec(costs={"multiplier": 2}).digest() != spec().digest()


def test_a_decision_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "small" / "2018-04-01" / champions.FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"event": "promoted"}))
    with pytest.raises(champions.ChampionError, match=r"(?s)champion\.json.*partition 2018-04-01"):
        champions.event_at(tmp_path, "small", MONTHS[0])
