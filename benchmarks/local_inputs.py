"""Real extractions that libraries of local features are filled with: photographs and their transforms.

`plan` says which pictures there are, so that the first ten thousand of fifty thousand are the ten thousand.
Photographs that queries are cut from are there once, as they are; all others also under transforms, which
make them other pictures. `Kept` keeps the blobs in the cache folder, made by processes on all cores, a
part at a time: what was broken off goes on where it stopped.
"""

import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import ambience
from ambience.datatypes import Picture
from ambience.errors import EmptyFeatureError
from ambience.keypoints import Blob
from local_library import extractor
from photos import QUERY_SHORT_SIDE, Photo, load_rgb, related_pairs
from report import cache_folder, cores, versions
from transforms import TRANSFORMS, jpeg_bytes, transformed

MakePart = Callable[[int], list[Blob | None]]

FORM = 1
"""Raised when this module makes other pictures of the same photographs."""

PART = 200
"""Pictures of one file of the cache."""

TOO_SMALL = frozenset(
    {
        "longest side 96", "longest side 64", "longest side 48", "crop keeping 8 %", "crop keeping 4 %",
        "crop 30 % side 160 mirror q 30",
    }
)  # fmt: skip
"""Transforms that leave too little of a picture to count as one more."""

FILLING = tuple(n for n, each in enumerate(TRANSFORMS) if each.name not in TOO_SMALL)
"""Transforms that make further pictures, by their place in `TRANSFORMS`."""

AS_IT_IS = -1
"""In place of a transform: the photograph at quality 95."""


@dataclass(frozen=True)
class Variant:
    """A picture of a collection.

    Attributes:
        photo: that it shows; index into the photos.
        transform: place in `TRANSFORMS`, or `AS_IT_IS`.
        other: photo that an inset lies on.
    """

    photo: int
    transform: int
    other: int


@dataclass(frozen=True)
class Plan:
    """A collection, and what is searched for in it.

    Attributes:
        variants: pictures; image n + 1 is variant n.
        queries: photos that queries are cut from, and of which the collection holds nothing but themselves.
        outsiders: photos that the collection holds nothing of.
    """

    variants: tuple[Variant, ...]
    queries: tuple[int, ...]
    outsiders: tuple[int, ...]

    def image_of(self, photo: int) -> int:
        """Image id of a photo as it is."""
        return self.variants.index(Variant(photo, AS_IT_IS, photo)) + 1


