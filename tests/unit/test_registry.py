"""Champions: judged on what neither was trained on, in a log that survives kills, taken back by people."""

from __future__ import annotations

import json
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from foundation_bars import TINY, bars, noise
from untaught import HELD_OUT, leave

from lim_pipelines.foundation import checkpoint, promotion, registry
from lim_pipelines.foundation.champion_page import champion_page
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.evidence import Event, Named, evidence_of
from lim_pipelines.lake import Lake
from lim_pipelines.paired import Gain
from lim_pipelines.provenance import cli
from lim_pipelines.schemas import VALIDATED_BARS

CONFIG = FoundationConfig.model_validate(TINY.model_dump() | {"freqs": ("1d", "1w")})
CUTOFFS = (date(2010, 9, 1), date(2010, 10, 1), date(2010, 11, 1))
FAMILY = CONFIG.name


def trained(models: Path, cutoff: date, said: float = 0.0, held_out_from: str = HELD_OUT) -> Named:
    return leave(models, CONFIG, cutoff, said, held_out_from)


def event(named: Named, before: Named | None = None, kind: str = "promoted") -> Event:
    return Event.model_validate(
        {"moment": "", "event": kind, "checkpoint": named, "before": before}
        | {"evidence": None, "by": "test", "why": ""}
    )


def named(day: int) -> Named:
    return Named(cutoff=date(2010, 1, day), digest=f"{day:064x}")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    rows = bars(noise(250))
    lake.write(VALIDATED_BARS, rows, rows.select("exchange", "date").unique())
    return lake


def judge(lake: Lake, models: Path) -> list[tuple[str, Named]]:
    found = promotion.judge(lake, models, models / "windows", FAMILY, lambda line: None)
    return [(one.event, one.checkpoint) for one in found.events]


def test_evidence_says_skill_and_leaves_out_intervals_that_nobody_could_measure() -> None:
    whole = Gain(0.02, 0.01, 0.03, pairs=30, moments=12)
    few = Gain(0.04, float("nan"), float("nan"), pairs=3, moments=3)
    said = evidence_of(whole, {"XNYS": few}, {"XNYS": (0.9, 0.86)}, "2018-01-02", "2018-02-01")
    assert (said.gain, said.low, said.high, said.windows, said.days) == (0.02, 0.01, 0.03, 30, 12)
    assert (said.judged_from, said.judged_until) == ("2018-01-02", "2018-02-01")
    (one,) = said.groups
    assert (one.champion, one.challenger, one.gain) == (0.1, 0.14, 0.04)
    assert (one.low, one.high, one.windows) == (None, None, 3)


def test_the_first_is_champion_without_a_test(lake: Lake, tmp_path: Path) -> None:
    assert judge(lake, tmp_path) == []
    with pytest.raises(registry.RegistryError, match=r"no champion yet; materialise `foundation_champion`"):
        registry.resolve(tmp_path, FAMILY, "champion")
    first = trained(tmp_path, CUTOFFS[0])
    assert judge(lake, tmp_path) == [("promoted", first)]
    assert registry.champion(tmp_path, FAMILY) == first
    assert registry.resolve(tmp_path, FAMILY, "champion").name == first.digest[:16]


def test_a_worse_one_is_kept_out_and_a_tie_is_promoted(lake: Lake, tmp_path: Path) -> None:
    first = trained(tmp_path, CUTOFFS[0])
    bad = trained(tmp_path, CUTOFFS[1], said=3.0)
    assert judge(lake, tmp_path) == [("promoted", first), ("kept", bad)]
    evidence = registry.events(tmp_path, FAMILY)[-1].evidence
    assert evidence is not None
    assert evidence.high is not None
    assert evidence.gain < evidence.high < 0
    assert evidence.judged_from > HELD_OUT
    assert evidence.judged_until < "2010-10-01"
    assert {one.group for one in evidence.groups} == {"XNYS 1d", "XNYS 1w"}
    assert judge(lake, tmp_path) == []  # judged already
    same = trained(tmp_path, CUTOFFS[2])
    assert judge(lake, tmp_path) == [("promoted", same)]
    assert "not told apart" in registry.events(tmp_path, FAMILY)[-1].why


def test_nothing_that_either_was_trained_on_judges(lake: Lake, tmp_path: Path) -> None:
    """The champion held out less than the challenger, or more: the later moment counts."""
    late = datetime(2010, 8, 2, tzinfo=UTC).isoformat()
    for at, (one, other) in enumerate([(HELD_OUT, late), (late, HELD_OUT)]):
        models = tmp_path / str(at)
        trained(models, CUTOFFS[0], held_out_from=one)
        trained(models, CUTOFFS[1], said=0.1, held_out_from=other)
        judge(lake, models)
        evidence = registry.events(models, FAMILY)[-1].evidence
        assert evidence is not None
        assert evidence.judged_from > late


