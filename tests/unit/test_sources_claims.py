"""Claims about companies: four vendors' files, and what people decided."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from shared_data import folder

from lim_pipelines.sources.base import AlternativeSource, RejectedFileError
from lim_pipelines.sources.link_decisions import ALWAYS, COLUMNS, read_decisions
from lim_pipelines.sources.pystock_names import PystockNames
from lim_pipelines.sources.rsr_relations import RsrRelations
from lim_pipelines.sources.sp500_companies import COLUMNS as SP500_COLUMNS
from lim_pipelines.sources.sp500_companies import SP500Companies
from lim_pipelines.sources.stocknet_companies import StocknetCompanies

ARRIVED = datetime(2016, 3, 4, 5, 6, tzinfo=UTC)


def drop(landing: Path, path: str, content: bytes) -> Path:
    where = landing / path
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(content)
    os.utime(where, (ARRIVED.timestamp(), ARRIVED.timestamp()))
    return where


def read(source: AlternativeSource, landing: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    blocks = [block for file in source.files(landing) for block in source.read(file, landing)]
    return (
        pl.concat(block.rows["raw_claims"] for block in blocks),
        pl.concat(block.rejected for block in blocks),
    )


def said(claims: pl.DataFrame) -> list[tuple[str, str, str]]:
    return claims.select("symbol", "relation", "object").rows()


def sp500(*lines: str) -> bytes:
    return ("\n".join([",".join(SP500_COLUMNS), *lines]) + "\n").encode()


MMM = 'MMM,3M,Industrials,Industrial Conglomerates,"Saint Paul, Minnesota",1957-03-04,66740,1902'
ACN = 'ACN,Accenture,Information Technology,IT Consulting,"Dublin, Ireland",2011-07-06,0001467373,1989'


def test_sp500_members_have_name_number_industries_and_country(tmp_path: Path) -> None:
    drop(tmp_path, "sp500_members/sp500.csv", sp500(MMM, ACN))
    claims, rejected = read(SP500Companies(), tmp_path)
    assert said(claims) == [
        ("ACN", "identified_by", "cik/1467373"),
        ("ACN", "in_country", "IE"),
        ("ACN", "in_industry", "GICS sub-industry/IT Consulting"),
        ("ACN", "in_industry", "GICS/Information Technology"),
        ("ACN", "named", "Accenture"),
        ("MMM", "identified_by", "cik/66740"),
        ("MMM", "in_country", "US"),
        ("MMM", "in_industry", "GICS sub-industry/Industrial Conglomerates"),
        ("MMM", "in_industry", "GICS/Industrials"),
        ("MMM", "named", "3M"),
    ]
    assert set(claims["line"].to_list()) == {2, 3}
    assert rejected.is_empty()


def test_trap_a_snapshot_of_2025_is_not_known_before_even_as_history(tmp_path: Path) -> None:
    drop(tmp_path, "sp500_members/history/sp500.csv", sp500(MMM))
    claims, _ = read(SP500Companies(), tmp_path)
    assert set(claims["known_at"].to_list()) == {datetime(2025, 12, 1, tzinfo=UTC)}


def test_sp500_lines_that_cannot_be_right_are_held_back_with_a_remedy(tmp_path: Path) -> None:
    bad_sector = MMM.replace("Industrials", "Wizardry")
    bad_number = ACN.replace("0001467373", "none")
    no_place = ACN.replace("Ireland", "Atlantis")
    lines = (bad_sector, bad_number, MMM.replace("MMM", "", 1), no_place, MMM)
    drop(tmp_path, "sp500_members/sp500.csv", sp500(*lines))
    claims, rejected = read(SP500Companies(), tmp_path)
    assert set(claims["symbol"].to_list()) == {"MMM"}
    assert dict(rejected.select("line", "rule").rows()) == {
        2: "unknown_sector",
        3: "unparsable_number",
        4: "missing_value",
        5: "unknown_country",
    }
    assert all("correct" in reason or "complete" in reason for reason in rejected["reason"])


def test_sp500_with_other_columns_is_refused(tmp_path: Path) -> None:
    drop(tmp_path, "sp500_members/sp500.csv", b"a,b\n1,2\n")
    with pytest.raises(RejectedFileError, match="wrong_columns"):
        read(SP500Companies(), tmp_path)


RSR = b'{\n "Major Banks": [\n  "BAC",\n  "C"\n ],\n "n/a": [\n  "ZZ"\n ],\n "Water": [\n  ""\n ]\n}\n'


def test_rsr_industries_are_known_from_2018_on_and_name_the_exchange(tmp_path: Path) -> None:
    drop(tmp_path, "rsr_relations/history/raw/NYSE_industry_ticker.json", RSR)
    claims, rejected = read(RsrRelations(), tmp_path)
    assert claims.select("symbol", "exchange", "object", "line", "known_at").rows() == [
        ("BAC", "XNYS", "NASDAQ/Major Banks", 3, datetime(2018, 1, 1, tzinfo=UTC)),
        ("C", "XNYS", "NASDAQ/Major Banks", 4, datetime(2018, 1, 1, tzinfo=UTC)),
    ]
    assert rejected.select("line", "rule").rows() == [(10, "missing_value")]


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"a": [1]}', b'{"a": "AAPL"}'])
def test_rsr_of_another_shape_is_refused(tmp_path: Path, content: bytes) -> None:
    drop(tmp_path, "rsr_relations/NASDAQ_industry_ticker.json", content)
    with pytest.raises(RejectedFileError, match="wrong_shape"):
        read(RsrRelations(), tmp_path)


def test_stocknet_companies_are_known_since_their_publication(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "sector": ["Basic Matierials", "Services", None],
            "ticker": ["XOM", None, "PEP"],
            "company": ["Exxon Mobil Corporation", "Nobody", "Pepsico  Inc."],
        }
    )
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    drop(tmp_path, "stocknet/history/tickers.parquet", buffer.getvalue())
    claims, rejected = read(StocknetCompanies(), tmp_path)
    assert said(claims) == [
        ("PEP", "named", "Pepsico Inc."),
        ("XOM", "in_industry", "stocknet/Basic Materials"),
        ("XOM", "named", "Exxon Mobil Corporation"),
    ]
    assert set(claims["known_at"].to_list()) == {datetime(2018, 8, 1, tzinfo=UTC)}
    assert rejected.select("line", "rule").rows() == [(2, "missing_value")]


def archive(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        content = text.encode()
        info = tarfile.TarInfo("symbols.txt")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_pystock_names_are_known_from_the_next_open_on(tmp_path: Path) -> None:
    text = "BCO\tBrink&#39;s Company (The)\nMSG\tMadison\nMSG\tMadison\n\nODD\n"
    drop(tmp_path, "pystock/history/20150821.tar.gz", archive(text))
    claims, rejected = read(PystockNames(), tmp_path)
    assert said(claims) == [("BCO", "named", "Brink's Company (The)"), ("MSG", "named", "Madison")]
    # A Friday: known on Monday, 09:30 in New York.
    assert set(claims["known_at"].to_list()) == {datetime(2015, 8, 24, 13, 30, tzinfo=UTC)}
    assert rejected.select("line", "rule", "symbol").rows() == [(5, "missing_value", "ODD")]


def test_a_feed_is_not_known_before_it_arrived(tmp_path: Path) -> None:
    drop(tmp_path, "pystock/20150821.tar.gz", archive("BCO\tBrinks\n"))
    claims, _ = read(PystockNames(), tmp_path)
    assert claims["known_at"].to_list() == [ARRIVED]


def decided(*lines: str) -> bytes:
    return ("\n".join([",".join(COLUMNS), *lines]) + "\n").encode()


YES = "findkg,Boeing,issuer:XNYS:BA,accepted,anna"


TARGETS = pl.Series(["issuer:XNYS:BA", "issuer:XNAS:BA", "issuer:XNYS:PFE", "XNAS:FB"])


def test_decisions_count_from_arrival_and_always_below_history(tmp_path: Path) -> None:
    drop(tmp_path, "link_decisions/one.csv", decided(YES))
    drop(tmp_path, "link_decisions/history/two.csv", decided("stocknet,FB,XNAS:FB,accepted,anna"))
    found, refused = read_decisions(tmp_path, TARGETS)
    assert found.select("name", "target", "decision", "known_at").rows() == [
        ("FB", "XNAS:FB", "accepted", ALWAYS),
        ("Boeing", "issuer:XNYS:BA", "accepted", ARRIVED),
    ]
    assert refused == ()


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ((YES, YES.replace("accepted", "maybe")), "unknown_decision"),
        ((YES, YES.replace("issuer:XNYS:BA", "Boeing Co")), "unknown_target"),
        ((YES, YES.replace("XNYS:BA", "XNYS:NOTTHERE")), "unknown_target"),
        ((YES, YES.replace("XNYS:BA", "XNAS:BA")), "contradiction"),
        ((YES, YES.replace("accepted", "rejected")), "contradiction"),
        ((YES, ",Boeing,issuer:XNYS:BA,accepted,anna"), "missing_value"),
    ],
)
def test_a_list_with_one_wrong_line_is_refused_and_the_others_go_on(
    tmp_path: Path, lines: tuple[str, ...], rule: str
) -> None:
    drop(tmp_path, "link_decisions/bad.csv", decided(*lines))
    drop(tmp_path, "link_decisions/good.csv", decided("findkg,Pfizer,issuer:XNYS:PFE,accepted,anna"))
    found, refused = read_decisions(tmp_path, TARGETS)
    assert found["name"].to_list() == ["Pfizer"]
    assert [error.rule for error in refused] == [rule]
    assert "line" in refused[0].reason


def test_the_real_files(tmp_path: Path) -> None:
    shared = folder("index_membership_sp500").parent
    for given, path in (
        ("index_membership_sp500/sp500.csv", "sp500_members/sp500.csv"),
        ("us_equity_relations_rsr/raw", "rsr_relations/history/raw"),
        ("tweets_stocknet/tickers.parquet", "stocknet/tickers.parquet"),
        ("us_equity_eod_and_filings_pystock/raw/2015/20150831.tar.gz", "pystock/history/20150831.tar.gz"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (shared / given).is_dir() else shutil.copyfile
        copy(shared / given, tmp_path / path)
    counts = {}
    for source in (SP500Companies(), RsrRelations(), StocknetCompanies(), PystockNames()):
        claims, rejected = read(source, tmp_path)
        counts[type(source).__name__] = (dict(claims["relation"].value_counts().rows()), rejected.height)
        if isinstance(source, RsrRelations):
            apple = claims.filter(pl.col("symbol") == "AAPL").select("exchange", "object", "known_at")
            assert apple.rows() == [
                ("XNAS", "NASDAQ/Computer Manufacturing", datetime(2018, 1, 1, tzinfo=UTC))
            ]
    assert counts == {
        "SP500Companies": (
            {"named": 503, "identified_by": 503, "in_industry": 1006, "in_country": 502},
            0,
        ),
        "RsrRelations": ({"in_industry": 1021}, 0),
        "StocknetCompanies": ({"named": 41, "in_industry": 41}, 0),
        "PystockNames": ({"named": 6181}, 0),
    }
