"""The points of many pictures as the original system holds them: faiss's `OPQ64,IVF√n,PQ64`, for comparison.

72 bytes a point in memory, read whole from its file. `descriptors.py` calls it where the settings say so.

Source: Ge et al., "Optimized product quantization for approximate nearest neighbor search", CVPR 2013.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids, Neighbors
from ambience.errors import IndexFileError
from ambience.index._exact_points import Descriptors
from ambience.index._faiss_threads import use_threads
from ambience.index._ranking import Answer
from ambience.index._slots import IdSlots, Rows, read_array
from ambience.keypoints import DESCRIPTOR, MAX_POINTS, owners

FILE = "product.faiss"

LEAST_SAMPLE = 10_000
"""Points that lists are made from at the least: 39 for each of 256 centroids, as faiss advises."""


class ProductPoints:
    """Points in faiss, under `feature id * 512 + n`.

    Attributes:
        slots: of the features.

    Args:
        slots: of the features.
        counts: (slots,) uint16 points of each.
        inner: the trained faiss index.
        probed: lists that a query visits.
    """

    def __init__(self, slots: IdSlots, counts: NDArray[np.uint16], inner: Any, *, probed: int) -> None:
        self.slots, self._counts = slots, Rows(counts)
        self._inner, self._probed = inner, probed

    @classmethod
    def trained(cls, sample: Descriptors, *, points: int, probed: int) -> "ProductPoints":
        """Nothing yet, in lists made of a sample of at least `LEAST_SAMPLE` descriptors."""
        import faiss

        lists = max(1, min(int(points**0.5), len(sample)))
        inner = faiss.index_factory(DESCRIPTOR, f"OPQ64,IVF{lists},PQ64")
        use_threads(len(sample))
        inner.train(sample.astype(np.float32))
        return cls(IdSlots(), np.empty(0, np.uint16), inner, probed=probed)

    @classmethod
    def read(cls, folder: Path, *, probed: int) -> "ProductPoints":
        """Opens what `write` wrote.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        import faiss

        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        counts = read_array(folder, "counts", dtype=np.uint16, shape=(len(ids),))
        try:
            inner = faiss.read_index(str(folder / FILE))
        except RuntimeError as exc:
            raise IndexFileError(
                f"cannot read {folder / FILE}: {exc}; `ambience rebuild` makes it again"
            ) from exc
        if inner.d != DESCRIPTOR or inner.ntotal != counts.sum(dtype=np.int64):
            raise IndexFileError(
                f"{folder / FILE} holds {inner.ntotal} points of {inner.d} values, not {counts.sum()} of "
                f"{DESCRIPTOR}; `ambience rebuild` makes it again"
            )
        return cls(IdSlots(ids), counts, inner, probed=probed)

    def add(self, ids: Ids, points: Ids, descriptors: Descriptors) -> None:
        """Adds M points of (N,) features."""
        first = len(self.slots.ids)
        self.slots.append(ids, count=len(ids))
        slots = self.slots.find(owners(points)) - first
        self._counts.append(np.bincount(slots, minlength=len(ids)).astype(np.uint16))
        use_threads(len(points))
        self._inner.add_with_ids(descriptors.astype(np.float32), points)

    def remove(self, ids: Ids) -> int:
        """Forgets features at once; how many were held."""
        import faiss

        dropped = self.slots.drop(ids)
        if len(dropped):
            self._inner.remove_ids(faiss.IDSelectorBatch(self._points_of(dropped)))
            self._counts.view[dropped] = 0
        return len(dropped)

    def nearest(self, queries: Descriptors, k: int, held: Ids | None) -> Neighbors:
        """The k nearest points of each query, of features that are held (None: of all), by estimates."""
        faiss: Any = importlib.import_module("faiss")  # whose types leave out what its parameters are given
        use_threads(0)
        lists = faiss.extract_index_ivf(self._inner)
        inner = faiss.SearchParametersIVF(nprobe=min(self._probed, lists.nlist))
        if held is not None:
            selector = faiss.IDSelectorBatch(self._points_of(self.slots.find(held)))
            inner = faiss.SearchParametersIVF(nprobe=lists.nlist, sel=selector)
        chosen = faiss.SearchParametersPreTransform(index_params=inner)
        distances, ids = self._inner.search(queries.astype(np.float32), k, params=chosen)
        order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), distances), axis=1)
        distances, ids = (np.take_along_axis(each, order, axis=1) for each in (distances, ids))
        return Neighbors(np.where(ids < 0, np.float32(np.inf), distances), ids)

    def within(self, queries: Descriptors, radius: float, held: Ids | None) -> list[Answer]:
        """Points within a radius of each query in the lists that it visits, by estimates."""
        rows = zip(*self.nearest(queries, max(1, len(self)), held), strict=True)
        return [(row[row <= radius], ids[row <= radius]) for row, ids in rows]

    def write(self, folder: Path, previous: Path | None) -> "ProductPoints":
        """Writes everything; itself."""
        import faiss

        slots = self.slots.chosen(None)
        np.save(folder / "ids.npy", self.slots.ids[slots])
        np.save(folder / "counts.npy", self._counts.view[slots])
        faiss.write_index(self._inner, str(folder / FILE))
        return self

    def __len__(self) -> int:
        return int(self._inner.ntotal)

    def _points_of(self, slots: Ids) -> Ids:
        counts = self._counts.view[slots].astype(np.int64)
        starts = np.cumsum(counts) - counts
        ordinals = np.arange(counts.sum()) - np.repeat(starts, counts)
        points: Ids = np.repeat(self.slots.ids[slots] * MAX_POINTS, counts) + ordinals
        return points
