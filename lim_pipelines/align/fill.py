"""Values on a grid of times, made of what was known when they are used: carried on, nearest, or on a line.

What does not belong here: the newest fact at a moment (`asof.py`), grids of sessions (`moments.py`).

A point of the grid has two times: `ts`, the time whose value is asked for, and `at`, the moment of use. Facts
with `known_at` after `at` do not exist for it, and of a fact that was revised only the revision that was
known then: the points of one moment of use see `asof.vintage` of that moment. No later fact changes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lim_pipelines.schemas import UTC_TIME

Ints = NDArray[np.int64]
How = Literal["forward", "nearest_past", "linear_past"]


@dataclass(frozen=True)
class Fill:
    """How the values of one field fill a grid.

    Parameters
    ----------
    how
        With the facts of the field that are known at the moment of use, for a point of time t:

        forward: the last fact with `ts <= t`; null before the first.
        nearest_past: the fact whose `ts` is nearest to t, before or after it; of two equally near the
        earlier one. Where t is the moment of use itself, and nothing is known before it happens, that is the
        same as forward.
        linear_past: between two facts, the straight line from the last with `ts <= t` to the first with
        `ts > t`, both known; after the last one its value, held; null before the first. The line to a fact
        that becomes known later is never drawn: the same t looks different from a later moment of use.
    limit
        Longest distance between t and the `ts` of each fact that is used, itself included; beyond it the
        value is null. None: any.
    """

    how: How
    limit: timedelta | None = None


def fill(
    grid: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    by: Sequence[str],
    fields: Mapping[str, Fill],
    at: str = "at",
) -> pl.DataFrame:
    """Give each point of a grid the values of some fields as they were known at its moment of use.

    Parameters
    ----------
    grid
        Columns `by`, `ts` (the point's time) and `at` (its moment of use), both UTC, and any others, in any
        order. `at="ts"` uses each point at its own time.
    facts
        Columns `by`, `ts`, `known_at` and the fields (numbers); all revisions, in any order. A null says
        nothing: neither a value nor that there is none. Each `by`, `ts` and `known_at` occurs once.
    by
        Columns that say whom or what a fact is about; empty where all facts are about one thing.
    fields
        Column of `facts` to how it fills the grid.
    at
        Column of `grid` with the moment of use.

    Returns
    -------
    pl.DataFrame
        `grid` as it came, and one Float64 column a field.

    Raises
    ------
    ValueError
        A column is missing, has no time zone or a null it must not, or is in both frames.
    """
    _refuse(grid, facts, list(by), list(fields), at)
    points = grid.select(*by, "ts", at) if at != "ts" else grid.select(*by, "ts")
    filled = [_filled(points, facts, list(by), name, way, at) for name, way in fields.items()]
    return grid.with_columns(filled)


def _filled(
    points: pl.DataFrame, facts: pl.DataFrame, by: list[str], field: str, way: Fill, at: str
) -> pl.Series:
    known = _Periods(facts, by, field)
    used_at = points[at].to_physical().to_numpy()
    t = points["ts"].to_physical().to_numpy()
    before, after = known.neighbours(points, used_at)
    old, old_value = known.at(before, used_at)
    new, new_value = known.at(after, used_at)
    limit = np.inf if way.limit is None else way.limit / timedelta(microseconds=1)
    # Distances are whole microseconds; where there is no fact they are not read.
    to_old, to_new = np.where(before >= 0, t - old, 0), np.where(after >= 0, new - t, 0)
    has_old, has_new = before >= 0, after >= 0
    if way.how == "forward":
        value, good = old_value, has_old & (to_old <= limit)
    elif way.how == "nearest_past":
        takes_new = has_new & (~has_old | (to_new < to_old))
        value = np.where(takes_new, new_value, old_value)
        good = (has_old | has_new) & (np.where(takes_new, to_new, to_old) <= limit)
    else:
        between = has_old & has_new
        share = to_old / np.where(between, to_old + to_new, 1)
        # Written so that a line between equal values is that value, to the bit.
        value = np.where(between, old_value + (new_value - old_value) * share, old_value)
        good = has_old & (to_old <= limit) & (~has_new | (to_new <= limit))
    return pl.Series(field, np.where(good, value, 0.0)).set(pl.Series(~good), None)


class _Periods:
    """The facts of one field: their periods sorted by thing and `ts`, each with its revisions."""

    def __init__(self, facts: pl.DataFrame, by: list[str], field: str) -> None:
        self._by = by
        rows = facts.drop_nulls([*by, field]).select(
            *by, "ts", "known_at", pl.col(field).cast(pl.Float64).alias("_value")
        )
        rows = rows.sort([*by, "ts", "known_at"])
        first = ~pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in [*by, "ts"])
        rows = rows.with_columns(first.fill_null(True).cum_sum().cast(pl.Int64).alias("_period") - 1)
        self._revisions = rows.select("_period", "known_at", "_value")
        self._periods = rows.unique("_period", keep="first", maintain_order=True)
        self._ts = self._periods["ts"].to_physical().to_numpy()
        self._first_known: Ints = self._periods["known_at"].to_physical().to_numpy()
        self._minima = _range_minima(self._first_known)

    def neighbours(self, points: pl.DataFrame, used_at: Ints) -> tuple[Ints, Ints]:
        """Numbers of the last known period with `ts` at or before each point, and of the first after; or -1.

        A period is known once any of its revisions is.
        """
        row = points.with_row_index("_row").sort("ts")
        periods = self._periods.select(*self._by, "ts", "_period").sort("ts")

        def beside(strategy: Literal["backward", "forward"], exact: bool) -> Ints:
            joined = row.join_asof(
                periods,
                on="ts",
                by=self._by or None,
                strategy=strategy,
                allow_exact_matches=exact,
                check_sortedness=False,
            )
            return joined.sort("_row")["_period"].fill_null(-1).to_numpy()

        # The nearest in time may not be known yet: go on from it to the nearest that is, in the same thing.
        before, after = beside("backward", True), beside("forward", False)
        first, last = self._bounds()
        back = self._walk(before, used_at, -1)
        ahead = self._walk(after, used_at, 1)
        inside_back = (before >= 0) & (back >= first[before]) & (back >= 0)
        inside_ahead = (after >= 0) & (ahead >= 0) & (ahead <= last[after])
        return np.where(inside_back, back, -1), np.where(inside_ahead, ahead, -1)

    def at(self, period: Ints, used_at: Ints) -> tuple[Ints, NDArray[np.float64]]:
        """`ts` (microseconds) and value of periods as known at some moments; for -1 anything."""
        asked = pl.DataFrame({"_period": period, "at": pl.Series(used_at).cast(UTC_TIME)})
        joined = (
            asked.with_row_index("_row")
            .sort("at")
            .join_asof(
                self._revisions.sort("known_at"),
                left_on="at",
                right_on="known_at",
                by="_period",
                check_sortedness=False,
            )
            .sort("_row")
        )
        value = joined["_value"].fill_null(0.0).to_numpy()
        return (self._ts[period] if len(self._ts) else np.zeros_like(period)), value

    def _bounds(self) -> tuple[Ints, Ints]:
        """First and last period of the thing that each period belongs to."""
        if self._periods.is_empty():
            return np.zeros(1, np.int64), np.zeros(1, np.int64)
        number = pl.col("_period")
        bounds = self._periods.select(
            (number.min().over(self._by) if self._by else number.min()).alias("first"),
            (number.max().over(self._by) if self._by else number.max()).alias("last"),
        )
        if not self._by:
            bounds = pl.concat([bounds.head(1)] * self._periods.height)
        return bounds["first"].to_numpy(), bounds["last"].to_numpy()

    def _walk(self, start: Ints, used_at: Ints, step: Literal[-1, 1]) -> Ints:
        """From each start the first period, going back or ahead, that is known; -1 where there is none.

        Leaves out 2^k unknown periods at a time: a feed whose whole past arrived at once is no slower.
        """
        place, count = start.copy(), len(self._first_known)
        for k in reversed(range(len(self._minima))):
            size, minima = 1 << k, self._minima[k]
            low = place - size + 1 if step < 0 else place
            inside = (place >= 0) & (low >= 0) & (low + size <= count)
            unknown = inside & (minima[np.clip(low, 0, len(minima) - 1)] > used_at)
            place = np.where(unknown, place + step * size, place)
        return np.where(place < count, place, -1)


def _range_minima(values: Ints) -> list[Ints]:
    """Minima of all runs of 1, 2, 4, ... neighbours; the k-th holds that of `values[i : i + 2**k]` at i."""
    minima = [values] if len(values) else []
    while minima and len(minima[-1]) > (size := 1 << (len(minima) - 1)):
        minima.append(np.minimum(minima[-1][:-size], minima[-1][size:]))
    return minima


def _refuse(grid: pl.DataFrame, facts: pl.DataFrame, by: list[str], fields: list[str], at: str) -> None:
    needs: tuple[tuple[str, pl.DataFrame, list[str], list[str]], ...] = (
        ("grid", grid, by, ["ts", at]),
        ("facts", facts, [*by, *fields], ["ts", "known_at"]),
    )
    for what, frame, names, times in needs:
        if missing := [name for name in [*names, *times] if name not in frame.columns]:
            raise ValueError(f"{what}: columns {missing} are missing (has {frame.columns})")
        for name in times:
            dtype: Any = frame.schema[name]
            if dtype != UTC_TIME:
                raise ValueError(f"{what}: {name} is {dtype}, it must be {UTC_TIME}; convert it to UTC")
            if nulls := frame[name].null_count():
                raise ValueError(f"{what}: {nulls} rows have no {name}; fill it or leave them out")
    if clash := sorted(set(fields) & set(grid.columns)):
        raise ValueError(f"the grid has columns {clash} already; rename them there or in the facts")
