"""The only lookup mechanism: what a folder holds, by file name."""

import pytest

from ambience import registry
from ambience.errors import SettingsError


def test_kinds_and_engines_are_listed_by_file_name() -> None:
    assert {"phash", "color"} <= set(registry.names("ambience.extract"))
    assert {"binary", "exact", "histogram"} <= set(registry.names("ambience.index"))
    assert "base" not in registry.names("ambience.extract")


def test_what_is_known_is_looked_up_once() -> None:
    assert registry.known("ambience.extract")["phash"] is None  # a file, and no entry point
    assert registry.known("ambience.extract") is registry.known("ambience.extract")


def test_a_name_gives_the_one_class_of_its_file() -> None:
    assert registry.load("ambience.extract", "phash").__name__ == "PHash"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        SettingsError, match=r"no 'hnws' in ambience\.index; have binary, descriptors, embedding, exact"
    ):
        registry.load("ambience.index", "hnws")
