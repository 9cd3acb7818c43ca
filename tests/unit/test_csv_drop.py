"""Bad files at the landing folder, as real bytes on disk: refused as a whole, with rule and remedy."""

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from drops import inspect, listed
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.sources import collect, landed
from lim_pipelines.sources.csv_drop import CsvDrop

HEADER = "symbol,date,open,high,low,close,volume\n"
GOOD = HEADER + "IBM,2018-10-01,150,155,149,153,1000\nIBM,2018-10-02,153,154,151,152,900\n"
DAYS = (date(2018, 10, 1), date(2018, 10, 2))
ARRIVED = datetime(2018, 11, 5, 12, 0, tzinfo=UTC)


def put(landing: Path, content: str | bytes, path: str = "csv_drop/XNYS/drop.csv") -> Path:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(file, (ARRIVED.timestamp(), ARRIVED.timestamp()))
    return file


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.csv")
    info.external_attr = 0o120777 << 16
    return info


def encrypted() -> bytes:
    content = bytearray(packed(("a.csv", GOOD.encode())))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1
    return bytes(content)


def lying_zip() -> bytes:
    """A bomb whose directory says that it is small."""
    content = packed(("a.csv", b"0" * 50_000_000))
    size = struct.pack("<I", 50_000_000)
    assert content.count(size) == 2
    return content.replace(size, struct.pack("<I", 1000))


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"0" * 2**20
    return b"".join(packer.compress(zeros) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zip", ".zip", ".CSV"])
def test_good_files_are_read_packed_or_not(tmp_path: Path, suffix: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zip": lambda c: packed(("a.csv", c))}
    content = pack.get(Path(suffix).suffix if suffix != ".zip" else ".zip", bytes)(GOOD.encode())
    path = put(tmp_path, content, f"csv_drop/XNYS/drop{suffix}")
    found = inspect(path, tmp_path)
    assert (found.rule, found.rows, found.rows_rejected, found.dates) == ("", 2, 0, DAYS)
    assert found.file.exchanges == {"XNYS"}


@pytest.mark.parametrize(
    ("rule", "content", "says"),
    [
        ("empty_file", b"", "holds nothing"),
        ("empty_file", b"\n\n", "holds nothing"),
        ("empty_file", HEADER.encode(), "no rows"),
        ("truncated", GOOD.encode()[:-5], "line 3"),
        ("truncated", GOOD.encode()[:-1], "line 3"),
        ("wrong_columns", GOOD.replace("symbol", "ticker").encode(), "missing symbol; unexpected 'ticker'"),
        ("wrong_columns", GOOD.replace("date", "day").encode(), "missing date; unexpected 'day'"),
        ("wrong_columns", GOOD.replace("volume", "volume,timestamp").encode(), "both date and timestamp"),
        ("wrong_columns", GOOD.replace("volume", "volume,close").encode(), "occurs twice"),
        (
            "wrong_columns",
            GOOD.replace(",", ";").encode(),
            "missing date, symbol, open, high, low, close, volume",
        ),
        ("encoding", GOOD.replace("IBM", "Société").encode("latin-1"), "line 2 is not UTF-8"),
        ("encoding", GOOD.encode("utf-16"), "not UTF-8"),
        ("encoding", GOOD.encode("utf-16-le"), "NUL"),
        ("nested_archive", gzip.compress(GOOD.encode()), "an archive lies where the csv should be"),
    ],
)
def test_a_bad_file_is_refused_as_a_whole(tmp_path: Path, rule: str, content: bytes, says: str) -> None:
    found = inspect(put(tmp_path, content), tmp_path)
    assert (found.rule, found.rows, found.rows_rejected, found.dates) == (rule, 0, 0, ())
    assert says in found.reason


@pytest.mark.parametrize(
    ("rule", "name", "make"),
    [
        ("truncated", "a.csv.gz", lambda: gzip.compress(GOOD.encode())[:-9]),
        ("truncated", "a.csv.gz", lambda: gzip.compress(GOOD.encode()).replace(b"\x1f\x8b", b"xx", 1)),
        ("truncated", "a.zip", lambda: packed(("a.csv", GOOD.encode()))[:-30]),
        ("truncated", "a.zip", lambda: packed(("a.csv", GOOD.encode())).replace(b"\x03\x04", b"\x03\x05", 1)),
        ("zip_bomb", "a.csv.gz", lambda: bomb(50)),
        ("zip_bomb", "a.zip", lambda: packed(("a.csv", b"0" * 50_000_000))),
        ("truncated", "a.zip", lying_zip),
        ("zip_bomb", "a.zip", lambda: packed(*((f"{i}.csv", b"") for i in range(2000)))),
        ("zip_path_escape", "a.zip", lambda: packed(("../a.csv", GOOD.encode()))),
        ("zip_path_escape", "a.zip", lambda: packed(("/etc/a.csv", GOOD.encode()))),
        ("zip_path_escape", "a.zip", lambda: packed(("x\\..\\..\\a.csv", GOOD.encode()))),
        ("zip_path_escape", "a.zip", lambda: packed(("C:\\a.csv", GOOD.encode()))),
        ("zip_path_escape", "a.zip", lambda: packed((link(), b"/etc/passwd"))),
        ("nested_archive", "a.zip", lambda: packed(("b.zip", packed(("a.csv", GOOD.encode()))))),
        ("nested_archive", "a.csv.gz", lambda: gzip.compress(gzip.compress(GOOD.encode()))),
        ("nested_archive", "a.zip", lambda: packed(("a.csv", packed(("a.csv", GOOD.encode()))))),
        ("archive_members", "a.zip", lambda: packed(("a.csv", GOOD.encode()), ("b.csv", GOOD.encode()))),
        ("archive_members", "a.zip", lambda: packed()),
        ("encrypted", "a.zip", encrypted),
        ("unknown_file_type", "a.xlsx", lambda: GOOD.encode()),
    ],
)
def test_a_bad_archive_is_refused(tmp_path: Path, rule: str, name: str, make: Callable[[], bytes]) -> None:
    found = inspect(put(tmp_path, make(), f"csv_drop/XNYS/{name}"), tmp_path)
    assert (found.rule, found.rows, found.dates) == (rule, 0, ())
    assert ";" in found.reason


def test_a_bomb_is_defused_in_little_memory(tmp_path: Path) -> None:
    path = put(tmp_path, bomb(200), "csv_drop/XNYS/bomb.csv.gz")
    tracemalloc.start()
    assert inspect(path, tmp_path).rule == "zip_bomb"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "")
    os.truncate(path, landed.MAX_FILE_BYTES + 1)
    found = inspect(path, tmp_path)
    assert found.rule == "too_large"


def test_unknown_exchange(tmp_path: Path) -> None:
    for path in ("csv_drop/NOPE/a.csv", "csv_drop/a.csv"):
        found = inspect(put(tmp_path, GOOD, path), tmp_path)
        assert found.rule == "unknown_exchange"
        assert found.file.exchanges == set()
        assert "XNYS" in found.reason


@pytest.mark.parametrize("name", [b"caf\xe9.csv", b"caf\xe9/a.csv", rb"caf\xe9.csv"])
def test_a_name_that_is_not_text_is_spelled_out_and_refused(tmp_path: Path, name: bytes) -> None:
    path = put(tmp_path, GOOD, "csv_drop/XNYS/" + os.fsdecode(name))
    (spelled,) = listed(tmp_path)
    assert spelled.startswith(r"csv_drop/XNYS/caf\xe9")
    for where in (path, spelled):
        found = inspect(where, tmp_path)
        assert (found.rule, found.file.path, found.file.exchanges) == ("file_name", spelled, {"XNYS"})
    put(tmp_path, GOOD)
    found = collect({"XNYS"}, *DAYS, tmp_path)
    assert [(error.path, error.rule) for error in found.refused] == [(spelled, "file_name")]
    assert found.rows.filter(pl.col("source") == "csv_drop").height == 2


def test_two_names_spelled_alike_are_one_line_of_the_list(tmp_path: Path) -> None:
    for name in (b"caf\xe9.csv", rb"caf\xe9.csv"):
        put(tmp_path, GOOD, "csv_drop/XNYS/" + os.fsdecode(name))
    assert listed(tmp_path) == [r"csv_drop/XNYS/caf\xe9.csv"]


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    secret = put(tmp_path, GOOD, "secret.csv")
    put(tmp_path, GOOD, "elsewhere/a.csv")
    folder = landing / "csv_drop" / "XNYS"
    folder.mkdir(parents=True)
    (folder / "link.csv").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "dangling.csv").symlink_to(tmp_path / "nowhere.csv")
    os.mkfifo(folder / "pipe.csv")
    assert [inspect(path, landing).rule for path in listed(landing)] == [
        "path_escape",
        "path_escape",
        "path_escape",
        "not_a_file",
    ]
    for path in (secret, "../secret.csv", "csv_drop/XNYS/../../../secret.csv", "csv_drop/XNYS/linked/a.csv"):
        assert inspect(path, landing).rule == "path_escape"


