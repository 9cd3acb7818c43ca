"""What the validation rules flag in the real vendor files of shared data, as the table of a page.

`python scripts/flagged.py` reads every vendor's bars, aligns and judges them, and writes the table of
docs/validation-rules.md anew: rule, rows, share of the vendor's rows, and how many of them are of a defect
that its README names. `python scripts/flagged.py --list` writes only the list of rules there, which needs no
data.

What does not belong here: the rules (`lim_pipelines/validate/rules/`).
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.align import bars as align_bars
from lim_pipelines.schemas import LISTINGS, VALIDATED_BARS
from lim_pipelines.sources import QUOTE_SOURCES
from lim_pipelines.validate.beside import NOTHING, Beside
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rules import RULES, rules_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "validation-rules.md"
DATA = Path(os.environ.get("LIM_SHARED_DATA") or ROOT.parent / "shared" / "data")
"""Where the vendor files are; the variable is that of the tests."""
VENDORS = {
    "google_finance": "us_equity_daily_rsr/ohlcv_daily.parquet",
    "pystock": "us_equity_eod_and_filings_pystock/raw",
    "pystock_collection": "us_equity_eod_and_filings_pystock/*.parquet",
    "lean": "lean_sample",
    "pysystemtrade": "futures_pysystemtrade/raw",
    "fxcm": "fx_minute_fxcm",
    "btc_perp": "crypto_minute_btcperp",
    "nautilus_bars": "futures_minute_6EH4",
    "trademaster_futures": "cn_futures_5min_trademaster",
    "trademaster_shares": "cn_equity_intraday_trademaster",
}
"""Source to the files of shared data that it reads."""

_DOUBLED = pl.col("log_return") > math.log(2)
_CROSSED = (pl.col("high") < pl.col("low")) | ~pl.col("close").is_between("low", "high")
_AFTER_THE_HOLE = (pl.col("date") == date(2010, 4, 5)) & (pl.col("sessions_since") == 2)
DOCUMENTED = {
    ("google_finance", "complete_bar"): ("zeros for opens and volumes", pl.lit(True)),
    ("google_finance", "ohlc_order"): ("close outside its range, high below low", _CROSSED),
    ("google_finance", "jump"): ("moves above 100 %", _DOUBLED),
    ("google_finance", "missed_split"): ("moves above 100 %", _DOUBLED),
    ("google_finance", "usual_move"): ("moves above 100 %", _DOUBLED),
    ("google_finance", "gap"): ("2010-04-01 has 731 tickers of about 1,200", _AFTER_THE_HOLE),
    ("pystock", "traded"): ("volume 0", pl.lit(True)),
    ("pystock_collection", "traded"): ("volume 0", pl.lit(True)),
}
"""Defects that the READMEs beside the data name, and the rows that they speak of."""


def rules_list() -> str:
    """All rules as a table of Markdown, in the order in which they judge."""
    lines = [
        "| rule | table | severity | judges | why | what to do |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rule in RULES:
        of = "rows" if rule.level == "row" else "partitions"
        of += f" of {', '.join(rule.sources)}" if rule.sources else ""
        cells = [f"`{rule.name}`", rule.table, rule.severity, of, rule.rationale, rule.remedy]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def flagged() -> str:
    """Judge all files: what is flagged, by vendor and rule, as a table of Markdown."""
    lines = [
        "| vendor | bars | rule | flagged | share | documented | what is documented |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    total = plain = 0
    for name, files in VENDORS.items():
        flags, named = _judged(name, files)
        rows, counts = flags.height, flags.sum().row(0, named=True)
        known = named.sum().row(0, named=True)
        total += rows
        odd = pl.DataFrame([flags[rule] & ~named[rule] for rule in flags.columns])
        plain += int(odd.select(pl.any_horizontal(pl.all())).to_series().sum())
        lines.extend(
            f"| {name} | {rows:,} | `{rule}` | {n:,} | {n / rows:.4%} | {known[rule]:,} |"
            f" {DOCUMENTED.get((name, rule), ('',))[0]} |"
            for rule, n in counts.items()
            if n
        )
        if not any(counts.values()):
            lines.append(f"| {name} | {rows:,} | | 0 | 0 % | | |")
    lines.append("")
    lines.append(
        f"Bars flagged by a rule for what no README names: {plain:,} of {total:,}, {plain / total:.4%}."
    )
    return "\n".join(lines)


def _judged(name: str, files: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Columns of a vendor's rules: whether the bar fails, and whether its README names that."""
    source = next(one for one in QUOTE_SOURCES if one.name == name)
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder)
        (landing / name).mkdir()
        history = landing / name / "history"
        found = sorted(DATA.glob(files))
        if len(found) == 1 and found[0].is_dir():
            shutil.copytree(found[0], history, ignore=shutil.ignore_patterns("README.md"))
        else:
            history.mkdir()
            for path in found:
                shutil.copy(path, history)
        blocks = [block for file in source.files(landing) for block in source.read(file, landing)]
    listings = pl.concat([LISTINGS.empty(), *(block.listings for block in blocks)])
    listings = listings.unique(LISTINGS.key, keep="first", maintain_order=True)
    aligned = align_bars.align(pl.concat(block.rows for block in blocks), listings).rows
    beside = Beside(listings, NOTHING.actions, NOTHING.members, NOTHING.before)
    judged = prepare(aligned.sort(VALIDATED_BARS.row_key), VALIDATED_BARS, beside)
    fails = {rule.name: ~rule.passes() for rule in rules_of(VALIDATED_BARS)}
    nothing = ("", pl.lit(False))
    named = {
        rule: fail & DOCUMENTED.get((name, rule), nothing)[1].fill_null(False) for rule, fail in fails.items()
    }
    return judged.select(**fails), judged.select(**named)


def replace(page: str, name: str, content: str) -> str:
    """Put content between two marks of a page."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{content}\n{end}{tail}"


def main() -> None:
    """Write the page anew."""
    page = replace(PAGE.read_text(), "rules", rules_list())
    if "--list" not in sys.argv[1:]:
        page = replace(page, "flagged", flagged())
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
