"""When a family of checkpoints is due: causes are counted in sessions, from the lake's own commits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from stale_world import CONFIG, CUTOFFS, FAMILY, SPEC, World
from trained import train

from lim_pipelines.finetune.cadence import Cadence
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import REAL
from lim_pipelines.lake import Lake, scope_of
from lim_pipelines.lake.maintenance import compact
from lim_pipelines.retraining.plan import Line, Signs, plan
from lim_pipelines.retraining.settings import Retraining
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec

FIRST_CUTOFF = date(2010, 1, 1)
NOW = datetime(2019, 3, 10, tzinfo=UTC)
DECEMBER = date(2018, 12, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake that holds the sessions of November 2018."""
    lake = Lake(tmp_path / "lake")
    write(lake, weekdays(date(2018, 11, 1), 22))
    return lake


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def weekdays(first: date, n: int) -> list[date]:
    days = [first + timedelta(i) for i in range(2 * n + 7)]
    return [day for day in days if day.weekday() < 5][:n]


def write(lake: Lake, days: list[date], exchange: str = "XNAS", known: datetime | None = None) -> None:
    """Add one bar a day; with `known`, a revision of it."""
    rows = [
        {
            "exchange": exchange,
            "date": day,
            "instrument_id": f"{exchange}:IXIC",
            "freq": "1d",
            "price_type": "trade",
            "asset_class": "index",
            "withdrawn": False,
            "ts": datetime(day.year, day.month, day.day, 21, tzinfo=UTC),
            "close": 1.0 if known is None else 2.0,
            "ex_factor": 1.0,
            "source": "test",
            "known_at": known or datetime(day.year, day.month, day.day, 21, 15, tzinfo=UTC),
        }
        for day in days
    ]
    scope = scope_of({"exchange": [exchange], "date": days})
    there = lake.revisions(VALIDATED_BARS).join(scope.lazy(), on=["exchange", "date"], how="semi").collect()
    held = there.select("date", "known_at").rows()
    rows = [row for row in rows if (row["date"], row["known_at"]) not in held]
    prices = dict.fromkeys(("open", "high", "low", "volume"))
    frame = pl.DataFrame([{**row, **prices} for row in rows], schema=VALIDATED_BARS.schema)
    lake.write(VALIDATED_BARS, pl.concat([there, frame]), scope)


def look(lake: Lake, models: Path, now: datetime = NOW, drifted: str = "") -> Line:
    signs = Signs(drifted={REAL.name: drifted} if drifted else {})
    (line,) = plan(lake, models, {REAL.name: REAL}, [], Retraining(), signs, now, FIRST_CUTOFF)
    return line


def keys(line: Line) -> set[str]:
    return {cause.key for cause in line.causes}


def test_an_empty_lake_is_no_cause(tmp_path: Path, models: Path) -> None:
    found = look(Lake(tmp_path / "nothing"), models)
    assert not found.causes
    assert found.words == "no validated bars on XNAS, XNYS yet"


def test_the_first_checkpoint_is_due_at_the_newest_complete_month(lake: Lake, models: Path) -> None:
    found = look(lake, models)
    assert (bool(found.causes), found.last) == (True, DECEMBER)
    assert found.words == "22 sessions and no checkpoint yet (needs 15)"


def test_a_month_in_progress_has_no_cutoff_yet(lake: Lake, models: Path) -> None:
    assert look(lake, models, now=datetime(2018, 11, 29, tzinfo=UTC)).last == date(2018, 11, 1)


def test_new_sessions_are_counted_up_to_a_training(lake: Lake, models: Path) -> None:
    train(lake, models, DECEMBER)
    assert look(lake, models).words == "0 of 15 new or corrected sessions since the checkpoint of 2018-12-01"

    december = weekdays(date(2018, 12, 3), 15)
    write(lake, december[:3])
    found = look(lake, models)
    assert not found.causes
    assert found.words == "3 of 15 new or corrected sessions since the checkpoint of 2018-12-01"

    write(lake, december[3:])
    found = look(lake, models)
    assert (bool(found.causes), found.last) == (True, date(2019, 1, 1))
    assert found.words == "15 new or corrected sessions since the checkpoint of 2018-12-01 (needs 15)", (
        "readable"
    )

    train(lake, models, date(2019, 1, 1))
    assert not look(lake, models).causes


def test_the_same_cause_has_the_same_key(lake: Lake, models: Path) -> None:
    first = look(lake, models)
    write(lake, weekdays(date(2018, 11, 1), 22))
    assert keys(look(lake, models, now=NOW + timedelta(hours=1))) == keys(first)
    write(lake, weekdays(date(2018, 12, 3), 1))
    assert not keys(look(lake, models)) & keys(first)


def test_corrections_count_from_the_cutoff_that_can_see_them(lake: Lake, models: Path) -> None:
    write(lake, weekdays(date(2018, 12, 3), 1))
    train(lake, models, date(2019, 1, 1))
    write(lake, weekdays(date(2018, 11, 1), 16), known=datetime(2019, 2, 11, tzinfo=UTC))

    early = look(lake, models, now=datetime(2019, 3, 1, tzinfo=UTC))
    assert (bool(early.causes), early.last) == (False, date(2019, 1, 1)), (
        "a late correction makes no new month"
    )
    write(lake, [date(2019, 2, 11)])
    late = look(lake, models, now=datetime(2019, 3, 1, tzinfo=UTC))
    assert (bool(late.causes), late.last) == (True, date(2019, 3, 1))
    assert late.words.startswith("17 new or corrected sessions")


