"""Nearest local descriptors of many pictures, by squared L2 distance.

Ids are feature ids, one a picture; answers are point ids (`keypoints.owners` gives the feature), so that no
table of points is kept. Untrained, every descriptor is compared, exactly (`_few_points.py`). Trained (from
`train_from` pictures on), searches visit the nearest inverted lists and estimate distances from one bit a
value (`_many_points.py`): 22 bytes a point.

Source: Jégou, Douze & Schmid, "Hamming embedding and weak geometric consistency for large scale image
search", ECCV 2008, for inverted lists of short binary codes; codes as in RaBitQ (`_point_codes.py`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.errors import FeatureError, QueryError, SettingsError
from ambience.index._centers import SAMPLE_A_LIST
from ambience.index._exact_points import Descriptors, nearest_points, points_within
from ambience.index._few_points import FewPoints
from ambience.index._many_points import ManyPoints
from ambience.index._point_lists import PointLists
from ambience.index._product_points import LEAST_SAMPLE, ProductPoints
from ambience.index._ranking import Answer, check_metric, checked_queries
from ambience.index._slots import State, read_state, write_state
from ambience.index.base import Fetch
from ambience.keypoints import DESCRIPTOR, owners, stacked_descriptors
from ambience.settings import count_or_cores, setting

__all__ = ["DescriptorIndex"]

USUAL_POINTS = 200
"""Points of a picture, where that must be guessed."""

RECALL_POINTS = 2000
NEIGHBORS = 10
MOVE = 150.0
"""How far the points of copies move, in the unit of descriptors."""

RECHECKED = 200
"""Points not found again of which it is asked whether something as near was found in their place."""

AS_NEAR = 1.25
"""Times the squared distance up to which another point is as near: in a library full of copies of one picture
any of them will do. Unrelated points lie at three times that."""

CODES = ("one_bit", "opq64")

Held = FewPoints | ManyPoints | ProductPoints

GROWTH = 4
"""Times the number of pictures that lists were trained for, beyond which new lists would serve better."""


@dataclass(frozen=True, slots=True)
class DescriptorOptions:
    """Settings of the index of local descriptors."""

    train_from: int = setting(200, "pictures", "Below this, every descriptor is compared exactly.", minimum=1)
    lists: int = setting(
        0, "lists", "Inverted lists; 0: four times the square root of the points.", minimum=0
    )
    probes: int = setting(8, "lists", "Inverted lists that a point of a query visits.", minimum=1)
    exact_below: int = setting(
        300, "pictures", "Where a search is restricted to fewer, their descriptors are compared exactly.",
        minimum=0,
    )  # fmt: skip
    codes: str = setting(
        "one_bit", "", "What lists hold of a descriptor: one_bit, or opq64 (as the original: larger, slower)."
    )
    threads: int = setting(0, "threads", "Threads that one search is spread over; 0: all cores.", minimum=0)
    compile_from: int = setting(
        1_000_000, "comparisons", "Comparisons before the compiled scans are loaded.", minimum=0
    )


class DescriptorIndex:
    """Squared L2 distance between 8-bit descriptors, in their own units: RootSIFT has norm 512."""

    options_class: ClassVar[type[DescriptorOptions]] = DescriptorOptions
    metrics: ClassVar[frozenset[Metric]] = frozenset({"points"})
    default_for: ClassVar[frozenset[Metric]] = frozenset({"points"})

    def __init__(self, spec: FeatureSpec, options: DescriptorOptions, *, fetch: Fetch | None = None) -> None:
        check_metric("descriptors", spec, self.metrics)
        if spec.dim != DESCRIPTOR or spec.dtype != "uint8":
            raise SettingsError(
                f"kinds.{spec.kind}.index = 'descriptors' holds {DESCRIPTOR} values of uint8 a descriptor, "
                f"not {spec.dim} of {spec.dtype}"
            )
        if options.codes not in CODES:
            raise SettingsError(
                f"kinds.{spec.kind}.index_codes = {options.codes!r}; it is one of {', '.join(CODES)}"
            )
        self._spec, self._options, self._fetch = spec, options, fetch
        self._held: Held = FewPoints.empty()
        self._expected = 0

    @property
    def points(self) -> int:
        """Descriptors held."""
        return len(self._held)

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds the points of (N,) blobs under (N,) feature ids not yet held; a blob may have none.

        Raises:
            QueryError: ids or their number are not as the contract says.
            FeatureError: some bytes are no blob of local features.
        """
        ids = np.asarray(ids, np.int64)
        self._held.add(ids, *stacked(ids, features))

    def remove(self, ids: Ids) -> int:
        """Forgets features at once; unknown ones are passed over.

        Returns:
            How many were held.
        """
        return self._held.remove(ids)

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest points of each query descriptor, nearest first, ties by id.

        Exact while untrained; then of the lists visited, by estimates (off by 15 per cent in the middle).

        Args:
            queries: (Q, 128) uint8; many at once cost less each.
            k: 1 or more.
            allowed: feature ids; only their points are answered.

        Returns:
            squared L2 distances (Q, k) float32 (+inf pads) and point ids (Q, k) int64 (-1 pads).

        Raises:
            QueryError: queries or k are not as the contract says.
        """
        checked = checked_queries(queries, self._spec, k=k)
        held, engine = self._chosen(allowed)
        fetched = self._fetched(held)
        return engine.nearest(checked, k, held) if fetched is None else nearest_points(checked, *fetched, k)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Every point at a squared L2 distance of `radius` or less, nearest first, ties by id.

        Exact while untrained; then of the lists visited, by estimates.

        Returns:
            One (distances, point ids) pair per query.

        Raises:
            QueryError: queries or radius are not as the contract says.
        """
        checked = checked_queries(queries, self._spec, radius=radius)
        held, engine = self._chosen(allowed)
        fetched = self._fetched(held)
        if fetched is None:
            return engine.within(checked, radius, held)
        return points_within(checked, *fetched, radius)

    def ids(self) -> Ids:
        """The feature ids held, ascending."""
        slots = self._held.slots
        return slots.ids[slots.chosen(None)]

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes everything; of a trained index, what has not changed is linked from an earlier snapshot.

        Afterwards a trained index reads what it wrote from there, memory-mapped, whatever the folder is
        called later: memory is shared with other processes, and taken back by the system when it is short.
        """
        self._held = self._held.write(folder, previous)
        is_trained = not isinstance(self._held, FewPoints)
        write_state(folder, State(is_trained=is_trained, expected=self._expected))

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: DescriptorOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Opens what `save` wrote, memory-mapped.

        Returns:
            An index that answers as the saved one did; lists are read from the files as they are needed.

        Raises:
            IndexFileError: files are missing or malformed.
        """
        index = cls(spec, options, fetch=fetch)
        state = read_state(folder)
        index._expected = state.expected
        if not state.is_trained:
            index._held = FewPoints.read(folder)
        elif options.codes == "opq64":
            index._held = ProductPoints.read(folder, probed=options.probes)
        else:
            index._held = ManyPoints.read(
                folder,
                probed=options.probes,
                threads=count_or_cores(options.threads),
                compile_from=options.compile_from,
            )
        return index

    def is_outgrown(self) -> bool:
        """Whether there are so many pictures that (new) lists should be made of them."""
        is_trained = not isinstance(self._held, FewPoints)
        return len(self) >= (GROWTH * self._expected if is_trained else self._options.train_from)

    def sample_size(self, expected: int) -> int:
        """Pictures whose points suffice to make the middles of lists."""
        if expected < self._options.train_from:
            return 0
        wanted = self._list_count(expected * USUAL_POINTS) * SAMPLE_A_LIST
        return min(expected, wanted // USUAL_POINTS + 1)

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Makes empty inverted lists where `expected` pictures call for them.

        Args:
            sample: (N,) blobs, drawn at random from those that will be added.
            expected: how many pictures will be added.

        Raises:
            FeatureError: some bytes are no blob of local features.
        """
        descriptors = stacked(np.arange(len(sample)), sample)[1]
        if expected < self._options.train_from or not len(descriptors):
            return
        self._expected = expected
        points = len(descriptors) * expected // len(sample)
        if self._options.codes == "opq64":
            if len(descriptors) >= LEAST_SAMPLE:
                self._held = ProductPoints.trained(descriptors, points=points, probed=self._options.probes)
            return
        lists = PointLists.trained(
            descriptors,
            lists=self._list_count(points),
            points=points,
            compile_from=self._options.compile_from,
        )
        self._held = ManyPoints.of(
            lists, probed=self._options.probes, threads=count_or_cores(self._options.threads)
        )

    def recall(self, queries: NDArray[Any]) -> float:
        """Share of points that are found again after they moved as far as points of copies do.

        Of up to `RECALL_POINTS` points of the queries: whether the nearest of `NEIGHBORS` to the moved
        descriptor include what lies nearest to the unmoved one, or something as near. An exact search finds
        all but a few.

        Args:
            queries: (Q,) blobs that are held.

        Returns:
            0 to 1; 1 where every descriptor is compared.

        Raises:
            FeatureError: some bytes are no blob of local features.
        """
        descriptors = stacked(np.arange(len(queries)), queries)[1]
        if isinstance(self._held, FewPoints) or not len(descriptors):
            return 1.0
        generator = np.random.default_rng(0)
        chosen = descriptors[generator.permutation(len(descriptors))[:RECALL_POINTS]]
        moves = generator.normal(0, MOVE / DESCRIPTOR**0.5, chosen.shape)
        moved = np.clip(np.rint(chosen + moves), 0, 255).astype(np.uint8)
        own = self._held.nearest(chosen, 1, None).ids
        near = self._held.nearest(moved, NEIGHBORS, None).ids
        is_found = (near == own).any(axis=1)
        missing = np.flatnonzero(~is_found)[:RECHECKED]
        share = float(is_found.mean())
        if len(missing) and self._fetch is not None:
            is_as_near = self._as_near(moved[missing], chosen[missing], near[missing])
            share += (1 - share) * float(is_as_near.mean())
        return share

    def _as_near(self, moved: Descriptors, chosen: Descriptors, near: Ids) -> NDArray[np.bool_]:
        """(Q,) whether some of the (Q, K) points found lie as near to the moved descriptors as the chosen."""
        assert self._fetch is not None
        features = np.unique(owners(near[near >= 0]))
        points, descriptors = stacked(features, self._fetch(features))
        places = np.minimum(np.searchsorted(points, near), len(points) - 1)
        squared = np.square(moved[:, None].astype(np.float32) - descriptors[places]).sum(axis=2)
        squared[points[places] != near] = np.inf
        farthest = AS_NEAR * np.square(moved.astype(np.float32) - chosen).sum(axis=1)
        found: NDArray[np.bool_] = (squared <= farthest[:, None]).any(axis=1)
        return found

    def note(self) -> str:
        """Nothing: it searches as the options ask."""
        return ""

    def __len__(self) -> int:
        return self._held.slots.count

    def _list_count(self, points: int) -> int:
        return self._options.lists or int(4 * points**0.5)

    def _chosen(self, allowed: Ids | None) -> tuple[Ids | None, Held]:
        """The features held of those allowed, ascending (None: all), and what holds them at this moment."""
        engine = self._held
        return None if allowed is None else engine.slots.ids[engine.slots.chosen(allowed)], engine

    def _fetched(self, held: Ids | None) -> tuple[Ids, Descriptors] | None:
        """Points and descriptors of few features from the store; None where lists serve better."""
        is_trained = not isinstance(self._held, FewPoints)
        if held is None or not is_trained or self._fetch is None or len(held) >= self._options.exact_below:
            return None
        return stacked(held, self._fetch(held) if len(held) else np.empty(0, object))


def stacked(ids: Ids, features: NDArray[Any]) -> tuple[Ids, Descriptors]:
    """Points and descriptors of (N,) blobs, once they are what the contract says.

    Returns:
        (M,) int64 point ids and (M, 128) uint8 descriptors.

    Raises:
        QueryError: there is not one blob for each id.
        FeatureError: some bytes are no blob of local features.
    """
    blobs = np.asarray(features)
    if blobs.ndim != 1 or np.shape(ids) != blobs.shape:
        raise QueryError(f"{np.shape(ids)} ids came with {blobs.shape} blobs; there is one id a vector")
    for blob in blobs:
        if not isinstance(blob, np.ndarray) or blob.ndim != 1 or blob.dtype != np.uint8:
            raise FeatureError(f"local features are blobs of uint8, not {type(blob).__name__}")
    return stacked_descriptors(np.asarray(ids, np.int64), list(blobs))
