"""Fifty pictures that captions are compared on: parts of photographs, turned and mirrored."""

import numpy as np
import skimage.data
from numpy.typing import NDArray

COUNT = 50


def caption_pictures() -> list[NDArray[np.uint8]]:
    """(H, W, 3) uint8, of many sizes; no two alike."""
    photos = [getattr(skimage.data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")]
    generator = np.random.default_rng(11)
    made = list(photos)
    while len(made) < COUNT - 1:
        photo = photos[len(made) % len(photos)]
        height, width = photo.shape[:2]
        high, wide = generator.integers(height // 5, height), generator.integers(width // 5, width)
        top, left = generator.integers(0, height - high), generator.integers(0, width - wide)
        part = photo[top : top + high, left : left + wide]
        made.append(np.rot90(part, generator.integers(0, 4))[:, :: generator.choice([1, -1])])
    made.append(photos[1][::-1])
    return [np.ascontiguousarray(each) for each in made]
