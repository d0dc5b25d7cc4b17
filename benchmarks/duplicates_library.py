"""A library in which it is known who is a copy of whom: photographs with copies, among many other pictures.

Of half of the photographs there are copies, as files, added as any are: equal bytes, and one each of the
transforms that leave a picture the same, edit it, or cut a part of it. The rest is filled with pictures that
are copies of none of these, made of the other half (`local_fill.py`): features alone, real descriptors and
real hashes, since so many photographs are not to be had.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, FeatureState, Picture
from ambience.errors import StoreError
from ambience.extract.base import Extractor
from ambience.keypoints import Blob
from ambience.making import make_extractors
from ambience.settings import Settings
from ambience.store.base import FeatureDraft, PutImage
from ambience.store.commit import Store
from ambience.store.lock import WriterLock
from drafts import camera_draft
from labelled_pairs import EDITS, EITHER, WHOLE
from local_building import Notes
from local_fill import DEALT, Fill
from local_inputs import Kept, code_stamp
from photos import Photo, load_rgb, near_duplicates
from transforms import TRANSFORMS, Transform, transformed

HASH, POINTS = "phash", "local_features"
KINDS = (HASH, POINTS)

GROUP = 500
"""Images of one commit."""

EVERY_SAME_FILE = 3
"""Of so many photographs, one is there twice with equal bytes."""

LEAST_SHARE, MOST_SHARE = 0.25, 0.6
"""Of the area of a photograph that the hash of a filling picture is made of."""


@dataclass(frozen=True)
class Copy:
    """A file of the library.

    Attributes:
        name: of the file.
        photo: place of the photograph that it shows.
        truth: what it is of the photograph; "" for the photograph itself.
    """

    name: str
    photo: int
    truth: str


def settings_at(folder: Path) -> Settings:
    """Of a library of hashes and local features alone."""
    off = {"enabled": False}
    others = ("color", "global_features", "image_text_features")
    quiet = {name: off for name in ("text", "tags", "caption")}
    return Settings(library=folder, kinds={kind: off for kind in others}, annotate=quiet)


def halves(photos: Sequence[Photo], seed: int) -> tuple[list[Photo], list[Photo]]:
    """Photographs that have copies, and those that the rest is made of; no two of them alike.

    Returns:
        Of what looks alike beforehand, the first alone.
    """
    order = np.random.default_rng([seed, 31]).permutation(len(photos))
    drawn = [photos[number] for number in order]
    near = np.triu(near_duplicates(drawn), k=1).any(axis=0)
    kept = [photo for photo, is_again in zip(drawn, near, strict=True) if not is_again]
    return kept[::2], kept[1::2]


def copies(count: int, seed: int) -> list[Copy]:
    """What there is of each photograph."""
    made = []
    by_truth = {truth: _transforms(truth) for truth in ("same_picture", "edited", "part")}
    for photo in range(count):
        made.append(Copy(f"{photo:05d}-photo.jpg", photo, ""))
        if photo % EVERY_SAME_FILE == 0:
            made.append(Copy(f"{photo:05d}-same.jpg", photo, "same_file"))
        for truth, chosen in by_truth.items():
            made.append(Copy(f"{photo:05d}-{truth}-{(photo + seed) % len(chosen):02d}.jpg", photo, truth))
    return made


def _transforms(truth: str) -> list[Transform]:
    if truth == "same_picture":
        return [each for each in TRANSFORMS if each.name in WHOLE]
    if truth == "edited":
        return [each for each in TRANSFORMS if each.name in EDITS]
    return [each for each in TRANSFORMS if each.name not in WHOLE | EDITS | EITHER]


def write_copies(
    folder: Path, photos: Sequence[Photo], wanted: Sequence[Copy], seed: int, *, others: Sequence[Photo]
) -> None:
    """Writes the files that are not there yet; a file that is there is whole.

    Args:
        folder: for them.
        photos: that they show.
        wanted: files.
        seed: of the transforms.
        others: that insets lie over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, copy in enumerate(wanted):
        file = folder / copy.name
        if file.exists():
            continue
        photo = photos[copy.photo]
        if copy.truth in ("", "same_file"):
            data = photo.path.read_bytes()
        else:
            chosen = _transforms(copy.truth)
            transform = chosen[int(copy.name.rpartition("-")[2].partition(".")[0])]
            other = load_rgb(others[number % len(others)].path)
            data = transformed(load_rgb(photo.path), other, transform, seed=seed, key=photo.key)
        beside = file.with_suffix(".part")
        beside.write_bytes(data)
        beside.replace(file)


