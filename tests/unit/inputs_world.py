"""A lake with facts of every kind about a few companies, known at all hours, revised, late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from strategy_world import bars_of, session_days

from lim_pipelines.inputs.build import Built, build_inputs
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.modalities import MiniLM, NodeEncoder, Vader
from lim_pipelines.modalities.store import NODES, TEXTS, Vectors
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    INPUT_SCALES,
    MODEL_INPUTS,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_MACRO,
    VALIDATED_TEXTS,
    Table,
)

NAMES = tuple(f"XNAS:C{n:02}" for n in range(14))
START, END = date(2015, 1, 2), date(2015, 8, 31)
FIRST = date(2015, 4, 1)
"""First session whose inputs are built."""

Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Facts:
    """Rows of tables by name, of texts and nodes the vectors beside."""

    tables: Tables

    def known_by(self, moment: datetime) -> Facts:
        """The world as if nothing had become known after a moment."""
        known = pl.col("known_at") <= moment
        return Facts({name: rows.filter(known) for name, rows in self.tables.items()})

    def changed_after(self, moment: datetime) -> Facts:
        """The world in which everything that became known after a moment is different."""
        later = pl.col("known_at") > moment
        values = ("value", "close", "ex_factor", "weight")
        out = {}
        for name, rows in self.tables.items():
            numbers = [c for c in values if c in rows.columns]
            out[name] = rows.with_columns(
                pl.when(later).then(pl.col(c) * 3 + 1).otherwise(pl.col(c)).alias(c) for c in numbers
            )
        return Facts(out)


BY_NAME: dict[str, Table] = {
    table.name: table
    for table in (
        ENTITY_LINKS,
        VALIDATED_BARS,
        VALIDATED_EVENTS,
        VALIDATED_FACTS,
        VALIDATED_MACRO,
        VALIDATED_TEXTS,
    )
}


def at(day: date, hour: float) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def origin(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"source": "test", "file": "test.csv", "line": n, **row} for n, row in enumerate(rows, 1)]


def random_facts(seed: int) -> Facts:
    """Facts of every kind at random times, many of them revised or late."""
    rng = np.random.default_rng(seed)
    days = [START + timedelta(days=n) for n in range((END - START).days)]

    def moment() -> datetime:
        return at(days[rng.integers(len(days))], float(rng.integers(0, 24)))

    return Facts(
        {
            "validated_bars": _bars(rng),
            "validated_macro": _macro(rng),
            "validated_facts": _filings(rng),
            "validated_events": _events(rng),
            "validated_texts": _texts(rng, moment),
            "entity_links": _links(rng, moment),
            "nodes": _nodes(),
        }
    )


def _bars(rng: np.random.Generator) -> pl.DataFrame:
    frames = []
    for name in NAMES:
        sessions = session_days("XNAS", START, END)
        closes = (50 * np.exp(np.cumsum(0.01 * rng.standard_normal(len(sessions))))).tolist()
        ex = [0.5 if rng.random() < 0.003 else 1.0 for _ in sessions]
        bars = (
            bars_of("XNAS:AAPL", sessions, closes, ex)
            .with_columns(instrument_id=pl.lit(name))
            .sample(fraction=0.95, seed=int(rng.integers(1000)))
        )
        late = pl.Series(rng.random(bars.height) < 0.05)
        frames.append(
            bars.with_columns(
                known_at=pl.when(late).then(pl.col("known_at") + timedelta(days=9)).otherwise("known_at")
            )
        )
        revised = bars.sample(fraction=0.05, seed=int(rng.integers(1000)))
        frames.append(
            revised.with_columns(
                close=pl.col("close") * 1.1,
                withdrawn=pl.Series(rng.random(revised.height) < 0.5),
                known_at=pl.col("known_at") + timedelta(days=12),
            )
        )
    return VALIDATED_BARS.conform(pl.concat(frames))


def _macro(rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    for series in ("core_cpi", "vix", "baa_yield", "aaa_yield"):
        for n in range(20):
            end = date(2014 + n // 12, n % 12 + 1, 28)
            for lag in (10, 40):
                rows.append({"series_id": series, "ts": at(end, 23), "known_at": at(end, 23 + 24 * lag)})
    frame = pl.DataFrame(origin(rows)).with_columns(
        value=pl.Series(rng.uniform(1, 20, len(rows))), unit=pl.lit("index")
    )
    return VALIDATED_MACRO.conform(frame)


def _filings(rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    periods = {
        "instant": ("assets", "equity"),
        "Q": ("revenues", "net_income", "eps_basic"),
        "FY": ("revenues", "net_income", "eps_basic"),
        "YTD": ("cash_flow_op",),
    }
    for name in NAMES:
        for end in (date(2013, 12, 31), date(2014, 3, 31), date(2014, 12, 31), date(2015, 3, 31)):
            yearly = end.month == 12
            for period, fields in periods.items():
                if period == ("Q" if yearly else "FY"):
                    continue
                for field in fields:
                    for lag in (int(rng.integers(20, 120)), int(rng.integers(120, 180))):
                        rows.append(
                            {
                                "entity_id": f"issuer:{name}",
                                "year": end.year,
                                "field": field,
                                "period": period,
                                "ts": at(end, 23),
                                "value": float(rng.uniform(1, 9)),
                                "unit": "USD/share" if field == "eps_basic" else "USD",
                                "form": "10-K" if yearly else "10-Q",
                                "known_at": at(end, 24 * lag + 14.5),
                            }
                        )
        for end in (date(2015, 1, 20), date(2015, 4, 21), date(2015, 7, 20)):
            rows.append(
                {
                    "entity_id": f"issuer:{name}",
                    "year": end.year,
                    "field": "eps_surprise_percent",
                    "period": "Q",
                    "ts": at(end, 20),
                    "value": float(rng.normal()),
                    "unit": "percent",
                    "form": None,
                    "known_at": at(end, 24 * int(rng.integers(1, 30)) + 14.5),
                }
            )
    return VALIDATED_FACTS.conform(pl.DataFrame(origin(rows)))


def _events(rng: np.random.Generator) -> pl.DataFrame:
    rows = []
    for name in NAMES:
        for day in (date(2015, 1, 20), date(2015, 4, 21), date(2015, 7, 20)):
            happens = at(day + timedelta(days=int(rng.integers(5))), 20)
            told = {"earnings_release": 17.5, "earnings_scheduled": -24.0 * int(rng.integers(5, 40))}
            for kind, hours in told.items():
                known_at = happens + timedelta(hours=hours)
                entity = f"issuer:{name}"
                rows.append(
                    {"entity_id": entity, "year": 2015, "kind": kind, "ts": happens, "known_at": known_at}
                )
    return VALIDATED_EVENTS.conform(pl.DataFrame(origin(rows)))


def _texts(rng: np.random.Generator, moment: object) -> pl.DataFrame:
    rows = []
    for n in range(400):
        written = moment()  # type: ignore[operator]
        for name in rng.choice(NAMES[:10], int(rng.integers(1, 6)), replace=False):
            rows.append(
                {
                    "entity_id": f"issuer:{name}",
                    "date": written.date(),
                    "ts": written,
                    "text_id": f"{n:016x}",
                    "text": f"text {n}",
                    "known_at": written + timedelta(hours=float(rng.choice([0, 1, 30, 400]))),
                }
            )
    return VALIDATED_TEXTS.conform(pl.DataFrame(origin(rows)))


def _links(rng: np.random.Generator, moment: object) -> pl.DataFrame:
    rows = []
    for n, name in enumerate(NAMES):
        for relation, child, parent in (
            ("issued_by", name, f"issuer:{name if n else NAMES[1]}"),
            ("in_industry", f"issuer:{name}", f"industry:GICS/{'AB'[n % 2]}"),
            ("in_industry", f"issuer:{name}", f"industry:NASDAQ/{'CDE'[n % 3]}"),
            ("member_of", name, "index:XNYS:SPX"),
        ):
            rows.append(
                {
                    "relation": relation,
                    "child": child,
                    "parent": parent,
                    "score": 1.0,
                    "method": "vendor",
                    "source": "test",
                    "known_at": moment(),  # type: ignore[operator]
                }
            )
    return ENTITY_LINKS.conform(pl.DataFrame(rows))


def _nodes() -> pl.DataFrame:
    rows = [
        {
            "key": f"{cutoff}|issuer:{name}",
            "content": str(cutoff),
            "source": "test",
            "known_at": midnight(cutoff),
            "node": f"issuer:{name}",
            "cutoff": cutoff,
            "auc": 0.9,
        }
        for cutoff in (date(2015, 3, 1), date(2015, 5, 1), date(2015, 7, 1))
        for name in NAMES[:9]
    ]
    return pl.DataFrame(rows, schema=NODES.rows)


def world(root: Path, facts: Facts) -> tuple[Lake, Path]:
    """Put facts into a lake and a vector store."""
    lake, vectors = Lake(root / "lake"), root / "vectors"
    for name, table in BY_NAME.items():
        rows = facts.tables[name]
        lake.write(table, rows, rows.select(table.partition_key).unique())
    texts = facts.tables["validated_texts"].group_by("text_id", "text").agg(pl.col("known_at").min())
    items = texts.sort("text_id").select(
        key="text_id", content="text_id", source=pl.lit("test"), known_at=pl.col("known_at"), text="text"
    )
    store = Vectors(vectors)
    for encoder in (MiniLM(), Vader()):
        store.write(TEXTS, encoder, items, _drawn(items["key"].to_list(), encoder.width))
    put_nodes(vectors, facts.tables["nodes"])
    return lake, vectors


def put_nodes(vectors: Path, nodes: pl.DataFrame) -> None:
    """Put nodes into a vector store."""
    drawn = _drawn(nodes["key"].to_list(), NodeEncoder.width)
    Vectors(vectors).write(NODES, NodeEncoder(), nodes, drawn)


def _drawn(keys: list[str], width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Vectors that depend on the key alone, as those of a real encoder do on the text."""
    rows = [np.random.default_rng(list(key.encode())).standard_normal(width) for key in keys]
    return np.asarray(rows, dtype=np.float32).reshape(len(keys), width)


def scope() -> pl.DataFrame:
    days = pl.date_range(FIRST, END, eager=True)
    return pl.DataFrame({"date": days}).select(pl.lit("XNAS").alias("exchange"), "date")


def build(root: Path, facts: Facts) -> tuple[Lake, Built]:
    """Put facts into a lake and build the inputs of all sessions."""
    lake, vectors = world(root, facts)
    return lake, build_inputs(lake, vectors, scope())


def rows(lake: Lake, table: Table, where: pl.Expr) -> pl.DataFrame:
    assert table in (MODEL_INPUTS, INPUT_SCALES)
    return lake.revisions(table, where).sort(table.row_key).collect()
