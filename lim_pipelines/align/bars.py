"""Raw quotes onto the exchange's session grid, under stable instrument ids.

What does not belong here: whether prices make sense (`validate/`), corrections against what the lake already
holds (`revisions.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.align.mid import with_mid
from lim_pipelines.align.outcome import Outcome
from lim_pipelines.exchanges import calendar_ends, get_exchange
from lim_pipelines.schemas import ALIGNED_BARS, INTRADAY, RAW_QUOTES, SESSIONS_AND_LONGER, UTC_TIME
from lim_pipelines.sources.clock import segment_grid, session_grid
from lim_pipelines.sources.duplicates import all_different, repeated, split_duplicates
from lim_pipelines.sources.quarantine import quarantine

REASONS = {
    "unknown_symbol": "the source's symbol is no instrument on that date; add a listing in"
    " lim_pipelines/instruments.py, or let the feed register its symbols (docs/adding-a-source.md)",
    "unknown_freq": f"the bar length is not one of {', '.join([*INTRADAY, *SESSIONS_AND_LONGER])};"
    " correct the file",
    "future_bar": "the bar ends after the moment it was known; correct its date or time",
    "beyond_calendar": "the exchange's holidays of that year are not in the installed exchange-calendars;"
    " update the package (constraints.txt) and materialize again",
    "closed_session": "the exchange's calendar has no session on that date;"
    " correct the date, or the calendar in lim_pipelines/exchanges/",
    "outside_session": "the bar ends outside the session's hours, or in a break; check the file's time zone",
    "off_grid": "the bar ends neither whole bar lengths after trading began nor at those of the clock;"
    " bars are stamped with their end: check the file's time stamps",
    "superseded_source": "another source with a better priority gave this bar no later; nothing to do",
}


def align(raw: pl.DataFrame, listings: pl.DataFrame) -> Outcome:
    """Bring raw quotes to stable ids and the session grid.

    Parameters
    ----------
    raw
        Frame of `RAW_QUOTES`; any mix of exchanges, dates, sources and revisions.
    listings
        Frame of `LISTINGS`: which instrument a source's symbol means, and when.

    Returns
    -------
    Outcome
        Frame of `ALIGNED_BARS` with all revisions (rows that differ in `known_at`) kept, and the rows held
        back. Where two sources give one bar, the one of better priority (of equal ones the first name in the
        alphabet) wins from the moment it is known; what the other gave before stays, because it was all
        anyone had. Instruments without trades get mid bars from their bids and asks.
    """
    judged = _judge(_on_grid(_with_instrument(raw, listings)))
    held = [judged.filter(pl.col("rule").is_not_null()).with_columns(_reason())]
    rows = judged.filter(pl.col("rule").is_null()).drop("rule")

    key = list(ALIGNED_BARS.key)
    if not all_different(rows, [name for name in key if name not in ("date", "ts")], "ts"):
        rows, again = split_duplicates(rows, [*key, "known_at", "source", "priority"], ["file", "line"])
        rows, superseded = _split_superseded(rows, key)
        held += [again, superseded]

    evidence = list(RAW_QUOTES.columns)
    columns = [*evidence, "rule", "reason"]
    quarantined = quarantine("align", pl.concat(frame.select(columns) for frame in held), evidence)
    return Outcome(with_mid(ALIGNED_BARS.conform(rows)), quarantined)


def _with_instrument(raw: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Rows with instrument_id, asset_class and priority, null where no listing holds on the row's date."""
    on = ["source", "symbol", "exchange"]
    said = ["instrument_id", "asset_class", "priority"]
    known = listings.select(*on, *said, "first", pl.col("last").fill_null(pl.date(9999, 12, 31)))
    here = {name: raw[name].unique().to_list() for name in on}
    known = known.filter(pl.col(name).is_in(values) for name, values in here.items())
    # Text is slow to join on: what all rows share need not be.
    on = [name for name in on if name == "symbol" or len(here[name]) > 1]
    several = pl.struct(on).is_duplicated()
    holds = pl.col("date").is_between("first", "last")
    single, contested = known.filter(~several), known.filter(several)
    matched = raw.join(single.select(*on, *said, "first", "last"), on=on, how="left")
    rows = matched.with_columns(pl.when(holds).then(name).alias(name) for name in said).drop("first", "last")
    if contested.is_empty():
        return rows
    # A symbol may have had several owners: the later listing wins where two claim one date.
    others = rows.join(contested, on=on, how="anti")
    ours = rows.join(contested, on=on, how="semi").drop(said).with_row_index("row")
    owners = ours.select("row", "date", *on).join(contested.select(*on, *said, "first", "last"), on=on)
    owners = owners.filter(holds).sort("row", "first").unique("row", keep="last").select("row", *said)
    return pl.concat([others, ours.join(owners, on="row", how="left").select(others.columns)])


