"""pysystemtrade's instruments: where each is listed, under which root; contracts.

What does not belong here: multipliers and currencies, which the vendor ships (`files.config`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import LISTINGS, UTC_TIME

NAME = "pysystemtrade"
PRIORITY = 8
"""Closes only, put together by a fund from several vendors: others win."""

INSTRUMENTS: dict[str, tuple[str, str]] = {
    **{"AEX": ("XEUE", "FTI"), "CAC": ("XMON", "FCE"), "EURIBOR": ("IFEU", "I")},
    **{"BOBL": ("XEUR", "FGBM"), "SHATZ": ("XEUR", "FGBS"), "OAT": ("XEUR", "FOAT"), "DAX": ("XEUR", "FDAX")},
    **{"EUROSTX": ("XEUR", "FESX"), "SMI": ("XEUR", "FSMI"), "V2X": ("XEUR", "FVS")},
    **{"AUD": ("XCME", "6A"), "EUR": ("XCME", "6E"), "GBP": ("XCME", "6B"), "JPY": ("XCME", "6J")},
    **{"MXP": ("XCME", "6M"), "NZD": ("XCME", "6N"), "BITCOIN": ("XCME", "MBT"), "EDOLLAR": ("XCME", "GE")},
    **{
        "SP500": ("XCME", "ES"),
        "NASDAQ": ("XCME", "NQ"),
        "FEEDCOW": ("XCME", "GF"),
        "LEANHOG": ("XCME", "HE"),
    },
    **{
        "LIVECOW": ("XCME", "LE"),
        "LUMBER": ("XCME", "LBS"),
        "BUTTER": ("XCME", "CB"),
        "CHEESE": ("XCME", "CSC"),
    },
    **{"MILK": ("XCME", "DC"), "MILKDRY": ("XCME", "GNF"), "MILKWET": ("XCME", "GDK")},
    **{"CORN": ("XCBT", "ZC"), "WHEAT": ("XCBT", "ZW"), "SOYBEAN": ("XCBT", "ZS"), "SOYMEAL": ("XCBT", "ZM")},
    **{
        "SOYOIL": ("XCBT", "ZL"),
        "OATIES": ("XCBT", "ZO"),
        "RICE": ("XCBT", "ZR"),
        "REDWHEAT": ("XCBT", "KE"),
    },
    **{"ETHANOL": ("XCBT", "EH"), "BBCOMM": ("XCBT", "AW"), "US2": ("XCBT", "ZT"), "US5": ("XCBT", "ZF")},
    **{"US10": ("XCBT", "ZN"), "US20": ("XCBT", "ZB")},
    **{
        "CRUDE_W": ("XNYM", "CL"),
        "GAS_US": ("XNYM", "NG"),
        "GAS-LAST": ("XNYM", "HH"),
        "HEATOIL": ("XNYM", "HO"),
    },
    **{
        "GASOILINE": ("XNYM", "RB"),
        "COTTON": ("XNYM", "TT"),
        "PLAT": ("XNYM", "PL"),
        "PALLAD": ("XNYM", "PA"),
    },
    **{"GOLD": ("XCEC", "GC"), "SILVER": ("XCEC", "SIL"), "COPPER": ("XCEC", "HG"), "VIX": ("XCBF", "VX")},
    **{"KOSPI": ("XKFE", "K200"), "KR3": ("XKFE", "KTB3"), "KR10": ("XKFE", "KTB10")},
    **{"IRON": ("XSES", "FEF"), "NIKKEI": ("XOSE", "N225M")},
}
"""Vendor's code to exchange and root. WTI (CRUDE_W) and corn hold December contracts only."""

EXCHANGES = frozenset(mic for mic, _ in INSTRUMENTS.values())


def contract_id(instrument: str, column: str) -> pl.Expr:
    """Instrument id of the contract that a column names as YYYYMM00."""
    mic, root = INSTRUMENTS[instrument]
    return pl.lit(f"{mic}:{root}.") + pl.col(column).str.slice(0, 6)


def contract_listings(instrument: str, months: list[str], config: dict[str, str], file: str) -> pl.DataFrame:
    """Describe contracts of one instrument.

    Parameters
    ----------
    instrument
        Vendor's code.
    months
        Delivery months, YYYYMM.
    config
        The instrument's line of instrumentconfig.csv: Pointsize, Currency, Description.
    file
        File that speaks of them.

    Returns
    -------
    pl.DataFrame
        Frame of `LISTINGS`; the symbol is `<instrument>/<YYYYMM>`.
    """
    mic, root = INSTRUMENTS[instrument]
    return LISTINGS.conform(
        pl.DataFrame({"month": months}, schema={"month": pl.String}).select(
            source=pl.lit(NAME),
            symbol=pl.lit(f"{instrument}/") + pl.col("month"),
            exchange=pl.lit(mic),
            instrument_id=pl.lit(f"{mic}:{root}.") + pl.col("month"),
            priority=pl.lit(PRIORITY),
            name=pl.lit(f"{config['Description']} ") + pl.col("month"),
            asset_class=pl.lit("future"),
            currency=pl.lit(config["Currency"]),
            multiplier=pl.lit(float(config["Pointsize"])),
            root=pl.lit(f"{mic}:{root}"),
            file=pl.lit(file),
            known_at=pl.lit(0).cast(UTC_TIME),
        )
    )
