"""A small world of data that everything went through: the raw rows, then the library's own steps.

One share market over eighty sessions with late bars, corrections and withdrawals, two vendors, a ticker that
is used again, a company that goes, 20-minute bars, quotes without trades, a future that rolls; macro series,
filings, events, texts and relations, revised and late; model inputs of all sessions. Of models there is
nothing here: `strategy_world.py` makes those.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lim_pipelines.alternative.steps import SHAPES, align_shape, validate_shape
from lim_pipelines.derive import resample_bars, stitch_futures
from lim_pipelines.exchanges import sessions
from lim_pipelines.ingest import align_macro_series, align_quotes, validate_bars, validate_macro_series
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.modalities import MiniLM, NodeEncoder, Vader
from lim_pipelines.modalities.embed import known_edges
from lim_pipelines.modalities.graph import edges_digest
from lim_pipelines.modalities.store import NODES, TEXTS, Vectors
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    LISTINGS,
    MUST_BE_GIVEN,
    RAW_CLAIMS,
    RAW_EVENTS,
    RAW_FACTS,
    RAW_MACRO,
    RAW_QUOTES,
    RAW_RELATIONS,
    RAW_TEXTS,
    ROLLS,
    VALIDATED_RELATIONS,
    VALIDATED_TEXTS,
    Table,
)

MIC = "XNAS"
START, END = date(2015, 1, 2), date(2015, 4, 30)
FIRST = date(2015, 3, 16)
"""First session whose inputs are built."""

NAMES = tuple(f"C{n:02}" for n in range(12))
GONE, GONE_ON = "C10", date(2015, 4, 1)
"""A company whose last session is that."""

REUSED, REUSED_ON = "C11", date(2015, 3, 16)
"""A ticker that means XNAS:D11 from then on."""

EXPIRY = date(2015, 3, 20)
"""Last session of the first future."""

LAG = timedelta(minutes=15)
ORIGIN = {"source": "wire", "file": "wire.csv"}
CUTOFFS = (date(2015, 3, 1), date(2015, 4, 1))
"""Cutoffs of the graph's nodes."""

Row = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Where it lies."""

    lake: Lake
    vectors: Path

    @property
    def scope(self) -> pl.DataFrame:
        """All sessions."""
        return scope()


def days(first: date = START, last: date = END) -> list[date]:
    return sessions(MIC, first, last)["date"].to_list()


def scope(first: date = START, last: date = END) -> pl.DataFrame:
    return pl.DataFrame({"date": days(first, last)}).select(exchange=pl.lit(MIC), date="date")


def at(day: date, hours: float = 0) -> datetime:
    return midnight(day) + timedelta(hours=hours)


def put(lake: Lake, table: Table, rows: list[Row] | pl.DataFrame) -> None:
    """Make rows the content of their partitions."""
    if not isinstance(rows, pl.DataFrame):
        columns = table.columns.items()
        usual = {name: column.default for name, column in columns if column.default is not MUST_BE_GIVEN}
        numbered = [{"line": n, **usual, **row} for n, row in enumerate(rows, 1)]
        given = {name: dtype for name, dtype in table.schema.items() if any(name in row for row in numbered)}
        rows = pl.DataFrame(numbered, schema_overrides=given, infer_schema_length=None)
    rows = table.conform(rows)
    lake.write(table, rows, rows.select(table.partition_key).unique())


def make(root: Path, seed: int = 5) -> World:
    """Raw rows, and all that the steps make of them."""
    lake = Lake(root / "lake")
    rng = np.random.default_rng(seed)
    put(lake, LISTINGS, listings())
    put(lake, RAW_QUOTES, quotes(rng))
    put(lake, ROLLS, [roll()])
    put(lake, RAW_MACRO, macro(rng))
    put(lake, RAW_CLAIMS, claims())
    put(lake, ENTITY_LINKS, links(rng))
    for table, rows in ((RAW_FACTS, facts(rng)), (RAW_EVENTS, events(rng)), (RAW_TEXTS, texts(rng))):
        put(lake, table, rows)
    put(lake, RAW_RELATIONS, relations(rng))
    made = World(lake, root / "vectors")
    run_steps(made)
    return made


def run_steps(world: World) -> None:
    """Take the raw rows through all steps."""
    lake = world.lake
    align_quotes(lake, scope())
    validate_bars(lake, scope())
    resample_bars(lake, scope())
    stitch_futures(lake)
    align_macro_series(lake)
    validate_macro_series(lake)
    for shape in SHAPES:
        align_shape(lake, shape)
        validate_shape(lake, shape)
    embed(world)
    build_inputs(lake, world.vectors, scope(FIRST))


def embed(world: World) -> None:
    """Vectors of texts and nodes: drawn by what they are of, as an encoder's are made of that."""
    store = Vectors(world.vectors)
    texts_ = world.lake.revisions(VALIDATED_TEXTS).group_by("text_id", "text").agg(pl.col("known_at").min())
    items = texts_.sort("text_id").select(
        key="text_id", content="text_id", source=pl.lit("wire"), known_at="known_at", text="text"
    )
    for encoder in (MiniLM(), Vader()):
        store.write(TEXTS, encoder, items.collect(), _drawn(items.collect()["key"].to_list(), encoder.width))
    for cutoff in CUTOFFS:
        moment = midnight(cutoff)
        relations_ = world.lake.read(VALIDATED_RELATIONS, as_of=moment).collect()
        links_ = world.lake.read(ENTITY_LINKS, as_of=moment).collect()
        put_nodes(world, cutoff, known_edges(relations_, links_, cutoff))


