"""An ImageNet network that looks at a picture once for all who ask: its classes and its pooled features.

Kinds share what it saw of a picture that is in memory, since looking is nearly all of the cost.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError, ModelError
from ambience.models.catalog import ModelRow
from ambience.models.checkpoint import read_checkpoint
from ambience.models.embedder import EmbeddedTexts
from ambience.models.graphs import efficientnet_lite

VIEWS = 2
"""The middle of a picture, and all of it."""

MIDDLE = 224 / 256
"""Share of the short side that is a side of the middle."""

MEAN, SPREAD = np.float32(127), np.float32(128)
"""What the network's pixels are: (value − 127) / 128."""


class Seen(NamedTuple):
    """What the network made of a picture.

    Attributes:
        logits: (2, 1000) float32, of the middle and of the whole.
        pooled: (2, 1280) float32.
    """

    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]


class PictureNetwork:
    """The network, ready to run; called from many threads at a time.

    Args:
        row: of the catalog.
        weights: the file that holds them.
        compile_graph: makes it ready for this processor.

    Raises:
        CorruptModelError: the weights are not usable.
    """

    def __init__(self, row: ModelRow, weights: Path, compile_graph: Callable[[Any], Any]) -> None:
        self.row = row
        (file,) = row.files
        tensors = read_checkpoint(weights, max_bytes=2 * file.size, sha256=file.sha256)
        try:
            graph = efficientnet_lite.build(row, tensors)
        except CorruptModelError as exc:
            raise CorruptModelError(f"{weights} is not used: {exc}") from exc
        graph.reshape([VIEWS, 3, efficientnet_lite.SIDE, efficientnet_lite.SIDE])
        self._compiled = compile_graph(graph)
        self._requests = threading.local()
        self._known: dict[int, tuple[weakref.ref[RgbImage], Seen]] = {}

    def see(self, rgb: RgbImage) -> Seen:
        """What the network makes of a picture; looked at once while the array is in memory.

        Args:
            rgb: (H, W, 3) uint8, at least one pixel; not changed as long as it is in memory.

        Returns:
            Logits and pooled features of both views.
        """
        known = self._known.get(id(rgb))
        if known is not None and known[0]() is rgb:
            return known[1]
        seen = self._run(views(rgb))
        key = id(rgb)
        self._known[key] = (weakref.ref(rgb, lambda _: self._known.pop(key, None)), seen)
        return seen

    def embed_pictures(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Pooled features, averaged over both views, of unit length.

        Args:
            pictures: (H, W, 3) uint8 each, at least one pixel.

        Returns:
            (N, 1280) float32.
        """
        pooled = [self.see(rgb).pooled.mean(axis=0) for rgb in pictures]
        return unit_length(np.array(pooled, np.float32).reshape(-1, self.row.dim))

    def embed_texts(self, texts: Sequence[str]) -> EmbeddedTexts:
        """None: it takes pictures alone.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"the model {self.row.name} takes pictures and no sentences")

    def _run(self, pixels: NDArray[np.float32]) -> Seen:
        if not hasattr(self._requests, "request"):  # memory for one call, which threads cannot share
            self._requests.request = self._compiled.create_infer_request()
        request: Any = self._requests.request
        request.infer([pixels], share_inputs=True, share_outputs=True)
        return Seen(request.get_output_tensor(0).data.copy(), request.get_output_tensor(1).data.copy())


def views(rgb: RgbImage) -> NDArray[np.float32]:
    """The two views of a picture: the middle of its short side, and all of it squashed into a square.

    Args:
        rgb: (H, W, 3) uint8, at least one pixel, of any aspect.

    Returns:
        (2, 3, 224, 224) float32, (value − 127) / 128.
    """
    from PIL import Image

    height, width = rgb.shape[:2]
    half = min(height, width) * MIDDLE / 2
    middle = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    side = (efficientnet_lite.SIDE,) * 2
    image = Image.fromarray(rgb)
    both = [
        image.resize(side, Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
        for box in (middle, (0, 0, width, height))
    ]
    pixels = np.stack([np.asarray(each, np.float32) for each in both]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray((pixels - MEAN) / SPREAD)


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (N, D) brought to length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
