"""Parts of the audit of data: comparing, sampling, laws, reads, and the rows that are excused."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from lake_rows import DAY, bar, days, frame

import lim_pipelines
from lim_pipelines.audit.compare import came_later, difference
from lim_pipelines.audit.published import LAWS, audit_published
from lim_pipelines.audit.reads import ALLOWED, audit_reads, unsafe_reads
from lim_pipelines.audit.sample import Draw, sample
from lim_pipelines.audit.tables import STEPS, Step, audit_step
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.lake.past import Past
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    CONTINUOUS_FUTURES,
    GATE_RESULTS,
    ROLLS,
    TABLES,
    VALIDATED_BARS,
)

T = datetime(2018, 10, 3, tzinfo=UTC)


def test_equal_means_to_the_bit_and_nan_equals_nan() -> None:
    one = frame(bar(close=math.nan), bar(DAY + timedelta(days=1), volume=None))
    assert difference(VALIDATED_BARS, one, one.clone()) is None
    zero, minus = frame(bar(close=0.0)), frame(bar(close=-0.0))
    found = difference(VALIDATED_BARS, zero, minus)
    assert found is not None
    assert "sign" in found.words
    nudged = one.with_columns(pl.col("open").map_elements(lambda x: math.nextafter(x, 9), pl.Float64))
    found = difference(VALIDATED_BARS, one, nudged)
    assert found is not None
    assert found.count == 1, "NaN stays NaN"


def test_a_difference_names_the_row_and_the_column() -> None:
    stored = frame(bar(close=1.0), bar(DAY + timedelta(days=1)))
    again = frame(bar(close=2.0), bar(DAY + timedelta(days=2)))
    found = difference(VALIDATED_BARS, stored, again)
    assert found is not None
    assert found.count == 3
    assert found.example["date"] == DAY
    assert found.words == "open is 1.0, made of what was known then 2.0"
    alone = difference(VALIDATED_BARS, stored, stored.head(1))
    assert alone is not None
    assert "not made" in alone.words
    alone = difference(VALIDATED_BARS, stored.head(1), stored)
    assert alone is not None
    assert "not stored" in alone.words


def test_a_finding_names_what_came_later(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(bar(), bar(close=2.0, known_day=DAY + timedelta(days=9)), bar(DAY + timedelta(days=1)))
    lake.write(VALIDATED_BARS, rows, rows)
    said = came_later(lake, [VALIDATED_BARS], {"exchange": "XNAS", "date": DAY}, T)
    assert "1 of validated_bars" in said
    assert "2018-10-10" in said
    assert came_later(lake, [VALIDATED_BARS], {"exchange": "XNAS", "date": DAY}, T + timedelta(days=30)) == ""


def both(lakes: list[Lake], rows: pl.DataFrame) -> list[list[Draw]]:
    return [sample(lake, VALIDATED_BARS, rows, 6, 4) for lake in lakes]


def test_the_sample_depends_on_content_alone_and_takes_revisions_first(tmp_path: Path) -> None:
    rows = frame(*(bar(day) for day in days(40)), bar(days(40)[7], close=3.0, known_day=days(40)[12]))
    lakes = [Lake(tmp_path / name) for name in ("one", "other")]
    lakes[0].write(VALIDATED_BARS, rows, rows)
    rows = rows.sort("date", "known_at")
    for part in (rows[20:], rows[:20]):
        lakes[1].write(VALIDATED_BARS, part, part)
    one, other = ([(draw.moment, draw.scope.rows()) for draw in drawn] for drawn in both(lakes, rows))
    assert one == other
    of_revised = {moment for moment, parts in one if ("XNAS", days(40)[7]) in parts}
    revision = datetime(2018, 10, 13, 22, tzinfo=UTC)
    assert of_revised == {
        revision,
        revision - timedelta(microseconds=1),
        datetime(2018, 10, 8, 22, tzinfo=UTC),
    }
    assert len({day for _, parts in one for day in parts}) == 22, "most have one moment: more are taken"
    for moment, parts in one:
        assert all(moment.date() >= day for _, day in parts), "no moment is before a partition's first row"
    assert sample(lakes[0], VALIDATED_BARS, rows.clear(), 6, 4) == []


def test_a_step_of_whole_tables_takes_all_that_has_begun(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(*(bar(day) for day in days(9)))
    lake.write(VALIDATED_BARS, rows, rows)
    drawn = sample(lake, VALIDATED_BARS, rows, 9, 9, together=True)
    assert [draw.scope.height for draw in drawn] == list(range(1, 10))


def test_laws_hold_and_break(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    close = datetime(2018, 10, 1, 20, tzinfo=UTC)
    good = frame(bar(ts=close, known_at=close + timedelta(minutes=15)))
    lake.write(VALIDATED_BARS, good, good)
    (verdict,) = audit_published(lake, "validated_bars")
    assert verdict.passed
    assert verdict.compared == 2, "two laws"
    early = frame(bar(ts=close, known_at=close + timedelta(minutes=14)))
    lake.write(VALIDATED_BARS, early, early)
    (verdict,) = audit_published(lake, "validated_bars")
    assert "feed_lag" in verdict.finding
    assert "session_close" not in verdict.finding
    hour = timedelta(hours=1)
    zone = frame(bar(ts=close - hour, known_at=close - hour + timedelta(minutes=15)))
    lake.write(VALIDATED_BARS, zone, zone)
    (verdict,) = audit_published(lake, "validated_bars")
    assert "session_close" in verdict.finding
    assert audit_published(Lake(tmp_path / "none"), "validated_bars") == []
    assert {law.table.name for law in LAWS} <= TABLES.keys()


LIBRARY = Path(lim_pipelines.__file__).parent


def test_models_decisions_and_inputs_read_as_of() -> None:
    assert unsafe_reads(LIBRARY) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("lake.revisions(table)", "all revisions"),
        ("lake.read(table, as_of=LATEST)", "known today"),
        ("pl.scan_parquet('x')", "round the lake"),
        ("DeltaTable('x')", "round the lake"),
        ("lake.file_uris(table)", "round the lake"),
        ("lake.read(table, as_of=moment)", ""),
        ("return [column for column in frame.columns]", ""),
        ("now = LATEST", "known today"),
        ("lake.read(table, **{'as_of': LATEST})", "known today"),
        ("as_of_view(bars, LATEST, table)", "known today"),
        ("lake.read(table, as_of=LATEST, where='1=1 OR key IN (1)')", "known today"),
        ("from lim_pipelines.lake import LATEST as NEW", "under another name"),
        ("from lim_pipelines.modalities.figures import *", "nobody can check"),
        ("rows = lake.revisions", "all revisions"),
        ("map(lake.revisions, tables)", "all revisions"),
        ("lake.changed_since(table, 0)", "all revisions"),
        ("getattr(lake, 'revi' + 'sions')(table)", "nobody can check"),
        ("lake.lake.read(table, as_of=moment)", "round the lake"),
        ("lake.open(table)", "round the lake"),
        ("Lake(root)", "round the lake"),
        ("import csv", "round the lake"),
        ("import duckdb", "round the lake"),
        ("import pyarrow.parquet as pq", "round the lake"),
        ("open(path)", "round the lake"),
        ("path.read_text()", "round the lake"),
        ("np.load(path)", "round the lake"),
        ("np.loadtxt(path)", "round the lake"),
        ("pl.read_excel(path)", "round the lake"),
    ],
)
def test_the_code_of_a_leaky_read_is_found(tmp_path: Path, line: str, wrong: str) -> None:
    for room in ("foundation", "finetune", "strategies", "portfolio", "backtest", "inputs"):
        (tmp_path / "lim_pipelines" / room).mkdir(parents=True)
    (tmp_path / "lim_pipelines" / "walkforward.py").write_text("")
    (tmp_path / "lim_pipelines" / "finetune" / "x.py").write_text(
        f"class A:\n    def f(self):\n        {line}\n"
    )
    found = unsafe_reads(tmp_path / "lim_pipelines")
    assert len(found) == bool(wrong)
    if wrong:
        assert wrong in found[0]
        assert "line 3, lim_pipelines.finetune.x.A.f" in found[0]


def test_every_allowed_reader_exists_and_has_a_reason() -> None:
    for name, reason in ALLOWED.items():
        module, function = name.removeprefix("lim_pipelines.").rsplit(".", 1)
        path = LIBRARY / (module.replace(".Reads", "").replace(".", "/") + ".py")
        assert f"def {function}(" in path.read_text(), name
        assert reason


def test_a_run_may_read_nothing_beyond_its_moment(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(*(bar(day) for day in days(5)))
    lake.write(VALIDATED_BARS, rows, rows)
    past = Past(lake, T)
    past.read(VALIDATED_BARS, as_of=T)
    past.revisions(VALIDATED_BARS, pl.col("known_at") <= T)
    past.revisions(GATE_RESULTS)
    good = audit_reads(past, "some", "")
    assert good.passed
    assert good.compared == 3
    leaks: list[Callable[[Past], object]] = [
        lambda past: past.read(VALIDATED_BARS, as_of=LATEST),
        lambda past: past.read(VALIDATED_BARS, as_of=T + timedelta(days=1)),
        lambda past: past.revisions(VALIDATED_BARS, pl.col("date") <= DAY),
        lambda past: past.revisions(VALIDATED_BARS),
    ]
    for leak in leaks:
        past = Past(lake, T)
        leak(past)
        assert "validated_bars" in audit_reads(past, "some", "").finding


def held_step(held: bool) -> Step:
    """A gate that holds the first day, or not, and makes nothing."""

    def run(lake: Lake, scope: pl.DataFrame) -> None:
        row = {"exchange": "XNAS", "date": DAY, "rule": "", "level": "partition", "severity": ""}
        row |= {"rows": 1, "failed": 0, "released": 0, "held": held, "content": "", "evidence": ""}
        lake.write(GATE_RESULTS, pl.DataFrame([row]), pl.DataFrame([row]))

    return Step("validated_bars", (VALIDATED_BARS,), ALIGNED_BARS, (), run)


@pytest.mark.parametrize("held", [True, False])
def test_what_the_gate_held_then_is_excused_and_nothing_else(tmp_path: Path, held: bool) -> None:
    lake = Lake(tmp_path)
    rows = frame(bar(), bar(DAY + timedelta(days=1)))
    lake.write(VALIDATED_BARS, rows, rows)
    first, second = audit_step(
        lake, held_step(held), rows.select("exchange", "date"), [T], label=lambda row: str(row["date"])
    )
    assert first.passed == held
    assert not second.passed
    assert second.partition == "2018-10-02"


def test_continuous_rows_before_the_first_known_roll_are_excused_and_no_others(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    row = {**bar(), "contract": "XNAS:A", "roll_gap": 0.0}
    rows = CONTINUOUS_FUTURES.conform(pl.DataFrame([row], schema_overrides={"volume": pl.Float64}))
    lake.write(CONTINUOUS_FUTURES, rows, rows)
    when = T + timedelta(days=2)
    roll = {"source": "s", "exchange": "XNAS", "root": "XNAS:A", "ts": when, "current_contract": "a"}
    roll |= {"next_contract": "b", "file": "f", "line": 1, "known_at": when}
    rolls = ROLLS.conform(pl.DataFrame([roll]))
    lake.write(ROLLS, rolls, rolls)
    step = Step("continuous_futures", (CONTINUOUS_FUTURES,), ROLLS, (), lambda lake, scope: None)
    before, after = audit_step(lake, step, rolls.select("source"), [T, when])
    assert before.passed
    assert not after.passed


def test_every_step_says_what_it_makes() -> None:
    for asset, step in STEPS.items():
        assert step.asset == asset
        assert step.made[0].name == asset
    assert date(2018, 10, 1) == DAY
