"""A vendor described by a mapping, one described by a copy of the template, and archives of several files."""

import gzip
import io
import os
import tarfile
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from lim_pipelines.sources.base import Parsed, RejectedFileError
from lim_pipelines.sources.feed import Feed
from lim_pipelines.sources.landed import entries
from lim_pipelines.sources.template import Template

ARRIVED = datetime(2019, 1, 2, 3, 4, tzinfo=UTC)
MAPPING = """\
exchange: XNYS
freq: 1m
time: {columns: [Datum, Zeit], format: "%d.%m.%Y %H:%M", timezone: Europe/Berlin, stamp: start}
columns: {symbol: Kürzel, open: Erster, high: Hoch, low: Tief, close: Letzter, volume: Stück}
separator: ";"
decimal: ","
zero_is_missing: [open]
listed_as: {asset_class: equity, currency: USD}
"""
BARS = "Kürzel;Datum;Zeit;Erster;Hoch;Tief;Letzter;Stück\nIBM;27.12.2018;15:30;0;111,5;111;111,25;100\n"


def put(landing: Path, path: str, content: str | bytes) -> None:
    file = landing / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(file, (ARRIVED.timestamp(),) * 2)


def read(landing: Path, path: str) -> Parsed:
    (file,) = (file for file in Feed().files(landing) if file.path == path)
    (parsed,) = Feed().read(file, landing)
    return parsed


def test_a_vendor_is_a_mapping(tmp_path: Path) -> None:
    put(tmp_path, "feed/berlin/mapping.yaml", MAPPING)
    put(tmp_path, "feed/berlin/2018/a.csv", BARS)
    put(tmp_path, "feed/berlin/history/a.csv.gz", gzip.compress(BARS.encode()))
    files = Feed().files(tmp_path)
    assert {file.exchanges for file in files} == {frozenset({"XNYS"})}
    assert list(Feed().read(files[-1], tmp_path)) == []  # The mapping itself holds no bars.
    fresh, history = read(tmp_path, files[0].path), read(tmp_path, files[1].path)
    assert fresh.rows.select("source", "symbol", "ts", "date", "open", "close", "known_at").rows() == [
        (
            "feed.berlin",
            "IBM",
            datetime(2018, 12, 27, 14, 31, tzinfo=UTC),
            date(2018, 12, 27),
            None,
            111.25,
            ARRIVED,
        )
    ]
    assert history.rows["known_at"].to_list() == [datetime(2018, 12, 27, 14, 46, tzinfo=UTC)]
    assert fresh.listings.select("source", "instrument_id").rows() == [("feed.berlin", "XNYS:IBM")]


def test_parquet_and_exchanges_in_a_column(tmp_path: Path) -> None:
    form = """\
freq: 1d
time: {columns: day}
columns: {exchange: venue, symbol: ticker, close: last}
values:
  exchange: {Nasdaq: XNAS, NYSE: XNYS}
"""
    put(tmp_path, "feed/us/mapping.yaml", form)
    out = io.BytesIO()
    pl.DataFrame(
        {
            "venue": ["NYSE", "Nasdaq"],
            "ticker": ["IBM", "AAPL"],
            "day": [date(2018, 12, 27)] * 2,
            "last": [1, 2],
        }
    ).write_parquet(out)
    put(tmp_path, "feed/us/a.parquet", out.getvalue())
    assert Feed().files(tmp_path)[0].exchanges == {"XNAS", "XNYS"}
    parsed = read(tmp_path, "feed/us/a.parquet")
    assert parsed.rows.select("exchange", "symbol", "close", "line").rows() == [
        ("XNYS", "IBM", 1.0, 1),
        ("XNAS", "AAPL", 2.0, 2),
    ]
    put(tmp_path, "feed/us/a.parquet", out.getvalue()[:-20])
    with pytest.raises(RejectedFileError, match="damaged_parquet"):
        read(tmp_path, "feed/us/a.parquet")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (MAPPING.replace("freq: 1m", "freq: 9m"), "freq 9m is none of"),
        (MAPPING.replace("Europe/Berlin", "Europe/Atlantis"), "line 3: time.timezone 'Europe/Atlantis'"),
        (MAPPING.replace("decimal", "decimals"), "line 6: decimals Extra inputs"),
        (MAPPING.replace("[open]", "[open"), "line 8"),
        (MAPPING.replace("XNYS", "MARS"), "line 1: MARS is no registered exchange"),
        (MAPPING.replace("exchange: XNYS\n", ""), "exchange is neither given nor a column"),
        (b"\xff", "not UTF-8"),
        ("- a list", "line 1"),
    ],
)
def test_a_wrong_mapping_keeps_its_feed_out_and_names_the_line(
    tmp_path: Path, form: str | bytes, says: str
) -> None:
    put(tmp_path, "feed/berlin/mapping.yaml", form)
    put(tmp_path, "feed/berlin/a.csv", BARS)
    for path in ("feed/berlin/a.csv", "feed/berlin/mapping.yaml"):
        with pytest.raises(RejectedFileError) as refused:
            read(tmp_path, path)
        assert refused.value.rule == "wrong_mapping"
        assert says in refused.value.reason
        assert "feed/berlin/mapping.yaml" in refused.value.reason


