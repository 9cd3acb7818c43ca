"""What a line of pystock's reports says: the figures of one filing, or why it is not believed.

What does not belong here: where the lines come from and when they are known (`pystock_filings.py`), figures
of one vendor against another's (`align/`), whether figures make sense (`validate/`).

A line is one filing of one company: `symbol, end_date, amend, period_focus, fiscal_year, doc_type` and
fourteen figures in USD as filed, empty (or NaN) where the vendor found none. Revenues, incomes, earnings and
dividends per share of a 10-Q are the quarter's, of a 10-K the year's; the balance sheet is of the period's
last day; cash flows are of the year to date. `amend` makes a 10-Q/A of a 10-Q.

A filing is usually delivered twice, on neighbouring days, now and then months later: the first delivery
counts, one with the same figures is held back (`duplicate_filing`), one with other figures is a revision.
Where one delivery gives a filing twice with different figures (holdings and their subsidiaries under one
symbol), nobody can say which is meant: both are held back (`contradicting_filings`). A filing and its
amendment in one delivery are no contradiction: where both state a figure the amendment's counts.
"""

from __future__ import annotations

from types import MappingProxyType

import polars as pl

from lim_pipelines.schemas import RAW_EVENTS, RAW_FACTS, UTC_TIME
from lim_pipelines.sources.base import ParsedTables
from lim_pipelines.sources.quarantine import refused

INCOME = ("revenues", "op_income", "net_income", "eps_basic", "eps_diluted", "dividend")
BALANCE = ("assets", "cur_assets", "cur_liab", "cash", "equity")
CASH_FLOW = ("cash_flow_op", "cash_flow_inv", "cash_flow_fin")
FIGURES = (*INCOME, *BALANCE, *CASH_FLOW)
PER_SHARE = ("eps_basic", "eps_diluted", "dividend")
COLUMNS = ("symbol", "end_date", "amend", "period_focus", "fiscal_year", "doc_type", *FIGURES)
FORMS = ("10-Q", "10-K")
NO_LINES = pl.DataFrame(
    schema={
        "file": pl.String,
        "line": pl.Int64,
        "collected": pl.Date,
        "fields": pl.Int64,
        **dict.fromkeys(COLUMNS, pl.String),
    }
)
"""Lines of reports as text: file, line, day of the delivery, number of fields, and the fields."""

_REASONS = MappingProxyType(
    {
        "wrong_columns": f"the line has not {len(COLUMNS)} fields; ask the vendor for the drop again",
        "missing_value": "no symbol is given; ask the vendor for the drop again",
        "unparsable_date": "end_date is no date YYYY-MM-DD; correct it in the drop",
        "unknown_form": f"doc_type is not {' or '.join(FORMS)}, or amend not True or False; teach"
        " sources/filing_rows.py the form if it is one",
        "unparsable_number": "a figure is no finite number; correct it in the drop",
        "after_collection": "the period ends after the day on which the filing was collected; check end_date",
        "contradicting_filings": "the delivery gives this filing more than once with different figures;"
        " remove the line that is of another company",
        "duplicate_filing": "an earlier delivery gave the filing with the same figures; nothing to do",
    }
)
_FILING = ["symbol", "_end", "doc_type", "_amended"]
_NUMBERS = [f"_{name}" for name in FIGURES]


