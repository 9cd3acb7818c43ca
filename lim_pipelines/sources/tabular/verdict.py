"""Judge the rows of a block: publish, or quarantine with line, rule and reason.

What does not belong here: whether values make sense (`validate/`), session membership (`align/`).
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lim_pipelines.exchanges import EXCHANGES, get_exchange
from lim_pipelines.schemas import LISTINGS, PRICE_TYPES, RAW_QUOTES, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError
from lim_pipelines.sources.duplicates import all_different, split_duplicates
from lim_pipelines.sources.quarantine import quarantine
from lim_pipelines.sources.tabular.errors import REASONS
from lim_pipelines.sources.tabular.fields import BAD, LINE, TEXT, WHOLE
from lim_pipelines.sources.tabular.format import LABELS, NUMBERS, Origin, TableFormat
from lim_pipelines.sources.tabular.shape import WHEN
from lim_pipelines.sources.tabular.times import CALENDAR_START, stamped

_ROW = "_row"
_WHOLE_NUMBERS = ("trades",)
_MOST = 2**53
"""Beyond it, what was read as a float is no count any more."""


def publish(
    frames: list[pl.DataFrame], form: TableFormat, origin: Origin, varying: list[str]
) -> pl.DataFrame | None:
    """Rows of a block in good order as a frame of `RAW_QUOTES` in file order, or None if any row is not.

    Parameters
    ----------
    frames
        As `shaped` gives them.
    form, origin
        As there.
    varying
        Labels that may differ from row to row.
    """
    rows = []
    for frame in frames:
        if frame.is_empty():
            continue
        if not _labels_fine(frame, form, varying) or not _numbers_fine(frame):
            return None
        timed = _timed(frame, form, origin, varying)
        date, ts = timed["date"], timed["ts"]
        if date.null_count() or ts.null_count() or timed["_ambiguous"].any():
            return None
        if date.min() < CALENDAR_START or ts.max() > origin.arrived_at:  # type: ignore[operator]
            return None
        if not all_different(timed, varying, "ts"):
            return None
        rows.append(_quotes(timed, origin))
    return pl.concat(rows) if len(rows) != 1 else rows[0]


def judge(frames: list[pl.DataFrame], form: TableFormat, origin: Origin) -> Parsed:
    """Part the rows of any block.

    Returns
    -------
    Parsed
        Lines in = lines with a row or a rejected row; the rows in file order.

    Raises
    ------
    RejectedFileError
        unknown_exchange: no row says which registered exchange it belongs to.
    """
    frame = pl.concat(frames, how="vertical").with_row_index(_ROW)
    for name, value in ((WHOLE, True), (BAD, False)):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(value).alias(name))
    known = pl.col("exchange").is_in(list(EXCHANGES)).fill_null(False)
    frame = frame.with_columns(_known=known)
    if not frame["_known"].any():
        given = frame["exchange"].drop_nulls().unique().sort().to_list()[:5]
        raise RejectedFileError(
            origin.path,
            "unknown_exchange",
            f"{', '.join(given) or 'no exchange given'}: not registered",
            f"say which of {', '.join(sorted(EXCHANGES))} it is",
        )
    timed = _timed_any(frame, form, origin)
    tomorrow = origin.arrived_at.date() + timedelta(days=1)
    arrived = pl.lit(origin.arrived_at, UTC_TIME)
    late = (pl.col("date") > tomorrow).fill_null(False) | (pl.col("ts") > arrived).fill_null(False)
    timed = timed.with_columns(_future=late, rule=None).with_columns(rule=_rule(form, late))
    failing = timed.filter(pl.col("rule").is_not_null()).with_columns(
        reason=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String)
    )
    good = timed.filter(pl.col("rule").is_null()).drop("rule")
    quotes = _quotes(good, origin).with_columns(good[_ROW])
    kept, repeated = split_duplicates(quotes, RAW_QUOTES.row_key, ["line", _ROW])
    rows = kept.sort(_ROW).drop(_ROW)
    repeated = repeated.select(_ROW, "rule", "reason").join(good, on=_ROW)
    held = pl.concat([failing, repeated.select(failing.columns)]).sort(_ROW)
    # One line is held back once, whatever its sides.
    held = held.unique([LINE, "rule"], keep="first", maintain_order=True)
    return Parsed(rows, _filed(held, timed, origin), listings(rows, form, origin))


def listings(rows: pl.DataFrame, form: TableFormat, origin: Origin) -> pl.DataFrame:
    """Instruments that a table vouches for, frame of `LISTINGS`.

    What a symbol means by itself is no news, so it counts as always known, and the same symbol in a later
    file says nothing new.
    """
    if form.listed_as is None or rows.is_empty():
        return LISTINGS.empty()
    about = form.listed_as
    return LISTINGS.conform(
        rows.select("source", "symbol", "exchange")
        .unique()
        .with_columns(
            (pl.col("exchange") + ":" + pl.col("symbol")).alias("instrument_id"),
            name=pl.col("symbol"),
            file=pl.lit(origin.path),
            known_at=pl.lit(CALENDAR_START).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            **{name: pl.lit(value) for name, value in about.model_dump().items()},
        )
    )


def _labels_fine(frame: pl.DataFrame, form: TableFormat, varying: list[str]) -> bool:
    return (
        set(_few(frame, "exchange", varying)) <= EXCHANGES.keys()
        and set(_few(frame, "freq", varying)) <= set(form.freqs)
        and set(_few(frame, "price_type", varying)) <= set(PRICE_TYPES)
        and all(symbol and symbol == symbol.strip(" \t\r") for symbol in _few(frame, "symbol", varying))
    )


def _few(frame: pl.DataFrame, label: str, varying: list[str]) -> list[str | None]:
    """Distinct values of a label, found where it changes: most tables are grouped by it."""
    value = pl.col(label)
    if label not in varying:
        return frame.select(value.first()).to_series().to_list()
    begins = value.ne_missing(value.shift(1)) | (pl.int_range(pl.len()) == 0)
    return frame.select(value.filter(begins)).to_series().unique().to_list()


def _numbers_fine(frame: pl.DataFrame) -> bool:
    fine = [(pl.col(name).is_finite() | pl.col(name).is_null()).all() for name in NUMBERS]
    whole = [_whole(name).all() for name in _WHOLE_NUMBERS]
    return frame["close"].null_count() == 0 and frame.select(pl.all_horizontal(*fine, *whole)).item()


def _whole(name: str) -> pl.Expr:
    return (pl.col(name) == pl.col(name).floor()) & (pl.col(name).abs() <= _MOST)


def _timed(frame: pl.DataFrame, form: TableFormat, origin: Origin, varying: list[str]) -> pl.DataFrame:
    """Rows with date, ts, known_at; exchange and freq are registered ones."""
    exchanges, freqs = (_few(frame, label, varying) for label in ("exchange", "freq"))
    if len(exchanges) == 1 and len(freqs) == 1:
        times = stamped(frame[WHEN], str(exchanges[0]), str(freqs[0]), form, origin)
        lag = get_exchange(str(exchanges[0])).feed_lag
        known_at = times["ts"] + lag
        if not origin.history:
            latest = known_at.max()
            arrived = pl.Series([origin.arrived_at], dtype=UTC_TIME)
            known_at = (
                arrived.new_from_index(0, len(known_at))
                if latest is None or latest <= origin.arrived_at  # type: ignore[operator]
                else pl.select(pl.max_horizontal(known_at, arrived)).to_series()
            )
        return frame.with_columns(
            times["date"], times["ts"], known_at.alias("known_at"), times["ambiguous"].alias("_ambiguous")
        )
    order = "_order"
    parts = frame.with_row_index(order).partition_by("exchange", "freq", maintain_order=True)
    return pl.concat([_timed(part, form, origin, varying) for part in parts]).sort(order).drop(order)


def _timed_any(frame: pl.DataFrame, form: TableFormat, origin: Origin) -> pl.DataFrame:
    """Rows with date, ts, known_at; null where exchange or freq are not known ones."""
    usable = pl.col("_known") & pl.col("freq").is_in(list(form.freqs)).fill_null(False)
    fine = frame.filter(usable)
    rest = frame.filter(~usable)
    nothing = {"date": pl.Date(), "ts": UTC_TIME, "known_at": UTC_TIME, "_ambiguous": pl.Boolean()}
    rest = rest.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in nothing.items())
    return (pl.concat([_timed(fine, form, origin, list(LABELS)), rest]) if fine.height else rest).sort(_ROW)


def _quotes(timed: pl.DataFrame, origin: Origin) -> pl.DataFrame:
    frame = timed.with_columns(
        pl.lit(origin.source_name).alias("source"),
        pl.lit(origin.file).alias("file"),
        pl.lit(False).alias("withdrawn"),
        pl.col(LINE).alias("line"),
        pl.col("trades").cast(pl.Int64),
    )
    return frame.select(list(RAW_QUOTES.columns))


def _rule(form: TableFormat, late: pl.Expr) -> pl.Expr:
    """First rule that a row fails, or null."""
    finite = [pl.col(name).is_null() | pl.col(name).is_finite() for name in NUMBERS]
    whole = [pl.col(name).is_null() | _whole(name) for name in _WHOLE_NUMBERS]
    symbol = pl.col("symbol")
    failing = {
        "wrong_field_count": ~pl.col(WHOLE),
        "unknown_exchange": ~pl.col("_known"),
        "missing_symbol": symbol.is_null() | (symbol == ""),
        "unknown_freq": ~pl.col("freq").is_in(list(form.freqs)).fill_null(False),
        "ambiguous_time": pl.col("_ambiguous"),
        "unparsable_date": pl.col("date").is_null(),
        "before_calendar": pl.col("date") < CALENDAR_START,
        "unknown_price_type": ~pl.col("price_type").is_in(list(PRICE_TYPES)).fill_null(False),
        "unparsable_number": pl.col(BAD) | ~pl.all_horizontal(*finite, *whole),
        "missing_close": pl.col("close").is_null(),
        "future_bar": late,
    }
    return pl.coalesce(pl.when(bad).then(pl.lit(rule)) for rule, bad in failing.items())


def _filed(held: pl.DataFrame, timed: pl.DataFrame, origin: Origin) -> pl.DataFrame:
    """Rows held back, as a frame of `QUARANTINE`.

    A row without a usable date or exchange is filed beside its neighbours in the block, where people will
    look for it; a date that no partition has would hide it.
    """
    early = (pl.col("date") < CALENDAR_START).fill_null(False)
    usable = pl.when(~pl.col("_future") & ~early).then(pl.col("date"))
    alone = pl.when(early).then(CALENDAR_START).otherwise(origin.arrived_at.date()).clip(CALENDAR_START)
    filed = timed.select(
        _ROW,
        date=pl.coalesce(usable.forward_fill().backward_fill(), alone),
        exchange=pl.when(pl.col("_known")).then("exchange").forward_fill().backward_fill(),
    )
    held = (
        held.drop("date", "exchange")
        .join(filed, on=_ROW)
        .with_columns(
            symbol=pl.col("symbol").fill_null("").str.slice(0, 100),
            source=pl.lit(origin.source_name),
            file=pl.lit(origin.file),
            line=pl.col(LINE),
            known_at=pl.lit(origin.arrived_at, UTC_TIME),
        )
    )
    return quarantine("parse", held.with_columns(text=pl.col(TEXT).str.slice(0, 2000)), ["text"])
