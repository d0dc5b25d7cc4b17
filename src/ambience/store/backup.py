"""A copy of the records beside them: made now and then, put back where the records prove broken.

Putting back is done in steps that a kill may cut anywhere: once `records.restored.sqlite` is complete, every
later opening goes on from there.
"""

import contextlib
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ambience.errors import StoreError
from ambience.store.base import Problem
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.sync import sync

RECORDS_NAME: Final = "records.sqlite"
BACKUP_NAME: Final = "records.backup.sqlite"
_RESTORED_NAME: Final = "records.restored.sqlite"

OLDEST_S: Final = 86_400.0
MOST_NEW_IMAGES: Final = 100
"""A copy is made anew once a day, or earlier when so many images and a tenth of them all came or went."""
SMALL_BYTES: Final = 8 * 2**20
"""Records that are not larger are copied at every closing after a change: it takes no time."""

_JUMP: Final = {"image_id": 1_000_000, "seq": 2**32, "feature_id": 2**32}
"""Numbers given out after the copy was made are not in it; so many are passed over, to give none twice."""


class Backup:
    """Keeps the copy of one library's records; called by its writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._noted: tuple[int, int] | None = None

    def make_if_due(self, *, images: int, seq: int, is_closing: bool = False) -> bool:
        """Copies the records, unless the last copy is recent enough; nobody waits meanwhile.

        Args:
            images: in the library now.
            seq: last change number.
            is_closing: whether the library is about to be closed.

        Returns:
            Whether a copy was made.

        Raises:
            StoreFullError: the disk is full; the copy before stays.
            StoreError: the records are broken, or cannot be copied; the copy before stays.
        """
        if not self._is_due(images, seq, is_closing):
            return False
        partial = self._folder / "records.backup.partial"
        try:
            _copy(self._folder / RECORDS_NAME, partial)
            if not _is_sound(partial):
                raise StoreError(f"{self._folder / RECORDS_NAME} is broken: the copy before is kept")
            _published(partial, self._folder / BACKUP_NAME)
        except (sqlite3.Error, OSError) as exc:
            if is_disk_full(exc):
                raise disk_full(self._folder, exc) from exc
            raise StoreError(f"cannot copy {self._folder / RECORDS_NAME}: {exc}") from exc
        finally:
            partial.unlink(missing_ok=True)
        self._noted = (images, seq)
        return True

    def _is_due(self, images: int, seq: int, is_closing: bool) -> bool:
        try:
            age_s = time.time() - (self._folder / BACKUP_NAME).stat().st_mtime
        except FileNotFoundError:
            return images > 0
        if self._noted is None:
            self._noted = _content(self._folder / BACKUP_NAME)
        copied, copied_seq = self._noted
        if seq == copied_seq:
            return False
        if is_closing and (self._folder / RECORDS_NAME).stat().st_size <= SMALL_BYTES:
            return True
        difference = abs(images - copied)
        has_grown = difference >= MOST_NEW_IMAGES and difference * 10 >= copied
        return has_grown or age_s >= OLDEST_S


def put_back(folder: Path) -> Problem | None:
    """Puts the copy of the records in the place of broken ones, which are kept.

    Args:
        folder: of a library whose records are closed and broken, or gone.

    Returns:
        What was done; None where there is no sound copy.

    Raises:
        StoreFullError: the disk is full; everything is as it was.
        StoreError: the copy cannot be read, or nothing can be written here; everything is as it was.
    """
    backup, restored = folder / BACKUP_NAME, folder / _RESTORED_NAME
    if not backup.is_file() or not _is_sound(backup):
        return None
    partial = folder / "records.restored.partial"
    try:
        shutil.copyfile(backup, partial)
        with closing(sqlite3.connect(partial)) as connection:
            for name, jump in _JUMP.items():
                connection.execute("UPDATE sequences SET last = last + ? WHERE name = ?", (jump, name))
            connection.commit()
        _published(partial, restored)
    except (sqlite3.Error, OSError) as exc:
        partial.unlink(missing_ok=True)
        if is_disk_full(exc):
            raise disk_full(folder, exc) from exc
        raise StoreError(f"cannot put back {backup}: {exc}") from exc
    return finish_putting_back(folder)


def finish_putting_back(folder: Path) -> Problem | None:
    """Goes on where a restored file is complete and not yet in its place.

    Returns:
        What was done; None where there was nothing to do.
    """
    restored = folder / _RESTORED_NAME
    if not restored.is_file():
        return None
    # Their numbers will be given to other changes.
    shutil.rmtree(folder / "index", ignore_errors=True)
    aside = folder / f"records.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    aside.mkdir(exist_ok=True)
    for suffix in ("", "-wal", "-shm"):  # a log of the broken file must not be applied to the copy
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{RECORDS_NAME}{suffix}").rename(aside / f"{RECORDS_NAME}{suffix}")
    restored.rename(folder / RECORDS_NAME)
    sync(folder)
    copied_at = datetime.fromtimestamp((folder / BACKUP_NAME).stat().st_mtime, UTC)
    return Problem(
        "records_restored",
        "records",
        f"the records in {folder / RECORDS_NAME} were broken and are kept in {aside}; the copy of "
        f"{copied_at:%Y-%m-%d %H:%M} UTC took their place. It knows nothing of later changes: run `ambience "
        "add` on your folders, which finds what was added since; tags given and images removed since must be "
        "done again; uploads since, which `ambience check` lists as files without an image, sent again",
    )


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)
        written.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it


def _is_sound(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(file)) as connection:
            is_whole = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            return is_whole and bool(connection.execute("SELECT count(*) FROM sequences").fetchone()[0])
    except sqlite3.Error:
        return False


def _content(file: Path) -> tuple[int, int]:
    """Images and last change number of a copy; zeros where it cannot be read, so that a new one is made."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            tally = "SELECT coalesce(sum(number), 0) FROM tallies WHERE space_id = 0"
            (images,) = connection.execute(tally).fetchone()
            (seq,) = connection.execute("SELECT last FROM sequences WHERE name = 'seq'").fetchone()
            return int(images), int(seq)
    except (sqlite3.Error, TypeError):
        return 0, 0


def _published(partial: Path, target: Path) -> None:
    sync(partial)
    partial.replace(target)
    sync(target.parent)
