"""Compact codes of unit vectors in inverted lists, through faiss: candidates for an exact ranking.

`_many_vectors.py` calls it. Two forms: "one_bit" keeps the signs of the rotated difference from the middle of
a list, and two numbers that make an unbiased estimate of distance out of them; "opq" keeps what the original
system does, 256 bytes of product quantiser after a learned rotation, here in lists. What was opened from a
file stays mapped and is never changed; what came since lies beside it until it is a quarter as large.

Source: Gao & Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for
Approximate Nearest Neighbor Search", SIGMOD 2024; Ge et al., "Optimized Product Quantization for Approximate
Nearest Neighbor Search", CVPR 2013; both as in faiss.
"""

import importlib
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ambience.errors import IndexFileError
from ambience.index._faiss_threads import use_threads
from ambience.index._few_vectors import Units
from ambience.index._files import link
from ambience.index._kmeans import centroids, nearest_centroids
from ambience.index._slots import Slots, read_array

FORMS = ("one_bit", "opq")

PRODUCT_BYTES = 256
"""Of a code in the form "opq", or the nearest smaller number that divides the dimension."""

PRODUCT_SAMPLE = 20_000
"""Vectors that the rotation of "opq" is learned from, and its product quantiser made."""

ROTATION_ROUNDS = 10
"""Of learning that rotation: the error falls by less than a hundredth beyond."""

TAIL_SHARE = 4
"""What came since is kept apart while it is less than this part of what was opened from files."""

OPENED, RECENT = "opened.faiss", "recent.faiss"

Mask = NDArray[np.bool_]
"""(slots,) which may be answered."""


def product_bytes(dim: int) -> int:
    """Bytes of a product code: 256, or the largest number below that divides the dimension."""
    return next(size for size in range(PRODUCT_BYTES, 0, -1) if dim % size == 0)


