"""A library's write path without the library: real store, decoder, extractors, indexes; a given folder."""

import io
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ambience import registry
from ambience.datatypes import FeatureSpec
from ambience.decode.image import Decoder
from ambience.extract.base import Extractor
from ambience.index.base import Index
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.ingest import Ingest
from ambience.maintain import LiveIndex, Maintenance
from ambience.settings import IndexSettings, IngestSettings, Settings
from ambience.store.commit import Store

KINDS = ("phash", "color")
TWO_THREADS, USUAL, EXACTLY = IngestSettings(threads=2), IndexSettings(), ExactOptions()


def write_picture(path: Path, seed: int, *, size: tuple[int, int] = (96, 64)) -> Path:
    """A colorful JPEG that differs from those of other seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    path.write_bytes(file.getvalue())  # at once: a watcher on a busy machine may otherwise meet half a file
    return path


def wait_for(is_so: Callable[[], bool], *, at_most_s: float = 60) -> None:
    """Returns as soon as something is so; a busy machine may take its time."""
    deadline = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def age(path: Path, seconds: float) -> None:
    """Moves a file's time, as a change long after the first would."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + int(seconds * 1e9)))


class Workshop:
    """Store, decoder, extractors and indexes, opened together."""

    def __init__(
        self,
        folder: Path,
        *,
        ingest: IngestSettings = TWO_THREADS,
        index: IndexSettings = USUAL,
        writer: bool = True,
        extractors: dict[str, Extractor] | None = None,
    ) -> None:
        self.folder = folder
        self.settings = replace(Settings(library=folder), ingest=ingest, index=index)
        self.extractors = made_extractors() if extractors is None else extractors
        self.specs = {kind: extractor.spec for kind, extractor in self.extractors.items()}
        self.store = Store.open(folder, self.specs, writer=writer)
        self.decoder = Decoder(self.settings.decode, [each.need for each in self.extractors.values()])
        self.ingest = Ingest(self.store, self.decoder, self.extractors, self.settings)
        self.live: dict[str, LiveIndex] = {}

    def live_index(
        self, kind: str = "phash", *, engine: type[Index] = ExactIndex, options: Any = EXACTLY
    ) -> LiveIndex:
        """The index of a kind, not yet opened; it hears of each commit."""
        spec = self.specs[kind]
        self.live[kind] = LiveIndex(
            self.store,
            spec,
            engine,
            options,
            self.folder / "index" / spec.fingerprint,
            settings=self.settings.index,
            is_writer=self.store.is_writer,
        )
        self.store.on_commit.append(self.live[kind].catch_up)
        return self.live[kind]

    def maintenance(self) -> Maintenance:
        """Background work over the indexes made so far; not yet started."""
        return Maintenance(self.store, self.ingest, lambda: list(self.live.values()), self.settings)

    def close(self) -> None:
        self.store.close()
        self.decoder.close()


def made_extractors(kinds: tuple[str, ...] = KINDS) -> dict[str, Extractor]:
    """The real ones, by kind."""
    made = {}
    for kind in kinds:
        found = registry.load("ambience.extract", kind)
        made[kind] = found(found.options_class(), exact=False)
    return made


def stored_truth(workshop: Workshop) -> dict[str, tuple[bytes, dict[str, bytes]]]:
    """Path → sha256 and the stored vectors by kind: what two libraries of the same files must agree in."""
    records, truth = workshop.store.records, {}
    for record in records.list_images(limit=10_000):
        vectors = {}
        for kind, spec in workshop.specs.items():
            (feature_id,) = records.feature_ids(spec.fingerprint, [record.image_id]).tolist()
            stored, _ = workshop.store.features.get(spec, np.array([feature_id]))
            vectors[kind] = stored.tobytes()
        truth[str(record.path)] = (record.sha256, vectors)
    return truth


OpenWorkshop = Callable[..., Workshop]


def vectors_of(workshop: Workshop, spec: FeatureSpec) -> ExactIndex:
    """The oracle: an exact index filled with everything that the store holds now."""
    oracle = ExactIndex(spec, ExactOptions())
    ids = workshop.store.records.all_feature_ids(spec.fingerprint)
    if len(ids):
        oracle.add(ids, workshop.store.features.get(spec, ids)[0])
    return oracle
