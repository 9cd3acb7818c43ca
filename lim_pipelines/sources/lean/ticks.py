"""Ticks gathered into bars of one second.

What does not belong here: tables of ticks; the lake has none yet.

Suspicious ticks (LEAN's flag) and ticks that cannot be read are held back, one row of quarantine each. A
share's quote ticks come from every exchange of the tape; they are gathered as they come, as LEAN itself
does, which is the best quote of any second only in so far as they are.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import RAW_QUOTES
from lim_pipelines.sources.archives import Stream
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.lean.formats import PRICES, bars_format
from lim_pipelines.sources.lean.paths import LeanPath
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.tabular import Origin, parse_frame

_VENUE = ("exchange", "condition", "suspicious")
LAYOUTS: dict[str, dict[int, tuple[str, ...]]] = {
    "trade": {3: ("time", "price", "size"), 6: ("time", "price", "size", *_VENUE)},
    "quote": {
        3: ("time", "bid", "ask"),
        5: ("time", "bid", "bid_size", "ask", "ask_size"),
        8: ("time", "bid", "bid_size", "ask", "ask_size", *_VENUE),
    },
}
"""Columns by kind and number of fields."""
REASONS = {
    "suspicious_tick": "LEAN flags the tick as suspicious; nothing to do",
    "unparsable_tick": "its time, price or size is no number; correct the line",
}
_SECOND = 1000
MAX_TICK_BYTES = 2**29
"""Ten million ticks; gathering them takes some four times as much memory."""


def parse_ticks(
    stream: Stream, file: SourceFile, path: LeanPath, symbol: str, zone: str, origin: Origin
) -> Parsed:
    """Gather an entry's ticks.

    Returns
    -------
    Parsed
        Bars, stamped with the line of their first tick; ticks in = ticks in bars + rejected.

    Raises
    ------
    RejectedFileError
        wrong_columns, and those of the engine.
    """
    content = _whole(stream, origin)
    names = _layout(content, path, origin)
    text = pl.read_csv(
        content, has_header=False, new_columns=list(names), infer_schema=False, truncate_ragged_lines=True
    )
    text = text.with_row_index("_line", offset=1).cast({"_line": pl.Int64})
    numbers = [name for name in names if name not in _VENUE]
    ticks = text.with_columns(pl.col(numbers).str.strip_chars().cast(pl.Float64, strict=False))
    unreadable = pl.any_horizontal(pl.col(name).is_null() | ~pl.col(name).is_finite() for name in numbers)
    suspicious = pl.col("suspicious") != "0" if "suspicious" in names else pl.lit(False)
    rule = (
        pl.when(unreadable).then(pl.lit("unparsable_tick")).when(suspicious).then(pl.lit("suspicious_tick"))
    )
    ticks = ticks.with_columns(rule=rule)
    good = ticks.filter(pl.col("rule").is_null()).with_columns(
        # The clock of a few venues runs ahead: the bar is that of the tick's own time.
        second=(pl.col("time") // _SECOND * _SECOND).cast(pl.Int64)
    )
    form = bars_format(path, symbol, zone)
    bars = _trades(good) if path.kind == "trade" else _quotes(good)
    held = text.with_columns(ticks["rule"]).filter(pl.col("rule").is_not_null())
    rejected = _held(held, file, path, symbol, origin)
    if bars.is_empty():
        return Parsed(RAW_QUOTES.empty(), rejected)
    parsed = parse_frame(bars, form, origin)
    return Parsed(parsed.rows, pl.concat([parsed.rejected, rejected]))


def _whole(stream: Stream, origin: Origin) -> bytes:
    """All ticks of a day, which must be sorted by time before they are gathered."""
    content = stream.read(MAX_TICK_BYTES)
    if stream.read(1):
        raise RejectedFileError(
            origin.path,
            "too_large",
            f"{origin.member} holds more than {MAX_TICK_BYTES:,} bytes of ticks",
            "drop LEAN's bars of a second instead",
        )
    return content


def _layout(content: bytes, path: LeanPath, origin: Origin) -> tuple[str, ...]:
    fields = content.partition(b"\n")[0].count(b",") + 1
    layout = LAYOUTS[path.kind].get(fields)
    if layout is None:
        raise RejectedFileError(
            origin.path,
            "wrong_columns",
            f"{origin.member}: ticks of {path.kind} with {fields} fields",
            f"LEAN's have {', '.join(map(str, LAYOUTS[path.kind]))}",
        )
    return layout


def _trades(ticks: pl.DataFrame) -> pl.DataFrame:
    price, size = pl.col("price"), pl.col("size")
    value = (price * size).sum()
    return _gathered(
        ticks,
        *_ohlc(price, ""),
        size.sum().alias("volume"),
        value.alias("turnover"),
        pl.when(size.sum() > 0).then(value / size.sum()).alias("vwap"),
        pl.len().alias("trades"),
    )


def _quotes(ticks: pl.DataFrame) -> pl.DataFrame:
    """Bars of both sides; a side quoted at 0 is not quoted."""
    columns = []
    for side in ("bid", "ask"):
        quoted = pl.col(side) > 0
        columns += _ohlc(pl.col(side).filter(quoted), f"{side}_")
        if f"{side}_size" in ticks.columns:
            columns.append(pl.col(f"{side}_size").filter(quoted).last())
        else:
            columns.append(pl.lit(None, pl.Float64).alias(f"{side}_size"))
    return _gathered(ticks, *columns)


def _ohlc(price: pl.Expr, prefix: str) -> list[pl.Expr]:
    found = (price.first(), price.max(), price.min(), price.last())
    return [value.alias(prefix + name) for name, value in zip(PRICES, found, strict=True)]


def _gathered(ticks: pl.DataFrame, *columns: pl.Expr) -> pl.DataFrame:
    by_time = ticks.sort("time", maintain_order=True)
    bars = by_time.group_by("second", maintain_order=True).agg(pl.col("_line").min(), *columns)
    return bars.rename({"second": "time"})


def _held(held: pl.DataFrame, file: SourceFile, path: LeanPath, symbol: str, origin: Origin) -> pl.DataFrame:
    return quarantine(
        "parse",
        held.with_columns(
            exchange_code=pl.col("exchange") if "exchange" in held.columns else pl.lit(""),
        ).with_columns(
            exchange=pl.lit(origin.exchange),
            date=pl.lit(path.day),
            source=pl.lit(origin.source_name),
            file=pl.lit(origin.file),
            line=pl.col("_line"),
            symbol=pl.lit(symbol),
            reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String),
            known_at=pl.lit(file.arrived_at),
        ),
        [name if name != "exchange" else "exchange_code" for name in held.columns if name[0] != "_"],
    )
