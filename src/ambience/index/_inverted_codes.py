"""Codes in inverted lists, one a centroid, through faiss: what `binary.py` puts beside the codes when many.

A search visits the lists whose centroids are nearest, so that it may miss a code; one within a few dozen bits
of the query nearly always lies in one of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import IndexFileError
from ambience.index._faiss_threads import use_threads
from ambience.index._ranking import Answer, nearest

FILE = "inverted.faiss"


class InvertedCodes:
    """A faiss `IndexBinaryIVF`.

    Args:
        inner: the trained faiss index.
        probes: lists that a search visits.
    """

    def __init__(self, inner: Any, *, probes: int) -> None:
        self._inner = inner
        self._inner.nprobe = min(probes, inner.nlist)

    @classmethod
    def trained(cls, sample: NDArray[np.uint8], *, lists: int, probes: int) -> "InvertedCodes":
        """Empty lists around the centroids of a sample."""
        import faiss

        bits = sample.shape[1] * 8
        inner = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(bits), bits, max(1, min(lists, len(sample))))
        inner.cp.min_points_per_centroid = 1  # a small sample makes a coarser model: nothing to warn about
        use_threads(len(sample))
        inner.train(sample)
        return cls(inner, probes=probes)

    @classmethod
    def read(cls, folder: Path, *, code_bytes: int, probes: int) -> "InvertedCodes":
        """Opens what `write` wrote.

        Raises:
            IndexFileError: the file is missing, malformed, or of other codes.
        """
        import faiss

        file = folder / FILE
        try:
            inner = faiss.read_index_binary(str(file))
        except RuntimeError as exc:
            raise IndexFileError(f"cannot read {file}: {exc}; `ambience rebuild` makes it again") from exc
        if not isinstance(inner, faiss.IndexBinaryIVF) or inner.code_size != code_bytes:
            raise IndexFileError(
                f"{file} does not hold codes of {code_bytes} bytes; `ambience rebuild` makes it again"
            )
        return cls(inner, probes=probes)

    def write(self, folder: Path) -> None:
        """Writes one file."""
        import faiss

        faiss.write_index_binary(self._inner, str(folder / FILE))

    def append(self, ids: Ids, codes: NDArray[np.uint8]) -> None:
        """Adds (N, bytes) codes."""
        use_threads(len(ids))
        self._inner.add_with_ids(codes, ids)

    def drop(self, ids: Ids) -> None:
        """Forgets codes at once."""
        self._inner.remove_ids(ids)

    def nearest(self, queries: NDArray[np.uint8], k: int) -> list[Answer]:
        """The k nearest codes to each query in the lists that are visited; fewer where those hold fewer."""
        use_threads(0)
        distances, ids = self._inner.search(queries, max(1, min(k, self._inner.ntotal)))
        return [
            nearest(row[row_ids >= 0].astype(np.float32), row_ids[row_ids >= 0], k)
            for row, row_ids in zip(distances, ids, strict=True)
        ]

    def __len__(self) -> int:
        return int(self._inner.ntotal)
