"""What is asked for: never twice for one cause, one run at a time, within the budget; what waits is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.retraining.asked import Ask, Became, Look, Memory, look
from lim_pipelines.retraining.budget import Wanted, waiting
from lim_pipelines.retraining.plan import Line
from lim_pipelines.retraining.policies import PRIORITY, Cause

DAY = date(2019, 1, 1)
WITHOUT = Memory()


def line(subject: str, *causes: str, family: str = "", seconds: float | None = 60.0) -> Line:
    found = tuple(Cause(kind.split("-")[0], kind, f"because of {kind}") for kind in causes)
    below = () if family else (f"{subject}_a", f"{subject}_b")
    words = "; ".join(cause.words for cause in found) or "3 of 15 sessions"
    return Line(subject, family or subject, below or (subject,), DAY, DAY, found, words, seconds)


class World:
    """Runs as Dagster keeps them, and the sensor's memory."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.runs: list[tuple[str, Ask]] = []
        self.state: dict[str, Became] = {}
        self.succeeded: list[tuple[str, str]] = []

    def look(self, lines: list[Line], hours: float | None = None, spent: float = 0.0) -> Look:
        """Look as the sensor does, with its memory as text, and launch what is asked for."""
        memory = Memory.read(self.memory.written())
        found = look(memory, lines, lambda key: self.state.get(key, Became.NOTHING), hours, spent)
        self.memory = found.memory
        for one, ask in found.asks:
            self.runs.append((one.subject, ask))
            self.state[ask.key] = Became.WORKING
        return found

    def end(self, key: str, how: Became) -> None:
        self.state[key] = how
        if how is Became.SUCCEEDED:
            subject, ask = next(run for run in reversed(self.runs) if run[1].key == key)
            self.succeeded += [(subject, cause) for cause in ask.causes]

    def working(self) -> list[str]:
        return [key for key, how in self.state.items() if how is Became.WORKING]


def subjects(found: Look) -> list[str]:
    return [one.subject for one, _ in found.asks]


def test_a_cause_is_asked_for_once_and_answered_by_the_run_that_succeeds() -> None:
    world = World()
    due = [line("real", "sessions-1")]
    assert subjects(world.look(due)) == ["real"]
    busy = world.look(due)
    assert (subjects(busy), busy.words["real"]) == ([], "because of sessions-1; a run waits or works")
    world.end(world.working()[0], Became.SUCCEEDED)
    after = world.look(due)
    assert (subjects(after), after.words["real"]) == ([], "because of sessions-1; a run has answered that")
    assert subjects(world.look([line("real", "sessions-1", "drift-2")])) == ["real"], "another cause"
    assert world.runs[-1][1].causes == ("drift-2",)


def test_a_run_that_failed_is_asked_for_again_under_its_key_with_what_came_meanwhile() -> None:
    world = World()
    world.look([line("real", "sessions-1")])
    (key,) = world.working()
    world.end(key, Became.RESTING)
    resting = world.look([line("real", "sessions-2")])
    assert resting.words["real"] == "because of sessions-2; the last run failed not long ago"
    world.end(key, Became.FAILED)
    assert subjects(world.look([line("real", "sessions-2")])) == ["real"]
    assert world.runs[-1][1] == Ask(key, ("sessions-2",), 60.0)


def test_what_is_no_longer_due_is_forgotten_though_its_run_failed() -> None:
    world = World()
    world.look([line("real", "sessions-1")])
    world.end(world.working()[0], Became.RESTING)
    assert world.look([line("real")]).memory == Memory()


def test_a_lost_cursor_asks_for_nothing_that_has_succeeded() -> None:
    world = World()
    due = [line("real", "sessions-1")]
    world.look(due)
    world.end(world.working()[0], Became.SUCCEEDED)
    world.memory = Memory()
    assert not world.look(due).asks


def test_a_family_that_no_budget_can_hold_holds_up_no_strategy() -> None:
    both = [line("real", "calendar-1", seconds=7200), line("real_a", "decay-1", family="real")]
    found = World().look(both, hours=1.0)
    assert subjects(found) == ["real_a"]
    assert "more than a whole week's budget" in found.words["real"]


def test_a_strategy_is_made_with_its_family_and_never_beside_it() -> None:
    world = World()
    both = [line("real", "calendar-1"), line("real_a", "decay-1", family="real")]
    first = world.look(both)
    assert subjects(first) == ["real"]
    assert first.words["real_a"] == "because of decay-1; is made with real"
    assert not world.look([line("real"), both[1]]).asks, "while the family's run works"
    world.end(world.working()[0], Became.SUCCEEDED)
    alone = world.look([line("real"), both[1]])
    assert subjects(alone) == ["real_a"], "the heads alone"
    blocked = world.look([line("real", "drift-3"), both[1]])
    assert blocked.words["real"] == "because of drift-3; real_a is being trained"


