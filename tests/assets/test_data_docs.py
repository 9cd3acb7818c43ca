"""Data Docs through Dagster: the asset, its checks, its pages; runs never load Great Expectations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from inprocess import Lineage, checks_of, metadata_of, open_lineage

from assets.data_docs import TABLES
from lim_pipelines.definitions import defs
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.data_docs import page_of

ROOT = Path(__file__).resolve().parents[2]
HEADER = "symbol,date,open,high,low,close,volume\n"
GOOD = HEADER + "".join(f"IBM,2018-11-{day},117,118,116,117.{day},5000\n" for day in (19, 20))
BAD = HEADER + "IBM,2018-11-21,117,116,118,117.5,5000\nGE,2018-11-21,8,9,7,8.5,5000\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lineage, Any]]:
    """Two good days and a bar whose high is below its low; then the Data Docs of them."""
    with open_lineage(tmp_path_factory.mktemp("docs")) as lineage:
        lineage.drop(GOOD, "XNYS/good.csv")
        lineage.drop(BAD, "XNYS/bad.csv")
        lineage.quotes("2018-11-19|XNYS", "2018-11-21|XNYS")
        yield lineage, lineage.run("data_docs")


def test_a_page_a_table_and_one_that_leads_to_them(made: tuple[Lineage, Any]) -> None:
    lineage, result = made
    site = lineage.path / "reports" / "data_docs"
    assert Path(metadata_of(result, "data_docs")["site"]) == site / "index.html"
    assert {path.name for path in site.iterdir()} == {"index.html", *(f"{name}.html" for name in TABLES)}
    index = (site / "index.html").read_text()
    assert all(f'href="{page_of(name)}"' in index for name in TABLES)
    assert f'href="{page_of(VALIDATED_BARS.name)}#ohlc_order"' in index
    facts = (site / page_of("validated_facts")).read_text()
    for page in (index, facts):
        assert "nothing to check" in page, "rules do not hold on a table without rows"
    assert "expectations hold" not in facts
    assert "http" not in index + (site / page_of(VALIDATED_BARS.name)).read_text(), "it loads nothing"


def test_the_checks_say_what_fails_and_lead_to_the_page(made: tuple[Lineage, Any]) -> None:
    lineage, result = made
    checks = checks_of(result)
    assert set(checks) == {f"data_docs/{name}" for name in TABLES}
    bars = checks["data_docs/validated_bars"]
    assert (bars.passed, bars.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "expectations hold on 6 rows" in str(bars.description), "four dropped, two of the embedded data"
    assert "ohlc_order" in str(bars.metadata["expectations"].value)
    page = Path(str(bars.metadata["page"].value))
    assert page == lineage.path / "reports" / "data_docs" / "validated_bars.html"
    assert 'id="ohlc_order"' in page.read_text()
    assert checks["data_docs/validated_facts"].passed


def test_it_comes_after_all_tables_that_have_rules() -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey("data_docs"))
    assert {dg.AssetKey(name) for name in TABLES} <= node.parent_keys
    assert node.group_name == "validation"


def test_runs_of_quotes_and_their_checks_never_load_great_expectations(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from inprocess import checks_of, open_lineage
with open_lineage(Path({str(tmp_path)!r})) as lineage:
    lineage.drop({GOOD!r}, "XNYS/good.csv")
    result = lineage.quotes("2018-11-19|XNYS", "2018-11-20|XNYS", checks=True)
    macro = lineage.run("raw_macro", "aligned_macro", "validated_macro")
    print(result.success, macro.success, "validated_bars/quarantine" in checks_of(result))
print("great_expectations" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True True True", "False"], done.stdout
