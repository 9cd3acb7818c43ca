"""Futures exchanges. Copy a neighbour to add one; docs/adding-an-exchange.md says how to check it.

What does not belong here: stock exchanges (`shares.py`), contracts, their ticks and expiries
(`instruments.py`).

Products of one exchange keep different hours; the widest are given. Half days differ by product, too: on
Martin Luther King Day share index futures stop at noon, currency futures do not. So exchanges whose hours are
given here have no half days, XNYM excepted. Costs are assumptions for liquid contracts; shorts borrow
nothing.
"""

from datetime import date, time
from functools import partial

from lim_pipelines.exchanges.exchange import Exchange, Stretch
from lim_pipelines.exchanges.rules import FUTURES as RULES


def _evening(opens: time, closes: time, later: time, until: date) -> tuple[Stretch, Stretch]:
    """Trading from the evening before; `later` is the close of sessions up to `until`."""
    return (
        Stretch(opens, later, "day_before", last=until),
        Stretch(opens, closes, "day_before", first=date.fromordinal(until.toordinal() + 1)),
    )


# Globex closed at 16:15 Chicago until September 2015 (with a stop at 15:15 for indices), at 16:00 since.
_LATE_CLOSE_UNTIL = date(2015, 9, 18)
_GLOBEX_CHICAGO = _evening(time(17), time(16), time(16, 15), _LATE_CLOSE_UNTIL)
_GLOBEX_NEW_YORK = _evening(time(18), time(17), time(17, 15), _LATE_CLOSE_UNTIL)


def _chinese(first_night: date, night_ends: time) -> tuple[Stretch, ...]:
    """Chinese day with its breaks, after a night that is dropped before holidays and was in the pandemic."""
    night = partial(Stretch, time(21), night_ends, "session_before", through_holidays=False)
    return (
        night(first=first_night, last=date(2020, 2, 3)),
        night(first=date(2020, 5, 7)),
        Stretch(time(9), time(10, 15)),
        Stretch(time(10, 30), time(11, 30)),
        Stretch(time(13, 30), time(15)),
    )


_HONG_KONG = (
    # After-hours trading: until 23:00 at first, until 3:00 since 2019; the widest.
    Stretch(time(17), time(3), "session_before", first=date(2013, 4, 9)),
    Stretch(time(9, 15), time(12)),
    Stretch(time(13), time(16, 30)),
)

_futures = partial(Exchange, rules=RULES, commission_bps=0.5, half_spread_bps=1.5, borrow_bps_per_year=0.0)
_cme = partial(_futures, calendar="CMES", currency="USD")
_china = partial(
    _futures,
    calendar="XSHG",
    timezone="Asia/Shanghai",
    currency="CNY",
    half_spread_bps=2.0,
    calendar_hours=False,
)

FUTURES = (
    _cme("XCME", "CME", timezone="America/Chicago", hours=_GLOBEX_CHICAGO, calendar_hours=False),
    _cme("XCBT", "CBOT", timezone="America/Chicago", hours=_GLOBEX_CHICAGO, calendar_hours=False),
    _cme("XCEC", "COMEX", timezone="America/New_York", hours=_GLOBEX_NEW_YORK, calendar_hours=False),
    # Sessions close with the calendar's day, an hour after trading: daily oil has always been stamped so.
    _cme("XNYM", "NYMEX", timezone="America/New_York", hours=_GLOBEX_NEW_YORK),
    _cme("XCBF", "Cboe Futures", timezone="America/Chicago", hours=_GLOBEX_CHICAGO, calendar_hours=False),
    # 20:00 to 18:00 in New York, which Brent follows in London through both changes of the clock.
    _futures("IFUS", "ICE US", calendar="IEPA", timezone="America/New_York", currency="USD"),
    _futures("IFEU", "ICE Europe", calendar="IEPA", timezone="Europe/London", currency="USD"),
    _china("XSGE", "Shanghai Futures (SHFE)", hours=_chinese(date(2013, 7, 8), time(2, 30))),
    _china("XINE", "Shanghai Energy (INE)", hours=_chinese(date(2018, 3, 27), time(2, 30))),
    # Nights of Dalian ended at 2:30 in the first year, at 23:30 and 23:00 later.
    _china("XDCE", "Dalian (DCE)", hours=_chinese(date(2014, 7, 7), time(2, 30))),
    _china("XZCE", "Zhengzhou (CZCE)", hours=_chinese(date(2014, 12, 15), time(23, 30))),
    _futures(
        "XEUR",
        "Eurex",
        calendar="XEUR",
        timezone="Europe/Berlin",
        currency="EUR",
        # From 7:50 before December 2018; the widest.
        hours=(Stretch(time(1, 10), time(22)),),
        calendar_hours=False,
    ),
    _futures(
        "XEUE",
        "Euronext Amsterdam, derivatives",
        calendar="XAMS",
        timezone="Europe/Amsterdam",
        currency="EUR",
    ),
    _futures("XMON", "Euronext Paris, derivatives", calendar="XPAR", timezone="Europe/Paris", currency="EUR"),
    _futures("XKFE", "Korea, derivatives", calendar="XKRX", timezone="Asia/Seoul", currency="KRW"),
    _futures("XOSE", "Osaka, derivatives", calendar="XTKS", timezone="Asia/Tokyo", currency="JPY"),
    _futures("XSES", "Singapore", calendar="XSES", timezone="Asia/Singapore", currency="USD"),
    _futures(
        "XHKF",
        "Hong Kong Futures",
        calendar="XHKG",
        timezone="Asia/Hong_Kong",
        currency="HKD",
        hours=_HONG_KONG,
        calendar_hours=False,
    ),
)
