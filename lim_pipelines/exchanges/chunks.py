"""A long range of dates, cut into pieces of a few sessions each.

What does not belong here: what is done with a piece (`assets/backfills.py`).
"""

from __future__ import annotations

from datetime import date, timedelta

from lim_pipelines.exchanges.calendars import sessions


def chunks(mic: str, first: date, last: date, size: int) -> list[tuple[date, date]]:
    """Cut a range of dates into pieces of at most `size` sessions.

    Parameters
    ----------
    mic
        Exchange identifier.
    first, last
        The range, both included.
    size
        Sessions a piece, at least 1.

    Returns
    -------
    list of (date, date)
        First and last date of each piece, both included, in order; together they are the range, closed days
        too. Empty where the range has no session.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    ValueError
        `first` lies before the first known session year.
    """
    starts = sessions(mic, first, last)["date"].to_list()[::size]
    if not starts:
        return []
    begins = [first, *starts[1:]]
    return list(zip(begins, [*(start - timedelta(days=1) for start in begins[1:]), last], strict=True))
