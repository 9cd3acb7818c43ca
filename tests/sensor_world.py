"""The platform driven by its sensors alone, beside a calculation from scratch of what is to be made.

Files land; the real sensors look, and what they ask for is run by the real assets. Only arithmetic is left
out: whoever trains, decides or trades reads what it would read, and leaves a hash of that instead of weights
and returns. The calculation reads whole tables and remembers what each result has read; it knows nothing of
versions, records or cursors.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import Lineage
from untrained import Untrained

from assets import foundation, strategies, window_store
from assets.automation import inputs_sensor, landing_sensor
from assets.evaluation import build_effectiveness
from assets.leaderboard import build_leaderboard
from assets.results import build_results_sensor
from assets.retraining import build_retraining_sensor
from assets.sentinel import build_sentinel
from lim_pipelines import clock, definitions
from lim_pipelines.backtest.facts import read_facts
from lim_pipelines.finetune import champions
from lim_pipelines.finetune import plan as finetune
from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation.config import REAL
from lim_pipelines.foundation.data import read_bars, series_of
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import LATEST, Lake, Past, fingerprint, midnight, next_cutoff
from lim_pipelines.reference import known_listings
from lim_pipelines.retraining.policies import GRACE
from lim_pipelines.retraining.settings import FILE
from lim_pipelines.schemas import BACKTEST_DAILY, TARGETS, VALIDATED_BARS
from lim_pipelines.stale import stale
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home
from resources.trainer import Trainer

NAMES = ("XNAS:AAPL", "XNAS:MSFT")
"""What the strategy trades; the family reads XNAS:FB, too, and the index that is embedded."""

ENOUGH, FEW = 4, 2
"""Sessions that are enough, and enough once a month is over."""

BOARDS = ("leaderboard", "effectiveness")
Key = tuple[str, str]


def spec(**portfolio: Any) -> StrategySpec:
    """The strategy, with some settings of its portfolio."""
    return StrategySpec.model_validate(
        {
            "name": "small",
            "description": "A test.",
            "task": "cross_sectional",
            "universe": {"instruments": list(NAMES)},
            "horizon": 5,
            "foundation": REAL.name,
            "method": "head",
            "seeds": [1],
            "fit": {"steps": 20, "batch": 16, "validation_sessions": 40},
            "portfolio": {"max_position": 0.3, "risk_sessions": 60, **portfolio},
        }
    )


class Driven:
    """A home whose sensors are looked at until they ask for nothing.

    `made` is what was made, in order; `needless` what of it the calculation from scratch did not name.
    """

    def __init__(self, lineage: Lineage, patch: pytest.MonkeyPatch, moment: datetime) -> None:
        self.lineage, self.home = lineage, Home(root=str(lineage.path))
        self.cursors: dict[str, str | None] = {}
        self.memory: dict[Key, Any] = {}
        self.rows: dict[date, pl.DataFrame] = {}
        self.made: list[Key] = []
        self.needless: list[Key] = []
        lineage.path.mkdir(parents=True, exist_ok=True)
        (lineage.path / FILE).write_text(
            f"retraining: {{new_sessions: {ENOUGH}, calendar_sessions: {FEW}}}\n"
        )
        self._clock = lineage.path.parent / "clock"
        patch.setenv(clock.VARIABLE, str(self._clock))
        self.at(moment)
        double = Untrained(self)
        patch.setattr(Trainer, "run", lambda _, context, module, job, watched=None: double.train(module, job))
        patch.setattr("lim_pipelines.walkforward.decide", double.decide)
        patch.setattr("lim_pipelines.walkforward.backtest", double.backtest)
        patch.setattr("lim_pipelines.standings.publish", double.leaderboard)
        patch.setattr("lim_pipelines.effectiveness.publish", double.effectiveness)
        self.load(spec())

    @property
    def lake(self) -> Lake:
        return self.lineage.lake

    @property
    def models(self) -> Path:
        return self.lineage.path / "models"

    def at(self, moment: datetime) -> None:
        """Let it be some moment."""
        self.moment = moment
        self._clock.write_text(moment.isoformat())

    def load(self, one: StrategySpec) -> None:
        """Load the code location anew, with other settings of the strategy."""
        self.spec = one
        self.defs = dg.Definitions(
            assets=[
                window_store.window_store,
                foundation.build_checkpoint(REAL),
                strategies.build_model(one),
                strategies.build_targets(one),
                strategies.build_backtest(one),
                build_leaderboard([one]),
                build_effectiveness([one]),
            ],
            resources={"home": self.home, "trainer": Trainer()},
            executor=dg.in_process_executor,
        )
        self.sensors: dict[str, Any] = {
            "landing": landing_sensor,
            "inputs": inputs_sensor,
            "retraining": build_retraining_sensor([one]),
            "results": build_results_sensor([one], [REAL]),
            "sentinel": build_sentinel([one], [REAL]),
        }

    def drop(self, day: date, closes: Mapping[str, float], arrived: datetime) -> None:
        """Land a file of one session, new or in the place of the one before."""
        rows = "".join(f"{symbol},{day},{x},{x},{x},{x},100\n" for symbol, x in closes.items())
        self.lineage.drop(f"symbol,date,open,high,low,close,volume\n{rows}", f"XNAS/{day}.csv", arrived)

    def settle(self) -> list[Key]:
        """Look at all sensors until none asks for anything; say what was made, in order."""
        before = len(self.made)
        for _ in range(30):
            asked = 0
            for name in self.sensors:
                # One after the other: what one has asked for is at work when the next one looks.
                for request in self.look(name):
                    assert self.run(request)
                    asked += 1
            if not asked:
                return self.made[before:]
        raise AssertionError(f"it never comes to rest: {self.made[before:]}")

    def look(self, name: str) -> list[dg.RunRequest]:
        """Have a sensor look, and return what it asks for."""
        context = dg.build_sensor_context(
            self.lineage.instance,
            cursor=self.cursors.get(name),
            resources={"home": self.home},
            definitions=definitions.defs,
        )
        found = self.sensors[name](context)
        if isinstance(found, dg.SkipReason):
            return []
        self.cursors[name] = found.cursor
        return list(found.run_requests or [])

    def run(self, request: dg.RunRequest) -> bool:
        """Run what was asked for as the daemon would; say whether it succeeded."""
        asked = set(request.asset_selection or ())
        ours = asked <= set(self.defs.resolve_asset_graph().get_all_asset_keys())
        where = self.defs if ours else definitions.defs
        # Not a subset of the job: runs of that do not name their assets.
        done = where.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=list(asked),
            instance=self.lineage.instance,
            tags=request.tags,
            partition_key=request.partition_key,
            raise_on_error=False,
        )
        return done.success

    def making(self, key: Key) -> None:
        """Note that something is being made, and whether it would come out as it was."""
        reads = self.reads(key)
        self.made.append(key)
        if self.memory.get(key) == reads:
            self.needless.append(key)
        self.memory[key] = reads
        if key[0] == REAL.name:
            self.rows[date.fromisoformat(key[1])] = self._seen(date.fromisoformat(key[1]))

    # The calculation from scratch.

    def due(self) -> set[Key]:
        """What policies must have made by now and have not: everything is read again, whole, and compared."""
        found = {key for key in self._newest() if self.reads(key) != self.memory[key]}
        cutoff = self._cutoff()
        trained = max(self.rows, default=None)
        if cutoff is not None and (trained is None or trained < cutoff):
            seen = self._seen(cutoff)
            if trained is not None:
                seen = seen.join(self.rows[trained], on=seen.columns, how="anti", nulls_equal=True)
            sessions = seen["date"].n_unique()
            if sessions >= ENOUGH or (sessions >= FEW and self.moment >= midnight(cutoff) + GRACE):
                found.add((REAL.name, cutoff.isoformat()))
        return found

    def outdated(self) -> set[Key]:
        """All that would come out otherwise today, earlier cutoffs too, and what is made from it."""
        found: set[Key] = set()
        order = [REAL.name, "small_model", "small_targets", "small_backtest", *BOARDS]
        for key in sorted(self.memory, key=lambda one: (order.index(one[0]), one[1])):
            if self.reads(key) != self.memory[key] or found.intersection(self._parents(key)):
                found.add(key)
        return found

    def listed(self) -> set[Key]:
        """What the platform says is outdated."""
        found = stale(self.lake, self.models, [self.spec], [REAL])
        return set(found.select("result", "partition").unique().iter_rows())

    def reads(self, key: Key) -> Any:
        """Hash all that a result reads now, and name what it is made from."""
        name, partition = key
        day = date.fromisoformat(partition) if partition else date.max
        own = pl.col("instrument_id").is_in(NAMES)
        if name == REAL.name:
            series = digest_of(series_of(read_bars(self.lake, REAL, day)))
            return series, continual.previous(self.models, REAL.name, day)
        if name == "small_model":
            bars, _ = finetune.read_inputs(Past(self.lake, midnight(day)), self.spec, day)
            start = checkpoint.resolve(self.models, REAL.name, day)
            was = champions.before(self.models, "small", day)
            return fingerprint(bars), str(start), str(was), self.spec.model_config_json()
        if name == "small_targets":
            past = Past(self.lake, midnight(next_cutoff(day)))
            bars = past.revisions(VALIDATED_BARS, own).sort(VALIDATED_BARS.row_key).collect()
            listings = known_listings(past).filter(own).drop("file", "known_at")
            used = champions.in_use(self.models, self.spec, day)
            return fingerprint(bars), fingerprint(listings.sort(listings.columns)), str(used), self.spec
        daily = fingerprint(self.lake.read(BACKTEST_DAILY, as_of=LATEST).sort(BACKTEST_DAILY.key).collect())
        if name == "leaderboard":
            return daily
        targets = self.lake.read(TARGETS, as_of=LATEST).sort(TARGETS.key).collect()
        through = next_cutoff(targets["cutoff"].max()) - timedelta(days=1)
        rows = self.lake.read(VALIDATED_BARS, as_of=LATEST, where=own & (pl.col("date") <= through))
        bars = rows.sort(VALIDATED_BARS.key).collect()
        if name == "effectiveness":
            return daily, fingerprint(targets), fingerprint(bars)
        listings = read_facts(self.lake, bars, "USD").listings.drop("file", "known_at")
        return (
            fingerprint(targets),
            fingerprint(bars),
            fingerprint(listings.sort(listings.columns)),
            self.spec,
        )

    def _newest(self) -> list[Key]:
        newest: dict[str, str] = {}
        for name, partition in self.memory:
            newest[name] = max(partition, newest.get(name, ""))
        if any(self.memory[key][-1] != self.spec for key in self.memory if key[0] == "small_targets"):
            # A backtest of targets of two settings is refused, and what tells of targets waits for it.
            newest.pop("small_backtest")
            newest.pop("effectiveness")
        return list(newest.items())

    def _parents(self, key: Key) -> list[Key]:
        name, partition = key
        if name == REAL.name:
            return [(name, day) for _, day in self.memory if day < partition and (name, day) in self.memory][
                -1:
            ]
        if name == "small_model":
            was = champions.before(self.models, "small", date.fromisoformat(partition))
            return [(REAL.name, partition), *([(name, str(was.cutoff))] if was else [])]
        if name == "small_targets":
            return [("small_model", partition)]
        if name == "small_backtest":
            return [one for one in self.memory if one[0] == "small_targets"]
        return [("small_backtest", "")]

    def _seen(self, cutoff: date) -> pl.DataFrame:
        """Rows of the family that a training at a cutoff sees, all revisions."""
        rows = pl.col("exchange").is_in(REAL.exchanges) & (pl.col("known_at") <= midnight(cutoff))
        return self.lake.revisions(VALIDATED_BARS, rows).collect()

    def _cutoff(self) -> date | None:
        """First cutoff behind the newest session, or this month's."""
        known = self.lake.revisions(VALIDATED_BARS, pl.col("known_at") <= self.moment).collect()
        if known.is_empty():
            return None
        return min(next_cutoff(known["date"].max()), self.moment.date().replace(day=1))