def test_what_arrives_during_a_training_counts_for_the_next(lake: Lake, models: Path) -> None:
    write(lake, weekdays(date(2018, 12, 3), 1))
    started = lake.version(VALIDATED_BARS)
    write(lake, weekdays(date(2018, 10, 1), 20))
    train(lake, models, date(2019, 1, 1))
    folder = checkpoint.resolve(models, REAL.name, date(2019, 1, 1))
    assert folder is not None
    meta = checkpoint.read_meta(folder)
    data = meta.data.model_copy(update={"lake_version": started})
    (folder / checkpoint.META).write_text(meta.model_copy(update={"data": data}).model_dump_json())

    found = look(lake, models)
    assert (bool(found.causes), found.last) == (True, date(2019, 1, 1))
    assert found.words.startswith("20 new or corrected sessions")


def test_a_compaction_is_no_cause(lake: Lake, models: Path) -> None:
    write(lake, weekdays(date(2018, 12, 3), 15))
    train(lake, models, date(2019, 1, 1))
    version = lake.version(VALIDATED_BARS)
    assert compact(lake, VALIDATED_BARS) == version + 1
    found = look(lake, models)
    assert not found.causes
    assert found.words.startswith("0 of 15")


def test_when_the_version_that_was_read_is_gone_all_that_was_committed_since_counts(
    lake: Lake, models: Path
) -> None:
    train(lake, models, DECEMBER)
    november = weekdays(date(2018, 11, 1), 22)
    write(lake, november[:16], known=datetime(2019, 2, 11, tzinfo=UTC))
    assert look(lake, models).words.startswith("0 of 15"), "known only after the cutoff"

    for path in old_files(lake):
        path.unlink()
    assert look(lake, models).words.startswith("16 new or corrected sessions")


def old_files(lake: Lake) -> list[Path]:
    """Files that only old versions need: what a vacuum removes."""
    table = Path(lake.uri(VALIDATED_BARS))
    return [path for path in table.rglob("*.parquet") if str(path) not in lake.file_uris(VALIDATED_BARS)]


def test_other_exchanges_are_no_cause(lake: Lake, models: Path) -> None:
    train(lake, models, DECEMBER)
    write(lake, weekdays(date(2018, 12, 3), 20), exchange="XSIM")
    assert not look(lake, models).causes


def test_a_failed_drift_check_is_a_cause_once(lake: Lake, models: Path) -> None:
    train(lake, models, DECEMBER)
    write(lake, weekdays(date(2018, 12, 3), 2))
    calm, drifted = look(lake, models), look(lake, models, drifted="71")
    assert (bool(calm.causes), bool(drifted.causes)) == (False, True)
    assert drifted.words == (
        "the drift check failed; 2 new or corrected sessions since the checkpoint of 2018-12-01"
    )
    assert keys(drifted) == {"drift:71:2019-01-01"} == keys(look(lake, models, drifted="71"))

    train(lake, models, date(2019, 1, 1))
    assert not look(lake, models, drifted="71").causes, "nothing new to learn from"


@pytest.fixture
def behind(tmp_path: Path) -> World:
    """A strategy whose trainings of November and December failed, and a family that lacks December alone."""
    world = World(tmp_path)
    for name in (FAMILY, "small_model"):
        for day in CUTOFFS[:2] if name == FAMILY else CUTOFFS[:1]:
            world.make(name, str(day))
    return world


def lines(world: World, one: StrategySpec, now: datetime) -> dict[str, Line]:
    settings = Retraining(new_sessions=1)
    found = plan(world.lake, world.models, {FAMILY: CONFIG}, [one], settings, Signs(), now, FIRST_CUTOFF)
    return {line.subject: line for line in found}


def test_a_family_s_run_makes_what_its_strategies_lack_of_earlier_cutoffs(behind: World) -> None:
    found = lines(behind, SPEC, datetime(2018, 12, 20, tzinfo=UTC))
    assert (found["small"].first, found["small"].last) == (CUTOFFS[1], CUTOFFS[1])
    assert (found[FAMILY].first, found[FAMILY].last) == (CUTOFFS[1], CUTOFFS[2])
    behind.make("small_model", str(CUTOFFS[1]))
    assert lines(behind, SPEC, datetime(2018, 12, 20, tzinfo=UTC))[FAMILY].first == CUTOFFS[2]


def test_cutoffs_that_a_cadence_passes_over_are_not_asked_for(behind: World) -> None:
    january = date(2019, 1, 1)
    for day in (CUTOFFS[2], january):
        behind.make(FAMILY, str(day))
    quarterly = SPEC.model_copy(update={"cadence": Cadence(retrain="quarterly")})
    found = lines(behind, quarterly, datetime(2019, 1, 10, tzinfo=UTC))["small"]
    assert (found.first, found.last) == (january, january)


def test_a_strategy_of_an_exchange_without_bars_is_not_trained_with_its_family(behind: World) -> None:
    elsewhere = SPEC.universe.model_copy(update={"instruments": ("XTKS:7203",)})
    found = lines(behind, SPEC.model_copy(update={"universe": elsewhere}), datetime(2018, 12, 20, tzinfo=UTC))
    assert found["small"].words == "no validated bars of its instruments yet"
    assert (found[FAMILY].strategies, bool(found[FAMILY].causes)) == ((), True)
    assert lines(behind, SPEC, datetime(2018, 12, 20, tzinfo=UTC))[FAMILY].strategies == ("small",)