@pytest.mark.parametrize(
    "change", [{"context": 64, "horizon": 16, "patch": 16}, {"horizon": 24, "objective": "next_patch"}]
)
def test_models_of_other_lengths_are_judged_on_the_bars_that_both_speak_of(
    lake: Lake, tmp_path: Path, change: dict[str, object]
) -> None:
    """One that is off is found out, whichever of the two it is."""
    other = FoundationConfig.model_validate(CONFIG.model_dump() | change)
    for at, (champion, challenger) in enumerate([(0.0, 3.0), (3.0, 0.0)]):
        models = tmp_path / str(at)
        leave(models, CONFIG, CUTOFFS[0], champion)
        leave(models, other, CUTOFFS[1], challenger)
        judge(lake, models)
        last = registry.events(models, FAMILY)[-1]
        assert last.event == ("kept" if challenger else "promoted")
        evidence = last.evidence
        assert evidence is not None
        assert {one.group for one in evidence.groups} == {"XNYS 1d", "XNYS 1w"}
        assert evidence.judged_from > HELD_OUT
        assert evidence.gain * (champion - challenger) > 0


def test_a_champion_that_cannot_be_read_any_more_gives_way(lake: Lake, tmp_path: Path) -> None:
    first = trained(tmp_path, CUTOFFS[0])
    judge(lake, tmp_path)
    weights = registry.resolve(tmp_path, FAMILY, "champion") / checkpoint.WEIGHTS
    weights.write_bytes(b"of another model")
    newer = trained(tmp_path, CUTOFFS[1], said=3.0)
    assert judge(lake, tmp_path) == [("promoted", newer)]
    last = registry.events(tmp_path, FAMILY)[-1]
    assert (last.before, last.evidence) == (first, None)
    assert "cannot be read any more" in last.why


def test_too_new_to_compare_is_promoted_and_says_so(lake: Lake, tmp_path: Path) -> None:
    trained(tmp_path, CUTOFFS[0])
    newest = trained(tmp_path, CUTOFFS[1], said=3.0, held_out_from="2010-12-31T00:00:00+00:00")
    assert judge(lake, tmp_path)[-1] == ("promoted", newest)
    assert "no window behind 2010-12-31" in registry.events(tmp_path, FAMILY)[-1].why


def test_a_rollback_holds_until_something_new_comes(lake: Lake, tmp_path: Path) -> None:
    first, second = trained(tmp_path, CUTOFFS[0]), trained(tmp_path, CUTOFFS[1], said=0.001)
    judge(lake, tmp_path)
    assert registry.champion(tmp_path, FAMILY) == second
    done = registry.rollback(tmp_path, FAMILY, None, "ada", "looks odd")
    assert (done.checkpoint, done.before, done.by, done.why) == (first, second, "ada", "looks odd")
    assert judge(lake, tmp_path) == []
    assert registry.champion(tmp_path, FAMILY) == first
    with pytest.raises(registry.RegistryError, match="is the champion already"):
        registry.rollback(tmp_path, FAMILY, CUTOFFS[0], "ada", "")
    with pytest.raises(
        registry.RegistryError, match=r"no checkpoint of cutoff 2001-01-01 \(there are 2010-09-01"
    ):
        registry.rollback(tmp_path, FAMILY, date(2001, 1, 1), "ada", "")
    third = trained(tmp_path, CUTOFFS[2])
    assert judge(lake, tmp_path) == [("promoted", third)]
    assert registry.events(tmp_path, FAMILY)[-1].before == first


def test_a_cutoff_is_resolved_to_its_own_checkpoint_whoever_is_champion(lake: Lake, tmp_path: Path) -> None:
    """What replays the past names the cutoff: the champion of today is not to be had by it."""
    first, second = trained(tmp_path, CUTOFFS[0]), trained(tmp_path, CUTOFFS[1], said=0.001)
    judge(lake, tmp_path)
    assert registry.champion(tmp_path, FAMILY) == second
    assert registry.resolve(tmp_path, FAMILY, CUTOFFS[0]).name == first.digest[:16]
    with pytest.raises(registry.RegistryError, match="no checkpoint of cutoff 2010-09-15"):
        registry.resolve(tmp_path, FAMILY, date(2010, 9, 15))


