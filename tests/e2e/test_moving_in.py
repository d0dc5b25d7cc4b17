"""A collection of the original, moved in: its clients are answered what the original would have answered.

The oracle compares a query with everything, by the formulas of the original.
"""

import contextlib
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import ambience
from ambience.answers import Query
from ambience.library import Library
from ambience.moving.original_import import OriginalChoice
from ambience.settings import Settings
from support.original_client import OriginalClient
from support.original_data import Collection, collection, write_service
from support.services import only, served
from support.workshop import wait_for

K = 20
MODELS: dict[str, dict[str, Any]] = {
    "phash": {},
    "color": {},
    "global_features": {"model": "beit-b16-224-in22k"},
    "image_text_features": {"model": "clip-vit-b16"},
}
"""Those of the original; what is stored is searched though no weights are installed."""

ROUNDING = 2e-6
"""Of distances, as a share of the largest one: those of float32 are answered."""
LARGEST = {"phash": 576.0, "color": 2e7, "global_features": 4.0, "image_text_features": 4.0}


def settings_of(folder: Path) -> Settings:
    return only(folder / "library", MODELS)


def picture_of(image_id: int) -> bytes:
    """A picture of its own for each id, as a PNG."""
    coarse = np.random.default_rng(image_id).integers(0, 256, (12, 16, 3), np.uint8)
    made = io.BytesIO()
    Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC).save(made, "PNG")
    return made.getvalue()


def assert_nearest(
    rows: Sequence[tuple[int, float]], ids: NDArray[np.int64], distances: NDArray[np.float64], kind: str
) -> None:
    """Rows are the nearest, in their order; where distances differ by their rounding alone, in any."""
    order = np.lexsort((ids, distances))[: len(rows)]
    if kind == "phash":
        assert [(int(ids[place]), distances[place]) for place in order] == list(rows)
        return
    tolerance = LARGEST[kind] * ROUNDING
    assert len({image_id for image_id, _ in rows}) == len(rows)
    true = dict(zip(ids.tolist(), distances.tolist(), strict=True))
    for (image_id, distance), place in zip(rows, order, strict=True):
        assert distance == pytest.approx(true[image_id], abs=tolerance)
        assert distance == pytest.approx(distances[place], abs=tolerance)


def moved_in(library: Library, folder: Path, made: Collection) -> None:
    report = library.moving_in.original(OriginalChoice(folder))
    assert report.features == dict.fromkeys(sorted(MODELS), len(made.ids))
    assert (report.refused, report.notes, report.known) == ((), (), 0)


def answered_by_id(library: Library, made: Collection, kind: str, places: Sequence[int]) -> None:
    knobs = library.original_knobs(kind)(k=K)
    for place in places:
        query = Query(image_id=int(made.ids[place]))
        found = library.search_original(kind, query, knobs, turned=False)
        assert_nearest(found.rows, made.ids, made.distances(kind, made.vectors[kind][place]), kind)
        assert len(found.rows) == K


@pytest.fixture(scope="module")
def made() -> Collection:
    return collection(300)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, made: Collection) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("original")
    made.write(folder / "services")
    with ambience.open(settings=settings_of(folder), writer=True) as opened:
        moved_in(opened, folder / "services", made)
        yield opened


@pytest.fixture(scope="module")
def client(library: Library) -> Iterator[OriginalClient]:
    with served(library) as port:
        client = OriginalClient(f"http://127.0.0.1:{port}")
        yield client
        client.close()


@pytest.mark.parametrize("kind", MODELS)
def test_every_stored_image_is_answered_as_by_the_original(
    library: Library, made: Collection, kind: str
) -> None:
    answered_by_id(library, made, kind, range(len(made.ids)))


@pytest.mark.parametrize("kind", MODELS)
def test_the_endpoints_answer_the_same(client: OriginalClient, made: Collection, kind: str) -> None:
    for place in (0, 17, len(made.ids) - 1):  # ids 0 and 2^32 - 1 among them
        rows = client.by_id(kind, int(made.ids[place]), k=str(K)).raise_for_status().json()
        found = [(row["image_id"], row["distance"]) for row in rows]
        assert_nearest(found, made.ids, made.distances(kind, made.vectors[kind][place]), kind)


def test_a_threshold_finds_everything_within(client: OriginalClient, made: Collection) -> None:
    for place in (3, 40):
        distances = made.distances("phash", made.vectors["phash"][place])
        rows = client.by_id("phash", int(made.ids[place]), distance_threshold=64).raise_for_status().json()
        found = [(row["image_id"], row["distance"]) for row in rows]
        assert len(found) == (distances <= 64).sum()
        assert_nearest(found, made.ids, distances, "phash")


