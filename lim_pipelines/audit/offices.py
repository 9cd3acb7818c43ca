"""How long each macro series takes at the very least from the end of its period to its publication.

These are lower bounds that no release has ever undercut, not the lags that set `known_at` (`sources/`): a
value that is out sooner than that was dated back. What does not belong here: holding rows against them
(`published.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from lim_pipelines.sources import frbny_vintages, macro, macro_series

PRICES: Final = timedelta(days=9)
"""The Bureau of Labor Statistics has never been out with a month's prices before the tenth."""

REPORTS: Final = timedelta(days=20)
"""Reports of companies, which a month's dividends and earnings are put together of; quarterly accounts."""

MEANS: Final = timedelta(hours=12)
"""The mean of a month's days comes out on a business day after it."""

STATISTICS: Final = timedelta(days=5)
"""Surveys of shops, plants and builders are counted first; none is out in the first five days."""

AT_ONCE: Final = timedelta(0)
"""Daily values; surveys and payrolls, which ask in the middle of the month and come on its first days."""

_PRICES = ("core_cpi", "us_cpi", "shiller_cpi", "frbny.CPIAUCSL", "frbny.CPILFESL")
_REPORTS = ("shiller_dividend", "shiller_earnings", "shiller_cape")
_ACCOUNTS = ("frbny.GDPC1", "frbny.A261RX1Q020SBEA", "frbny.ULCNFB")
_JOBS = ("frbny.PAYEMS", "frbny.UNRATE")
_MEANS = (
    *("aaa_yield", "baa_yield", "gold_price", "shiller_sp500", "shiller_long_rate", "us_10y_yield"),
    *(s.series_id for s in macro_series.SERIES if s.series_id.startswith(("usd_rate_", "oecd_short_rate_"))),
)
_DAILY = (s.series_id for s in (*macro.MACRO_SERIES, *macro_series.SERIES) if s.period == "1d")
_SURVEYS = (s.series_id for s in frbny_vintages.SERIES if s.survey)
_STATISTICS = (s.series_id for s in frbny_vintages.SERIES if not s.survey)

OFFICE_TAKES: Final[dict[str, timedelta]] = {
    **dict.fromkeys(_STATISTICS, STATISTICS),
    **dict.fromkeys(_MEANS, MEANS),
    **dict.fromkeys((*_REPORTS, *_ACCOUNTS), REPORTS),
    **dict.fromkeys(_PRICES, PRICES),
    **dict.fromkeys((*_DAILY, *_SURVEYS, *_JOBS), AT_ONCE),
}
"""Series to its lower bound. A series without one disobeys the law: nothing is known of it."""
