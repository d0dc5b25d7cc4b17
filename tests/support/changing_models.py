"""Libraries whose kind `toy` changes its model: settings, pictures, and what every answer must hold to."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ambience import registry
from ambience.answers import Query
from ambience.reading import ReadingLibrary
from ambience.settings import IndexSettings, IngestSettings, ModelSettings, Settings
from support.class_vectors import give_class_vectors
from support.silent import SILENT

ONE, TWO = "efficientnet-lite0", "starter"
"""Names of the toy's two models: those of rows of the catalog that are installed everywhere."""
ABSENT = "siglip2-b32-256"
"""One that is not."""

KIND = "toy"
TOY = Path(__file__).parent / "changing_toy"
"""Put on the path of modules, it makes the kind known."""


def settings_of(folder: Path, **toy: Any) -> Settings:
    """The toy and hashes alone, in a library below a folder; snapshots often, commits small."""
    give_class_vectors(folder / "models")
    others = {kind: {"enabled": False} for kind in registry.names("ambience.extract")}
    return Settings(
        library=folder / "library",
        ingest=IngestSettings(threads=1, commit_images=4, commit_interval_s=0.05),
        index=IndexSettings(snapshot_interval_s=0.05),
        models=ModelSettings(folder=folder / "models"),
        annotate=SILENT,
        kinds={**others, "phash": {}, KIND: toy},
    )


def picture(seed: int) -> bytes:
    """A small picture, different for each seed."""
    file = io.BytesIO()
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(coarse).resize((64, 64), Image.Resampling.NEAREST).save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_pictures(folder: Path, seeds: range) -> Path:
    """Files named after their seeds."""
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        (folder / f"{seed}.png").write_bytes(picture(seed))
    return folder


def model_of(library: ReadingLibrary) -> str:
    """The model that is searched."""
    return library.kinds[KIND].spec.model


def own_distances(library: ReadingLibrary, seed: int) -> list[float]:
    """Distances of the nearest hit of a picture: asked by its bytes, in the merged search, and by its id."""
    data = picture(seed)
    by_bytes = library.search_kind(KIND, Query(data=data), k=1).hits
    merged = library.search(Query(data=data), by=[KIND], k=1)
    (status,) = merged.kinds
    assert status.state == "ok", status
    evidence = [each for match in merged.matches for each in match.evidence if each.kind == KIND]
    image_id = library.image_by_name(f"{seed}.png")
    by_id = library.search_kind(KIND, Query(image_id=image_id), k=1, turned=False).hits
    return [hit.distance for hit in (*by_bytes, *evidence, *by_id)]


def assert_found(library: ReadingLibrary, seed: int) -> None:
    """Every way of asking finds the picture itself, at no distance: question and index are of one space."""
    distances = own_distances(library, seed)
    assert len(distances) == 3, (seed, distances)
    assert max(distances) < 1e-3, (seed, distances)
