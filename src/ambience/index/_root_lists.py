"""Square roots of histograms, 8 bits a cell, in inverted lists (faiss): candidates for an exact L1 ranking.

`histogram.py` calls it. Why roots: (√a − √b)² ≤ |a − b|, so that the squared L2 distance of two rooted
histograms (twice their squared Hellinger distance) is never above their L1 distance, and ranks much like it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import IndexFileError
from ambience.index._faiss_threads import use_threads
from ambience.index._kmeans import centroids, nearest_centroids

FILE = "lists.faiss"

Roots = NDArray[np.float32]


class RootLists:
    """A faiss `IndexIVFScalarQuantizer` over √h.

    Args:
        inner: the trained faiss index.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._centroids: Roots = inner.quantizer.reconstruct_n(0, inner.nlist)

    @classmethod
    def trained(cls, sample: NDArray[Any], *, lists: int) -> "RootLists":
        """Empty lists around the centroids of a sample of histograms."""
        import faiss

        dim, count = sample.shape[1], max(1, min(lists, len(sample)))
        quantizer = faiss.IndexFlatL2(dim)
        quantizer.add(centroids(_roots(sample), count))
        inner = faiss.IndexIVFScalarQuantizer(
            quantizer, dim, count, faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_L2, False
        )
        # Roots lie in 0–1; a range learned from the sample would clip a rarer color, and with it the bound.
        faiss.copy_array_to_vector(np.array([0.0, 1.0], np.float32), inner.sq.trained)
        inner.is_trained = True
        return cls(inner)

    @classmethod
    def read(cls, folder: Path, *, dim: int) -> "RootLists":
        """Opens what `write` wrote.

        Raises:
            IndexFileError: the file is missing, malformed, or of another dimension.
        """
        import faiss

        file = folder / FILE
        try:
            inner = faiss.read_index(str(file))
        except RuntimeError as exc:
            raise IndexFileError(f"cannot read {file}: {exc}; `ambience rebuild` makes it again") from exc
        if not isinstance(inner, faiss.IndexIVFScalarQuantizer) or inner.d != dim:
            raise IndexFileError(
                f"{file} does not hold histograms of {dim} cells; `ambience rebuild` makes it again"
            )
        return cls(inner)

    def write(self, folder: Path) -> None:
        """Writes one file."""
        import faiss

        faiss.write_index(self._inner, str(folder / FILE))

    def append(self, ids: Ids, histograms: NDArray[Any]) -> None:
        """Adds (N, D) histograms."""
        import faiss

        roots = _roots(histograms)
        lists = nearest_centroids(roots, self._centroids)
        ids = np.ascontiguousarray(ids, dtype=np.int64)
        use_threads(len(ids))
        self._inner.add_core(len(ids), faiss.swig_ptr(roots), faiss.swig_ptr(ids), faiss.swig_ptr(lists))

    def drop(self, ids: Ids) -> None:
        """Forgets histograms at once."""
        self._inner.remove_ids(ids)

    def candidates(self, queries: NDArray[Any], count: int, *, probes: int, allowed: Ids | None) -> list[Ids]:
        """About `count` histograms nearest to each query, of the lists visited; fewer where those are short.

        Args:
            queries: (Q, D) histograms.
            count: 1 or more.
            probes: lists visited; more, in proportion, where few ids are allowed.
            allowed: only these are answered.
        """
        import faiss

        use_threads(0)
        chosen = faiss.SearchParametersIVF()
        chosen.nprobe = min(probes, self._inner.nlist)
        if allowed is not None:
            share = max(1, len(allowed)) / max(1, self._inner.ntotal)
            chosen.nprobe = min(self._inner.nlist, int(probes / share) + 1)
            selector = faiss.IDSelectorBatch(allowed)
            chosen.sel = selector
        count = max(1, min(count, self._inner.ntotal))
        _, ids = self._inner.search(_roots(queries), count, params=chosen)
        return [row[row >= 0] for row in ids]

    def reachable(self, query: NDArray[Any], radius: float) -> Ids:
        """Every id that may lie within an L1 radius of a query (D,): some lie beyond it, none is missed."""
        import faiss

        use_threads(0)
        visited = faiss.SearchParametersIVF()
        visited.nprobe = self._inner.nlist
        # Rounding to 8 bits moves each of D cells by half a step at most; float arithmetic by far less.
        rounding = 0.5 / 255 * self._inner.d**0.5
        reach = (max(0.0, radius) ** 0.5 + rounding) ** 2 * 1.0001 + 1e-6
        _, _, ids = self._inner.range_search(_roots(query[None]), reach, params=visited)
        found: Ids = ids
        return found

    def __len__(self) -> int:
        return int(self._inner.ntotal)


def _roots(histograms: NDArray[Any]) -> Roots:
    roots: Roots = np.sqrt(histograms, dtype=np.float32)
    return roots