def put_nodes(world: World, cutoff: date, edges: pl.DataFrame) -> None:
    """Vectors of the nodes of a cutoff, learnt from some edges (nobody learns here)."""
    nodes = pl.DataFrame({"node": [f"issuer:{MIC}:{name}" for name in NAMES[:9]]}).select(
        key=pl.format("{}|{}", pl.lit(str(cutoff)), "node"),
        content=pl.lit(edges_digest(edges)),
        source=pl.lit("wire"),
        known_at=pl.lit(midnight(cutoff), NODES.rows["known_at"]),
        node="node",
        cutoff=pl.lit(cutoff),
        auc=pl.lit(0.9),
    )
    encoder = NodeEncoder()
    Vectors(world.vectors).write(NODES, encoder, nodes, _drawn(nodes["key"].to_list(), encoder.width))


def _drawn(keys: list[str], width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rows = [np.random.default_rng(list(key.encode())).standard_normal(width) for key in keys]
    return np.asarray(rows, dtype=np.float32).reshape(len(keys), width)


def listings() -> list[Row]:
    def one(symbol: str, instrument: str = "", **other: Any) -> Row:
        row: Row = {
            **ORIGIN,
            "symbol": symbol,
            "exchange": MIC,
            "instrument_id": f"{MIC}:{instrument or symbol}",
        }
        row |= {"name": f"{symbol} Industries Inc.", "asset_class": "equity", "currency": "USD"}
        return {**row, "known_at": at(date(2026, 1, 1)), "first": date(1990, 1, 1), **other}

    shares = [one(name) for name in NAMES if name not in (GONE, REUSED)]
    future = {"asset_class": "future", "root": f"{MIC}:FUT", "multiplier": 10.0}
    return [
        *shares,
        one(GONE, last=GONE_ON),
        one(REUSED, last=REUSED_ON - timedelta(days=1)),
        one(REUSED, "D11", first=REUSED_ON),
        *(one(name, source="other", priority=9) for name in NAMES[:3]),
        one("M00"),
        one("Q00", asset_class="cfd"),
        one("FUTH", expiry=EXPIRY, **future),
        one("FUTM", expiry=date(2015, 6, 19), **future),
    ]


def quotes(rng: np.random.Generator) -> list[Row]:
    """Daily bars of all, in between those of 20 minutes."""
    rows: list[Row] = []
    grid = sessions(MIC, START, END)
    for symbol in (*NAMES, "FUTH", "FUTM"):
        last = {GONE: GONE_ON, "FUTH": EXPIRY}.get(symbol, END)
        held = [row for row in grid.iter_rows(named=True) if row["date"] <= last]
        closes = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal(len(held))))
        for session, close in zip(held, closes, strict=True):
            row = bar(symbol, session["date"], session["close"], float(close))
            if rng.random() < 0.04:
                continue
            if rng.random() < 0.05:
                row["known_at"] += timedelta(days=9)
            rows.append(row)
            if rng.random() < 0.06:
                changed = {"withdrawn": True} if rng.random() < 0.4 else _prices(float(close) * 1.01)
                rows.append({**row, **changed, "known_at": row["known_at"] + timedelta(days=12, minutes=7)})
            if symbol in NAMES[:3]:
                other = {**row, **_prices(float(close) * 1.002), "source": "other"}
                other["known_at"] = session["close"] + LAG + timedelta(hours=float(rng.choice([0, 1, 300])))
                rows.append(other)
    for session in grid.iter_rows(named=True):
        for side, by in (("bid", 0.0), ("ask", 0.02)):
            quote = bar("Q00", session["date"], session["close"], 20 + by, price_type=side, volume=None)
            quote["known_at"] += timedelta(minutes=int(rng.integers(9)))
            rows.append(quote)
        if session["date"] >= FIRST and session["date"] < FIRST + timedelta(days=14):
            rows += _inside(rng, session)
    return rows


