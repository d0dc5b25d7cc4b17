"""A store in a temporary folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ambience.store.commit import Store
from support.store_writes import KINDS


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens stores in one folder and closes them in the end."""
    opened: list[Store] = []

    def open_it(*, writer: bool = True, folder: Path = tmp_path / "library") -> Store:
        opened.append(Store.open(folder, KINDS, writer=writer))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()
