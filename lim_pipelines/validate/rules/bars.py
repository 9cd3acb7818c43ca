"""The rules of bars that need nothing but the bar.

What does not belong here: the columns that they read (`prepare/`), how rules are run (`gate.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between, IsTrue, NotBelow
from lim_pipelines.validate.rule import Rule

_PRICES = ("open", "high", "low", "close")
_POSITIVE = ("equity", "index", "fx", "crypto")
_SHARE_DAYS = {"asset_class": ("equity",), "freq": ("1d",), "price_type": ("trade",)}
_OWNER = "team:market-data"


RULES: tuple[Rule, ...] = (
    Rule(
        "finite_numbers",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "NaN and infinity are artefacts of some computation; a missing value is null",
        "ask the vendor for the value, or leave the field empty",
        (IsTrue("finite"),),
    ),
    Rule(
        "positive_prices",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "shares, indices, currencies and coins cannot cost zero or less; commodities can, WTI settled at"
        " -37.63 on 2020-04-20",
        "correct the price at the vendor, or leave the field empty",
        tuple(Between(p, low=0, strict=True, where={"asset_class": _POSITIVE}) for p in _PRICES),
    ),
    Rule(
        "ohlc_order",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "the high is the highest and the low the lowest price of the bar",
        "check for swapped columns or mixed adjustments",
        (
            *(NotBelow("high", price) for price in ("open", "low", "close")),
            *(NotBelow(price, "low") for price in ("open", "close")),
        ),
    ),
    Rule(
        "volume_not_negative",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "nobody trades less than nothing",
        "correct the volume, or leave the field empty",
        (Between("volume", low=0),),
    ),
    Rule(
        "ex_factor_range",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "splits beyond 1:100 or 100:1 in one day are unheard of; a wrong factor is a false return",
        "check the corporate action, or whether the adjusted close belongs to this instrument",
        (Between("ex_factor", low=0.01, high=100),),
    ),
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
        "known_after_end",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a bar that is known before it ended would let a model see the future",
        "check the feed lag and the time zone of the source",
        (Between("seconds_to_known", low=0),),
    ),
    Rule(
        "jump",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a total return beyond a factor of 1.65 in one bar is rarer than a missed split",
        "look for a corporate action without ex factor, or a misplaced decimal point",
        (Between("log_return", low=-0.5, high=0.5),),
    ),
    Rule(
        "traded",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a listed share that trades nothing all day was halted, or its volume is missing",
        "check for a halt; an unknown volume should be empty, not 0",
        (Between("volume", low=0, strict=True, where=_SHARE_DAYS),),
    ),
)
