"""Makes the golden values of this folder from the reference implementations; run by hand, in the test extra.

python tests/contract/golden/make.py
"""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import cv2
import imagehash
import numpy as np
import PIL
import skimage.data
from PIL import Image

FOLDER = Path(__file__).parent
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def pictures() -> dict[str, np.ndarray]:
    """(H, W, 3) uint8 by name: photographs, and pictures whose coefficients are tied."""
    photos = {name: getattr(skimage.data, name)() for name in PHOTOS}
    cat = photos["chelsea"]
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (200, 1))[:, :, None], 3, axis=2)
    return photos | {
        "symmetric": np.concatenate([cat, cat[:, ::-1]], axis=1),
        "symmetric_twice": np.concatenate([cat, cat[::-1]], axis=0)[:, : cat.shape[1] // 2],
        "ramp": ramp,
        "white": np.full((50, 70, 3), 255, np.uint8),
        "black": np.zeros((50, 70, 3), np.uint8),
        "one_row": cat[:1],
        "one_pixel": cat[:1, :1],
    }


def main() -> None:
    """Writes `phash.json`, `color.json` and `local_features.json`."""
    hashes, counts = {}, {}
    for name, rgb in pictures().items():
        bits = imagehash.phash(Image.fromarray(rgb), hash_size=24, highfreq_factor=4).hash
        hashes[name] = np.packbits(bits).tobytes().hex()
        histogram = cv2.calcHist([rgb], [0, 1, 2], None, [8, 8, 8], [0, 256, 0, 256, 0, 256]).flatten()
        scaled = histogram * 10_000_000 / (rgb.shape[0] * rgb.shape[1])
        top = np.argsort(-scaled, kind="stable")[:5]
        counts[name] = {
            "sha256": hashlib.sha256(scaled.astype("<f4").tobytes()).hexdigest(),
            "largest": {int(cell): float(scaled[cell]) for cell in top if scaled[cell] > 0},
        }
    made_with = {name: version(name) for name in ("numpy", "scipy", "scikit-image")}
    made_with |= {"pillow": PIL.__version__, "machine": platform.machine()}
    write("phash", f"imagehash.phash(hash_size=24, highfreq_factor=4), ImageHash {version('ImageHash')}",
          made_with, hashes)  # fmt: skip
    points = {name: strongest_points(rgb) for name, rgb in pictures().items()}
    write("local_features", f"cv2.SIFT(contrastThreshold=-1), OpenCV {cv2.__version__}", made_with, points)
    write("color", f"cv2.calcHist · 1e7 / pixels, OpenCV {cv2.__version__}", made_with, counts)


def strongest_points(rgb: np.ndarray) -> list[dict]:
    """The twelve strongest keypoints of the upper left 384×384 pixels, each place and direction once."""
    grey = cv2.cvtColor(np.ascontiguousarray(rgb[:384, :384]), cv2.COLOR_RGB2GRAY)
    found, raw = cv2.SIFT.create(contrastThreshold=-1).detectAndCompute(grey, None)
    order = sorted(range(len(found)), key=lambda number: -found[number].response)[:12]
    return [
        {
            "place": [round(value, 3) for value in found[number].pt],
            "size": round(found[number].size, 4),
            "angle": round(found[number].angle, 2),
            "sift": raw[number].astype(np.uint8).tobytes().hex(),
        }
        for number in order
    ]


def write(kind: str, reference: str, made_with: dict[str, str], values: dict) -> None:
    """Writes one file of golden values."""
    stored = {"reference": reference, "made_with": made_with, "pictures": values}
    (FOLDER / f"{kind}.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
