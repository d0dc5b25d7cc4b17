"""Our local features as they are searched: a library over the gallery, asked with the bytes of files.

Used by `robustness.py` and `same_scene.py`. The library is made once by `ambience.open` and `add_paths` and
kept in the cache folder under the code that extracts and indexes; answers are kept under the code that
searches as well.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from answers import Answered, Found, Search, code_stamp
from photos import Photo
from report import cache_folder, versions

if TYPE_CHECKING:
    from ambience.answers import Ranking
    from ambience.datatypes import Ids
    from ambience.library import Library

KEY = "local"
KIND = "local_features"
TITLE = "Ambience local features"
HITS = 20
"""Hits asked for, as people do; enough that pictures which truly show the same thing hide no wrong one."""

SETTLES_S = 1_800.0
"""An index that has not caught up with what was added by then never will."""

PACKAGES = ("numpy", "opencv-python-headless", "faiss-cpu", "numba")


def package_files(*names: str) -> list[Path]:
    """Sources of the package in these folders and files."""
    import ambience

    package = Path(ambience.__file__).parent
    found = [package / name for name in names]
    return [file for each in found for file in (sorted(each.rglob("*.py")) if each.is_dir() else [each])]


@dataclass(frozen=True)
class LocalPlan:
    """A library over these photos, and how it is asked.

    Attributes:
        photos: the gallery.
    """

    photos: Sequence[Photo]

    @cached_property
    def library(self) -> Path:
        """Folder of the library, named by the photos and by what extracts and indexes them."""
        code = code_stamp(package_files("keypoints.py", "extract", "index", "decode", "maintain"))
        keys = "".join(sorted(photo.key for photo in self.photos))
        text = json.dumps([code, keys, versions(PACKAGES)])
        return cache_folder("local-libraries") / hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def folder(self) -> Path:
        """Of the answers."""
        return self.library / f"answers-{code_stamp([*package_files('search', 'fuse'), Path(__file__)])}"

    def prepare(self) -> None:
        """Adds the photos to the library and waits until its index is complete."""
        if (self.library / "ready").is_file():
            return
        import ambience
        from ambience.settings_sources import load_settings

        shutil.rmtree(self.library / "library", ignore_errors=True)
        with ambience.open(
            self.library / "library", settings=load_settings(environment={}), writer=True
        ) as made:
            report = made.add_paths([photo.path for photo in self.photos])
            if report.failed:
                raise RuntimeError(f"{report.failed} photos of the gallery could not be added")
            made.train(KIND)
            _settle(made)
        (self.library / "ready").touch()

    def open(self) -> Search:
        """The library, opened for reading."""
        return LocalSearcher(self.library / "library")


def _settle(library: "Library") -> None:
    """Waits until no background work is left."""
    until = time.monotonic() + SETTLES_S
    while any(job.state in ("waiting", "running") for job in library.jobs()):
        if time.monotonic() > until:
            raise RuntimeError(f"background work did not end in {SETTLES_S:g} s: {library.jobs()}")
        time.sleep(0.2)


class LocalSearcher:
    """Asks a library's local features."""

    def __init__(self, folder: Path) -> None:
        import ambience
        from ambience.settings_sources import load_settings

        self._library = ambience.open(folder, settings=load_settings(environment={}))
        self.spec = self._library.kinds[KIND].spec
        records = self._library.list_images(limit=1_000_000)
        self._keys = {record.image_id: record.sha256.hex() for record in records}
        images = [record.image_id for record in records]
        parts = self._library._parts
        view = parts.spaces.view
        self._search, self._questions = view.spaces[KIND].search, view.questions
        ids = parts.store.records.feature_ids(self.spec.fingerprint, images)
        self._features = {self._keys[image]: int(id) for image, id in zip(images, ids, strict=True)}
        self._all = np.sort(ids[ids >= 0])

    def ask(self, data: bytes, own: str | None) -> Answered:
        """As `answers.Search` says; a picture without keypoints finds nothing."""
        from ambience.answers import Query
        from ambience.errors import EmptyFeatureError

        cpu, wall = time.process_time(), time.perf_counter()
        try:
            ranking = self._library.search_kind(KIND, Query(data=data), k=HITS)
        except EmptyFeatureError:
            return Answered((), (), time.process_time() - cpu, time.perf_counter() - wall)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        found = self._found(ranking)
        return Answered(found, found if own is None else self._without(data, own), cpu, wall)

    def among(self, data: bytes, keys: Sequence[str], *, k: int = HITS) -> Answered:
        """Which of these pictures a file's bytes find."""
        from ambience.errors import EmptyFeatureError

        cpu, wall = time.process_time(), time.perf_counter()
        ids = np.array(sorted(self._features[key] for key in keys), np.int64)
        try:
            found = self._found(self._allowed(data, ids[ids >= 0], k))
        except EmptyFeatureError:
            found = ()
        return Answered(found, found, time.process_time() - cpu, time.perf_counter() - wall)

    def _without(self, data: bytes, own: str) -> tuple[Found, ...]:
        """The answer of the library if it did not hold one picture: nothing else changes in how it looks."""
        return self._found(self._allowed(data, self._all[self._all != self._features[own]], HITS))

    def _allowed(self, data: bytes, allowed: "Ids", k: int) -> "Ranking":
        question = self._questions.from_bytes(data, name="query", kinds=[KIND])
        variants = question.variants[KIND]
        if isinstance(variants, Exception):
            raise variants
        return self._search.by_variants(variants, k=k, allowed=allowed, picture=question.picture)

    def _found(self, ranking: "Ranking") -> tuple[Found, ...]:
        return tuple(
            Found(
                self._keys[hit.image_id],
                max(0.0, -hit.geometry.log10_chance),
                hit.geometry.correlation,
                hit.geometry.is_copy,
            )
            for hit in ranking.hits
            if hit.geometry is not None
        )


def accepts_from() -> float:
    """The score from which the kind itself calls a hit a match."""
    from ambience.making import make_extractors
    from ambience.settings import Settings

    spec = make_extractors(Settings())[KIND].spec
    return -math.log10(max(bound for _, bound in spec.verdicts))
