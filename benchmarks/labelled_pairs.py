"""Pictures of which it is known what each is of the other: calibration is fitted to them, verdicts judged.

`material` makes one of two parts that share no photograph: "fit" for `tools/fit_calibration.py`, "test" to
judge it by. Query sources and outsiders of `robustness.py` belong to the test alone. Each part is a folder
of pictures for a library, and queries with the truth about them, by the sha256 of a picture of the library.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from cases import FULL
from photos import QUERY_SHORT_SIDE, Photo, find_photos, load_rgb, near_duplicates, split_photos
from same_scene import scene_photos
from transforms import TRANSFORMS, RgbImage, fitted, jpeg_bytes, text_bars, transformed, watermark

Part = Literal["fit", "test"]

Truth = Literal[
    "same_file",
    "same_picture",
    "edited",
    "part",
    "same_scene",
    "far_scene",
    "look_alike",
    "same_colors",
    "none",
    "foreign",
]
"""What a picture of the library is to a query: a verdict; "none"; "far_scene": of one place, perhaps from
so far that neither shows what the other does; or "foreign": no copy and not the same scene, and nobody knows
whether both show the same sort of thing, since their labels do not compare."""

COPIES = frozenset({"same_file", "same_picture", "edited", "part"})

WHOLE = frozenset(
    {
        "jpeg q 30", "jpeg q 95", "half size", "longest side 160", "longest side 96", "mirror",
        "rotation 90 or 270°", "longest side 64", "longest side 48",
    }
)  # fmt: skip
"""Transforms that leave a picture the same picture, turned or not."""

EDITS = frozenset(
    {
        "crop 5 % off each side", "rotation ± 4°", "brightness + contrast + color", "grey", "noise σ 25.5",
        "blur σ 3", "text bars", "watermark", "screenshot", "aspect × 1.3", "blur σ 6", "noise σ 64",
        "aspect × 2", "18 of 30 cells covered",
    }
)  # fmt: skip
"""Transforms that leave most of a picture, visibly altered: six tenths or more of both areas overlap."""

EITHER = frozenset(
    {"rotation ± 30°", "perspective ≤ 14 %", "perspective 10–28 %", "crop 60 % × 0.6 mirror q 40"}
)
"""Transforms that leave six tenths of a picture, or of the frame, more or less: edits or parts. They are
copies, and no more is said of them."""

BURSTS = frozenset({"freiburg_office", "dsc_041x"})
"""Scenes taken as a film or a burst: each photo and the next one show the same from nearby."""

GREY = 4
"""Levels by which the channels of a grey picture may differ."""

FIT_SCENES = frozenset({"monstree", "sacre_coeur"})
"""Scenes of the fit; of the pairs of photos, every other one as well."""

SIZES: Mapping[Part, Mapping[str, int]] = {
    "fit": {
        "gallery": 420, "sources": 96, "per_source": 9, "outsiders": 60, "foreign": 60, "per_foreign": 4,
        "alike": 140, "made": 40, "same": 80, "asked": 240,
    },
    "test": {
        "gallery": 420, "sources": 120, "per_source": 4, "outsiders": 120, "foreign": 60, "per_foreign": 1,
        "alike": 0, "made": 60, "same": 100,
    },
}  # fmt: skip
"""Photos and queries of each part."""

SCENES_MADE: Mapping[Part, int] = {"fit": 60, "test": 80}
"""Pairs of `moved_camera`."""


@dataclass(frozen=True)
class Labelled:
    """One query and the truth about what it is asked among.

    Attributes:
        data: bytes of the file.
        group: what it was made by; for tables.
        truths: by key, where more is known than by labels.
        unknown: keys of pictures that may show the same scene, or were near-duplicates before.
        own: key of the picture that is left out of the answer, since it is the query.
        label: of the photo, as source and label; "" where nothing is said.
    """

    data: bytes
    group: str
    truths: Mapping[str, Truth] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    own: str = ""
    label: str = ""

    def truth(self, key: str, label: str) -> Truth | None:
        """What a picture of the library is to this query.

        Args:
            key: of the picture.
            label: of the picture.

        Returns:
            None where nobody knows.
        """
        if key in self.truths:
            return self.truths[key]
        if key in self.unknown:
            return None
        if not self.label or not label or self.label.split("/")[0] != label.split("/")[0]:
            return "foreign"
        return "look_alike" if self.label == label else "none"

    def is_right(self, verdict: str, truth: Truth | None) -> bool | None:
        """Whether a verdict is right; None where nobody knows."""
        if truth is None or (truth == "foreign" and verdict in ("look_alike", "same_colors")):
            return None
        if verdict == "same_colors":  # says no more than its figure
            return None
        if self.group in EITHER and truth == "part":
            return verdict in ("part", "edited")
        if truth == "far_scene":
            return None if verdict == "look_alike" else verdict == "same_scene"
        return verdict == truth


@dataclass(frozen=True)
class Material:
    """A library's pictures, and what to ask it.

    Attributes:
        files: of the library, by key.
        labels: of these, as source and label; "" where nothing is said.
        queries: with truths.
    """

    files: Mapping[str, Path]
    labels: Mapping[str, str]
    queries: Sequence[Labelled]


def material(
    part: Part, photos: Path | None, scenes: Path | None, folder: Path, *, seed: int = 1
) -> Material:
    """One part.

    Args:
        part: which.
        photos: folder with a manifest, or of pictures without labels; None takes those of scikit-image.
        scenes: folder with a manifest of groups; None where there is none.
        folder: for made pictures.
        seed: of the split of `robustness.py` and of everything drawn here.

    Returns:
        The same for the same arguments.

    Raises:
        ValueError: there are too few photographs.
    """
    found = find_photos(photos)
    split = split_photos(found, seed=seed, **FULL)
    size = SIZES[part]
    reported = {*split.queries.tolist(), *split.outsiders.tolist()}
    free = [
        number
        for number in np.random.default_rng([seed, 7]).permutation(len(found))
        if number not in reported
    ]
    fit_gallery, fit_outsiders = _of_the_fit(found, free)
    if part == "fit":
        gallery, outsiders, sources = fit_gallery, fit_outsiders, fit_gallery[: size["sources"]]
        if len(free) <= size["gallery"]:
            raise ValueError(
                f"{len(found)} photographs, of which {len(free)} are left beside those that benchmarks "
                f"report on; a fit needs more than {FULL['queries'] + FULL['outsiders'] + size['gallery']}"
            )
    else:
        sources, outsiders = (
            split.queries[: size["sources"]].tolist(),
            split.outsiders[: size["outsiders"]].tolist(),
        )
        taken = {*fit_gallery, *fit_outsiders}
        rest = [number for number in free if number not in taken]
        gallery = [*split.queries.tolist(), *rest][: size["gallery"]]
    held, strangers = [found[i] for i in gallery], [found[i] for i in outsiders]
    makers = _Makers(part, held, [found[i] for i in sources], strangers, size, seed, folder)
    scene = [] if scenes is None else _scene_photos(part, scenes)
    made = makers.library_pictures()
    files = {photo.key: photo.path for photo in (*held, *scene)} | made
    labels = {photo.key: _label(photo) for photo in held}
    queries = [*makers.queries(), *_scene_queries(scene)]
    return Material(files, labels, queries)


def moved_camera(part: Part, photos: Path | None, folder: Path, *, seed: int = 1) -> Material:
    """Pairs of pictures as two photographs of one scene from nearby would be, and others beside them.

    Photographs of one scene with a known truth are few. So every pixel of a photograph is given a depth,
    smooth and random, and moves by the camera's way over its depth: what is near moves past what is far.

    Args:
        part: which.
        photos: as of `material`.
        folder: for made pictures.
        seed: as of `material`.

    Returns:
        A library of first views and a few photographs; queries are second views.
    """
    found = find_photos(photos)
    split = split_photos(found, seed=seed, **FULL)
    reported = [*split.queries.tolist(), *split.outsiders.tolist()]
    free = sorted(set(range(len(found))) - set(reported))
    chosen = np.random.default_rng([seed, 19]).permutation(reported if part == "test" else free)
    photographed = [found[i] for i in chosen[: SCENES_MADE[part]]]
    files = {found[i].key: found[i].path for i in chosen[SCENES_MADE[part] :][:100]}
    folder.mkdir(parents=True, exist_ok=True)
    queries = []
    for number, photo in enumerate(photographed):
        first, second = _two_views(photo, np.random.default_rng([seed, 23, number]))
        key, file = hashlib.sha256(first).hexdigest(), folder / f"view-{number}.jpg"
        file.write_bytes(first)
        files[key] = file
        queries.append(Labelled(second, "scene, moved camera", {key: "same_scene"}))
    return Material(files, {}, queries)


def _of_the_fit(found: Sequence[Photo], free: Sequence[int]) -> tuple[list[int], list[int]]:
    """Gallery and outsiders of the fit, drawn as those that are reported on.

    What queries are made of is as large as there, where there is enough of it: small photographs are of other
    collections, whose labels are wider, and scores that were fitted to these would say little of others.
    """
    size = SIZES["fit"]
    large = [number for number in free if found[number].short_side >= QUERY_SHORT_SIDE]
    small = [number for number in free if found[number].short_side < QUERY_SHORT_SIDE]
    asked = [*large, *small][: size["outsiders"] + size["asked"]]
    outsiders, held = asked[: size["outsiders"]], asked[size["outsiders"] :]
    chosen = set(asked)
    rest = [number for number in free if number not in chosen]
    return [*held, *rest][: size["gallery"]], outsiders


class _Makers:
    """Makes the queries of one part."""

    def __init__(
        self,
        part: Part,
        held: Sequence[Photo],
        sources: Sequence[Photo],
        strangers: Sequence[Photo],
        size: Mapping[str, int],
        seed: int,
        folder: Path,
    ) -> None:
        self._part, self._held, self._sources, self._strangers = part, held, sources, strangers
        self._size, self._seed, self._folder = size, seed, folder
        both = [*held, *strangers]
        near = near_duplicates(both)
        self._near = {
            photo.key: frozenset(both[j].key for j in np.flatnonzero(near[i]) if j != i)
            for i, photo in enumerate(both)
        }

    def library_pictures(self) -> dict[str, Path]:
        """Pictures that are made for the library: with text over them, flat ones, and ones in other order."""
        made = {}
        for number, photo in enumerate(self._held[-self._size["made"] :]):
            rng = np.random.default_rng([self._seed, 11, number // 4])
            shown = text_bars(_small(photo), rng) if number % 2 else watermark(_small(photo))
            made.update(self._kept(f"text-{number}", jpeg_bytes(shown, 90)))
        for number in range(self._size["made"] // 2):
            made.update(self._kept(f"flat-{number}", jpeg_bytes(_flat(number, self._seed), 92)))
        return made

    def queries(self) -> Iterator[Labelled]:
        """Everything but scenes."""
        yield from self._copies()
        yield from self._foreign()
        yield from self._alike()
        yield from self._shared_text()
        yield from self._flats()
        yield from self._same_colors()
        if self._part == "test":
            yield from self._same_files()

    def _copies(self) -> Iterator[Labelled]:
        for number, photo in enumerate(self._sources):
            other = load_rgb(self._strangers[number % len(self._strangers)].path)
            image = load_rgb(photo.path)
            for each in _drawn(number, self._size["per_source"]):
                transform = TRANSFORMS[each]
                data = transformed(image, other, transform, seed=self._seed, key=photo.key)
                is_kept = transform.name == "grey" and _is_grey(image)
                truths: dict[str, Truth] = {
                    photo.key: "same_picture" if is_kept else truth_of(transform.name)
                }
                yield Labelled(data, transform.name, truths, self._near[photo.key], "", _label(photo))

    def _foreign(self) -> Iterator[Labelled]:
        for number, photo in enumerate(self._strangers[: self._size["foreign"]]):
            other = load_rgb(self._strangers[number - 1].path)
            image = load_rgb(photo.path)
            for each in _drawn(number + 7, self._size["per_foreign"]):
                data = transformed(image, other, TRANSFORMS[each], seed=self._seed, key=photo.key)
                unknown = self._near[photo.key]
                yield Labelled(data, "outsider", {}, unknown, "", _label(photo))

    def _alike(self) -> Iterator[Labelled]:
        plain = self._held[: -self._size["made"]]  # the others are in the library with text over them as well
        held = plain[self._size["sources"] :][: self._size["alike"]]
        for photo in [*self._strangers, *held]:
            if photo.label:
                own = photo.key
                yield Labelled(
                    photo.path.read_bytes(), "whole photo", {}, self._near[own], own, _label(photo)
                )

    def _shared_text(self) -> Iterator[Labelled]:
        for number in range(self._size["made"]):
            photo = self._strangers[number % len(self._strangers)]
            rng = np.random.default_rng([self._seed, 11, number // 4])
            shown = text_bars(_small(photo), rng) if number % 2 else watermark(_small(photo))
            yield Labelled(jpeg_bytes(shown, 90), "shared text", {}, self._near[photo.key], "", _label(photo))

    def _flats(self) -> Iterator[Labelled]:
        for number in range(self._size["made"] // 2):
            yield Labelled(jpeg_bytes(_flat(number + 1000, self._seed), 92), "flat picture")

    def _same_colors(self) -> Iterator[Labelled]:
        for number, photo in enumerate(self._sources[: self._size["same"]]):
            data = jpeg_bytes(_shuffled(load_rgb(photo.path), number, self._seed), 92)
            yield Labelled(data, "same pixels, other order", {photo.key: "same_colors"}, frozenset())

    def _same_files(self) -> Iterator[Labelled]:
        for photo in self._sources[: self._size["same"]]:
            yield Labelled(
                photo.path.read_bytes(), "same bytes", {photo.key: "same_file"}, self._near[photo.key]
            )

    def _kept(self, name: str, data: bytes) -> dict[str, Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{name}.jpg"
        if not file.is_file() or file.read_bytes() != data:
            file.write_bytes(data)
        return {hashlib.sha256(data).hexdigest(): file}


def _is_grey(image: RgbImage) -> bool:
    wide = image[::4, ::4].astype(np.int16)
    return bool(np.percentile(wide.max(axis=2) - wide.min(axis=2), 99) <= GREY)


def truth_of(transform: str) -> Truth:
    """What a photo is of its transformed self."""
    if transform in WHOLE:
        return "same_picture"
    return "edited" if transform in EDITS else "part"


def _drawn(number: int, count: int) -> list[int]:
    """Places of transforms, so that all come up as often."""
    total = len(TRANSFORMS)
    return [(number * count + step) * 17 % total for step in range(count)]


def _label(photo: Photo) -> str:
    """Source and label; labels of different collections do not compare."""
    return (
        f"{photo.path.parent.parent.name}/{photo.label.lower().removesuffix('_easy')}" if photo.label else ""
    )


def _small(photo: Photo) -> RgbImage:
    return fitted(load_rgb(photo.path), 512)


def _flat(number: int, seed: int) -> RgbImage:
    """A page, a gradient or two areas of one color each, with a little noise."""
    rng = np.random.default_rng([seed, 13, number])
    first, second = rng.integers(0, 256, (2, 3)).astype(np.float32)
    height, width = int(rng.integers(240, 500)), int(rng.integers(240, 500))
    share = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    form = number % 3
    if form == 0:
        share = np.zeros_like(share)
    elif form == 1:
        share = (share > rng.uniform(0.2, 0.8)).astype(np.float32)
    page = np.broadcast_to(first + (second - first) * share, (height, width, 3))
    noise = rng.standard_normal((height, width, 1), dtype=np.float32) * 2
    return np.clip(np.rint(page + noise), 0, 255).astype(np.uint8)


def _shuffled(image: RgbImage, number: int, seed: int) -> RgbImage:
    """The same pixels in another order: by brightness, or in cells of eight pixels that are strewn about."""
    small = fitted(image, 384)
    if number % 2:
        flat = small.reshape(-1, 3)
        order = np.argsort(flat.astype(np.int32).sum(axis=1), kind="stable")
        return np.ascontiguousarray(flat[order].reshape(small.shape))
    height, width = small.shape[0] // 8 * 8, small.shape[1] // 8 * 8
    cells = (
        small[:height, :width].reshape(height // 8, 8, width // 8, 8, 3).swapaxes(1, 2).reshape(-1, 8, 8, 3)
    )
    cells = cells[np.random.default_rng([seed, 17, number]).permutation(len(cells))]
    return np.ascontiguousarray(
        cells.reshape(height // 8, width // 8, 8, 8, 3).swapaxes(1, 2).reshape(height, width, 3)
    )


def _two_views(photo: Photo, rng: np.random.Generator) -> tuple[bytes, bytes]:
    """JPEG files of a photograph and of the same scene from beside it, each with noise of its own."""
    image = fitted(load_rgb(photo.path), 512)
    height, width = image.shape[:2]
    coarse = rng.uniform(0.0, 1.0, (int(rng.integers(4, 8)), int(rng.integers(4, 8)))).astype(np.float32)
    nearness = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    way = rng.uniform(3.0, 16.0)
    angle = rng.uniform(0, 2 * np.pi)
    zoom = rng.uniform(0.97, 1.03)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x_from = ((x - width / 2) * zoom + width / 2 + way * np.cos(angle) * nearness).astype(np.float32)
    y_from = ((y - height / 2) * zoom + height / 2 + way * np.sin(angle) * nearness).astype(np.float32)
    other = cv2.remap(image, x_from, y_from, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    noisy = [view + rng.standard_normal(view.shape) * 2.5 for view in (image, other)]
    first, second = (np.clip(np.rint(view), 0, 255).astype(np.uint8) for view in noisy)
    return jpeg_bytes(first, 90), jpeg_bytes(second, 90)


def _scene_photos(part: Part, folder: Path) -> list[Photo]:
    """Photos of the scenes of a part."""
    photos = scene_photos(folder)
    groups = sorted({photo.label for photo in photos})
    pairs = [group for group in groups if sum(photo.label == group for photo in photos) == 2]
    mine = FIT_SCENES | set(pairs[::2])
    return [photo for photo in photos if (photo.label in mine) == (part == "fit")]


def _scene_queries(photos: Sequence[Photo]) -> Iterator[Labelled]:
    """Each photo, asked for the others of its scene: those taken from nearby show the same scene."""
    groups: dict[str, list[Photo]] = defaultdict(list)
    for photo in sorted(photos, key=lambda each: each.path.name):
        groups[photo.label].append(photo)
    for group, members in groups.items():
        for place, photo in enumerate(members):
            truths: dict[str, Truth] = {
                other.key: "same_scene" if group in BURSTS and abs(number - place) == 1 else "far_scene"
                for number, other in enumerate(members)
                if number != place
            }
            yield Labelled(photo.path.read_bytes(), f"scene {group}", truths, frozenset(), photo.key)