@dataclass(frozen=True)
class Hashing:
    """Makes the hashes of the pictures of a `Fill`, one photograph a part: each of another piece of it.

    Attributes:
        photos: used in turn.
        seed: of the pieces.
    """

    photos: Sequence[Photo]
    seed: int

    def __call__(self, part: int) -> list[Blob | None]:
        """`DEALT` features, each with its quality behind it."""
        made = extractors()[HASH]
        rgb = load_rgb(self.photos[part % len(self.photos)].path)
        rng = np.random.default_rng([self.seed, 37, part])
        pictures = [_picture(_piece(rgb, rng)) for _ in range(DEALT)]
        return [_packed(feature) for feature in made.extract(pictures)]


def _piece(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    share = rng.uniform(LEAST_SHARE, MOST_SHARE) ** 0.5
    aspect = rng.uniform(0.8, 1.25) ** 0.5
    height, width = (
        min(full, max(1, round(full * part)))
        for full, part in zip(rgb.shape[:2], (share * aspect, share / aspect), strict=True)
    )
    top, left = (
        int(rng.integers(full - part + 1)) for full, part in zip(rgb.shape[:2], (height, width), strict=True)
    )
    return np.ascontiguousarray(rgb[top : top + height, left : left + width])


def _picture(rgb: NDArray[np.uint8]) -> Picture:
    return Picture(rgb=rgb, width=rgb.shape[1], height=rgb.shape[0], format="jpeg")


def _packed(feature: Feature) -> Blob:
    vector = np.asarray(feature.vector, np.uint8)
    return np.concatenate([vector, np.frombuffer(np.float32(feature.quality).tobytes(), np.uint8)])


def _feature(packed: Blob) -> Feature:
    (quality,) = np.frombuffer(packed[-4:].tobytes(), np.float32)
    return Feature(packed[:-4], float(quality))


@lru_cache
def extractors() -> Mapping[str, Extractor]:
    """Of both kinds, with default settings."""
    made = make_extractors(Settings())
    return {kind: made[kind] for kind in KINDS}


class Filling:
    """Pictures that are copies of nothing in the library.

    Args:
        photos: that they are made of.
        seed: of everything drawn.
    """

    def __init__(self, photos: Sequence[Photo], *, seed: int) -> None:
        self._points = Fill(photos, seed=seed)
        stamp = json.dumps([code_stamp("duplicates_library"), [photo.key for photo in photos], seed, "hash"])
        self._hashes = Kept(stamp, Hashing(photos, seed), per_part=DEALT)

    def prepare(self, count: int) -> None:
        """Makes what is missing of the first `count` pictures."""
        self._points.prepare(count)
        self._hashes.prepare(count)

    def features(self, first: int, stop: int) -> Iterator[dict[str, FeatureDraft]]:
        """Of pictures `first` … `stop`, by kind."""
        specs = {kind: made.spec for kind, made in extractors().items()}
        both = zip(self._points.blobs(first, stop), self._hashes.blobs(first, stop), strict=True)
        for points, packed in both:
            assert packed is not None
            yield {
                POINTS: _draft(specs[POINTS], None if points is None else Feature(points)),
                HASH: _draft(specs[HASH], _feature(packed)),
            }


def _draft(spec: FeatureSpec, feature: Feature | None) -> FeatureDraft:
    if feature is None:
        return FeatureDraft(spec.fingerprint, FeatureState.EMPTY, reason="no keypoints")
    return FeatureDraft(spec.fingerprint, FeatureState.DONE, feature)


def fill_up(folder: Path, filling: Filling, count: int, notes: Notes) -> None:
    """Adds filling pictures until the library holds `count` images; goes on where it was broken off.

    Args:
        folder: of the library, which nobody has open.
        filling: its pictures.
        count: of images in all.
        notes: of what it took.

    Raises:
        StoreError: an image was refused.
    """
    specs = {kind: made.spec for kind, made in extractors().items()}
    lock = WriterLock.acquire(folder, purpose="benchmark")
    try:
        with Store.open(folder, specs, writer=True) as store:
            real = sum(1 for record in store.records.list_images(limit=count) if not _is_made(record.path))
            done = store.records.count() - real
            notes.begin("filled", done)
            for first in range(done, count - real, GROUP):
                stop = min(first + GROUP, count - real)
                writes = [
                    PutImage(camera_draft(number), features)
                    for number, features in enumerate(filling.features(first, stop), start=first)
                ]
                for outcome in store.commit(writes):
                    if isinstance(outcome, StoreError):
                        raise outcome
                notes.reach(stop)
    finally:
        lock.release()


def _is_made(path: str | None) -> bool:
    return path is None or path.startswith("/home/someone/")


def stamp_of(photos: Sequence[Photo], images: int, seed: int) -> str:
    """Names a library in the cache."""
    said: list[Any] = [code_stamp("duplicates_library", "local_fill"), images, seed]
    said.append([photo.key for photo in photos])
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
