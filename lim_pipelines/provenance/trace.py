"""From a number to raw files: reports, models, rows.

What does not belong here: how the tree is shown (`tree.py`), models (`models.py`), rows (`rows.py`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.evaluate import ledger
from lim_pipelines.evaluate.leaderboard import judge
from lim_pipelines.finetune import champions, store
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import LATEST, Lake, fingerprint
from lim_pipelines.places import Places
from lim_pipelines.provenance.models import ModelTracer
from lim_pipelines.provenance.rows import RowTracer, Slice
from lim_pipelines.provenance.subject import BOARD, Board, Models, Report, Subject, SubjectError
from lim_pipelines.provenance.tree import Branch, Node, branch
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS, TRIALS, VALIDATED_BARS, Table
from lim_pipelines.walkforward import CODE_VERSION


@dataclass(frozen=True)
class Number:
    """A figure of a report.

    Parameters
    ----------
    metric
        Its name in `SCORES`.
    arm
        The arm; None is all.
    """

    metric: str
    arm: str | None = None


def trace(places: Places, subject: Subject, number: Number | None = None) -> Node:
    """Follow a report, models or rows up to raw files.

    Parameters
    ----------
    places
        Where everything lies.
    subject
        What to follow.
    number
        A figure of the report to begin with.

    Raises
    ------
    SubjectError
        It is not there, or has no such figure.
    """
    lake = places.lake()
    rows = RowTracer(lake, places.landing)
    models = ModelTracer(lake, places.models, rows)
    if isinstance(subject, Report):
        return _Results(places, lake, rows, models, subject.strategy).node(number)
    if number is not None:
        raise SubjectError("only a strategy's report has metrics; leave --metric out")
    if isinstance(subject, Board):

        def of_strategy(name: str) -> Node:
            return _Results(places, lake, rows, models, name).node(None)

        reports = Branch("reports", list(subject.strategies), of_strategy, shown=len(subject.strategies))
        return Node(BOARD, _page(places, BOARD), branches=(reports,))
    if isinstance(subject, Models):
        return models.node(subject)
    if lake.version(subject.table) < 0:
        raise SubjectError(f"{subject}: {lake.root} has no table {subject.table.name} yet")
    found = rows.exact(subject.table, subject.where, str(subject))
    if _nothing(found):
        raise SubjectError(
            f"{subject}: {lake.root} holds no rows of it, nor of what it would be made of;"
            f" lim trace {subject.table.name} shows what there is"
        )
    return found


def _nothing(node: Node) -> bool:
    """Whether neither a node nor what stands below it knows of any row."""
    below = (part.make(key) for part in node.branches for key in part.keys)
    return "rows" not in node.facts and all(map(_nothing, below))


class _Results:
    """Follows the results of one strategy up."""

    def __init__(
        self, places: Places, lake: Lake, rows: RowTracer, models: ModelTracer, strategy: str
    ) -> None:
        self.places = places
        self.lake = lake
        self.rows = rows
        self.models = models
        self.strategy = strategy

    def node(self, number: Number | None) -> Node:
        """Describe report, backtest and all below."""
        daily = self._read(BACKTEST_DAILY)
        if daily.is_empty() and self.targets.is_empty():
            raise SubjectError(
                f"{self.lake.root} holds no results of {self.strategy}, whatever a report says; materialise"
                f" {self.strategy}_targets and {self.strategy}_backtest"
            )
        parts = [self._backtest(daily)]
        facts: dict[str, Any] = {**_page(self.places, self.strategy), **self._trials(daily)}
        if number is None:
            return Node(f"report of {self.strategy}", facts, self._warning(), (branch("tables", parts),))
        values = self._number(number)
        shown = {f"{arm} (seed {seed})": value for arm, seed, value in values}
        known = [value for _, _, value in values if value is not None]
        if number.arm is not None and len(known) > 1:
            shown["mean over seeds, as in the report's table"] = sum(known) / len(known)
        scores = self._read(SCORES)
        facts = {**shown, "scores": _state(self.lake, SCORES, scores), **facts}
        title = f"{number.metric} of {self.strategy}{f', arm {number.arm}' if number.arm else ''}"
        return Node(title, facts, self._warning(), (branch("tables", parts),))

    @cached_property
    def targets(self) -> pl.DataFrame:
        """Rows of `TARGETS` of the strategy."""
        return self._read(TARGETS)

    def _read(self, table: Table) -> pl.DataFrame:
        rows = self.lake.read(table, as_of=LATEST, where=pl.col("strategy") == self.strategy)
        return rows.sort(table.key).collect()

    def _warning(self) -> str:
        digests = self.targets["spec_digest"].unique().to_list()
        tried = self._read(TRIALS)["spec_digest"].to_list()
        if len(digests) > 1:
            return f"targets of {len(digests)} specifications stand side by side; materialise the older again"
        if digests and digests[0] not in tried:
            return "the targets are newer than the backtest: materialise the backtest again"
        return ""

    def _trials(self, daily: pl.DataFrame) -> dict[str, Any]:
        """Count the trials, and say what of the result is left when they are counted."""
        own = self._read(TRIALS)
        specs = own["spec_digest"].n_unique()
        facts: dict[str, Any] = {
            "trials of this strategy": f"{own.height} in the ledger, of {specs} specifications"
        }
        newest = self._newest_meta()
        if newest is None or daily.is_empty():
            return facts
        judged = judge(newest.spec, daily, ledger.read(self.lake, newest.spec.simulated))
        return {
            **facts,
            f"trials of {'simulated' if newest.spec.simulated else 'real'} markets": judged.luck.trials,
            # Not the mean over seeds: one curve, which varies less than each seed's.
            f"net Sharpe ratio of {judged.arm} as one fund that splits its capital over the seeds": (
                judged.net_sharpe
            ),
            "deflated Sharpe ratio": judged.luck.deflated,
            "verdict": judged.verdict,
        }

    def _newest_meta(self) -> store.ModelMeta | None:
        for cutoff in reversed(checkpoint.cutoffs(self.places.models, self.strategy)):
            folder = checkpoint.resolve(self.places.models, self.strategy, cutoff)
            if folder is not None:
                return store.read_meta(folder)
        return None

    def _number(self, number: Number) -> list[tuple[str, int, float | None]]:
        scores = self._read(SCORES)
        found = scores.filter(pl.col("metric") == number.metric)
        if number.arm is not None:
            found = found.filter(pl.col("arm") == number.arm)
        if found.is_empty():
            arms, metrics = (", ".join(scores[name].unique().sort()) for name in ("arm", "metric"))
            raise SubjectError(
                f"{self.strategy} has no {number.metric}{f' of arm {number.arm}' if number.arm else ''};"
                f" arms: {arms or 'none'}; metrics: {metrics or 'none'}"
            )
        return list(found.select("arm", "seed", "value").iter_rows())

    def _backtest(self, daily: pl.DataFrame) -> Node:
        facts = {
            **_state(self.lake, BACKTEST_DAILY, daily),
            "code version": CODE_VERSION,
            "arms": [
                f"{arm} (seed {seed})"
                for arm, seed in daily.select("arm", "seed").unique().sort("arm", "seed").iter_rows()
            ],
        }
        if daily.is_empty():
            return Node("backtest_daily", facts, f"no backtest yet: materialise {self.strategy}_backtest")
        facts |= {"first": daily["date"].min(), "last": daily["date"].max()}
        cutoffs = [str(day) for day in self.targets["cutoff"].unique().sort(descending=True)]
        prices = self.rows.node(self._prices(daily), "validated_bars, whose closes it was filled at")
        return Node(
            "backtest_daily",
            facts,
            branches=(
                Branch(
                    "cutoffs of targets", cutoffs, lambda day: self._cutoff(date.fromisoformat(day)), shown=1
                ),
                branch("tables", [prices]),
            ),
        )

    def _prices(self, daily: pl.DataFrame) -> Slice:
        last = daily["date"].max()
        held = self.targets["instrument_id"].unique().implode()
        where = pl.col("instrument_id").is_in(held) & (pl.col("freq") == "1d") & (pl.col("date") <= last)
        return Slice(
            VALIDATED_BARS,
            self.lake.read(VALIDATED_BARS, as_of=LATEST, where=where),
            facts={"version": self.lake.version(VALIDATED_BARS)},
        )

    def _cutoff(self, cutoff: date) -> Node:
        """Describe the targets of one cutoff and the models that decided them."""
        rows = self.targets.filter(pl.col("cutoff") == cutoff)
        digests = rows["model_digest"].unique().sort().to_list()
        facts = {
            **_state(self.lake, TARGETS, rows),
            "specification": rows["spec_digest"].unique().sort().to_list(),
            "decided by models": digests,
            "decisions": rows["decided_at"].n_unique(),
            "first": rows["date"].min(),
            "last": rows["date"].max(),
        }
        return Node(
            f"targets decided from {cutoff} on",
            facts,
            branches=(branch("models", [self._model(cutoff, digest) for digest in digests]),),
        )

    def _model(self, cutoff: date, digest: str) -> Node:
        folder = champions.trained_as(self.places.models, self.strategy, digest, cutoff)
        if folder is None:
            where = self.places.models / self.strategy
            return Node(f"models {digest}", {"folder": str(where)}, "the models that decided are gone")
        node = self.models.strategy(folder)
        try:
            if champions.in_use(self.places.models, store.read_meta(folder).spec, cutoff) == folder:
                return node
        except champions.ChampionError as error:
            return Node(node.what, node.facts, node.warning or str(error), node.branches, node.identity)
        newer = f"no longer current: materialise {self.strategy}_targets, partition {cutoff}, again"
        return Node(node.what, node.facts, node.warning or newer, node.branches, node.identity)


def _page(places: Places, name: str) -> dict[str, Any]:
    path = places.reports / f"{name}.html"
    if not path.is_file():
        return {"report": f"{path} is not there"}
    return {"report": str(path), "content": f"sha256 {_sha256(path)}"}


def _state(lake: Lake, table: Table, rows: pl.DataFrame) -> dict[str, Any]:
    return {"version": lake.version(table), "rows": rows.height, "fingerprint": fingerprint(rows)}


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
