"""Countries, currencies, commodities and indices: their ids, and the names that mean them for certain.

What does not belong here: companies (`issuers.py`, `curated.py`).

Names are matched word for word. What also means something else is left out: Georgia is a state as well,
Jordan a person.
"""

from __future__ import annotations

COUNTRIES: dict[str, tuple[str, ...]] = {
    "US": ("United States", "USA", "U.S.", "US", "United States of America"),
    "GB": ("United Kingdom", "UK", "U.K.", "Great Britain", "Britain"),
    "CN": ("China", "People's Republic of China", "Mainland China"),
    **{"DE": ("Germany",), "FR": ("France",), "IT": ("Italy",), "ES": ("Spain",), "PT": ("Portugal",)},
    **{"NL": ("Netherlands", "The Netherlands"), "BE": ("Belgium",), "CH": ("Switzerland",)},
    **{"AT": ("Austria",), "IE": ("Ireland",), "GR": ("Greece",), "SE": ("Sweden",), "NO": ("Norway",)},
    **{"DK": ("Denmark",), "FI": ("Finland",), "PL": ("Poland",), "HU": ("Hungary",), "RO": ("Romania",)},
    **{"CZ": ("Czech Republic",), "UA": ("Ukraine",), "RU": ("Russia",), "BY": ("Belarus",)},
    **{"TR": ("Turkey",), "IL": ("Israel",), "IR": ("Iran",), "IQ": ("Iraq",), "SY": ("Syria",)},
    **{"SA": ("Saudi Arabia",), "AE": ("United Arab Emirates", "UAE"), "QA": ("Qatar",), "KW": ("Kuwait",)},
    **{"LB": ("Lebanon",), "YE": ("Yemen",), "AF": ("Afghanistan",), "PK": ("Pakistan",), "IN": ("India",)},
    **{"JP": ("Japan",), "KR": ("South Korea",), "KP": ("North Korea",), "TW": ("Taiwan",)},
    **{"HK": ("Hong Kong",), "SG": ("Singapore",), "MY": ("Malaysia",), "TH": ("Thailand",)},
    **{"ID": ("Indonesia",), "PH": ("Philippines", "The Philippines"), "VN": ("Vietnam",)},
    **{"MM": ("Myanmar",), "AU": ("Australia",), "NZ": ("New Zealand",), "CA": ("Canada",)},
    **{"MX": ("Mexico",), "BR": ("Brazil",), "AR": ("Argentina",), "CL": ("Chile",), "CO": ("Colombia",)},
    **{"PE": ("Peru",), "VE": ("Venezuela",), "CU": ("Cuba",), "EG": ("Egypt",), "LY": ("Libya",)},
    **{"NG": ("Nigeria",), "ZA": ("South Africa",), "KE": ("Kenya",), "ET": ("Ethiopia",)},
    **{"LU": ("Luxembourg",), "BM": ("Bermuda",)},
}
"""ISO 3166 code to names, the first of which is for people."""

EXCHANGE_COUNTRY = {
    **{"XNAS": "US", "XNYS": "US", "XSHG": "CN", "XSHE": "CN", "XHKG": "HK", "XNSE": "IN", "XTKS": "JP"},
}
"""Share exchanges to the country whose market they are."""

CURRENCIES: dict[str, tuple[str, ...]] = {
    "USD": ("U.S. Dollar", "US Dollar"),
    "EUR": ("Euro",),
    "JPY": ("Japanese Yen",),
    "GBP": ("British Pound", "Pound Sterling"),
    "CNY": ("Chinese Yuan", "Renminbi"),
    "INR": ("Indian Rupee",),
}
"""ISO 4217 code to names."""

COMMODITIES: dict[str, tuple[str, ...]] = {
    "Crude oil": ("XNYM:CL", "XNYM:WTI", "XINE:SC"),
    "Natural gas": ("XNYM:NG", "XNYM:HH"),
    "Heating oil": ("XNYM:HO",),
    "Gasoline": ("XNYM:RB",),
    "Fuel oil": ("XSGE:FU", "XINE:LU"),
    "Bitumen": ("XSGE:BU",),
    "Ethanol": ("XCBT:EH",),
    "Gold": ("XCEC:GC", "XSGE:AU", "OANDA:XAUUSD"),
    "Silver": ("XCEC:SIL", "XSGE:AG"),
    "Copper": ("XCEC:HG",),
    "Platinum": ("XNYM:PL",),
    "Palladium": ("XNYM:PA",),
    "Steel": ("XSGE:RB", "XSGE:WR"),
    "Iron ore": ("XSES:FEF",),
    "Rubber": ("XINE:NR",),
    "Wood pulp": ("XSGE:SP",),
    "Lumber": ("XCME:LBS",),
    "Cotton": ("XNYM:TT",),
    "Corn": ("XCBT:ZC",),
    "Wheat": ("XCBT:ZW", "XCBT:KE"),
    "Soybeans": ("XCBT:ZS",),
    "Soybean meal": ("XCBT:ZM",),
    "Soybean oil": ("XCBT:ZL",),
    "Oats": ("XCBT:ZO",),
    "Rice": ("XCBT:ZR",),
    "Cattle": ("XCME:LE", "XCME:GF"),
    "Hogs": ("XCME:HE",),
    "Milk": ("XCME:DC", "XCME:GNF", "XCME:GDK"),
    "Butter": ("XCME:CB",),
    "Cheese": ("XCME:CSC",),
}
"""Commodity to the roots of its futures and the ids of its spot prices."""

COMMODITY_NAMES: dict[str, tuple[str, ...]] = {
    "Crude oil": ("Oil", "Crude Oil"),
    "Natural gas": ("Natural Gas",),
    "Gold": ("Gold",),
    "Silver": ("Silver",),
    "Copper": ("Copper",),
}
INDEX_NAMES: dict[str, tuple[str, ...]] = {
    "XNYS:SPX": ("S&P 500", "S&P500", "S&P 500 index"),
    "XNAS:IXIC": ("Nasdaq Composite", "NASDAQ Composite index"),
}


def certain_names() -> dict[str, tuple[str, ...]]:
    """Entity ids to all names that mean them for certain."""
    return {
        **{f"country:{code}": names for code, names in COUNTRIES.items()},
        **{f"currency:{code}": names for code, names in CURRENCIES.items()},
        **{f"commodity:{name}": names for name, names in COMMODITY_NAMES.items()},
        **{f"index:{instrument}": names for instrument, names in INDEX_NAMES.items()},
    }
