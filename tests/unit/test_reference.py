"""Registered listings: repeating adds nothing, the newer file wins, nothing is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.instruments import listings
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.reference import known_listings, load_reference, register
from lim_pipelines.schemas import CORPORATE_ACTIONS, INDEX_MEMBERS, LISTINGS, ROLLS

MOMENT = datetime(2019, 1, 1, tzinfo=UTC)


def listed(symbol: str, year: int = 2019, **changes: object) -> dict[str, object]:
    return {
        "source": "csv_drop",
        "symbol": symbol,
        "exchange": "XNYS",
        "instrument_id": f"XNYS:{symbol}",
        "first": date(1900, 1, 1),
        "last": None,
        "priority": 5,
        "name": "a firm",
        "asset_class": "equity",
        "currency": "USD",
        "multiplier": 1.0,
        "file": f"csv_drop/XNYS/{year}.csv",
        "known_at": datetime(year, 1, 1, tzinfo=UTC),
        **changes,
    }


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=LISTINGS.schema)


def newest(lake: Lake) -> pl.DataFrame:
    return lake.read(LISTINGS, as_of=LATEST).collect().sort(LISTINGS.key)


def test_nothing_found_writes_nothing(tmp_path: Path) -> None:
    assert register(Lake(tmp_path), LISTINGS.empty()) is None
    assert known_listings(Lake(tmp_path)).equals(listings())


def test_registering_again_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = frame(listed("ONE"), listed("TWO"), listed("ONE", exchange="XNAS", instrument_id="XNAS:ONE"))
    first = register(lake, rows)
    assert first is not None
    assert first.changed.height == 2
    again = register(lake, pl.concat([rows, rows]))
    assert again is not None
    assert (again.version, again.changed.height) == (first.version, 0)
    assert known_listings(lake).filter(source="csv_drop", symbol="ONE").height == 2


def test_another_file_that_says_the_same_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    register(lake, frame(listed("ONE")))
    again = register(lake, frame(listed("ONE", 2020)))
    assert again is not None
    assert again.changed.is_empty()


def test_a_changed_attribute_is_a_revision(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    register(lake, frame(listed("ONE", lot_size=100.0)))
    register(lake, frame(listed("ONE", 2020, lot_size=1.0)))
    revisions = lake.revisions(LISTINGS).collect().sort("known_at")
    assert revisions.select("lot_size", "known_at").rows() == [
        (100.0, MOMENT),
        (1.0, datetime(2020, 1, 1, tzinfo=UTC)),
    ]
    assert newest(lake)["lot_size"].to_list() == [1.0]
    # The old file, read again, is old news.
    register(lake, frame(listed("ONE", lot_size=100.0)))
    assert newest(lake)["lot_size"].to_list() == [1.0]


def test_a_file_corrected_in_place_is_believed(tmp_path: Path) -> None:
    """Declared history keeps the moment it is about, so its correction is known from its arrival on."""
    lake = Lake(tmp_path)
    register(lake, frame(listed("ONE", currency="USD")))
    before = datetime.now(UTC)
    register(lake, frame(listed("ONE", currency="EUR")))
    register(lake, frame(listed("ONE", currency="GBP")))
    revisions = lake.revisions(LISTINGS).collect().sort("known_at")
    assert revisions["currency"].to_list() == ["USD", "EUR", "GBP"]
    assert revisions["known_at"][1] >= before


def test_what_is_embedded_holds_against_what_files_say(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    register(lake, frame(listed("IBM", instrument_id="XNYS:OTHER"), listed("NEW")))
    known = known_listings(lake).filter(source="csv_drop", exchange="XNYS")
    assert known.filter(symbol="IBM")["instrument_id"].to_list() == ["XNYS:IBM"]
    assert known.filter(symbol="NEW").height == 1
    assert known.select(LISTINGS.key).is_unique().all()


def test_of_two_files_of_one_moment_the_later_name_holds(tmp_path: Path) -> None:
    for folder, order in (("there", "ab"), ("back", "ba")):
        lake = Lake(tmp_path / folder)
        for name in order:
            register(lake, frame(listed("ONE", priority=ord(name), file=f"{name}.csv")))
        assert newest(lake)["file"].to_list() == ["b.csv"]


claims = st.tuples(st.sampled_from(["ONE", "TWO"]), st.integers(2015, 2017), st.sampled_from("ab"))


@settings(max_examples=6)
@given(
    st.lists(claims, min_size=2, max_size=4, unique_by=lambda claim: claim[:2]),
    st.randoms(use_true_random=False),
)
def test_it_does_not_matter_which_file_is_read_first(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, str]], random: Random
) -> None:
    rows = [
        listed(symbol, year, priority=i, file=f"{year}{name}.csv")
        for i, (symbol, year, name) in enumerate(drawn)
    ]
    at_once, one_by_one = (Lake(tmp_path_factory.mktemp("lake")) for _ in range(2))
    register(at_once, frame(*rows))
    random.shuffle(rows)
    for row in rows:
        register(one_by_one, frame(row))
    told = [name for name in LISTINGS.columns if name != "known_at"]
    assert newest(one_by_one).select(told).equals(newest(at_once).select(told))


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    names = [[f"S{writer}{i}" for i in range(3)] for writer in range(4)]

    def write(mine: list[str]) -> None:
        for name in mine:
            register(Lake(tmp_path), frame(listed(name), listed("SHARED")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, names))
    rows = Lake(tmp_path).revisions(LISTINGS).collect()
    assert sorted(rows["symbol"]) == sorted(["SHARED", *(name for mine in names for name in mine)])


@pytest.mark.parametrize("table", [CORPORATE_ACTIONS, ROLLS, INDEX_MEMBERS], ids=lambda table: table.name)
def test_reference_of_no_vendor_is_empty(tmp_path: Path, table: object) -> None:
    loaded = load_reference(Lake(tmp_path / "lake"), tmp_path / "landing", table)  # type: ignore[arg-type]
    assert not loaded.refused
    commit = loaded.commit
    assert (commit.rows, commit.changed.height) == (0, 0)


def test_a_bad_file_of_members_leaves_what_is_there(tmp_path: Path) -> None:
    lake, landing = Lake(tmp_path / "lake"), tmp_path / "landing"
    file = landing / "sp500_members" / "history" / "sp500_ticker_start_end.csv"
    file.parent.mkdir(parents=True)
    file.write_text("ticker,start_date,end_date\nAAPL,1996-01-02,\n")
    assert load_reference(lake, landing, INDEX_MEMBERS).commit.rows == 1
    file.write_text("no,such\nfile,here\n")
    loaded = load_reference(lake, landing, INDEX_MEMBERS)
    assert [error.path for error in loaded.refused] == [file.relative_to(landing).as_posix()]
    assert lake.read(INDEX_MEMBERS, as_of=LATEST).collect()["symbol"].to_list() == ["AAPL"]
