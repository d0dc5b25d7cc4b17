"""The whole product as people ask it: a library with every kind switched on, asked with the bytes of files.

Used by `robustness.py`. The library is the one of `local_answers.py`, which holds the features of all kinds;
answers are kept under the code that searches and merges, and the calibration.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from answers import Answered, Found, Search, code_stamp
from local_answers import HITS, LocalPlan, package_files
from photos import Photo

if TYPE_CHECKING:
    from ambience.answers import Match

KEY = "fused"
TITLE = "Ambience, all kinds together"


@dataclass(frozen=True)
class FusedPlan:
    """A library over these photos, and how it is asked.

    Attributes:
        photos: the gallery.
    """

    photos: Sequence[Photo]

    @cached_property
    def _made(self) -> LocalPlan:
        return LocalPlan(self.photos)

    @cached_property
    def folder(self) -> Path:
        """Of the answers."""
        code = package_files("search", "fuse", "gateway.py", "models")
        data = sorted((package_files("fuse/__init__.py")[0].parent / "data").iterdir())
        return self._made.library / f"answers-fused-{code_stamp([*code, *data, Path(__file__)])}"

    def prepare(self) -> None:
        """Adds the photos to the library and waits until all indexes are complete."""
        self._made.prepare()

    def open(self) -> Search:
        """The library, opened for reading."""
        return FusedSearcher(self._made.library / "library")


class FusedSearcher:
    """Asks all kinds of a library.

    Raises:
        RuntimeError: a kind lacks features, so that not all kinds would be asked.
    """

    def __init__(self, folder: Path) -> None:
        import ambience
        from ambience.settings_sources import load_settings

        self._library = ambience.open(folder, settings=load_settings(environment={}))
        records = self._library.list_images(limit=1_000_000)
        self._keys = {record.image_id: record.sha256.hex() for record in records}
        self._images = {key: image for image, key in self._keys.items()}
        parts = self._library._parts
        self._view, images = parts.spaces.view, list(self._keys)
        self._features = {
            kind: parts.store.records.feature_ids(space.spec.fingerprint, images)
            for kind, space in self._view.spaces.items()
        }
        bare = [kind for kind, ids in self._features.items() if (ids < 0).all()]
        if bare:
            raise RuntimeError(
                f"no features of {', '.join(bare)} in {folder.name}; its models were not there"
            )

    def ask(self, data: bytes, own: str | None) -> Answered:
        """As `answers.Search` says.

        A picture's score is −ln of the probability that it shows nothing of the query, which `Match.odds`
        gives. A true picture counts where it stands: below what is answered before it, it scores below that.
        Negatives count by their odds, wherever they stand.
        """
        from ambience.answers import Query

        cpu, wall = time.process_time(), time.perf_counter()
        matches = self._library.search(Query(data=data), k=HITS).matches
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        negatives = matches if own is None else self._without(data, own)
        return Answered(self._found(in_order(matches)), self._found(scores(negatives)), cpu, wall)

    def _without(self, data: bytes, own: str) -> "tuple[Match, ...]":
        """The answer of the library if it did not hold one picture: nothing else changes in how it looks."""
        from ambience.fuse.calibration import shipped
        from ambience.fuse.verdict import merge
        from ambience.search.vector import score

        question = self._view.questions.from_bytes(data, name="query", kinds=tuple(self._features))
        rankings = []
        for kind, variants in question.variants.items():
            if isinstance(variants, Exception):  # the picture is too small or plain for this kind
                continue
            ids = self._features[kind]
            place = list(self._keys).index(self._images[own])
            allowed = np.sort(np.delete(ids, place))
            search = self._view.spaces[kind].search
            rankings.append(
                search.by_variants(
                    variants, k=HITS + 1, allowed=allowed[allowed >= 0], picture=question.picture
                )
            )
        specs = {kind: space.spec for kind, space in self._view.spaces.items()}
        return merge(rankings, specs, score, calibration=shipped())

    def _found(self, scored: "Sequence[tuple[Match, float]]") -> tuple[Found, ...]:
        return tuple(Found(self._keys[match.image_id], value) for match, value in scored)


def scores(matches: "Sequence[Match]") -> "list[tuple[Match, float]]":
    """−ln of the probability that a match shows nothing of the query: ln(1 + e^odds)."""
    return [(match, float(np.logaddexp(0.0, _odds(match)))) for match in matches]


def in_order(matches: "Sequence[Match]") -> "list[tuple[Match, float]]":
    """The same, and each at least a hair below all that stand before it."""
    least, found = math.inf, []
    for match, value in scores(matches):
        least = min(value, least * (1 - 1e-6))
        found.append((match, least))
    return found


def _odds(match: "Match") -> float:
    if match.odds is None:
        raise RuntimeError("the calibration that ships knows none of the features; fit it anew")
    return match.odds
