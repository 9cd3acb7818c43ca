"""What checks of the gate say to people: where rows lie that were held back, and how they get out again.

What does not belong here: what is held back (`gate_checks.py`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import QUARANTINE, VALIDATED_BARS
from lim_pipelines.validate.rules import RULES

SAMPLE_FIELDS = ("ts", "open", "high", "low", "close", "volume")
"""What the sample shows of a quarantined bar; the row as a whole is in the quarantine."""


def table(frame: pl.DataFrame, rows: int = 20) -> dg.MetadataValue:
    """Show the first rows of a frame in the check's page itself; the UI hides Markdown behind a click."""
    columns = [dg.TableColumn(name, type=str(dtype)) for name, dtype in frame.schema.items()]
    texts = frame.head(rows).with_columns(pl.col(pl.Date).cast(pl.String))
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in texts.iter_rows(named=True)], dg.TableSchema(columns)
    )


def how_to_read(lake: Lake, rows: pl.DataFrame) -> dg.MetadataValue:
    """Give the code that reads the quarantine of some rows.

    Parameters
    ----------
    lake
        The lake.
    rows
        Columns exchange and date; not empty.
    """
    mics = sorted(rows["exchange"].unique())
    first, last = (
        f"date({day.year}, {day.month}, {day.day})" for day in (min(rows["date"]), max(rows["date"]))
    )
    return dg.MetadataValue.md(
        "```python\n"
        "from datetime import date\n"
        "import polars as pl\n"
        "from lim_pipelines.lake import LATEST, Lake\n"
        "from lim_pipelines.schemas import QUARANTINE\n\n"
        f'Lake("{lake.root}").read(\n'
        "    QUARANTINE,\n"
        "    as_of=LATEST,\n"
        f'    where=pl.col("exchange").is_in({json.dumps(mics)})\n'
        f'    & pl.col("date").is_between({first}, {last}),\n'
        ").collect()\n```"
    )


REPAIR = (
    "put the corrected file into landing/ under the same name; the landing sensor loads it, and what passes"
    " is published, known from its arrival on. Nothing is to be deleted"
)


def release_of(
    exchange: str, day: date, rule: str, symbol: str = "", earlier: Sequence[date] = ()
) -> dg.MetadataValue:
    """Give the config that releases what a rule holds back, to paste into the launchpad of `releases`.

    Parameters
    ----------
    exchange, day
        The partition.
    rule
        Rule that holds it, or rows of it.
    symbol
        Instrument id of the rows; empty: all.
    earlier
        Other sessions that the rule holds: whoever looked at them may widen the release.
    """
    about = f"      symbol: {symbol}\n" if symbol else ""
    others = "1 earlier session" if len(earlier) == 1 else f"{len(earlier)} earlier sessions"
    widen = (
        f"\n\nIt holds {others} of {exchange}, too, since {min(earlier)}; this releases {day} only. Look"
        " at those, and set `first` to the earliest that is right: all from `first` to `last` that the rule"
        " holds is released."
        if earlier
        else ""
    )
    return dg.MetadataValue.md(
        "If the data is right as it is: open the asset `releases`, _Materialize_ → _Open launchpad_, paste,"
        " and say who you are and why it is right. It is written down; the sensor `releases_sensor` then"
        " publishes.\n\n```yaml\nops:\n  releases:\n    config:\n"
        f"      exchange: {exchange}\n"
        f'      first: "{day}"\n'
        f'      last: "{day}"\n'
        f"      rule: {rule}\n{about}"
        "      since: release      # or arrival: known as it came, which puts history right\n"
        '      released_by: ""\n'
        f'      why: ""\n```{widen}'
    )


def rules(found: pl.DataFrame) -> dict[str, str]:
    """Say of each rule how much it holds, why there is the rule and what to do, an entry a rule.

    Parameters
    ----------
    found
        Columns rule, partitions, rows.
    """
    known = {rule.name: rule for rule in RULES if rule.table == VALIDATED_BARS.name}
    texts = {}
    for name, partitions, count in found.select("rule", "partitions", "rows").iter_rows():
        rule = known.get(name)
        why = f": {rule.rationale}. What to do: {rule.remedy}" if rule else ""
        held = "1 partition" if partitions == 1 else f"{partitions} partitions"
        texts[f"rule_{name}"] = f"{held}, {count} rows{why}"
    return texts


def figures(evidence: str) -> str:
    """Bring evidence of a partition from JSON to one readable line."""
    try:
        said = json.loads(evidence)
    except json.JSONDecodeError:
        return evidence
    return "; ".join(_figures(item) for item in (said if isinstance(said, list) else [said]))


def _figures(said: Any) -> str:
    if not isinstance(said, Mapping):
        return str(said)
    return ", ".join(f"{name} {_short(value)}" for name, value in said.items() if value is not None)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def sample(rows: pl.DataFrame, each: int = 3) -> pl.DataFrame:
    """Return some quarantined rows of each rule, with the values that the eye looks for first.

    Parameters
    ----------
    rows
        Frame of `QUARANTINE`.
    each
        Rows of each rule at most.
    """
    some = rows.sort(QUARANTINE.row_key).group_by("rule", maintain_order=True).head(each).sort("rule")
    said = pl.col("evidence").str
    values = [said.json_path_match(f"$.{name}").alias(name) for name in SAMPLE_FIELDS]
    line = pl.format("{}:{}", pl.col("file").str.replace(r"^.*/", ""), "line")
    # 2018-11-20 14:51 fits, 2018-11-20T14:51:00.000000Z does not.
    moment = pl.coalesce(pl.col("ts").str.slice(0, 16).str.replace("T", " "), pl.col("date").cast(pl.String))
    priced = pl.any_horizontal(pl.col(SAMPLE_FIELDS[1:]).is_not_null())
    # A row that has no prices is shown as it came, the beginning of it.
    row = pl.when(~priced).then(pl.col("evidence").str.slice(0, 120)).alias("row")
    shown = (
        some.with_columns(values)
        .with_columns(ts=moment, row=row, line=line)
        .select("rule", "symbol", *SAMPLE_FIELDS, "row", pl.col("line").alias("file and line"))
    )
    return shown.select(column for column in shown if column.null_count() < max(shown.height, 1))


def files(rows: pl.DataFrame, most: int = 8) -> str:
    """Name the vendor's files of quarantined rows in full, a few of them."""
    names = rows["file"].unique().sort().to_list()
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
