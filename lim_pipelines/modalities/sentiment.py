"""Sentiment of a text by a lexicon: VADER (Hutto and Gilbert, ICWSM 2014; MIT licence), four numbers.

What does not belong here: what a text is about (`text.py`).

The lexicon: some 7,500 words, emoticons and slang, each rated by ten people, and rules for negation, degree
words, capitals and punctuation; made on tweets, film and product reviews and newspaper opinions in English.
It was not made for markets: "short", "bear", "call", "liability" carry their everyday weight, and tweets that
were lower-cased and tokenised by their source have lost the emphasis that the rules listen to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from lim_pipelines.modalities.base import Floats, digest_of

SCORES = ("compound", "neg", "neu", "pos")
"""Numbers of a vector: the overall score, -1 to 1, and the shares of negative, neutral and positive words."""


class Vader:
    """Texts to their sentiment, `SCORES`."""

    name = "vader"
    width = len(SCORES)

    @property
    def digest(self) -> str:
        """Of the package's version and the scores."""
        return digest_of({"package": f"vaderSentiment {version('vaderSentiment')}", "scores": SCORES})

    def encode(self, batch: Sequence[str]) -> Floats:
        """Encode n texts.

        Returns
        -------
        (n, 4) float32
            Scores a text; zeros for an empty one.
        """
        analyse = _analyzer().polarity_scores
        scores = [[found[name] for name in SCORES] for found in map(analyse, batch)]
        return np.asarray(scores, dtype=np.float32).reshape(len(batch), self.width)


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import (  # type: ignore[import-untyped]
        SentimentIntensityAnalyzer,
    )

    return SentimentIntensityAnalyzer()
