"""Whether what lies in a home is whole: tables, checkpoints, vectors, warehouse, landed files.

What does not belong here: the machine and its packages (`doctor.py`), repairing anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError
from polars.exceptions import PanicException, PolarsError

from lim_pipelines import clock
from lim_pipelines.exchanges import EXCHANGES, calendar_ends
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake, LayoutError
from lim_pipelines.lake.log import Log
from lim_pipelines.landing.survey import survey
from lim_pipelines.places import Places
from lim_pipelines.provenance.doctor import Check
from lim_pipelines.provenance.whole import sized, torn
from lim_pipelines.schemas import LANDING_FILES, TABLES, VALIDATED_BARS, Table

REPAIR = "bring it back from a backup, or remove the table's folder and materialise it again"

SOON = timedelta(days=60)
"""A calendar that ends before has to be updated now."""


def tables(places: Places) -> Iterator[Check]:
    """Open every table, and look for every file that its newest version names."""
    lake, count, rows, total = places.lake(), 0, 0, 0
    broken, bars = False, False
    for table in TABLES.values():
        log = _open(lake, table)
        if isinstance(log, Check):
            broken = True
            yield log
        elif log is not None:
            files = sized(log)
            count += 1
            bars |= table is VALIDATED_BARS
            rows, total = rows + int(files["rows"].sum()), total + int(files["bytes"].sum())
            for said in torn(log, files):
                broken = True
                yield Check(f"table {table.name}", "fail", said, REPAIR)
    # Models are made of bars; the sensor soon fills a new lake's ledger beside them.
    made = ([] if bars else [places.models]) + ([] if count else [places.reports, places.vectors])
    left = [folder.name for folder in made if any(folder.glob("*"))]
    if left and not broken:
        said = f"{lake.root} lost its tables: things that were made from one lie in {', '.join(left)}"
        yield Check("lake", "fail", said, "bring the lake back, name another ($LIM_LAKE_URL), or make demo")
    elif count == 0 and not broken:
        yield Check("lake", "warn", f"{lake.root} holds no table yet", "make demo, or materialise raw_quotes")
    elif not broken:
        yield Check(
            "lake",
            "ok",
            f"{count} tables of this layout, {rows:,} rows, {total / 2**20:.0f} MiB, all files there",
        )


def _open(lake: Lake, table: Table) -> Log | Check | None:
    name = f"table {table.name}"
    try:
        log = lake.open(table)
    except LayoutError as error:
        return Check(name, "fail", str(error).split(". ")[0], "make clean, and materialise again")
    except (DeltaError, OSError, ValueError) as error:
        return Check(name, "fail", f"its log cannot be read: {str(error).splitlines()[0]}", REPAIR)
    folder = Path(lake.uri(table))
    if log is None and "://" not in lake.root and any(folder.rglob("*.parquet")):
        return Check(name, "fail", f"{folder} has files but no log: half of it was deleted", REPAIR)
    return log


def _unreadable(lake: Lake, table: Table, name: str) -> Check | None:
    """Say that an examination has to be left out; None if all files of its table are whole."""
    log = _open(lake, table)
    if log is None or (isinstance(log, Log) and not torn(log, sized(log))):
        return None
    said = f"{table.name} cannot be read: a file of it is not whole, or its log"
    return Check(name, "fail", said, f"see table {table.name}, and run lim doctor again")


def files(places: Places) -> Iterator[Check]:
    """Read the footer of every file: it must hold the rows that were committed."""
    lake, count, broken = places.lake(), 0, False
    for table in TABLES.values():
        log = _open(lake, table)
        if log is None or isinstance(log, Check):
            continue
        # What is torn has a line already, and polars panics on some of it.
        whole = sized(log).filter(pl.col("found") == pl.col("bytes"))
        for path, rows in whole.select("path", "rows").iter_rows():
            uri, count = f"{log.uri}/{path}", count + 1
            try:
                scan = pl.scan_parquet(uri, storage_options=log.options, glob=False)
                there = scan.select(pl.len()).collect().item()
                said = "" if there == rows else f"{uri} holds {there} rows, not {rows}"
            except (PolarsError, PanicException, OSError) as error:
                said = f"{uri} cannot be read: {str(error).splitlines()[0]}"
            if said:
                broken = True
                yield Check(f"table {table.name}", "fail", said, REPAIR)
    if not broken:
        yield Check("files of the lake", "ok", f"{count} footers are readable, rows as committed")


def models(places: Places) -> Iterator[Check]:
    """Look at every current checkpoint: meta and weights must be there, the weights whole."""
    count, broken = 0, False
    for pointer in sorted(places.models.glob(f"*/*/{checkpoint.CURRENT}")):
        said = _checkpoint(pointer)
        count += not said
        if said:
            broken = True
            name = f"{pointer.parents[1].name}@{pointer.parent.name}"
            yield Check(f"models {name}", "fail", said, "remove the cutoff's folder and materialise it again")
    if not broken:
        yield Check("models", "ok", f"{count} current checkpoints are whole")


def _checkpoint(pointer: Path) -> str:
    """Say what is wrong with a current checkpoint; empty if nothing is."""
    try:
        digest = json.loads(pointer.read_text())["digest"]
        folder = pointer.parent / digest[:16]
        meta = json.loads((folder / checkpoint.META).read_text())
        weights = folder / checkpoint.WEIGHTS
        with weights.open("rb") as handle:
            # The header: its length in 8 bytes, then JSON with the place of every tensor behind it.
            length = int.from_bytes(handle.read(8), "little")
            size = weights.stat().st_size
            header = json.loads(handle.read(length)) if length < size else {}
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{pointer.parent}: {error}"
    if 8 + length + max(ends, default=0) != size:
        return f"{weights} is cut off: {size} bytes"
    return checkpoint.altered(folder, meta.get("weights_sha256"))


def vectors(places: Places) -> Iterator[Check]:
    """Count the tables of vectors."""
    found = sorted(places.vectors.glob("*.lance"))
    empty = [path.name for path in found if not any(path.rglob("*.manifest"))]
    if empty:
        remedy = "remove the folder and materialise the embeddings again"
        yield Check("vectors", "fail", f"{places.vectors}: no version is left of {', '.join(empty)}", remedy)
    else:
        yield Check("vectors", "ok", f"{len(found)} tables in {places.vectors}" if found else "none yet")


def vectors_read(places: Places) -> Iterator[Check]:
    """Open every table of vectors."""
    found = sorted(places.vectors.glob("*.lance"))
    if not found:
        return
    try:
        import lancedb
    except ImportError:
        yield Check("vectors", "warn", "lancedb is missing", "pip install -c constraints.txt -e '.[stores]'")
        return
    store, rows = lancedb.connect(places.vectors), 0
    for path in found:
        try:
            rows += store.open_table(path.stem).count_rows()
        except (OSError, RuntimeError, ValueError) as error:
            words = str(error).splitlines()[0]
            remedy = f"remove {path} and materialise the embeddings again"
            yield Check(f"vectors {path.stem}", "fail", words, remedy)
    yield Check("vectors can be read", "ok", f"{rows:,} vectors")


def warehouse(places: Places) -> Iterator[Check]:
    """Open the warehouse for reading."""
    import duckdb

    path = places.root / "warehouse.duckdb"
    if not path.exists():
        yield Check("warehouse", "ok", "none yet")
        return
    try:
        with duckdb.connect(path, read_only=True) as connection:
            [count] = connection.execute("select count(*) from information_schema.tables").fetchone() or [0]
    except duckdb.Error as error:
        words = str(error).splitlines()[0]
        held = "lock" in words
        remedy = (
            "wait for the run that writes it" if held else f"remove {path} and materialise the marts again"
        )
        yield Check("warehouse", "warn" if held else "fail", words, remedy)
    else:
        yield Check("warehouse", "ok", f"{count} tables and views")


def calendars(places: Places) -> Iterator[Check]:
    """Look for calendars of exchanges in use that end soon."""
    lake = places.lake()
    if left_out := _unreadable(lake, VALIDATED_BARS, "calendars"):
        yield left_out
        return
    rows = lake.revisions(VALIDATED_BARS).select(pl.col("exchange").unique()).collect()
    known = [mic for mic in rows["exchange"].sort() if mic in EXCHANGES]
    soon = (clock.now() + SOON).date()
    ends = {mic: end for mic in known if (end := calendar_ends(mic)) is not None and end < soon}
    if ends:
        said = ", ".join(f"{mic} ends {end}" for mic, end in ends.items())
        yield Check("calendars", "warn", said, "update the package exchange-calendars")
    else:
        yield Check("calendars", "ok", f"{len(known)} in use, none ends before {soon}")


def landing(places: Places) -> Iterator[Check]:
    """Compare the landing folder with the ledger of its files."""
    if not places.landing.is_dir():
        yield Check("landing", "warn", f"{places.landing} is not there", f"mkdir -p {places.landing}")
        return
    lake = places.lake()
    if left_out := _unreadable(lake, LANDING_FILES, "landing"):
        yield left_out
        return
    ledger = lake.revisions(LANDING_FILES).collect()
    found = survey(places.landing, ledger)
    refused = ledger.filter(pl.col("state") == "present", pl.col("rule") != "")
    if refused.height:
        path, reason = refused.sort("path").select("path", "reason").row(0)
        yield Check(
            "landing", "warn", f"{refused['path'].n_unique()} files are refused, first {path}", reason
        )
    if found.unread or found.gone:
        said = f"{len(found.unread)} files are not in the ledger, {len(found.gone)} were taken away"
        yield Check("landing", "warn", said, "materialise landing_files (the landing sensor does)")
    elif not refused.height:
        yield Check("landing", "ok", f"{ledger['path'].n_unique()} files, as the ledger knows them")
