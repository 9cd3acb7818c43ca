"""Decisions and backtests of a strategy made again, and compared with what is stored.

What does not belong here: its models (`verify_models.py`), rows of market data (`verify_rows.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lim_pipelines import walkforward
from lim_pipelines.finetune.features import MissingInputsError
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.places import Places
from lim_pipelines.portfolio.complete import MissingTargetsError
from lim_pipelines.provenance.compare import Finding, compare
from lim_pipelines.provenance.scratch import Scratch
from lim_pipelines.provenance.subject import SubjectError
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS, TRIAL_RETURNS, TRIALS, Table
from lim_pipelines.strategies.spec import StrategySpec

DEFINITIONS = Path(__file__).resolve().parents[1] / "defs"
"""Strategies' YAML, a folder each."""


def verify_results(places: Places, strategy: str, definitions: Path = DEFINITIONS) -> list[Finding]:
    """Decide and backtest again, with the models that are there, and compare.

    Parameters
    ----------
    places
        Where everything lies; nothing in it is written.
    strategy
        Name of the strategy.
    definitions
        Folder of the strategies' YAML.

    Returns
    -------
    list of Finding
        Targets, daily results, scores, trials.

    Raises
    ------
    SubjectError
        It has no YAML or no targets.
    SpecError
        Its YAML cannot be read.
    """
    path = definitions / strategy / "defs.yaml"
    if not path.is_file():
        raise SubjectError(
            f"{strategy}: {path} is not there; only strategies that are defined can decide again"
        )
    spec, lake = StrategySpec.from_yaml(path), places.lake()
    targets = _of(lake, TARGETS, strategy)
    if targets.is_empty():
        raise SubjectError(f"{strategy}: no targets in {lake.root}; materialise {strategy}_targets first")
    other = targets.filter(pl.col("spec_digest") != spec.digest())["cutoff"].unique().sort()
    if other.len():
        why = f"{other.len()} cutoffs from {other[0]} on were decided for another specification than {path}'s"
        return [Finding(TARGETS.name, "cannot be verified", targets.height, why)]
    try:
        again = walkforward.decide(lake, places.models, spec, targets["cutoff"].unique().sort().to_list())
    except (walkforward.MissingModelError, MissingInputsError) as error:
        return [Finding(TARGETS.name, "cannot be verified", targets.height, str(error))]
    found = [compare(TARGETS.name, targets, TARGETS.conform(again), TARGETS)]
    return [*found, *_backtest(places, lake, spec)]


def verify_all_results(
    places: Places, strategies: Sequence[str], definitions: Path = DEFINITIONS
) -> list[Finding]:
    """Decide and backtest several strategies again; what was compared begins with the name of its strategy.

    Parameters
    ----------
    places, definitions
        As in `verify_results`.
    strategies
        Their names. One that has results but no YAML any more cannot be verified, and keeps no other from it.

    Raises
    ------
    SpecError
        A YAML cannot be read.
    """
    found = []
    for name in strategies:
        try:
            own = verify_results(places, name, definitions)
        except SubjectError as error:
            own = [Finding("results", "cannot be verified", 0, str(error))]
        found += [replace(one, what=f"{name}: {one.what}") for one in own]
    return found


def _backtest(places: Places, lake: Lake, spec: StrategySpec) -> list[Finding]:
    """Stitch, cost and score the targets that are stored."""
    with TemporaryDirectory(prefix="lim-verify-") as folder:
        into = Scratch(lake, Path(folder) / "lake")
        try:
            walkforward.backtest(into, places.models, Path(folder) / "reports", spec)
        except (MissingTargetsError, walkforward.MissingModelError) as error:
            return [Finding(BACKTEST_DAILY.name, "cannot be verified", 0, str(error))]
        own = pl.col("spec_digest") == spec.digest()
        return [
            *(
                compare(table.name, _of(lake, table, spec.name), _of(into, table, spec.name), table)
                for table in (BACKTEST_DAILY, SCORES)
            ),
            *(
                compare(
                    table.name,
                    _of(lake, table, spec.name).filter(own),
                    _of(into, table, spec.name).filter(own),
                    table,
                )
                for table in (TRIALS, TRIAL_RETURNS)
            ),
        ]


def _of(lake: Lake, table: Table, strategy: str) -> pl.DataFrame:
    return lake.read(table, as_of=LATEST, where=pl.col("strategy") == strategy).sort(table.key).collect()
