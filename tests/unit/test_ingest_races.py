"""Two runs of one partition at once: what is aligned and validated is made of the newest there is."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lim_pipelines import ingest
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import VALIDATED_BARS

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
