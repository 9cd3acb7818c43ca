"""The rules of macro series.

What does not belong here: the columns that they read (`prepare/`), how rules are run (`gate.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_MACRO
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule

_OWNER = "team:market-data"
_VOLATILITIES = ("vix", "cboe_vix")
_CORPORATE_YIELDS = ("aaa_yield", "baa_yield")
_PRICES = ("core_cpi", "us_cpi", "gold_price", "henry_hub_spot", "brent_spot", "shiller_sp500", "shiller_cpi")
_CURVE = tuple(
    f"treasury_{tenor}"
    for tenor in ("1month", "3month", "6month", *(f"{n}year" for n in (1, 2, 3, 5, 7, 10, 20, 30)))
)

RULES: tuple[Rule, ...] = (
    Rule(
        "finite_value",
        VALIDATED_MACRO.name,
        "blocking",
        _OWNER,
        "NaN and infinity are artefacts of some computation",
        "ask the publisher for the value",
        (IsTrue("finite"),),
    ),
    Rule(
        "known_after_period",
        VALIDATED_MACRO.name,
        "blocking",
        _OWNER,
        "a value that is known before its period ended would let a model see the future",
        "check the publication lag in lim_pipelines/sources/macro.py",
        (Between("seconds_to_known", low=0),),
    ),
    Rule(
        "positive_level",
        VALIDATED_MACRO.name,
        "blocking",
        _OWNER,
        "price indices, volatilities and corporate yields are positive, and so have been gold, gas and Brent;"
        " WTI was paid -36.98 for on 2020-04-20, and bills of the state have yielded less than nothing",
        "correct the value at the publisher",
        (
            Between(
                "value",
                low=0,
                strict=True,
                where={"series_id": (*_PRICES, *_VOLATILITIES, *_CORPORATE_YIELDS)},
            ),
        ),
    ),
    Rule(
        "plausible_level",
        VALIDATED_MACRO.name,
        "warning",
        _OWNER,
        "beyond anything these series have shown in a century; probably a wrong unit",
        "check the unit",
        (
            Between("value", high=150, where={"series_id": _VOLATILITIES}),
            Between("value", high=25, where={"series_id": (*_CORPORATE_YIELDS, "us_10y_yield")}),
            Between("value", low=-0.05, high=0.25, where={"series_id": _CURVE}),
        ),
    ),
)
