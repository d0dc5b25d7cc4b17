"""A library as files that any program reads: JSON lines for what is known of images, npz for their features.

Everything is written into a folder beside the one that was asked for, which takes its name at the end: a
folder of that name is whole. Memory is bounded, however large the library is.
"""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, ImageRecord
from ambience.errors import CorruptFeatureError, StoreError, UnknownImageError, UnknownKindError
from ambience.store.commit import Store
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.sync import sync
from ambience.version import __version__
from ambience.words import ImageWords

FORMAT: Final = 1
"""Of what is written; raised whenever a reader has to know."""

IMAGES_NAME: Final = "images.jsonl"
MANIFEST_NAME: Final = "manifest.json"
PAGE_IMAGES: Final = 1000
SHARD_BYTES: Final = 64 * 2**20
"""Of vectors in one npz, at most."""

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        folder: that holds it.
        images: lines of `images.jsonl`.
        features: by kind, how many images have one there.
        unreadable: by kind, features left out since their stored bytes are damaged or gone.
        is_whole: False where it was stopped: then nothing is left of it.
    """

    folder: Path
    images: int
    features: Mapping[str, int]
    unreadable: Mapping[str, int]
    is_whole: bool = True


class Export:
    """Writes a library to a folder; a reader's library is enough, and others may go on changing it.

    Args:
        store: of the library.
        specs: of the kinds whose features are here.
    """

    def __init__(self, store: Store, specs: Mapping[str, FeatureSpec]) -> None:
        self._store, self._specs = store, specs

    def write(
        self,
        folder: Path,
        *,
        kinds: Sequence[str] | None = None,
        on_progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> Exported:
        """Writes all images, what is said of them, and their features.

        Args:
            folder: to be made; its parent exists. An empty folder is replaced.
            kinds: whose features are written; none of them: images alone; by default all.
            on_progress: called with what is written, how much of it is, and how much there is.
            stop: set to end early; nothing is left then.

        Returns:
            What was written. Images that are added meanwhile may be missing; features are of images that are
            there alone.

        Raises:
            StoreError: the folder exists and holds something, or cannot be written.
            StoreFullError: the disk is full; nothing is left of what was written.
            UnknownKindError: no such kind has features here.
        """
        wanted = self._wanted(kinds)
        folder = folder.absolute()
        stop, tell = stop or threading.Event(), on_progress or (lambda what, done, of: None)
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise StoreError(f"{folder} exists; name a folder that does not, or an empty one")
            partial = Path(tempfile.mkdtemp(".partial", f".{folder.name}.", folder.parent))
            try:
                made = self._written(partial, folder, wanted, tell, stop)
                if made.is_whole:
                    partial.rename(folder)
                    sync(folder.parent)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        except OSError as exc:
            if is_disk_full(exc):
                raise disk_full(folder.parent, exc) from exc
            raise StoreError(
                f"{folder} cannot be written: {exc.strerror or exc}; name another folder"
            ) from exc
        return made

    def _wanted(self, kinds: Sequence[str] | None) -> list[FeatureSpec]:
        names = list(self._specs) if kinds is None else list(dict.fromkeys(kinds))
        for name in names:
            if name not in self._specs:
                have = ", ".join(self._specs) or "none"
                raise UnknownKindError(f"no kind {name!r} has features in this library; have {have}")
        return [self._specs[name] for name in names]

    def _written(
        self,
        partial: Path,
        folder: Path,
        wanted: Sequence[FeatureSpec],
        tell: OnProgress,
        stop: threading.Event,
    ) -> Exported:
        ids = self._write_images(partial / IMAGES_NAME, tell, stop)
        kinds: dict[str, dict[str, Any]] = {}
        for spec in wanted:
            kinds[spec.kind] = self._write_features(partial, spec, ids, tell, stop)
        features = {kind: each["features"] for kind, each in kinds.items()}
        unreadable = {kind: each["unreadable"] for kind, each in kinds.items() if each["unreadable"]}
        manifest = {
            "format": FORMAT,
            "ambience": __version__,
            "exported_at": datetime.now(UTC).isoformat(),
            "images": len(ids),
            "kinds": kinds,
        }
        _write_text(partial / MANIFEST_NAME, json.dumps(manifest, indent=2) + "\n")
        sync(partial)
        return Exported(folder, len(ids), features, unreadable, is_whole=not stop.is_set())

    def _write_images(self, file: Path, tell: OnProgress, stop: threading.Event) -> Ids:
        """Writes the lines; returns the ids that were written, ascending."""
        records, total = self._store.records, self._store.records.count()
        pages: list[Ids] = []
        done, after = 0, -1
        with file.open("w", encoding="utf-8", newline="\n") as out:
            while not stop.is_set() and (page := records.list_images(after=after, limit=PAGE_IMAGES)):
                ids = [each.image_id for each in page]
                words = records.words(ids)
                for record in page:
                    _write_line(out, _document(record, words[record.image_id]))
                pages.append(np.array(ids, np.int64))
                done, after = done + len(ids), ids[-1]
                tell("images", done, max(done, total))
            out.flush()
            os.fsync(out.fileno())
        return np.concatenate(pages) if pages else np.empty(0, np.int64)

    def _write_features(
        self,
        partial: Path,
        spec: FeatureSpec,
        ids: Ids,
        tell: OnProgress,
        stop: threading.Event,
    ) -> dict[str, Any]:
        """Writes the shards of one kind; returns what the manifest says of it."""
        images, features = self._store.records.features_by_image(spec.fingerprint)
        is_known = np.isin(images, ids, assume_unique=True)
        images, features = images[is_known], features[is_known]
        files: list[str] = []
        done = unreadable = 0
        for part in self._store.features.parts(spec, features, SHARD_BYTES):
            if stop.is_set():
                break
            mine = images[done : done + len(part)]
            done += len(part)
            shard = self._readable(spec, mine, part)
            unreadable += len(part) - len(shard.images)
            if len(shard.images):
                files.append(f"{spec.kind}-{len(files):05d}.npz")
                _write_shard(partial / files[-1], spec, shard)
            tell(spec.kind, done, len(features))
        return {
            "fingerprint": spec.fingerprint,
            "title": spec.title,
            "model": spec.model,
            "metric": spec.metric,
            "dim": spec.dim,
            "dtype": spec.dtype,
            "is_blob": spec.is_blob,
            "features": done - unreadable,
            "unreadable": unreadable,
            "files": files,
        }

    def _readable(self, spec: FeatureSpec, images: Ids, feature_ids: Ids) -> "_Shard":
        """Features that can be read: all of them, unless files of the library are damaged."""
        while len(feature_ids):
            try:
                return _Shard(images, *self._store.features.get(spec, feature_ids))
            except (UnknownImageError, CorruptFeatureError) as exc:
                is_whole = ~np.isin(feature_ids, np.array(exc.feature_ids, np.int64))
                images, feature_ids = images[is_whole], feature_ids[is_whole]
        return _Shard(images, np.empty(0), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class _Shard:
    images: Ids
    vectors: NDArray[Any]
    qualities: NDArray[np.float32]


def _write_shard(file: Path, spec: FeatureSpec, shard: _Shard) -> None:
    arrays: dict[str, Any] = {"image_ids": shard.images, "qualities": shard.qualities}
    if spec.is_blob:
        arrays["lengths"] = np.array([len(each) for each in shard.vectors], np.int64)
        arrays["joined"] = np.concatenate([np.frombuffer(each, np.uint8) for each in shard.vectors])
    else:
        arrays["vectors"] = shard.vectors
    with file.open("wb") as out:
        np.savez(out, **arrays)
        out.flush()
        os.fsync(out.fileno())


def _write_line(out: TextIO, document: dict[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False)
    try:
        out.write(text + "\n")
    except UnicodeEncodeError:  # a file name of bytes that are no UTF-8: escaped, it reads back as it was
        out.write(json.dumps(document) + "\n")


def _write_text(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _document(record: ImageRecord, words: ImageWords) -> dict[str, Any]:
    return {
        "image_id": record.image_id,
        "sha256": record.sha256.hex(),
        "size": record.size,
        "name": record.name,
        "path": record.path,
        "is_upload": record.is_upload,
        "format": record.format,
        "width": record.width,
        "height": record.height,
        "taken_at": None if record.taken_at is None else record.taken_at.isoformat(),
        "added_at": None if record.added_at is None else record.added_at.isoformat(),
        "state": record.state.value,
        "features": {kind: state.value for kind, (state, _) in record.features.items()},
        "tags": [asdict(tag) for tag in words.tags],
        "captions": [asdict(caption) for caption in words.captions],
        "text": [asdict(line) for line in words.lines],
        "source_url": words.source_url or None,
    }
