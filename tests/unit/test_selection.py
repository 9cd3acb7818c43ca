"""Candidates of the data mix: what helps is taken in, what harms or does nothing is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from foundation_bars import TINY, bars, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig, Mix
from lim_pipelines.foundation.decided import Tried
from lim_pipelines.foundation.run import selected
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.selection import MixError, drawn_from, greedy, select
from lim_pipelines.foundation.series import CALENDAR, VARIABLES, Series
from lim_pipelines.foundation.train import Job, train_cutoffs
from lim_pipelines.foundation.windows import Span, WindowStore
from lim_pipelines.lake import Lake
from lim_pipelines.paired import Gain, paired
from lim_pipelines.schemas import VALIDATED_BARS

DAY = 86_400_000_000
FIRST = int(datetime(2010, 1, 4, 21, tzinfo=UTC).timestamp()) * 1_000_000
DAYS, TURN = 600, 520
UNTIL = FIRST + 590 * DAY
CONFIG = FoundationConfig.model_validate(
    TINY.model_dump()
    | {"exchanges": ("XNYS", "XNAS", "XTKS"), "context": 16, "batch_size": 16, "steps_first": 20}
)


def series(exchange: str, memory: float, since: int, seed: int) -> Series:
    """Daily returns that remember the one before since some day; the other variables are missing."""
    rng = np.random.default_rng([seed, *exchange.encode()])
    steps = rng.standard_normal(DAYS)
    for t in range(1, DAYS):
        if t >= since:
            steps[t] = memory * steps[t - 1] + np.sqrt(1 - memory**2) * steps[t]
    ts = FIRST + np.arange(DAYS, dtype=np.int64) * DAY
    values = np.full((DAYS, len(VARIABLES)), np.nan, dtype=np.float32)
    values[:, 0] = 0.01 * steps
    calendar = np.zeros((DAYS, len(CALENDAR)), dtype=np.float32)
    return Series(f"{exchange}:{seed}", exchange, "equity", "1d", ts, ts, values, calendar)


def world() -> list[Series]:
    """A market that begins to trend, one that always did, and one where a day takes back the day before."""
    kinds = (("XNYS", 0.95, TURN), ("XNAS", 0.95, 0), ("XTKS", -0.95, 0))
    return [series(*kind, i) for kind in kinds for i in range(4)]


@pytest.fixture(scope="module")
def store() -> WindowStore:
    return WindowStore(world(), CONFIG.context, CONFIG.horizon)


def with_candidates(*names: str, **weights: float) -> FoundationConfig:
    return CONFIG.model_copy(update={"mix": Mix(candidates=names, weights=weights)})


def test_the_helpful_is_taken_in_and_the_harmful_is_not(store: WindowStore) -> None:
    torch.set_num_threads(1)
    lines: list[str] = []
    found = select(with_candidates("XTKS", "XNAS"), store, UNTIL, lines.append)
    assert (found.chosen, found.refused) == (("XNAS",), ("XTKS",))
    gains = {(one.candidate, one.beside): one for one in found.tried}
    assert gains["XNAS", ()].chosen
    assert (gains["XNAS", ()].low or 0) > 0
    assert gains["XTKS", ()].gain < gains["XNAS", ()].gain
    assert not gains["XTKS", ("XNAS",)].chosen
    assert found.trainings == 3 * (1 + 2 + 1)
    assert len(lines) == len(found.tried) == 3
    # What judged lies before all that the checkpoint itself will hold out.
    assert found.validated_until < datetime.fromtimestamp(UNTIL / 1e6, UTC).isoformat()


def test_nothing_that_the_checkpoint_holds_out_changes_the_choice() -> None:
    torch.set_num_threads(1)
    config = with_candidates("XTKS").model_copy(update={"steps_first": 3})
    late = world()
    before = select(config, WindowStore(late, CONFIG.context, CONFIG.horizon), UNTIL)
    for one in late:
        one.values[one.ts >= UNTIL] *= 100
    after = select(config, WindowStore(late, CONFIG.context, CONFIG.horizon), UNTIL)
    assert after.tried == before.tried


def test_refused_groups_are_drawn_no_more_whatever_else_is_said(store: WindowStore) -> None:
    config = with_candidates("XTKS", **{"XTKS/equity": 5.0, "XNAS": 3.0, "*/equity/1d": 2.0})
    drawn = drawn_from(config, store, ["XTKS"])
    sampler = WindowSampler(
        store, horizon=CONFIG.horizon, patch=CONFIG.patch, span=Span(0, UNTIL), mix=drawn.mix
    )
    shares = {group[0]: share for group, share in sampler.shares.items()}
    assert shares == pytest.approx({"XNAS": 0.5, "XNYS": 0.5, "XTKS": 0.0})
    assert drawn_from(config, store, []) == config


def test_without_targets_it_says_what_to_do(store: WindowStore) -> None:
    with pytest.raises(MixError, match=r"every group is a candidate \(\*/equity\); leave at least one"):
        select(with_candidates("*/equity"), store, UNTIL)
    with pytest.raises(MixError, match="no training window before"):
        select(with_candidates("XNAS", "XTKS"), store, FIRST + 15 * DAY)


def test_what_is_not_there_yet_is_refused_untried(store: WindowStore) -> None:
    found = select(with_candidates("XLON"), store, UNTIL)
    assert (found.chosen, found.refused, found.tried, found.trainings) == ((), ("XLON",), (), 0)


def scores(effects: dict[str, float]) -> Callable[[tuple[str, ...]], np.ndarray]:
    """Scores of three seeds and forty windows of an additive world, without noise between mixes."""
    base = np.random.default_rng(0).standard_normal((3, 40))
    return lambda chosen: base - sum(effects[name] for name in chosen)


def compared(gains: np.ndarray) -> Gain:
    return paired(gains, np.arange(len(gains)), ["all"] * len(gains))[0]


@settings(max_examples=15)
@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1).filter(lambda x: abs(x) > 1e-3)))
def test_in_an_additive_world_exactly_the_helpful_are_chosen_best_first(effects: dict[str, float]) -> None:
    tried: list[Tried] = []
    chosen = [name for name, _ in greedy(list(effects), scores(effects), compared, tried.append)]
    helpful = sorted((name for name in effects if effects[name] > 0), key=lambda name: -effects[name])
    assert [effects[name] for name in chosen] == [effects[name] for name in helpful]
    assert len(tried) <= len(effects) * (len(effects) + 1) / 2


def test_what_gains_with_two_seeds_of_three_is_not_taken_in() -> None:
    base = np.zeros((3, 40))
    lucky = base - np.array([[1.0], [1.0], [-0.1]])
    tried: list[Tried] = []
    assert greedy(["a"], lambda chosen: lucky if chosen else base, compared, tried.append) == []
    assert tried[0].low == tried[0].gain > 0
    assert tried[0].by_seed == (1.0, 1.0, -0.1)


def test_a_training_from_scratch_selects_and_the_next_inherits(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rows = pl.concat([bars(noise(250)), bars(noise(250, 1), "XNAS:AAPL")])
    Lake(tmp_path / "lake").write(VALIDATED_BARS, rows, rows.select("exchange", "date").unique())
    config = FoundationConfig.model_validate(
        TINY.model_dump() | {"exchanges": ("XNYS", "XNAS"), "mix": {"candidates": ["XNAS"]}}
    )
    job = Job(
        lake=str(tmp_path / "lake"),
        models=str(tmp_path / "models"),
        windows=str(tmp_path / "windows"),
        family="tiny",
        cutoffs=(date(2010, 11, 1), date(2010, 12, 1)),
        config=config,
    )
    first, second = (checkpoint.read_meta(one.folder) for one in train_cutoffs(job, lambda line: None))
    assert first.selection is not None
    assert first.selection.trainings == 3 * 2
    assert {*first.selection.chosen, *first.selection.refused} == {"XNAS"}
    assert first.selection.validated_until < first.windows["held_out_from"]
    assert (second.parent, second.selection) == (first.input_digest, first.selection)


def test_the_first_process_selects_and_the_others_follow(
    store: WindowStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines that round otherwise would else train on two mixes."""
    first = selected(with_candidates("XLON"), None, store, tmp_path, print)
    assert first is not None
    assert first.refused == ("XLON",)
    # Whatever another process, or a run that goes on after a kill, would find: it is settled.
    assert selected(with_candidates("XFRA"), None, store, tmp_path, print) == first
    monkeypatch.setenv("RANK", "1")
    assert selected(with_candidates("XFRA"), None, store, tmp_path, print) == first
    assert [path.name for path in tmp_path.iterdir()] == ["selection.json"]
