"""Sessions of an exchange that some assets are to be made for again, asked for until it is done.

What does not belong here: which sessions, which assets and why (`inputs_sensor.py`, `releases.py`); new files
(`arrivals.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
from dagster import DagsterInstance

from assets.arrivals import import_archive, load_quotes
from assets.partitions import FIRST_SESSION
from assets.requests import CAUSE, EXCHANGE, TAG, run_key, tries


@dataclass(frozen=True)
class Rebuild:
    """Sessions of an exchange for which something is to be made again and is not yet.

    Parameters
    ----------
    exchange
        Market identifier.
    first, last
        Sessions, both included, ISO 8601; both empty for the archive.
    key
        What it is remembered by.
    """

    exchange: str
    first: str
    last: str
    key: str

    def request(self, runs: int, daily: Sequence[str], archive: Sequence[str], cause: str) -> dg.RunRequest:
        """Return the request for its next run, after some runs that failed.

        Parameters
        ----------
        runs
            Runs that there were.
        daily, archive
            Assets to make: of the daily partitions, of the archive.
        cause
            Why, for people.
        """
        tags = {TAG: self.key, EXCHANGE: self.exchange, CAUSE: cause}
        if not self.first:
            return dg.RunRequest(
                run_key=run_key(self.key, runs),
                job_name=import_archive.name,
                partition_key=self.exchange,
                asset_selection=[dg.AssetKey(name) for name in archive],
                tags=tags,
            )
        return dg.RunRequest(
            run_key=run_key(self.key, runs),
            job_name=load_quotes.name,
            asset_selection=[dg.AssetKey(name) for name in daily],
            tags={
                **tags,
                "dagster/asset_partition_range_start": f"{self.first}|{self.exchange}",
                "dagster/asset_partition_range_end": f"{self.last}|{self.exchange}",
            },
        )


def cut(exchange: str, first: date, last: date, key: str) -> list[Rebuild]:
    """Cut sessions at the first daily partition; what is before it the archive makes."""
    asks = []
    if first < FIRST_SESSION:
        asks.append(Rebuild(exchange, "", "", f"{key}:archive"))
    if last >= FIRST_SESSION:
        start = max(first, FIRST_SESSION)
        asks.append(Rebuild(exchange, str(start), str(last), key))
    return asks


def unfinished(instance: DagsterInstance, asks: Iterable[Rebuild]) -> list[tuple[Rebuild, int | None]]:
    """Return those that have not succeeded, each with its number of runs if it is due, else None."""
    found = []
    for ask in asks:
        past = tries(instance, ask.key)
        if not past.succeeded:
            found.append((ask, past.runs if past.due else None))
    return found
