"""The one loader: four sources, one order, clear refusals."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ambience.errors import SettingsError
from ambience.settings import count_or_cores, rows, setting
from ambience.settings_sources import load_settings, options_from


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    file = tmp_path / "ambience.toml"
    file.write_text(
        'library = "/pictures"\n[decode]\nmax_bytes = 10\nexact = true\n[kinds.phash]\nindex = "exact"\n'
    )
    return file


def test_defaults_without_any_source(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    settings = load_settings(file=empty, environment={})
    assert settings.serve.host == "127.0.0.1"
    assert settings.decode.exact is False


def test_toml_over_default(toml: Path) -> None:
    settings = load_settings(file=toml, environment={})
    assert settings.library == Path("/pictures")
    assert (settings.decode.max_bytes, settings.decode.exact) == (10, True)
    assert settings.kinds == {"phash": {"index": "exact"}}


def test_environment_over_toml_and_command_line_over_both(toml: Path) -> None:
    environment = {
        "AMBIENCE_DECODE_MAX_BYTES": "20",
        "AMBIENCE_LIBRARY": "/env",
        "AMBIENCE_SETTINGS": str(toml),
    }
    assert load_settings(environment=environment).decode.max_bytes == 20
    settings = load_settings(environment=environment, overrides={"decode.max_bytes": "30"})
    assert settings.decode.max_bytes == 30
    assert settings.library == Path("/env")


def test_environment_reaches_the_options_of_a_kind(toml: Path) -> None:
    settings = load_settings(file=toml, environment={"AMBIENCE_KINDS__PHASH__INDEX": "binary"})
    assert settings.kinds["phash"]["index"] == "binary"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("decode.max_byte", "1", "unknown setting decode.max_byte"),
        ("nonsense", "1", "unknown setting 'nonsense'"),
        ("decode.max_bytes", "many", "'many' is not a whole number"),
        ("decode.max_bytes", "0", "below the smallest value, 1"),
        ("decode.exact", "perhaps", "'perhaps' is not true or false"),
        ("search.deadline_s", "soon", "'soon' is not a finite number"),
        ("search.deadline_s", "nan", "'nan' is not a finite number"),
    ],
)
def test_what_is_wrong_is_named(toml: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(file=toml, environment={}, overrides={name: value})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("[decode")
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings(file=file, environment={})


@dataclass(frozen=True)
class Options:
    names: tuple[str, ...] = setting((), "", "Names.")
    limit: int | None = setting(None, "", "Limit.")


def test_options_of_a_kind_come_as_strings_or_values() -> None:
    options = options_from(Options, {"names": "a, b", "limit": "3"}, where="kinds.toy")
    assert options == Options(names=("a", "b"), limit=3)
    assert options_from(Options, {"limit": ""}, where="kinds.toy").limit is None
    with pytest.raises(SettingsError, match=r"unknown setting kinds\.toy\.color"):
        options_from(Options, {"color": 1}, where="kinds.toy")


def test_every_row_has_help() -> None:
    assert all(help.endswith(".") for _, _, _, help in rows())
    assert len({name for name, _, _, _ in rows()}) == len(rows())


def test_a_count_of_zero_is_as_many_as_cores() -> None:
    assert count_or_cores(3) == 3
    assert count_or_cores(0) >= 1
