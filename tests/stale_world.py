"""A small world of results: two families' exchanges, three cutoffs, one strategy, all but the weights.

What is made depends by its hash on what it read; an oracle remembers that by full reads of its own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines import stale
from lim_pipelines.backtest.facts import read_facts
from lim_pipelines.finetune import champions, store
from lim_pipelines.finetune import plan as finetune
from lim_pipelines.foundation import checkpoint, continual
from lim_pipelines.foundation import train as pretrain
from lim_pipelines.foundation.config import CODE_VERSION, FoundationConfig
from lim_pipelines.foundation.data import read_bars, series_of
from lim_pipelines.foundation.evidence import Event, Named
from lim_pipelines.foundation.folders import atomic_folder
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import LATEST, Lake, Past, fingerprint, midnight, next_cutoff
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS, VALIDATED_BARS
from lim_pipelines.stale.redo import Run
from lim_pipelines.strategies.spec import StrategySpec

FAMILY = "xsim_foundation_checkpoint"
CUTOFFS = [date(2018, 10, 1), date(2018, 11, 1), date(2018, 12, 1)]
DAYS = [date(2018, 9, 20), date(2018, 9, 27), date(2018, 10, 11), date(2018, 11, 8), date(2018, 12, 13)]
NAMES = ("XSIM:SIM01", "XSIM:SIM02")
INSTRUMENTS = [*NAMES, "XSIM:SIM30", "XNAS:IXIC"]
"""Two that the strategy trades, one that only the family reads, one that nobody does."""

SPEC = StrategySpec.model_validate(
    {
        "name": "small",
        "description": "A test.",
        "task": "cross_sectional",
        "universe": {"instruments": list(NAMES)},
        "horizon": 5,
        "foundation": FAMILY,
        "method": "head",
        "seeds": [1],
        "fit": {"steps": 20, "batch": 16, "validation_sessions": 40},
        "portfolio": {"max_position": 0.3, "risk_sessions": 60},
    }
)
CONFIG = FoundationConfig(
    name=FAMILY, exchanges=("XSIM",), asset_classes=("equity",), freqs=("1d",), context=16, horizon=8, patch=8
)
REPORTS = ("small_backtest", "leaderboard", "effectiveness", "small_robustness", "universality")
Key = tuple[str, str]


def bar(
    day: date, instrument: str, close: float, known: datetime | None = None, withdrawn: bool = False
) -> dict[str, Any]:
    """One daily bar, known 15 minutes after its close unless told otherwise."""
    end = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    return {
        "exchange": instrument.partition(":")[0],
        "date": day,
        "instrument_id": instrument,
        "freq": "1d",
        "price_type": "trade",
        "ts": end,
        **dict.fromkeys(("open", "high", "low", "volume")),
        "close": close,
        "ex_factor": 1.0,
        "asset_class": "index" if instrument == "XNAS:IXIC" else "equity",
        "source": "test",
        "withdrawn": withdrawn,
        "known_at": known or end + timedelta(minutes=15),
    }


class World:
    """A lake, a folder of models, and what the oracle remembers of each result."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(root / "lake")
        self.models = root / "models"
        self.memory: dict[Key, Any] = {}
        self.put(*(bar(day, name, 100.0) for day in DAYS for name in INSTRUMENTS))

    def put(self, *rows: dict[str, Any]) -> None:
        """Write bars; one of the same key and moment as one that is there takes its place."""
        new = VALIDATED_BARS.conform(pl.DataFrame(rows, schema_overrides=VALIDATED_BARS.schema))
        key = VALIDATED_BARS.row_key

        def merged(there: pl.DataFrame) -> pl.DataFrame:
            return pl.concat([there.join(new, on=key, how="anti"), new])

        self.lake.update(VALIDATED_BARS, new.select("exchange", "date").unique(), merged)

    def stale(self) -> pl.DataFrame:
        """What the platform finds."""
        return stale.stale(self.lake, self.models, [SPEC], [CONFIG])

    def made(self) -> list[Key]:
        """All results, parents first."""
        names = [FAMILY, "small_model", "small_targets"]
        return [
            *((name, day.isoformat()) for name in names for day in CUTOFFS),
            *((name, "") for name in REPORTS),
        ]

    def make(self, name: str, partition: str) -> None:
        """Make a result as its asset does, but for the weights."""
        steps = {
            FAMILY: self._checkpoint,
            "small_model": self._model,
            "small_targets": self._targets,
            "small_backtest": self._backtest,
            "leaderboard": lambda _: stale.record_leaderboard(self.lake, [SPEC], stale.versions(self.lake)),
            "effectiveness": lambda _: stale.record_effectiveness(
                self.lake, [SPEC], stale.versions(self.lake)
            ),
            "small_robustness": lambda _: stale.record_robustness(self.lake, SPEC, stale.versions(self.lake)),
            "universality": self._universality,
        }
        steps[name](partition)
        self.memory[name, partition] = self.reads((name, partition))

    def redo(self, run: Run) -> list[Key]:
        """Make what a run makes, and say what that was."""
        spans = [day for day in CUTOFFS if run.first and run.last and run.first <= day <= run.last]
        keys = [(name, str(day)) for name in run.assets for day in spans or [""]]
        for key in keys:
            self.make(*key)
        return keys

    def expected(self) -> set[Key]:
        """What is stale, from scratch: everything is read again, whole, and compared."""
        found: set[Key] = set()
        for key in self.made():
            if self.reads(key) != self.memory[key] or any(parent in found for parent in self._parents(key)):
                found.add(key)
        return found

    def reads(self, key: Key) -> Any:
        """Hash all that a result reads now, and name what it is made from."""
        name, partition = key
        day = date.fromisoformat(partition) if partition else CUTOFFS[-1]
        if name == FAMILY:
            series = digest_of(series_of(read_bars(self.lake, CONFIG, day)))
            parent = continual.plan(CONFIG, continual.previous(self.models, FAMILY, day)).parent
            return series, None if parent is None else parent.input_digest
        if name == "small_model":
            bars, _ = finetune.read_inputs(Past(self.lake, midnight(day)), SPEC, day)
            start = checkpoint.resolve(self.models, FAMILY, day)
            was = champions.before(self.models, SPEC.name, day)
            return fingerprint(bars), str(start), str(was)
        if name == "small_targets":
            past = Past(self.lake, midnight(next_cutoff(day)))
            own = pl.col("instrument_id").is_in(NAMES)
            bars = past.revisions(VALIDATED_BARS, own).sort(VALIDATED_BARS.row_key).collect()
            listings = known_listings(past).filter(own).drop("file", "known_at")
            # The models in use are named by whoever judged them.
            event = champions.event_at(self.models, SPEC.name, day)
            used = "" if event is None else str(champions.chosen(event))
            return fingerprint(bars), fingerprint(listings.sort(listings.columns)), used
        return self._report_reads(name)

    def _report_reads(self, name: str) -> Any:
        """Hash all that a backtest or a report reads now."""
        targets, daily, scores = (
            fingerprint(self.lake.read(table, as_of=LATEST).sort(table.key).collect())
            for table in (TARGETS, BACKTEST_DAILY, SCORES)
        )
        through = next_cutoff(CUTOFFS[-1]) - timedelta(days=1)
        own = pl.col("instrument_id").is_in(NAMES) & (pl.col("date") <= through)
        bars = self.lake.read(VALIDATED_BARS, as_of=LATEST, where=own).sort(VALIDATED_BARS.key).collect()
        listings = read_facts(self.lake, bars, "USD").listings.drop("file", "known_at")
        backtest = [targets, fingerprint(bars), fingerprint(listings.sort(listings.columns))]
        ever = self.lake.revisions(VALIDATED_BARS).sort(VALIDATED_BARS.row_key).collect()
        return {
            "small_backtest": backtest,
            "leaderboard": daily,
            "effectiveness": [daily, targets, scores, fingerprint(bars)],
            # Decisions of before are taken again, whatever has superseded what they knew.
            "small_robustness": [daily, *backtest, fingerprint(ever.filter(own))],
            # Whatever any checkpoint has read, and every model of the year.
            "universality": [fingerprint(ever), *self._in_use()],
        }[name]

    def _in_use(self) -> list[str]:
        """Name what decides and forecasts from each cutoff on, as its own files say."""
        files = sorted(self.models.glob(f"*/*/{checkpoint.CURRENT}"))
        judged = sorted(self.models.glob(f"*/*/{champions.FILE}"))
        events = [Event.model_validate_json(path.read_bytes()) for path in judged]
        return [*(path.read_text() for path in files), *(str(champions.chosen(event)) for event in events)]

    def _parents(self, key: Key) -> list[Key]:
        name, partition = key
        earlier = [str(day) for day in CUTOFFS if str(day) < partition]
        if name == FAMILY:
            return [(FAMILY, earlier[-1])] if earlier else []
        if name == "small_model":
            was = champions.before(self.models, SPEC.name, date.fromisoformat(partition))
            return [(FAMILY, partition), *([(name, str(was.cutoff))] if was else [])]
        if name == "small_targets":
            event = champions.event_at(self.models, SPEC.name, date.fromisoformat(partition))
            used = [] if event is None else [("small_model", str(champions.chosen(event).cutoff))]
            return [("small_model", partition), *used]
        if name == "small_backtest":
            return [("small_targets", str(day)) for day in CUTOFFS]
        if name == "universality":
            return [key for key in self.made() if key[0] in (FAMILY, "small_model")]
        return [("small_backtest", "")]

    def _checkpoint(self, partition: str) -> None:
        cutoff, version = date.fromisoformat(partition), self.lake.version(VALIDATED_BARS)
        rows = digest_of(series_of(read_bars(self.lake, CONFIG, cutoff)))
        plan = continual.plan(CONFIG, continual.previous(self.models, FAMILY, cutoff))
        digest = pretrain.input_digest(CONFIG, cutoff, plan.parent, rows)
        before = stale.versions(self.lake)
        meta = checkpoint.Meta(
            config=CONFIG,
            cutoff=cutoff,
            input_digest=digest,
            parent=plan.parent and plan.parent.input_digest,
            parent_cutoff=plan.parent and plan.parent.cutoff,
            code_version=CODE_VERSION,
            seed=0,
            steps=1,
            data=checkpoint.DataRead(
                table=VALIDATED_BARS.name,
                lake_version=version,
                as_of=partition,
                fingerprint=rows,
                rows=1,
                groups=(),
            ),
            windows={"held_out_from": None},
            metrics={},
            loss_curve=(),
            start=plan.start,
            **_UNTOLD,
        )
        self._keep(checkpoint.folder_of(self.models, FAMILY, cutoff, digest), meta)
        checkpoint.set_current(self.models, FAMILY, cutoff, digest)
        stale.record_trained(self.lake, CONFIG, [{"cutoff": partition, "digest": digest}], before)

    def _model(self, partition: str) -> None:
        cutoff, before = date.fromisoformat(partition), stale.versions(self.lake)
        plan = finetune.plan(self.lake.root, str(self.models), SPEC, cutoff)
        parent = checkpoint.read_meta(plan.parent)
        meta = store.ModelMeta(
            spec=SPEC,
            cutoff=cutoff,
            input_digest=plan.digest,
            parent_family=FAMILY,
            parent=parent.input_digest,
            backbone=CONFIG,
            code_version=finetune.CODE_VERSION,
            data=plan.data,
            windows={},
            arms=(),
            **_UNTOLD,
        )
        self._keep(plan.folder, meta)
        checkpoint.set_current(self.models, SPEC.name, cutoff, plan.digest)
        was = champions.before(self.models, SPEC.name, cutoff)
        # The second is judged and not taken: the first goes on deciding.
        taken = "kept" if cutoff == CUTOFFS[1] else "promoted"
        named = Named(cutoff=cutoff, digest=plan.digest)
        event = Event(
            moment="", event=taken, checkpoint=named, before=was, evidence=None, by="test", why="test"
        )
        champions.put(self.models, SPEC.name, event)
        told = [{"cutoff": partition, "trained_at": partition, "digest": plan.digest}]
        stale.record_trained(self.lake, SPEC, told, before)

    def _targets(self, partition: str) -> None:
        cutoff, before = date.fromisoformat(partition), stale.versions(self.lake)
        folder = champions.in_use(self.models, SPEC, cutoff)
        assert folder is not None
        row = {
            "strategy": SPEC.name,
            "cutoff": cutoff,
            "spec_digest": SPEC.digest(),
            "model_digest": store.read_meta(folder).input_digest,
            "arm": SPEC.method,
            "seed": 1,
            "date": cutoff,
            "decided_at": midnight(cutoff),
            "exchange": "XSIM",
            "instrument_id": NAMES[0],
            "forecast": _number(self.reads((f"{SPEC.name}_targets", partition))),
            "weight": 0.5,
        }
        rows = pl.DataFrame([row], schema=TARGETS.schema)
        self.lake.write(TARGETS, rows, rows.select("strategy", "cutoff"))
        stale.record_targets(self.lake, self.models, SPEC, [cutoff], rows, before)

    def _backtest(self, _: str) -> None:
        before, names = stale.versions(self.lake), ("gross_return", "cost", "net_return", "turnover")
        told = dict.fromkeys((*names, "gross_exposure", "net_exposure"), 0.0)
        told["gross_return"] = _number(self.reads(("small_backtest", "")))
        row = {"strategy": SPEC.name, "arm": SPEC.method, "seed": 1, "date": DAYS[-1], **told}
        rows = BACKTEST_DAILY.conform(pl.DataFrame([row]))
        self.lake.write(BACKTEST_DAILY, rows, rows.select("strategy"))
        score = rows.select("strategy", "arm", "seed", metric=pl.lit("rank_ic"), value="gross_return")
        self.lake.write(SCORES, score, score.select("strategy"))
        stale.record_backtest(self.lake, SPEC, before)

    def _universality(self, _: str) -> None:
        asked = stale.asked(self.models, [CONFIG], [SPEC])
        stale.record_universality(self.lake, [SPEC], stale.versions(self.lake), asked)

    def _keep(self, folder: Path, meta: checkpoint.Meta | store.ModelMeta) -> None:
        if not (folder / checkpoint.META).exists():
            with atomic_folder(folder) as made:
                (made / checkpoint.META).write_text(meta.model_dump_json())


_UNTOLD: dict[str, Any] = {"wall_seconds": 0.0, "hardware": "", "torch_version": "", "created_at": ""}


def _number(content: Any) -> float:
    """A number of some content, the same in every process."""
    return int(fingerprint(pl.DataFrame({"content": [str(content)]}))[:8], 16) / 2**32
