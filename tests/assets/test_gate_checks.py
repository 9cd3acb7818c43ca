"""What checks of the gate suggest to release: what is looked at first, and what can be released at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from gate_world import DAYS, LAST, MIC, align, bars, gate

from assets.gate_checks import held_back, published
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE
from lim_pipelines.sources.macro import QUARANTINE_EXCHANGE
from resources.home import Home


def suggested(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    return found["ops"]["releases"]["config"]


def test_the_newest_held_session_is_suggested_and_the_others_are_named(tmp_path: Path) -> None:
    lake, early = Lake(tmp_path / "lake"), DAYS[10]
    half = pl.col("instrument_id") < f"{MIC}:I10"
    align(lake, bars().filter(half | ~pl.col("date").is_in([early, LAST])))
    gate(lake)
    found = lake.revisions(GATE_RESULTS).collect()
    text = str(published(lake, Home(root=str(tmp_path)), found).metadata["how_to_release"].value)
    config = suggested(text)
    assert (config["first"], config["last"], config["rule"]) == (str(LAST), str(LAST), "covered")
    assert f"1 earlier session of {MIC}, too, since {early}" in text
    gate_of_last = found.filter(pl.col("date") == LAST)
    alone = published(lake, Home(root=str(tmp_path)), gate_of_last).metadata["how_to_release"].value
    assert "earlier" not in str(alone)


def test_only_bars_are_suggested_for_release(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    one = pl.col("instrument_id") == f"{MIC}:I03"
    align(lake, bars(days=[LAST]).with_columns(volume=pl.when(one).then(-1.0).otherwise("volume")))
    gate(lake, LAST)
    of_bars = lake.revisions(QUARANTINE).collect()
    macro = of_bars.with_columns(exchange=pl.lit(QUARANTINE_EXCHANGE), rule=pl.lit("macro_in_range"))
    lake.write(QUARANTINE, macro, macro.select(QUARANTINE.partition_key))
    both = held_back(lake, pl.lit(True)).metadata
    assert suggested(str(both["how_to_release"].value))["exchange"] == MIC
    lake.write(QUARANTINE, QUARANTINE.empty(), of_bars.select(QUARANTINE.partition_key))
    assert "how_to_release" not in held_back(lake, pl.lit(True)).metadata
