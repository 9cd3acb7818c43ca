"""Assets of vectors, on a lake of their own: without rows they cost nothing; with rows they show it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
from inprocess import metadata_of
from lake_rows import bar, days, frame

from assets import embeddings
from lim_pipelines.modalities.search import nodes_known
from lim_pipelines.modalities.store import Vectors
from lim_pipelines.schemas import VALIDATED_BARS, VALIDATED_RELATIONS
from resources.home import Home

EMPTY = """
import sys, dagster as dg
from assets import embeddings
from resources.home import Home
for one in embeddings.ASSETS:
    key = "2020-01-01" if one.partitions_def else None
    assert dg.materialize([one], resources={"home": Home(root=sys.argv[1])}, partition_key=key).success
print([m for m in ("torch", "lancedb", "sentence_transformers", "matplotlib", "pandas") if m in sys.modules])
"""


def test_without_rows_they_succeed_and_load_nothing_heavy(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", EMPTY, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")


def test_market_windows_show_a_look_alike(tmp_path: Path) -> None:
    home, rng = Home(root=str(tmp_path)), np.random.default_rng(0)
    prices = (100 * np.exp(np.cumsum(rng.standard_normal(120) * 0.01))).tolist()
    bars = frame(*(bar(day, close=close) for day, close in zip(days(120), prices, strict=True)))
    home.lake().write(VALIDATED_BARS, bars, bars.select(VALIDATED_BARS.partition_key).unique())
    first, again = (dg.materialize([embeddings.market_windows], resources={"home": home}) for _ in range(2))
    shown = metadata_of(first, "market_windows")
    assert shown["new"] == shown["dagster/row_count"] == 12  # Wednesdays with 31 bars before them
    assert "data:image/png" in shown["picture"]
    assert "XNAS:A" in shown["look_alikes"]
    assert metadata_of(again, "market_windows")["new"] == 0


def test_graph_embeddings_are_of_what_was_known_at_the_cutoff(tmp_path: Path) -> None:
    home = Home(root=str(tmp_path))
    rows = [
        {
            "source": "s", "subject_id": f"a{i}", "object_id": f"b{i}", "year": 2019, "relation": "r",
            "ts": datetime(2019, month, 1, tzinfo=UTC), "weight": 1.0, "file": "f", "line": 1,
            "known_at": datetime(2019, month, 2, tzinfo=UTC),
        }
        for i, month in enumerate((1, 2, 3))
    ]  # fmt: skip
    relations = pl.DataFrame(rows, schema=VALIDATED_RELATIONS.schema)
    scope = relations.select(VALIDATED_RELATIONS.partition_key).unique()
    home.lake().write(VALIDATED_RELATIONS, relations, scope)
    done = dg.materialize([embeddings.graph_embeddings], resources={"home": home}, partition_key="2019-03-01")
    shown = metadata_of(done, "graph_embeddings")
    assert (shown["edges"], shown["nodes"]) == (2, 4)
    assert "svg" in shown["loss"]
    known = nodes_known(Vectors(home.vectors), as_of=datetime(2019, 3, 1, tzinfo=UTC))
    assert known["node"].to_list() == ["a0", "a1", "b0", "b1"]
    assert known["cutoff"].unique().to_list() == [date(2019, 3, 1)]
