"""Pictures that the reference implementations and ours are given: photographs and what is odd."""

import numpy as np
import skimage.data
from numpy.typing import NDArray


def pictures() -> list[NDArray[np.uint8]]:
    """(H, W, 3) uint8: photographs of even and odd sides, strips, tiny ones, one of one color."""
    photos = [getattr(skimage.data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")]
    generator = np.random.default_rng(3)
    odd = [
        photos[1][:333, :501],
        photos[3][::3, ::3],
        photos[0][:, 200:231],
        photos[2][100:109],
        photos[2][:64, :64],
        np.full((40, 60, 3), (200, 30, 90), np.uint8),
        generator.integers(0, 256, (97, 131, 3), np.uint8),
        photos[0][250:257, 300:303],
    ]
    return [np.ascontiguousarray(each) for each in (*photos, *odd)]
