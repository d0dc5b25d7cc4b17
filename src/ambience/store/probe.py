"""Reads an LMDB environment from end to end, as a program: `python probe.py PATH`; exit 0: all is sound.

`python probe.py PATH unnamed`: one that another system wrote, a folder or a file, whose keys lie in its
unnamed database; nothing is written beside it. It runs in a process of its own, because a damaged memory map
kills whoever reads it. Imports lmdb alone.
"""

import os
import sys
from pathlib import Path
from typing import Any

import lmdb


def walk(folder: str) -> None:
    """Touches every page that is in use: all databases, all keys in their order, all free pages.

    Raises:
        lmdb.Error: pages do not hold together.
        ValueError: keys are out of order, or more or fewer than counted.
    """
    with lmdb.Environment(folder, readonly=True, max_dbs=256, readahead=True, max_readers=512) as environment:
        with environment.begin() as transaction:
            names = list(transaction.cursor().iternext(keys=True, values=False))
            for name in names:
                database = environment.open_db(name, txn=transaction, create=False)
                _walk_database(transaction, database, name)
        _walk_pages(environment)


def walk_unnamed(path: str) -> None:
    """The same of an environment without named databases, which is left as it is: no lock file is made.

    Raises:
        lmdb.Error: pages do not hold together.
        ValueError: keys are out of order, or more or fewer than counted.
    """
    with lmdb.Environment(
        path,
        subdir=Path(path).is_dir(),
        readonly=True,
        lock=False,
        create=False,
        max_dbs=0,
    ) as environment:
        with environment.begin() as transaction:
            _walk_database(transaction, None, "it")
        _walk_pages(environment)


def _walk_pages(environment: lmdb.Environment) -> None:
    """Touches values that lie on pages of their own, and the list of free pages."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a file of ours
        environment.copyfd(nowhere.fileno(), compact=True)


def _walk_database(transaction: lmdb.Transaction, database: Any, name: Any) -> None:
    counted = transaction.stat(database)["entries"]
    last, number = b"", 0
    key: Any
    for key in transaction.cursor(database).iternext(keys=True, values=False):
        # Damaged pages can lead in circles; rising keys cannot.
        if key <= last and number:
            raise ValueError(f"keys of {name!r} are out of order after {number}")
        last, number = key, number + 1
    if number != counted:
        raise ValueError(f"{name!r} holds {number} keys instead of {counted}")


if __name__ == "__main__":
    try:
        (walk_unnamed if sys.argv[2:] == ["unnamed"] else walk)(sys.argv[1])
    except (lmdb.Error, ValueError, OSError) as exc:
        sys.exit(str(exc))
