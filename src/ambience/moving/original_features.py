"""Features that the original system made: what their bytes are, and the space that they are kept in here.

They are never mixed with those that are made here, though they mean the same: the original ignored
orientation, color profiles and transparency, and squashed pictures for its networks in another way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec

PREPROCESSING: Final = "original"
"""What fingerprints of such features say was done to the pixels."""

COLOR_SUM: Final = 10_000_000
"""What the original's histograms sum to; ours sum to 1."""

SUM_TOLERANCE: Final = 1e-3
"""Share by which the sum of a histogram may be off: 512 roundings of float32 are off by 1e-5 at most."""

LENGTH_TOLERANCE: Final = 1e-2
"""By how much an embedding may be longer or shorter than 1: some were calculated with halves of precision."""

Rows = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class OriginalKind:
    """How the original stored the features of one kind.

    Attributes:
        kind: name of the kind, here and there.
        database: name of the LMDB environment.
        dim: entries of a vector; bits of a hash.
        dtype: of an entry, little-endian.
        model: row of the catalog whose network made them; "" where none was used.
        checked: (N, entries) → vectors as they are kept, how much each tells, and what is wrong with each, ""
            where nothing is.
    """

    kind: str
    database: str
    dim: int
    dtype: str
    model: str
    checked: Callable[[Rows], tuple[Rows, NDArray[np.float32], list[str]]]

    @property
    def entries(self) -> int:
        """Array entries of a vector."""
        return self.dim // 8 if self.dtype == "uint8" else self.dim

    @property
    def value_bytes(self) -> int:
        """Length of a stored value."""
        return self.entries * np.dtype(self.dtype).itemsize


def _checked_hashes(rows: Rows) -> tuple[Rows, NDArray[np.float32], list[str]]:
    """Hashes as they are.

    How much one tells is not stored. Half of the bits of a photograph are set, since each says whether a
    coefficient is above the median; of a flat picture most coefficients are equal, and few bits are set.
    """
    ones = np.unpackbits(rows.view(np.uint8), axis=1).sum(axis=1, dtype=np.int64)
    bits = 8 * rows.shape[1]
    qualities = (2 * np.minimum(ones, bits - ones) / bits).astype(np.float32)
    return rows, qualities, [""] * len(rows)


def _checked_histograms(rows: Rows) -> tuple[Rows, NDArray[np.float32], list[str]]:
    values = rows.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = values.sum(axis=1) / COLOR_SUM
    faults = [""] * len(rows)
    for place in np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE) | (values < 0).any(axis=1)):
        faults[place] = f"its cells do not sum to {COLOR_SUM:,}, or some are below 0 or not finite"
    return (values / COLOR_SUM).astype(np.float32), np.ones(len(rows), np.float32), faults


def _checked_embeddings(rows: Rows) -> tuple[Rows, NDArray[np.float32], list[str]]:
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt(np.square(rows.astype(np.float64)).sum(axis=1))
    faults = [""] * len(rows)
    for place in np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_TOLERANCE)):
        faults[place] = "it is not of length 1, or some of its numbers are not finite"
    return rows, np.ones(len(rows), np.float32), faults


ORIGINALS: Final = MappingProxyType(
    {
        each.kind: each
        for each in (
            OriginalKind("phash", "phashes.lmdb", 576, "uint8", "", _checked_hashes),
            OriginalKind("color", "rgb_histograms.lmdb", 512, "float32", "", _checked_histograms),
            OriginalKind(
                "global_features", "features.lmdb", 768, "float32", "beit-b16-224-in22k", _checked_embeddings
            ),
            OriginalKind(
                "image_text_features", "features.lmdb", 512, "float32", "clip-vit-b16", _checked_embeddings
            ),
        )
    }
)
"""By kind. Local features are not among them: which image a point is of was kept in PostgreSQL."""


def imported_spec(spec: FeatureSpec) -> FeatureSpec | None:
    """The space in which features of the original are kept.

    Args:
        spec: of the kind as it is made here.

    Returns:
        Another fingerprint; None of kinds that the original did not have, or did not keep in this form.
    """
    original = ORIGINALS.get(spec.kind)
    if original is None:
        return None
    return replace(
        spec,
        dim=original.dim,
        dtype=original.dtype,
        model=original.model,
        preprocessing=PREPROCESSING,
        version=1,
        is_elsewhere=False,
    )


def is_comparable(spec: FeatureSpec) -> bool:
    """Whether features of the original can be compared with those that are made here.

    Args:
        spec: of the kind as it is made here.

    Returns:
        False as well where the kind is made elsewhere, or by another model than the original's.
    """
    imported = imported_spec(spec)
    return imported is not None and not spec.is_elsewhere and imported.model == spec.model


def features_of(original: OriginalKind, values: Sequence[bytes]) -> list[Feature | str]:
    """Stored values of one kind as features.

    Args:
        original: of the kind.
        values: of any length and content.

    Returns:
        Each as a feature of `imported_spec`, or what is wrong with it.
    """
    made: list[Feature | str] = [
        f"its value has {len(value):,} bytes instead of {original.value_bytes:,}" for value in values
    ]
    whole = [place for place, value in enumerate(values) if len(value) == original.value_bytes]
    if not whole:
        return made
    joined: NDArray[Any] = np.frombuffer(
        b"".join(values[place] for place in whole), np.dtype(original.dtype).newbyteorder("<")
    )
    rows = joined.reshape(len(whole), original.entries).astype(original.dtype)
    vectors, qualities, faults = original.checked(rows)
    for place, vector, quality, fault in zip(whole, vectors, qualities, faults, strict=True):
        made[place] = fault or Feature(vector, float(quality))
    return made
