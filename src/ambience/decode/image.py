"""The decoder that ingest, search and the thumbnails share: one decode per picture."""

import math
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

from ambience.answers import Region
from ambience.datatypes import Picture, PixelNeed
from ambience.decode import limits, pixels
from ambience.decode.supervisor import WorkerPool
from ambience.decode.transforms import cropped
from ambience.errors import ImageError
from ambience.settings import DecodeSettings
from ambience.stages import Stages


class Decoder:
    """Bytes of picture files become pixels, once, within limits.

    Plain JPEG and PNG decode in the calling thread; everything else, and whatever is over
    `decode.worker_pixels`, in worker processes that start when first needed.

    Attributes:
        stages: how long decoding took, and whatever else is counted with it.
    """

    def __init__(self, settings: DecodeSettings, needs: Sequence[PixelNeed]) -> None:
        self._settings = settings
        sides = [need.longest_side for need in needs]
        wanted = [side for side in sides if side is not None]
        is_full = settings.exact or not wanted or len(wanted) < len(sides)
        self._need = None if is_full else max(1, *wanted)
        self.stages = Stages()
        self._lock = threading.Lock()
        self._workers: WorkerPool | None = None

    def require(self, need: PixelNeed) -> None:
        """From now on pictures satisfy this need as well; nothing where they do already."""
        if self._need is not None:
            self._need = None if need.longest_side is None else max(self._need, need.longest_side)

    def decode(
        self, data: bytes, *, name: str, longest_side: int | None = 0, region: Region | None = None
    ) -> Picture:
        """Pixels that satisfy every need; thread-safe.

        Args:
            data: of a picture file.
            name: of the file, for messages.
            longest_side: wanted beyond the needs of the kinds, in pixels; None: all there are.
            region: the only part of the upright picture that is wanted; None: all of it.

        Returns:
            The smallest picture whose longest side reaches the greatest need; full size, and `is_exact`,
            where somebody asks for full size or `decode.exact` is set. Of a region, as if it were a file of
            its own.

        Raises:
            UnsupportedFormatError: no picture format that is read.
            ImageLimitError: over a limit.
            CorruptImageError: truncated or damaged.
            DecoderFailedError: the decoding worker died, hung or ran out of memory.
        """
        need = None if self._need is None or longest_side is None else max(self._need, longest_side)
        if region is None:
            return self._timed(data, need, name)
        if need is not None:  # the region's longest side is this share of the picture's, or more
            need = math.ceil(need / min(region[2:]))
        return cropped(self._timed(data, need, name), region)

    def _timed(self, data: bytes, need: int | None, name: str) -> Picture:
        with self.stages.timed("decode"):
            return self._decoded(data, need, name)

    def _decoded(self, data: bytes, need: int | None, name: str) -> Picture:
        header = pixels.read_header(data, self._settings, name=name)
        if header is not None and header.is_plain and header.cost <= self._settings.worker_pixels:
            if header.format == "jpeg":
                return pixels.decode_jpeg(data, header, need=need, name=name)
            return pixels.decode_png(data, self._settings, need=need, name=name)
        with self._lock:
            if self._workers is None:
                self._workers = WorkerPool(self._settings)
            workers = self._workers
        return workers.decode(data, need=need, name=name)

    def read(self, path: Path) -> bytes:
        """Bytes of a file that may hold a picture.

        Args:
            path: of a regular file, or of a link to one.

        Returns:
            All of its bytes.

        Raises:
            ImageLimitError: more bytes than `decode.max_bytes`; nothing was read.
            ImageError: not a regular file, or not readable; the message says why.
        """
        name = str(path)
        try:
            # Without O_NONBLOCK, opening a fifo would wait for somebody to write into it.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                facts = os.fstat(descriptor)
                if not stat.S_ISREG(facts.st_mode):
                    raise ImageError(f"{name}: {_kind(facts.st_mode)}, not a file; only files are read")
                limits.check_bytes(facts.st_size, self._settings, name=name)
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    # One byte more than it should have: what grows meanwhile is noticed, and reading makes
                    # room for no more than that.
                    data = file.read(facts.st_size + 1)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            raise ImageError(f"{name}: cannot be read: {reason}") from exc
        limits.check_bytes(len(data), self._settings, name=name)  # it may have grown meanwhile
        return data

    def close(self) -> None:
        """End the worker processes, if any were started."""
        with self._lock:
            if self._workers is not None:
                self._workers.close()


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
