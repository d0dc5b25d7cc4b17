"""Fixtures of the unit tests that need a store, a decoder and extractors together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.workshop import OpenWorkshop, Workshop


@pytest.fixture
def open_workshop(tmp_path: Path) -> Iterator[OpenWorkshop]:
    """Opens workshops, in one folder unless told otherwise, and closes them in the end."""
    opened: list[Workshop] = []

    def open_it(folder: Path = tmp_path / "library", **choices: Any) -> Workshop:
        opened.append(Workshop(folder, **choices))
        return opened[-1]

    yield open_it
    for workshop in opened:
        workshop.close()


@pytest.fixture
def workshop(open_workshop: OpenWorkshop) -> Workshop:
    return open_workshop()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder
