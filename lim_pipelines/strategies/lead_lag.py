"""Lead-lag: an instrument that follows another is traded on what the other did (paper section 5.3).

A sample is the lagger; the windows of its leaders stand beside its own (`Samples.others`). Leaders are
screened at the cutoff on sessions before the validation window, so early stopping and the judgement of a
retrained model see sessions that chose nothing. Only laggers are traded, and only believed ones.

What does not belong here: the screening (`leaders.py`), the arithmetic of sizing (`portfolio/sizing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.finetune.samples import Indices, Samples, build_samples
from lim_pipelines.finetune.selection import Selection
from lim_pipelines.finetune.settings import DirectionalLimits
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import TooLittleHistoryError
from lim_pipelines.foundation.series import Series
from lim_pipelines.portfolio.absent import with_sold
from lim_pipelines.portfolio.sizing import directional_weight
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.cross_sectional import decisions_on
from lim_pipelines.strategies.leaders import FEWEST_SESSIONS, leaders_of
from lim_pipelines.strategies.portfolios import Portfolio
from lim_pipelines.strategies.task import Books, TaskRules

if TYPE_CHECKING:
    from lim_pipelines.strategies.spec import StrategySpec

STALE_DAYS = 7
"""Days after which a leader's last bar says nothing of now: it stopped trading, or its bars do not come."""


@dataclass(frozen=True)
class LeadLagBooks:
    """Books of laggers; a `task.Books`.

    Parameters
    ----------
    settings
        Size of a position.
    laggers
        Whether each lagger is believed, and so traded. All others get weight 0: what the models of an earlier
        cutoff bought, and nobody follows any more, is sold.
    """

    settings: DirectionalLimits
    laggers: Mapping[str, bool]

    def rebalance(self, known: Known) -> pl.DataFrame:
        """See `task.Books`. A lagger without a bar of this session stays as it is."""
        traded = pl.col("instrument_id").is_in([name for name, believed in self.laggers.items() if believed])
        weight = pl.when(traded).then(directional_weight(self.settings)).otherwise(0.0)
        nobodys = known.bars.filter(~pl.col("instrument_id").is_in(list(self.laggers)))
        return with_sold(replace(known, bars=nobodys), known.forecasts.with_columns(weight=weight))


class LeadLag(TaskRules):
    """Laggers on what their leaders did."""

    def portfolio(self, content: Mapping[str, Any]) -> type[Portfolio]:
        """See `task.TaskRules`."""
        return DirectionalLimits

    def select(self, spec: ModelSpec, bars: pl.DataFrame) -> Selection:
        """Screen leaders on the sessions before the validation window.

        Raises
        ------
        TooLittleHistoryError
            No two instruments have bars of sessions enough before that window.
        """
        own = bars.filter((pl.col("freq") == spec.frequency) & spec.universe.rows())
        leaders = leaders_of(spec.leaders, formation(spec, own))
        if not leaders:
            raise TooLittleHistoryError(
                f"strategy {spec.name}: of {own['instrument_id'].n_unique()} instruments no two have"
                f" {FEWEST_SESSIONS} sessions to screen leaders on before the validation window of"
                f" {spec.fit.validation_sessions}; import more history (archive), widen the universe, or"
                " lower fit.validation_sessions"
            )
        return Selection(leaders=leaders)

    def samples(
        self,
        spec: ModelSpec,
        bars: pl.DataFrame,
        inputs: pl.DataFrame,
        selection: Selection,
        sessions: list[date] | None = None,
    ) -> Samples:
        """Make samples of the laggers, the windows of their leaders beside their own."""
        everything = build_samples(spec, bars, inputs, sessions)
        laggers = sorted({one.lagger for one in selection.leaders})
        samples = everything.at(everything.frame["instrument_id"].is_in(laggers).to_numpy())
        return replace(samples, others=_windows(spec, samples, bars, selection))

    def decisions(
        self, sessions: pl.DataFrame, spec: StrategySpec, start: datetime, end: datetime
    ) -> list[Decision]:
        """List every date on which an exchange is open, decided after the last close of that date."""
        # A leader whose exchange is closed that day is looked at all the same, as in the fit.
        mics = spec.universe.mics()
        every = decisions_on(sessions["date"].unique(), sessions, start, end, lead=0)
        return [replace(decision, exchanges=mics) for decision in every]

    def books(self, spec: StrategySpec, selection: Selection) -> Books:
        """See `task.TaskRules`."""
        assert isinstance(spec.portfolio, DirectionalLimits)
        # A lagger's leaders are believed all, or none of all laggers is (`leaders.leaders_of`).
        return LeadLagBooks(spec.portfolio, {one.lagger: one.believed for one in selection.leaders})


def formation(spec: ModelSpec, bars: pl.DataFrame) -> pl.DataFrame:
    """Bars that leaders are screened on: before the validation window, which `split` takes from the end.

    Parameters
    ----------
    spec
        Horizon, validation window, and how many sessions are screened.
    bars
        Daily bars as known at a cutoff.
    """
    days = daily_returns(bars).select("exchange", "date").unique()
    # The last labelled session lies a horizon and a fill before the last bar. Laggers may all be of the
    # exchange that is open least, whose last sessions reach back furthest.
    back = spec.horizon + 1 + spec.fit.validation_sessions
    held_out = pl.col("date").sort().tail(back).first().over("exchange").min()
    kept = days.filter(pl.col("date") < held_out)["date"].unique().sort()
    return bars.filter(pl.col("date").is_in(kept.tail(spec.leaders.formation_sessions).implode()))


def _windows(spec: ModelSpec, samples: Samples, bars: pl.DataFrame, selection: Selection) -> Indices:
    """Windows of each sample's leaders, shape (N, K, 2): their last bar up to the sample's session."""
    others = np.full((len(samples), spec.related, 2), (0, -1), dtype=np.int64)
    position = {one.instrument_id: i for i, one in enumerate(samples.series)}
    known = daily_returns(bars).partition_by("instrument_id", as_dict=True)
    lagger, day = samples.frame["instrument_id"].to_numpy(), samples.frame["date"].to_numpy()
    place: dict[str, int] = {}
    for one in selection.leaders:
        k = place.setdefault(one.lagger, 0)
        place[one.lagger] += 1
        rows = np.flatnonzero(lagger == one.lagger)
        if one.leader in position and len(rows):
            at = position[one.leader]
            last = _last_rows(samples.series[at], known[(one.leader,)], day[rows])
            others[rows, k] = np.stack([np.full(len(rows), at), last], axis=1)
    return others


def _last_rows(series: Series, bars: pl.DataFrame, days: Any) -> Indices:
    """Row of the last bar of a series up to each day; -1 where there is none or it is stale."""
    own = bars["date"].to_numpy()
    at = np.searchsorted(own, days, side="right") - 1
    fresh = (at >= 0) & (days - own[np.maximum(at, 0)] <= np.timedelta64(timedelta(days=STALE_DAYS)))
    ends = bars["ts"].dt.epoch("us").to_numpy()[np.maximum(at, 0)]
    return np.where(fresh, np.searchsorted(series.ts, ends), -1)