def _on_grid(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with begins and ends of the stretch of trading that holds the bar's end, null on closed dates.

    Longer bars lie in the whole session. An intraday bar beside all stretches of its session has only nulls
    and session_close.
    """
    mics = rows["exchange"].unique().sort().to_list()
    parts = [rows] if len(mics) == 1 else [rows.filter(pl.col("exchange") == mic) for mic in mics]
    none = pl.lit(None, UTC_TIME)
    empty = rows.clear().with_columns(begins=none, ends=none, session_close=none, beyond=pl.lit(False))
    return pl.concat([empty, *(_on_grid_of(mic, part) for mic, part in zip(mics, parts, strict=True))])


def _on_grid_of(mic: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Do it for one exchange, by search in its sorted grids: joins of long frames are slow."""
    first, last = rows.select(
        pl.col("date").min(),
        # Sessions long after everything known here cannot matter, their bars are in the future; but a
        # session's bars may be known on the evening before its date.
        last=pl.min_horizontal(pl.col("date").max(), pl.col("known_at").max().dt.date().dt.offset_by("2d")),
    ).row(0)
    inside = pl.col("freq").is_in(INTRADAY)
    same, grid = pl.col("grid_date") == pl.col("date"), ("grid_date", "grid_open", "grid_close")
    found = _beside(rows, session_grid(mic, first, last), "date", "date").with_columns(
        begins=pl.when(~inside & same).then("grid_open"),
        ends=pl.when(~inside & same).then("grid_close"),
        session_close=pl.when(same).then("grid_close"),
    )
    end = calendar_ends(mic)
    found = found.drop(grid).with_columns(beyond=pl.lit(False) if end is None else pl.col("date") > end)
    if not rows.select(inside.any()).item():
        return found
    within = inside & same & (pl.col("grid_open") < pl.col("ts"))
    parts = _beside(found, segment_grid(mic, first, last), "close", "ts")
    return parts.with_columns(
        begins=pl.when(within).then("grid_open").otherwise("begins"),
        ends=pl.when(within).then("grid_close").otherwise("ends"),
    ).drop(grid)


def _beside(rows: pl.DataFrame, grid: pl.DataFrame, column: str, value: str) -> pl.DataFrame:
    """Rows with the first row of a grid, sorted by the column, that is not before their value; or nulls."""
    places = grid[column].search_sorted(rows[value], side="left")
    names = {f"grid_{name}": pl.col(name).gather(places) for name in ("date", "open", "close")}
    return pl.concat([rows, pl.concat([grid, grid.clear(n=1)]).select(**names)], how="horizontal")


def _judge(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the first rule that a row fails, or null."""
    length = pl.col("freq").replace_strict(INTRADAY, default=None, return_dtype=pl.Duration("us"))
    long = pl.col("freq").is_in(SESSIONS_AND_LONGER)
    since_open = (pl.col("ts") - pl.col("begins")).dt.total_microseconds()
    at_end = pl.col("ts") == pl.col("ends")
    verdict = (
        pl.when(pl.col("instrument_id").is_null())
        .then(pl.lit("unknown_symbol"))
        .when(~long & length.is_null())
        .then(pl.lit("unknown_freq"))
        .when(pl.col("ts") > pl.col("known_at"))
        .then(pl.lit("future_bar"))
        .when(pl.col("session_close").is_null() & pl.col("beyond"))
        .then(pl.lit("beyond_calendar"))
        .when(pl.col("session_close").is_null())
        .then(pl.lit("closed_session"))
        .when(
            pl.col("begins").is_null() | (pl.col("ts") <= pl.col("begins")) | (pl.col("ts") > pl.col("ends"))
        )
        .then(pl.lit("outside_session"))
    )
    rows = rows.with_columns(rule=verdict)
    # The last bar of a session, or before a break, may be short: 6.5 hours hold seven hourly bars.
    off = pl.col("rule").is_null() & ~at_end & (long | (since_open % length.dt.total_microseconds() != 0))
    if not rows.select(off.any()).item():
        return rows
    off_grid = off & (long | ~_on_the_clock(rows["exchange"].unique().to_list(), length))
    return rows.with_columns(rule=pl.when(off_grid).then(pl.lit("off_grid")).otherwise("rule"))


def _on_the_clock(mics: list[str], length: pl.Expr) -> pl.Expr:
    """Whether bars end at whole hours, minutes ... of the exchange's clock, as some vendors cut them.

    The first bar of a session that opens at half past is then short, as the last one is for the others.
    """
    whole = pl.lit(False)
    for mic in mics:
        clock = pl.col("ts").dt.convert_time_zone(get_exchange(mic).timezone).dt.time().cast(pl.Int64) // 1000
        here = pl.col("exchange") == mic
        whole = whole | (here & (clock % length.dt.total_microseconds() == 0).fill_null(False))
    return whole


def _split_superseded(rows: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    contested = repeated(rows, key)
    # Of equal priorities the name decides: which one it is must not change from day to day.
    ranks = rows.select("priority", "source").unique().sort("priority", "source").with_row_index("rank")
    disputed = rows.filter(contested).join(ranks, on=["priority", "source"], how="left")
    disputed = disputed.with_columns(best=pl.col("rank").cum_min().over(key, order_by=["known_at", "rank"]))
    lost = pl.col("rank") > pl.col("best")
    kept = pl.concat([rows.filter(~contested), disputed.filter(~lost).drop("best", "rank")])
    superseded = disputed.filter(lost).with_columns(rule=pl.lit("superseded_source"))
    return kept, superseded.with_columns(_reason())


def _reason() -> pl.Expr:
    return pl.col("rule").replace_strict(REASONS, return_dtype=pl.String).alias("reason")
