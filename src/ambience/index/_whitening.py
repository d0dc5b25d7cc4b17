"""PCA-whitening: directions in which all pictures of a library differ alike count less.

`embedding.py` applies it to queries and to what it holds; the store keeps features as they were extracted.
It helps where features are spread along a few directions, and is no good where sentences are queries: their
own mean lies elsewhere.

Source: Jégou & Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and
whitening", ECCV 2012; all directions are kept, and their variances shrunk towards their mean (Ledoit & Wolf,
"A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate Analysis 88, 2004;
here by dim / vectors), so that directions that a few pictures leave empty are not blown up.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ambience.errors import IndexFileError

FILE = "whitening.npz"
VERSION = 1

LEAST = 1000
"""Vectors without which it is not fitted."""

PIECE = 8192
"""Vectors that are whitened at a time, in float64."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """A fitted transform.

    Attributes:
        mean: (D,) float64 of the vectors that it was fitted to.
        matrix: (D, D) float64, symmetric: rotates to the axes of the covariance, scales, and rotates back.
        expected: vectors of the library that it was fitted for.
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]
    expected: int

    @classmethod
    def fitted(cls, vectors: NDArray[Any], *, expected: int = 0) -> Self | None:
        """A transform fitted to vectors, taken at length one.

        Args:
            vectors: (N, D), a random sample of the library.
            expected: how many the library holds; by default N.

        Returns:
            None where they are fewer than `LEAST`, or all the same.
        """
        if len(vectors) < LEAST:
            return None
        dim = vectors.shape[1]
        total, squares = np.zeros(dim), np.zeros((dim, dim))
        for start in range(0, len(vectors), PIECE):
            part = _units(vectors[start : start + PIECE])
            total += part.sum(axis=0)
            squares += part.T @ part
        mean = total / len(vectors)
        variances, axes = np.linalg.eigh(squares / len(vectors) - np.outer(mean, mean))
        variances = np.maximum(variances, 0)
        usual = variances.mean()
        if usual < 1e-9:
            return None
        share = min(1.0, dim / len(vectors))
        scales = 1 / np.sqrt((1 - share) * variances / usual + share)
        return cls(mean, (axes * scales) @ axes.T, expected or len(vectors))

    def applied(self, vectors: NDArray[Any]) -> NDArray[np.float16]:
        """Whitened vectors.

        Args:
            vectors: (N, D) of any length; zeros stay zeros.

        Returns:
            (N, D) float16 of length one. Calculated in float64, so that a vector gives the same whatever is
            whitened along with it.
        """
        whitened = np.empty(vectors.shape, np.float16)
        for start in range(0, len(vectors), PIECE):
            part = _units(vectors[start : start + PIECE])
            is_some = part.any(axis=1, keepdims=True)
            whitened[start : start + PIECE] = _units((part - self.mean) @ self.matrix) * is_some
        return whitened

    @classmethod
    def read(cls, folder: Path, *, dim: int) -> Self:
        """Opens what `write` wrote.

        Raises:
            IndexFileError: the file is missing, malformed, or of another version or dimension.
        """
        file = folder / FILE
        try:
            with np.load(file, allow_pickle=False) as held:
                version, expected = int(held["version"]), int(held["expected"])
                mean, matrix = held["mean"].astype(np.float64), held["matrix"].astype(np.float64)
        except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile) as exc:
            raise IndexFileError(f"cannot read {file}: {exc!r}; `ambience rebuild` makes it again") from exc
        if version != VERSION or mean.shape != (dim,) or matrix.shape != (dim, dim):
            raise IndexFileError(
                f"{file} is of version {version} and {mean.shape} values, not {VERSION} and ({dim},); "
                "`ambience rebuild` makes it again"
            )
        return cls(mean, matrix, expected)

    def write(self, folder: Path) -> None:
        """Writes one file."""
        with (folder / FILE).open("wb") as file:
            np.savez(file, version=VERSION, expected=self.expected, mean=self.mean, matrix=self.matrix)


def _units(vectors: NDArray[Any]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    lengths[lengths == 0] = 1
    wide /= lengths
    return wide
