"""FRBNY vintages: what the lake knew on each release day is that day's spreadsheet, no more and no less."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import fastexcel
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shared_data import folder

from lim_pipelines import ingest
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import ALIGNED_MACRO, QUARANTINE, RAW_MACRO, VALIDATED_MACRO
from lim_pipelines.sources.frbny_vintages import CHANGES, NAME, SERIES, collect_vintages

ARRIVED = datetime(2020, 1, 2, 3, tzinfo=UTC)
Cell = float | str | date | None
TABLES = (RAW_MACRO, ALIGNED_MACRO, VALIDATED_MACRO)


def end_of(day: date) -> datetime:
    """Last second of a day in New York."""
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=ZoneInfo("America/New_York")).astimezone(
        UTC
    )


def spreadsheet(rows: Sequence[Sequence[Cell]]) -> dict[str, str]:
    """Files of the smallest workbook that holds some rows; dates are numbers with a date's format."""

    def cell(value: Cell) -> str:
        if value is None:
            return "<c/>"
        if isinstance(value, date):
            return f'<c s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value!r}</v></c>"

    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    lines = "".join(f"<row>{''.join(cell(value) for value in row)}</row>" for row in rows)
    return {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }


def place(landing: Path, name: str, history: bool) -> Path:
    path = landing / NAME / ("history" if history else "") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def drop(landing: Path, day: str, rows: Sequence[Sequence[Cell]], history: bool = True) -> None:
    path = place(landing, f"{day}.xlsx", history)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in spreadsheet([["Date", "PAYEMS", "GDPC1", "GACDISA066MSFRBNY"], *rows]).items():
            archive.writestr(name, text)
    os.utime(path, (ARRIVED.timestamp(), ARRIVED.timestamp()))


def simulated(landing: Path, history: bool = True) -> None:
    """Three releases: one is new, a value is revised twice, the rest is repeated."""
    may, june, july = date(2016, 5, 1), date(2016, 6, 1), date(2016, 7, 1)
    drop(landing, "2016-07-01", [[may, 100.0, None, 1.5], [june, None, None, 2.5]], history)
    drop(landing, "2016-07-08", [[may, 101.5, None, 1.5], [june, 200.0, None, 2.5]], history)
    drop(
        landing,
        "2016-07-29",
        [[may, 101.5, None, 1.5], [june, 199.0, 16575.1, 2.5], [july, None, None, 3.5]],
        history,
    )


def through(lake: Lake, landing: Path) -> None:
    ingest.load_raw_macro(lake, landing)
    ingest.align_macro_series(lake)
    ingest.validate_macro_series(lake)


def known(lake: Lake, moment: datetime, table_number: int = 2) -> dict[tuple[str, date], float]:
    """Series and month to the value as of a moment."""
    rows = lake.read(TABLES[table_number], as_of=moment).filter(pl.col("series_id").str.starts_with("frbny."))
    values = rows.select("series_id", pl.col("ts").dt.date().dt.month_start(), "value").collect()
    return {(name.removeprefix("frbny."), month): value for name, month, value in values.iter_rows()}


def test_each_release_day_is_what_its_spreadsheet_says(tmp_path: Path) -> None:
    simulated(tmp_path / "landing")
    lake = Lake(tmp_path / "lake")
    through(lake, tmp_path / "landing")
    may, june, july = date(2016, 5, 1), date(2016, 6, 1), date(2016, 7, 1)
    payems, survey = "PAYEMS", "GACDISA066MSFRBNY"
    first = {(payems, may): 100.0, (survey, may): 1.5, (survey, june): 2.5}
    second = {**first, (payems, may): 101.5, (payems, june): 200.0}
    third = {**second, (payems, june): 199.0, ("GDPC1", june): 16575.1, (survey, july): 3.5}
    for table in range(3):
        assert known(lake, datetime(2016, 7, 2, 3, 59, 58, tzinfo=UTC), table) == {}
        for day, there in ((1, first), (7, first), (8, second), (28, second), (29, third)):
            assert known(lake, end_of(date(2016, 7, day)), table) == there
    assert lake.read(QUARANTINE, as_of=LATEST).filter(pl.col("source") == NAME).collect().is_empty()
    # Two revisions, nine cells that repeat: seven rows.
    rows = collect_vintages(tmp_path / "landing").rows
    assert rows.height == 3 + 2 + 3
    assert (rows["ts"] <= rows["known_at"]).all()


