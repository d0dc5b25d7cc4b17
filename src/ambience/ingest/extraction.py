"""One file becomes a draft and its features: read, hash, decode once, all extractors.

The boundary at which anything that a single picture can do wrong becomes a recorded failure of that picture.
"""

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ambience.datatypes import FeatureState, ImageDraft, Picture
from ambience.decode.image import Decoder
from ambience.errors import AmbienceError, EmptyFeatureError, ImageError, ImageLimitError, ModelError
from ambience.extract.base import Extractor
from ambience.ingest.pipeline import ByteBudget
from ambience.ingest.scan import failed_file, is_absent, printable
from ambience.store.base import FailedFile, FeatureDraft

BUDGET_BYTES = 768 * 2**20
"""Bytes of big files in memory at once, over all threads."""
GROUP_PIXEL_BYTES = 4 * 2**20
"""Decoded pixels that wait for the extractors at once, a thread: more would leave the processor's cache."""

Drafts = dict[str, FeatureDraft]


@dataclass(frozen=True, slots=True)
class Task:
    """A file to be read.

    Attributes:
        path: absolute.
        image_id: of the image that this file is known to be; -1 for a new file.
        known_sha256: of the bytes that the library holds for it; None where that is not known.
        had_failed: whether an earlier failure of this path is recorded.
    """

    path: str
    image_id: int = -1
    known_sha256: bytes | None = None
    had_failed: bool = False


