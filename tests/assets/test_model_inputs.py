"""What the assets of model inputs say of what they built."""

from __future__ import annotations

import polars as pl
import pytest

from assets.model_inputs import only_macro
from lim_pipelines.inputs.build import Built


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], ""),
        ([("XNYS", "macro", 0, 0)], ""),
        ([("XNYS", "macro", 9, 9), ("XNYS", "text", 9, 1)], ""),
        ([("XNYS", "macro", 9, 9), ("XNYS", "text", 9, 0), ("XNAS", "events", 9, 9)], "XNYS"),
        ([("XNYS", "macro", 9, 9), ("XNAS", "text", 9, 0)], "XNAS, XNYS"),
    ],
)
def test_inputs_of_macro_series_alone_are_pointed_out(rows: list[tuple[object, ...]], said: str) -> None:
    schema = {
        name: Built().coverage.schema[name] for name in ("exchange", "block", "decisions", "with_value")
    }
    found = only_macro(pl.DataFrame(rows, schema=schema, orient="row"))
    assert bool(found) == bool(said)
    if said:
        text = str(found["warning"].value)
        assert f"value for {said}. " in text
        assert "`inputs_sensor`" in text