class CodeLists:
    """Codes by slot.

    Args:
        rotation: (D, D) orthogonal, applied to vectors and queries first.
        opened: faiss index of what was opened from a file.
        recent: faiss index of what came since.
    """

    def __init__(self, rotation: NDArray[np.float32], opened: Any, recent: Any) -> None:
        self._rotation, self._opened, self._recent = rotation, opened, recent
        self._middles: Units = recent.quantizer.reconstruct_n(0, recent.nlist)
        self._file: os.stat_result | None = None

    @property
    def form(self) -> str:
        """Which of `FORMS`."""
        return "opq" if hasattr(self._recent, "pq") else "one_bit"

    @classmethod
    def trained(cls, sample: Units, *, lists: int, form: str) -> Self:
        """Empty lists around the middles of a sample of unit vectors."""
        faiss: Any = importlib.import_module("faiss")
        dim, count = sample.shape[1], max(1, min(lists, len(sample)))
        use_threads(len(sample))
        if form == "one_bit":
            drawn = np.random.default_rng(0).normal(size=(dim, dim))
            rotation = np.linalg.qr(drawn)[0].astype(np.float32)
        else:
            rotation = _learned_rotation(sample[:PRODUCT_SAMPLE])
        rotated = sample @ rotation
        quantizer = faiss.IndexFlatL2(dim)
        quantizer.add(centroids(rotated, count))
        if form == "one_bit":
            inner = faiss.IndexIVFRaBitQ(quantizer, dim, count, faiss.METRIC_L2)
        else:
            inner = faiss.IndexIVFPQ(quantizer, dim, count, product_bytes(dim), 8, faiss.METRIC_L2)
            inner.by_residual = False  # one table a query serves all lists
            inner.pq.cp.min_points_per_centroid = 1  # a small sample makes a coarser code: nothing to warn of
            inner.pq.train(_at_least(rotated[:PRODUCT_SAMPLE], inner.pq.ksub))
        inner.is_trained = True
        return cls(rotation, inner, _emptied(inner))

    @classmethod
    def read(cls, folder: Path, *, dim: int) -> Self:
        """Opens what `write` wrote, memory-mapped.

        Raises:
            IndexFileError: files are missing, malformed, or of another dimension.
        """
        rotation = np.array(read_array(folder, "rotation", dtype=np.float32, shape=(dim, dim)))
        opened, recent = (_read(folder / name, dim) for name in (OPENED, RECENT))
        made = cls(rotation, opened, recent if recent.ntotal else _emptied(recent))
        made._file = (folder / OPENED).stat()
        return made

    def rotated(self, vectors: Units) -> Units:
        """Unit vectors in the space of the lists."""
        turned: Units = np.ascontiguousarray(vectors @ self._rotation)
        return turned

    def append(self, slots: Slots, vectors: Units) -> None:
        """Adds (N, D) unit vectors."""
        faiss: Any = importlib.import_module("faiss")
        if not len(slots):
            return
        rotated = self.rotated(vectors)
        slots = np.ascontiguousarray(slots, dtype=np.int64)
        lists = nearest_centroids(rotated, self._middles)
        use_threads(len(slots))
        pointers = (faiss.swig_ptr(each) for each in (rotated, slots, lists))
        self._recent.add_core(len(slots), *pointers)

    def nearest(self, rotated: Units, count: int, mask: Mask | None, *, probes: int) -> list[Slots]:
        """About `count` slots nearest to each query, of the lists visited; fewer where those are short."""
        faiss: Any = importlib.import_module("faiss")
        use_threads(0)
        held = [inner for inner in (self._opened, self._recent) if inner.ntotal]
        if not held or not count:
            return [np.empty(0, np.int64) for _ in rotated]
        probes = min(probes, self._recent.nlist)
        coarse, lists = self._recent.quantizer.search(rotated, probes)
        chosen, alive = self._parameters(mask, probes)
        distances, slots = (np.empty((len(rotated), 0), dtype) for dtype in (np.float32, np.int64))
        for inner in held:
            near, found = (np.empty((len(rotated), count), dtype) for dtype in (np.float32, np.int64))
            arrays = [faiss.swig_ptr(each) for each in (lists, coarse, near, found)]
            asked = faiss.swig_ptr(rotated)
            inner.search_preassigned_c(len(rotated), asked, count, *arrays, False, chosen)
            near[found < 0] = np.inf
            distances = np.concatenate([distances, near], axis=1)
            slots = np.concatenate([slots, found], axis=1)
        del alive
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        return [row[row >= 0] for row in np.take_along_axis(slots, order, axis=1)]

    def write(self, folder: Path, live: Mask, previous: Path | None) -> Self | None:
        """Writes the codes of live slots, moved up to fill the places of those that are not.

        Args:
            folder: existing and empty.
            live: (slots,).
            previous: the folder that was written before or read from, where that still exists.

        Returns:
            What was written, memory-mapped; None where slots stayed as they were, and what was opened is
            linked.
        """
        faiss: Any = importlib.import_module("faiss")
        np.save(folder / "rotation.npy", self._rotation)
        is_dense = 4 * int(live.sum()) >= 3 * len(live)
        is_tail = self._recent.ntotal * TAIL_SHARE <= self._opened.ntotal
        if previous is not None and is_dense and is_tail and self._lies_in(previous):
            link(previous / OPENED, folder / OPENED)
            faiss.write_index(self._recent, str(folder / RECENT))
            return None
        empty = _emptied(self._recent)
        faiss.write_index(empty, str(folder / RECENT))
        faiss.write_index(self._merged(empty, live), str(folder / OPENED))
        return type(self).read(folder, dim=self._rotation.shape[0])

    @property
    def list_count(self) -> int:
        """Of lists."""
        return int(self._recent.nlist)

    def __len__(self) -> int:
        return int(self._opened.ntotal + self._recent.ntotal)

    def _parameters(self, mask: Mask | None, probes: int) -> tuple[Any, Any]:
        """How faiss shall search, and what must live as long as that lasts."""
        faiss: Any = importlib.import_module("faiss")
        if self.form == "opq":
            chosen = faiss.SearchParametersIVF()
        else:
            chosen = faiss.IVFRaBitQSearchParameters()
            chosen.qb = 8
        chosen.nprobe = probes
        if mask is None:
            return chosen, None
        bits = np.packbits(mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits))
        chosen.sel = selector
        return chosen, (bits, selector)

    def _lies_in(self, folder: Path) -> bool:
        """Whether the very file that was opened lies there, whatever the folder was called then."""
        file = folder / OPENED
        return self._file is not None and file.exists() and os.path.samestat(file.stat(), self._file)

    def _merged(self, empty: Any, live: Mask) -> Any:
        """A faiss index of all live slots, numbered anew."""
        faiss: Any = importlib.import_module("faiss")
        merged = faiss.clone_index(empty)
        numbers = np.cumsum(live) - 1
        for inner in (self._opened, self._recent):
            for number in range(inner.nlist if inner.ntotal else 0):
                slots, codes = _of_list(inner, number)
                kept = live[slots]
                if kept.any():
                    moved = np.ascontiguousarray(numbers[slots[kept]])
                    codes = np.ascontiguousarray(codes[kept])
                    pointers = (faiss.swig_ptr(each) for each in (moved, codes))
                    merged.invlists.add_entries(number, len(moved), *pointers)
                    merged.ntotal += len(moved)
        return merged


