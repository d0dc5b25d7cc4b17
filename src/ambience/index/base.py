"""The contract of an index: features become nearest neighbours.

An index is a cache over what the store holds: it may be dropped and rebuilt at will. It knows neither the
store nor pictures. Ids are feature ids: unique, never reused, so that an update is an `add` and a `remove`.
Writing methods are called by one thread at a time and never while a search runs (`maintain.LiveIndex` sees to
that); searches may run concurrently.

Point indexes (metric "points") are given one blob a feature, in (N,) object arrays, and hold its descriptors:
they are searched with descriptors, answer point ids (`keypoints.owners` gives the feature), and count,
remove, allow and list features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors

Fetch = Callable[[Ids], NDArray[Any]]
"""(N,) ids → (N, entries) stored vectors, for engines that re-rank by the exact distance."""


class Index(Protocol):
    """Nearest neighbours of one fingerprint.

    Attributes:
        options_class: frozen dataclass of the engine's own settings, made by `settings.setting`.
        metrics: what this engine can measure.
        default_for: metrics for which this engine is chosen where nothing else is said.
    """

    options_class: ClassVar[type[Any]]
    metrics: ClassVar[frozenset[Metric]]
    default_for: ClassVar[frozenset[Metric]]

    def __init__(self, spec: FeatureSpec, options: Any, *, fetch: Fetch | None = None) -> None:
        """Makes an empty index.

        Args:
            spec: names dimension, dtype and metric.
            options: an instance of `options_class`.
            fetch: reads stored vectors by id. Without it the engine keeps what it needs itself.
        """

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds (N, entries) vectors of the spec's dtype under (N,) ids not yet held."""

    def remove(self, ids: Ids) -> int:
        """Forgets ids at once; unknown ones are passed over. Returns how many were held."""

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query, nearest first, ties by id.

        Args:
            queries: (Q, entries) of the spec's dtype.
            k: 1 or more; beyond `len(self)` the answer is padded.
            allowed: only these ids may be answered, chosen before ranking, so that k hits come back.

        Returns:
            distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).
        """

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[tuple[NDArray[np.float32], Ids]]:
        """Everything at `radius` or nearer (inclusive), never cut short, nearest first, ties by id.

        Returns:
            One (distances, ids) pair per query.
        """

    def ids(self) -> Ids:
        """The ids held, ascending."""

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes everything into an existing empty folder; syncing and renaming are the caller's.

        Args:
            folder: where.
            previous: what this very index wrote before or was loaded from, where that still exists. Files of
                it that are still right may be hard-linked instead of written anew (`_files.link`): nobody
                ever changes a file of a snapshot.
        """

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec, options: Any, *, fetch: Fetch | None = None) -> Self:
        """Opens what `save` wrote, memory-mapped where that saves time.

        Raises:
            IndexFileError: files are missing or malformed.
        """

    def is_outgrown(self) -> bool:
        """Whether a new index, trained for as many vectors as are held now, would serve better.

        Cheap; `maintain` then builds one beside this one, from the store, and switches when it is filled.
        """

    def sample_size(self, expected: int) -> int:
        """How many vectors `train` wants, at most, where `expected` will be added; 0: it is not called.

        They lie in memory at once.
        """

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Prepares an empty index for many vectors; engines that need no training do nothing.

        Args:
            sample: (N, entries) vectors, drawn at random from those that will be added.
            expected: how many vectors will be added.
        """

    def recall(self, queries: NDArray[Any]) -> float:
        """Share of what an exact search would answer that `search` answers, 0 to 1, at a bounded cost.

        A new index takes the place of one that serves only where this is high enough (`index.min_recall`).

        Args:
            queries: (Q, entries) vectors that are held, a few dozen, drawn at random.
        """

    def note(self) -> str:
        """What people must know of how it searches, if it is not as the options ask; "" where it is."""

    def __len__(self) -> int:
        """Vectors held."""
