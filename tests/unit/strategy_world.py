"""A small world for tests of strategies: bars with a planted signal, a lake, random checkpoints."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.finetune.features import read_features
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.instruments import instruments
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.schemas import UTC_TIME, VALIDATED_BARS, VALIDATED_MACRO
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.spec import StrategySpec

NAMES = tuple(f"XSIM:SIM{i:02d}" for i in range(1, 7))
CUTOFF = date(2018, 6, 1)
PERIOD_END = date(2018, 7, 1)


def bars_of(
    instrument_id: str, days: list[date], closes: list[float], ex_factors: list[float] | None = None
) -> pl.DataFrame:
    """Daily bars with the given closes; open, high, low and volume are missing."""
    mic = instrument_id.split(":")[0]
    closing = sessions(mic, min(days), max(days)).select("date", ts="close")
    missing = {name: pl.lit(None, dtype=pl.Float64) for name in ("open", "high", "low", "volume")}
    frame = pl.DataFrame(
        {
            "date": days,
            "close": pl.Series(closes, dtype=pl.Float64, strict=False),
            "ex_factor": ex_factors or [1.0] * len(days),
        }
    )
    frame = frame.join(closing, on="date", how="left").with_columns(
        pl.col("ts").fill_null(pl.col("date").cast(UTC_TIME) + timedelta(hours=21)),
        exchange=pl.lit(mic),
        instrument_id=pl.lit(instrument_id),
        freq=pl.lit("1d"),
        asset_class=pl.lit(instruments()[instrument_id].asset_class),
        source=pl.lit("test"),
        **missing,
    )
    return VALIDATED_BARS.conform(frame.with_columns(known_at=pl.col("ts") + get_exchange(mic).feed_lag))


def session_days(mic: str, start: date, end: date) -> list[date]:
    return sessions(mic, start, end)["date"].to_list()


def market(
    seed: int = 0, start: date = date(2017, 1, 3), end: date = PERIOD_END, names: tuple[str, ...] = NAMES
) -> pl.DataFrame:
    """Bars with momentum: each instrument has a drift that keeps its sign for weeks."""
    rng = np.random.default_rng(seed)
    frames = []
    for name in names:
        days = session_days(name.split(":")[0], start, end)
        drift = np.repeat(rng.choice([-0.004, 0.004], len(days) // 40 + 1), 40)[: len(days)]
        returns = drift + 0.01 * rng.standard_normal(len(days))
        frames.append(bars_of(name, days, (100 * np.exp(np.cumsum(returns))).tolist()))
    return VALIDATED_BARS.conform(pl.concat(frames))


def macro(start: date = date(2016, 1, 1), end: date = PERIOD_END) -> pl.DataFrame:
    """A daily VIX that is known an hour after its day."""
    days = [start + timedelta(days=i) for i in range((end - start).days)]
    at = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    return VALIDATED_MACRO.conform(
        pl.DataFrame(
            {"series_id": "vix", "ts": at, "value": [15 + 5 * np.sin(i / 30) for i in range(len(at))]}
        ).with_columns(
            known_at=pl.col("ts") + timedelta(hours=1),
            unit=pl.lit("points"),
            source=pl.lit("test"),
            file=pl.lit("vix.csv"),
            line=pl.int_range(pl.len(), dtype=pl.Int64) + 2,
        )
    )


def alone(decision: Decision, bars: pl.DataFrame, forecasts: pl.DataFrame) -> Known:
    """What is known of instruments that are in no industry, to a strategy without features."""
    about = forecasts.select("exchange", "instrument_id").clear()
    industries = pl.DataFrame(schema={"instrument_id": pl.String, "industry": pl.String})
    return Known(decision, bars, forecasts, about, industries)


def spec(task: str = "cross_sectional", **changes: Any) -> StrategySpec:
    """A specification that is fitted in a second."""
    directional = task == "directional"
    content: dict[str, Any] = {
        "name": "small",
        "description": "A test.",
        "task": task,
        "universe": {"instruments": ["XNYM:WTI"] if directional else list(NAMES)},
        "horizon": 5,
        "foundation": "foundation_checkpoint" if directional else "xsim_foundation_checkpoint",
        "method": "full" if directional else "head",
        "controls": ["scratch", "ridge", "persistence"] if directional else ["ridge", "persistence"],
        "features": ["vix_level"] if directional else [],
        "seeds": [1, 2],
        "fit": {"steps": 20, "batch": 16, "validation_sessions": 40},
        "portfolio": {} if directional else {"max_position": 0.3, "risk_sessions": 60},
    }
    return StrategySpec.model_validate(content | changes)


def config(family: str) -> FoundationConfig:
    return FoundationConfig(
        name=family,
        exchanges=("XSIM",),
        asset_classes=("equity",),
        freqs=("1d",),
        context=16,
        horizon=8,
        patch=8,
    )


def put_checkpoint(models: Path, family: str, cutoff: date, seed: int = 0) -> str:
    """A checkpoint of random weights; its digest names its seed."""
    import torch

    from lim_pipelines.foundation.model import FoundationModel

    torch.manual_seed(seed)
    digest = f"{seed:064x}"[::-1]
    meta = checkpoint.Meta(
        config=config(family),
        cutoff=cutoff,
        input_digest=digest,
        parent=None,
        parent_cutoff=None,
        code_version="test",
        seed=seed,
        steps=0,
        windows={},
        metrics={},
        loss_curve=(),
        wall_seconds=0.0,
        hardware="",
        torch_version="",
        created_at="",
        data=checkpoint.DataRead(table="", lake_version=0, as_of="", fingerprint="", rows=0, groups=()),
    )
    with atomic_folder(checkpoint.folder_of(models, family, cutoff, digest)) as folder:
        checkpoint.save(FoundationModel(meta.config), meta, folder)
    checkpoint.set_current(models, family, cutoff, digest)
    return digest


def put_lake(root: Path, bars: pl.DataFrame, macro_rows: pl.DataFrame) -> Lake:
    """A lake with these bars and macro rows, and the model inputs that come of them."""
    lake = Lake(root)
    lake.write(VALIDATED_BARS, bars, bars.select("exchange", "date").unique())
    lake.write(VALIDATED_MACRO, macro_rows, macro_rows.select("series_id").unique())
    build_inputs(lake, root.parent / "vectors", bars.select("exchange", "date").unique())
    return lake


def inputs(one: ModelSpec, bars: pl.DataFrame, macro_rows: pl.DataFrame, known_by: date) -> pl.DataFrame:
    """Features as strategies read them from a lake of these bars and macro rows."""
    with TemporaryDirectory() as folder:
        lake = put_lake(Path(folder) / "lake", bars, macro_rows)
        return read_features(lake, one, bars, midnight(known_by))