def test_a_feed_is_known_when_it_arrives(tmp_path: Path) -> None:
    simulated(tmp_path, history=False)
    rows = collect_vintages(tmp_path).rows
    assert rows["known_at"].unique().to_list() == [ARRIVED]
    payems = rows.filter(pl.col("series_id") == "frbny.PAYEMS")
    assert payems["value"].to_list() == [101.5, 199.0], "of what came at once the newest vintage"


def test_an_old_spreadsheet_that_comes_late_undoes_nothing(tmp_path: Path) -> None:
    drop(tmp_path, "2016-07-08", [[date(2016, 5, 1), 101.5, None, None]], history=False)
    drop(tmp_path, "2016-07-01", [[date(2016, 5, 1), 100.0, None, None]], history=False)
    late = tmp_path / NAME / "2016-07-01.xlsx"
    os.utime(late, (ARRIVED.timestamp() + 99, ARRIVED.timestamp() + 99))
    assert collect_vintages(tmp_path).rows["value"].to_list() == [101.5]


def test_dropping_the_releases_one_after_the_other_is_the_same(tmp_path: Path) -> None:
    simulated(tmp_path / "all")
    together, apart = Lake(tmp_path / "together"), Lake(tmp_path / "apart")
    through(together, tmp_path / "all")
    for path in sorted((tmp_path / "all" / NAME / "history").iterdir()):
        place(tmp_path / "some", path.name, history=True).write_bytes(path.read_bytes())
        through(apart, tmp_path / "some")
    for day in (1, 8, 29):
        assert known(apart, end_of(date(2016, 7, day))) == known(together, end_of(date(2016, 7, day)))


def changes(landing: Path, **values: list[object]) -> None:
    pl.DataFrame(values).write_parquet(place(landing, CHANGES, history=True))


def test_the_table_of_changes_says_the_same(tmp_path: Path) -> None:
    simulated(tmp_path / "sheets")
    told = collect_vintages(tmp_path / "sheets").rows
    vintages = told["known_at"].dt.convert_time_zone("America/New_York").dt.date()
    changes(
        tmp_path / "table",
        series=told["series_id"].str.strip_prefix("frbny.").to_list(),
        ref_period_start=told["ts"].dt.date().dt.month_start().to_list(),
        value=told["value"].to_list(),
        vintage=vintages.to_list(),
    )
    columns = ["series_id", "ts", "value", "unit", "known_at"]
    assert_frame_equal(collect_vintages(tmp_path / "table").rows.select(columns), told.select(columns))
    simulated(tmp_path / "table")
    both = collect_vintages(tmp_path / "table")
    assert_frame_equal(both.rows.select(columns), told.select(columns))
    assert both.rejected.is_empty()


