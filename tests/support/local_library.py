"""A library of local features alone: real store, index, decoder and search; features put in one by one."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from ambience.answers import Ranking
from ambience.datatypes import Feature, FeatureState, Ids, Picture, QueryVariant, RgbImage
from ambience.decode.image import Decoder
from ambience.extract.local_features import LocalFeatures, LocalFeaturesOptions
from ambience.index.descriptors import DescriptorIndex, DescriptorOptions
from ambience.keypoints import Keypoints, pack
from ambience.search.local import LocalSearch, LocalSearchOptions
from ambience.search.originals import Originals
from ambience.settings import Settings
from ambience.store.base import FeatureDraft, PutImage, Written
from ambience.store.commit import Store
from ambience.store.features import BrokenFeatureError
from ambience.store.files import KeptFiles
from support.silent import SILENT
from support.store_writes import draft_of

KIND = "local_features"


class FollowingIndex(DescriptorIndex):
    """An index that has always caught up."""

    pending = 0


class LocalLibrary:
    """A context manager.

    Attributes:
        search: what is tested.
        broken: ids of features that searches said were broken.
    """

    def __init__(self, folder: Path, **options: float | bool) -> None:
        self.folder = folder
        settings = Settings(library=folder, annotate=SILENT)
        self.extractor = LocalFeatures(LocalFeaturesOptions(points=120, query_points=200))
        self.spec = self.extractor.spec
        self.store = Store.open(folder, {KIND: self.spec}, writer=True)
        self.decoder = Decoder(settings.decode, [self.extractor.need])
        self.index = FollowingIndex(self.spec, DescriptorOptions())
        originals = Originals(self.store.records, KeptFiles(folder), self.decoder)
        self.broken: list[int] = []
        self.search = LocalSearch(
            self.extractor,
            self.index,
            self.store,
            self._on_broken,
            originals,
            replace(LocalSearchOptions(), **options),
        )

    def _on_broken(self, error: BrokenFeatureError) -> Ids:
        self.broken += error.feature_ids
        return np.array(error.feature_ids, np.int64)

    def put(self, features: Sequence[tuple[Path | None, Keypoints]]) -> list[int]:
        """Images with these features, in one commit; answers their ids."""
        first = len(self.index)
        writes = []
        for number, (path, keypoints) in enumerate(features, first):
            made = FeatureDraft(self.spec.fingerprint, FeatureState.DONE, Feature(pack(keypoints)))
            draft = draft_of(number, path=str(path or self.folder / f"gone-{number}.jpg"))
            writes.append(PutImage(draft, {KIND: made}))
        ids = []
        for written in self.store.commit(writes):
            assert isinstance(written, Written), written
            ids.append(written.image_id)
        feature_ids = self.store.records.feature_ids(self.spec.fingerprint, ids)
        blobs, _ = self.store.features.get(self.spec, feature_ids)
        self.index.add(feature_ids, blobs)
        return ids

    def put_file(self, path: Path) -> int:
        """An image whose features are extracted from its file."""
        picture = self.picture(path)
        return self.put([(path, self.extractor.keypoints(picture, 512, 120))])[0]

    def picture(self, path: Path) -> Picture:
        return self.decoder.decode(path.read_bytes(), name=path.name)

    def ask(self, picture: Picture, k: int = 20) -> Ranking:
        """As a query that was uploaded."""
        return self.search.by_variants(self.extractor.query_variants(picture), k=k, picture=picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.decoder.close()


def variant_of(keypoints: Keypoints) -> QueryVariant:
    """Keypoints as a stored query."""
    return QueryVariant(Feature(pack(keypoints)))


def picture_of(rgb: RgbImage) -> Picture:
    """Pixels as a decoded picture."""
    return Picture(np.ascontiguousarray(rgb), rgb.shape[1], rgb.shape[0], "png")


def saved(rgb: RgbImage, folder: Path) -> Path:
    """A PNG of these pixels."""
    path = folder / f"{hashlib.sha256(rgb.tobytes()).hexdigest()[:16]}.png"
    Image.fromarray(rgb).save(path)
    return path
