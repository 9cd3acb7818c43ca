"""Fundamental investing: its calendar rhythm, and decisions that nothing filed later reaches."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from inputs_world import NAMES, Facts, random_facts, world
from strategy_world import put_checkpoint

from lim_pipelines import walkforward
from lim_pipelines.audit.checkpoints import audit_model
from lim_pipelines.audit.targets import audit_targets
from lim_pipelines.exchanges import sessions
from lim_pipelines.finetune.features import columns_of
from lim_pipelines.finetune.train import train
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.portfolio import complete
from lim_pipelines.schemas import TARGETS
from lim_pipelines.strategies.base import universe_sessions
from lim_pipelines.strategies.industries import industries_at, read_links
from lim_pipelines.strategies.registry import TASKS
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
CUTOFF, NEXT = date(2015, 7, 1), date(2015, 8, 1)
FILED = ["book_to_price", "net_margin", "accruals", "revenue_growth", "filing_age"]


def spec(**changes: Any) -> StrategySpec:
    content: dict[str, Any] = {
        "name": "companies",
        "description": "A test.",
        "task": "fundamental",
        "universe": {"exchanges": ["XNAS"]},
        "horizon": 5,
        "foundation": "foundation_checkpoint",
        "method": "head",
        "controls": ["ridge"],
        "features": [*FILED, "text_sentiment", "text_embedding"],
        "seeds": [1],
        "fit": {"steps": 10, "batch": 8, "validation_sessions": 12},
        "portfolio": {"rhythm": "monthly", "max_position": 0.2, "risk_sessions": 40},
    }
    return StrategySpec.model_validate(content | changes)


def moments(rhythm: str, start: date, end: date) -> list[date]:
    one = spec(portfolio={"rhythm": rhythm})
    decided = TASKS["fundamental"].decisions(universe_sessions(one, end), one, midnight(start), midnight(end))
    return [decision.date for decision in decided]


def test_it_decides_on_the_first_session_of_a_month_or_quarter() -> None:
    days = sessions("XNAS", date(2014, 1, 1), date(2015, 12, 31))["date"]
    first = (
        days.to_frame().group_by(pl.col("date").dt.truncate("1mo").alias("month")).agg(pl.col("date").min())
    )
    months = first.sort("month")["date"].to_list()
    assert moments("monthly", date(2015, 1, 1), date(2016, 1, 1)) == months[11:], "led by the one before"
    assert moments("quarterly", date(2015, 1, 1), date(2016, 1, 1)) == months[9::3]


def test_the_rhythm_does_not_depend_on_where_a_period_is_cut() -> None:
    whole = moments("quarterly", date(2013, 1, 1), date(2015, 1, 1))
    cuts = [date(2013 + n // 12, n % 12 + 1, 1) for n in range(25)]
    pieces = [moments("quarterly", one, other)[1:] for one, other in pairwise(cuts)]
    assert [day for piece in pieces for day in piece] == whole[1:]
    assert sum(not piece for piece in pieces) == 16, "two months of three decide nothing"
    assert all(
        not complete.decides(spec(portfolio={"rhythm": "quarterly"}), date(2015, n, 1)) for n in (2, 3)
    )
    assert complete.decides(spec(portfolio={"rhythm": "quarterly"}), date(2015, 4, 1))


def test_it_must_read_something_of_companies() -> None:
    with pytest.raises(ValueError, match="name some of earnings_yield"):
        spec(features=["vix_level"])


@pytest.fixture(scope="module")
def facts() -> Facts:
    """Eight companies until a week after the decision."""
    tables = dict(random_facts(3).tables)
    few = pl.col("instrument_id").is_in(NAMES[:8]) & (pl.col("date") <= date(2015, 7, 8))
    tables["validated_bars"] = tables["validated_bars"].filter(few)
    return Facts(tables)


def built(root: Path, facts: Facts) -> Lake:
    lake, vectors = world(root, facts)
    days = facts.tables["validated_bars"].select("exchange", "date").unique()
    build_inputs(lake, vectors, days)
    return lake


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, facts: Facts) -> Path:
    """A lake of companies, models of `CUTOFF`, and targets."""
    root, one = tmp_path_factory.mktemp("companies"), spec()
    put_checkpoint(root / "models", one.foundation, CUTOFF)
    lake = built(root, facts)
    job = {"lake": lake.root, "models": str(root / "models"), "cutoffs": [CUTOFF.isoformat()]}
    train({**job, "strategy": one.model_dump(mode="json")})
    rows = walkforward.decide(lake, root / "models", one, [CUTOFF])
    lake.write(TARGETS, rows, rows.select(TARGETS.partition_key).unique())
    return root


def test_one_rebalance_a_month_of_the_whole_cross_section(root: Path) -> None:
    rows = Lake(root / "lake").read(TARGETS, as_of=midnight(date(2030, 1, 1))).collect()
    assert rows["date"].unique().to_list() == [date(2015, 7, 1)]
    books = rows.group_by("arm").agg(net=pl.col("weight").sum(), said=pl.col("forecast").sum(), n=pl.len())
    assert books["net"].abs().max() < 1e-6
    assert books["said"].abs().max() < 1e-9, "relative to the session's mean"
    assert books["n"].min() >= 6
    assert rows["weight"].abs().max() > 0


def test_nothing_that_came_later_reaches_model_or_decision(root: Path, facts: Facts, tmp_path: Path) -> None:
    lake = Lake(root / "lake")
    verdicts = audit_model(lake, root / "models", "companies", CUTOFF)
    verdicts += audit_targets(lake, root / "models", spec(), CUTOFF, 1)
    assert len(verdicts) == 4
    assert [one.finding for one in verdicts if not one.passed] == []
    rows = lake.read(TARGETS, as_of=midnight(date(2030, 1, 1))).sort(TARGETS.row_key).collect()
    other = built(tmp_path, facts.changed_after(rows["decided_at"].max()))
    again = walkforward.decide(other, root / "models", spec(), [CUTOFF]).sort(TARGETS.row_key)
    assert again.equals(rows)
    limited = spec(portfolio={"max_position": 0.2, "risk_sessions": 40, "max_sector": 0.005})
    first, second = (
        walkforward.decide(one, root / "models", limited, [CUTOFF]).sort(TARGETS.row_key)
        for one in (lake, other)
    )
    assert first.equals(second)
    decided_at = first["decided_at"].max()
    assert isinstance(decided_at, datetime)
    industries = industries_at(read_links(lake, decided_at), first["instrument_id"], CUTOFF, decided_at)
    assert industries.height >= 6
    assert largest_industry(first, industries) <= 0.005 + 1e-8
    assert largest_industry(rows, industries) > 0.01


def largest_industry(rows: pl.DataFrame, industries: pl.DataFrame) -> float:
    sums = rows.join(industries, on="instrument_id").group_by("arm", "industry").agg(pl.col("weight").sum())
    return float(sums["weight"].abs().to_numpy().max())


def test_its_features_are_filings_and_text() -> None:
    assert len(columns_of(spec())) == len(FILED) + 1 + 384 == spec().inputs_width