def plan(photos: Sequence[Photo], *, queries: int, outsiders: int, seed: int) -> Plan:
    """All pictures that photos and their transforms make, the photos themselves first.

    Args:
        photos: in an order that does not depend on the machine.
        queries: photos to cut queries from.
        outsiders: photos that are kept out.
        seed: who plays which part, and the order.

    Returns:
        The plan; with too few photos, half of the suitable ones are queries and outsiders.

    Raises:
        ValueError: fewer than eight photos are large enough and like no other.
    """
    rng = np.random.default_rng([seed, len(photos)])
    alone = related_pairs([_unlabeled(photo) for photo in photos]).sum(axis=1) == 1
    order = rng.permutation(len(photos)).tolist()
    suitable = [n for n in order if photos[n].short_side >= QUERY_SHORT_SIDE and alone[n]]
    if len(suitable) < 8:
        raise ValueError(
            f"{len(suitable)} photos with a short side of {QUERY_SHORT_SIDE} px and like no other; at least "
            "8 are needed"
        )
    queries = min(queries, len(suitable) // 4)
    outsiders = min(outsiders, len(suitable) // 4)
    asked, strangers = suitable[:queries], suitable[queries : queries + outsiders]
    apart = {*asked, *strangers}
    sources = [n for n in order if n not in apart]
    whole = [Variant(n, AS_IT_IS, n) for n in order if n not in set(strangers)]
    turns = np.stack([rng.permutation(FILLING) for _ in sources])
    others = rng.choice(sources, turns.shape)
    changed = [
        Variant(source, int(turns[place, turn]), int(others[place, turn]))
        for turn in range(turns.shape[1])
        for place, source in enumerate(sources)
    ]
    return Plan((*whole, *changed), tuple(asked), tuple(strangers))


def _unlabeled(photo: Photo) -> Photo:
    """The photo without its label: only near-duplicates are related to it then."""
    return Photo(photo.path, photo.key, "", photo.width, photo.height)


def picture_of(photos: Sequence[Photo], variant: Variant, seed: int) -> bytes:
    """JPEG bytes of a variant."""
    photo = photos[variant.photo]
    image = load_rgb(photo.path)
    if variant.transform == AS_IT_IS:
        return jpeg_bytes(image, 95)
    other = load_rgb(photos[variant.other].path)
    return transformed(image, other, TRANSFORMS[variant.transform], seed=seed, key=photo.key)


def decoded(file: bytes) -> Picture:
    """A JPEG file as extractors want it."""
    with Image.open(io.BytesIO(file)) as opened:
        rgb = np.asarray(opened.convert("RGB"))
    return Picture(rgb=rgb, width=rgb.shape[1], height=rgb.shape[0], format="jpeg")


class Kept:
    """Blobs by number, made in parts by processes on all cores, and kept in the cache folder.

    Args:
        stamp: names everything that they depend on.
        make: number of a part → its blobs, None where a picture has no keypoints; picklable.
        per_part: blobs of every part.
    """

    def __init__(self, stamp: str, make: MakePart, *, per_part: int) -> None:
        self.folder = cache_folder("local-features") / hashlib.sha256(stamp.encode()).hexdigest()[:12]
        self.folder.mkdir(exist_ok=True)
        self._make, self._per_part = make, per_part

    def prepare(self, count: int) -> None:
        """Makes what is missing of the first `count` blobs."""
        missing = [part for part in range(-(-count // self._per_part)) if not self._file(part).is_file()]
        if not missing:
            return
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ.setdefault(variable, "1")  # the workers share the cores among themselves
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(cores(), mp_context=context, initializer=_start) as pool:
            files = [self._file(part) for part in missing]
            for _ in pool.map(_write, [self._make] * len(missing), missing, files):
                pass

    def blobs(self, first: int, stop: int) -> Iterator[Blob | None]:
        """Blobs `first` … `stop`; they must be made."""
        for part in range(first // self._per_part, -(-stop // self._per_part)):
            made = _read(self._file(part))
            start = part * self._per_part
            yield from made[max(0, first - start) : max(0, stop - start)]

    def _file(self, part: int) -> Path:
        return self.folder / f"{part:05d}.npz"


@dataclass(frozen=True)
class Extracting:
    """Makes the blobs of a plan, `PART` variants a part.

    Attributes:
        photos: that the plan is of.
        variants: all of them.
        seed: of the transforms.
    """

    photos: Sequence[Photo]
    variants: Sequence[Variant]
    seed: int

    def __call__(self, part: int) -> list[Blob | None]:
        """Blobs of a part's variants."""
        made = extractor()
        blobs: list[Blob | None] = []
        for variant in self.variants[part * PART : (part + 1) * PART]:
            try:
                picture = decoded(picture_of(self.photos, variant, self.seed))
                blobs.append(made.extract([picture])[0].vector)
            except EmptyFeatureError:
                blobs.append(None)
        return blobs


def extractions(photos: Sequence[Photo], plan: Plan, *, seed: int) -> Kept:
    """The blobs of a plan's variants, by their place in it."""
    stamp = json.dumps([code_stamp("transforms"), [photo.key for photo in photos], seed])
    return Kept(stamp, Extracting(photos, plan.variants, seed), per_part=PART)


def code_stamp(*modules: str) -> str:
    """Names the code that extracts, and the given modules of this folder; this one by its `FORM`."""
    package = Path(ambience.__file__).parent
    files = [package / "keypoints.py", package / "extract" / "local_features.py"]
    files += sorted((package / "extract").glob("_*.py"))
    files += [Path(__file__).with_name(f"{module}.py") for module in modules]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    spec = extractor().spec
    packages = versions(("numpy", "pillow", "opencv-python-headless", "numba"))
    return json.dumps([FORM, spec.fingerprint, spec.version, code, packages])


def _start() -> None:
    import cv2

    cv2.setNumThreads(1)


def _write(make: MakePart, part: int, file: Path) -> None:
    """Makes one part of the cache."""
    blobs = [np.empty(0, np.uint8) if blob is None else blob for blob in make(part)]
    beside = file.with_suffix(f".{os.getpid()}.part")
    with beside.open("wb") as out:
        np.savez(out, lengths=np.array([len(blob) for blob in blobs]), joined=np.concatenate(blobs))
    beside.replace(file)


def _read(file: Path) -> list[Blob | None]:
    """The blobs of one part."""
    with np.load(file) as stored:
        lengths, joined = stored["lengths"], stored["joined"]
    stops = np.cumsum(lengths)
    return [
        joined[stop - length : stop] if length else None for length, stop in zip(lengths, stops, strict=True)
    ]
