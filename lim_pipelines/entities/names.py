"""Names of companies on common ground: what is left when spelling, legal form and share class are taken away.

What does not belong here: whom a name means (`matching.py`).
"""

from __future__ import annotations

import polars as pl

LEGAL = (
    *("inc", "incorporated", "corp", "corporation", "co", "company", "companies", "cos", "ltd", "limited"),
    *(
        "plc",
        "llc",
        "lp",
        "llp",
        "sa",
        "ag",
        "nv",
        "se",
        "spa",
        "ab",
        "asa",
        "as",
        "oyj",
        "kk",
        "gmbh",
        "sab",
    ),
    *("cv", "bhd", "pjsc", "pte", "pty", "sarl", "kgaa", "the", "adr", "ads"),
)
"""Legal forms, and what is written behind names like them."""
GENERAL = ("group", "holding", "holdings")
"""Words behind a name that are left out as often as not; without them names are less sure."""

_SAME_FORM = {
    **{"incorporated": "inc", "corporation": "corp", "limited": "ltd", "company": "co"},
    **{"companies": "co", "cos": "co"},
}
_FOLDED = {"’": "'", "‘": "'", "–": "-", "—": "-", "&#39;": "'", "&amp;": "&", "&quot;": '"'}
_REMARK = r"\((?:the|new|old|d/b/a|(?:class|series) .{1,2}|[^)]*listing market[^)]*)\)"
_LEGAL_END = rf"(?:\s+(?:{'|'.join(LEGAL)}))+$"
_GENERAL_END = rf"(?:\s+(?:{'|'.join((*GENERAL, *LEGAL))}))+$"


def words(name: pl.Expr) -> pl.Expr:
    """Bring a name to lower-case words of letters and digits.

    Accents go; 'A. O. Smith', 'AO Smith' and 'Smith (A.O.)' become one, as do 'U.S.' and 'US'; '&' and 'and'
    are no words; what brackets say of the share class, '(The)' and '(D/B/A)' goes.
    """
    plain = name.str.replace_many(list(_FOLDED), list(_FOLDED.values()), leftmost=True)
    plain = plain.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    plain = plain.str.replace_all(_REMARK, " ").str.replace_all(r"['\"*]", "").str.strip_chars()
    plain = plain.str.replace(r"^(\S+)\s*\((.+?)\)", "$2 $1")
    # A dot between single letters joins them, any other parts words.
    plain = plain.str.replace_all(r"\b(\p{L})\.\s?", "${1}\u0001").str.replace_all("\u0001(\\p{L})\\b", "$1")
    plain = plain.str.replace_all("\u0001", " ").str.replace_all(r"\s(?:&|and)\s", " ")
    return plain.str.replace_all(r"[^\p{L}\p{N}&]+", " ").str.strip_chars().str.strip_prefix("the ")


def key(name: pl.Expr) -> pl.Expr:
    """Say what a name is without its legal form; the whole of it if nothing else is left."""
    all_words = words(name)
    return all_words.str.replace(_LEGAL_END, "")


def core(name: pl.Expr) -> pl.Expr:
    """Say what a name is without its legal form and general words."""
    return words(name).str.replace(_GENERAL_END, "")


def legal_form(name: pl.Expr) -> pl.Expr:
    """Say which legal forms stand behind a name, 'inc' and 'corp' spelled alike; empty if none."""
    last = words(name).str.extract(_LEGAL_END, 0).str.strip_chars().fill_null("")
    forms = last.str.split(" ").list.eval(
        pl.element().filter(pl.element().is_in(list(LEGAL))).replace(_SAME_FORM)
    )
    return forms.list.set_difference(["the", "adr", "ads"]).list.sort().list.join(" ")


def contradict(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Whether two legal forms cannot be of one company: 'plc' and 'ltd', unlike 'co' and 'co lp'."""
    here, there = one.str.split(" "), other.str.split(" ")
    more = (here.list.set_difference(there).list.len() > 0, there.list.set_difference(here).list.len() > 0)
    return (one != "") & (other != "") & more[0] & more[1]
