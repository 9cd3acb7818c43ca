"""What trainings took and will take: by kind, as `continual.plan` will decide it."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trained import train

from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation.config import REAL, Continual
from lim_pipelines.foundation.decided import Start
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.lake import Lake, next_cutoff
from lim_pipelines.retraining import expected
from lim_pipelines.retraining.settings import FILE, Retraining, SettingsError, read_settings
from lim_pipelines.retraining.standing import Standing

NOW = datetime(2019, 3, 10, tzinfo=UTC)
JANUARY = date(2019, 1, 1)


def start(continued: int) -> Start:
    return Start(reason="", continued=continued, learning_rate=1e-3, replay=0.5, recent_from=None)


def done(tmp_path: Path, *took: tuple[float, int, datetime]) -> Path:
    """Checkpoints of one cutoff after the other, with seconds, times continued and when they ended."""
    lake, cutoff = Lake(tmp_path / "lake"), date(2018, 1, 1)
    for seconds, continued, when in took:
        train(lake, tmp_path / "models", cutoff, seconds, start(continued), when.isoformat())
        cutoff = next_cutoff(cutoff)
    return tmp_path / "models"


def at(first: date, cutoff: date) -> Standing:
    return Standing(REAL.name, "checkpoint", cutoff, first, cutoff, None, 20, "")


def test_a_week_is_seven_days_back_from_the_moment(tmp_path: Path) -> None:
    ends = [NOW - timedelta(days=8), NOW - timedelta(days=6), NOW - timedelta(hours=1), NOW + timedelta(1)]
    models = done(tmp_path, *((60.0, 0, when) for when in ends))
    assert expected.spent(expected.trainings(models, REAL.name), NOW) == 120
    assert expected.trainings(models, "nobody") == []


def test_what_a_killed_training_left_half_written_is_no_training(tmp_path: Path) -> None:
    models = done(tmp_path, (60.0, 0, NOW))
    with atomic_folder(models / REAL.name / "2018-01-01" / "ab") as folder:
        (folder / checkpoint.META).write_text("")
        found = expected.trainings(models, REAL.name)
        # As kill -9 leaves it: the folder stays, under the name that it has now.
        shutil.copytree(folder, folder.with_name(f"{folder.name}-left"))
    shutil.rmtree(models / REAL.name / "2018-01-01" / "ab")
    assert [one.seconds for one in [*found, *expected.trainings(models, REAL.name)]] == [60.0, 60.0]


def test_the_newest_of_its_kind_say_what_it_takes(tmp_path: Path) -> None:
    took = [(1000.0, 0), (7.0, 1), (90.0, 2), (100.0, 3), (110.0, 4)]
    models = done(tmp_path, *((s, c, NOW + timedelta(i)) for i, (s, c) in enumerate(took)))
    assert expected.of_family(models, REAL, at(JANUARY, JANUARY)) == 100, "the median of three"
    assert expected.of_family(models, REAL, at(JANUARY, date(2019, 3, 1))) == 300, "each cutoff of a range"


def test_a_kind_that_was_never_trained_is_reckoned_by_steps(tmp_path: Path) -> None:
    assert expected.of_family(tmp_path, REAL, at(JANUARY, JANUARY)) is None
    models = done(tmp_path, (1000.0, 0, NOW))
    share = REAL.steps_continual / REAL.steps_first
    assert expected.of_family(models, REAL, at(JANUARY, JANUARY)) == pytest.approx(1000 * share)


@given(every=st.integers(0, 4), continued=st.integers(0, 5), count=st.integers(1, 6))
def test_kinds_are_those_that_training_will_decide(
    tmp_path_factory: pytest.TempPathFactory, every: int, continued: int, count: int
) -> None:
    config = REAL.model_copy(update={"continual": Continual(full_every=every)})
    models = done(tmp_path_factory.mktemp("kinds"), (1.0, continued, NOW))
    first = date(2018, 2, 1)
    before = continual.previous(models, REAL.name, first)
    assert before is not None
    kinds, last = [], first
    for _ in range(count):
        plan = continual.plan(config, before)
        kinds.append(plan.parent is None)
        before = before.model_copy(update={"start": plan.start})
        last = next_cutoff(last)
    last = (last - timedelta(days=1)).replace(day=1)
    # A full one is a thousand seconds, a continued one is one.
    folder = checkpoint.resolve(models, REAL.name, date(2018, 1, 1))
    assert folder is not None
    config = config.model_copy(update={"steps_first": 1000, "steps_continual": 1})
    unit = 1.0 if continued else 1 / 1000
    wanted = sum(1000 * unit if full else unit for full in kinds)
    assert expected.of_family(models, config, at(first, last)) == pytest.approx(wanted)


def test_settings_have_defaults_and_their_errors_a_remedy(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == Retraining()
    (tmp_path / FILE).write_text("retraining:\n  budget_hours_a_week: 3\n")
    assert read_settings(tmp_path).budget_hours_a_week == 3
    for text in ("retraining: {new_session: 3}", "retraining: {new_sessions: 0}", "retraining: [", "3"):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(SettingsError, match=r"(?s)automation\.yaml: .*correct it"):
            read_settings(tmp_path)