def test_the_budget_is_of_the_most_urgent_and_what_waits_says_why() -> None:
    lines = [
        line("a", "calendar-1", seconds=1800),
        line("b", "drift-1", seconds=2400),
        line("c", "sessions-1", seconds=7200),
    ]
    found = World().look(lines, hours=1.0, spent=600.0)
    assert subjects(found) == ["b"]
    assert found.words["a"] == "because of calendar-1; takes 30 min; 10 min of 1 h a week are left"
    assert found.words["c"].startswith("because of sessions-1; takes 2.0 h, more than a whole week's budget")


def test_what_nobody_knows_goes_alone() -> None:
    world = World()
    lines = [line("a", "sessions-1", seconds=None), line("b", "sessions-1", seconds=5)]
    found = world.look(lines, hours=1.0)
    assert (subjects(found), list(found.waits)) == (["a"], ["b"])
    assert list(world.look(lines, hours=1.0).waits) == ["b"], "also while it works"
    world.end(world.working()[0], Became.SUCCEEDED)
    assert subjects(world.look(lines, hours=1.0)) == ["b"]


COSTS = st.floats(0, 5000) | st.none()


@given(costs=st.lists(COSTS, max_size=8), hours=st.floats(0.01, 3), taken=st.floats(0, 9000))
def test_no_order_of_costs_exceeds_the_budget_or_lets_anybody_overtake(
    costs: list[float | None], hours: float, taken: float
) -> None:
    wanted = [Wanted(str(i), cost) for i, cost in enumerate(costs)]
    waits = waiting(wanted, hours, taken)
    gone = [one for one in wanted if one.subject not in waits]
    known = sum(one.seconds or 0.0 for one in gone)
    assert not gone or known + taken <= hours * 3600 + 1e-6
    assert sum(one.seconds is None for one in gone) <= 1
    possible = [one for one in wanted if one.seconds is None or one.seconds <= hours * 3600]
    assert gone == possible[: len(gone)], "only the first of those that could ever go"
    assert all(waits.values())
    assert waiting(wanted, None, taken) == {}


TREE = {"real": "", "real_a": "real", "real_b": "real", "xsim": "", "xsim_a": "xsim"}
STEP = st.tuples(
    st.sampled_from(["new", "gone", "end", "rest", "look"]),
    st.sampled_from(sorted(TREE)),
    st.sampled_from(PRIORITY),
    st.sampled_from([Became.SUCCEEDED, Became.RESTING, Became.FAILED]),
)


@pytest.mark.parametrize("hours", [None, 0.05])
@given(steps=st.lists(STEP, max_size=60))
def test_whatever_happens_no_cause_succeeds_twice_and_nothing_due_is_silent(
    hours: float | None, steps: list[tuple[str, str, str, Became]]
) -> None:
    world, count = World(), 0
    keys: dict[str, list[str]] = {subject: [] for subject in TREE}

    def lines() -> list[Line]:
        return [line(subject, *keys[subject], family=family) for subject, family in TREE.items()]

    def checked() -> Look:
        before = [one for one in world.runs if world.state[one[1].key] is Became.WORKING]
        found = world.look(lines(), hours)
        busy = {subject for subject, _ in before} | set(subjects(found))
        assert not set(subjects(found)) & {subject for subject, _ in before}, "one run at a time"
        assert not {TREE[one] for one in busy} & busy, "no strategy beside its family"
        at_work = {(subject, ask.key): ask.seconds or 0.0 for subject, ask in before}
        new = sum(ask.seconds or 0.0 for _, ask in found.asks)
        assert hours is None or not new or sum(at_work.values()) + new <= hours * 3600
        for one in lines():
            if one.causes and one.subject not in subjects(found):
                assert found.words[one.subject] != one.words, "why it waits is said"
        return found

    for what, subject, kind, how in steps:
        if what == "new":
            count += 1
            keys[subject].append(f"{kind}-{count}")
        elif what == "gone":
            keys[subject].clear()
        elif what == "end" and world.working():
            world.end(world.working()[0], how)
        elif what == "rest":
            world.state = {
                key: Became.FAILED if now is Became.RESTING else now for key, now in world.state.items()
            }
        elif what == "look":
            checked()
    for _ in range(len(TREE) + 1):
        for key, now in list(world.state.items()):
            if now is Became.WORKING:
                world.end(key, Became.SUCCEEDED)
            elif now is Became.RESTING:
                world.state[key] = Became.FAILED
        checked()
    assert len(world.succeeded) == len(set(world.succeeded)), "no cause twice"
    settled = checked()
    due = [one.subject for one in lines() if one.causes]
    assert all(settled.words[subject].endswith("a run has answered that") for subject in due)
    assert replace(settled.memory, answered={}) == WITHOUT
