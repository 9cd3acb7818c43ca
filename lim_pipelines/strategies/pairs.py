"""Pairs: the spread of two instruments that belong together, entered when far out (paper section 5.3).

A sample is a pair at a session. The backbone reads the spread as an instrument of its own; beside it stand
the z-score, the half-life and the statistic of the test that found the pair. The forecast is the spread's
return over the horizon; it decides whether a spread that is far out is worth entering.

What does not belong here: choosing pairs (`pair_selection.py`), spreads (`spreads.py`), positions
(`portfolio/pair_books.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from lim_pipelines.finetune.features import DECISION, columns_of
from lim_pipelines.finetune.samples import Samples, samples_of
from lim_pipelines.finetune.selection import Formation, Selection
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.finetune.split import TooLittleHistoryError
from lim_pipelines.inputs.registry import OWNER
from lim_pipelines.portfolio.pair_books import PairBooks
from lim_pipelines.strategies import cross_sectional
from lim_pipelines.strategies.base import LOOKBACK_SESSIONS, Decision
from lim_pipelines.strategies.pair_selection import EVERY, formations
from lim_pipelines.strategies.portfolios import PairsPortfolio, Portfolio
from lim_pipelines.strategies.spreads import spread_bars, stretch, z_scores
from lim_pipelines.strategies.task import Books, TaskRules

if TYPE_CHECKING:
    from lim_pipelines.strategies.spec import StrategySpec


class Pairs(TaskRules):
    """The spread of two instruments."""

    def portfolio(self, content: Mapping[str, Any]) -> type[Portfolio]:
        """See `task.TaskRules`."""
        return PairsPortfolio

    def select(self, spec: ModelSpec, bars: pl.DataFrame) -> Selection:
        """Choose the pairs of the cutoff, and those of each quarter before it on what lay behind that.

        Raises
        ------
        TooLittleHistoryError
            No pair was ever chosen whose later sessions could be fitted on.
        """
        chosen = formations(spec.pairs, bars)
        if not any(one.pairs for one in chosen[:-1]):
            raise TooLittleHistoryError(
                f"strategy {spec.name}: {bars['instrument_id'].n_unique()} instruments with bars of"
                f" {bars['date'].n_unique()} sessions give no pair to fit on; a formation takes"
                f" {spec.pairs.formation_sessions} sessions of two instruments at least, and {EVERY} more"
                " follow it: import more history (archive), widen the universe, or lower"
                " pairs.formation_sessions"
            )
        return Selection(formations=chosen)

    def samples(
        self,
        spec: ModelSpec,
        bars: pl.DataFrame,
        inputs: pl.DataFrame,
        selection: Selection,
        sessions: list[date] | None = None,
    ) -> Samples:
        """Make samples of spreads.

        Parameters
        ----------
        spec, bars, inputs
            See `task.TaskRules`.
        selection
            Pairs and the sessions that they were chosen for.
        sessions
            None: every session by the pairs that were chosen for it, to fit on and to judge by. Else the
            newest pairs on these sessions.
        """
        bars = bars.filter((pl.col("freq") == spec.frequency) & spec.universe.rows())
        if sessions is not None:
            return _samples(spec, spreads_of(spec, bars, inputs, selection.formations[-1]), sessions)
        spreads = pl.concat([spreads_of(spec, bars, inputs, one) for one in selection.formations])
        samples = _samples(spec, spreads, None)
        own = samples.frame.join(
            spreads.select(*DECISION, "own"), on=DECISION, how="left", maintain_order="left"
        )
        return samples.at(own["own"].to_numpy())

    def decisions(
        self, sessions: pl.DataFrame, spec: StrategySpec, start: datetime, end: datetime
    ) -> list[Decision]:
        """List every session, led by as many as a spread may be held for: what is held depends on those."""
        assert isinstance(spec.portfolio, PairsPortfolio)
        return cross_sectional.decisions(sessions, 1, start, end, lead=spec.portfolio.hold_sessions)

    def books(self, spec: StrategySpec, selection: Selection) -> Books:
        """Open books of the pairs that were chosen last and are believed."""
        assert isinstance(spec.portfolio, PairsPortfolio)
        traded = [pair for pair in selection.formations[-1].pairs if pair.believed]
        return PairBooks(spec, spec.portfolio, traded)


def _samples(spec: ModelSpec, spreads: pl.DataFrame, sessions: list[date] | None) -> Samples:
    columns = [*columns_of(spec), *spec.own_features]
    return samples_of(spreads, spreads, columns, spec.horizon, sessions)


def spreads_of(
    spec: ModelSpec, bars: pl.DataFrame, inputs: pl.DataFrame, formation: Formation
) -> pl.DataFrame:
    """Bars of a formation's spreads beside what is known of them.

    Parameters
    ----------
    spec
        Features, horizon, z-score window.
    bars
        Daily bars of the legs, one revision a bar.
    inputs
        Features of the legs by decision.
    formation
        The pairs. Those of the past get their quarter behind their name, so that a pair that is chosen again
        with another hedge is another spread.

    Returns
    -------
    pl.DataFrame
        As from `spread_bars`, with the columns of the features (of the session: the first leg's; of the
        instrument: the first leg's less the second's), of `own_features`, and `own`: whether the pairs were
        chosen for the session.
    """
    past = formation.until is not None
    here = stretch(bars, formation, LOOKBACK_SESSIONS, spec.horizon + 1) if past else bars
    spreads = spread_bars(here, formation.pairs)
    about = pl.DataFrame(
        [(p.name, p.second, p.first, math.log(p.half_life), p.statistic) for p in formation.pairs],
        schema={
            "instrument_id": pl.String,
            "second": pl.String,
            "first": pl.String,
            "half_life": pl.Float64,
            "statistic": pl.Float64,
        },
        orient="row",
    )
    spreads = (
        spreads.join(z_scores(spreads, spec.pairs.window), on=["instrument_id", "date"], how="left")
        .join(about, on="instrument_id", how="left")
        .with_columns(
            own=(pl.col("date") >= formation.since) & (pl.col("date") < (formation.until or date.max))
        )
    )
    spreads = _with_inputs(spec, spreads, inputs).drop("first", "second").sort("instrument_id", "date")
    if past:
        spreads = spreads.with_columns(instrument_id=pl.col("instrument_id") + f"@{formation.since}")
    return spreads


def _with_inputs(spec: ModelSpec, spreads: pl.DataFrame, inputs: pl.DataFrame) -> pl.DataFrame:
    columns = columns_of(spec)
    if not columns:
        return spreads
    known = inputs.select("date", "instrument_id", *columns)
    for leg in ("first", "second"):
        named = known.rename({name: f"{leg}.{name}" for name in columns})
        spreads = spreads.join(named, left_on=[leg, "date"], right_on=["instrument_id", "date"], how="left")
    about = {label: OWNER[label.split(".")[0]].about for label in columns}
    return spreads.with_columns(
        (
            pl.col(f"first.{name}")
            if about[name] == "session"
            else pl.col(f"first.{name}") - pl.col(f"second.{name}")
        ).alias(name)
        for name in columns
    ).drop(f"{leg}.{name}" for leg in ("first", "second") for name in columns)
