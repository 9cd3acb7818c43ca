"""FinDKG: a week's relations are known when the week has ended, and weigh as often as they were told."""

import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read_tables, rules
from shared_data import folder

from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.findkg import FinDKG

SUNDAY = date(2018, 1, 7)
END = datetime(2018, 1, 14, tzinfo=UTC)


def table(*rows: tuple[date | None, str | None, str, str]) -> bytes:
    schema = {"week": pl.Date, **dict.fromkeys(("subject", "relation", "object"), pl.String)}
    packed = io.BytesIO()
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(packed)
    return packed.getvalue()


def test_a_week_is_known_when_it_has_ended(tmp_path: Path) -> None:
    drop(tmp_path, "findkg/quadruples_train.parquet", table((SUNDAY, "Apple", "Produce", "phones")))
    (row,) = read_tables(FinDKG(), tmp_path).rows["raw_relations"].rows(named=True)
    assert (row["ts"], row["known_at"], row["weight"], row["year"]) == (END, END, 1.0, 2018)


def test_a_feed_is_known_when_it_arrives(tmp_path: Path) -> None:
    content = table((SUNDAY, "Apple", "Produce", "phones"), (date(2018, 1, 21), "Apple", "Raise", "prices"))
    arrived = datetime(2018, 1, 16, 3, tzinfo=UTC)
    drop(tmp_path, "findkg/quadruples_train.parquet", content, history=False, arrived=arrived)
    parsed = read_tables(FinDKG(), tmp_path)
    assert parsed.rows["raw_relations"].select("ts", "known_at").rows() == [(END, arrived)]
    assert rules(parsed) == {"after_arrival": 1}


def test_repetitions_weigh_and_rows_without_words_or_sunday_are_held_back(tmp_path: Path) -> None:
    rows = [
        (SUNDAY, "Apple", "Produce", "phones"),
        (SUNDAY, "Apple", "Produce", "phones"),
        (SUNDAY, "phones", "Produce", "Apple"),
        (date(2018, 1, 14), "Apple", "Produce", "phones"),
        (SUNDAY, None, "Produce", "phones"),
        (SUNDAY, "Apple", " ", "phones"),
        (None, "Apple", "Produce", "phones"),
        (date(2018, 1, 8), "Apple", "Produce", "phones"),
    ]
    drop(tmp_path, "findkg/quadruples_test.parquet", table(*rows))
    parsed = read_tables(FinDKG(), tmp_path)
    told = parsed.rows["raw_relations"].sort("line").select("subject", "weight", "line").rows()
    assert told == [("Apple", 2.0, 1), ("phones", 1.0, 3), ("Apple", 1.0, 4)]
    assert rules(parsed) == {"missing_value": 3, "not_a_sunday": 1}


def test_another_table_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    pl.DataFrame(
        {"week": ["2018-01-07"], "subject": ["a"], "relation": ["b"], "object": ["c"]}
    ).write_parquet(packed)
    drop(tmp_path, "findkg/quadruples_train.parquet", packed.getvalue())
    with pytest.raises(RejectedFileError, match="week is String, not Date"):
        read_tables(FinDKG(), tmp_path)


def test_the_vendors_graph(tmp_path: Path) -> None:
    copy(tmp_path, "findkg", folder("news_knowledge_graph_findkg"))
    parsed = read_tables(FinDKG(), tmp_path)
    rows = parsed.rows["raw_relations"]
    assert (rows.height, parsed.rejected.height) == (206_196, 0)
    assert rows["weight"].sum() == 222_732
    assert (rows["ts"].min(), rows["ts"].max()) == (END, datetime(2022, 7, 3, tzinfo=UTC))
    assert rows["relation"].n_unique() == 15
    wells = rows.filter((pl.col("subject") == "Wells Fargo Co.") & (pl.col("line") == 2)).row(0, named=True)
    assert (wells["relation"], wells["object"], wells["known_at"]) == ("Impact", "U.S. Federal Reserve", END)
