"""What lies within a radius, bounded from below by a few principal directions, a byte each.

`_many_vectors.py` asks for it in range searches, and compares exactly what is left. Leaving out directions
never makes a distance longer, so that nothing within the radius is missed. The file is mapped, and read by
range searches alone.

Source: the bound is that of GEMINI: Faloutsos, Ranganathan & Manolopoulos, "Fast subsequence matching in
time-series databases", SIGMOD 1994.
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ambience.index._few_vectors import Units
from ambience.index._slots import Rows, read_array

DIRECTIONS = 64
"""Of largest variance, which hold most of the distance between embeddings."""

PIECE = 16_384
"""Sketches that are compared at a time: 4 MB as float32."""


class Sketches:
    """Sketches by slot.

    Args:
        axes: (D, M) orthonormal columns.
        middle: (M,) of what is sketched.
        step: (M,) of the bytes.
        error: largest distance between what was added, along the axes, and its sketch.
        bytes_: (slots, M) int8.
    """

    def __init__(
        self, axes: Units, middle: Units, step: Units, error: float, bytes_: NDArray[np.int8]
    ) -> None:
        self._axes, self._middle, self._step, self._error = axes, middle, step, error
        self._bytes = Rows(bytes_)

    @property
    def dim(self) -> int:
        """Of the vectors that are sketched."""
        return len(self._axes)

    @classmethod
    def trained(cls, sample: Units) -> Self:
        """Nothing yet, along the axes of largest variance of a sample."""
        mean = sample.mean(axis=0)
        covariance = np.cov(sample.T) if len(sample) > 1 else np.eye(sample.shape[1])
        axes = np.linalg.eigh(np.atleast_2d(covariance))[1][:, ::-1][:, :DIRECTIONS].astype(np.float32)
        middle = mean @ axes
        widest = np.abs(sample @ axes - middle).max(axis=0)
        step = np.maximum(widest, 1e-6).astype(np.float32) / 127
        return cls(axes, middle, step, 0.0, np.empty((0, axes.shape[1]), np.int8))

    @classmethod
    def read(cls, folder: Path, *, dim: int, count: int) -> Self:
        """Opens what `write` wrote, memory-mapped.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        size = min(dim, DIRECTIONS)
        axes = np.array(read_array(folder, "sketch-axes", dtype=np.float32, shape=(dim, size)))
        middle, step, error = read_array(folder, "sketch-scales", dtype=np.float32, shape=(3, size))
        held = read_array(folder, "sketches", dtype=np.int8, shape=(count, size))
        return cls(axes, np.array(middle), np.array(step), float(error[0]), held)

    def write(self, folder: Path, kept: NDArray[np.bool_]) -> None:
        """Writes the sketches of some slots, in their order.

        Args:
            folder: existing and empty.
            kept: (slots,).
        """
        np.save(folder / "sketch-axes.npy", self._axes)
        error = np.full_like(self._step, np.nextafter(np.float32(self._error), np.float32(np.inf)))
        np.save(folder / "sketch-scales.npy", np.stack([self._middle, self._step, error]))
        np.save(folder / "sketches.npy", self._bytes.view if kept.all() else self._bytes.view[kept])

    def append(self, vectors: Units) -> None:
        """Adds (N, D) unit vectors, under the next slots; zeros lie anywhere."""
        if not len(vectors):
            return
        along = vectors @ self._axes - self._middle
        rounded = np.clip(np.rint(along / self._step), -127, 127)
        errors = np.sqrt(np.square(along - rounded * self._step).sum(axis=1))
        self._error = max(self._error, float(errors.max()))
        self._bytes.append(rounded.astype(np.int8))

    def reachable(self, query: Units, chord: float) -> NDArray[np.bool_]:
        """(slots,) which may lie within an L2 distance of a unit vector (D,): none that does is missed."""
        along = query @ self._axes - self._middle
        # What float32 arithmetic does to lengths of unit vectors is far below this.
        reach = (chord + self._error + 1e-4) ** 2
        weighted, squared = (2 * along * self._step).astype(np.float32), np.square(self._step)
        held = self._bytes.view
        is_near = np.empty(len(held), np.bool_)
        for start in range(0, len(held), PIECE):
            wide = held[start : start + PIECE].astype(np.float32)
            products = wide @ weighted
            np.square(wide, out=wide)
            distances = wide @ squared
            distances -= products
            is_near[start : start + PIECE] = distances <= reach - np.square(along).sum()
        return is_near
