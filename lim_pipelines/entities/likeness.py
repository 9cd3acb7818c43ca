"""How alike names are, 0 to 1: candidates for whom a name may mean.

What does not belong here: whether a likeness is enough (`matching.py`).

1: the same words but for the legal form. .95: but for general words as well, 'Goldman Sachs' and 'Goldman
Sachs Group'. Below: .95 times the share of letters that agree (`rapidfuzz.fuzz.ratio` of the sorted words).
Times `PLAIN_WORD` where a mention has no legal form and may be plain words: 'Target', 'Renewable energy',
'New York'. Times `OTHER_FORM` where both have one and they differ: 'BHP Billiton plc' is not 'BHP Billiton
Limited'. Numbers must be the same: 'Fund II' is not 'Fund III'.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.entities import names as spelling

BY_CORE = 0.95
BY_LETTERS = 0.95
PLAIN_WORD = 0.85
OTHER_FORM = 0.9
COMMON = 40
"""Words in more names than that bring no candidates: 'first', 'capital'."""
LEAST = 0.8
"""Pairs less alike are no candidates."""
PLACES = ("new york", "los angeles", "san francisco", "new jersey", "hong kong", "south korea", "st louis")
"""Names of two words that are places at least as often as companies."""
_PARTICLES = r"\b(?:of|and|de|the|for|la|y)\b"
_NUMBER = r"^(?:\d+|i{1,3}|iv|vi{0,3}|ix)$"


def alike(mentioned: pl.Series, known: pl.Series) -> pl.DataFrame:
    """Compare mentioned names with known ones.

    Parameters
    ----------
    mentioned, known
        Names (text); repetitions and nulls do not count.

    Returns
    -------
    pl.DataFrame
        Columns `name`, `alias` (as given) and `score`: all pairs of at least `LEAST`, sorted.
    """
    left, right = _spelled(mentioned, "name"), _spelled(known, "alias")
    exact = left.join(right, on="key").select("name", "alias", score=pl.lit(1.0))
    by_core = left.join(right, on="core").select("name", "alias", score=pl.lit(BY_CORE))
    pairs = pl.concat([exact, by_core, _by_letters(left, right)])
    best = pairs.group_by("name", "alias").agg(pl.col("score").max())
    best = best.join(left.select("name", "form", "plain"), on="name")
    best = best.join(right.select("alias", other="form"), on="alias")
    differ = spelling.contradict(pl.col("form"), pl.col("other"))
    factor = pl.when("plain").then(PLAIN_WORD).when(differ).then(OTHER_FORM).otherwise(1.0)
    best = best.with_columns(score=pl.col("score") * factor)
    return best.filter(pl.col("score") >= LEAST).select("name", "alias", "score").sort("name", "alias")


def _spelled(given: pl.Series, column: str) -> pl.DataFrame:
    name = pl.col(column)
    frame = given.alias(column).drop_nulls().unique().sort().to_frame()
    frame = frame.with_columns(
        key=spelling.key(name), core=spelling.core(name), form=spelling.legal_form(name)
    ).filter(pl.col("key") != "")
    one_word = ~pl.col("key").str.contains(" ")
    small = name.str.replace_all(_PARTICLES, "").str.contains(r"\s\p{Ll}")
    place = pl.col("key").is_in(PLACES)
    return frame.with_columns(plain=(pl.col("form") == "") & (one_word | small | place))


def _by_letters(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Pairs that share a word which few names have, and all numbers."""
    from rapidfuzz import fuzz, process

    def parts(frame: pl.DataFrame, column: str) -> pl.DataFrame:
        return frame.select(column, word=pl.col("core").str.split(" ")).explode("word").unique()

    here, there = parts(left, "name"), parts(right, "alias")
    rare = there.group_by("word").agg(names=pl.len()).filter(pl.col("names") <= COMMON).select("word")
    pairs = here.join(there.join(rare, on="word", how="semi"), on="word").select("name", "alias").unique()

    def ordered(frame: pl.DataFrame, column: str, side: str) -> pl.DataFrame:
        words = pl.col("core").str.split(" ")
        numbers = words.list.filter(pl.element().str.contains(_NUMBER)).list.sort().list.join(" ")
        return frame.select(
            column, words.list.sort().list.join(" ").alias(side), numbers.alias(f"{side}_numbers")
        )

    pairs = pairs.join(ordered(left, "name", "l"), on="name").join(ordered(right, "alias", "r"), on="alias")
    pairs = pairs.filter(pl.col("l_numbers") == pl.col("r_numbers")).sort("name", "alias")
    if pairs.is_empty():
        return pairs.select("name", "alias", score=pl.lit(0.0))
    ratio = process.cpdist(pairs["l"].to_list(), pairs["r"].to_list(), scorer=fuzz.ratio, workers=1)
    scores = pl.Series("score", ratio, dtype=pl.Float64) / 100 * BY_LETTERS
    return pairs.select("name", "alias", scores)