@dataclass(frozen=True, slots=True)
class Extracted:
    """A file that was read and is a picture.

    Attributes:
        task: what was asked.
        draft: what is known of the picture now.
        features: by kind; empty where the bytes are those that the library holds.
        is_unchanged: whether the bytes are those that the library holds.
    """

    task: Task
    draft: ImageDraft
    features: Drafts
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that gave no picture.

    Attributes:
        task: what was asked.
        file: the path and the reason.
        is_lasting: whether the same bytes would fail again, so that later runs pass over the file.
        is_gone: whether the file was not there any more, which is no failure of the file.
    """

    task: Task
    file: FailedFile
    is_lasting: bool
    is_gone: bool = False


Outcome = Extracted | Failure


Extractors = Mapping[str, Sequence[Extractor]]
"""By kind: that of the model in use first, then that of the model that is coming, where there is one."""


class Extraction:
    """Reads, decodes and extracts; called from many threads at a time.

    Attributes:
        extractors: what is made of a picture unless told otherwise; replaced as a whole.
    """

    def __init__(self, decoder: Decoder, extractors: Extractors) -> None:
        self._decoder, self.extractors = decoder, extractors
        self._budget = ByteBudget(BUDGET_BYTES)

    def run(
        self,
        tasks: Sequence[Task],
        stop: threading.Event,
        *,
        extractors: Extractors | None = None,
        redo: bool = False,
    ) -> list[Outcome]:
        """What became of files, in no order; those that `stop` cut off are left out.

        Args:
            tasks: files.
            stop: ends it after the picture in hand.
            extractors: all by default.
            redo: extracts even where the bytes are those that the library holds.

        Returns:
            One outcome per file that was worked on.
        """
        outcomes: list[Outcome] = []
        waiting: list[tuple[Task, ImageDraft, Picture]] = []
        pixel_bytes = 0
        for task in tasks:
            if stop.is_set():
                break
            opened = self._open(task, redo)
            if not isinstance(opened, tuple):
                outcomes.append(opened)
                continue
            waiting.append((task, *opened))
            pixel_bytes += opened[1].rgb.nbytes
            if pixel_bytes >= GROUP_PIXEL_BYTES:
                outcomes += self._finish(waiting, extractors)
                waiting, pixel_bytes = [], 0
        return outcomes + self._finish(waiting, extractors)

    def drafts(
        self, data: bytes, picture: Picture, *, name: str, kinds: Sequence[str] | None = None
    ) -> tuple[ImageDraft, Drafts]:
        """One picture from bytes; see `Ingest.extract`."""
        draft = _draft(picture, hashlib.sha256(data).digest(), len(data), name)
        every = self.extractors
        chosen = every if kinds is None else {kind: every[kind] for kind in kinds}
        return draft, self._features([picture], chosen)[0]

    def opened(self, task: Task, *, longest_side: int | None) -> tuple[ImageDraft, Picture] | Outcome:
        """Draft and pixels of one file, of which no features are made, or why there are none.

        Args:
            task: the file.
            longest_side: wanted of its pixels, whatever less the kinds want.
        """
        return self._open(task, redo=True, longest_side=longest_side)

    def _open(
        self, task: Task, redo: bool, *, longest_side: int | None = 0
    ) -> tuple[ImageDraft, Picture] | Outcome:
        """Draft and pixels of one file, or why there are none."""
        status: os.stat_result | None = None
        is_read = False
        try:
            status = os.stat(task.path)  # noqa: PTH116 - once per picture; a Path object costs more than the call
            with self._budget.holding(status.st_size):
                data, status = self._read(task.path, status)
                is_read = True
                sha256 = hashlib.sha256(data).digest()
                if sha256 == task.known_sha256 and not redo:
                    draft = ImageDraft(sha256, len(data), _name(task.path), task.path, status.st_mtime_ns)
                    return Extracted(task, draft, {}, is_unchanged=True)
                picture = self._decoder.decode(data, name=task.path, longest_side=longest_side)
        except Exception as exc:  # noqa: BLE001 - the per-image boundary: one bad file never stops a run
            return _failure(task, status, exc, is_read=is_read)
        draft = _draft(picture, sha256, len(data), _name(task.path), task.path, status.st_mtime_ns)
        return draft, picture

    def _read(self, path: str, before: os.stat_result) -> tuple[bytes, os.stat_result]:
        """Bytes, and the status they belong to: a file that changed while it was read is read once more."""
        for _ in range(2):
            data = self._decoder.read(Path(path))
            after = os.stat(path)  # noqa: PTH116
            if (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, len(data)):
                return data, after
            before = after
        raise OSError(f"{path} is being written: it changed twice while it was read; add it again later")

    def _finish(
        self, waiting: Sequence[tuple[Task, ImageDraft, Picture]], extractors: Extractors | None
    ) -> list[Outcome]:
        features = self._features([picture for _, _, picture in waiting], extractors)
        return [
            Extracted(task, draft, made) for (task, draft, _), made in zip(waiting, features, strict=True)
        ]

    def _features(self, pictures: Sequence[Picture], extractors: Extractors | None) -> list[Drafts]:
        """Drafts of each picture by kind, in the order of the pictures."""
        drafts: list[Drafts] = [{} for _ in pictures]
        if not pictures:
            return drafts
        for kind, (first, *others) in (self.extractors if extractors is None else extractors).items():
            with self._decoder.stages.timed("extract", kind, count=len(pictures)):
                found = _of_kind(first, pictures)
            for made, draft in zip(drafts, found, strict=True):
                made[kind] = draft
            for other in others:
                for made, draft in zip(drafts, _of_kind(other, pictures), strict=True):
                    made[kind] = replace(made[kind], beside=draft)
        return drafts


def _of_kind(extractor: Extractor, pictures: Sequence[Picture]) -> list[FeatureDraft]:
    """Drafts of one kind: all pictures in one call, and one by one where that fails."""
    fingerprint = extractor.spec.fingerprint
    try:
        features = extractor.extract(pictures)
        if len(features) != len(pictures):
            raise ValueError(f"{len(features)} features of {len(pictures)} pictures")
        return [FeatureDraft(fingerprint, FeatureState.DONE, feature) for feature in features]
    except ModelError as exc:  # no fault of the pictures: they wait until the model is there
        return [FeatureDraft(fingerprint, FeatureState.PENDING, reason=printable(str(exc))) for _ in pictures]
    except EmptyFeatureError as exc:
        if len(pictures) == 1:
            return [FeatureDraft(fingerprint, FeatureState.EMPTY, reason=printable(str(exc)))]
    except Exception as exc:  # noqa: BLE001 - the per-image boundary: other kinds and other pictures go on
        if len(pictures) == 1:
            return [FeatureDraft(fingerprint, FeatureState.FAILED, reason=_reason(exc))]
    return [draft for picture in pictures for draft in _of_kind(extractor, [picture])]


def _draft(
    picture: Picture,
    sha256: bytes,
    size: int,
    name: str,
    path: str | None = None,
    mtime_ns: int | None = None,
) -> ImageDraft:
    return ImageDraft(
        sha256=sha256,
        size=size,
        name=name,
        path=path,
        mtime_ns=mtime_ns,
        format=picture.format,
        width=picture.width,
        height=picture.height,
        taken_at=picture.taken_at,
    )


def _failure(task: Task, status: os.stat_result | None, exc: Exception, *, is_read: bool) -> Failure:
    """A failure as the report has it, and whether it is worth remembering."""
    is_unreadable = not is_read and isinstance(exc, OSError)
    code = (
        exc.code if isinstance(exc, AmbienceError) else "path_unreadable" if is_unreadable else "unexpected"
    )
    # A limit is a setting and a disk can be mended: only what lies in the bytes themselves is remembered.
    is_lasting = is_read and isinstance(exc, ImageError) and not isinstance(exc, ImageLimitError)
    file = failed_file(
        task.path,
        code,
        exc if is_unreadable else _reason(exc),
        size=status.st_size if status else 0,
        mtime_ns=status.st_mtime_ns if status else 0,
    )
    return Failure(task, file, is_lasting, is_gone=not is_read and is_absent(task.path))


def _reason(exc: Exception) -> str:
    """What went wrong, for people: our own errors explain themselves, others need their type beside them."""
    text = str(exc) if isinstance(exc, AmbienceError) else f"{type(exc).__name__}: {exc}"
    return printable(text)


def _name(path: str) -> str:
    return printable(path.rpartition(os.sep)[2])
