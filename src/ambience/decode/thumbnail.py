"""A decoded picture as a small JPEG, for people to look at; and the cache of those already made."""

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from ambience.datatypes import Picture

QUALITY = 85
"""JPEG quality of thumbnails: no visible artifacts at these sizes, about 20 kB at 320 pixels."""


def thumbnail(picture: Picture, size: int) -> bytes:
    """A JPEG whose longest side is at most `size` pixels; never enlarged.

    Args:
        picture: decoded to at least `size` pixels, or its full size.
        size: pixels, 1 or more.

    Returns:
        Bytes of a baseline JPEG, sRGB, orientation applied.
    """
    import simplejpeg

    rgb = reduced(picture, size).rgb
    encoded: bytes = simplejpeg.encode_jpeg(rgb, quality=QUALITY, colorspace="RGB")
    return encoded


def reduced(picture: Picture, size: int) -> Picture:
    """The picture with fewer pixels, for people to look at.

    Args:
        picture: decoded.
        size: pixels that its longest side has at most; 1 or more.

    Returns:
        The picture itself where it is small enough.
    """
    import cv2

    height, width = picture.rgb.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return picture
    target = (max(round(width * scale), 1), max(round(height * scale), 1))
    rgb = np.asarray(cv2.resize(picture.rgb, target, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return replace(picture, rgb=rgb, is_exact=False)


Key = tuple[bytes, int]
"""sha256 of the file, and the size asked for."""


class ThumbnailCache:
    """Thumbnails already made: least recently used ones go first, bounded by bytes; thread-safe.

    Args:
        capacity: bytes.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._entries: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> bytes | None:
        """The thumbnail kept under a key, or None."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: Key, value: bytes) -> None:
        """Keeps a thumbnail, and forgets the least recently used ones beyond the capacity."""
        with self._lock:
            self._held += len(value) - len(self._entries.pop(key, b""))
            self._entries[key] = value
            while self._held > self._capacity:
                self._held -= len(self._entries.popitem(last=False)[1])
