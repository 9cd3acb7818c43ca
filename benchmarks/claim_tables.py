"""Statistics of the paper's claim: from forecasts to net daily results, and what they amount to.

All arms are traded alike: a position of each future, sized to its volatility by the forecast in units of its
scale (`portfolio/sizing.py`), decided every five sessions, filled at the next close, at its exchange's costs.
What an arm says on average, in the fit, is taken off: else whatever knows nothing but the drift holds the
same position for ever, and all such arms are one.

What does not belong here: forecasts (`claim_cells.py`), what is printed (`papers_claim.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.claim_cells import RULES, SCRATCH
from benchmarks.claim_data import CORPORA
from benchmarks.claim_stage import HORIZON
from lim_pipelines.backtest import engine
from lim_pipelines.backtest.metrics import correlations, realised, sharpe_per_day
from lim_pipelines.evaluate.deflated_sharpe import deflated_sharpe
from lim_pipelines.evaluate.seeds import Estimate, SeededSharpes
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.samples import Floats
from lim_pipelines.finetune.settings import DirectionalLimits
from lim_pipelines.paired import Gain, paired
from lim_pipelines.portfolio.sizing import directional_weight

SIZING = DirectionalLimits(vol_target=0.4, max_leverage=10.0)
"""A full position has 40 % volatility a year before it is split over all futures: Moskowitz et al. (2012)."""

_AT_ONCE = 12  # arms traded at a time; bounds the memory
_OVERLAP = 2  # decisions whose labels share a session


@dataclass(frozen=True)
class Row:
    """One line of the table: an arm of a corpus at a share of the data, all its seeds.

    Parameters
    ----------
    arm, corpus, share
        Which.
    seeds
        How many.
    sharpe
        Net, a year; mean over seeds.
    gain
        Over the network from scratch at the same share (all data where nothing is fitted).
    error
        By how much its squared error is smaller than from scratch, with the same seeds on the same decisions,
        as a share of the squared label; None for rules, which say a direction and no size.
    gross
        Sharpe ratio before costs, mean over seeds.
    turnover
        Traded a year, fraction of equity, mean over seeds.
    rank_ic
        Of forecast and label over time, mean over futures and seeds.
    deflated
        Probability that the fund of all its seeds is better than the best of all trials without skill.
    trainable, seconds
        Parameters that moved, and the time of a fit, mean over cutoffs and seeds.
    """

    arm: str
    corpus: str
    share: float
    seeds: int
    sharpe: Estimate
    gain: Estimate | None
    error: Gain | None
    gross: float
    turnover: float
    rank_ic: float
    deflated: float
    trainable: int
    seconds: float


@dataclass(frozen=True)
class Compared:
    """All that is fine-tuned from one corpus against from scratch.

    Parameters
    ----------
    pairs
        Methods and shares that are averaged.
    gain, error
        As in `Row`, means over them.
    """

    pairs: int
    gain: Estimate
    error: Gain


def named(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Call each arm of a corpus and share by one name, as the engine tells books apart by arm and seed."""
    name = pl.concat_str("corpus", "arm", "share", separator="/")
    return forecasts.with_columns(method="arm", arm=name, strategy=pl.lit("papers_claim"))


