"""For random arrivals and corrections: what the sensors make is what a calculation from scratch names."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta

import pytest
from inprocess import Lineage
from sensor_world import BOARDS, Driven, spec

from lim_pipelines.foundation.config import REAL
from lim_pipelines.lake.maintenance import compact
from lim_pipelines.schemas import VALIDATED_BARS

OCTOBER = [date(2018, 10, day) for day in (29, 30, 31)]
NOVEMBER = [date(2018, 11, day) for day in (1, 2, 5, 6, 7, 8)]
DECEMBER = [date(2018, 12, day) for day in (3, 4, 6, 7, 10, 11)]
SYMBOLS = ("AAPL", "MSFT", "FB")
KINDS = ("session", "session", "correction", "correction", "back", "same", "compaction")


def evening(day: date) -> datetime:
    return datetime.combine(day, time(22), UTC)


class Feed:
    """A vendor who sends sessions, late ones, corrections, the same again, and takes corrections back."""

    def __init__(self, world: Driven, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.sent: dict[date, tuple[dict[str, float], datetime]] = {}
        self.waiting = [NOVEMBER[-1], *DECEMBER]

    def send(self, day: date, closes: dict[str, float], moment: datetime) -> None:
        self.world.drop(day, closes, moment)
        self.sent[day] = closes, moment

    def first(self, days: list[date]) -> None:
        for day in days:
            self.send(day, dict.fromkeys(SYMBOLS, 100.0), evening(day))

    def event(self) -> str:
        """Let something happen, and say what."""
        kind = self.random.choice(KINDS)
        day = self.random.choice(sorted(self.sent))
        closes, moment = self.sent[day]
        # Nothing comes from the future.
        later = min(moment + timedelta(days=self.random.choice([1, 8, 20, 40])), self.world.moment)
        if kind == "session" and self.waiting:
            day = self.waiting.pop(self.random.randrange(len(self.waiting)))
            came = evening(day) + timedelta(days=self.random.choice([0, 0, 12, 30]))
            came = min(came, self.world.moment)
            self.send(day, dict.fromkeys(SYMBOLS, 100.0), came)
            return f"{day} arrives at {came}"
        if later == moment:
            kind = "compaction"
        if kind == "correction":
            symbol = self.random.choice(SYMBOLS)
            self.send(day, {**closes, symbol: closes[symbol] + 1.0}, later)
            return f"{symbol} of {day} is corrected at {later}"
        if kind == "back":
            self.send(day, dict.fromkeys(SYMBOLS, 100.0), later)
            return f"{day} is as it was at {later}"
        if kind == "same":
            self.world.drop(day, closes, later)
            return f"{day} again, the same, at {later}"
        compact(self.world.lake, VALIDATED_BARS)
        return "compaction"


@pytest.fixture
def world(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> Driven:
    return Driven(lineage, monkeypatch, datetime(2018, 12, 20, tzinfo=UTC))


def exact(world: Driven, what: str) -> None:
    """Let it come to rest, and compare."""
    named = world.due()
    made = world.settle()
    assert not world.needless, f"{what}: made again as it was"
    assert not world.due(), f"{what}: named {world.due()} and not made, of {named}; made was {made}"
    assert world.listed() == world.outdated(), what


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_sensors_have_made_what_a_calculation_from_scratch_names(world: Driven, seed: int) -> None:
    feed = Feed(world, seed)
    feed.first([*OCTOBER, *NOVEMBER[:-1]])
    exact(world, "the first sessions")
    everything = {REAL.name, "small_model", "small_targets", "small_backtest", *BOARDS}
    assert {name for name, _ in world.made} == everything
    before = len(world.made)
    for _ in range(6):
        exact(world, feed.event())
    world.at(datetime(2019, 1, 5, tzinfo=UTC))
    for _ in range(4):
        exact(world, feed.event())
    assert {name for name, _ in world.made[before:]} == everything, "something has happened"
    world.load(spec(max_position=0.2))
    exact(world, "other settings")
