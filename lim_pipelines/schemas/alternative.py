"""Alternative data, in four shapes: facts (numbers), events, texts, relations; and the files they came in.

Each shape has three tables, raw -> aligned -> validated. Raw rows name what they are about as the vendor does
(`symbol`, `subject`, `object`); aligned rows name entities. What does not belong here: who those entities are
(`entities.py`), what models read of it (`inputs.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import columns
from lim_pipelines.schemas.table import UTC_TIME, Column, Table

SYMBOL = Column(pl.String, "", "what the vendor calls the company or instrument")
ENTITY = Column(pl.String, "", "entity id: what the row is about")
YEAR = Column(pl.Int32, "", "year of `ts` in UTC: the partition")

Columns = dict[str, Column]


def _stages(
    shape: str, what: str, given: Columns, aligned: Columns, values: Columns, cut: str, key: tuple[str, ...]
) -> tuple[Table, Table, Table]:
    """Three tables of one shape.

    Parameters
    ----------
    shape, what
        Its name, and what it is in words.
    given, aligned
        Columns that say whom a row is about: as the vendor names it, and as an entity.
    values
        All other columns.
    cut
        Column of the partition, beside the source.
    key
        Columns behind source, `cut` and the names.
    """

    def table(stage: str, description: str, named: Columns) -> Table:
        names = tuple(name for name in named if name.endswith(("symbol", "_id", "subject", "object")))
        return Table(
            f"{stage}_{shape}",
            f"{what}: {description}",
            {
                "source": columns.SOURCE,
                **named,
                **values,
                "file": columns.FILE,
                "line": columns.LINE,
                "known_at": columns.KNOWN_AT,
            },
            key=("source", cut, *names, *key),
            partition_key=("source", cut),
            stored_by=("source",),
        )

    return (
        table("raw", "as the vendor tells them.", given),
        table("aligned", "about entities, repetitions resolved.", aligned),
        table("validated", "what passes every blocking rule.", aligned),
    )


RAW_FACTS, ALIGNED_FACTS, VALIDATED_FACTS = _stages(
    "facts",
    "Numbers about companies (filings, earnings)",
    {"symbol": SYMBOL},
    {"entity_id": ENTITY},
    {
        "year": YEAR,
        "field": Column(pl.String, "", "what is measured: revenues, eps_basic, assets, ..."),
        "period": Column(
            pl.String, "", "time the number is over: Q, FY, YTD (year to date), or instant at `ts`"
        ),
        "ts": Column(UTC_TIME, "UTC", "last second of the period that the number describes"),
        "value": Column(pl.Float64, "`unit`", "value as filed"),
        "unit": Column(pl.String, "", "USD, USD/share, percent, ..."),
        "form": Column(
            pl.String, "", "filing that states it: 10-Q, 10-K, 10-Q/A, ...", nullable=True, default=None
        ),
    },
    "year",
    ("field", "period", "ts"),
)

RAW_EVENTS, ALIGNED_EVENTS, VALIDATED_EVENTS = _stages(
    "events",
    "Things that happen to companies at a moment",
    {"symbol": SYMBOL},
    {"entity_id": ENTITY},
    {
        "year": YEAR,
        "kind": Column(pl.String, "", "earnings_release, filing, ..."),
        "ts": Column(UTC_TIME, "UTC", "moment it happened, or is to happen"),
        "value": Column(pl.Float64, "`unit`", "its size, if it has one", nullable=True, default=None),
        "unit": Column(pl.String, "", "unit of the value; empty without one", default=""),
        "detail": Column(pl.String, "", "in words, such as the form filed", default=""),
    },
    "year",
    ("kind", "ts"),
)

RAW_TEXTS, ALIGNED_TEXTS, VALIDATED_TEXTS = _stages(
    "texts",
    "Texts about companies (tweets, news)",
    {"symbol": SYMBOL},
    {"entity_id": ENTITY},
    {
        "date": Column(pl.Date, "", "day of `ts` in UTC: the partition"),
        "ts": Column(UTC_TIME, "UTC", "moment it was written"),
        "text_id": Column(pl.String, "", "first 16 hexadecimal digits of the text's SHA-256"),
        "text": Column(pl.String, "", "the text"),
    },
    "date",
    ("ts", "text_id"),
)

RAW_RELATIONS, ALIGNED_RELATIONS, VALIDATED_RELATIONS = _stages(
    "relations",
    "Who does what to whom (knowledge graphs)",
    {
        "subject": Column(pl.String, "", "who, in the vendor's words"),
        "object": Column(pl.String, "", "whom, in the vendor's words"),
    },
    {
        "subject_id": Column(pl.String, "", "entity id; `name:<source>:<words>` if linked to none"),
        "object_id": Column(pl.String, "", "entity id; `name:<source>:<words>` if linked to none"),
    },
    {
        "year": YEAR,
        "relation": Column(pl.String, "", "what, in the vendor's words"),
        "ts": Column(UTC_TIME, "UTC", "end of the period in which it was reported"),
        "weight": Column(pl.Float64, "", "times reported; aligned: 0 is there no longer", default=1.0),
    },
    "year",
    ("relation", "ts"),
)

RAW_CLAIMS = Table(
    "raw_claims",
    "What sources say a symbol's company is: its name, identifiers, industry, country.",
    {
        "source": columns.SOURCE,
        "symbol": SYMBOL,
        "exchange": Column(
            pl.String,
            "",
            "MIC of the symbol's listing, if the vendor says",
            nullable=True,
            default=None,
        ),
        "relation": Column(
            pl.String, "", "named, identified_by, in_industry, in_country or member_of; see `entity_links`"
        ),
        "object": Column(pl.String, "", "its value in the vendor's words, such as GICS/Energy or cik/66740"),
        "first": Column(pl.Date, "", "first day on which it holds", default=None, nullable=True),
        "last": Column(pl.Date, "", "last day on which it holds; null is open", default=None, nullable=True),
        "file": columns.FILE,
        "line": columns.LINE,
        "known_at": columns.KNOWN_AT,
    },
    key=("source", "symbol", "relation", "object"),
    partition_key=("source",),
    stored_by=(),
)

ALTERNATIVE_FILES = Table(
    "alternative_files",
    "Files of alternative data that were read into the raw tables, or refused.",
    {
        "source": columns.SOURCE,
        "path": Column(pl.String, "", "path under the landing folder"),
        "bytes": Column(pl.Int64, "bytes", "size when it was read"),
        "modified_at": Column(UTC_TIME, "UTC", "modification time when it was read"),
        "code_version": Column(pl.String, "", "version of the readers; another one reads the file again"),
        "rows": Column(pl.Int64, "rows", "rows that went into raw tables"),
        "rows_rejected": Column(pl.Int64, "rows", "rows sent to quarantine by the parser"),
        "first_ts": Column(UTC_TIME, "UTC", "earliest moment in it", nullable=True),
        "last_ts": Column(UTC_TIME, "UTC", "latest moment in it", nullable=True),
        "rule": Column(pl.String, "", "rule that the whole file fails; empty for an accepted file"),
        "reason": Column(pl.String, "", "what is wrong and what to do; empty if accepted"),
    },
    key=("source", "path"),
    partition_key=("source",),
    stored_by=(),
)