def _of_list(inner: Any, number: int) -> tuple[Slots, NDArray[np.uint8]]:
    """(N,) slots and (N, bytes) codes of one list, which live as long as the index does not change."""
    faiss: Any = importlib.import_module("faiss")
    lists = inner.invlists
    size = lists.list_size(number)
    if not size:
        return np.empty(0, np.int64), np.empty((0, inner.code_size), np.uint8)
    slots: Slots = faiss.rev_swig_ptr(lists.get_ids(number), size)
    codes: NDArray[np.uint8] = faiss.rev_swig_ptr(lists.get_codes(number), size * inner.code_size)
    return slots, codes.reshape(size, inner.code_size)


def _emptied(inner: Any) -> Any:
    """An index as this one was before anything was added to it."""
    faiss: Any = importlib.import_module("faiss")
    if not inner.ntotal:
        return faiss.clone_index(inner)
    copy = faiss.clone_index(inner)
    copy.reset()
    return copy


def _read(file: Path, dim: int) -> Any:
    """A faiss index whose codes are mapped, unless it is to grow.

    Raises:
        IndexFileError: the file is missing, malformed, or of another form or dimension.
    """
    faiss: Any = importlib.import_module("faiss")
    try:
        inner = faiss.read_index(str(file), faiss.IO_FLAG_MMAP if file.name == OPENED else 0)
    except RuntimeError as exc:
        raise IndexFileError(f"cannot read {file}: {exc}; `ambience rebuild` makes it again") from exc
    if not isinstance(inner, faiss.IndexIVFRaBitQ | faiss.IndexIVFPQ) or inner.d != dim:
        raise IndexFileError(f"{file} does not hold codes of {dim} values; `ambience rebuild` makes it again")
    lists = faiss.downcast_InvertedLists(inner.invlists)
    if hasattr(lists, "prefetch_nthread"):
        lists.prefetch_nthread = 0  # it would start 32 threads a search
    return inner


def _learned_rotation(sample: Units) -> NDArray[np.float32]:
    """(D, D) orthogonal: what makes the parts of vectors independent, for a product quantiser."""
    faiss: Any = importlib.import_module("faiss")
    dim = sample.shape[1]
    learned = faiss.OPQMatrix(dim, product_bytes(dim))
    learned.niter = ROTATION_ROUNDS
    quantizer = faiss.ProductQuantizer(dim, product_bytes(dim), 8)  # must outlive the training
    quantizer.cp.min_points_per_centroid = 1
    learned.pq = quantizer
    learned.train(_at_least(sample, quantizer.ksub))
    turned: NDArray[np.float32] = faiss.vector_to_array(learned.A).reshape(dim, dim).T
    return np.ascontiguousarray(turned)


def _at_least(sample: Units, count: int) -> Units:
    """A sample, repeated where there are fewer than faiss takes."""
    return sample if len(sample) >= count else sample[np.resize(np.arange(len(sample)), count)]
