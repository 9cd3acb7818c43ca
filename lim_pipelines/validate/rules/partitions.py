"""The rules of bars that judge a partition as a whole.

What does not belong here: the figures that they read (`validate/partitions.py`), rules of single bars.

A blocking rule here holds the whole partition until a corrected file arrives or a person releases it; it must
never fire on a market day that was merely wild. Each source of a partition is judged by itself, by its daily
bars; bars of minutes and hours alone are only judged by `mostly_right`.
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between
from lim_pipelines.validate.rule import Rule, Severity

_OWNER = "team:market-data"


def _rule(name: str, severity: Severity, rationale: str, remedy: str, check: Between) -> Rule:
    return Rule(name, VALIDATED_BARS.name, severity, _OWNER, rationale, remedy, (check,), "partition")


RULES: tuple[Rule, ...] = (
    _rule(
        "mostly_right",
        "blocking",
        "a file of which more than a fifth of the rows cannot be right is wrong as a whole: swapped columns,"
        " a wrong unit, the wrong table; what is left of it is not to be trusted either",
        "see the quarantined rows for what they fail, and send the file again",
        Between("share_failing", high=0.2),
    ),
    _rule(
        "covered",
        "blocking",
        "of twenty or more instruments that a source usually delivers not half vanish in one session, unless"
        " another source has them: the file is cut off, or it is another list. A source that stays cut down"
        " is held for about ten sessions; then what is left is the usual",
        "send the whole file; if the source was really cut down, release the sessions until it is usual",
        Between("coverage", low=0.5),
    ),
    _rule(
        "well_covered",
        "warning",
        "more than a tenth of the instruments that a source usually delivers are missing, and no other source"
        " has them",
        "ask the vendor which instruments are missing and why",
        Between("coverage", low=0.9),
    ),
    _rule(
        "not_a_copy",
        "blocking",
        "no share that trades repeats its open, high, low, close and volume of the day before, and never most"
        " of them: it is the file of the day before under a new name",
        "send the file of the day itself",
        Between("share_copied", high=0.5),
    ),
    _rule(
        "no_common_jump",
        "blocking",
        "on the worst day of the New York exchange, 1987-10-19, the median share lost a fifth; when most"
        " instruments move by more than a factor of 1.5 at once, against each of the three sessions before,"
        " the unit or the adjustment of the prices has changed. The session where it begins is held",
        "send the file in the unit, and with the adjustment, of the sessions before",
        Between("common_jump", high=0.5),
    ),
    _rule(
        "members_kept",
        "warning",
        "an index has its members trade: of those that had bars in the days before hardly any is missing at"
        " once",
        "ask the vendor for the missing members, or see whether they were halted or renamed",
        Between("members_kept", low=0.95),
    ),
)
