"""Members of the S&P 500 in November 2025: `landing/sp500_members/sp500.csv` of fja05680/sp500.

Columns: Symbol, Security, GICS Sector, GICS Sub-Industry, Headquarters Location, Date added, CIK, Founded.
Claims: the name; the company's number with the SEC (cik/320193); GICS sector and sub-industry; the country of
its headquarters.

What does not belong here: who was a member when (`sp500_members.py`, which reads the other file of the
folder).

The file is a snapshot. Nothing in it is known before the end of November 2025, not even below `history/`:
sectors were others before (Alphabet was in Information Technology until 2018-09-28), and so were names.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.claims import claims, known
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file

FILE = "sp500.csv"
COLLECTED = datetime(2025, 12, 1, tzinfo=UTC)
"""End of the month that the collection names; it does not say the day."""
COLUMNS = [
    *("Symbol", "Security", "GICS Sector", "GICS Sub-Industry"),
    *("Headquarters Location", "Date added", "CIK", "Founded"),
]
SECTORS = (
    *("Communication Services", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials"),
    *("Health Care", "Industrials", "Information Technology", "Materials", "Real Estate", "Utilities"),
)
ABROAD = {
    **{"Ireland": "IE", "United Kingdom": "GB", "Switzerland": "CH", "Netherlands": "NL"},
    **{"Bermuda": "BM", "Canada": "CA", "Singapore": "SG", "Luxembourg": "LU", "Israel": "IL"},
}
"""What the vendor writes behind the city where it is no state of the USA."""
STATES = (
    *("Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware"),
    *("Florida", "Georgia", "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas", "Kentucky"),
    *("Louisiana", "Maine", "Maryland", "Massachusetts", "Michigan", "Minnesota", "Mississippi"),
    *("Missouri", "Montana", "Nebraska", "Nevada", "New Hampshire", "New Jersey", "New Mexico"),
    *("New York", "North Carolina", "North Dakota", "Ohio", "Oklahoma", "Oregon", "Pennsylvania"),
    *("Rhode Island", "South Carolina", "South Dakota", "Tennessee", "Texas", "Utah", "Vermont"),
    *("Virginia", "Washington", "West Virginia", "Wisconsin", "Wyoming", "D.C."),
)
NOWHERE = "none"
"""What the vendor writes for a company without headquarters."""
REASONS = {
    "missing_value": "symbol or name is missing; complete the line",
    "unknown_sector": f"the GICS sector is none of {', '.join(SECTORS)}; correct the line, or add the sector"
    " in sources/sp500_companies.py",
    "unknown_country": "the headquarters are in no known state or country; correct the line, or add it"
    " in sources/sp500_companies.py",
    "unparsable_number": "the CIK is no number; correct the line",
}


class SP500Companies:
    """Claims about the members."""

    name = "sp500_members"
    tables = frozenset({"raw_claims"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the snapshots."""
        return [f for f in vendor_files(landing, self.name) if PurePosixPath(f.path).name == FILE]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one snapshot.

        Raises
        ------
        RejectedFileError
            wrong_columns, or a rule of `landed.py`.
        """
        try:
            table = pl.read_csv(io.BytesIO(read_file(landing, file.path)), infer_schema=False)
        except pl.exceptions.PolarsError as error:
            raise RejectedFileError(
                file.path,
                "wrong_columns",
                str(error).split("\n")[0][:200],
                "drop the vendor's file as it ships",
            ) from error
        if table.columns != COLUMNS:
            raise RejectedFileError(
                file.path,
                "wrong_columns",
                f"it has {table.columns}",
                f"the header must be {','.join(COLUMNS)}",
            )
        place = pl.col("Headquarters Location").str.replace(r"\[\d+\]$", "").str.extract(r"([^,]+)$")
        country = {**ABROAD, **dict.fromkeys(STATES, "US"), NOWHERE: None}
        rows = table.with_row_index("line", offset=2).with_columns(
            pl.col("line").cast(pl.Int64),
            symbol="Symbol",
            exchange=pl.lit(None, pl.String),
            place=place.str.strip_chars(),
            rule=pl.when(pl.col("Symbol").is_null() | pl.col("Security").is_null())
            .then(pl.lit("missing_value"))
            .when(~pl.col("GICS Sector").is_in(SECTORS).fill_null(False))
            .then(pl.lit("unknown_sector"))
            .when(~place.str.strip_chars().is_in(list(country)).fill_null(False))
            .then(pl.lit("unknown_country"))
            .when(~pl.col("CIK").str.contains(r"^\d+$").fill_null(False))
            .then(pl.lit("unparsable_number")),
        )
        yield claims(
            file,
            known(file, COLLECTED),
            rows,
            {
                "named": pl.col("Security"),
                "identified_by": "cik/" + pl.col("CIK").str.strip_chars_start("0"),
                "in_industry sector": "GICS/" + pl.col("GICS Sector"),
                "in_industry sub-industry": "GICS sub-industry/" + pl.col("GICS Sub-Industry"),
                "in_country": pl.col("place").replace_strict(country, return_dtype=pl.String),
            },
            REASONS,
        )
