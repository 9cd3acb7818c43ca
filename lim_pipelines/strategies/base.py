"""Decisions: when a strategy decides, what is known then, and what its models say.

What does not belong here: which sessions a task decides on (`directional.py`, `cross_sectional.py`),
positions (`portfolio/`). torch is imported by nothing here; forecasters bring it.

Everything a decision reads was known at `decided_at`, the session's close plus the exchange's decision lag.
A decision is made from the bars of its own moment alone, never in one batch with later ones, so nothing that
happens later can change it, not even in the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl

from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.finetune.base import Forecaster, forecast, positions
from lim_pipelines.finetune.samples import Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.lake import as_of_view
from lim_pipelines.lake.past import listings_on
from lim_pipelines.schemas import LISTINGS, VALIDATED_BARS
from lim_pipelines.strategies.industries import NO_LINKS, industries_at

RHYTHM_SINCE = date(1986, 1, 1)
"""Where the count of sessions begins that a weekly rhythm goes by. Moving it moves every decision."""

LOOKBACK_SESSIONS = 320
"""Bars of each instrument that a decision looks at; more than any context, volatility or covariance needs."""


NO_LISTINGS = LISTINGS.empty()
"""All instruments are what their exchanges say."""


@dataclass(frozen=True)
class Decision:
    """One moment at which a strategy decides.

    Parameters
    ----------
    date
        Session whose close is the last input.
    decided_at
        When it is taken, UTC; what is known by then may be used.
    exchanges
        Exchanges whose instruments are decided on.
    """

    date: date
    decided_at: datetime
    exchanges: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What is known at a decision and what the models make of it.

    Parameters
    ----------
    decision
        The decision.
    bars
        Daily bars as known at the decision, at most the last `LOOKBACK_SESSIONS` of each instrument.
    forecasts
        Columns arm, seed, exchange, instrument_id, forecast (log return over the horizon), forecast_scale
        (standard deviation of the arm's forecasts in its fit), position (weight that the models themselves
        say, fraction of equity), volatility (of a session's log return). Models say forecasts or positions,
        the other is null. One
        row a book and instrument that has a bar of this session and enough history.
    inputs
        The strategy's features at the decision, as from `features.read_features`.
    industries
        As from `industries.industries_at`; without rows where the portfolio does not ask.
    listings
        Rows of `LISTINGS` that had begun by the decision: currency and multiplier of what is listed.
    """

    decision: Decision
    bars: pl.DataFrame
    forecasts: pl.DataFrame
    inputs: pl.DataFrame
    industries: pl.DataFrame
    listings: pl.DataFrame = field(default_factory=LISTINGS.empty)


def universe_sessions(spec: ModelSpec, through: date, late: int = 0) -> pl.DataFrame:
    """Sessions of a universe's exchanges since `RHYTHM_SINCE`.

    Parameters
    ----------
    spec
        The universe.
    through
        Last date.
    late
        Sessions by which data come late: a decision is taken when it always is, and its last input is the
        session so many before.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, decided_at (close plus decision lag), ordinal (sessions of the exchange
        before it, which makes a weekly rhythm that no cutoff shifts); sorted by date and exchange.
    """
    frames = [
        sessions(mic, RHYTHM_SINCE, through)
        .with_row_index("ordinal")
        .select(
            pl.lit(mic).alias("exchange"),
            pl.col("date").shift(late),
            (pl.col("close") + get_exchange(mic).decision_lag).alias("decided_at"),
            pl.col("ordinal").cast(pl.Int64),
        )
        for mic in spec.universe.mics()
    ]
    return pl.concat(frames).drop_nulls("date").sort("date", "exchange")


def known_at(
    spec: ModelSpec,
    forecasters: Mapping[tuple[str, int], Forecaster],
    scales: Mapping[tuple[str, int], float],
    decision: Decision,
    bars: pl.DataFrame,
    inputs: pl.DataFrame,
    samples_of: Callable[[pl.DataFrame, pl.DataFrame, list[date]], Samples],
    links: pl.DataFrame = NO_LINKS,
    listings: pl.DataFrame = NO_LISTINGS,
) -> Known:
    """Look at the world as of a decision and ask all models.

    Parameters
    ----------
    spec
        Universe, horizon and features.
    forecasters, scales
        Fitted arms by (arm, seed), and the standard deviation of their fitted forecasts.
    decision
        The decision.
    bars
        Rows of `VALIDATED_BARS`, all revisions.
    inputs
        Features by decision, as from `features.read_features`.
    samples_of
        The task's samples of bars, features and sessions (`TaskRules.samples`).
    links
        As from `industries.read_links`.
    listings
        Rows of `LISTINGS`, those that begin later, too.
    """
    wanted = (pl.col("freq") == spec.frequency) & pl.col("exchange").is_in(decision.exchanges)
    wanted &= spec.universe.rows()
    # Twice as many days as sessions: a bound that saves sorting all history for every decision.
    oldest = decision.date - timedelta(days=2 * LOOKBACK_SESSIONS)
    wanted &= pl.col("date").is_between(oldest, decision.date)
    view = as_of_view(bars.filter(wanted), decision.decided_at, VALIDATED_BARS)
    recent = pl.int_range(pl.len()).reverse().over("instrument_id") < LOOKBACK_SESSIONS
    view = view.sort("instrument_id", "date").filter(recent)
    own = (pl.col("date") == decision.date) & (pl.col("known_at") <= decision.decided_at)
    features = inputs.filter(own)
    samples = samples_of(view, features, [decision.date])
    about = samples.frame.select("exchange", "instrument_id").with_columns(
        volatility=pl.Series(samples.volatility, dtype=pl.Float64)
    )
    frames = [
        about.with_columns(
            arm=pl.lit(arm),
            seed=pl.lit(seed, dtype=pl.Int64),
            forecast_scale=pl.lit(scales[arm, seed]),
            **_said(spec, forecaster, samples, scales[arm, seed]),
        )
        for (arm, seed), forecaster in forecasters.items()
    ]
    industries = industries_at(links, view["instrument_id"], decision.date, decision.decided_at)
    listed = listings_on(listings.lazy(), decision.date).collect()
    return Known(decision, view, pl.concat(frames), features, industries, listed)


def _said(
    spec: ModelSpec, forecaster: Forecaster, samples: Samples, scale: float
) -> dict[str, pl.Series | pl.Expr]:
    """Columns forecast and position of one book; its models say one of them."""
    nothing = pl.lit(None, dtype=pl.Float64)
    if spec.output == "position":
        held = positions(spec, forecaster, samples, scale)
        return {"forecast": nothing, "position": pl.Series(held, dtype=pl.Float64)}
    returns = forecast(spec, forecaster, samples)
    return {"forecast": pl.Series(returns, dtype=pl.Float64), "position": nothing}
