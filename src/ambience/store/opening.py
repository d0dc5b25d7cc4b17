"""Opening a library: what was not closed cleanly is not trusted, what a crash left behind is mended."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from ambience.datatypes import FeatureState, ImageState
from ambience.errors import DamagedStoreError, StoreError
from ambience.store import schema
from ambience.store.backup import BACKUP_NAME, RECORDS_NAME, finish_putting_back, put_back
from ambience.store.base import Problem
from ambience.store.database import Database, broken_records
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.environment import DATA_NAME
from ambience.store.features import Features
from ambience.store.lock import WriterLock
from ambience.store.plan_rows import save_numbers
from ambience.store.probing import damage_of
from ambience.store.schema import encoded
from ambience.store.sync import sync

FEATURES_NAME: Final = "features"
CLEAN_NAME: Final = "closed-cleanly.json"

SHOWN_IDS: Final = 20
LOST: Final = "the features were damaged, and only they were kept of this picture: send its bytes again"


def check_folder(folder: Path, *, is_writer: bool) -> None:
    """Makes the folders of a writer; refuses a reader where there is no library.

    Raises:
        StoreFullError: the disk is full.
        StoreError: there is no library, or no folder can be made here.
    """
    if not is_writer:
        if not (folder / RECORDS_NAME).is_file():
            raise StoreError(f"no library in {folder}; make one with `ambience add FOLDER`")
        return
    try:
        (folder / FEATURES_NAME).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        if is_disk_full(exc):
            raise disk_full(folder, exc) from exc
        raise StoreError(f"cannot make a library in {folder}: {exc.strerror}; choose another folder") from exc


def mend_records(database: Database, folder: Path) -> list[Problem]:
    """Looks whether the records' file is sound, and puts its copy back where it is not.

    Args:
        database: of the records, not yet used.
        folder: of a library that is opened for writing.

    Returns:
        What was mended.

    Raises:
        DamagedStoreError: the records are broken, and there is no copy of them.
        StoreFullError: the disk is full.
    """
    if (problem := finish_putting_back(folder)) is not None:
        return [problem]
    records = folder / RECORDS_NAME
    if not records.exists():
        is_broken = (folder / BACKUP_NAME).exists()
    elif records.stat().st_size == 0:
        is_broken = (folder / FEATURES_NAME / DATA_NAME).exists()  # they are made after the records
    else:
        is_broken = not (database.is_readable() if _was_closed_cleanly(folder) else database.is_sound())
    if not is_broken:
        return []
    database.let_go()
    problem = put_back(folder)
    if problem is None:
        raise DamagedStoreError(broken_records(records))
    return [problem]


def open_features(
    folder: Path, database: Database, *, is_writer: bool
) -> tuple[Features, tuple[Problem, ...]]:
    """Opens the vectors of a library; a writer sets damaged ones aside and sweeps what has no row.

    Args:
        folder: of the library.
        database: its records, whose tables exist.
        is_writer: whether anything may be changed.

    Returns:
        The vectors, and what was mended.

    Raises:
        DamagedStoreError: they are damaged and this is a reader.
    """
    place = folder / FEATURES_NAME
    repairs: list[Problem] = []
    damage = "" if _was_closed_cleanly(folder) else _damage(folder, is_writer=is_writer)
    if damage and not is_writer:
        raise DamagedStoreError(
            f"the features in {place} are damaged ({damage}); open the library for writing, for example with "
            "`ambience rebuild`, which sets them aside and makes them anew"
        )
    if damage:
        repairs += _set_aside(place, database, damage)
    elif is_writer and not (place / DATA_NAME).exists() and _has_features(database):
        repairs += _mark_lost(database, f"the features in {place} are gone")
    if is_writer:
        (place / CLEAN_NAME).unlink(missing_ok=True)
    features = Features(place, is_writer=is_writer)
    if is_writer:
        _sync_folders(place)
        sweep(features, database)
    return features, tuple(repairs)


def mark_clean(folder: Path) -> None:
    """Notes that the vectors were closed; whoever finds them as noted here need not probe them."""
    place = folder / FEATURES_NAME
    with contextlib.suppress(OSError):  # without the note, the next opening probes
        (place / CLEAN_NAME).write_text(json.dumps(_appearance(place)), encoding="utf-8")


def mark_unclean(folder: Path) -> None:
    """Makes the next opening look closely at everything."""
    with contextlib.suppress(OSError):
        (folder / FEATURES_NAME / CLEAN_NAME).unlink()


def sweep(features: Features, database: Database) -> int:
    """Deletes features above the last committed one: a crash came between them and their rows.

    Returns:
        How many were deleted.
    """
    numbers = schema.sequences
    with database.reading() as connection:
        last = connection.execute(
            sa.select(numbers.c.last).where(numbers.c.name == "feature_id")
        ).scalar_one()
    swept = 0
    for fingerprint in features.fingerprints():
        for page in features.id_pages(fingerprint, after=last):
            features.delete(fingerprint, page)
            swept += len(page)
    return swept


def _sync_folders(place: Path) -> None:
    """Makes sure that the names of new files survive a loss of power, as their contents do."""
    for folder in (place, place.parent, place.parent.parent):
        with contextlib.suppress(OSError):  # some file systems cannot sync a folder, and need not
            sync(folder)


def _was_closed_cleanly(folder: Path) -> bool:
    place = folder / FEATURES_NAME
    try:
        noted = json.loads((place / CLEAN_NAME).read_text(encoding="utf-8"))
        return bool(noted == _appearance(place))
    except (OSError, ValueError):
        return False


def _appearance(place: Path) -> dict[str, int]:
    status = (place / DATA_NAME).stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}


def _damage(folder: Path, *, is_writer: bool) -> str:
    """What is wrong with the vectors; "" where nothing is, or where a living writer has looked already."""
    place = folder / FEATURES_NAME
    if not (place / DATA_NAME).exists() or (not is_writer and WriterLock.holder(folder) is not None):
        return ""
    return damage_of(place, size=(place / DATA_NAME).stat().st_size)


def _set_aside(place: Path, database: Database, damage: str) -> list[Problem]:
    aside = place.with_name(f"{FEATURES_NAME}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    while aside.exists():
        aside = aside.with_name(aside.name + "x")
    # Rows first: killed in between, the folder is found damaged once more and the rows are pending already.
    problems = _mark_lost(
        database, f"the features in {place} were damaged ({damage}); they are kept in {aside}"
    )
    place.rename(aside)
    place.mkdir()
    return problems


def _has_features(database: Database) -> bool:
    column = schema.features.c.feature_id
    with database.reading() as connection:
        return connection.execute(sa.select(column).where(column.is_not(None)).limit(1)).first() is not None


def _mark_lost(database: Database, what: str) -> list[Problem]:
    """Every feature row that was done is to be made again; indexes hear of it through tombstones."""
    features, images, tombstones = schema.features, schema.images, schema.tombstones
    done = features.c.feature_id.is_not(None)
    unreadable = sa.select(images.c.image_id).where(images.c.state == ImageState.FEATURES_ONLY)
    without_file = (
        sa.select(images.c.image_id)
        .where(images.c.state != ImageState.PRESENT)
        .where(sa.exists().where(done, features.c.image_id == images.c.image_id))
    )
    with database.writing() as connection:
        ids = list(connection.execute(without_file.order_by(images.c.image_id)).scalars())
        table = schema.sequences
        seq = connection.execute(sa.select(table.c.last).where(table.c.name == "seq")).scalar_one()
        number = sa.func.row_number().over(order_by=(features.c.space_id, features.c.feature_id))
        graves = sa.select(
            number + seq, features.c.space_id, features.c.feature_id, features.c.image_id
        ).where(done)
        names = ["seq", "space_id", "feature_id", "image_id"]
        lost = connection.execute(sa.insert(tombstones).from_select(names, graves)).rowcount
        gone = {"feature_id": None, "seq": seq + lost + 1}
        connection.execute(
            sa.update(features)
            .where(done, features.c.image_id.in_(unreadable))
            .values(state=FeatureState.FAILED.value, reason=encoded(LOST), **gone)
        )
        connection.execute(
            sa.update(features).where(done).values(state=FeatureState.PENDING.value, reason=b"", **gone)
        )
        save_numbers(connection, {"seq": seq + lost + 1})
        count_again(connection)
    text = f"{what}; {lost} features are made again from their pictures"
    problems = [Problem("features_damaged", "features", text, detail={"features": str(lost)})]
    if ids:
        shown = ", ".join(map(str, ids[:SHOWN_IDS])) + (" …" if len(ids) > SHOWN_IDS else "")
        text = (
            f"of {len(ids)} images no file is here, so that their features cannot be made again: {shown}; "
            "`ambience check` lists them, and what to do"
        )
        problems.append(Problem("feature_lost", "features", text, detail={"images": ",".join(map(str, ids))}))
    return problems


def count_again(connection: sa.Connection) -> None:
    """Makes the tallies anew from the rows themselves."""
    connection.execute(sa.delete(schema.tallies))
    for (space_id, image_state, feature_state), number in counted(connection).items():
        connection.execute(
            sa.insert(schema.tallies).values(
                space_id=space_id, image_state=image_state, feature_state=feature_state, number=number
            )
        )


def counted(connection: sa.Connection) -> dict[tuple[int, str, str], int]:
    """What the tallies should say: (space, image state, feature state) → rows.

    Returns:
        Counts above zero only.
    """
    images, features = schema.images, schema.features
    by_image = sa.select(images.c.state, sa.func.count()).group_by(images.c.state)
    found = {(0, str(state), ""): int(number) for state, number in connection.execute(by_image)}
    by_feature = (
        sa.select(features.c.space_id, images.c.state, features.c.state, sa.func.count())
        .join(images, images.c.image_id == features.c.image_id)
        .group_by(features.c.space_id, images.c.state, features.c.state)
    )
    for space_id, image_state, feature_state, number in connection.execute(by_feature):
        found[(int(space_id), str(image_state), str(feature_state))] = int(number)
    return found
