"""What counts as known from a release on: the past stays as it was, whatever comes later."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from gate_world import DAYS, LAST, LATER, MIC, align, bars, gate, published, scope
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.lake import Lake
from lim_pipelines.lake.point_in_time import as_of_view
from lim_pipelines.schemas import ALIGNED_BARS, RELEASES, VALIDATED_BARS
from lim_pipelines.validate.gate import validate
from lim_pipelines.validate.releases import releasable

TODAY = pl.col("date") == LAST
NTH = pl.col("instrument_id").str.tail(2).cast(pl.Int64)
FIRST_RELEASE, SECOND_RELEASE = LATER + timedelta(days=3), LATER + timedelta(days=13)


def today(first: int, last: int, known: datetime | None = None) -> pl.DataFrame:
    """Bars of the last session of some instruments, known as they are or since a moment."""
    rows = bars(days=[LAST]).filter(NTH.is_between(first, last, closed="left"))
    return rows if known is None else rows.with_columns(known_at=pl.lit(known))


def held(path: Path) -> Lake:
    """A lake of whose last session ten of 24 instruments came."""
    lake = Lake(path)
    align(lake, bars().filter(~TODAY | (NTH < 10)))
    gate(lake)
    return lake


def put(lake: Lake, *parts: pl.DataFrame) -> None:
    align(lake, pl.concat(parts).sort(ALIGNED_BARS.row_key))


def release(lake: Lake, since: str, at: datetime) -> None:
    """Release the last session, and publish it."""
    what = releasable(lake, MIC, LAST, LAST, "covered").with_columns(
        since=pl.lit(since), released_by=pl.lit("ann"), why=pl.lit("it is right"), known_at=pl.lit(at)
    )
    assert what.height == 1
    lake.update(RELEASES, scope(LAST), lambda there: pl.concat([there, RELEASES.conform(what)]))
    assert gate(lake, LAST).held.is_empty()


def known(lake: Lake, moment: datetime) -> int:
    return lake.read(VALIDATED_BARS, as_of=moment, where=TODAY).collect().height


def test_what_was_released_stays_known_since_then_when_the_rest_arrives(tmp_path: Path) -> None:
    lake = held(tmp_path)
    release(lake, "release", FIRST_RELEASE)
    second = timedelta(seconds=1)
    assert (known(lake, FIRST_RELEASE - second), known(lake, FIRST_RELEASE)) == (0, 10)
    put(lake, today(0, 10), today(10, 24, FIRST_RELEASE + timedelta(days=2)))
    for _ in range(2):
        assert gate(lake, LAST).held.is_empty()
        assert published(lake, LAST).height == 24
        assert (known(lake, FIRST_RELEASE - second), known(lake, FIRST_RELEASE)) == (0, 10)


def test_what_was_released_first_stays_known_since_then_when_more_is_released(tmp_path: Path) -> None:
    lake = held(tmp_path)
    release(lake, "release", FIRST_RELEASE)
    put(lake, today(0, 10), today(10, 11, FIRST_RELEASE + timedelta(days=2)))
    assert gate(lake, LAST).held["rule"].to_list() == ["covered"]
    release(lake, "release", SECOND_RELEASE)
    assert (known(lake, SECOND_RELEASE - timedelta(seconds=1)), known(lake, SECOND_RELEASE)) == (10, 11)


def test_a_later_release_since_arrival_puts_history_right(tmp_path: Path) -> None:
    lake = held(tmp_path)
    release(lake, "release", FIRST_RELEASE)
    put(lake, today(0, 11))
    assert gate(lake, LAST).held["rule"].to_list() == ["covered"]
    release(lake, "arrival", SECOND_RELEASE)
    assert published(lake, LAST).equals(today(0, 11))


def test_values_that_come_back_keep_their_moments(tmp_path: Path) -> None:
    lake = held(tmp_path)
    more = pl.col("volume") + 100
    later = [LATER + timedelta(days=day) for day in (1, 2)]
    back_and_forth = [today(0, 10), today(0, 1, later[0]).with_columns(more), today(0, 1, later[1])]
    put(lake, *back_and_forth)
    gate(lake, LAST)
    release(lake, "release", FIRST_RELEASE)
    before = published(lake, LAST)
    assert before["known_at"].unique().to_list() == [FIRST_RELEASE], "superseded while held: never readable"
    put(lake, *back_and_forth, today(10, 24, SECOND_RELEASE))
    gate(lake, LAST)
    assert published(lake, LAST).filter(NTH < 10).equals(before)


@dataclass
class World:
    """Bars of one session that come in parts, each released where it is held, since its release."""

    now: datetime = LATER
    frame: pl.DataFrame = field(default_factory=lambda: bars(days=DAYS[-8:-1]))
    releases: pl.DataFrame = field(default_factory=RELEASES.empty)
    published: pl.DataFrame = field(default_factory=VALIDATED_BARS.empty)

    def arrive(self, rows: pl.DataFrame) -> None:
        come = rows.with_columns(known_at=pl.lit(self.now))
        self.frame = ALIGNED_BARS.conform(pl.concat([self.frame, come]))

    def gate(self, release_rows: bool) -> None:
        """Judge; release what is held as a whole, and rows if they are to be; judge again."""
        outcome = validate(self.frame, VALIDATED_BARS, releases=self.releases, published=self.published)
        whole = outcome.results.filter(pl.col("rule") == "").select("exchange", "date", "content")
        rules = outcome.results.filter(pl.col("held"), pl.col("rule") != "")
        partitions = rules.join(whole.rename({"content": "looked_at"}), on=["exchange", "date"])
        said = [partitions.select("exchange", "date", "rule", symbol=pl.lit(""), content="looked_at")]
        if release_rows:
            of = [hashlib.sha256(text.encode()).hexdigest() for text in outcome.quarantined["evidence"]]
            rows = outcome.quarantined.with_columns(content=pl.Series(of, dtype=pl.String))
            said.append(rows.select("exchange", "date", "rule", "symbol", "content"))
        new = pl.concat(said).with_columns(
            since=pl.lit("release"), released_by=pl.lit("ann"), why=pl.lit("so"), known_at=pl.lit(self.now)
        )
        if new.height:
            self.releases = pl.concat([self.releases, RELEASES.conform(new)])
            return self.gate(release_rows=False)
        assert outcome.held.is_empty()
        self.published = VALIDATED_BARS.conform(outcome.rows)
        return None


STEP = st.tuples(
    st.sampled_from(["rest", "more", "revise", "bad", "back"]), st.integers(0, 23), st.booleans()
)


@settings(max_examples=12)
@given(st.lists(STEP, min_size=2, max_size=5))
def test_law_the_past_stays_as_it_was_known(steps: list[tuple[str, int, bool]]) -> None:
    world, there = World(), 8
    seen: dict[datetime, pl.DataFrame] = {}
    world.arrive(today(0, there))
    for what, which, release_rows in [("none", 0, True), *steps]:
        world.now += timedelta(hours=6)
        one = today(which % there, which % there + 1)
        last = world.frame.filter(TODAY, pl.col("instrument_id") == one["instrument_id"][0]).tail(1)
        if what in ("rest", "more"):
            upto = 24 if what == "rest" else min(there + 1, 24)
            world.arrive(today(there, upto))
            there = upto
        elif what == "revise":
            world.arrive(last.with_columns(volume=pl.col("volume").abs() + 100))
        elif what == "bad":
            world.arrive(last.with_columns(volume=-pl.col("volume").abs() - 1))
        elif what == "back" and not one.select(last.columns).drop("known_at").equals(last.drop("known_at")):
            world.arrive(one)
        world.gate(release_rows)
        views = {moment: as_of_view(world.published, moment, VALIDATED_BARS) for moment in [*seen, world.now]}
        for moment, before in seen.items():
            assert views[moment].equals(before), f"what was known at {moment} is another after {what}"
        seen = views