def _inside(rng: np.random.Generator, session: Row) -> list[Row]:
    """20-minute bars of a session: one comes late, one is corrected the next day."""
    rows = []
    ends = [session["open"] + timedelta(minutes=20 * n) for n in range(1, 20)] + [session["close"]]
    for n, end in enumerate(ends):
        row = bar("M00", session["date"], end, 30 + float(rng.normal()), freq="20m")
        if n == 4:
            row["known_at"] += timedelta(hours=2)
        rows.append(row)
        if n == 7:
            rows.append({**row, **_prices(31.5), "known_at": row["known_at"] + timedelta(days=1)})
    return rows


def _prices(close: float) -> Row:
    close = round(close, 2)
    return {"open": close, "high": round(close + 0.5, 2), "low": round(close - 0.5, 2), "close": close}


def bar(symbol: str, day: date, ts: datetime, close: float, **other: Any) -> Row:
    """A bar that came in time."""
    row: Row = {**ORIGIN, "exchange": MIC, "date": day, "symbol": symbol, "freq": "1d", "ts": ts}
    row |= {
        "volume": 1000.0,
        "ex_factor": 1.0,
        "known_at": ts + LAG,
        "price_type": "trade",
        "withdrawn": False,
    }
    return {**row, **_prices(close), **other}


def roll() -> Row:
    when = sessions(MIC, date(2015, 3, 17), date(2015, 3, 17))["close"][0]
    row = {**ORIGIN, "exchange": MIC, "root": f"{MIC}:FUT", "ts": when, "known_at": when}
    return {**row, "current_contract": f"{MIC}:FUTH", "next_contract": f"{MIC}:FUTM"}


