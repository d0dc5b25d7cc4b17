"""What the starter costs: bytes to fetch, processor time of a picture and of a question in words."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ambience
from ambience import registry
from ambience.answers import Query
from ambience.datatypes import Feature, FeatureState
from ambience.errors import StoreError
from ambience.extract.base import Extractor
from ambience.models.catalog import CATALOG
from ambience.settings import ModelSettings, Settings
from ambience.store.base import FeatureDraft, PutImage
from ambience.store.commit import Store
from drafts import camera_draft
from quality_inputs import Collection, decoded, decoder_for, kinds_with, one_thread, words_of
from report import Table

ROWS = ("efficientnet-lite0", "minilm", "starter")
EMBEDDINGS = ("global_features", "image_text_features")
KIND = "image_text_features"
PICTURES, QUICK_PICTURES = 100, 16
REPEATS = 3
LIBRARY, QUICK_LIBRARY = 10_000, 2_000
QUERIES = 60
GROUP = 2_000
"""Pictures written to the library at a time."""

DISPLACED = 0.3
"""Length of the random vector that is added to a real one for each picture beyond the real ones."""


@dataclass(frozen=True)
class Costs:
    """Medians.

    Attributes:
        megabytes: of the packages that carry the weights, as they are unpacked; fetching them takes less.
        decode_ms: processor time in which a picture's file becomes pixels, which all kinds share.
        picture_ms: processor time in which a decoded picture becomes both embeddings.
        text_ms: processor time in which a question in words becomes a vector.
        text_query_ms: processor time from the words to the hits of one kind.
        answer_ms: the same of a whole answer, with verdicts and the records of the pictures.
        library: pictures that the question was asked of.
    """

    megabytes: float
    decode_ms: float
    picture_ms: float
    text_ms: float
    text_query_ms: float
    answer_ms: float
    library: int

    def table(self) -> Table:
        """For people."""
        rows = [
            ["weights, unpacked, MB", f"{self.megabytes:.1f}"],
            ["a picture's file to pixels, ms", f"{self.decode_ms:.1f}"],
            ["pixels to both embeddings, ms", f"{self.picture_ms:.1f}"],
            ["words to a vector, ms", f"{self.text_ms:.1f}"],
            [f"words to hits of one kind among {self.library:,}, ms", f"{self.text_query_ms:.1f}"],
            [f"words to a whole answer among {self.library:,}, ms", f"{self.answer_ms:.1f}"],
        ]
        return Table("What the starter costs (processor time, one thread, medians)", ("", "cost"), rows)


def costs(found: Collection, pictures: NDArray[np.float32], *, is_quick: bool) -> Costs:
    """Measures all of them.

    Args:
        found: photographs.
        pictures: (N, D) embeddings of theirs, of unit length.
        is_quick: fewer pictures.
    """
    kinds = {name: kind for name, kind in kinds_with(one_thread()).items() if name in EMBEDDINGS}
    texts = [text for text, _ in found.asked] or [words_of(photo.label) for photo in found.photos]
    texts = [texts[place] for place in np.linspace(0, len(texts) - 1, QUERIES).astype(int)]
    decode_ms, picture_ms = picture_costs(found, kinds, QUICK_PICTURES if is_quick else PICTURES)
    textual: Any = kinds[KIND]
    text_ms = _median_ms([lambda text=text: textual.text_features([text]) for text in texts])
    count = QUICK_LIBRARY if is_quick else LIBRARY
    with tempfile.TemporaryDirectory() as folder:
        make_library(Path(folder), kinds[KIND], many_like(pictures, count))
        query_ms, answer_ms = query_costs(Path(folder), texts)
    return Costs(unpacked_bytes() / 1e6, decode_ms, picture_ms, text_ms, query_ms, answer_ms, count)


def unpacked_bytes() -> int:
    """Size of all files of the packages that carry the weights, as their records state it."""
    carriers = {file.package for name in ROWS for file in CATALOG[name].files}
    names = {packages_distributions()[carrier][0] for carrier in carriers}
    return sum(file.size or 0 for name in names for file in distribution(name).files or ())


def picture_costs(found: Collection, kinds: dict[str, Extractor], count: int) -> tuple[float, float]:
    """Milliseconds of decoding, and of both embeddings of what was decoded."""
    decoder = decoder_for(kinds)
    chosen = [found.photos[place] for place in np.linspace(0, len(found.photos) - 1, count).astype(int)]
    decode_ms = _median_ms([lambda photo=photo: decoded(photo, decoder) for photo in chosen])
    calls = []
    for photo in chosen:
        picture = decoded(photo, decoder)

        def embed(picture: Any = picture) -> None:
            anew = replace(picture, rgb=picture.rgb.copy())  # what is in memory is looked at once
            for kind in kinds.values():
                kind.extract([anew])

        calls.append(embed)
    decoder.close()
    return decode_ms, _median_ms(calls)


def many_like(pictures: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Real embeddings, and then such that lie near them, of unit length."""
    rng = np.random.default_rng(1)
    repeated = pictures[np.arange(count) % len(pictures)]
    noise = rng.standard_normal(repeated.shape, np.float32)
    noise *= DISPLACED / np.linalg.norm(noise, axis=1, keepdims=True)
    noise[: len(pictures)] = 0
    moved = repeated + noise
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def make_library(folder: Path, kind: Extractor, vectors: NDArray[np.float32]) -> None:
    """A library of these embeddings, as adding pictures leaves it; the pictures do not exist."""
    spec = kind.spec
    stored = vectors.astype(spec.dtype)
    with Store.open(folder, {KIND: spec}, writer=True) as store:
        for start in range(0, len(stored), GROUP):
            numbers = range(start, min(start + GROUP, len(stored)))
            writes = [
                PutImage(
                    camera_draft(number),
                    {KIND: FeatureDraft(spec.fingerprint, FeatureState.DONE, Feature(stored[number]))},
                )
                for number in numbers
            ]
            for outcome in store.commit(writes):
                if isinstance(outcome, StoreError):
                    raise outcome


def query_costs(folder: Path, texts: Sequence[str]) -> tuple[float, float]:
    """Milliseconds of the hits of one kind, and of a whole answer."""
    others = {name: {"enabled": False} for name in registry.names("ambience.extract") if name != KIND}
    settings = Settings(models=ModelSettings(threads=1), kinds=others)
    library = ambience.open(folder, settings=settings)
    try:
        hits = _median_ms(
            [lambda text=text: library.search_kind(KIND, Query(text=text), k=10) for text in texts]
        )
        answer = _median_ms([lambda text=text: library.search(Query(text=text), k=10) for text in texts])
    finally:
        library.close()
    return hits, answer


def _median_ms(calls: Sequence[Callable[[], Any]]) -> float:
    """Median processor time of calls, of each the least of some runs; the first is run once before."""
    calls[0]()
    least = []
    for call in calls:
        times = []
        for _ in range(REPEATS):
            started = time.process_time()
            call()
            times.append(time.process_time() - started)
        least.append(min(times))
    return float(np.median(least)) * 1e3
