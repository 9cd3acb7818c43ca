"""The rules of bars that need nothing but the bar.

What does not belong here: what needs its listing, exchange or session (`reference.py`), its bid or ask
(`quotes.py`), its past (`history.py`), other bars of its session (`agreement.py`), the columns that rules
read (`prepare/`), how rules are run (`gate.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between, IsTrue, NotBelow
from lim_pipelines.validate.rule import Rule

_PRICES = ("open", "high", "low", "close")
_POSITIVE = ("equity", "fx", "crypto")
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
        "known_values",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a bar without exchange, instrument or source is nobody's, and models have no embedding for an"
        " unknown length, price type or asset class",
        "name it as the column's description in lim_pipelines/schemas/columns.py lists it",
        (IsTrue("known_values"),),
    ),
    Rule(
        "positive_prices",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "shares, currencies and coins cannot cost zero or less; commodities can, WTI settled at -37.63 on"
        " 2020-04-20",
        "correct the price at the vendor, or leave the field empty",
        tuple(Between(p, low=0, strict=True, where={"asset_class": _POSITIVE}) for p in _PRICES),
    ),
    Rule(
        "positive_index",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "an index of prices is above zero; one of interest rates may go below, as those of bills did in 2020",
        "see what the index measures; of prices, correct it at the vendor",
        tuple(Between(p, low=0, strict=True, where={"asset_class": ("index",)}) for p in _PRICES),
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
        "counts_not_negative",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "trades, contracts open and value traded are counted from nothing upwards; value is negative only"
        " where the price is, of commodities",
        "correct the count, or leave the field empty",
        (
            Between("trades", low=0),
            Between("open_interest", low=0),
            Between("turnover", low=0, where={"asset_class": _POSITIVE}),
        ),
    ),
    Rule(
        "vwap_in_range",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "an average lies between the lowest and the highest, but for 1 %: the US tape counts odd lots in"
        " volume and average, and not in high and low",
        "check whether the average is of another session, or of prices in another unit or adjustment",
        (Between("vwap_beyond", high=0.01),),
    ),
    Rule(
        "turnover_agrees",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "value traded over volume and multiplier is an average price, so it lies in the bar's range but"
        " for 2 % of trades that count in one figure and not in the other",
        "check the units of volume (shares, lots, thousands) and value, and the listing's multiplier",
        (Between("turnover_beyond", high=0.02),),
    ),
    Rule(
        "ex_factor_range",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "splits beyond 2000:1 in one day are unheard of (Japan Tobacco's was 200:1, INPEX's 400:1); a wrong"
        " factor is a false return. What lies below is looked at by jump and action_applied",
        "check the corporate action, or whether the adjusted close belongs to this instrument",
        (Between("ex_factor", low=1 / 2000, high=2000),),
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
        "complete_bar",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a share's day that has a close has an open, a high, a low and a volume: Google Finance wrote 0 for"
        " prices in 8,694 and for the volume in 11,021 of 2,723,151 rows, which parsing makes missing",
        "ask another vendor for the bar; models take it without them",
        (IsTrue("complete_bar"),),
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