def test_a_file_that_changes_while_it_is_read_is_left_for_next_time(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    (file,) = CsvDrop().files(tmp_path)
    put(tmp_path, GOOD + "IBM,2018-10-03,1,1,1,1,1\n")
    with pytest.raises(ValueError, match=r"csv_drop/XNYS/drop\.csv: changed_while_reading"):
        list(CsvDrop().read(file, tmp_path))


def test_unfinished_files_are_left_alone(tmp_path: Path) -> None:
    for name in (".hidden.csv", "a.csv.part", "a.csv.tmp"):
        put(tmp_path, GOOD, f"csv_drop/XNYS/{name}")
    assert listed(tmp_path) == []
    assert listed(tmp_path / "nowhere") == []


def test_collect_reports_refused_files_and_goes_on(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    put(tmp_path, b"", "csv_drop/XNYS/empty.csv")
    put(tmp_path, GOOD, "csv_drop/XNAS/other_exchange.csv")
    found = collect({"XNYS"}, *DAYS, tmp_path)
    assert [(error.path, error.rule) for error in found.refused] == [
        ("csv_drop/XNYS/empty.csv", "empty_file")
    ]
    assert "csv_drop/XNAS/other_exchange.csv" not in {file.path for file in found.files}
    assert found.rows.filter(pl.col("source") == "csv_drop").height == 2


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.csv.gz", "a.zip"]), st.booleans())
def test_any_bytes_end_in_a_clear_answer(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, name: str, headed: bool
) -> None:
    landing = tmp_path_factory.getbasetemp() / "noise"
    found = inspect(
        put(landing, (HEADER.encode() if headed else b"") + noise, f"csv_drop/XNYS/{name}"), landing
    )
    assert bool(found.rule) == bool(found.reason)
    assert not (found.rule and found.rows)
