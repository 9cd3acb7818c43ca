"""Fundamental investing on real filings: pystock's deliveries of 2015, each known from its collection on."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from shared_data import folder
from strategy_world import bars_of, put_checkpoint, session_days

from lim_pipelines import walkforward
from lim_pipelines.audit.checkpoints import audit_model
from lim_pipelines.audit.targets import audit_targets
from lim_pipelines.backtest import engine
from lim_pipelines.finetune import store
from lim_pipelines.finetune.features import read_features
from lim_pipelines.finetune.train import train
from lim_pipelines.foundation import checkpoint
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import LATEST, Lake, midnight
from lim_pipelines.schemas import TARGETS, VALIDATED_BARS, VALIDATED_FACTS
from lim_pipelines.sources.pystock_filings import PystockCollectionFilings
from lim_pipelines.strategies.spec import StrategySpec

torch.set_num_threads(1)
COMPANIES = 20
CUTOFFS = [date(2015, 10, 1)]
SPEC = StrategySpec.model_validate(
    {
        "name": "filed",
        "description": "A test.",
        "task": "fundamental",
        "universe": {"exchanges": ["XNAS"]},
        "horizon": 10,
        "foundation": "foundation_checkpoint",
        "method": "head",
        "controls": ["ridge"],
        "features": ["net_margin", "book_to_price", "filing_age"],
        "seeds": [1],
        "fit": {"steps": 10, "batch": 8, "validation_sessions": 25, "sample_every": 2},
        "portfolio": {"rhythm": "monthly", "max_position": 0.2, "risk_sessions": 60},
    }
)


def companies(data: Path) -> tuple[pl.DataFrame, list[date]]:
    """Closes of companies with a price of every session and no split, those that filed most."""
    days = session_days("XNAS", date(2015, 3, 23), date(2015, 12, 1))
    prices = pl.read_parquet(data / "prices_first_seen.parquet").filter(
        pl.col("date").is_in(days), pl.col("close") > 5
    )
    moves = pl.col("close").log().diff().abs().max().over("symbol", order_by="date")
    whole = prices.with_columns(moves=moves, n=pl.len().over("symbol")).filter(
        (pl.col("n") == len(days)) & (pl.col("moves") < 0.2)
    )
    filed = pl.read_parquet(data / "reports.parquet").filter(pl.col("eps_basic").is_not_null())
    most = (
        filed.group_by("symbol")
        .agg(pl.col("end_date").n_unique().alias("filed"))
        .join(whole.select("symbol").unique(), on="symbol")
    )
    names = most.sort("filed", "symbol", descending=[True, False])["symbol"].head(COMPANIES)
    return whole.filter(pl.col("symbol").is_in(names.implode())).sort("symbol", "date"), days


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of the companies, models of both cutoffs, targets."""
    data, root = folder("us_equity_eod_and_filings_pystock"), tmp_path_factory.mktemp("filed")
    prices, days = companies(data)
    bars = pl.concat(
        bars_of("XNAS:AAPL", days, own["close"].to_list()).with_columns(
            instrument_id=pl.lit(f"XNAS:{symbol}")
        )
        for (symbol,), own in prices.group_by("symbol", maintain_order=True)
    )
    landing, lake = root / "landing" / "pystock_collection" / "history", Lake(root / "lake")
    landing.mkdir(parents=True)
    mine = pl.col("symbol").is_in(prices["symbol"].unique().implode())
    pl.read_parquet(data / "reports.parquet").filter(mine).write_parquet(landing / "reports.parquet")
    source = PystockCollectionFilings()
    for file in source.files(root / "landing"):
        for block in source.read(file, root / "landing"):
            rows = block.rows["raw_facts"].with_columns(entity_id=pl.format("issuer:XNAS:{}", "symbol"))
            facts = VALIDATED_FACTS.conform(rows)
            lake.write(VALIDATED_FACTS, facts, facts.select(VALIDATED_FACTS.partition_key).unique())
    lake.write(VALIDATED_BARS, bars, bars.select(VALIDATED_BARS.partition_key).unique())
    build_inputs(lake, root / "vectors", bars.select("exchange", "date").unique())
    for cutoff in CUTOFFS:
        put_checkpoint(root / "models", SPEC.foundation, cutoff)
    job = {"lake": lake.root, "models": str(root / "models"), "cutoffs": [str(CUTOFFS[0])]}
    train({**job, "strategy": SPEC.model_dump(mode="json")})
    rows = walkforward.decide(lake, root / "models", SPEC, CUTOFFS)
    lake.write(TARGETS, rows, rows.select(TARGETS.partition_key).unique())
    return root


def test_filings_are_there_when_the_decision_is_taken_and_not_before(root: Path) -> None:
    lake = Lake(root / "lake")
    bars = lake.read(VALIDATED_BARS, as_of=LATEST).collect()
    known = read_features(lake, SPEC, bars, midnight(CUTOFFS[0]))
    filed = known.filter(pl.col("net_margin").is_finite())
    reports = pl.read_parquet(root / "landing" / "pystock_collection" / "history" / "reports.parquet")
    first = reports.group_by(instrument_id=pl.format("XNAS:{}", "symbol")).agg(pl.col("collected").min())
    told = filed.join(first, on="instrument_id")
    assert told.height == filed.height
    assert told.filter(pl.col("date") <= pl.col("collected")).height == 0, "not on the day of its collection"
    newest = filed.filter(pl.col("date") == date(2015, 9, 29))
    assert newest.height > 0.8 * COMPANIES, "most have filed by October"
    assert known["filing_age"].fill_nan(None).min() > 0


def test_it_decides_and_is_paid_and_nothing_later_reaches_it(root: Path) -> None:
    lake = Lake(root / "lake")
    rows = lake.read(TARGETS, as_of=LATEST).sort(TARGETS.key).collect()
    assert rows["date"].unique().to_list() == [date(2015, 10, 1)]
    assert rows["instrument_id"].n_unique() == COMPANIES
    folder_ = checkpoint.resolve(root / "models", SPEC.name, CUTOFFS[0])
    assert folder_ is not None
    assert store.read_meta(folder_).windows["fit_sessions"] >= 10
    verdicts = audit_model(lake, root / "models", SPEC.name, CUTOFFS[0])
    verdicts += audit_targets(lake, root / "models", SPEC, CUTOFFS[0], 1)
    assert [one.finding for one in verdicts if not one.passed] == []
    bars = lake.read(VALIDATED_BARS, as_of=LATEST).sort(VALIDATED_BARS.key).collect()
    daily = engine.run(rows, bars, date(2015, 10, 30), SPEC.costs).daily
    assert np.isfinite(daily["net_return"].to_numpy()).all()
    assert daily["cost"].sum() > 0
