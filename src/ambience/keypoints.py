"""Local features of one picture as arrays, and as the one blob that the store keeps.

A blob is a header of 12 bytes and 136 bytes a point: little-endian, the points' places first, then their
descriptors, so that an index reads descriptors as one array. Places are fractions of the picture's own width
and height, so that they hold whatever size the picture was decoded at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import FeatureError

Blob = NDArray[np.uint8]
"""(bytes,) uint8: what `pack` makes."""

MAX_POINTS = 512
"""Points of one picture at most, so that `point_id = feature_id * 512 + n` names both."""

DESCRIPTOR = 128
"""Values of one descriptor: SIFT's 4×4 cells of 8 directions, and HardNet's dimension."""

FORM = 1
"""Form of the blob, raised when its layout changes."""

_HEADER = np.dtype(
    [("form", "u1"), ("reserved", "u1"), ("count", "<u2"), ("width", "<u4"), ("height", "<u4")]
)
_PLACE = np.dtype([("x", "<u2"), ("y", "<u2"), ("size", "<f2"), ("angle", "<u2")])
_WHOLE = 65_535.0

_HEAD = np.dtype([("header", _HEADER), ("places", _PLACE, MAX_POINTS)])

HEAD_BYTES = _HEAD.itemsize
"""First bytes of a blob that hold its places, however many points it has."""


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Points of one picture and what surrounds them; row n of every array is point n.

    Attributes:
        positions: (N, 2) float32 x, y: fractions of width and height, 0 at the left and upper edge, 1 at the
            right and lower edge.
        sizes: (N,) float32, diameter of the meaningful neighbourhood (OpenCV's `KeyPoint.size`) in pixels of
            the file's picture.
        angles: (N,) float32 degrees, 0 to 360: direction of the dominant gradient, 0 to the right, 90 down.
        descriptors: (N, 128) uint8.
        width: of the file's picture in pixels, after orientation.
        height: of the file's picture in pixels, after orientation.
    """

    positions: NDArray[np.float32]
    sizes: NDArray[np.float32]
    angles: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    width: int
    height: int

    @property
    def pixels(self) -> NDArray[np.float32]:
        """(N, 2) float32 places in pixels of the file's picture, from the outer edge of its first pixel."""
        return self.positions * np.array([self.width, self.height], np.float32)

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Places:
    """Sizes and angles of the points of many pictures, from the heads of blobs that nobody verified.

    Good for choosing what is worth reading whole, and for nothing that is answered.

    Attributes:
        counts: (B,) int64 points of each picture; 0 where the head is no head of a blob.
    """

    counts: NDArray[np.int64]
    _places: NDArray[np.void]

    def at(
        self, pictures: NDArray[np.int64], points: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Sizes and angles of points.

        Args:
            pictures: (P,) rows of `counts`.
            points: (P,) 0 to 511, which point of that picture.

        Returns:
            (P,) float32 sizes, as `Keypoints` has them, 0 where there is no such point or its size is no
            number; and (P,) float32 angles in degrees.
        """
        found = self._places[pictures, points]
        sizes = found["size"].astype(np.float32)
        is_point = (points < self.counts[pictures]) & np.isfinite(sizes)
        return np.where(is_point, sizes, np.float32(0)), _degrees(found["angle"])


def unpack_places(heads: NDArray[np.uint8]) -> Places:
    """Sizes and angles of points from the first bytes of blobs.

    Args:
        heads: (B, `HEAD_BYTES`) uint8, each with zeros at its end where its blob is shorter.

    Returns:
        Places, a view of the heads; whatever the bytes are.
    """
    rows = np.ascontiguousarray(heads).view(_HEAD)[:, 0]
    counts = rows["header"]["count"].astype(np.int64)
    is_head = (rows["header"]["form"] == FORM) & (counts <= MAX_POINTS)
    return Places(np.where(is_head, counts, 0), rows["places"])


def pack(keypoints: Keypoints) -> Blob:
    """Keypoints as one blob.

    Args:
        keypoints: at most `MAX_POINTS` of them.

    Returns:
        (12 + 136 N,) uint8. Places are rounded to 1/65,535 of width and height, angles to 1/182 degree, sizes
        to 11 bits.

    Raises:
        FeatureError: more points than a blob may hold.
    """
    count = len(keypoints)
    if count > MAX_POINTS:
        raise FeatureError(f"{count} keypoints in one picture; at most {MAX_POINTS} are kept")
    header = np.array([(FORM, 0, count, keypoints.width, keypoints.height)], _HEADER)
    places = np.empty(count, _PLACE)
    rounded = np.rint(np.clip(keypoints.positions, 0, 1) * _WHOLE)
    places["x"], places["y"] = rounded[:, 0], rounded[:, 1]
    places["size"] = np.minimum(keypoints.sizes, np.finfo(np.float16).max)
    places["angle"] = np.rint(keypoints.angles % 360 * (65_536 / 360)).astype(np.uint32) % 65_536
    return np.concatenate(
        [header.view(np.uint8), places.view(np.uint8), keypoints.descriptors.reshape(-1)], dtype=np.uint8
    )


def unpack(blob: NDArray[Any]) -> Keypoints:
    """What `pack` was given, as precisely as a blob holds it.

    Args:
        blob: (bytes,) uint8.

    Returns:
        Keypoints; their descriptors are a view of the blob.

    Raises:
        FeatureError: the bytes are no such blob.
    """
    blob = np.asarray(blob, np.uint8)
    header, places_at, descriptors_at = _parts(blob)
    places = blob[places_at:descriptors_at].view(_PLACE)
    positions = np.empty((len(places), 2), np.float32)
    positions[:, 0], positions[:, 1] = places["x"], places["y"]
    positions /= np.float32(_WHOLE)
    return Keypoints(
        positions=positions,
        sizes=places["size"].astype(np.float32),
        angles=_degrees(places["angle"]),
        descriptors=blob[descriptors_at:].reshape(-1, DESCRIPTOR),
        width=int(header["width"]),
        height=int(header["height"]),
    )


def stacked_descriptors(ids: Ids, blobs: Sequence[Blob]) -> tuple[Ids, NDArray[np.uint8]]:
    """Descriptors of many pictures as one array, each under its point id.

    Args:
        ids: (B,) int64 feature ids.
        blobs: of these features.

    Returns:
        (M,) int64 point ids (`feature_id * 512 + n`) and (M, 128) uint8 descriptors.

    Raises:
        FeatureError: the bytes are no such blob.
    """
    views = [blob[_parts(blob)[2] :].reshape(-1, DESCRIPTOR) for blob in blobs]
    counts = np.array([len(view) for view in views], np.int64)
    starts = np.cumsum(counts) - counts
    ordinals = np.arange(counts.sum()) - np.repeat(starts, counts)
    points: Ids = np.repeat(np.asarray(ids, np.int64) * MAX_POINTS, counts) + ordinals
    return points, np.concatenate(views) if views else np.empty((0, DESCRIPTOR), np.uint8)


def owners(point_ids: Ids) -> Ids:
    """Feature ids of points; -1, which pads, stays -1."""
    return point_ids // MAX_POINTS


def mirrored(keypoints: Keypoints, descriptors: NDArray[np.uint8] | None = None) -> Keypoints:
    """The keypoints that the picture, left and right swapped, would have.

    Args:
        keypoints: of the picture.
        descriptors: (N, 128) uint8 of the mirrored points; without them the points' own are SIFT's 4×4 cells
            of 8 directions, and are permuted.

    Returns:
        As many keypoints, in the same order.

    Source: Guo et al., "MIFT: a mirror reflection invariant feature descriptor", ACCV 2009: swapping the
    sides reverses one axis of the cells and the sense of rotation of the directions.
    """
    positions = keypoints.positions * np.array([-1, 1], np.float32) + np.array([1, 0], np.float32)
    return replace(
        keypoints,
        positions=positions,
        angles=(180 - keypoints.angles) % 360,
        descriptors=keypoints.descriptors[:, mirrored_order()] if descriptors is None else descriptors,
    )


@cache
def mirrored_order() -> NDArray[np.intp]:
    """(128,) where each value of a mirrored SIFT descriptor stands in the upright one."""
    rows, columns, directions = np.meshgrid(np.arange(4), np.arange(4), np.arange(8), indexing="ij")
    order: NDArray[np.intp] = ((3 - rows) * 32 + columns * 8 + (-directions) % 8).ravel()
    return order


def _degrees(angles: NDArray[np.uint16]) -> NDArray[np.float32]:
    degrees: NDArray[np.float32] = angles.astype(np.float32) * np.float32(360 / 65_536)
    return degrees


def _parts(blob: Blob) -> tuple[np.void, int, int]:
    """Header, and where places and descriptors begin; refuses what is no blob."""
    if len(blob) < _HEADER.itemsize:
        raise FeatureError(f"local features of {len(blob)} bytes; at least {_HEADER.itemsize} are needed")
    header = blob[: _HEADER.itemsize].view(_HEADER)[0]
    count = int(header["count"])
    length = _HEADER.itemsize + count * (_PLACE.itemsize + DESCRIPTOR)
    if int(header["form"]) != FORM or count > MAX_POINTS or len(blob) != length:
        raise FeatureError(
            f"local features of form {header['form']}, {count} points and {len(blob)} bytes; "
            f"form {FORM} with so many points has {length}"
        )
    return header, _HEADER.itemsize, _HEADER.itemsize + count * _PLACE.itemsize