def macro(rng: np.random.Generator) -> list[Row]:
    """Monthly series that are out after ten days, and revised after forty."""
    rows = []
    for series in ("core_cpi", "vix", "baa_yield", "aaa_yield"):
        for n in range(28):
            end = date(2013 + n // 12, n % 12 + 1, 28)
            for lag in (10, 40):
                row = {**ORIGIN, "series_id": series, "ts": at(end, 23), "known_at": at(end, 23 + 24 * lag)}
                rows.append({**row, "value": float(rng.uniform(1, 20)), "unit": "index"})
    return rows


def claims() -> list[Row]:
    """The names of some companies."""
    told = {"C00": date(2015, 1, 5), "C01": date(2015, 1, 5), "C02": date(2015, 4, 7)}
    row = {**ORIGIN, "exchange": None, "relation": "named", "first": None, "last": None}
    return [
        {**row, "symbol": symbol, "object": f"{symbol} Industries Inc.", "known_at": at(day)}
        for symbol, day in told.items()
    ]


def links(rng: np.random.Generator) -> list[Row]:
    rows = []
    for n, name in enumerate(NAMES):
        share, issuer = f"{MIC}:{name}", f"issuer:{MIC}:{name}"
        for relation, child, parent in (
            ("issued_by", share, issuer),
            ("in_industry", issuer, f"industry:GICS/{'AB'[n % 2]}"),
            ("member_of", share, "index:XNYS:SPX"),
        ):
            row = {"relation": relation, "child": child, "parent": parent, "score": 1.0, "method": "vendor"}
            early = relation == "issued_by" or rng.random() < 0.5
            row["known_at"] = at(START if early else date(2015, 4, int(rng.integers(1, 28))), 3)
            rows.append({**row, "source": "wire"})
    return rows


def facts(rng: np.random.Generator) -> list[Row]:
    """Filings of two years, forty days after the period, of which some are filed again."""
    rows = []
    kinds = {"instant": ("assets", "equity"), "FY": ("revenues", "net_income", "eps_basic")}
    for name in NAMES:
        for end in (date(2013, 12, 31), date(2014, 12, 31)):
            filed = at(end, 24 * int(rng.integers(40, 110)) + 21)
            for period, fields in kinds.items():
                for field in fields:
                    row: Row = {**ORIGIN, "symbol": name, "year": end.year, "field": field, "period": period}
                    row |= {"ts": at(end, 23), "unit": "USD/share" if field == "eps_basic" else "USD"}
                    row |= {"form": "10-K", "value": float(rng.uniform(1, 9)), "known_at": filed}
                    rows.append(row)
                    if rng.random() < 0.3:
                        later = filed + timedelta(days=int(rng.integers(5, 40)))
                        rows.append({**row, "value": float(rng.uniform(1, 9)), "known_at": later})
    return rows


def events(rng: np.random.Generator) -> list[Row]:
    rows = []
    for name in NAMES:
        for day in (date(2015, 1, 20), date(2015, 4, 14)):
            happens = at(day + timedelta(days=int(rng.integers(5))), 20)
            for kind, hours in (("earnings_release", 17.5), ("earnings_scheduled", -24.0 * 20)):
                row = {**ORIGIN, "symbol": name, "year": 2015, "kind": kind, "ts": happens}
                rows.append({**row, "known_at": happens + timedelta(hours=hours)})
    return rows


def texts(rng: np.random.Generator) -> list[Row]:
    """Texts at all hours, of which some come hours or days late."""
    rows = []
    span = (END - FIRST).days + 10
    for n in range(300):
        written = at(
            FIRST - timedelta(days=10) + timedelta(days=int(rng.integers(span))), int(rng.integers(24))
        )
        words = f"text {n}"
        for name in rng.choice(NAMES[:9], int(rng.integers(1, 4)), replace=False):
            row: Row = {**ORIGIN, "symbol": str(name), "date": written.date(), "ts": written, "text": words}
            row["text_id"] = hashlib.sha256(words.encode()).hexdigest()[:16]
            rows.append({**row, "known_at": written + timedelta(hours=float(rng.choice([0, 1, 30])))})
    return rows


def relations(rng: np.random.Generator) -> list[Row]:
    """Who owns whom, by name, month after month."""
    rows = []
    named = [f"{name} Industries Inc." for name in NAMES[:5]]
    for month in (1, 2, 3, 4):
        for subject in named:
            other = str(rng.choice([name for name in named if name != subject]))
            end = at(date(2015, month, 27), 23)
            row = {**ORIGIN, "subject": subject, "object": other, "relation": "Owns", "ts": end}
            rows.append({**row, "year": 2015, "weight": 1.0, "known_at": end + timedelta(days=2)})
    return rows


__all__ = ["World", "make", "put", "run_steps", "scope"]
