"""Fixtures of all tests: real photographs that ship with scikit-image."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

# The same examples in every run, and no deadline: a busy machine is no fault of the code.
hypothesis_settings.register_profile("ambience", deadline=None, derandomize=True)
hypothesis_settings.load_profile("ambience")

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: processes that share the tests then end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def home_of_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the platform calls the user's data folder: the tests write nothing into the real one."""
    folder = tmp_path_factory.mktemp("data_home")
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_DATA_HOME"]
    else:
        os.environ["XDG_DATA_HOME"] = before


@pytest.fixture(scope="session")
def shipped_photographs() -> Path:
    """The folder of scikit-image that its pictures lie in."""
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data"


@pytest.fixture
def photographs(tmp_path: Path, shipped_photographs: Path) -> Path:
    """A folder with five real photographs of its own."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in PHOTOGRAPHS:
        shutil.copy(shipped_photographs / name, folder)
    return folder
