"""Reads an LMDB environment from end to end, as a program: `python probe.py FOLDER`; exit 0: all is sound.

It runs in a process of its own, because a damaged memory map kills whoever reads it. Imports lmdb alone.
"""

import os
import sys
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
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a file of ours
            environment.copyfd(nowhere.fileno(), compact=True)  # walks the list of free pages as well


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
        walk(sys.argv[1])
    except (lmdb.Error, ValueError, OSError) as exc:
        sys.exit(str(exc))
