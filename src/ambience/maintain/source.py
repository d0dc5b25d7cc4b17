"""What the store holds of one fingerprint, as an index wants it: without what proves broken on the way."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, FeatureState, Ids, ImageRecord, ImageState
from ambience.errors import CorruptFeatureError, UnknownImageError
from ambience.store.base import FeatureDraft, PutFeatures
from ambience.store.check import compared
from ambience.store.commit import Store
from ambience.store.features import BrokenFeatureError
from ambience.store.opening import LOST

NO_IDS: Ids = np.empty(0, np.int64)

MOST_ROWS = 8192
MOST_BYTES = 32 * 2**20


class FeatureSource:
    """The features of one kind, and which of them cannot be trusted.

    Attributes:
        store: what is read.
        spec: of the kind.
        on_distrust: called when features prove broken, so that somebody takes `mend` up.
        most_rows: vectors that are in memory at once while an engine is filled or follows the store.
        most_bytes: the same of their bytes.
    """

    def __init__(self, store: Store, spec: FeatureSpec) -> None:
        self.store, self.spec = store, spec
        self.on_distrust: Callable[[], None] | None = None
        self.most_rows, self.most_bytes = MOST_ROWS, MOST_BYTES
        self._distrusted: set[int] = set()

    @property
    def fingerprint(self) -> str:
        """Of the kind."""
        return self.spec.fingerprint

    @property
    def distrusted(self) -> Ids:
        """Features that proved broken and wait for `mend`, ascending."""
        return np.array(sorted(self._distrusted), np.int64)

    def fetch(self, ids: Ids) -> NDArray[Any]:
        """(N, entries) vectors of ids; for engines that read them while they search.

        Raises:
            CorruptFeatureError: of some, the bytes are broken.
            UnknownImageError: some are gone.
        """
        return self.store.features.get(self.spec, ids)[0]

    def parts(self, ids: Ids) -> Iterator[Ids]:
        """Ids, in their order, in runs whose vectors may be read at once.

        Yields:
            (M,) ids, M at least 1.
        """
        for part in self.store.features.parts(self.spec, ids, self.most_bytes):
            for start in range(0, len(part), self.most_rows):
                yield part[start : start + self.most_rows]

    def vectors(self, ids: Ids) -> tuple[Ids, NDArray[Any]]:
        """The ids whose vectors are sound, in order, and (N, entries) their vectors.

        Returns:
            (N,) ids and (N, entries) vectors; N is smaller than what was asked where some are broken.
        """
        return self.sound(ids)[:2]

    def sound(self, ids: Ids) -> tuple[Ids, NDArray[Any], NDArray[np.float32]]:
        """The ids whose vectors are sound, in order, their vectors, and how much each tells.

        Returns:
            (N,) ids, (N, entries) vectors and (N,) qualities; N is smaller than what was asked where some
            are broken.
        """
        while len(ids):
            try:
                return ids, *self.store.features.get(self.spec, ids)
            except (CorruptFeatureError, UnknownImageError) as exc:
                ids = ids[~np.isin(ids, self.distrust(exc))]
        empty = (
            np.empty(0, object) if self.spec.is_blob else np.empty((0, self.spec.entries), self.spec.dtype)
        )
        return NO_IDS, empty, np.empty(0, np.float32)

    def distrust(self, exc: BrokenFeatureError) -> Ids:
        """Remembers the features that an error names; which they are.

        Returns:
            (N,) ids of the features.

        Raises:
            BrokenFeatureError: the error names none, so that nothing can be learnt from it.
        """
        if not exc.feature_ids:
            raise exc
        self._distrusted.update(exc.feature_ids)
        if self.on_distrust is not None:
            self.on_distrust()
        return np.array(exc.feature_ids, np.int64)

    def distrust_broken(self, stop: threading.Event) -> None:
        """Reads every stored feature and remembers those that prove broken, until `stop` is set."""
        features = self.store.features
        for page in features.id_pages(self.fingerprint):
            if stop.is_set():
                return
            self._distrusted.update(feature_id for feature_id, _ in features.verify_ids(self.spec, page))
        absent, _ = compared(self.store.records, features, self.fingerprint)
        self._distrusted.update(absent.tolist())

    def mend(self) -> int:
        """Marks distrusted features as pending, so that they are extracted again from their files.

        Not done where they are met: that may be inside of a commit, or in a process that only reads.

        Returns:
            How many were marked.
        """
        broken = self.distrusted
        if not len(broken):
            return 0
        owners = self.store.records.image_ids(self.fingerprint, broken)
        found = self.store.records.images(owners[owners >= 0].tolist())
        writes = [
            PutFeatures(image_id, {self.spec.kind: self._renewed(record)}, renews=True)
            for image_id, record in found.items()
        ]
        if writes:
            self.store.commit(writes)
        self._distrusted.difference_update(broken.tolist())
        return len(writes)

    def _renewed(self, record: ImageRecord) -> FeatureDraft:
        if record.state is ImageState.FEATURES_ONLY:
            return FeatureDraft(self.fingerprint, FeatureState.FAILED, reason=LOST)
        reason = "the stored bytes were broken"
        return FeatureDraft(self.fingerprint, FeatureState.PENDING, reason=reason)
