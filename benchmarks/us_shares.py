"""Daily bars of US shares from shared data, as the models read them, and a backbone that saw earlier ones.

What does not belong here: what is asked of them (`stocknet.py`, `industry_graph.py`). Vendors' files go
through the platform's sources and rules elsewhere; here they are read for two experiments, zeros as missing.

Prices are adjusted as of 2017: levels know the future, returns do not, and only returns are read.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from benchmarks.quality_home import DATA
from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.quality.entrants import Lim
from lim_pipelines.foundation.quality.harness import before
from lim_pipelines.foundation.series import build_series, microseconds
from lim_pipelines.schemas import VALIDATED_BARS

QUOTES = DATA / "us_equity_daily_rsr" / "ohlcv_daily.parquet"
MICS = {"NASDAQ": "XNAS", "NYSE": "XNYS"}
PRICES = ("open", "high", "low", "close")
CONTEXT = 64


def _bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of `VALIDATED_BARS` from exchange (MIC), ticker, date, open, high, low, close, volume."""
    first, last = frame.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    closes = pl.concat(
        sessions(mic, first, last).select(
            "date", exchange=pl.lit(mic), ts="close", lag=pl.lit(get_exchange(mic).feed_lag)
        )
        for mic in frame["exchange"].unique().sort()
    )
    missing = {name: pl.when(pl.col(name) > 0).then(pl.col(name)) for name in (*PRICES, "volume")}
    return VALIDATED_BARS.conform(
        frame.with_columns(**missing)
        .drop_nulls("close")
        .join(closes, on=["exchange", "date"])
        .sort("exchange", "ticker", "date")
        .with_columns(
            instrument_id=pl.col("exchange") + ":" + pl.col("ticker") + "@2017",
            known_at=pl.col("ts") + pl.col("lag"),
            freq=pl.lit("1d"),
            asset_class=pl.lit("equity"),
            source=pl.lit("experiment"),
            ex_factor=pl.lit(1.0),
        )
    )


def rsr_bars(names: pl.DataFrame, until: date = date(2016, 12, 30)) -> pl.DataFrame:
    """Bars of shares of Relational Stock Ranking; names has exchange (NASDAQ or NYSE) and ticker."""
    rows = pl.scan_parquet(QUOTES).filter(pl.col("date") <= until)
    rows = rows.join(names.lazy().select("exchange", "ticker"), on=["exchange", "ticker"])
    return _bars(rows.with_columns(pl.col("exchange").replace_strict(MICS)).collect())


def stocknet_bars() -> pl.DataFrame:
    """Bars of StockNet's shares, adjusted for splits and dividends, all under XNYS (same hours)."""
    rows = pl.read_parquet(DATA / "tweets_stocknet" / "prices_daily.parquet")
    factor = pl.col("adj_close") / pl.col("close")
    return _bars(rows.with_columns(*(pl.col(name) * factor for name in PRICES), exchange=pl.lit("XNYS")))


def backbone(steps: int, cutoff: date, keep: Path, shares: int = 300) -> FoundationModel:
    """Pretrain a tiny model on shares of RSR before a cutoff, or read it where that was done.

    Parameters
    ----------
    steps
        Pretraining steps.
    cutoff
        Only bars before it are seen.
    keep
        Folder of weights.
    shares
        How many shares it learns from.
    """
    from safetensors.torch import load_file, save_file

    config = FoundationConfig.model_validate(
        {
            "name": "shares",
            "exchanges": ("XNAS", "XNYS"),
            "asset_classes": ("equity",),
            "freqs": ("1d",),
            "context": CONTEXT,
            "horizon": 8,
            "patch": 8,
            "steps_first": steps,
        }
    )
    path = keep / f"backbone-{cutoff}-{steps}-{shares}.safetensors"
    if path.exists():
        model = FoundationModel(config)
        model.load_state_dict(load_file(path))
        return model.eval()
    moment = microseconds(f"{cutoff}T00:00:00+00:00")
    names = pl.read_parquet(QUOTES.with_name("tickers.parquet")).sort("exchange", "ticker")
    bars = rsr_bars(names.gather_every(max(1, names.height // shares)), cutoff)
    entrant = Lim(config)
    entrant.at(moment, before(build_series(bars), moment))
    assert entrant.model is not None
    keep.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({name: tensor.contiguous() for name, tensor in entrant.model.state_dict().items()}, part)
    part.replace(path)
    return entrant.model.eval()
