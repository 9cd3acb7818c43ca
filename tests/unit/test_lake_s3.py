"""The lake on S3: the same promises as in a folder, against moto's server."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from lake_rows import DAY, bar, content_hash, days, frame

from lim_pipelines.lake import LATEST, Lake, maintain, scope_of
from lim_pipelines.schemas import VALIDATED_BARS
from resources.home import Home
from resources.warehouse import Warehouse


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a local S3 server, in a process of its own: the log's history is read with the GIL held."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            for _ in range(600):
                with socket.socket() as knock:
                    if knock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.kill()


@pytest.fixture
def options(server: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture
def lake(options: dict[str, str]) -> Lake:
    import boto3

    bucket = f"lake-{uuid.uuid4().hex}"
    client = boto3.client(
        "s3",
        endpoint_url=options["AWS_ENDPOINT_URL"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)
    return Lake(f"s3://{bucket}/x", options)


def test_write_read_revise_and_as_of(lake: Lake, tmp_path: Path) -> None:
    scope = scope_of({"exchange": ["XNAS"], "date": days(3)})
    rows = frame(*(bar(day) for day in days(3)), bar(DAY, close=2.0, known_day=DAY + timedelta(10)))
    first = lake.write(VALIDATED_BARS, rows, scope)
    assert lake.write(VALIDATED_BARS, rows, scope).version == first.version, "nothing new, no commit"

    def closes(moment: datetime) -> list[float]:
        return lake.read(VALIDATED_BARS, as_of=moment).sort("date").collect()["close"].to_list()

    assert closes(datetime(2018, 10, 2, 23, tzinfo=UTC)) == [1.0, 1.0]
    assert closes(datetime(2018, 11, 1, tzinfo=UTC)) == [2.0, 1.0, 1.0]
    assert lake.changed_since(VALIDATED_BARS, -1)["date"].to_list() == days(3)
    here = Lake(tmp_path / "lake").write(VALIDATED_BARS, rows, scope)
    assert here.fingerprint == first.fingerprint == content_hash(lake, VALIDATED_BARS, scope)


def test_a_home_finds_its_lake_by_url_and_environment(
    lake: Lake, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**options, "LIM_LAKE_URL": lake.root}.items():
        monkeypatch.setenv(name, value)
    home = Home(root=str(tmp_path))
    home.lake().write(VALIDATED_BARS, frame(bar()), scope_of({"exchange": ["XNAS"], "date": [DAY]}))
    assert home.lake().read(VALIDATED_BARS, as_of=LATEST).collect().equals(frame(bar()))
    assert lake.read(VALIDATED_BARS, as_of=LATEST).collect().height == 1
    assert not (tmp_path / "lake").exists()
    with pytest.raises(ValueError, match=r"marts read Parquet files from a folder.*s3://"):
        Warehouse(home=home).prepare("")


def test_maintenance(lake: Lake) -> None:
    for day in days(4):
        lake.write(VALIDATED_BARS, frame(bar(day)), scope_of({"exchange": ["XNAS"], "date": [day]}))
    version = lake.version(VALIDATED_BARS)
    done = maintain(lake, timedelta(days=7), [VALIDATED_BARS])
    assert done.select("files_before", "files_after").rows() == [(4, 1)]
    assert lake.changed_since(VALIDATED_BARS, version).is_empty()
    assert lake.has_version(VALIDATED_BARS, version)
    assert lake.read(VALIDATED_BARS, as_of=LATEST).collect().height == 4


def _correct(root: str, options: dict[str, str], group: list[date], writer: int) -> None:
    lake = Lake(root, options)
    for day in group:
        known = DAY + timedelta(100 + writer)
        row = frame(bar(day, close=float(writer), known_day=known))
        lake.update(
            VALIDATED_BARS,
            scope_of({"exchange": ["XNAS"], "date": [day]}),
            lambda there, row=row: pl.concat([there, row]),  # type: ignore[misc]
        )


@pytest.mark.slow
@pytest.mark.parametrize("same", [False, True], ids=["different partitions", "the same partitions"])
def test_two_writer_processes(lake: Lake, options: dict[str, str], same: bool) -> None:
    first, second = (days(6), days(6)) if same else (days(6)[:3], days(6)[3:])
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_correct, args=(lake.root, options, group, writer))
        for writer, group in ((1, first), (2, second))
    ]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0, 0]
    there = lake.revisions(VALIDATED_BARS).select("date", "close").collect().rows()
    assert sorted(there) == sorted([(d, 1.0) for d in first] + [(d, 2.0) for d in second])
    newest = lake.read(VALIDATED_BARS, as_of=LATEST).sort("date").collect()["close"].to_list()
    assert newest == [2.0] * 6 if same else [1.0] * 3 + [2.0] * 3