def judged(lines: pl.DataFrame) -> pl.DataFrame:
    """Say of every line whether it is believed.

    Parameters
    ----------
    lines
        `NO_LINES` with rows: all deliveries up to the last.

    Returns
    -------
    pl.DataFrame
        Also `rule`, null for a filing that counts, and what its text means: `_end`, `_amended` and a number
        for each figure. In order of delivery.
    """
    numbers = [
        pl.col(name).cast(pl.Float64, strict=False).fill_nan(None).alias(f"_{name}") for name in FIGURES
    ]
    texts = lines.with_columns(pl.col(COLUMNS).replace("", None)).with_columns(
        *numbers,
        _end=pl.col("end_date").str.to_date("%Y-%m-%d", strict=False),
        _amended=pl.col("amend").replace_strict({"True": True, "False": False}, default=None),
    )
    bad_number = pl.any_horizontal(
        (
            pl.col(name).is_not_null()
            & pl.col(name).str.to_lowercase().ne("nan")
            & pl.col(f"_{name}").is_null()
        )
        | pl.col(f"_{name}").is_infinite()
        for name in FIGURES
    )
    tests = {
        "wrong_columns": pl.col("fields") != len(COLUMNS),
        "missing_value": pl.col("symbol").is_null(),
        "unparsable_date": pl.col("_end").is_null(),
        "unknown_form": ~pl.col("doc_type").is_in(FORMS).fill_null(False) | pl.col("_amended").is_null(),
        "unparsable_number": bad_number,
        "after_collection": pl.col("_end") > pl.col("collected"),
    }
    parsed = texts.with_columns(
        rule=pl.coalesce(pl.when(failed).then(pl.lit(rule)) for rule, failed in tests.items())
    ).sort("collected", "file", "line")
    bad, good = parsed.filter(pl.col("rule").is_not_null()), parsed.filter(pl.col("rule").is_null())
    told = pl.struct(_NUMBERS).n_unique().over([*_FILING, "collected"])
    good = good.with_columns(rule=pl.when(told > 1).then(pl.lit("contradicting_filings")))
    clear = good.filter(pl.col("rule").is_null())
    again = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in [*_FILING, *_NUMBERS]
    )
    clear = clear.sort(*_FILING, "collected", "file", "line").with_columns(
        rule=pl.when(again).then(pl.lit("duplicate_filing"))
    )
    doubtful = good.filter(pl.col("rule").is_not_null())
    return pl.concat([bad, doubtful, clear]).sort("collected", "file", "line")


def tables(lines: pl.DataFrame, source: str) -> ParsedTables:
    """Bring judged lines to the raw tables.

    Parameters
    ----------
    lines
        As `judged` gives them, with `ts`, the next session's open after the delivery, and `known_at`.
    source
        Name of the source.

    Returns
    -------
    ParsedTables
        `raw_facts`, a row a figure, and `raw_events`, a row for the filings of a company in one delivery: of
        kind filing, at the moment from which the delivery is known to the market, with the forms as detail.
        Every line is in `rejected` or among the events.
    """
    lines = lines.with_columns(
        pl.lit(source).alias("source"),
        form=pl.col("doc_type") + pl.when("_amended").then(pl.lit("/A")).otherwise(pl.lit("")),
    )
    held = refused(lines.with_columns(date="collected"), _REASONS, list(COLUMNS))
    good = lines.filter(pl.col("rule").is_null())
    return ParsedTables(
        {"raw_facts": _facts(good), "raw_events": _events(good)},
        held,
    )


def _facts(good: pl.DataFrame) -> pl.DataFrame:
    end_of_day = pl.col("_end").cast(UTC_TIME) + pl.duration(hours=23, minutes=59, seconds=59)
    over = pl.when(pl.col("doc_type") == "10-K").then(pl.lit("FY")).otherwise(pl.lit("Q"))
    named = good.drop(FIGURES).rename({f"_{name}": name for name in FIGURES}).with_columns(ts=end_of_day)
    index = [
        "source",
        "symbol",
        "form",
        "doc_type",
        "_amended",
        "collected",
        "ts",
        "file",
        "line",
        "known_at",
    ]
    figures = named.unpivot(FIGURES, index=index, variable_name="field").drop_nulls("value")
    figures = figures.with_columns(
        year=pl.col("ts").dt.year(),
        period=pl.when(pl.col("field").is_in(BALANCE))
        .then(pl.lit("instant"))
        .when(pl.col("field").is_in(CASH_FLOW))
        .then(pl.lit("YTD"))
        .otherwise(over),
        unit=pl.when(pl.col("field").is_in(PER_SHARE)).then(pl.lit("USD/share")).otherwise(pl.lit("USD")),
    )
    fact = list(RAW_FACTS.key)
    # Of one delivery the amendment has the last word, and a 10-K over a 10-Q of the same day.
    ordered = figures.sort(
        "collected", "_amended", "doc_type", "line", descending=[False, False, True, False]
    )
    last = ordered.unique([*fact, "collected"], keep="last", maintain_order=True)
    # Deliveries that arrive together are known one after the other.
    nth = pl.int_range(pl.len()).over([*fact, "known_at"])
    return RAW_FACTS.conform(last.with_columns(known_at=pl.col("known_at") + pl.duration(microseconds=nth)))


def _events(good: pl.DataFrame) -> pl.DataFrame:
    events = good.group_by("source", "symbol", "ts").agg(
        pl.col("file").first(),
        pl.col("line").min(),
        pl.col("known_at").min(),
        detail=pl.col("form").unique().sort().str.join(", "),
    )
    return RAW_EVENTS.conform(events.with_columns(kind=pl.lit("filing"), year=pl.col("ts").dt.year()))
