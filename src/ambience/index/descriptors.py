"""Nearest local descriptors of many pictures, by squared L2 distance.

Ids are feature ids, one a picture; answers are point ids (`keypoints.owners` gives the feature), so that no
table of points is kept. Every descriptor is compared, exactly.

Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004, for pictures
found by the nearest descriptors of all their points.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.errors import FeatureError, IndexFileError, QueryError, SettingsError
from ambience.index._exact_points import Descriptors, nearest_points, points_within
from ambience.index._ranking import Answer, check_metric, checked_queries
from ambience.index._slots import IdSlots, Rows, read_array
from ambience.index.base import Fetch
from ambience.keypoints import DESCRIPTOR, owners, stacked_descriptors

__all__ = ["DescriptorIndex"]


@dataclass(frozen=True, slots=True)
class DescriptorOptions:
    """Settings of the index of local descriptors."""


class DescriptorIndex:
    """Squared L2 distance between 8-bit descriptors, in their own units: RootSIFT has norm 512.

    Attributes:
        points: descriptors held.
    """

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
        self._spec, self._options, self._fetch = spec, options, fetch
        self._slots = IdSlots()
        self._points = Rows(np.empty(0, np.int64))
        self._descriptors = Rows(np.empty((0, DESCRIPTOR), np.uint8))
        self.points = 0

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds the points of (N,) blobs under (N,) feature ids not yet held; a blob may have none.

        Raises:
            QueryError: ids or their number are not as the contract says.
            FeatureError: some bytes are no blob of local features.
        """
        points, descriptors = stacked(ids, features)
        self._slots.append(ids, count=len(features))
        self._points.append(points)
        self._descriptors.append(descriptors)
        self.points += len(points)

    def remove(self, ids: Ids) -> int:
        """Forgets features at once; unknown ones are passed over.

        Returns:
            How many were held.
        """
        dropped = self._slots.ids[self._slots.drop(ids)]
        if len(dropped):
            # Squeezed out at once: they are few, and an id that comes again brings points of its own.
            kept = ~np.isin(owners(self._points.view), dropped)
            self._points = Rows(self._points.view[kept])
            self._descriptors = Rows(self._descriptors.view[kept])
            self.points = len(self._points.view)
        return len(dropped)

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest points of each query descriptor, nearest first, ties by id.

        Args:
            queries: (Q, 128) uint8.
            k: 1 or more.
            allowed: feature ids; only their points are answered.

        Returns:
            squared L2 distances (Q, k) float32 (+inf pads) and point ids (Q, k) int64 (-1 pads).

        Raises:
            QueryError: queries or k are not as the contract says.
        """
        checked = checked_queries(queries, self._spec, k=k)
        return nearest_points(checked, *self._chosen(allowed), k)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Every point at a squared L2 distance of `radius` or less, nearest first, ties by id.

        Returns:
            One (distances, point ids) pair per query.

        Raises:
            QueryError: queries or radius are not as the contract says.
        """
        checked = checked_queries(queries, self._spec, radius=radius)
        return points_within(checked, *self._chosen(allowed), radius)

    def ids(self) -> Ids:
        """The feature ids held, ascending."""
        return self._slots.ids[self._slots.chosen(None)]

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes feature ids, point ids and descriptors."""
        points, descriptors = self._chosen(None)
        np.save(folder / "ids.npy", self.ids())
        np.save(folder / "points.npy", points)
        np.save(folder / "descriptors.npy", descriptors)

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: DescriptorOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Opens what `save` wrote, memory-mapped.

        Returns:
            An index that answers as the saved one did.

        Raises:
            IndexFileError: files are missing or malformed.
        """
        index = cls(spec, options, fetch=fetch)
        index._slots = IdSlots(read_array(folder, "ids", dtype=np.int64, shape=(None,)))
        points = read_array(folder, "points", dtype=np.int64, shape=(None,))
        descriptors = read_array(folder, "descriptors", dtype=np.uint8, shape=(len(points), DESCRIPTOR))
        if (index._slots.find(owners(points)) < 0).any():
            raise IndexFileError(
                f"{folder} holds points of features that it does not name; run `ambience rebuild`"
            )
        index._points, index._descriptors, index.points = Rows(points), Rows(descriptors), len(points)
        return index

    def is_outgrown(self) -> bool:
        """Never: every descriptor is compared."""
        return False

    def sample_size(self, expected: int) -> int:
        """None."""
        return 0

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Does nothing: comparing with everything needs no training."""

    def recall(self, queries: NDArray[Any]) -> float:
        """1: every descriptor is compared."""
        return 1.0

    def __len__(self) -> int:
        return self._slots.count

    def _chosen(self, allowed: Ids | None) -> tuple[Ids, Descriptors]:
        """Points that may be answered, and their descriptors."""
        points, descriptors = self._points.view, self._descriptors.view
        if allowed is None and self._slots.count == len(self._slots.ids):
            return points, descriptors
        held = self._slots.ids[self._slots.chosen(allowed)]
        kept = np.isin(owners(points), held)
        return points[kept], descriptors[kept]


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