def traded(forecasts: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Trade all books.

    Parameters
    ----------
    forecasts
        As from `Claim.run`, `named`.
    bars
        Bars of the futures.

    Returns
    -------
    pl.DataFrame
        Rows of `BACKTEST_DAILY`.
    """
    weight = directional_weight(SIZING) / forecasts["instrument_id"].n_unique()
    columns = ("strategy", "arm", "seed", "date", "exchange", "instrument_id")
    centred = forecasts.with_columns(pl.col("forecast") - pl.col("forecast_center"))
    targets = centred.select(*columns, weight=weight)
    arms = forecasts["arm"].unique().sort()
    parts = [arms[at : at + _AT_ONCE] for at in range(0, len(arms), _AT_ONCE)]
    return pl.concat([engine.run(targets.filter(pl.col("arm").is_in(part)), bars).daily for part in parts])


def sharpes(daily: pl.DataFrame, settings: str) -> pl.DataFrame:
    """Rows of the trial ledger: settings, arm, seed and Sharpe ratio per day of every book."""
    rows = [
        (settings, arm, seed, sharpe_per_day(book["net_return"].to_numpy()))
        for (arm, seed), book in daily.sort("date").group_by("arm", "seed", maintain_order=True)
    ]
    names = {"settings": pl.String, "arm": pl.String, "seed": pl.Int64, "sharpe_per_day": pl.Float64}
    return pl.DataFrame(rows, schema=names, orient="row")


def table(
    forecasts: pl.DataFrame, daily: pl.DataFrame, bars: pl.DataFrame, trials: pl.DataFrame
) -> list[Row]:
    """Judge all arms on the same days.

    Parameters
    ----------
    forecasts
        As from `Claim.run`, `named`.
    daily
        As from `traded`.
    bars
        Bars of the futures.
    trials
        Every trial ever made, as from `sharpes`.
    """
    arms, net, judged = _arms(forecasts), _net(daily), _judged(forecasts, bars)
    luck = SeededSharpes(len(next(iter(net.values()))[0]))
    found = correlations("directional", judged)
    ics = {arm: part["rank_ic"].mean() for (arm,), part in found.group_by("arm")}
    tried = trials["sharpe_per_day"].drop_nans().drop_nulls().to_numpy()
    out = []
    for name, method, corpus, share in arms.iter_rows():
        own, other = net[name], _scratch(share)
        learned = method != SCRATCH
        about = forecasts.filter(pl.col("arm") == name).select(pl.col("trainable", "seconds").mean())
        varies = float(np.ptp(own.mean(axis=0))) > 0
        out.append(
            Row(
                arm=method,
                corpus=corpus,
                share=share,
                seeds=len(own),
                sharpe=luck.of(own),
                gain=luck.gain((own, net[other])) if learned else None,
                error=_errors(judged, [(name, other)]) if learned and method not in RULES else None,
                gross=luck.of(_records(daily, name, "gross_return")).value,
                turnover=float(_records(daily, name, "turnover").mean()) * SESSIONS_PER_YEAR,
                rank_ic=_float(ics.get(name)),
                deflated=deflated_sharpe(own.mean(axis=0), tried) if varies else float("nan"),
                trainable=round(about["trainable"][0]),
                seconds=about["seconds"][0],
            )
        )
    return out


def compared(forecasts: pl.DataFrame, daily: pl.DataFrame, bars: pl.DataFrame) -> dict[str, Compared]:
    """Compare all that is fine-tuned from a corpus with from scratch, as one comparison: nothing is picked.

    Parameters
    ----------
    forecasts, daily, bars
        As for `table`.

    Returns
    -------
    dict
        By corpus: the mean gain over methods and shares, of the net Sharpe ratio and in squared error.
    """
    net, judged = _net(daily), _judged(forecasts, bars)
    luck = SeededSharpes(len(next(iter(net.values()))[0]))
    out = {}
    for corpus in CORPORA:
        tuned = _arms(forecasts).filter((pl.col("corpus") == corpus) & (pl.col("share") > 0))
        pairs = [(name, _scratch(share)) for name, share in tuned.select("arm", "share").iter_rows()]
        if pairs:
            gain = luck.gain(*((net[name], net[other]) for name, other in pairs))
            out[corpus] = Compared(len(pairs), gain, _errors(judged, pairs))
    return out


def _arms(forecasts: pl.DataFrame) -> pl.DataFrame:
    return forecasts.select("arm", "method", "corpus", "share").unique(maintain_order=True)


def _scratch(share: float) -> str:
    """Name of what is compared with: of all data where nothing was fitted."""
    return f"/{SCRATCH}/{share or 1.0}"


def _net(daily: pl.DataFrame) -> dict[str, Floats]:
    return {name: _records(daily, name, "net_return") for name in daily["arm"].unique().sort()}


def _judged(forecasts: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Forecasts with what came of them, both in units of the scale."""
    scale = pl.col("volatility") * HORIZON**0.5
    return realised(forecasts, bars, HORIZON).with_columns(label=pl.col("label") / scale)


def _records(daily: pl.DataFrame, arm: str, column: str) -> Floats:
    """One record a seed, (S, T)."""
    own = daily.filter(pl.col("arm") == arm).sort("seed", "date")
    return own[column].to_numpy().reshape(own["seed"].n_unique(), -1)


def _errors(judged: pl.DataFrame, pairs: list[tuple[str, str]]) -> Gain:
    """Paired differences of squared errors over the mean square of the label, all pairs together."""
    key, parts = ("date", "instrument_id"), []
    for name, other in pairs:
        mine, its = (judged.filter(pl.col("arm") == arm) for arm in (name, other))
        # What has no seeds is compared with each of the other's.
        on = ("seed", *key) if mine["seed"].n_unique() > 1 else key
        its = its.select("seed", *key, "label", its="forecast")
        parts.append(its.join(mine.select(*on, "forecast"), on=on).sort(*key, "seed"))
    both = pl.concat(parts)
    label, said, its_said = (both[column].to_numpy() for column in ("label", "forecast", "its"))
    differences = ((label - its_said) ** 2 - (label - said) ** 2) / (label**2).mean()
    moments = both["date"].rank("dense").cast(pl.Int64).to_numpy()
    return paired(differences, moments, both["instrument_id"].to_list(), reach=_OVERLAP)[0]


def _float(value: object) -> float:
    return float(value) if isinstance(value, float) else float("nan")
