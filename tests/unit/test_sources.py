"""Embedded sources: spot values, both clocks, nothing lost, and the template that others copy."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from lim_pipelines.exchanges import sessions
from lim_pipelines.instruments import listings
from lim_pipelines.schemas import QUARANTINE, RAW_QUOTES
from lim_pipelines.sources import QUOTE_SOURCES, Collected, collect
from lim_pipelines.sources.packages import MissingPackageError, locate

NOWHERE = Path("/nonexistent")
EVER = (date(1986, 1, 1), date(2025, 1, 1))


@pytest.fixture(scope="module")
def real() -> Collected:
    return collect({"XNAS", "XNYS", "XNYM"}, *EVER, NOWHERE)


def bar(found: Collected, symbol: str, day: date, source: str) -> dict[str, object]:
    rows = found.rows.filter(
        (pl.col("symbol") == symbol) & (pl.col("date") == day) & (pl.col("source") == source)
    )
    return rows.row(0, named=True)


def test_row_counts_reconcile_with_the_files(real: Collected) -> None:
    rows = dict(real.rows.group_by("source").len().iter_rows())
    assert rows == {"bokeh_stocks": 12154, "arch_series": 5031 + 5031 + 8611 - 290, "hv_apple": 1509}
    assert real.rejected["rule"].unique().to_list() == ["missing_value"]
    assert real.rejected.height == 290
    assert real.refused == []
    assert len({file.path for file in real.files}) == len(real.files) == 5


def test_tables_conform(real: Collected) -> None:
    assert RAW_QUOTES.conform(real.rows).equals(real.rows)
    assert QUARANTINE.conform(real.rejected).equals(real.rejected)


def test_a_split_is_a_factor_and_not_a_return(real: Collected) -> None:
    split = bar(real, "AAPL", date(2005, 2, 28), "bokeh_stocks")
    assert split["close"] == 44.86
    assert split["ex_factor"] == 0.5
    assert split["line"] == 1256
    assert split["file"] == "package://bokeh_sampledata/_data/stocks.csv.gz"


def test_total_returns_are_those_of_the_adjusted_close(real: Collected) -> None:
    """The ex factors carry all that the adjusted close knew."""
    text = pl.read_csv(locate("package://bokeh_sampledata/_data/stocks.csv.gz"), try_parse_dates=True)
    truth = text.select(
        symbol="Ticker",
        date="Date",
        expected=(pl.col("Adj Close") / pl.col("Adj Close").shift(1)).over("Ticker", order_by="Date"),
    )
    ours = real.rows.filter(pl.col("source") == "bokeh_stocks").sort("symbol", "date")
    growth = pl.col("close") / (pl.col("close").shift(1) * pl.col("ex_factor"))
    ours = (
        ours.with_columns(growth=growth.over("symbol"))
        .join(truth, on=["symbol", "date"])
        .drop_nulls(["growth", "expected"])
    )
    assert (ours["growth"] / ours["expected"] - 1).abs().max() < 1e-8


def test_rounding_makes_no_dividends(real: Collected) -> None:
    """AAPL paid quarterly, 2019 to 2024: 24 dividends, and the split is already in the prices."""
    events = real.rows.filter((pl.col("source") == "hv_apple") & (pl.col("ex_factor") != 1))
    assert events.height == 24
    assert events["ex_factor"].is_between(0.994, 0.9999).all()


def test_wti_has_a_close_and_nothing_else(real: Collected) -> None:
    wti = bar(real, "wti", date(1986, 1, 2), "arch_series")
    assert (wti["close"], wti["open"], wti["volume"], wti["ex_factor"]) == (25.56, None, None, 1.0)
    gap = real.rejected.filter(pl.col("date") == date(1986, 2, 17)).row(0, named=True)
    assert gap["line"] == 34
    assert '"DCOILWTICO":"."' in gap["evidence"]


def test_daily_bars_end_at_the_close_and_are_known_a_lag_later(real: Collected) -> None:
    half_day = bar(real, "sp500", date(2018, 11, 23), "arch_series")
    assert half_day["ts"] == datetime(2018, 11, 23, 18, 0, tzinfo=UTC)
    assert half_day["known_at"] == datetime(2018, 11, 23, 18, 15, tzinfo=UTC)


def test_a_row_on_a_closed_day_ends_with_the_local_day(real: Collected) -> None:
    closed = bar(real, "wti", date(2018, 12, 5), "arch_series")  # day of mourning for G. H. W. Bush
    assert closed["ts"] == datetime(2018, 12, 6, 4, 59, 59, tzinfo=UTC)


def test_xsim_rows_are_the_simulation(real: Collected) -> None:
    found = collect({"XSIM"}, date(2018, 12, 24), date(2018, 12, 24), NOWHERE)
    assert found.rows.group_by("freq").len().sort("freq").rows() == [("1d", 64), ("1m", 840)]
    assert set(found.rows["file"]) == {"simulate://xsim?seed=7"}
    assert {file.path for file in found.files} == {"simulate://xsim?seed=7"}
    assert found.rows.equals(collect({"XSIM"}, date(2018, 12, 24), date(2018, 12, 24), NOWHERE).rows)


def test_a_window_is_a_cut_of_the_whole(real: Collected) -> None:
    start, end = date(2018, 10, 1), date(2018, 12, 31)
    part = collect({"XNYS"}, start, end, NOWHERE)
    inside = pl.col("date").is_between(start, end) & (pl.col("exchange") == "XNYS")
    assert part.rows.equals(real.rows.filter(inside))
    assert part.rows.height == sessions("XNYS", start, end).height


def test_every_embedded_symbol_is_listed(real: Collected) -> None:
    used = real.rows.select("source", "symbol", "exchange").unique()
    assert used.join(listings(), on=["source", "symbol", "exchange"], how="anti").is_empty()


def test_sources_serve_what_they_say(real: Collected) -> None:
    for source in QUOTE_SOURCES:
        here = real.rows.filter(pl.col("source") == source.name)
        assert set(here["exchange"]) <= source.exchanges
    assert len({source.name for source in QUOTE_SOURCES}) == len(QUOTE_SOURCES)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingPackageError, match="install no_such_package"):
        locate("package://no_such_package/data.csv")


def test_packages_are_read_but_not_imported() -> None:
    code = """
import sys
from lim_pipelines.sources.bokeh_stocks import PATH
from lim_pipelines.sources.macro import MACRO_SERIES, read_text_table
read_text_table(PATH), read_text_table(MACRO_SERIES[0].path)
print([m for m in ("arch", "pandas", "bokeh_sampledata", "hvsampledata", "torch") if m in sys.modules])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