def test_no_walk_forward_code_knows_of_the_champion() -> None:
    library = Path(registry.__file__).parents[1]
    rooms = ("finetune", "strategies", "portfolio", "backtest", "inputs")
    paths = [library / "walkforward.py", *(path for room in rooms for path in (library / room).rglob("*.py"))]
    # Strategies have champions and registries of their own; the foundation's are what they must not follow.
    asks = re.compile(r"foundation\.registry|foundation import .*\bregistry\b")
    assert not [path for path in paths if asks.search(path.read_text())]
    # `LIM.load` takes "champion" too: the word itself is not there.
    assert not [path for path in paths if '"champion"' in path.read_text()]


def test_a_killed_writer_leaves_the_log_readable(tmp_path: Path) -> None:
    registry.append(tmp_path, FAMILY, event(named(1)))
    log = tmp_path / FAMILY / registry.LOG
    with log.open("a") as handle:
        handle.write('{"moment": "20')
    assert registry.champion(tmp_path, FAMILY) == named(1)
    registry.append(tmp_path, FAMILY, event(named(2), named(1)))
    assert [one.checkpoint for one in registry.events(tmp_path, FAMILY)] == [named(1), named(2)]
    log.write_text("{}\n" + log.read_text())
    with pytest.raises(registry.RegistryError, match=r"(?s)registry\.jsonl, line 1: .*mend it"):
        registry.events(tmp_path, FAMILY)


def _append(models: Path, day: int) -> None:
    registry.append(models, FAMILY, event(named(day), kind="kept"))


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    # Not forked, for pytest has threads by now; nor a `Pool`: its signal may be one that is ignored.
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_append, [tmp_path] * 28, range(1, 29)))
    assert {one.checkpoint for one in registry.events(tmp_path, FAMILY)} == {named(d) for d in range(1, 29)}


def test_a_decision_on_a_champion_that_is_none_any_more_is_refused(tmp_path: Path) -> None:
    registry.append(tmp_path, FAMILY, event(named(1)))
    with pytest.raises(registry.RegistryError, match="judge again"):
        registry.append(tmp_path, FAMILY, event(named(2), before=None))


@pytest.mark.parametrize(
    ("low", "high", "promoted", "said"),
    [
        (0.01, 0.03, True, "better"),
        (-0.01, 0.03, True, "not told apart"),
        (-0.03, -0.01, False, "worse"),
        (float("nan"), float("nan"), True, "too few for an interval"),
    ],
)
def test_the_rule(low: float, high: float, promoted: bool, said: str) -> None:
    lost = Gain(mean=-0.2, low=-0.3, high=-0.1, pairs=9, moments=20)
    found, why = promotion.verdict(Gain(0.0, low, high, 90, 50), {"XNYS 1d": lost})
    assert found == promoted
    assert said in why
    assert "has lost on XNYS 1d (-20.00%)" in why


def test_the_page_says_what_was_decided_on_what_and_what_it_comes_of(lake: Lake, tmp_path: Path) -> None:
    first, bad = trained(tmp_path, CUTOFFS[0]), trained(tmp_path, CUTOFFS[1], said=3.0)
    judge(lake, tmp_path)
    html = champion_page(
        tmp_path, FAMILY, registry.events(tmp_path, FAMILY), datetime(2026, 1, 2, tzinfo=UTC)
    )
    for text in (
        first.digest[:16],
        bad.digest[:16],
        "kept",
        "worse",
        "XNYS 1d",
        "Lineage",
        "<svg",
        "2026-01-02",
    ):
        assert text in html
    assert "prefers-color-scheme: dark" in html
    assert not [word for word in ("src=", "<script", 'href="http') if word in html]


def test_the_command_lists_and_rolls_back(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    first, second = trained(models, CUTOFFS[0]), trained(models, CUTOFFS[1], said=0.001)
    judge(lake, models)
    home = ["--home", str(tmp_path)]
    assert cli.main([*home, "champion", "list", FAMILY]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed[1:]] == [FAMILY, FAMILY]
    assert " champion " in listed[2]
    assert str(second) in listed[2]
    assert cli.main([*home, "champion", "rollback", FAMILY, "--why", "odd", "--by", "ada"]) == 0
    assert f"champion is {first}, before it was {second}" in capsys.readouterr().out
    assert cli.main([*home, "champion", "list", FAMILY, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[FAMILY][-1]["why"] == "odd"
    assert cli.main([*home, "champion", "rollback", "unknown", "--why", "odd"]) == 2
    assert "no checkpoint of a family 'unknown'" in capsys.readouterr().err
    assert not (models / "unknown").exists()
