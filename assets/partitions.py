"""How assets are cut into partitions, and how a run knows its own.

What does not belong here: what is written into a partition.
"""

from datetime import date

import dagster as dg
import polars as pl

FIRST_SESSION = date(2018, 10, 1)
"""First date that is loaded day by day. History before it comes in through `archive`."""

FIRST_CUTOFF = date(2010, 1, 1)
"""First walk-forward cutoff that can be trained."""

# An exchange becomes a partition when its first file arrives. Were all registered ones partitions, thirty of
# them and nine years of dates would make the 100,000 that Dagster bears.
exchanges = dg.DynamicPartitionsDefinition(name="exchange")

# end_offset=1 would be today; Friday's night trading in Shanghai is of Monday's session, three days on.
dates = dg.DailyPartitionsDefinition(FIRST_SESSION.isoformat(), end_offset=4)
exchange_dates = dg.MultiPartitionsDefinition({"date": dates, "exchange": exchanges})

# A cutoff is the first midnight (UTC) of a month; end_offset=1 because it is complete when its month begins.
cutoffs = dg.MonthlyPartitionsDefinition(FIRST_CUTOFF.isoformat(), end_offset=1)

RANGES = dg.BackfillPolicy.single_run()
"""Of every partitioned asset: a range of partitions is one run. `dagster asset materialize --partition-range`
refuses ranges of any other."""


# A cutoff depends on everything known before it; Dagster has no mapping for that, so the edge stands for all
# partitions. What was really read is in each model's meta.json.
def whole(*names: str) -> list[dg.AssetDep]:
    """Return dependencies on all partitions of the assets of these names."""
    return [dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in names]


BARS = whole("archive", "validated_bars")
INPUTS = whole("archive_inputs", "model_inputs")


def exchange_date_scope(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Return the (exchange, date) partitions of a run as a scope for `Lake.write`.

    Parameters
    ----------
    context
        Context of an asset that is partitioned by `exchange_dates`.

    Returns
    -------
    pl.DataFrame
        Columns exchange and date, one row a partition, sorted.
    """
    keys = [key.keys_by_dimension for key in context.partition_keys if isinstance(key, dg.MultiPartitionKey)]
    return pl.DataFrame(
        {
            "exchange": [key["exchange"] for key in keys],
            "date": [date.fromisoformat(key["date"]) for key in keys],
        },
        schema={"exchange": pl.String, "date": pl.Date},
    ).sort("exchange", "date")


def cutoff_dates(context: dg.AssetExecutionContext) -> list[date]:
    """Return the cutoffs of a run, oldest first."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)
