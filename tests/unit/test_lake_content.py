"""Content of tables with list columns: hashes of it, and which partitions differ in it."""

from __future__ import annotations

import math
from datetime import date

import polars as pl
import pytest

from lim_pipelines.lake import Lake, fingerprint, scope_of
from lim_pipelines.lake.content import changed_partitions
from lim_pipelines.schemas import MODEL_INPUTS

NUMBERS: list[list[list[float | None] | None]] = [
    [[1.0, 2.0], [3.0]],
    [[1.0], [2.0, 3.0]],
    [[1.0, 2.0, 3.0], []],
    [[], [1.0, 2.0, 3.0]],
    [None, [1.0, 2.0, 3.0]],
    [[1.0, None], [3.0]],
    [[1.0, math.nan], [3.0]],
    [[1.0, 0.0], [3.0]],
    [[None], []],
    [None, None],
    [[], []],
]


def lists(values: list[list[float | None] | None]) -> pl.DataFrame:
    return pl.DataFrame({"v": values}, schema={"v": pl.List(pl.Float64)})


def test_lists_of_other_values_lengths_or_gaps_have_other_hashes() -> None:
    assert len({fingerprint(lists(values)) for values in NUMBERS}) == len(NUMBERS)
    words = [pl.DataFrame({"v": v}) for v in ([["a", "bc"], ["d"]], [["ab", "c"], ["d"]])]
    assert fingerprint(words[0]) != fingerprint(words[1])


def test_the_hash_of_lists_sees_content_not_construction() -> None:
    whole = lists(NUMBERS[0])
    assert fingerprint(pl.concat([whole[:1], whole[1:]], rechunk=False)) == fingerprint(whole)
    assert fingerprint(pl.concat([whole, whole])[1:3]) == fingerprint(lists([[3.0], [1.0, 2.0]]))


def inputs(second: list[float]) -> pl.DataFrame:
    days = [date(2018, 10, 1), date(2018, 10, 2)]
    return MODEL_INPUTS.conform(
        pl.DataFrame({"date": days, "values": [[1.0, math.nan], second]}).with_columns(
            pl.lit("XNAS").alias("exchange"),
            pl.lit("XNAS:A").alias("instrument_id"),
            pl.lit("macro").alias("block"),
            pl.col("values").alias("scaled"),
            pl.lit(None).alias("newest"),
            pl.lit("").alias("spec"),
            pl.col("date").cast(pl.Datetime("us", "UTC")).alias("known_at"),
        )
    )


@pytest.mark.parametrize("other", [[2.0, 3.5], [2.0], [], [math.nan, 3.0], [3.0, 2.0]])
def test_a_partition_whose_lists_differ_is_changed_and_no_other(other: list[float]) -> None:
    old, new = inputs([2.0, 3.0]), inputs(other)
    assert changed_partitions(old, new, MODEL_INPUTS)["date"].to_list() == [date(2018, 10, 2)]
    assert changed_partitions(new, inputs(other), MODEL_INPUTS).is_empty()


def test_lists_come_back_from_the_lake_to_the_bit_and_writing_them_again_commits_nothing(
    tmp_path: object,
) -> None:
    lake, rows = Lake(str(tmp_path)), inputs([2.0, math.nan])
    scope = scope_of({"exchange": ["XNAS"], "date": rows["date"].to_list()})
    first = lake.write(MODEL_INPUTS, rows, scope)
    assert lake.revisions(MODEL_INPUTS).sort(MODEL_INPUTS.row_key).collect().equals(rows)
    again = lake.write(MODEL_INPUTS, rows, scope)
    assert again.changed.is_empty()
    assert (again.version, again.fingerprint) == (first.version, first.fingerprint)
