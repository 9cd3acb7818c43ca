"""Periods side by side are judged against the bars before them, whichever is committed first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from gate_world import DAYS, MIC, bars, scope

from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import ALIGNED_BARS, VALIDATED_BARS
from lim_pipelines.validate.beside import NOTHING, read_beside, read_beside_import
from lim_pipelines.validate.handover import Handover
from lim_pipelines.validate.prepare import prepare

PERIODS = [DAYS[:3], DAYS[3:4], DAYS[4:20], DAYS[20:]]


def test_each_period_gets_what_the_lake_would_have_given(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(ALIGNED_BARS, bars(3), scope(*DAYS))
    handover = Handover(read_beside(lake, scope(*DAYS)), MIC)
    for nth, days in enumerate(PERIODS):
        end = PERIODS[nth + 1][0] if nth + 1 < len(PERIODS) else DAYS[-1]
        got = handover.beside(nth, _day_before(end), bars(3, days)).before
        assert got.equals(read_beside(lake, scope(*days)).before), days


def test_the_last_bar_of_an_instrument_is_handed_on_over_a_hole_of_years(tmp_path: Path) -> None:
    """I00 rests while I01 goes on, before the import and within it."""
    grid = sessions(MIC, date(2016, 6, 1), date(2018, 12, 31)).select("date", "close")
    one = bars(2, DAYS[:1]).drop("date", "ts").join(grid.select("date", ts="close"), how="cross")
    days = grid["date"]
    rests = pl.col("date").is_between(days[20], days[200], closed="none") | (pl.col("date") > days[201])
    rests = rests & (pl.col("date") < days[450]) & pl.col("instrument_id").str.ends_with("0")
    rows = ALIGNED_BARS.conform(one.filter(~rests)).sort(ALIGNED_BARS.row_key)
    lake = Lake(tmp_path)
    lake.write(ALIGNED_BARS, rows, rows.select("exchange", "date").unique())
    periods = [days[150:250], days[250:260], days[260:400], days[400:]]
    handover = Handover(read_beside_import(lake, scope(*days[150:])), MIC)
    holes = []
    for nth, period in enumerate(periods):
        mine = rows.filter(pl.col("date").is_between(period[0], period[-1]))
        following = periods[nth + 1][0] if nth + 1 < len(periods) else period[-1]
        got = handover.beside(nth, _day_before(following), mine)
        wanted = read_beside(lake, scope(*period))
        assert got.before.equals(wanted.before)
        judged, alike = (prepare(mine, VALIDATED_BARS, beside) for beside in (got, wanted))
        assert judged.equals(alike), period
        holes += judged.filter(pl.col("sessions_since") > 1)["sessions_since"].to_list()
    assert holes == [180, 249]


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)


def test_a_period_waits_for_the_one_before(tmp_path: Path) -> None:
    handover = Handover(NOTHING, MIC)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(handover.beside, 1, DAYS[5], bars(3, DAYS[3:6]))
        assert not second.done()
        handover.beside(0, DAYS[2], bars(3, DAYS[:3]))
        assert second.result(timeout=60).before["date"].unique().sort().to_list() == DAYS[:3]


def test_a_period_whose_predecessor_failed_fails_instead_of_waiting() -> None:
    handover = Handover(NOTHING, MIC)
    with pytest.raises(OSError, match="disk"), handover.period(0):
        raise OSError("the disk is full")
    with pytest.raises(OSError, match="disk"), handover.period(1):
        handover.beside(1, DAYS[5], bars(3, DAYS[3:6]))
    with pytest.raises(OSError, match="disk"):
        handover.beside(2, DAYS[6], ALIGNED_BARS.empty())


def test_minute_bars_are_not_handed_over() -> None:
    handover = Handover(NOTHING, MIC)
    handover.beside(0, DAYS[2], bars(3, DAYS[:3]).with_columns(freq=pl.lit("1m")))
    assert handover.beside(1, DAYS[3], ALIGNED_BARS.empty()).before.is_empty()
