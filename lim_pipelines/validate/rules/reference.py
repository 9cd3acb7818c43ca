"""The rules of bars against what is known of exchange and instrument: sessions, listings, ticks, limits.

What does not belong here: prices of other moments (`history.py`), the columns that rules read (`prepare/`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule

_OWNER = "team:market-data"
AS_TRADED = (
    *("lean", "pystock", "pystock_collection", "fxcm", "nautilus_bars", "btc_perp", "csv_drop", "feed"),
    *("trademaster_futures", "trademaster_shares"),
)
"""Sources whose prices are as traded: adjusted ones lie between ticks."""

RULES: tuple[Rule, ...] = (
    Rule(
        "ts_in_session",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a session ends by the end of its date (UTC), and its first bars are of an evening before it: Asia's"
        " night trading belongs to the next session, which may be a long weekend away",
        "check the time zone of the source",
        (Between("days_from_session", low=-7, high=0),),
    ),
    Rule(
        "in_session",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "trading happens in the exchange's hours, and a day's bar ends at its session's close. Alignment"
        " holds back what does not (outside_session, closed_session); if any is left, the two disagree on"
        " the hours",
        "align the partition again: the hours in lim_pipelines/exchanges/ have changed since",
        (IsTrue("in_session"),),
    ),
    Rule(
        "not_expired",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a contract that has expired trades no more: its bar is another contract's, or the expiry is wrong",
        "check the contract's month in the file, and its expiry in the table listings",
        (Between("days_to_expiry", low=0),),
    ),
    Rule(
        "listed",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "before its first listing and after its last an instrument has no price: the symbol was another"
        " firm's",
        "correct the listing's dates, or the symbol",
        (IsTrue("listed"),),
    ),
    Rule(
        "price_on_tick",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "contracts, currencies and quotes of shares are priced in whole ticks; a price between two is"
        " adjusted, averaged, or in another unit. Trades of US shares print inside the cent and are not"
        " judged, nor are coins, whose venues change their ticks",
        "check whether the vendor adjusts prices, and the listing's tick_size",
        (IsTrue("on_tick"),),
        sources=AS_TRADED,
    ),
    Rule(
        "volume_on_lot",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "shares are counted in ones (a sum of odd lots is no multiple of a lot), contracts and coins in the"
        " listing's lots; a fraction is a volume in another unit, or adjusted",
        "check whether the vendor adjusts volumes or counts in thousands",
        (IsTrue("on_lot"),),
        sources=AS_TRADED,
    ),
    Rule(
        "price_limit",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "an exchange with a daily limit trades nothing beyond it (10 % for main-board A shares since 1996,"
        " from the previous close; within a bar from limit to limit); half a percent is left for rounding"
        " to ticks. New listings, and boards with wider limits, may pass",
        "check for a corporate action without ex factor, and whether the share is of another board",
        (Between("beyond_limit", high=0.005),),
    ),
    Rule(
        "action_applied",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "the factor of an ex-date is what the source's own corporate actions of that date multiply to; else a"
        " split or dividend counts twice or not at all",
        "compare corporate_actions with the bar's ex_factor, and read the file of factors again",
        (Between("off_action", high=0.005),),
    ),
)
