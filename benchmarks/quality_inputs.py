"""What `quality.py` measures on: labelled and captioned photographs, and what every kind makes of them.

Extraction is the only step that takes long. Its results are kept in the cache folder, named by the photos
and by the code that made them, so that a change of either makes them anew.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience import registry
from ambience.datatypes import Picture
from ambience.decode.image import Decoder
from ambience.extract.base import Extractor
from ambience.models.picture_network import PictureNetwork
from ambience.models.runtime import Models
from ambience.settings import DecodeSettings, ModelSettings
from answers import code_stamp
from local_answers import package_files
from photos import Photo, find_photos
from report import cache_folder, versions

KINDS = ("color", "global_features", "image_text_features", "phash")
QUICK_CLASS, QUICK_CAPTIONS = 4, 40
"""Pictures of a class, and captioned ones, that a quick run is content with."""

PACKAGES = ("numpy", "openvino", "pillow", "opencv-python-headless", "simplejpeg")

Array = NDArray[Any]


@dataclass(frozen=True)
class Collection:
    """Photographs whose content somebody wrote down.

    Attributes:
        photos: all, of the gallery and captioned ones.
        sources: folder of the gallery that each came from; "captions" for captioned ones.
        captions: sentences of each; none of those of the gallery.
    """

    photos: Sequence[Photo]
    sources: Sequence[str]
    captions: Sequence[Sequence[str]]

    def places(self, source: str) -> NDArray[np.int64]:
        """Where the photographs of a source are."""
        return np.array([place for place, each in enumerate(self.sources) if each == source], np.int64)

    def labels(self, places: NDArray[np.int64]) -> NDArray[np.str_]:
        """Labels of photographs, as the set has them."""
        return np.array([self.photos[place].label for place in places])

    @cached_property
    def asked(self) -> list[tuple[str, int]]:
        """Every caption, and the place of its photograph."""
        return [(text, place) for place, texts in enumerate(self.captions) for text in texts]


def collection(gallery: Path, captions: Path | None, *, is_quick: bool) -> Collection:
    """The photographs of a gallery and captioned ones.

    Args:
        gallery: with a `manifest.csv`; its folders are the sets.
        captions: with a `manifest.json`, a list of {path, captions}; None for none.
        is_quick: a subset.

    Returns:
        Photographs of which none comes twice.
    """
    photos = find_photos(gallery)
    sources = [photo.path.relative_to(gallery).parts[0] for photo in photos]
    if is_quick:
        chosen = _few_of_each([f"{s}/{p.label}" for s, p in zip(sources, photos, strict=True)], QUICK_CLASS)
        photos, sources = [photos[n] for n in chosen], [sources[n] for n in chosen]
    said: list[Sequence[str]] = [()] * len(photos)
    if captions is not None:
        rows = json.loads((captions / "manifest.json").read_text(encoding="utf-8"))
        for row in rows[:: len(rows) // QUICK_CAPTIONS if is_quick else 1]:
            path = captions / row["path"]
            key = hashlib.sha256(path.read_bytes()).hexdigest()
            photos.append(Photo(path, key, "", 0, 0))
            sources.append("captions")
            said.append(tuple(row["captions"]))
    return Collection(photos, sources, said)


def words_of(label: str) -> str:
    """A label as people would type it: `sea_horse` → "sea horse", `TallBuilding` → "tall building"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).replace("_", " ").lower()


def decoded(photo: Photo, decoder: Decoder) -> Picture:
    """A photograph as kinds get it."""
    return decoder.decode(photo.path.read_bytes(), name=photo.path.name)


def kinds_with(models: Models) -> dict[str, Extractor]:
    """Kinds with default settings, which share these models and so what a network sees of a picture."""
    made = {}
    for name in KINDS:
        kind = registry.load("ambience.extract", name)
        given = {"models": models} if getattr(kind, "uses_models", False) else {}
        made[name] = kind(kind.options_class(), **given)
    return made


def one_thread() -> Models:
    """Models that calculate on one thread, so that processor time is that of one picture."""
    return Models(ModelSettings(threads=1))


def decoder_for(kinds: dict[str, Extractor]) -> Decoder:
    """A decoder that serves these kinds at once."""
    return Decoder(DecodeSettings(), [kind.need for kind in kinds.values()])


def features(found: Collection) -> dict[str, Array]:
    """What every kind stores of every photograph, and what the picture network says of it.

    Returns:
        By kind (N, D), but "phash" (N, 8, 72): the query's eight orientations, upright first; and "logits"
        (N, 2, 1000) of the network's two views, the middle first, for those who rank by them in other ways.
    """
    stamp = json.dumps(
        [
            code_stamp([*package_files("extract", "decode", "models"), Path(__file__)]),
            hashlib.sha256("".join(photo.key for photo in found.photos).encode()).hexdigest(),
            versions(PACKAGES),
        ]
    )
    file = cache_folder("quality") / f"{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.npz"
    if not file.exists():
        part = file.with_suffix(".part.npz")
        np.savez(part, **_extracted(found.photos))
        part.replace(file)
    with np.load(file) as kept:
        return {name: kept[name] for name in kept.files}


def _extracted(photos: Sequence[Photo]) -> dict[str, Array]:
    models = one_thread()
    kinds, network = kinds_with(models), models.embedder("efficientnet-lite0")
    assert isinstance(network, PictureNetwork)
    decoder = decoder_for(kinds)
    made: dict[str, list[Array]] = {name: [] for name in (*KINDS, "logits")}
    for photo in photos:
        picture = decoded(photo, decoder)
        for name, kind in kinds.items():
            if name == "phash":
                made[name].append(np.stack([each.feature.vector for each in kind.query_variants(picture)]))
            else:
                made[name].append(kind.extract([picture])[0].vector)
        made["logits"].append(network.see(picture.rgb).logits)
    decoder.close()
    return {name: np.stack(each) for name, each in made.items()}


def _few_of_each(names: Sequence[str], most: int) -> list[int]:
    """Places of the first few of each name, in their order."""
    seen: dict[str, int] = {}
    chosen = []
    for place, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] <= most:
            chosen.append(place)
    return chosen
