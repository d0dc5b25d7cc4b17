"""How values lie on the pages of the file."""

from pathlib import Path

import lmdb

from ambience.store.environment import Environment

VALUE = bytes(1030)
"""As long as a stored color histogram: three of them fit on a page."""


def _items(first: int, stop: int) -> list[tuple[bytes, bytes]]:
    return [(number.to_bytes(8, "big"), VALUE) for number in range(first, stop)]


def _leaf_pages(folder: Path) -> int:
    with lmdb.Environment(str(folder), readonly=True, max_dbs=1) as opened:
        database = opened.open_db(b"colors", create=False)
        with opened.begin() as transaction:
            return int(transaction.stat(database)["leaf_pages"])


def test_rising_ids_fill_every_page(tmp_path: Path) -> None:
    environment = Environment.shared(tmp_path, is_writer=True)
    for first in range(1, 900, 90):
        environment.write({"colors": _items(first, first + 90)}, {})
    environment.release()
    assert _leaf_pages(tmp_path) == 900 / 3


def test_ids_that_do_not_rise_are_stored_in_order(tmp_path: Path) -> None:
    environment = Environment.shared(tmp_path, is_writer=True)
    environment.write({"colors": _items(50, 60)}, {})
    environment.write({"colors": _items(10, 20)}, {})  # below what is there
    environment.write({"colors": [*_items(80, 81), *_items(70, 71)]}, {})  # above, but falling
    with environment.reading("colors") as (transaction, database):
        keys = [bytes(key) for key, _ in transaction.cursor(database)]
    environment.release()
    assert keys == [key for key, _ in [*_items(10, 20), *_items(50, 60), *_items(70, 71), *_items(80, 81)]]
