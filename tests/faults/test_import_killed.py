"""An import killed at random moments, again and again: nothing is lost, nothing is twice, nothing is half.

A process of its own has the large packages loaded and forks a child for every import, so that a kill costs
little; it never computes itself, because threads do not survive a fork.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    LANDING_FILES,
    QUARANTINE,
    RAW_QUOTES,
    VALIDATED_BARS,
    Table,
)

ROOT = Path(__file__).resolve().parents[2]
KILLS = 56
SEED = 20181120
HEADER = "symbol,date,open,high,low,close,volume\n"
TABLES = (RAW_QUOTES, ALIGNED_BARS, VALIDATED_BARS)

NURSERY = f"""
import os, sys, traceback
from datetime import date
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
import deltalake, exchange_calendars, polars
exchange_calendars.get_calendar("XNYS")
# The calendar that the import asks for; if it should ask for another, it only takes longer.
exchange_calendars.get_calendar("XNYS", start=date(1970, 1, 1), end=date(2020, 12, 31))

def import_all(home):
    # Some of these modules compute when they are imported, which starts threads.
    from lim_pipelines import ingest
    from lim_pipelines.lake import Lake, scope_of
    from lim_pipelines.landing.register import register
    lake, landing = Lake(home / "lake"), home / "landing"
    print(os.getpid(), flush=True)
    register(lake, landing)
    for mic in ("XNYS", "XNAS"):
        days = [date(2018, 11, day) for day in (20, 21, 23)]
        scope = scope_of({{"exchange": [mic], "date": days}})
        ingest.load_raw_quotes(lake, landing, scope)
        ingest.align_quotes(lake, scope)
        ingest.validate_bars(lake, scope)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        status = 1
        try:
            import_all(Path(line.strip()))
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    # Not before the parent is through with it: its id stays its own until then.
    sys.stdin.readline()
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Nursery:
    """Imports, each in a child of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, home: Path, kill_after: float | None = None) -> bool:
        """Import everything; whether the import came to its end before it was killed."""
        assert self._process.stdin is not None
        print(home, file=self._process.stdin, flush=True)
        child = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
        print("reap", file=self._process.stdin, flush=True)
        status = int(self._line())
        assert status in (0, signal.SIGKILL), f"the import failed by itself: {status}"
        return status == 0

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def nursery() -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        found = Nursery(process)
        assert found._line() == "ready"
        yield found
    finally:
        process.kill()
        process.wait()


def drop(home: Path, content: str, path: str, arrived: int) -> None:
    file = home / "landing" / "csv_drop" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEADER + content)
    os.utime(file, (arrived, arrived))


def first_delivery(home: Path) -> None:
    """Several files of one partition, several partitions of one file, a bad row, a bad file, a duplicate."""
    drop(home, "IBM,2018-11-20,1,2,1,1.5,9\nIBM,2018-11-21,1,2,1,1.6,9\n", "XNYS/ibm.csv", 1_577_836_800)
    drop(home, "GE,2018-11-20,1,2,1,1.5,9\nGE,2018-11-21,1,2,1,many,9\n", "XNYS/ge.csv", 1_577_836_801)
    drop(home, "IBM,2018-11-20,1,2,1,1.5,9\n", "XNYS/again.csv", 1_577_836_802)
    drop(home, "AAPL,2018-11-20,1,2,1,1.5,9\nAAPL,2018-11-23,1,2,3,1.6,9\n", "XNAS/aapl.csv", 1_577_836_803)
    (home / "landing" / "csv_drop" / "XNAS" / "bad.csv").write_text("when,what\n")
    os.utime(home / "landing" / "csv_drop" / "XNAS" / "bad.csv", (1_577_836_804,) * 2)


def second_delivery(home: Path) -> None:
    """A corrected value, a bar taken back, a file mended."""
    drop(home, "IBM,2018-11-20,1,2,1,1.7,9\n", "XNYS/ibm.csv", 1_580_515_200)
    drop(home, "GE,2018-11-20,1,2,1,1.5,9\nGE,2018-11-21,1,2,1,1.9,9\n", "XNYS/ge.csv", 1_580_515_201)
    (home / "landing" / "csv_drop" / "XNYS" / "again.csv").unlink()


def contents(home: Path, *, moments: bool) -> dict[tuple[str, str], str]:
    """Content hash of each table and exchange; without the moments of corrections, if told."""
    lake = Lake(home / "lake")

    def hashed(table: Table, where: pl.Expr) -> str:
        rows = lake.revisions(table, where).collect()
        key = rows.select(table.row_key)
        assert not key.is_duplicated().any(), f"{table.name} holds a row twice"
        rows = rows.sort(table.row_key)
        return fingerprint(rows if moments or not table.has_revisions else rows.drop("known_at"))

    mics = [pl.col("exchange") == mic for mic in ("XNYS", "XNAS")]
    found = {
        (table.name, mic): hashed(table, where)
        for table in (*TABLES, QUARANTINE)
        for mic, where in zip(("XNYS", "XNAS"), mics, strict=True)
    }
    return found | {(LANDING_FILES.name, ""): hashed(LANDING_FILES, pl.lit(True))}


@pytest.mark.slow
def test_an_import_killed_at_any_moment_ends_in_what_an_undisturbed_one_gives(tmp_path: Path) -> None:
    seed = random.Random(SEED)
    with nursery() as children:
        calm = tmp_path / "calm"
        nothing = contents(calm, moments=True)
        states = [nothing]
        took = []
        for deliver in (first_delivery, second_delivery):
            deliver(calm)
            began = time.monotonic()
            assert children.run(calm)
            took.append(time.monotonic() - began)
            states.append(contents(calm, moments=len(states) == 1))
        assert states[1] != states[2]
        before_second = contents_without_moments(tmp_path, children)

        kills, life, torn = 0, 0, 0
        while kills < KILLS:
            home = tmp_path / f"life_{life}"
            life += 1
            for number, deliver in enumerate((first_delivery, second_delivery)):
                deliver(home)
                moments = number == 0
                old, new = (nothing, states[1]) if moments else (before_second, states[2])
                done = False
                while not done and kills < KILLS:
                    done = children.run(home, kill_after=seed.uniform(0.02, took[number] * 1.1))
                    kills += not done
                    left = contents(home, moments=moments)
                    half = {name for name in left if left[name] not in (old[name], new[name])}
                    assert half <= {(QUARANTINE.name, "XNYS"), (QUARANTINE.name, "XNAS")}, (
                        "each table is as before or as after; quarantine has three stages"
                    )
                    torn += not done and left not in (old, new)
                assert children.run(home)
                assert contents(home, moments=moments) == new, f"life {life}, delivery {number + 1}"
    assert torn >= KILLS // 5, f"only {torn} of {kills} kills came between the first commit and the last"


def contents_without_moments(folder: Path, children: Nursery) -> dict[tuple[str, str], str]:
    """Content after the first delivery alone, without moments."""
    home = folder / "first_alone"
    first_delivery(home)
    assert children.run(home)
    return contents(home, moments=False)


def test_dates_of_this_test_are_sessions() -> None:
    from lim_pipelines.exchanges import sessions

    for mic in ("XNYS", "XNAS"):
        days = sessions(mic, date(2018, 11, 20), date(2018, 11, 23))["date"].dt.day().to_list()
        assert days == [20, 21, 23]
