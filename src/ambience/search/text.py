"""Text in pictures as a kind that the gateway asks: a sentence in, images in which its words stand out."""

import time
from collections.abc import Callable

from ambience.answers import Hit, Ranking
from ambience.datatypes import FeatureSpec, Ids, Verdict
from ambience.errors import AmbienceError
from ambience.search.words import WordSearch
from ambience.store.vocabulary import Vocabulary

TEXT = "text"
"""Name of the kind, and of the annotator that reads the text."""


class TextInPictures:
    """The read path of text in pictures; see `search.base.TextSearch`.

    Args:
        words: finds images by the words that stand in them.
        vocabulary: in which they are looked up.
        pending: counts the images whose text was not read yet.
    """

    spec = FeatureSpec(
        kind=TEXT,
        title="words that stand in the picture, also misspelt or in another script",
        dim=0,
        dtype="",
        metric="words",
        version=1,
        port=33339,
        accepts_text=True,
        verdicts=((Verdict.SAME_WORDS, 1.0),),
    )

    def __init__(self, words: WordSearch, vocabulary: Vocabulary, pending: Callable[[], int]) -> None:
        self._words, self._vocabulary, self._pending = words, vocabulary, pending

    @property
    def has_words(self) -> bool:
        """Whether any word of any image is known by now."""
        try:
            state = self._vocabulary.state()
        except AmbienceError:  # broken: the search itself says so
            return True
        return state is not None and state.lines > 0

    def by_text(self, text: str, *, k: int, allowed_images: Ids | None = None) -> Ranking:
        """Images in which words of a text stand; see `TextSearch.by_text`."""
        started = time.perf_counter()
        found = self._words.by_text(text, k=k, allowed_images=allowed_images)
        hits = tuple(Hit(each.image_id, 1.0 - each.score, words=tuple(each.matches)) for each in found)
        return Ranking(TEXT, hits, self._pending(), time.perf_counter() - started)
