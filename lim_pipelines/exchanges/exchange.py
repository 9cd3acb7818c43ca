"""What an exchange is: identity, clock, trading hours, lags, and what trading costs there.

What does not belong here: the exchanges themselves (`shares.py`, `futures.py`, `always_open.py`), calendars
(`calendars.py`), rules that changed over time (`rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal

from lim_pipelines.exchanges.rules import RuleBook


@dataclass(frozen=True)
class Stretch:
    """One continuous stretch of a session's trading, on the exchange's clock.

    Parameters
    ----------
    opens, closes
        Times of day. A close that is not after the open lies on the next day.
    begins
        Day on which it opens: the session's own, the calendar day before it, or the day of the session before
        it (the night trading of Asia: Friday night belongs to Monday).
    through_holidays
        False where a night is left out if a weekday without session lies between it and its session.
    first, last
        Session dates, both included, for which it holds; None is open.
    """

    opens: time
    closes: time
    begins: Literal["session", "day_before", "session_before"] = "session"
    through_holidays: bool = True
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Exchange:
    """One exchange.

    Parameters
    ----------
    mic
        ISO 10383 market identifier. Venues that have none (retail FX, crypto) go by a plain name.
    name
        Name for people.
    calendar
        Name of the calendar in `exchange_calendars` that says on which days there are sessions.
    timezone
        IANA zone of the exchange's clock and of its session dates.
    currency
        ISO 4217 code of its prices, where an instrument does not say otherwise.
    rules
        Trading rules with the dates from which they hold.
    commission_bps, half_spread_bps
        Basis points of traded value, each way. Assumptions for liquid instruments, constant over time, not
        quotes.
    borrow_bps_per_year
        Basis points a year of the value held short. An assumption of the same kind.
    hours
        Stretches of trading in the order of time, the widest of its instruments. Empty where the calendar
        knows them.
    calendar_hours
        Whether a session runs from the calendar's open to its close, half days included, and `hours` only
        says when within it there is trading. False: the calendar lends its days only, and a session runs from
        the first open of `hours` to the last close.
    closed
        (month, day) without session, besides those of the calendar.
    feed_lag
        Time between a bar's end and the moment our feed has it.
    decision_lag
        Time between a session's close and the moment strategies decide on it. The fill is the next session's
        close, so all that is known until then may be used, also files that come late. At least `feed_lag`,
        and before the next session's close.
    simulated
        True where no real market stands behind it; reports say so.

    Raises
    ------
    ValueError
        The decision would come before the feed, or a session would have no hours.
    """

    mic: str
    name: str
    calendar: str
    timezone: str
    currency: str
    rules: RuleBook
    commission_bps: float
    half_spread_bps: float
    borrow_bps_per_year: float
    hours: tuple[Stretch, ...] = ()
    calendar_hours: bool = True
    closed: tuple[tuple[int, int], ...] = ()
    feed_lag: timedelta = timedelta(minutes=15)
    decision_lag: timedelta = timedelta(hours=6)
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.decision_lag < self.feed_lag:
            raise ValueError(
                f"exchange {self.mic}: decision_lag {self.decision_lag} is shorter than feed_lag"
                f" {self.feed_lag}, no decision would know its own session; raise decision_lag in"
                " lim_pipelines/exchanges/"
            )
        if not (self.calendar_hours or self.hours):
            raise ValueError(
                f"exchange {self.mic}: calendar_hours is False and hours is empty, so its sessions have no"
                " time; give hours in lim_pipelines/exchanges/"
            )
