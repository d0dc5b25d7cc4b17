"""Records that the steps of an earlier version made, filled as it filled them, are taken over whole."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ambience.datatypes import FeatureState, ImageRecord
from ambience.store.backup import BACKUP_NAME, RECORDS_NAME
from ambience.store.base import PutAnnotation, SetTags
from ambience.store.commit import Store
from ambience.store.database import Database, known_revisions, sqlite_url
from ambience.words import Annotation, Corner, TextLine
from support.store_writes import KINDS, image_of

IMAGES = 5
EARLIER = known_revisions()[:-1]
QUAD = (Corner(0, 0), Corner(0.5, 0), Corner(0.5, 0.25), Corner(0, 0.25))


def records_of(revision: str, now: Path, then: Path) -> None:
    """Records made by the steps up to a revision, with the rows of today's for all tables that it has."""
    database = Database(sqlite_url(then / RECORDS_NAME), is_writer=True)
    database.upgrade(revision)
    database.close()
    with closing(sqlite3.connect(then / RECORDS_NAME)) as connection:
        connection.execute("ATTACH ? AS now", (str(now / RECORDS_NAME),))
        names = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in names:
            if name != "alembic_version":
                connection.execute(f"DELETE FROM main.{name}")
                connection.execute(f"INSERT INTO main.{name} SELECT * FROM now.{name}")
        connection.commit()


@pytest.fixture(params=EARLIER)
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[ImageRecord]]:
    """The folder of a library of an earlier version, and what it held."""
    now, then = tmp_path / "now", tmp_path / "then"
    with Store.open(now, KINDS, writer=True) as store:
        store.commit([image_of(number) for number in range(IMAGES)])
        ids = [each.image_id for each in store.records.list_images()]
        store.submit(SetTags(ids[1], ("Straße", "ΣΊΣΥΦΟΣ")))
        held = store.records.list_images()
    then.mkdir()
    shutil.copytree(now / "features", then / "features")
    records_of(request.param, now, then)
    return then, held


def test_everything_is_there_afterwards(earlier: tuple[Path, list[ImageRecord]]) -> None:
    folder, held = earlier
    with Store.open(folder, KINDS, writer=True) as store:
        assert store.records.database.revision() == known_revisions()[-1]
        assert store.records.list_images() == held
        assert len(held) == IMAGES
        assert set(held[1].tags) == {"Straße", "ΣΊΣΥΦΟΣ"}
        for spec in KINDS.values():
            ids = store.records.feature_ids(spec.fingerprint, [each.image_id for each in held])
            assert len(store.features.get(spec, ids)[0]) == IMAGES
        assert list(store.check()) == []


def test_its_pictures_get_words_and_the_copy_of_the_records_has_them(
    earlier: tuple[Path, list[ImageRecord]],
) -> None:
    folder, held = earlier
    with Store.open(folder, KINDS, writer=True) as store:
        store.records.annotators = {"text": "ocr-1"}
        while not store.records.enlist("text", "ocr-1"):
            continue
        assert store.records.pending_annotations("text") == [each.image_id for each in held]
        said = Annotation(lines=(TextLine("Москва", QUAD, 0.75, "Cyrl", "ru"),))
        first = held[0]
        store.submit(PutAnnotation(first.image_id, first.sha256, "text", "ocr-1", FeatureState.DONE, said))
        assert store.back_up(is_closing=True)
    (folder / RECORDS_NAME).write_bytes(b"broken")
    assert (folder / BACKUP_NAME).is_file()
    with Store.open(folder, KINDS, writer=True) as store:
        assert [line.text for line in store.records.words([first.image_id])[first.image_id].lines] == [
            "Москва"
        ]
        assert len(store.records.pending_annotations("text")) == IMAGES - 1
