"""The features of one service of the original, with the names of their images, by id."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from ambience.datatypes import Feature, FeatureSpec, Ids
from ambience.ingest.committer import id_from_name
from ambience.moving.import_report import Refusals
from ambience.moving.original_database import MAX_ORIGINAL_ID, OriginalDatabase
from ambience.moving.original_features import ORIGINALS, features_of
from ambience.moving.original_folders import IDS, OriginalService

PAGE: Final = 10_000
"""Names that are in memory at once while ids are taken from them."""

NO_ID = "the key is no id of 4 bytes"
NO_NUMBER = "ids are taken from names, and its name does not begin with a number before the first dot"
SAME_NUMBER = "ids are taken from names, and another name begins with the same number; rename one of the two"


class OriginalSource:
    """A context manager.

    Args:
        service: where it keeps its data.
        spec: of the space in which its features are kept here.
        ids_from_names: the number that a name begins with is the id, and not the one it is stored under.
        refusals: takes what has no usable id.

    Attributes:
        kind: whose features.
        spec: as given.
        ids: (N,) int64, ascending: of the images that it has a feature of.

    Raises:
        StoreError: an environment is damaged or cut short.
    """

    def __init__(
        self, service: OriginalService, spec: FeatureSpec, *, ids_from_names: bool, refusals: Refusals
    ) -> None:
        self.kind, self.spec = service.kind, spec
        self._original = ORIGINALS[service.kind]
        self._features = OriginalDatabase(service.features)
        self._names: _Names | None = None
        try:
            self._names = None if service.names is None else _Names(service.names)
            self.ids, malformed = self._features.ids()
        except BaseException:
            self.close()
            raise
        self._keys = self.ids
        if malformed:
            refusals.add(self.kind, NO_ID, str(service.features), count=malformed)
        if ids_from_names:
            self._take_numbers(refusals)

    def has(self, ids: Sequence[int]) -> list[bool]:
        """Whether there is a feature of each image."""
        return [key is not None for key in self._keys_of(ids)]

    def features(self, ids: Sequence[int]) -> list[Feature | str]:
        """The feature of each image, or what is wrong with it.

        Raises:
            StoreError: the environment is damaged.
        """
        values = self._features.values(self._keys_of(ids))
        return features_of(self._original, [value or b"" for value in values])

    def names(self, ids: Sequence[int]) -> list[bytes | None]:
        """The name of each image as it is stored; None where none is.

        Raises:
            StoreError: the environment is damaged.
        """
        return [None] * len(ids) if self._names is None else self._names.of(self._keys_of(ids))

    def _keys_of(self, ids: Sequence[int]) -> list[int | None]:
        """The id that each image is stored under; None where it is not."""
        asked = np.asarray(ids, np.int64)
        if not len(self.ids):
            return [None] * len(asked)
        places = np.minimum(np.searchsorted(self.ids, asked), len(self.ids) - 1)
        return [
            int(self._keys[place]) if self.ids[place] == each else None
            for place, each in zip(places, asked, strict=True)
        ]

    def _take_numbers(self, refusals: Refusals) -> None:
        """Has the images go by the numbers in their names."""
        numbers = np.full(len(self._keys), -1, np.int64)
        for start in range(0, len(self._keys), PAGE):
            keys: list[int | None] = self._keys[start : start + PAGE].tolist()
            names = [None] * len(keys) if self._names is None else self._names.of(keys)
            for place, name in enumerate(names, start):
                number = None if name is None else id_from_name(name.decode("utf-8", "replace"))
                if number is not None and number <= MAX_ORIGINAL_ID:
                    numbers[place] = number
                else:
                    refusals.add(self.kind, NO_NUMBER, f"id {self._keys[place]}")
        found, first, counts = np.unique(numbers, return_index=True, return_counts=True)
        for number, count in zip(found[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
            if number >= 0:  # which of them is meant, nobody knows
                refusals.add(self.kind, SAME_NUMBER, f"number {number}", count=count)
        is_usable = (found >= 0) & (counts == 1)
        self.ids, self._keys = found[is_usable], self._keys[first[is_usable]]

    def close(self) -> None:
        """Closes the files."""
        self._features.close()
        if self._names is not None:
            self._names.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Names:
    """Names by id; where there are only ids by name, those are turned around in memory."""

    def __init__(self, path: Path) -> None:
        self._database = OriginalDatabase(path)
        self._turned = self._database.ids_by_name() if path.name == IDS else None

    def of(self, ids: Sequence[int | None]) -> list[bytes | None]:
        if self._turned is not None:
            return [None if each is None else self._turned.get(each) for each in ids]
        return self._database.values(ids)

    def close(self) -> None:
        self._database.close()


def union_of(sources: Sequence[OriginalSource]) -> Ids:
    """(N,) int64, ascending: all images of several services."""
    every = [source.ids for source in sources]
    return np.unique(np.concatenate(every)) if every else np.empty(0, np.int64)
