"""Deciding again with the same models: from worse data, or with other settings.

What does not belong here: decisions themselves (`walkforward.decide_each`), what the data become
(`perturb.py`, `late.py`), what came of the decisions (`robustness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from lim_pipelines import walkforward
from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune.features import rows_of_features
from lim_pipelines.lake import Lake, midnight, next_cutoff
from lim_pipelines.portfolio.complete import refuse_other_models
from lim_pipelines.portfolio.question import OptimiserError
from lim_pipelines.schemas import MODEL_INPUTS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.costed import Variant
from lim_pipelines.stress.late import later
from lim_pipelines.stress.perturb import Change, moved, thinned
from lim_pipelines.stress.perturbed import Perturbed
from lim_pipelines.stress.scenarios import DATA, Scenario


@dataclass(frozen=True)
class World:
    """Worse data.

    Parameters
    ----------
    scenario
        What they stand for.
    changes
        What becomes of the rows of which table, by its name.
    late
        Sessions by which data come late.
    milder
        Less of the same, which is asked only where this changes something.
    """

    scenario: Scenario
    changes: Mapping[str, Change] = field(default_factory=dict)
    late: int = 0
    milder: World | None = None


def worlds(spec: StrategySpec) -> list[World]:
    """List the ways in which a strategy's data may be worse."""

    def off(size: float) -> World:
        reason = "The vendor's price may be the bid or the ask: off by part of half the spread."
        scenario = Scenario(f"prices off by {size:g} half spread", DATA, reason)
        return World(scenario, {VALIDATED_BARS.name: partial(moved, size=size, costs=spec.costs)})

    def missing(share: float) -> World:
        reason = "Files come incomplete; what has no bar is not decided on that session."
        scenario = Scenario(f"{100 * share:.0f} % of bars missing", DATA, reason)
        return World(scenario, {VALIDATED_BARS.name: partial(thinned, share=share)})

    late = "The feed may be down: each decision then knows what the one before it should have known."
    return [
        replace(off(1.0), milder=off(0.5)),
        replace(missing(0.20), milder=missing(0.05)),
        World(
            Scenario("data a session late", DATA, late),
            {table.name: partial(later, by=1) for table in (VALIDATED_BARS, MODEL_INPUTS)},
            late=1,
        ),
    ]


class Again:
    """A strategy's decisions of some cutoffs, taken again.

    Parameters
    ----------
    lake, models
        Where bars, inputs and models lie.
    spec
        The strategy.
    cutoffs
        Cutoffs with models, oldest first.
    seeds
        Seeds of the method that decide, the first ones.
    """

    def __init__(
        self, lake: Lake, models: Path, spec: StrategySpec, cutoffs: Sequence[date], seeds: int
    ) -> None:
        self._lake, self._models, self._spec = lake, models, spec
        self.cutoffs = list(cutoffs)
        self.books = [(spec.method, seed) for seed in spec.arm_seeds(spec.method)[:seeds]]
        self._moment = midnight(next_cutoff(cutoffs[-1]))
        known = pl.col("known_at") <= self._moment
        # Read once: every world changes the same rows.
        self._rows = {
            VALIDATED_BARS.name: lake.revisions(VALIDATED_BARS, walkforward.universe(spec) & known)
            .sort(VALIDATED_BARS.row_key)
            .collect(),
            MODEL_INPUTS.name: lake.revisions(MODEL_INPUTS, rows_of_features(spec) & known)
            .sort(MODEL_INPUTS.row_key)
            .collect()
            if spec.features
            else MODEL_INPUTS.empty(),
        }

    def refuse_others(self, targets: pl.DataFrame) -> None:
        """Refuse targets that other models decided: what is decided again would differ by its models, too.

        Parameters
        ----------
        targets
            Rows of `TARGETS` that are to stand beside it.

        Raises
        ------
        MissingTargetsError
            Targets of a cutoff are of other models than the ones in use.
        """
        folders = {cutoff: champions.in_use(self._models, self._spec, cutoff) for cutoff in self.cutoffs}
        metas = {cutoff: store.read_meta(folder) for cutoff, folder in folders.items() if folder is not None}
        refuse_other_models(self._spec, targets, metas)

    def of_world(self, world: World) -> pl.DataFrame:
        """Targets of the method, decided from worse data.

        A target's date is the session of its last input, as always: where data come late it lies further
        before the decision, and fills must wait as much longer (`waiting`).
        """
        rows = {name: change(self._rows[name]) for name, change in world.changes.items()}
        lake = Perturbed(self._lake, self._moment, rows)
        return self._decide(lake, [self._spec], world.late)[0]

    def of_settings(self, variants: Sequence[Variant]) -> list[pl.DataFrame | OptimiserError]:
        """Targets of the method with other settings each, or why there are none.

        Models are asked once a decision, unless some settings have no solution: then each is tried by itself.
        """
        if not variants:
            return []
        try:
            return list(self._decide(self._lake, [one.spec for one in variants], 0))
        except OptimiserError as error:
            if len(variants) == 1:
                return [error]
            return [found for one in variants for found in self.of_settings([one])]

    def _decide(self, lake: Lake, specs: Sequence[StrategySpec], late: int) -> list[pl.DataFrame]:
        return walkforward.decide_each(lake, self._models, specs, self.cutoffs, late=late, books=self.books)


def waiting(spec: StrategySpec, world: World) -> StrategySpec:
    """Return the strategy as it trades targets of a world: fills wait as long as the data are late."""
    delay = spec.execution.delay + world.late
    return spec.model_copy(update={"execution": spec.execution.model_copy(update={"delay": delay})})
