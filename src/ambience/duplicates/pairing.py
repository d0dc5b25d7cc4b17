"""Finds the pairs: every image is compared with all others once, new ones with all that are there.

Vectors of a page of images are searched together, in all ways in which their kind can turn them; local
features of each image by themselves, and the pixels of those that share geometry are compared. How far it
came is kept with the pairs, so that a run that was killed goes on there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Hit, Query, Ranking
from ambience.copies import PAIRED, CopyPair, Paired
from ambience.datatypes import UPRIGHT, FeatureSpec, Ids, Orientation
from ambience.duplicates.nearest import nearest_others
from ambience.errors import AmbienceError, CorruptFeatureError, FeatureError, ImageError, UnknownImageError
from ambience.extract.base import Extractor, TurningExtractor
from ambience.fuse.verdict import supported_verdict, tells_copies
from ambience.maintain.live_index import LiveIndex
from ambience.search.base import KindSearch
from ambience.search.local import LocalSearch
from ambience.search.question import Questions
from ambience.search.vector import score
from ambience.store.base import Change
from ambience.store.commit import Store
from ambience.store.copy_notes import CopyNotes
from ambience.store.pair_file import PairFile

VECTORS_AT_ONCE, BLOBS_AT_ONCE = 1_024, 32
"""Images of one page, after which what was found is kept."""

ASKED_AT_ONCE = 256
"""Vectors that are searched together: where ten thousand pictures are all alike, their hits fill 100 MB."""

NEAREST = 100
"""Most pairs that one image is in by one search: of ten thousand pictures that are all alike, each is found
as a copy of a hundred, and not ten thousand times ten thousand pairs."""

Progress = Callable[[str, int, int], None]


class Compared(Protocol):
    """One kind made with one model, as far as it is compared."""

    @property
    def spec(self) -> FeatureSpec:
        """What it declares."""

    @property
    def extractor(self) -> Extractor:
        """Makes its features."""

    @property
    def live(self) -> LiveIndex:
        """Its index."""

    @property
    def search(self) -> KindSearch:
        """Its read path."""


class Seen(Protocol):
    """What answers questions now."""

    @property
    def spaces(self) -> Mapping[str, Compared]:
        """By kind."""

    @property
    def questions(self) -> Questions:
        """Turn queries into features of these."""


class Pairing:
    """Finds pairs, from one thread at a time.

    Args:
        store: of the library.
        file: where pairs are kept.
        view: what answers now.
    """

    def __init__(self, store: Store, file: PairFile, view: Callable[[], Seen]) -> None:
        self._store, self._file, self._view = store, file, view
        self._notes = CopyNotes(store.records.database)

    def pending(self) -> int:
        """Images that have yet to be compared with the others by some kind."""
        return max((self._pending(space) for space in self._kinds()), default=0)

    def catch_up(self, *, on_progress: Progress | None = None, stop: Callable[[], bool]) -> Paired:
        """Compares what is new, the cheapest kinds first.

        Args:
            on_progress: told (kind, images compared, images to compare).
            stop: asked between pages; what was compared is kept.

        Returns:
            What was done.

        Raises:
            IndexFileError: the file of pairs is broken; another call begins anew.
            StoreFullError: the disk is full; what was kept before is good.
        """
        compared = 0
        for space in self._kinds():
            total = self._pending(space)
            done = 0
            for page in self._pages(space, stop):
                pairs = self._by_points(space, page) if space.spec.is_blob else self._by_vectors(space, page)
                self._file.put(pairs, fingerprint=space.spec.fingerprint, seq=page[-1].seq)
                done += len(page)
                if on_progress is not None:
                    on_progress(space.spec.kind, done, max(total, done))
            compared += done
        return Paired(compared, self._file.count(), self.pending())

    def _kinds(self) -> list[Compared]:
        """Kinds that tell copies, those that compare single vectors first."""
        spaces = [space for space in self._view().spaces.values() if tells_copies(space.spec)]
        return sorted(spaces, key=lambda space: space.spec.is_blob)

    def _pending(self, space: Compared) -> int:
        fingerprint = space.spec.fingerprint
        return self._notes.came_after(fingerprint, self._file.seq(fingerprint))

    def _pages(self, space: Compared, stop: Callable[[], bool]) -> Iterator[list[Change]]:
        """What came since the last time, in runs that are kept together.

        None while the index lags behind: what it does not hold yet could not be found.
        """
        fingerprint = space.spec.fingerprint
        most = BLOBS_AT_ONCE if space.spec.is_blob else VECTORS_AT_ONCE
        while not stop():
            page = self._store.records.changes(fingerprint, self._file.seq(fingerprint), most)
            if not page or space.live.pending:
                return
            yield page

    # --- single vectors -------------------------------------------------------------------------------

    def _by_vectors(self, space: Compared, page: Sequence[Change]) -> list[CopyPair]:
        spec = space.spec
        came = np.array([each.feature_id for each in page if not each.is_removal], np.int64)
        ids, vectors, qualities = space.live.source.sound(came)
        tells = _tells(qualities, spec)  # of the others, distances say nothing, and blank pages are many
        ids, vectors = ids[tells], vectors[tells]
        pairs: list[CopyPair] = []
        for start in range(0, len(ids), ASKED_AT_ONCE):
            some = slice(start, start + ASKED_AT_ONCE)
            pairs += self._pairs(spec, self._near(space, ids[some], vectors[some]))
        return pairs

    def _near(self, space: Compared, ids: Ids, vectors: NDArray[Any]) -> list[tuple[int, Hit]]:
        """Images of features, each with what lies near it, in whichever way it is turned."""
        spec = space.spec
        radius = max(distance for _, distance in spec.verdicts)
        ways = _ways(space.extractor, vectors)
        found = (space.live.range_search(turned, radius) for _, turned in ways)
        near = nearest_others(ids, found, NEAREST)
        involved, _, told = space.live.source.sound(np.unique(np.concatenate([near.own, near.others])))
        qualities = dict(zip(involved.tolist(), told.tolist(), strict=True))
        owners = dict(zip(involved.tolist(), self._owners(spec, involved), strict=True))
        return [
            (owners[own], Hit(owners[other], distance, ways[way][0], min(qualities[own], qualities[other])))
            for own, other, distance, way in zip(*(each.tolist() for each in near), strict=True)
            if own in owners and qualities.get(other, 0.0) > 0
        ]

    def _owners(self, spec: FeatureSpec, feature_ids: Ids) -> list[int]:
        return [int(each) for each in self._store.records.image_ids(spec.fingerprint, feature_ids)]

    # --- points ---------------------------------------------------------------------------------------

    def _by_points(self, space: Compared, page: Sequence[Change]) -> list[CopyPair]:
        came = np.array([each.feature_id for each in page if not each.is_removal], np.int64)
        hits = []
        for image_id in self._owners(space.spec, came):
            if image_id >= 0:
                hits += [(image_id, hit) for hit in self._proven(space, image_id)]
        return self._pairs(space.spec, hits)

    def _proven(self, space: Compared, image_id: int) -> Sequence[Hit]:
        """Images whose pixels agree with those of an image, where its file is there to compare them."""
        assert isinstance(space.search, LocalSearch)
        try:
            return self._looked_at(space, image_id).hits if space.search.has_hints(image_id) else ()
        except (FeatureError, ImageError, UnknownImageError, CorruptFeatureError):
            # Removed meanwhile, or broken and to be mended: it comes again then.
            return ()

    def _looked_at(self, space: Compared, image_id: int) -> Ranking:
        kind = space.spec.kind
        question, _ = self._view().questions.of(Query(image_id=image_id), kinds=[kind])
        given = question.variants[kind]
        if isinstance(given, AmbienceError):
            raise given
        return space.search.by_variants(given, k=NEAREST, picture=question.picture)

    # --- both -----------------------------------------------------------------------------------------

    def _pairs(self, spec: FeatureSpec, hits: Sequence[tuple[int, Hit]]) -> list[CopyPair]:
        """Pairs of different contents, for hits that are copies."""
        involved = {each for image_id, hit in hits for each in (image_id, hit.image_id)}
        contents = self._notes.contents(involved)
        pairs = []
        for image_id, hit in hits:
            verdict = supported_verdict(hit, spec)
            one, other = contents.get(image_id), contents.get(hit.image_id)
            if verdict in PAIRED and one is not None and other is not None and one != other:
                low, high = sorted((one, other))
                turned = hit.orientation if one == low else hit.orientation.inverse
                pairs.append(CopyPair(low, high, verdict, score(hit.distance, spec), spec.kind, turned))
        return pairs


def _ways(extractor: Extractor, vectors: NDArray[Any]) -> list[tuple[Orientation, NDArray[Any]]]:
    """Vectors in all ways in which a kind can turn them: those of most kinds upright alone."""
    if isinstance(extractor, TurningExtractor):
        return extractor.turned(vectors)
    return [(UPRIGHT, vectors)]


def _tells(qualities: NDArray[np.float32], spec: FeatureSpec) -> NDArray[np.bool_]:
    """Which features say anything of their pictures."""
    tells: NDArray[np.bool_] = (qualities > 0) & (qualities >= spec.min_quality)
    return tells
