"""What a record of daily results amounts to, by the field's names.

What does not belong here: whether it may be luck (`evaluate/`), plots (`reports/`).

Returns are simple, a day is a session, a year has 252; the riskless rate is taken as zero.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.backtest.costs import PARTS
from lim_pipelines.finetune.base import rank_correlation
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR, daily_returns, with_labels
from lim_pipelines.finetune.spec import RELATIVE_TASKS, Task
from lim_pipelines.schemas import SCORES

Floats = npt.NDArray[np.float64]


DUST = 1e-9
"""Fraction of equity: a weight that a solver leaves where it wants none is smaller, and no position."""


def sharpe_per_day(returns: Floats) -> float:
    """Mean over standard deviation of daily returns, not annualised; NaN where only dust moves."""
    if len(returns) < 2 or np.ptp(returns) < DUST:
        return math.nan
    return float(returns.mean() / returns.std(ddof=1))


def drawdowns(returns: Floats) -> Floats:
    """Loss from the highest equity so far (the start included), shape (T,), at most 0."""
    equity = np.cumprod(1.0 + returns)
    return np.asarray(equity / np.maximum.accumulate(np.maximum(equity, 1.0)) - 1.0)


def longest_drawdown(returns: Floats) -> int:
    """Sessions of the longest stretch below the highest equity so far, the start included."""
    below = np.append(drawdowns(returns) < 0, False)
    ends = np.flatnonzero(~below)
    return int(np.diff(ends, prepend=-1).max()) - 1


def break_even_cost(daily: pl.DataFrame) -> float:
    """Cost of trading that eats the gross return, in basis points of what is traded; NaN without trades."""
    traded = float(daily["turnover"].to_numpy().sum())
    return 1e4 * float(daily["gross_return"].to_numpy().sum()) / traded if traded > DUST else math.nan


def performance(daily: pl.DataFrame) -> dict[str, float]:
    """Metrics of one book.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY` of one arm and seed, sorted by date.

    Returns
    -------
    dict
        total_return, cagr, volatility, sharpe, gross_sharpe, sortino, max_drawdown (at most 0),
        max_drawdown_sessions, calmar, hit_rate (share of the sessions with a position that ended with a
        gain), turnover_per_year, cost_per_year, break_even_bps, average_gross, average_net, days. Undefined
        ones are NaN.
    """
    net, gross = daily["net_return"].to_numpy(), daily["gross_return"].to_numpy()
    year = SESSIONS_PER_YEAR
    days = len(net)
    total = float(np.prod(1.0 + net)) - 1.0
    growth = 1.0 + total
    cagr = growth ** (year / days) - 1.0 if days and growth > 0 else (-1.0 if days else math.nan)
    downside = math.sqrt(float((np.minimum(net, 0.0) ** 2).mean())) if days else math.nan
    deepest = float(drawdowns(net).min()) if days else math.nan
    held = daily["gross_exposure"].to_numpy() > DUST
    return {
        "total_return": total if days else math.nan,
        "cagr": cagr,
        "volatility": float(net.std(ddof=1)) * math.sqrt(year) if days > 1 else math.nan,
        "sharpe": sharpe_per_day(net) * math.sqrt(year),
        "gross_sharpe": sharpe_per_day(gross) * math.sqrt(year),
        "sortino": float(net.mean()) / downside * math.sqrt(year) if downside > DUST else math.nan,
        "max_drawdown": deepest,
        "max_drawdown_sessions": float(longest_drawdown(net)) if days else math.nan,
        "calmar": cagr / -deepest if deepest < -DUST else math.nan,
        "hit_rate": float((net[held] > 0).mean()) if held.any() else math.nan,
        "turnover_per_year": float(daily["turnover"].to_numpy().mean()) * year if days else math.nan,
        "cost_per_year": float(daily["cost"].to_numpy().mean()) * year if days else math.nan,
        "break_even_bps": break_even_cost(daily),
        "average_gross": float(daily["gross_exposure"].to_numpy().mean()) if days else math.nan,
        "average_net": float(daily["net_exposure"].to_numpy().mean()) if days else math.nan,
        "days": float(days),
    }


def realised(targets: pl.DataFrame, bars: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Join what came of each forecast; only here, after the fact.

    Parameters
    ----------
    targets
        Rows of `TARGETS`.
    bars
        Bars as in `VALIDATED_BARS`, one revision a bar, as far as they reach.
    horizon
        Sessions of the forecast.

    Returns
    -------
    pl.DataFrame
        The rows with a column label (see `finetune/labels.py`); those without one, or without a forecast,
        left out.
    """
    labels = with_labels(daily_returns(bars), horizon).select("instrument_id", "date", "label")
    judged = targets.join(labels, on=["instrument_id", "date"])
    return judged.drop_nulls(["forecast", "label"])


def correlations(task: Task, judged: pl.DataFrame) -> pl.DataFrame:
    """Correlations of forecasts with what came of them.

    Parameters
    ----------
    task
        cross_sectional: one a decision, over instruments. directional: one an instrument, over time (labels
        of neighbouring decisions overlap, so it is less certain than its number of days suggests).
    judged
        As from `realised`.

    Returns
    -------
    pl.DataFrame
        Columns arm, seed, of (date or instrument), ic (Pearson), rank_ic (Spearman); undefined ones
        (constant forecasts) left out.
    """
    unit = "date" if task in RELATIVE_TASKS else "instrument_id"
    rows = []
    for (arm, seed, of), group in judged.sort("date", "instrument_id").group_by(
        "arm", "seed", unit, maintain_order=True
    ):
        forecast, label = group["forecast"].to_numpy(), group["label"].to_numpy()
        rank = rank_correlation(forecast, label)
        if not math.isnan(rank):
            rows.append((str(arm), int(seed), str(of), float(np.corrcoef(forecast, label)[0, 1]), rank))
    schema = {"arm": pl.String, "seed": pl.Int64, "of": pl.String, "ic": pl.Float64, "rank_ic": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def skill(task: Task, found: pl.DataFrame) -> dict[str, float]:
    """Sum up correlations of one book.

    Parameters
    ----------
    task
        As for `correlations`.
    found
        Rows of `correlations` of one arm and seed.

    Returns
    -------
    dict
        ic and rank_ic (means), icir and rank_icir (mean over standard deviation of decisions, not annualised;
        of a task that forecasts over time there is one correlation an instrument, and no ratio),
        rank_ic_count. Undefined ones are NaN.
    """
    figures = {"rank_ic_count": float(found.height)}
    for name, ratio in (("ic", "icir"), ("rank_ic", "rank_icir")):
        values = found[name].to_numpy()
        figures[name] = float(values.mean()) if len(values) else math.nan
        relative = task in RELATIVE_TASKS and len(values) > 1 and np.ptp(values) > DUST
        figures[ratio] = figures[name] / float(values.std(ddof=1)) if relative else math.nan
    return figures


def scores(
    strategy: str, task: Task, horizon: int, daily: pl.DataFrame, targets: pl.DataFrame, bars: pl.DataFrame
) -> pl.DataFrame:
    """Metrics of every arm and seed.

    Parameters
    ----------
    strategy, task, horizon
        The strategy's.
    daily
        Rows of `BACKTEST_DAILY` of the strategy.
    targets, bars
        What it was made from.

    Returns
    -------
    pl.DataFrame
        Rows of `SCORES`: those of `performance` and `skill`. Undefined values are null.
    """
    found = correlations(task, realised(targets, bars, horizon))
    rows = []
    for (arm, seed), book in daily.sort("date").group_by("arm", "seed", maintain_order=True):
        own = found.filter((pl.col("arm") == arm) & (pl.col("seed") == seed))
        figures = performance(book) | skill(task, own)
        rows += [(strategy, arm, seed, metric, value) for metric, value in figures.items()]
    frame = pl.DataFrame(rows, schema=SCORES.schema, orient="row")
    return SCORES.conform(frame.with_columns(pl.col("value").fill_nan(None)))


def pooled(daily: pl.DataFrame, arm: str) -> pl.DataFrame:
    """Return the record of a fund that splits its capital evenly over an arm's seeds every day.

    Parameters
    ----------
    daily
        Rows of `BACKTEST_DAILY` of one strategy.
    arm
        The arm.

    Returns
    -------
    pl.DataFrame
        One row a date, sorted: the means over seeds of all numeric columns.
    """
    figures = ("gross_return", *PARTS, "cost", "net_return", "turnover", "gross_exposure", "net_exposure")
    return (
        daily.filter(pl.col("arm") == arm)
        .sort("seed")
        .group_by("date")
        .agg(pl.col(*figures).mean())
        .sort("date")
    )
