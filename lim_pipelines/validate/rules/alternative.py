"""The rules of events, texts and relations.

What does not belong here: the columns that they read (`prepare/alternative.py`), running them (`gate.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_EVENTS, VALIDATED_RELATIONS, VALIDATED_TEXTS
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.rules import common

FORWARD_KINDS = ("earnings_scheduled",)
"""Events that are known before they happen."""

_KNOWN_LATER = Between("seconds_to_known", low=0)

RULES: tuple[Rule, ...] = (
    common.finite("finite_event", VALIDATED_EVENTS.name),
    common.not_before_it_happened(
        "future_event",
        VALIDATED_EVENTS.name,
        Between("seconds_to_known", low=0, unless={"kind": FORWARD_KINDS}),
    ),
    Rule(
        "named_event",
        VALIDATED_EVENTS.name,
        "blocking",
        common.OWNER,
        "an event of no kind says nothing",
        "name its kind",
        (IsTrue("has_words"),),
    ),
    Rule(
        "filed_on_a_weekday",
        VALIDATED_EVENTS.name,
        "warning",
        common.OWNER,
        "the SEC accepts filings from Monday to Friday, on New York's clock",
        "check the date and the time zone of the source",
        (Between("new_york_weekday", high=5, where={"kind": ("filing",)}),),
    ),
    common.timely(
        "timely_event",
        VALIDATED_EVENTS.name,
        Between("seconds_to_known", high=common.OLD.total_seconds(), unless={"kind": FORWARD_KINDS}),
    ),
    common.own_partition("year_of_event", VALIDATED_EVENTS.name),
    Rule(
        "empty_text",
        VALIDATED_TEXTS.name,
        "blocking",
        common.OWNER,
        "a text without words says nothing, and every encoder makes something of it",
        "leave the row out at the source",
        (IsTrue("has_words"),),
    ),
    common.not_before_it_happened("future_text", VALIDATED_TEXTS.name, _KNOWN_LATER),
    Rule(
        "readable_text",
        VALIDATED_TEXTS.name,
        "warning",
        common.OWNER,
        "control characters and the mark of what could not be decoded come of a wrong encoding",
        "read the file in its own encoding; UTF-8 is expected",
        (IsTrue("readable"),),
    ),
    common.timely(
        "timely_text", VALIDATED_TEXTS.name, Between("seconds_to_known", high=common.OLD.total_seconds())
    ),
    common.own_partition("day_of_text", VALIDATED_TEXTS.name),
    common.finite("finite_relation", VALIDATED_RELATIONS.name),
    common.not_before_it_happened("future_relation", VALIDATED_RELATIONS.name, _KNOWN_LATER),
    Rule(
        "self_relation",
        VALIDATED_RELATIONS.name,
        "blocking",
        common.OWNER,
        "nothing stands in a relation to itself: two names of one company were taken for two, or two"
        " companies are linked as one",
        "look at both names in the raw table; if a link is wrong, reject it in landing/link_decisions",
        (IsTrue("between_two"),),
    ),
    Rule(
        "named_relation",
        VALIDATED_RELATIONS.name,
        "blocking",
        common.OWNER,
        "a relation needs two ends and a name",
        "ask the vendor for the words that are missing",
        (IsTrue("has_words"),),
    ),
    Rule(
        "no_negative_weight",
        VALIDATED_RELATIONS.name,
        "blocking",
        common.OWNER,
        "nothing is reported less than never; 0 is a relation that is no longer there",
        "send how often the relation was reported",
        (Between("weight", low=0),),
    ),
    Rule(
        "whole_weeks",
        VALIDATED_RELATIONS.name,
        "warning",
        common.OWNER,
        "its reports are counted by weeks that end on Sunday; another day is the day of something else, or"
        " the week was shifted by a time zone",
        "check the column that is read as the end of the week",
        (Between("weekday", low=7, high=7),),
        sources=("findkg",),
    ),
    common.own_partition("year_of_relation", VALIDATED_RELATIONS.name),
)
