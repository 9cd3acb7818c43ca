"""Two runs of one partition at once: what is aligned, validated and said of it is of the newest there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from gate_world import DAYS, LAST, LATER, align, bars, gate, published, quarantined, scope, verdicts

from lim_pipelines import ingest
from lim_pipelines.lake import LATEST, Commit, Lake
from lim_pipelines.newest import judged_versions, moved
from lim_pipelines.schemas import ALIGNED_BARS, QUARANTINE, RELEASES, VALIDATED_BARS, Table
from lim_pipelines.validate.releases import releasable

SCOPE = pl.DataFrame({"exchange": ["XNYS"], "date": [date(2018, 11, 20)]})


def drop(landing: Path, close: int) -> None:
    file = landing / "csv_drop" / "XNYS" / "ibm.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    prices = ",".join([str(close)] * 4)
    file.write_text(f"symbol,date,open,high,low,close,volume\nIBM,2018-11-20,{prices},1\n")
    os.utime(file, (1.6e9 + close, 1.6e9 + close))


@pytest.mark.parametrize("step", ["align_bars.align", "validate"])
def test_a_run_that_read_first_and_writes_last_puts_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    landing = tmp_path / "landing"
    drop(landing, 1)

    def run() -> None:
        lake = Lake(tmp_path / "lake")
        ingest.load_raw_quotes(lake, landing, SCOPE)
        ingest.align_quotes(lake, SCOPE)
        ingest.validate_bars(lake, SCOPE)

    real = ingest.align_bars.align if step == "align_bars.align" else ingest.validate

    def overtaken(*args: object) -> object:
        made = real(*args)  # type: ignore[arg-type]
        monkeypatch.undo()
        drop(landing, 2)
        run()
        return made

    monkeypatch.setattr(f"lim_pipelines.ingest.{step}", overtaken)
    run()
    where = pl.col("instrument_id") == "XNYS:IBM"
    bars = Lake(tmp_path / "lake").read(VALIDATED_BARS, as_of=LATEST, where=where).collect()
    assert bars["close"].to_list() == [2.0]


class Overtaken(Lake):
    """A lake that somebody else works on just before the gate writes down why."""

    def __init__(self, root: Path, other: Callable[[], object]) -> None:
        super().__init__(root)
        self.other: Callable[[], object] | None = other

    def write(self, table: Table, frame: pl.DataFrame, scope: pl.DataFrame) -> Commit:
        other, self.other = self.other, self.other if table is not QUARANTINE else None
        if table is QUARANTINE and other is not None:
            other()
        return super().write(table, frame, scope)


HALF = pl.col("instrument_id") < "XNYS:I10"


def test_a_verdict_describes_what_is_published_whoever_overtook_whom(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    align(lake, bars().filter(HALF | (pl.col("date") != LAST)))
    gate(lake, *DAYS[:-1])

    def repaired() -> None:
        align(lake, bars(days=[LAST]))
        assert gate(lake, LAST).held.is_empty()

    step = gate(Overtaken(tmp_path, repaired), LAST)
    assert step.held.is_empty()
    assert published(lake, LAST).height == 24
    assert verdicts(lake)[""]["held"] is False
    assert quarantined(lake, "publish").is_empty()


def test_what_is_released_while_it_is_judged_is_judged_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    align(lake, bars().filter(HALF | (pl.col("date") != LAST)))
    gate(lake)

    def released() -> None:
        what = releasable(lake, "XNYS", LAST, LAST, "covered").with_columns(
            since=pl.lit("arrival"), released_by=pl.lit("ann"), why=pl.lit("so"), known_at=pl.lit(LATER)
        )
        lake.write(RELEASES, what, scope(LAST))

    assert gate(Overtaken(tmp_path, released), LAST).held.is_empty()
    assert published(lake, LAST).height == 10


def test_another_partition_that_moves_is_no_reason_to_judge_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    align(lake, bars(days=DAYS[-2:]))
    seen = judged_versions(lake)
    align(lake, ALIGNED_BARS.empty(), [DAYS[-2]])
    assert moved(lake, scope(DAYS[-2]), seen)
    assert not moved(lake, scope(LAST), seen)