@pytest.mark.parametrize("kind", ["phash", "color"])
def test_a_picture_sent_along_is_answered_as_by_the_original(
    library: Library, client: OriginalClient, made: Collection, kind: str
) -> None:
    for number in range(5):
        data = picture_of(number)
        rows = client.by_picture(kind, data, k=K).raise_for_status().json()
        variants = library._parts.spaces.view.questions.from_bytes(data, name="query", kinds=[kind]).variants
        distances = np.min(
            [
                made.distances(kind, as_the_original_stores(kind, variant.feature.vector))
                for variant in variants[kind]
            ],
            axis=0,
        )
        found = [(row["image_id"], row["distance"]) for row in rows]
        assert_nearest(found, made.ids, distances, kind)


def as_the_original_stores(kind: str, vector: NDArray[Any]) -> NDArray[Any]:
    """Ours sum to one."""
    return vector.astype(np.float32) * np.float32(1e7) if kind == "color" else vector


@pytest.mark.usefixtures("without_embeddings")
def test_the_command_tells_what_it_did(terminal: Any, made: Collection, tmp_path: Path) -> None:
    made.write(tmp_path / "services", ("phash", "color"))
    dry = terminal.run("import-original", tmp_path / "services", "--dry-run")
    assert "300 images" in dry.out
    assert "nothing written" in dry.out
    done = json.loads(terminal.run("import-original", tmp_path / "services", "--json").out)
    assert (done["features"], done["known"]) == ({"color": 300, "phash": 300}, 0)
    again = terminal.run("import-original", tmp_path / "services")
    assert "300 here already" in again.out
    assert "300 features that the original system made" in terminal.run("info").out
    wrong = terminal.run("import-original", tmp_path, "--service", "phash", code=2)
    assert "is not KIND=FOLDER" in wrong.err
    assert "is no folder" in terminal.run("import-original", tmp_path / "nothing", code=1).err


@pytest.mark.usefixtures("without_embeddings")
def test_what_a_gallery_said_comes_along(terminal: Any, made: Collection, tmp_path: Path) -> None:
    made.write(tmp_path / "services", ("phash",))
    terminal.run("import-original", tmp_path / "services")
    first, second = (int(each) for each in made.ids[:2])
    (tmp_path / "id_tags.txt").write_text(json.dumps([{"id": first, "tags": ["beach"]}]), encoding="utf-8")
    assert "1 taken over" in terminal.run("import-file", tmp_path / "id_tags.txt").out
    (tmp_path / "ids_to_delete.txt").write_text(json.dumps([second]), encoding="utf-8")
    kept = terminal.run("import-file", tmp_path / "ids_to_delete.txt", code=1)
    assert "which is done with --delete alone" in kept.out
    assert "1 images deleted" in terminal.run("import-file", tmp_path / "ids_to_delete.txt", "--delete").out
    assert "cannot be read" in terminal.run("import-file", tmp_path / "nothing", code=1).err
    terminal.run("export", tmp_path / "out", "--no-features")
    lines = (tmp_path / "out" / "images.jsonl").read_text("utf-8").splitlines()
    said = {line["image_id"]: [tag["text"] for tag in line["tags"]] for line in map(json.loads, lines)}
    assert (said[first], second in said, len(said)) == (["beach"], False, 299)


@pytest.mark.usefixtures("without_embeddings")
def test_a_killed_import_is_gone_on_with(terminal: Any, tmp_path: Path) -> None:
    count = 20_000
    hashes = np.random.default_rng(2).integers(0, 256, (count, 72), np.uint8)
    write_service(tmp_path / "services", "phash", {each: row.tobytes() for each, row in enumerate(hashes)})
    process = terminal.start("import-original", tmp_path / "services")
    database = terminal.library / "records.sqlite"
    wait_for(lambda: database.exists() and stored(database) > 0)
    process.kill()
    process.communicate()
    before = stored(database)
    assert 0 < before < count
    assert "all is well" in terminal.run("check").out + terminal.run("check").err
    rest = json.loads(terminal.run("import-original", tmp_path / "services", "--json").out)
    assert (rest["known"], rest["features"]) == (before, {"phash": count - before})


def stored(database: Path) -> int:
    """Images that another process has committed by now."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM images").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_images_are_answered_as_by_the_original(tmp_path: Path) -> None:
    made = collection(10_000, seed=1)
    made.write(tmp_path / "services")
    with ambience.open(settings=settings_of(tmp_path), writer=True) as library:
        moved_in(library, tmp_path / "services", made)
        answered_by_id(library, made, "phash", range(10_000))
        for kind in ("color", "global_features", "image_text_features"):
            answered_by_id(library, made, kind, range(0, 10_000, 20))
    # Opened anew, from what is on disk alone.
    with ambience.open(settings=replace(settings_of(tmp_path))) as library:
        for kind in MODELS:
            answered_by_id(library, made, kind, range(7, 10_000, 500))
