"""The report on bars and inputs in a lake: quiet on more of the same, loud on a change, blind to the mix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drift_world import LAST, bars, weekdays, write

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import MODEL_INPUTS
from lim_pipelines.simulate.processes import stream
from lim_pipelines.validate.drift.inputs import WatchedBlock
from lim_pipelines.validate.drift.observations import sample_of, standardised, variables_of
from lim_pipelines.validate.drift.report import compare_bars, judged, measure

BLOCK = WatchedBlock(
    "facts", {"yield": range(0, 1), "growth": range(1, 2), "vector": range(2, 6)}, shared=False
)


def drifted(frame: pl.DataFrame) -> set[str]:
    found = judged(list(compare_bars("XNAS", variables_of(frame)))).results
    assert found.height == 10
    return set(found.filter("drifted")["variable"])


def test_more_of_the_same_is_quiet() -> None:
    assert sum(bool(drifted(bars(seed))) for seed in range(12)) <= 3


def test_a_change_is_loud_and_named() -> None:
    assert {"return", "spread"} <= drifted(bars(volatility=3.0))
    assert "return" not in drifted(bars(volume=4.0))
    assert "volume" in drifted(bars(volume=4.0))


def test_a_split_is_no_drift() -> None:
    frame = bars()
    after = pl.col("date") >= weekdays(25)[0]
    split = frame.with_columns(
        *(pl.when(after).then(pl.col(c) / 2).otherwise(c).alias(c) for c in ("close", "open", "high", "low")),
        volume=pl.when(after).then(pl.col("volume") * 2).otherwise("volume"),
        ex_factor=pl.when(pl.col("date") == weekdays(25)[0]).then(0.5).otherwise(1.0),
    )
    one, other = variables_of(frame), variables_of(split)
    for name in ("return", "volume", "spread"):
        np.testing.assert_allclose(
            other[name].to_numpy().astype(float), one[name].to_numpy().astype(float), atol=1e-9
        )


def test_quoted_spreads_are_used_where_there_are_quotes() -> None:
    frame = bars(instruments=2, sessions=100)
    quoted = frame.filter(pl.col("instrument_id") == "XNAS:I0")
    sides = [
        quoted.with_columns(price_type=pl.lit(side), close=pl.col("close") * (1 + sign * 0.001))
        for side, sign in (("bid", -1), ("ask", 1))
    ]
    found = variables_of(pl.concat([frame, *sides]))
    spread = found.filter(pl.col("instrument_id") == "XNAS:I0")["spread"]
    assert spread.to_numpy() == pytest.approx(np.full(100, np.log(0.002)))
    assert found.height == 200


def test_scales_come_from_the_reference_alone() -> None:
    rows = variables_of(bars(instruments=2, sessions=400)).with_row_index()
    rows = rows.with_columns(stretch=pl.col("index") // 80).drop("index")
    loud = rows.with_columns(pl.when(pl.col("stretch") < 9).then("return").otherwise(pl.col("return") * 50))
    one, other = standardised(rows, 9), standardised(loud, 9)
    past = pl.col("stretch") < 9
    assert one.filter(past)["return"].equals(other.filter(past)["return"])
    stats = (
        one.filter(past).group_by("instrument_id").agg(m=pl.col("return").mean(), s=pl.col("return").std())
    )
    assert stats["m"].abs().max() < 1e-9
    assert stats["s"].to_list() == pytest.approx([1, 1])


def inputs(seed: int, unit: float = 1.0, silent: bool = False) -> pl.DataFrame:
    """Model inputs of eight instruments; `yield` changes its unit, or `growth` falls silent, at the end."""
    days = weekdays(500)
    rng = stream(seed, "inputs")
    values = rng.standard_normal((len(days), 8, BLOCK.width))
    values[-40:, :, 0] *= unit
    if silent:
        values[-40:, :, 1] = np.nan
    rows = [(day, f"XNAS:I{i}", values[t, i].tolist()) for t, day in enumerate(days) for i in range(8)]
    frame = pl.DataFrame(rows, schema=["date", "instrument_id", "values"], orient="row")
    return frame.with_columns(
        exchange=pl.lit("XNAS"),
        block=pl.lit(BLOCK.name),
        scaled="values",
        newest=pl.lit(None),
        spec=pl.lit("a"),
        known_at=pl.col("date").cast(pl.Datetime("us", "UTC")),
    )


@pytest.mark.parametrize(
    ("changed", "seen"),
    [({}, set()), ({"unit": 100.0}, {"facts.yield"}), ({"silent": True}, {"facts.growth"})],
)
def test_inputs_that_change_their_unit_or_fall_silent_are_seen(
    tmp_path: Path, changed: dict[str, object], seen: set[str]
) -> None:
    lake = Lake(tmp_path)
    write(lake, bars(sessions=500))
    frame = inputs(4, **changed)  # type: ignore[arg-type]
    lake.write(MODEL_INPUTS, frame, frame.select("exchange", "date").unique())
    report = measure(lake, [BLOCK])
    found = report.results.filter(pl.col("variable").str.starts_with("facts"))
    assert set(found["variable"]) == {"facts.yield", "facts.growth", "facts.vector", "facts"} - (
        {"facts"} if changed.get("silent") else set()
    )
    assert set(found.filter("drifted")["variable"]) - {"facts"} == seen
    assert report.results["recent_last"].unique().to_list() == [LAST]


def test_a_sample_of_names_does_not_depend_on_others() -> None:
    names = [f"I{i}" for i in range(50)]
    chosen = sample_of(names, 10)
    assert sample_of(reversed(names), 10) == chosen
    assert len(set(chosen) - set(sample_of([*names, "new"], 10))) <= 1
