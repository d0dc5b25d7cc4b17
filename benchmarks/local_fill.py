"""Pictures that fill a library of local features to any size: real descriptors, each of them once.

A photograph is seen under views: stretched one and a half times in some direction, as a perspective does. Of
each view thousands of keypoints are extracted, where a library keeps hundreds, and dealt into pictures. Every
such picture counts four times: as it is, mirrored, as a negative, and both, which re-order the very values of
its descriptors. So each descriptor is a real one, displaced by the difference between a point and its
re-extraction under a transform, and none is a near copy of another: copies of one picture displaced by small
differences would lie two hundred deep around each of its points, which no real collection does.
`neighbor_statistics.py` shows that nearest neighbors are as far as those among real pictures.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Picture
from ambience.errors import EmptyFeatureError
from ambience.extract.base import PointExtractor
from ambience.keypoints import Blob, Keypoints, mirrored, pack, unpack
from local_inputs import Kept, code_stamp
from local_library import extractor
from photos import Photo, load_rgb

STRETCH = 1.5
"""Of a view, in one direction; the area is kept."""

TURN = math.pi * (3 - math.sqrt(5))
"""Between the directions of one view and the next: no two are ever alike."""

SIDE, POINTS = 1024, 3000
"""Longest side, and points, of a view."""

DEALT = 12
"""Pictures that the points of a view are dealt into."""

SYMMETRIES = 4


@dataclass(frozen=True)
class Viewing:
    """Makes the pictures of one photograph under one view a part, views varying slowest.

    Attributes:
        photos: used in turn.
        seed: deals the points.
    """

    photos: Sequence[Photo]
    seed: int

    def __call__(self, part: int) -> list[Blob | None]:
        """`DEALT` blobs; None where a picture has no keypoints."""
        view, photo = divmod(part, len(self.photos))
        rgb = load_rgb(self.photos[photo].path)
        placed = view_of(rgb.shape[1], rgb.shape[0], view * TURN)
        seen = placed.picture(rgb)
        made: PointExtractor = extractor()
        try:
            found = made.keypoints(seen, SIDE, POINTS, enlarge=2.0)
        except EmptyFeatureError:
            return [None] * DEALT
        found = chosen(found, np.flatnonzero(placed.shows(found.pixels)))
        # Extrema of neighboring samples may come to lie in one place.
        found = chosen(found, np.unique(found.descriptors, axis=0, return_index=True)[1])
        order = np.random.default_rng([self.seed, part]).permutation(len(found))
        hands = np.array_split(order, DEALT)
        return [pack(chosen(found, hand)) if len(hand) else None for hand in hands]


class Fill:
    """Any number of pictures, the same whoever makes them.

    Views vary slowest, then symmetries, then photographs, then the pictures of one view.

    Args:
        photos: that are seen; none that is searched for.
        seed: deals their points.
    """

    def __init__(self, photos: Sequence[Photo], *, seed: int) -> None:
        stamp = json.dumps([code_stamp("local_fill"), [photo.key for photo in photos], seed])
        self._kept = Kept(stamp, Viewing(photos, seed), per_part=DEALT)
        self._hands = DEALT * len(photos)
        self._photos = photos
        self.folder = self._kept.folder

    def views(self, count: int) -> int:
        """Views of every photograph that `count` pictures need."""
        return -(-count // (SYMMETRIES * self._hands))

    def prepare(self, count: int) -> None:
        """Extracts the views that `count` pictures need."""
        views, rest = divmod(count, SYMMETRIES * self._hands)
        self._kept.prepare(views * self._hands + min(rest, self._hands))

    def blobs(self, first: int, stop: int) -> Iterator[Blob | None]:
        """Pictures `first` … `stop`; their views must be prepared."""
        while first < stop:
            turn, hand = divmod(first, self._hands)
            view, symmetry = divmod(turn, SYMMETRIES)
            count = min(stop - first, self._hands - hand)
            start = view * self._hands + hand
            for blob in self._kept.blobs(start, start + count):
                yield None if blob is None else symmetric(blob, symmetry)
            first += count

    def photo(self, number: int) -> Photo:
        """That a picture shows."""
        return self._photos[number % self._hands // DEALT]

    def of_photos(self, photos: int, views: int) -> Iterator[Blob | None]:
        """Every picture of the first photographs under the first views."""
        for turn in range(views * SYMMETRIES):
            yield from self.blobs(turn * self._hands, turn * self._hands + photos * DEALT)


@dataclass(frozen=True)
class View:
    """A photograph seen stretched.

    Attributes:
        matrix: (2, 3) places in the photograph → places in the view, in pixels.
        size: width and height of the view in pixels, just large enough.
        shown: width and height of the photograph.
    """

    matrix: NDArray[np.float64]
    size: tuple[int, int]
    shown: tuple[int, int]

    def picture(self, rgb: NDArray[np.uint8]) -> Picture:
        """The view; beyond the edges of the photograph it is reflected."""
        import cv2

        seen = cv2.warpAffine(
            rgb, self.matrix, self.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return Picture(rgb=np.asarray(seen, np.uint8), width=self.size[0], height=self.size[1], format="jpeg")

    def shows(self, places: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(N,) whether (N, 2) places of the view, in pixels, are within the photograph."""
        back = (places - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T
        within: NDArray[np.bool_] = ((back >= 0) & (back <= self.shown)).all(axis=1)
        return within


def view_of(width: int, height: int, direction: float) -> View:
    """A photograph of that size stretched by `STRETCH` along a direction in radians, its area kept."""
    cos, sin = math.cos(direction), math.sin(direction)
    turn = np.array([[cos, sin], [-sin, cos]])
    stretch = turn.T @ np.diag([STRETCH**0.5, STRETCH**-0.5]) @ turn
    corners = stretch @ np.array([[0, width, 0, width], [0, 0, height, height]])
    least = corners.min(axis=1)
    across, along = np.ceil(corners.max(axis=1) - least).astype(int).tolist()
    return View(np.column_stack([stretch, -least]), (across, along), (width, height))


def symmetric(blob: Blob, number: int) -> Blob:
    """The keypoints that a picture would have: 0 as it is, 1 mirrored, 2 as a negative, 3 both."""
    keypoints = unpack(blob)
    if number & 1:
        keypoints = mirrored(keypoints)
    if number & 2:
        keypoints = negative(keypoints)
    return pack(keypoints)


def negative(keypoints: Keypoints) -> Keypoints:
    """The keypoints that the negative would have: every gradient, and so every frame, is turned by 180°.

    Within the turned frame, directions are what they were, and the cells come in reverse order.
    """
    return replace(
        keypoints,
        angles=(keypoints.angles + 180) % 360,
        descriptors=keypoints.descriptors[:, _negative_order()],
    )


@cache
def _negative_order() -> NDArray[np.intp]:
    rows, columns, directions = np.meshgrid(np.arange(4), np.arange(4), np.arange(8), indexing="ij")
    order: NDArray[np.intp] = ((3 - rows) * 32 + (3 - columns) * 8 + directions).ravel()
    return order


def chosen(keypoints: Keypoints, rows: NDArray[np.intp]) -> Keypoints:
    """Some keypoints, in the order of `rows`."""
    return replace(
        keypoints,
        positions=keypoints.positions[rows],
        sizes=keypoints.sizes[rows],
        angles=keypoints.angles[rows],
        descriptors=keypoints.descriptors[rows],
    )
