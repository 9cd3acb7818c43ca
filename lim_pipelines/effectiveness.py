"""Whether a strategy works: every year, net of costs, beyond luck, beyond the simple rule (paper 6.2).

What does not belong here: whether it may be luck (`evaluate/`, asked through `standings.py`), the page
(`reports/effectiveness.py`). Nothing is chosen here, so nothing is entered in the trial ledger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from lim_pipelines import drawing, standings
from lim_pipelines.backtest.metrics import realised
from lim_pipelines.evaluate.leaderboard import Judgement
from lim_pipelines.evaluate.promised import decay, fresh_rank_ic, promised
from lim_pipelines.evaluate.verdict import CONFIDENT, SHORTEST_RECORD
from lim_pipelines.evaluate.years import ALL, records, yearly_rank_ic, years_won
from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune.store import ModelMeta
from lim_pipelines.lake import LATEST, Commit, Lake, next_cutoff, scope_of
from lim_pipelines.reports import effectiveness as report
from lim_pipelines.reports.effectiveness import Tested
from lim_pipelines.reports.page import there
from lim_pipelines.schemas import BACKTEST_DAILY, EFFECTIVENESS, SCORES, TARGETS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.walkforward import universe

PAGE = "effectiveness.html"

FEWEST_YEARS = 3
"""Years below which nothing works "year after year": of two, one is half."""

MOST_YEARS_GOOD = 2 / 3
"""Share of the years that must be above zero, and above the best control: two of the three at least."""


def publish(
    lake: Lake, models: Path, reports: Path, specs: Sequence[StrategySpec]
) -> tuple[Commit, list[Tested]]:
    """Test all strategies that have a backtest, write the table and the page.

    Parameters
    ----------
    lake, models
        Where results, bars and models lie.
    reports
        Folder of HTML reports.
    specs
        All strategies.

    Returns
    -------
    tuple
        What the write of `EFFECTIVENESS` did; what was found, real before simulated.
    """
    found = test(lake, models, specs)
    rows = pl.concat([EFFECTIVENESS.empty(), *(one.figures for one in found)])
    commit = lake.write(EFFECTIVENESS, rows, scope_of({"strategy": [spec.name for spec in specs]}))
    links = there(reports, [*(one.judged.strategy for one in found), *report.NEIGHBOURS])
    drawing.write_page(reports / PAGE, report.page(found, links))
    return commit, found


def test(lake: Lake, models: Path, specs: Sequence[StrategySpec]) -> list[Tested]:
    """Test all strategies that have a backtest; arguments as for `publish`."""
    by_name = {spec.name: spec for spec in specs}
    return [
        _tested(lake, models, by_name[one.strategy], one)
        for world in standings.worlds(lake, specs).values()
        for one in world.judged
    ]


def _tested(lake: Lake, models: Path, spec: StrategySpec, judged: Judgement) -> Tested:
    own = pl.col("strategy") == spec.name
    daily = lake.read(BACKTEST_DAILY, as_of=LATEST, where=own).sort(BACKTEST_DAILY.key).collect()
    # What was decided and judged before the YAML named these arms is of another strategy.
    own &= pl.col("arm").is_in(spec.arms)
    targets = lake.read(TARGETS, as_of=LATEST, where=own).sort(TARGETS.key).collect()
    cutoffs = targets["cutoff"].unique().sort().to_list()
    through = next_cutoff(cutoffs[-1]) - timedelta(days=1)
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=universe(spec) & (pl.col("date") <= through))
    came = realised(targets, bars.sort(VALIDATED_BARS.key).collect(), spec.horizon)
    metas = _in_use(models, spec, cutoffs)
    scores = lake.read(SCORES, as_of=LATEST, where=own & (pl.col("metric") == "rank_ic")).collect()
    whole = scores.group_by("arm").agg(pl.col("value").mean())
    found = {(arm, period): values for arm in spec.arms for period, values in records(daily, arm).items()}
    for arm, value in whole.iter_rows():
        found[arm, ALL]["rank_ic"] = math.nan if value is None else value
    for (arm, year), value in yearly_rank_ic(spec.task, came).items():
        found.setdefault((arm, year), {})["rank_ic"] = value
    for arm, values in promised(spec.arms, metas).items():
        found[arm, ALL] |= values
    for arm, value in fresh_rank_ic(spec.task, came).items():
        found[arm, ALL]["came_rank_ic"] = value
    found[spec.method, ALL] |= decay(spec.task, spec.method, came, metas) | years_won(
        {period: values for (arm, period), values in found.items() if arm == spec.method},
        {period: values for (arm, period), values in found.items() if arm == judged.best_control},
    )
    luck = judged.luck
    found[spec.method, ALL] |= {"deflated": luck.deflated, "p_control": luck.p_control}
    passed, words = verdict(judged, found[spec.method, ALL])
    rows = [
        (spec.name, arm, period, metric, value)
        for (arm, period), values in found.items()
        for metric, value in values.items()
    ]
    frame = pl.DataFrame(rows, schema=EFFECTIVENESS.schema, orient="row")
    figures = EFFECTIVENESS.conform(frame.with_columns(pl.col("value").fill_nan(None)))
    return Tested(judged, spec.arms, figures, passed, words)


def _in_use(models: Path, spec: StrategySpec, cutoffs: Sequence[date]) -> dict[date, ModelMeta]:
    folders = {cutoff: champions.in_use(models, spec, cutoff) for cutoff in cutoffs}
    return {cutoff: store.read_meta(folder) for cutoff, folder in folders.items() if folder is not None}


def verdict(judged: Judgement, figures: Mapping[str, float]) -> tuple[bool, str]:
    """Say whether it works; what is missing is named.

    Parameters
    ----------
    judged
        What the leaderboard says of the strategy.
    figures
        Of the method's whole record: those of `years_won` among them.

    Returns
    -------
    tuple
        Whether it passes; why, in words.
    """
    world = "SIMULATED market, no real result. " if judged.simulated else ""
    luck, control = judged.luck, judged.best_control
    if judged.days < SHORTEST_RECORD:
        short = drawing.counted(judged.days, "session")
        return False, f"{world}NOT SHOWN: {short} cannot show anything."
    missing = []
    if math.isnan(judged.net_sharpe):
        missing.append("it earns nothing, as it held nothing")
    elif not judged.net_sharpe > 0:
        missing.append(f"it earns nothing after costs (Sharpe {judged.net_sharpe:.2f})")
    elif not luck.deflated >= CONFIDENT:
        missing.append(f"after {luck.trials} trials it may be luck{_known(luck.deflated, '.0%')}")
    if control and not judged.net_sharpe > judged.best_control_sharpe:
        missing.append(f"it is no better than {control}")
    elif control and not luck.p_control <= 1 - CONFIDENT:
        missing.append(f"its lead over {control} may be luck{_known(luck.p_control, '.2f', 'p ')}")
    years = int(figures["years"])
    if years < FEWEST_YEARS:
        missing.append(f"{drawing.counted(years, 'year')} cannot show “year after year”")
    else:
        for name, of in (("zero", "zero"), ("control", control)):
            share = figures.get(f"share_of_years_above_{name}", 1.0)
            if share < MOST_YEARS_GOOD:
                missing.append(f"it is above {of} in {share:.0%} of {years} years only")
    if missing:
        return False, f"{world}NOT SHOWN: {'; '.join(missing)}."
    simple = f" and beyond {control}" if control else ""
    return True, f"{world}PASS: net of costs, beyond luck{simple}, in {years} years."


def _known(value: float, form: str, name: str = "") -> str:
    """Write a figure in brackets, and nothing where it is not defined."""
    return "" if math.isnan(value) else f" ({name}{value:{form}})"
