"""Exchanges: calendar, time zone, currency, settlement, and what trading costs there.

What does not belong here: instruments (`instruments.py`), vendor symbols (`sources/`), the cost arithmetic
(`backtest/costs.py`).

Sessions come from `exchange_calendars`; it imports pandas, so it is loaded when first asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import polars as pl

from lim_pipelines.schemas import UTC_TIME


@dataclass(frozen=True)
class Exchange:
    """One exchange and its rules.

    Parameters
    ----------
    mic
        ISO 10383 market identifier, or XSIM.
    name
        Name for people.
    calendar
        Name of the session calendar in `exchange_calendars`.
    timezone
        IANA zone of the exchange's clock and of its session dates.
    currency
        ISO 4217 code of its prices.
    settlement_days
        Sessions between trade and settlement.
    same_day_sale
        Whether what was bought today may be sold today (False is the T+1 rule of Chinese shares).
    commission_bps, half_spread_bps
        Basis points of traded value, each way. Assumptions for liquid instruments, not quotes.
    borrow_bps_per_year
        Basis points a year of the value held short.
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
        The decision would come before the feed.
    """

    mic: str
    name: str
    calendar: str
    timezone: str
    currency: str
    settlement_days: int
    same_day_sale: bool
    commission_bps: float
    half_spread_bps: float
    borrow_bps_per_year: float
    feed_lag: timedelta = timedelta(minutes=15)
    decision_lag: timedelta = timedelta(hours=6)
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.decision_lag < self.feed_lag:
            raise ValueError(
                f"exchange {self.mic}: decision_lag {self.decision_lag} is shorter than feed_lag"
                f" {self.feed_lag}, no decision would know its own session; raise decision_lag in"
                " lim_pipelines/exchanges.py"
            )


EXCHANGES: dict[str, Exchange] = {
    exchange.mic: exchange
    for exchange in (
        Exchange("XNAS", "Nasdaq", "XNAS", "America/New_York", "USD", 2, True, 0.5, 1.5, 50.0),
        Exchange("XNYM", "NYMEX", "CMES", "America/New_York", "USD", 1, True, 0.5, 1.5, 0.0),
        Exchange(
            "XNYS", "New York Stock Exchange", "XNYS", "America/New_York", "USD", 2, True, 0.5, 1.5, 50.0
        ),
        Exchange(
            "XSIM",
            "Simulated exchange",
            "XNYS",
            "America/New_York",
            "USD",
            0,
            True,
            0.5,
            2.0,
            50.0,
            simulated=True,
        ),
    )
}


class UnknownExchangeError(KeyError):
    """No exchange of that identifier is registered."""

    def __init__(self, mic: str) -> None:
        super().__init__(
            f"exchange {mic!r} is not registered (known: {', '.join(sorted(EXCHANGES))});"
            " add it to EXCHANGES in lim_pipelines/exchanges.py"
        )


def get_exchange(mic: str) -> Exchange:
    """Return a registered exchange.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    """
    try:
        return EXCHANGES[mic]
    except KeyError:
        raise UnknownExchangeError(mic) from None


FIRST_CALENDAR_YEAR = 1986
"""First year for which sessions are known; the embedded WTI quotes begin there."""


@lru_cache(maxsize=32)
def _calendar_sessions(calendar: str, last_year: int) -> pl.DataFrame:
    import exchange_calendars

    calendar_object = exchange_calendars.get_calendar(
        calendar, start=f"{FIRST_CALENDAR_YEAR}-01-01", end=f"{last_year}-12-31"
    )
    schedule = calendar_object.schedule
    return pl.DataFrame(
        {
            "date": schedule.index.to_numpy(),
            "open": schedule["open"].dt.tz_localize(None).to_numpy(),
            "close": schedule["close"].dt.tz_localize(None).to_numpy(),
        }
    ).with_columns(
        pl.col("date").cast(pl.Date), pl.col("open", "close").dt.replace_time_zone("UTC").cast(UTC_TIME)
    )


def sessions(mic: str, start: date, end: date) -> pl.DataFrame:
    """Sessions of an exchange from `start` to `end`, both included.

    Parameters
    ----------
    mic
        Exchange identifier.
    start, end
        Session dates in the exchange's zone.

    Returns
    -------
    pl.DataFrame
        Columns date, open, close (UTC), one row a session, sorted. Half days close early.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        `start` lies before the first known session year.
    """
    if start.year < FIRST_CALENDAR_YEAR:
        raise ValueError(f"{mic}: sessions before {FIRST_CALENDAR_YEAR} are not known, asked for {start}")
    # A few fixed horizons instead of one calendar per request: building one takes seconds.
    horizon = max(2020, 5 * -(-end.year // 5))
    frame = _calendar_sessions(get_exchange(mic).calendar, horizon)
    return frame.filter(pl.col("date").is_between(start, end))
