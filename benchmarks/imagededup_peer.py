"""imagededup's four hashes of pictures, in an environment of its own: importing imagededup needs PyTorch.

Usage: python imagededup_peer.py TASKS.json OUT.npz, where TASKS.json lists files: pictures, or `.npz` files
whose arrays are JPEG bytes. OUT.npz holds for each method (files × pictures a file, 8) uint8 packed bits.
Only the standard library and what imagededup itself installs are imported here.
"""

import io
import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

METHODS = {"phash": "PHash", "dhash": "DHash", "ahash": "AHash", "whash": "WHash"}


def hashes(path: str) -> np.ndarray:
    """Packed bits of every picture of a file by every method: (methods, pictures, 8) uint8."""
    import imagededup.methods

    methods = [getattr(imagededup.methods, name)(verbose=False) for name in METHODS.values()]
    return np.stack(
        [
            [list(bytes.fromhex(method.encode_image(image_array=rgb))) for rgb in pictures(path)]
            for method in methods
        ]
    ).astype(np.uint8)


def pictures(path: str) -> list[np.ndarray]:
    """(H, W, 3) uint8 pictures of a file."""
    if not path.endswith(".npz"):
        with Image.open(path) as file:
            return [np.asarray(ImageOps.exif_transpose(file).convert("RGB"))]
    with np.load(path) as files:
        return [
            np.asarray(Image.open(io.BytesIO(files[name].tobytes())).convert("RGB")) for name in files.files
        ]


def main() -> None:
    """Hashes all files on all cores."""
    tasks = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with multiprocessing.Pool() as pool:
        found = np.concatenate(pool.map(hashes, tasks, chunksize=4), axis=1)
    np.savez(sys.argv[2], **dict(zip(METHODS, found, strict=True)))


if __name__ == "__main__":
    main()
