"""The rules of macro series.

What does not belong here: the columns that they read (`prepare/`), how rules are run (`gate.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_MACRO
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule

_OWNER = "team:market-data"

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
        "price indices, volatilities and corporate yields are positive",
        "correct the value at the publisher",
        (
            Between(
                "value",
                low=0,
                strict=True,
                where={"series_id": ("core_cpi", "vix", "aaa_yield", "baa_yield")},
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
            Between("value", high=150, where={"series_id": ("vix",)}),
            Between("value", high=25, where={"series_id": ("aaa_yield", "baa_yield")}),
        ),
    ),
)