def test_without_a_mapping(tmp_path: Path) -> None:
    put(tmp_path, "feed/berlin/a.csv", BARS)
    with pytest.raises(RejectedFileError, match="no_mapping"):
        read(tmp_path, "feed/berlin/a.csv")


def test_the_template_works_when_copied(tmp_path: Path) -> None:
    assert Template().files(tmp_path) == []
    put(tmp_path, "template/XNYS.csv", "Date,Symbol,Last\n2018-12-27,IBM,113.78\n2018-12-28,IBM,n/a\n")
    (file,) = Template().files(tmp_path)
    (parsed,) = Template().read(file, tmp_path)
    assert parsed.rows.select("exchange", "symbol", "close", "line").rows() == [("XNYS", "IBM", 113.78, 2)]
    assert parsed.rejected.select("line", "rule").rows() == [(3, "missing_close")]
    assert parsed.listings["instrument_id"].to_list() == ["XNYS:IBM"]


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content) if info.isfile() else 0
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_archives_of_several_files(tmp_path: Path) -> None:
    put(
        tmp_path, "x/a.tar.gz", tarred((tarfile.TarInfo("p.csv"), b"1\n"), (tarfile.TarInfo("r.csv"), b"2\n"))
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("b.csv", "a.csv"):
            archive.writestr(name, name)
    put(tmp_path, "x/a.zip", out.getvalue())
    assert [(name, s.read(9)) for name, s in entries(tmp_path, "x/a.tar.gz")] == [
        ("p.csv", b"1\n"),
        ("r.csv", b"2\n"),
    ]
    assert [(name, s.read(9)) for name, s in entries(tmp_path, "x/a.zip")] == [
        ("b.csv", b"b.csv"),
        ("a.csv", b"a.csv"),
    ]


def test_bad_tars_are_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("a.csv")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    bad = {
        "zip_path_escape": [tarred((tarfile.TarInfo("../a.csv"), b"")), tarred((link, b""))],
        "nested_archive": [
            tarred((tarfile.TarInfo("a.zip"), b"")),
            tarred((tarfile.TarInfo("a.csv"), gzip.compress(b"1"))),
        ],
        "zip_bomb": [tarred((tarfile.TarInfo("a.csv"), b"0" * 50_000_000))],
        "truncated": [tarred((tarfile.TarInfo("a.csv"), os.urandom(5000)))[:-2000], b"no tar at all"],
    }
    for rule, contents in bad.items():
        for content in contents:
            put(tmp_path, "x/a.tar.gz", content)
            with pytest.raises(RejectedFileError) as refused:
                [stream.read(2**27) for _, stream in entries(tmp_path, "x/a.tar.gz")]
            assert refused.value.rule == rule
