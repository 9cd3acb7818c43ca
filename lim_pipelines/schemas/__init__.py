"""Every table of the lake: columns, types, units, keys, and how it is partitioned; a file a part.

What does not belong here: how tables are stored (`lake/`), which rows are right (`validate/`), or where
values come from (`sources/`).

Two clocks run through all of it. `ts` is the moment a fact describes; `known_at` is the first moment anyone
could have known it. Both are UTC. A bar's `ts` is its end.
"""

from __future__ import annotations

from lim_pipelines.schemas.alternative import (
    ALIGNED_EVENTS,
    ALIGNED_FACTS,
    ALIGNED_RELATIONS,
    ALIGNED_TEXTS,
    ALTERNATIVE_FILES,
    RAW_CLAIMS,
    RAW_EVENTS,
    RAW_FACTS,
    RAW_RELATIONS,
    RAW_TEXTS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
)
from lim_pipelines.schemas.automation import REDO_REQUESTS, RESULT_READS, STALE_RESULTS
from lim_pipelines.schemas.bars import (
    ALIGNED_BARS,
    CONTINUOUS_FUTURES,
    QUARANTINE,
    RAW_QUOTES,
    RESAMPLED_BARS,
    VALIDATED_BARS,
)
from lim_pipelines.schemas.entities import ENTITIES, ENTITY_LINKS, LINK_REVIEWS
from lim_pipelines.schemas.evaluation import EFFECTIVENESS, ROBUSTNESS, UNIVERSALITY
from lim_pipelines.schemas.inputs import INPUT_SCALES, MODEL_INPUTS
from lim_pipelines.schemas.macro import ALIGNED_MACRO, RAW_MACRO, VALIDATED_MACRO
from lim_pipelines.schemas.reference import CORPORATE_ACTIONS, INDEX_MEMBERS, LANDING_FILES, LISTINGS, ROLLS
from lim_pipelines.schemas.results import BACKTEST_DAILY, SCORES, TARGETS, TRIAL_RETURNS, TRIALS
from lim_pipelines.schemas.table import (
    INTRADAY,
    MUST_BE_GIVEN,
    ONE_PRICE,
    PRICE_TYPES,
    SESSIONS_AND_LONGER,
    UTC_TIME,
    Column,
    SchemaError,
    Table,
)
from lim_pipelines.schemas.validation import AUDIT_RESULTS, DRIFT_RESULTS, GATE_RESULTS, RELEASES

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_QUOTES,
        ALIGNED_BARS,
        VALIDATED_BARS,
        RESAMPLED_BARS,
        CONTINUOUS_FUTURES,
        QUARANTINE,
        GATE_RESULTS,
        RELEASES,
        RAW_MACRO,
        ALIGNED_MACRO,
        VALIDATED_MACRO,
        RAW_CLAIMS,
        ALTERNATIVE_FILES,
        RAW_FACTS,
        ALIGNED_FACTS,
        VALIDATED_FACTS,
        RAW_EVENTS,
        ALIGNED_EVENTS,
        VALIDATED_EVENTS,
        RAW_TEXTS,
        ALIGNED_TEXTS,
        VALIDATED_TEXTS,
        RAW_RELATIONS,
        ALIGNED_RELATIONS,
        VALIDATED_RELATIONS,
        ENTITIES,
        ENTITY_LINKS,
        LINK_REVIEWS,
        MODEL_INPUTS,
        INPUT_SCALES,
        TARGETS,
        BACKTEST_DAILY,
        SCORES,
        TRIALS,
        TRIAL_RETURNS,
        EFFECTIVENESS,
        UNIVERSALITY,
        ROBUSTNESS,
        RESULT_READS,
        STALE_RESULTS,
        REDO_REQUESTS,
        DRIFT_RESULTS,
        AUDIT_RESULTS,
        LISTINGS,
        CORPORATE_ACTIONS,
        ROLLS,
        INDEX_MEMBERS,
        LANDING_FILES,
    )
}

__all__ = [
    "ALIGNED_BARS",
    "ALIGNED_EVENTS",
    "ALIGNED_FACTS",
    "ALIGNED_MACRO",
    "ALIGNED_RELATIONS",
    "ALIGNED_TEXTS",
    "ALTERNATIVE_FILES",
    "AUDIT_RESULTS",
    "BACKTEST_DAILY",
    "CONTINUOUS_FUTURES",
    "CORPORATE_ACTIONS",
    "DRIFT_RESULTS",
    "EFFECTIVENESS",
    "ENTITIES",
    "ENTITY_LINKS",
    "GATE_RESULTS",
    "INDEX_MEMBERS",
    "INPUT_SCALES",
    "INTRADAY",
    "LANDING_FILES",
    "LINK_REVIEWS",
    "LISTINGS",
    "MODEL_INPUTS",
    "MUST_BE_GIVEN",
    "ONE_PRICE",
    "PRICE_TYPES",
    "QUARANTINE",
    "RAW_CLAIMS",
    "RAW_EVENTS",
    "RAW_FACTS",
    "RAW_MACRO",
    "RAW_QUOTES",
    "RAW_RELATIONS",
    "RAW_TEXTS",
    "REDO_REQUESTS",
    "RELEASES",
    "RESAMPLED_BARS",
    "RESULT_READS",
    "ROBUSTNESS",
    "ROLLS",
    "SCORES",
    "SESSIONS_AND_LONGER",
    "STALE_RESULTS",
    "TABLES",
    "TARGETS",
    "TRIALS",
    "TRIAL_RETURNS",
    "UNIVERSALITY",
    "UTC_TIME",
    "VALIDATED_BARS",
    "VALIDATED_EVENTS",
    "VALIDATED_FACTS",
    "VALIDATED_MACRO",
    "VALIDATED_RELATIONS",
    "VALIDATED_TEXTS",
    "Column",
    "SchemaError",
    "Table",
]
