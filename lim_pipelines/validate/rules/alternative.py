"""The rules of alternative data, as data.

What does not belong here: the columns that they read (`prepare/alternative.py`), running them (`gate.py`).
"""

from __future__ import annotations

from datetime import timedelta

from lim_pipelines.schemas import VALIDATED_EVENTS, VALIDATED_FACTS, VALIDATED_RELATIONS, VALIDATED_TEXTS
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule

PERIODS = ("Q", "FY", "YTD", "instant")
FORWARD_FIELDS = ("eps_estimate", "implied_volatility")
"""What is said of a release beforehand."""
SCRAPED_FIELDS = (*FORWARD_FIELDS, "eps_surprise_percent")
"""What nobody kept the publication time of: known when it arrived, however old."""
FORWARD_KINDS = ("earnings_scheduled",)
"""Events that are known before they happen."""

_OWNER = "team:alternative-data"
_LONG_AGO = timedelta(days=50 * 365)
_OLD = timedelta(days=3 * 365)


def _finite(name: str, table: str) -> Rule:
    return Rule(
        name,
        table,
        "blocking",
        _OWNER,
        "NaN and infinity are artefacts of some computation; what is not known has no row, or is null",
        "ask the vendor for the value",
        (IsTrue("finite"),),
    )


def _not_before_it_happened(name: str, table: str, check: Between) -> Rule:
    return Rule(
        name,
        table,
        "blocking",
        _OWNER,
        "what is known before the moment it describes would let a model see the future; only what is"
        " announced or estimated beforehand may be",
        "check the date, the publication time and the time zone of the source",
        (check,),
    )


_KNOWN_LATER = Between("seconds_to_known", low=0)

RULES: tuple[Rule, ...] = (
    _finite("finite_fact", VALIDATED_FACTS.name),
    _not_before_it_happened(
        "future_fact",
        VALIDATED_FACTS.name,
        Between("seconds_to_known", low=0, unless={"field": FORWARD_FIELDS}),
    ),
    Rule(
        "impossible_period",
        VALIDATED_FACTS.name,
        "blocking",
        _OWNER,
        "a figure is over a quarter, a fiscal year, the year to date, or of an instant, and none is published"
        " fifty years after",
        f"name the period as one of {', '.join(PERIODS)}, and check the year",
        (IsTrue("known_period"), Between("seconds_to_known", high=_LONG_AGO.total_seconds())),
    ),
    Rule(
        "not_negative",
        VALIDATED_FACTS.name,
        "blocking",
        _OWNER,
        "assets, liabilities and volatilities cannot be below zero; equity, cash flows and earnings can",
        "correct the sign at the vendor",
        (
            Between(
                "value", low=0, where={"field": ("assets", "cur_assets", "cur_liab", "implied_volatility")}
            ),
        ),
    ),
    Rule(
        "possible_amount",
        VALIDATED_FACTS.name,
        "blocking",
        _OWNER,
        "no company has ever had 10 trillion dollars of anything, nor earned 100,000 dollars a share (the"
        " dearest share earned 60,000 in 2021): such figures are filed in the wrong unit",
        "correct the unit at the vendor",
        (
            Between("value", low=-1e13, high=1e13, where={"unit": ("USD",)}),
            Between("value", low=-1e5, high=1e5, where={"unit": ("USD/share",)}),
        ),
    ),
    Rule(
        "usual_earnings",
        VALIDATED_FACTS.name,
        "warning",
        _OWNER,
        "earnings beyond 500 dollars a share are rarer than figures filed in thousands",
        "compare with the net income and the number of shares",
        (Between("value", low=-500, high=500, where={"unit": ("USD/share",)}),),
    ),
    Rule(
        "cash_not_negative",
        VALIDATED_FACTS.name,
        "warning",
        _OWNER,
        "an overdraft is a liability, not negative cash",
        "look at the balance sheet",
        (Between("value", low=0, where={"field": ("cash",)}),),
    ),
    Rule(
        "timely",
        VALIDATED_FACTS.name,
        "warning",
        _OWNER,
        "a figure published more than three years after its period is filed very late, or its year is wrong",
        "check the year",
        (Between("seconds_to_known", high=_OLD.total_seconds(), unless={"field": SCRAPED_FIELDS}),),
    ),
    _finite("finite_event", VALIDATED_EVENTS.name),
    _not_before_it_happened(
        "future_event",
        VALIDATED_EVENTS.name,
        Between("seconds_to_known", low=0, unless={"kind": FORWARD_KINDS}),
    ),
    Rule(
        "named_event",
        VALIDATED_EVENTS.name,
        "blocking",
        _OWNER,
        "an event of no kind says nothing",
        "name its kind",
        (IsTrue("has_words"),),
    ),
    Rule(
        "empty_text",
        VALIDATED_TEXTS.name,
        "blocking",
        _OWNER,
        "a text without words says nothing, and every encoder makes something of it",
        "leave the row out at the source",
        (IsTrue("has_words"),),
    ),
    _not_before_it_happened("future_text", VALIDATED_TEXTS.name, _KNOWN_LATER),
    _finite("finite_relation", VALIDATED_RELATIONS.name),
    _not_before_it_happened("future_relation", VALIDATED_RELATIONS.name, _KNOWN_LATER),
    Rule(
        "self_relation",
        VALIDATED_RELATIONS.name,
        "blocking",
        _OWNER,
        "nothing stands in a relation to itself: two names of one company were taken for two, or two"
        " companies are linked as one",
        "look at both names in the raw table; if a link is wrong, reject it in landing/link_decisions",
        (IsTrue("between_two"),),
    ),
    Rule(
        "named_relation",
        VALIDATED_RELATIONS.name,
        "blocking",
        _OWNER,
        "a relation needs two ends and a name",
        "ask the vendor for the words that are missing",
        (IsTrue("has_words"),),
    ),
    Rule(
        "no_negative_weight",
        VALIDATED_RELATIONS.name,
        "blocking",
        _OWNER,
        "nothing is reported less than never; 0 is a relation that is no longer there",
        "send how often the relation was reported",
        (Between("weight", low=0),),
    ),
)
