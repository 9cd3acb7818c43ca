"""Stock exchanges. Copy a neighbour to add one; docs/adding-an-exchange.md says how to check it.

What does not belong here: futures exchanges (`futures.py`).

Hours and half days come from the calendars. Trading before and after hours belongs to no session. Costs are
assumptions for liquid shares.
"""

from lim_pipelines.exchanges.exchange import Exchange
from lim_pipelines.exchanges.rules import (
    CN_A_SHARES,
    HK_SHARES,
    IN_SHARES,
    JP_SHARES,
    SIMULATED,
    US_SHARES,
)

SHARES = (
    Exchange("XNAS", "Nasdaq", "XNAS", "America/New_York", "USD", US_SHARES, 0.5, 1.5, 50.0),
    Exchange("XNYS", "New York Stock Exchange", "XNYS", "America/New_York", "USD", US_SHARES, 0.5, 1.5, 50.0),
    # Commission of a large account with transfer and regulatory fees; loans of shares are dear and scarce.
    Exchange("XSHG", "Shanghai", "XSHG", "Asia/Shanghai", "CNY", CN_A_SHARES, 2.5, 3.0, 800.0),
    Exchange("XSHE", "Shenzhen", "XSHG", "Asia/Shanghai", "CNY", CN_A_SHARES, 2.5, 3.0, 800.0),
    Exchange("XHKG", "Hong Kong", "XHKG", "Asia/Hong_Kong", "HKD", HK_SHARES, 3.0, 4.0, 100.0),
    # Both Indian exchanges keep the same hours and holidays.
    Exchange(
        "XNSE", "National Stock Exchange of India", "XBOM", "Asia/Kolkata", "INR", IN_SHARES, 1.0, 2.5, 0.0
    ),
    Exchange("XTKS", "Tokyo", "XTKS", "Asia/Tokyo", "JPY", JP_SHARES, 1.0, 3.0, 50.0),
    Exchange(
        "XSIM",
        "Simulated exchange",
        "XNYS",
        "America/New_York",
        "USD",
        SIMULATED,
        0.5,
        2.0,
        50.0,
        simulated=True,
    ),
)
