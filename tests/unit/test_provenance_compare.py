"""Comparing contents, a lake written aside, trees that are folded: laws on random data."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import DAY, bar, days, frame

from lim_pipelines.lake import LATEST, Lake, fingerprint
from lim_pipelines.provenance.compare import compare
from lim_pipelines.provenance.files import open_files
from lim_pipelines.provenance.raw import compare_raw
from lim_pipelines.provenance.scratch import Scratch
from lim_pipelines.provenance.tree import Branch, Node, branch, unfold, warnings_of
from lim_pipelines.schemas import LANDING_FILES, RAW_QUOTES, VALIDATED_BARS
from lim_pipelines.sources.xsim import PATH

prices = st.floats(allow_nan=True, allow_infinity=True, width=64)
contents = st.lists(prices, min_size=1, max_size=8)


def bars_of(closes: list[float]) -> pl.DataFrame:
    return frame(*(bar(day, close=close) for day, close in zip(days(len(closes)), closes, strict=True)))


@settings(max_examples=20)
@given(contents, st.randoms(use_true_random=False))
def test_the_same_rows_in_any_order_are_equal(closes: list[float], random: object) -> None:
    rows = bars_of(closes)
    mixed = rows.sample(fraction=1, shuffle=True, seed=random.randrange(1000))  # type: ignore[attr-defined]
    found = compare("bars", rows, mixed, VALIDATED_BARS)
    assert (found.verdict, found.compared) == ("equal", len(closes))


@settings(max_examples=20)
@given(contents, st.data())
def test_one_other_value_is_found_and_named(closes: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(closes) - 1))
    other = data.draw(prices.filter(lambda value: repr(value) != repr(closes[place])))
    changed = [*closes[:place], other, *closes[place + 1 :]]
    found = compare("bars", bars_of(closes), bars_of(changed), VALIDATED_BARS)
    assert found.verdict == "differs"
    if other == closes[place]:
        assert "sign of a zero" in found.detail, "0.0 and -0.0 are other bits"
    else:
        assert str(days(place + 1)[place]) in found.detail
        # open, high, low and close are the bar's one price.
        assert f"open is stored as {closes[place]!r}, comes out as {other!r}" in found.detail


@settings(max_examples=20)
@given(contents, st.sets(st.integers(0, 7)))
def test_rows_that_are_missing_or_too_many_are_counted(closes: list[float], gone: set[int]) -> None:
    rows = bars_of(closes)
    kept = rows.filter(~pl.int_range(pl.len()).is_in(sorted(gone)))
    lost = rows.height - kept.height
    found, back = compare("a", rows, kept, VALIDATED_BARS), compare("a", kept, rows, VALIDATED_BARS)
    assert (found.verdict == "equal") == (back.verdict == "equal") == (lost == 0)
    if lost:
        assert f"{lost} rows are stored that do not come out again" in found.detail
        assert f"{lost} rows come out that are not stored" in back.detail


def raw_of(closes: dict[int, float]) -> pl.DataFrame:
    rows = [
        bar(days(place + 1)[place], close=close, symbol="A", file=PATH, line=place)
        for place, close in closes.items()
    ]
    return RAW_QUOTES.conform(
        pl.DataFrame(rows, schema_overrides={"volume": pl.Float64}, infer_schema_length=None)
    )


@settings(max_examples=20)
@given(
    st.dictionaries(st.integers(0, 5), st.sampled_from([1.0, 2.0]), min_size=1),
    st.dictionaries(st.integers(0, 5), st.sampled_from([1.0, 2.0]), min_size=1),
)
def test_raw_rows_of_a_sound_file_are_all_accounted_for(
    stored: dict[int, float], derived: dict[int, float]
) -> None:
    files = open_files(Path("nowhere"), LANDING_FILES.empty().lazy())
    found = compare_raw(files, raw_of(stored), raw_of(derived), RAW_QUOTES)
    wrong = stored.items() ^ derived.items()
    assert {one.verdict for one in found} <= {"equal", "differs"}
    assert any(one.verdict == "differs" for one in found) == bool(wrong)
    assert sum(one.compared for one in found if one.verdict == "equal") == len(
        stored.items() & derived.items()
    )


writes = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.floats(1, 9))), min_size=1, max_size=4)


@settings(max_examples=5)
@given(writes)
def test_a_lake_written_aside_reads_as_the_lake_would_and_leaves_it_alone(
    steps: list[tuple[int, float | None]],
) -> None:
    with TemporaryDirectory() as folder:
        real, copy = Lake(Path(folder) / "real"), Lake(Path(folder) / "copy")
        start = bars_of([1.0, 2.0, 3.0, 4.0])
        for lake in (real, copy):
            lake.write(VALIDATED_BARS, start, start.select("exchange", "date"))
        aside = Scratch(real, Path(folder) / "aside")
        for place, close in steps:
            day = days(4)[place]
            scope = pl.DataFrame({"exchange": ["XNAS"], "date": [day]})
            rows = frame() if close is None else frame(bar(day, close=close))
            one, other = (lake.write(VALIDATED_BARS, rows, scope) for lake in (copy, aside))
            assert one.changed.equals(other.changed)
            for read in (
                lambda lake: lake.revisions(VALIDATED_BARS),
                lambda lake: lake.read(VALIDATED_BARS, as_of=LATEST, where=pl.col("date") > DAY),
            ):
                one_rows, other_rows = (
                    read(lake).sort(VALIDATED_BARS.row_key).collect() for lake in (copy, aside)
                )
                assert one_rows.equals(other_rows)
        there = real.revisions(VALIDATED_BARS).sort(VALIDATED_BARS.row_key).collect()
        assert fingerprint(there) == fingerprint(start)
        assert real.version(VALIDATED_BARS) == 1


def test_what_is_forgotten_is_read_as_never_written(tmp_path: Path) -> None:
    real = Lake(tmp_path / "real")
    start = bars_of([1.0, 2.0])
    real.write(VALIDATED_BARS, start, start.select("exchange", "date"))
    aside = Scratch(real, tmp_path / "aside")
    aside.forget(VALIDATED_BARS, start.head(1).select("exchange", "date"))
    assert aside.revisions(VALIDATED_BARS).collect()["close"].to_list() == [2.0]


def tree(depth: int, made: list[str], name: str = "n") -> Node:
    def make(key: str) -> Node:
        made.append(f"{name}{key}")
        return tree(depth - 1, made, f"{name}{key}")

    below = () if depth == 0 else (Branch("things", [str(i) for i in "abcde"], make),)
    return Node(name, {"depth": depth}, "broken" if name == "naa" else "", below)


@pytest.mark.parametrize(
    ("depth", "every", "nodes"), [(0, False, 0), (1, False, 3), (2, False, 12), (1, True, 5)]
)
def test_what_is_folded_is_counted_and_never_looked_up(depth: int, every: bool, nodes: int) -> None:
    made: list[str] = []
    found = unfold(tree(2, made), depth, every)
    assert len(made) == nodes
    if depth == 0:
        assert found["folded"] == ["5 things: a to e (--depth)"]
    elif not every:
        assert found["folded"] == ["2 more things: d to e (--all)"]
    assert warnings_of(found) == (["naa: broken"] if depth == 2 else [])


def test_the_same_thing_is_shown_once() -> None:
    twin = Node("twin", {"a": 1}, branches=(branch("parts", [Node("part")]),), identity="twin")
    root = Node("root", branches=(branch("twins", [twin, twin]),))
    first, second = unfold(root)["children"]
    assert [one["what"] for one in first["children"]] == ["part"]
    assert (second["children"], second["folded"]) == ([], ["shown above"])
    assert len(unfold(root, every=True)["children"][1]["children"]) == 1
