"""From scratch or on from the parent: a pure function of the settings and of the checkpoint before."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from foundation_bars import TINY
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import CODE_VERSION, Continual, FoundationConfig, Mix
from lim_pipelines.foundation.continual import RATE, Plan, plan

HELD_OUT = "2010-06-01T00:00:00+00:00"


def config(**how: object) -> FoundationConfig:
    return TINY.model_copy(update=how)


def left_by(config: FoundationConfig, cutoff: date, done: Plan) -> checkpoint.Meta:
    """What a training of a plan leaves."""
    read = checkpoint.DataRead(table="", lake_version=0, as_of="", fingerprint="", rows=1, groups=())
    return checkpoint.Meta(
        config=config,
        cutoff=cutoff,
        input_digest=f"{cutoff.toordinal():064x}",
        parent=None,
        parent_cutoff=None,
        code_version=CODE_VERSION,
        seed=0,
        steps=done.steps,
        data=read,
        windows={"held_out_from": HELD_OUT},
        metrics={},
        loss_curve=(),
        wall_seconds=0,
        hardware="",
        torch_version="",
        created_at="",
        start=done.start,
    )


def rolled(config: FoundationConfig, cutoffs: int) -> list[Plan]:
    """Plans of cutoffs, each after the one before."""
    plans, before = [], None
    for month in range(cutoffs):
        plans.append(plan(config, before))
        before = left_by(config, date(2010, 1, 1) + timedelta(31 * month), plans[-1])
    return plans


def test_the_first_starts_from_scratch_and_the_next_goes_on() -> None:
    first, second = rolled(config(continual=Continual(replay=0.3)), 2)
    assert (first.parent, first.steps) == (None, TINY.steps_first)
    assert first.start.model_dump() == {
        "reason": "no earlier checkpoint",
        "continued": 0,
        "learning_rate": TINY.learning_rate,
        "replay": 1.0,
        "recent_from": None,
    }
    assert second.parent is not None
    assert second.steps == TINY.steps_continual
    assert second.start.model_dump() == {
        "reason": "goes on from 2010-01-01",
        "continued": 1,
        "learning_rate": TINY.learning_rate * RATE,
        "replay": 0.3,
        "recent_from": HELD_OUT,
    }


@given(every=st.integers(1, 6), cutoffs=st.integers(1, 25))
def test_every_so_many_cutoffs_start_from_scratch(every: int, cutoffs: int) -> None:
    scratch = [one.parent is None for one in rolled(config(continual=Continual(full_every=every)), cutoffs)]
    assert scratch == [at % every == 0 for at in range(cutoffs)]


@given(cutoffs=st.integers(1, 25))
def test_without_it_only_the_first_does(cutoffs: int) -> None:
    plans = rolled(config(), cutoffs)
    assert [one.parent is None for one in plans] == [True] + [False] * (cutoffs - 1)
    assert [one.start.continued for one in plans] == list(range(cutoffs))


def test_the_count_goes_from_the_last_one_from_scratch() -> None:
    """A new architecture in between starts anew, and the count with it."""
    every = Continual(full_every=3)
    _, second = rolled(config(continual=every), 2)
    longer = config(continual=every, context=64)
    anew = plan(longer, left_by(config(continual=every), date(2010, 2, 1), second))
    assert anew.parent is None
    kept = plan(longer, left_by(longer, date(2010, 3, 1), anew))
    last = plan(longer, left_by(longer, date(2010, 4, 1), kept))
    full = plan(longer, left_by(longer, date(2010, 5, 1), last))
    assert [one.parent is None for one in (kept, last, full)] == [False, False, True]
    assert full.start.reason == "every 3 cutoffs from scratch"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context": 64}, "another architecture"),
        ({"freqs": ("1w",)}, "another universe"),
        ({"mix": Mix(candidates=("XNAS",))}, "another list of candidates for the data mix"),
    ],
)
def test_what_does_not_fit_starts_from_scratch_and_says_why(change: dict[str, object], said: str) -> None:
    before = left_by(config(), date(2010, 1, 1), plan(config(), None))
    found = plan(config(**change), before)
    assert found.parent is None
    assert said in found.start.reason
    assert plan(config(seed=5, steps_continual=9, learning_rate=1e-4), before).parent == before


def test_another_code_version_starts_from_scratch() -> None:
    before = left_by(config(), date(2010, 1, 1), plan(config(), None))
    found = plan(config(), before.model_copy(update={"code_version": "foundation-0"}))
    assert found.parent is None
    assert "another code version" in found.start.reason


def test_a_checkpoint_of_before_counts_as_one_from_scratch() -> None:
    before = left_by(config(), date(2010, 1, 1), plan(config(), None)).model_copy(update={"start": None})
    assert plan(config(continual=Continual(full_every=2)), before).start.continued == 1
    assert plan(config(continual=Continual(full_every=1)), before).parent is None
