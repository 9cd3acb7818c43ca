"""At each moment the revisions of pystock's prices and filings are what its raw drops had told by then.

The drops are replayed one by one into a plain dict, by code that shares nothing with the sources.
"""

import csv
import io
import tarfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from landing_files import drop
from shared_data import folder

from lim_pipelines.align.revisions import merge
from lim_pipelines.schemas import RAW_FACTS, RAW_QUOTES, Table
from lim_pipelines.sources.pystock import Pystock
from lim_pipelines.sources.pystock_filings import PystockFilings

PRICES = ["symbol", "date", "open", "high", "low", "close", "volume", "adj_close"]
INCOME = ["revenues", "op_income", "net_income", "eps_basic", "eps_diluted", "dividend"]
INSTANT = ["assets", "cur_assets", "cur_liab", "cash", "equity"]
FIGURES = [*INCOME, *INSTANT, "cash_flow_op", "cash_flow_inv", "cash_flow_fin"]
REPORTS = ["symbol", "end_date", "amend", "period_focus", "fiscal_year", "doc_type", *FIGURES]
LATE = datetime(2026, 9, 2, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

SIMULATED = {
    date(2015, 9, 30): (
        "A,2015-09-30,1,2,1,2,90,2\nB,2015-09-30,5,6,5,6,10,6\n",
        "A,2015-08-31,False,Q2,2015,10-Q,10,,1,0.1,0.1,0,50,,,5,9,3,2,1\n",
    ),
    # A's volume is corrected, its filing delivered again; B's filing is late.
    date(2015, 10, 1): (
        "A,2015-10-01,2,3,2,3,80,3\nA,2015-09-30,1,2,1,2,95,2\nB,2015-09-30,5,6,5,6,10,6\n",
        "A,2015-08-31,False,Q2,2015,10-Q,10,,1,0.1,0.1,0,50,,,5,9,3,2,1\n"
        "B,2015-03-31,False,FY,2015,10-K,70,NaN,7,,,0,90,,,8,9,-3,,1\n",
    ),
    # A amends.
    date(2015, 10, 2): (
        "A,2015-10-02,3,4,3,4,70,4\nA,2015-10-01,2,3,2,3,80,3\n",
        "A,2015-08-31,True,Q2,2015,10-Q,12,2,1,0.1,0.1,0,50,,,5,9,3,2,1\n",
    ),
}
SIMULATED_KNOWN = [date(2015, 10, 1), date(2015, 10, 2), date(2015, 10, 5)]
REAL_KNOWN = [*(date(2015, 8, day) for day in (20, 21, 24, 25, 26, 27, 28, 31)), date(2015, 9, 1)]


def simulated(landing: Path) -> None:
    for day, tables in SIMULATED.items():
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, text in zip(("prices.csv", "reports.csv"), tables, strict=True):
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
        drop(landing, f"pystock/{day:%Y%m%d}.tar.gz", packed.getvalue())


def real(landing: Path) -> None:
    for path in sorted((folder("us_equity_eod_and_filings_pystock") / "raw").rglob("*.tar.gz")):
        drop(landing, f"pystock/{path.name}", path.read_bytes())


def lines(landing: Path, name: str, columns: list[str]) -> list[list[dict[str, str]]]:
    """Lines of one table of each drop."""
    found = []
    for path in sorted(landing.rglob("*.tar.gz")):
        with tarfile.open(path) as archive:
            member = archive.extractfile(name)
            assert member is not None
            rows = list(csv.DictReader(io.StringIO(member.read().decode()), fieldnames=columns))
        found.append([row for row in rows if row["symbol"] != "symbol"])
    return found


def number(text: str) -> float | None:
    return None if text in ("", "NaN") else float(text)


def as_of(rows: pl.DataFrame, moment: datetime, table: Table, *values: str) -> dict[Any, Any]:
    keys = [name for name in table.key if name in ("symbol", "date", "field", "period", "ts")]
    keys = [name for name in keys if table is RAW_FACTS or name != "ts"]
    seen = rows.filter(pl.col("known_at") <= moment).sort("known_at").unique(keys, keep="last")
    return {row[: len(keys)]: row[len(keys) :] for row in seen.select(*keys, *values).iter_rows()}


def revisions(source: Pystock | PystockFilings, landing: Path, table: Table) -> pl.DataFrame:
    """Rows of all drops, merged drop by drop as the lake does."""
    held = table.empty()
    for file in source.files(landing):
        for block in source.read(file, landing):
            rows = block.rows if isinstance(block.rows, pl.DataFrame) else block.rows[table.name]
            held = merge(held, table.conform(rows), LATE, table)
    return held


def check(
    held: pl.DataFrame, told: list[dict[Any, Any]], opens: list[date], table: Table, *values: str
) -> None:
    before: dict[Any, Any] = {}
    for knowledge, day in zip(told, opens, strict=True):
        # 09:30 in New York, in summer.
        moment = datetime.combine(day, time(13, 30), UTC)
        assert as_of(held, moment - MOMENT, table, *values) == before
        assert as_of(held, moment, table, *values) == knowledge
        before = knowledge


@pytest.mark.parametrize(
    ("lay", "opens"), [(simulated, SIMULATED_KNOWN), (real, REAL_KNOWN)], ids=["simulated", "real"]
)
def test_filings(tmp_path: Path, lay: Any, opens: list[date]) -> None:
    lay(tmp_path)
    known: dict[Any, Any] = {}
    told = []
    for drop_lines in lines(tmp_path, "reports.csv", REPORTS):
        for row in sorted(drop_lines, key=lambda row: row["amend"]):
            end = datetime.combine(date.fromisoformat(row["end_date"]), time(23, 59, 59), UTC)
            form = row["doc_type"] + ("/A" if row["amend"] == "True" else "")
            for field in FIGURES:
                value = number(row[field])
                over = "FY" if row["doc_type"] == "10-K" else "Q"
                period = over if field in INCOME else "instant" if field in INSTANT else "YTD"
                if value is not None:
                    known[row["symbol"], field, period, end] = (value, form)
        told.append(dict(known))
    check(revisions(PystockFilings(), tmp_path, RAW_FACTS), told, opens, RAW_FACTS, "value", "form")


@pytest.mark.parametrize(
    ("lay", "opens"),
    [
        pytest.param(simulated, SIMULATED_KNOWN, id="simulated"),
        pytest.param(real, REAL_KNOWN, id="real", marks=pytest.mark.slow),
    ],
)
def test_prices(tmp_path: Path, lay: Any, opens: list[date]) -> None:
    lay(tmp_path)
    known: dict[Any, Any] = {}
    told = []
    for drop_lines in lines(tmp_path, "prices.csv", PRICES):
        for row in drop_lines:
            key = (date.fromisoformat(row["date"]), row["symbol"])
            known[key] = tuple(number(row[name]) for name in PRICES[2:7])
        told.append(dict(known))
    held = revisions(Pystock(), tmp_path, RAW_QUOTES)
    check(held, told, opens, RAW_QUOTES, *PRICES[2:7])
