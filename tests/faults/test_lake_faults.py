"""What goes wrong around a lake: killed writers, a full disk, races between processes, torn files."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from lake_rows import DAY, bar, content_hash, days, frame

from lim_pipelines.lake import LATEST, Lake, maintain, scope_of
from lim_pipelines.lake.maintenance import TornFileError, compact
from lim_pipelines.schemas import VALIDATED_BARS

# A fork would inherit the threads' locks of polars; spawned processes are warm once they have imported it.
SPAWN = multiprocessing.get_context("spawn")
WHOLE = scope_of({"exchange": ["XNAS"], "date": days(40)})


def month(close: float) -> pl.DataFrame:
    return frame(*(bar(day, close=close) for day in days(40)))


def _write_without_end(root: str, ready: multiprocessing.synchronize.Event) -> None:
    lake, turn = Lake(root), 0
    while True:
        turn += 1
        lake.write(VALIDATED_BARS, month(float(turn % 2)), WHOLE)
        if turn % 5 == 0:
            compact(lake, VALIDATED_BARS)
        ready.set()


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    lake, chance, seen = Lake(tmp_path / "lake"), random.Random(0), set()
    lake.write(VALIDATED_BARS, month(0.0), WHOLE)
    expected = {}
    for close in (0.0, 1.0):
        other = Lake(tmp_path / f"other{close}")
        expected[close] = other.write(VALIDATED_BARS, month(close), WHOLE).fingerprint
    # The next writer warms up while this one is being killed.
    waiting = [_start(lake) for _ in range(2)]
    for _ in range(50):
        writer, ready = waiting.pop(0)
        waiting.append(_start(lake))
        assert ready.wait(60)
        time.sleep(chance.uniform(0, 0.1))
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()

        for start, _ in waiting:
            os.kill(start.pid or 0, signal.SIGSTOP)
        rows = Lake(lake.root).read(VALIDATED_BARS, as_of=LATEST).collect()
        assert rows.height == 40
        [close] = rows["close"].unique().to_list()
        seen.add(close)
        assert content_hash(lake, VALIDATED_BARS, WHOLE) == expected[close]
        rerun = lake.write(VALIDATED_BARS, month(close), WHOLE)
        assert (rerun.changed.height, rerun.fingerprint) == (0, expected[close])
        for start, _ in waiting:
            os.kill(start.pid or 0, signal.SIGCONT)
    for writer, _ in waiting:
        writer.kill()
        writer.join()
    assert seen == {0.0, 1.0}, "the kills came at the same moment every time"
    stored = {Path(uri).name for uri in lake.file_uris(VALIDATED_BARS)}
    assert stored < {path.name for path in Path(lake.uri(VALIDATED_BARS)).rglob("*.parquet")}


def _start(lake: Lake) -> tuple[multiprocessing.context.SpawnProcess, multiprocessing.synchronize.Event]:
    ready = SPAWN.Event()
    writer = SPAWN.Process(target=_write_without_end, args=(lake.root, ready), daemon=True)
    writer.start()
    return writer, ready


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a small file system can be mounted by root only")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_leaves_the_old_and_a_rerun_with_room_gives_the_new() -> None:
    with small_disk(megabytes=3) as disk:
        lake = Lake(disk / "lake")
        lake.write(VALIDATED_BARS, month(0.0), WHOLE)
        filler = disk / "filler"
        _fill(filler)
        with pytest.raises(Exception, match=r"(?i)no space left|storage full"):
            lake.write(VALIDATED_BARS, month(1.0), WHOLE)
        assert Lake(lake.root).read(VALIDATED_BARS, as_of=LATEST).collect()["close"].to_list() == [0.0] * 40
        filler.unlink()
        assert lake.write(VALIDATED_BARS, month(1.0), WHOLE).changed.height == 40
        assert lake.read(VALIDATED_BARS, as_of=LATEST).collect()["close"].to_list() == [1.0] * 40


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 512)
        except OSError:
            return


def _limited_writer(root: str, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        Lake(root).write(VALIDATED_BARS, month(1.0), WHOLE)
    except Exception:
        raise SystemExit(3) from None


@pytest.mark.parametrize("limit", [0, 500, 4000])
def test_a_file_that_cannot_be_written_whole_is_not_committed(tmp_path: Path, limit: int) -> None:
    lake = Lake(tmp_path / "lake")
    before = lake.write(VALIDATED_BARS, month(0.0), WHOLE)
    writer = SPAWN.Process(target=_limited_writer, args=(lake.root, limit))
    writer.start()
    writer.join(60)
    assert writer.exitcode == 3
    assert content_hash(Lake(lake.root), VALIDATED_BARS, WHOLE) == before.fingerprint
    assert lake.write(VALIDATED_BARS, month(1.0), WHOLE).changed.height == 40


def _twenty_commits(root: str, writer: int, same: bool, barrier: multiprocessing.synchronize.Barrier) -> None:
    lake = Lake(root)
    barrier.wait(60)
    for i in range(20):
        day = days(80)[i if same else 20 * writer + i]
        row = frame(bar(day, close=float(writer), instrument_id=f"XNAS:{writer}"))
        scope = scope_of({"exchange": ["XNAS"], "date": [day]})
        lake.update(VALIDATED_BARS, scope, lambda there, row=row: pl.concat([there, row]))  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.parametrize("same", [False, True], ids=["different partitions", "the same new partitions"])
def test_none_of_eighty_commits_of_four_processes_is_lost(tmp_path: Path, same: bool) -> None:
    root = str(tmp_path / "lake")
    barrier = SPAWN.Barrier(4)
    writers = [SPAWN.Process(target=_twenty_commits, args=(root, i, same, barrier)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert [writer.exitcode for writer in writers] == [0] * 4
    rows = Lake(root).revisions(VALIDATED_BARS).collect()
    assert rows.height == rows.unique(VALIDATED_BARS.row_key).height == 80
    assert rows["date"].n_unique() == (20 if same else 80)
    log = Lake(root).open(VALIDATED_BARS)
    assert log is not None
    # Writers that create the table at once may each leave a commit that says so, and nothing else.
    assert sum(commit["operation"] != "CREATE TABLE" for commit in log.delta.history()) == 80
    assert Lake(root).changed_since(VALIDATED_BARS, -1).height == rows["date"].n_unique()


def test_torn_files_that_nobody_committed_are_not_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    before = lake.write(VALIDATED_BARS, month(0.0), WHOLE)
    folder = Path(lake.file_uris(VALIDATED_BARS)[0])
    (folder.parent / "torn.parquet").write_bytes(folder.read_bytes()[:100])
    (Path(lake.uri(VALIDATED_BARS)) / "_delta_log" / "_commit_dead.json.tmp").write_bytes(b'{"add":{"pa')
    assert content_hash(Lake(lake.root), VALIDATED_BARS, WHOLE) == before.fingerprint
    assert lake.write(VALIDATED_BARS, month(1.0), WHOLE).version == before.version + 1


def test_a_torn_file_of_the_lake_is_an_error_and_maintenance_names_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.write(VALIDATED_BARS, month(0.0), WHOLE)
    file = Path(lake.file_uris(VALIDATED_BARS)[0])
    file.write_bytes(file.read_bytes()[:-100])
    # Polars panics, which is no Exception: nothing half is read, but nothing is named either.
    with pytest.raises(BaseException):  # noqa: B017, PT011
        lake.read(VALIDATED_BARS, as_of=LATEST).collect()
    with pytest.raises(TornFileError, match=rf"validated_bars: 1 files .*{file.name}.*materialise"):
        maintain(lake, timedelta(days=7), [VALIDATED_BARS])


def test_a_torn_commit_is_an_error_and_nothing_half(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.write(VALIDATED_BARS, month(0.0), WHOLE)
    second = scope_of({"exchange": ["XNYS"], "date": [DAY]})
    lake.write(VALIDATED_BARS, frame(bar(DAY, "XNYS")), second)
    commit = Path(lake.uri(VALIDATED_BARS)) / "_delta_log" / f"{2:020}.json"
    whole = commit.read_bytes()
    commit.write_bytes(whole[: len(whole) - 40])
    with pytest.raises(Exception, match=r"(?i)json|EOF|parse"):
        Lake(lake.root).read(VALIDATED_BARS, as_of=LATEST).collect()
    commit.write_bytes(whole)
    assert Lake(lake.root).read(VALIDATED_BARS, as_of=LATEST).collect().height == 41