def test_bad_input_ends_in_quarantine(tmp_path: Path) -> None:
    may = date(2016, 5, 1)
    drop(tmp_path, "2016-07-01", [[may, "n/a", None, 1.5], ["soon", 1.0, None, None], [may, None, 2.0, None]])
    changes(
        tmp_path,
        series=["GDPC1", "ATLANTIS", "PAYEMS"],
        ref_period_start=[may, may, None],
        value=[3.0, 1.0, 1.0],
        vintage=[date(2016, 7, 1)] * 3,
    )
    place(tmp_path, "2016-13-01.xls", history=True).write_bytes(b"x")
    place(tmp_path, "notes.txt", history=True).write_bytes(b"x")
    place(tmp_path, "2016-08-01.xls", history=True).write_bytes(b"x")
    parsed = collect_vintages(tmp_path)
    assert dict(parsed.rows.select("series_id", "value").iter_rows()) == {
        "frbny.GACDISA066MSFRBNY": 1.5,
        "frbny.GDPC1": 2.0,
    }
    found = parsed.rejected.select("rule", pl.col("file").str.split("/").list.last(), "line", "symbol").rows()
    assert sorted(found) == [
        ("conflicting_vintage", CHANGES, 1, "GDPC1"),
        ("damaged_file", "2016-08-01.xls", 0, ""),
        ("file_name", "2016-13-01.xls", 0, ""),
        ("file_name", "notes.txt", 0, ""),
        ("missing_value", "2016-07-01.xlsx", 2, "PAYEMS"),
        ("unknown_series", CHANGES, 2, "ATLANTIS"),
        ("unparsable_date", "2016-07-01.xlsx", 3, "PAYEMS"),
        ("unparsable_date", CHANGES, 3, "PAYEMS"),
    ]
    assert parsed.rejected["reason"].str.contains(";").all()
    assert parsed.rejected["evidence"].str.contains("n/a").any()


@pytest.mark.parametrize("without_the_table", [True, False], ids=["sheets", "sheets_and_table"])
def test_the_vendors_release_days(tmp_path: Path, without_the_table: bool) -> None:
    vendor = folder("macro_vintages_frbny")
    landing, lake = tmp_path / "landing", Lake(tmp_path / "lake")
    sheets = sorted((vendor / "raw").glob("*.xls"))
    assert len(sheets) == 6
    for path in [*sheets, *([] if without_the_table else [vendor / CHANGES])]:
        place(landing, path.name, history=True).write_bytes(path.read_bytes())
    through(lake, landing)
    for path in sheets:
        table = fastexcel.read_excel(path).load_sheet("data").to_polars()
        wanted = {
            (series.column, month): value
            for series in SERIES
            for month, value in table.select(pl.col("Date").cast(pl.Date), series.column)
            .drop_nulls()
            .iter_rows()
        }
        assert len({name for name, _ in wanted}) == 29
        moment = end_of(date.fromisoformat(path.stem))
        for number in range(3):
            assert known(lake, moment, number) == wanted
    first = end_of(date(2016, 6, 29))
    assert known(lake, first.replace(second=58)) == {}
    assert lake.read(QUARANTINE, as_of=LATEST).filter(pl.col("source") == NAME).collect().is_empty()
    if not without_the_table:
        days = pl.read_parquet(vendor / CHANGES)
        for day in days["vintage"].unique().sort()[::9]:
            there = (
                days.filter(pl.col("vintage") <= day)
                .sort("vintage")
                .unique(["series", "ref_period_start"], keep="last")
            )
            assert known(lake, end_of(day)) == {
                (name, month): value
                for name, month, value in there.select("series", "ref_period_start", "value").iter_rows()
            }


def test_nothing_released_later_changes_what_was_known(tmp_path: Path) -> None:
    """Change or delete the releases after a day: aligned and validated macro as of it stay to the bit."""
    simulated(tmp_path / "full")
    simulated(tmp_path / "less")
    simulated(tmp_path / "other")
    (tmp_path / "less" / NAME / "history" / "2016-07-29.xlsx").unlink()
    drop(tmp_path / "other", "2016-07-29", [[date(2016, 5, 1), -1e9, -1e9, -1e9]])
    lakes = {name: Lake(tmp_path / f"lake_{name}") for name in ("full", "less", "other")}
    for name, lake in lakes.items():
        through(lake, tmp_path / name)
    for day in (1, 8, 28):
        for table in (ALIGNED_MACRO, VALIDATED_MACRO):
            seen = [
                lake.read(table, as_of=end_of(date(2016, 7, day))).sort(table.key).collect()
                for lake in lakes.values()
            ]
            assert seen[0].height
            assert_frame_equal(seen[0], seen[1], check_exact=True)
            assert_frame_equal(seen[0], seen[2], check_exact=True)
