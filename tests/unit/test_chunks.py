"""A range cut into pieces: nothing left out, nothing twice, no piece too large."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lim_pipelines.exchanges import sessions
from lim_pipelines.exchanges.chunks import chunks


@given(
    first=st.dates(date(2018, 10, 1), date(2020, 6, 1)),
    days=st.integers(0, 120),
    size=st.integers(1, 30),
    mic=st.sampled_from(["XNYS", "COINBASE"]),
)
def test_the_pieces_are_the_range(first: date, days: int, size: int, mic: str) -> None:
    last = first + timedelta(days=days)
    pieces = chunks(mic, first, last, size)
    held = [sessions(mic, begin, end).height for begin, end in pieces]
    assert sum(held) == sessions(mic, first, last).height
    assert all(n == size for n in held[:-1])
    assert all(1 <= n <= size for n in held[-1:])
    if pieces:
        assert (pieces[0][0], pieces[-1][1]) == (first, last)
        for (_, end), (begin, _) in pairwise(pieces):
            assert begin - end == timedelta(days=1)


def test_a_weekend_has_no_piece() -> None:
    assert chunks("XNYS", date(2018, 11, 24), date(2018, 11, 25), 5) == []
