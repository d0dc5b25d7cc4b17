from pathlib import Path

import click
import pytest

from ambience.serve.cli.session import Session, parse_overrides

_PARAMETER = click.Option(["--set"])


def _parse(*words: str) -> dict[str, str]:
    return parse_overrides(click.Context(click.Command("x")), _PARAMETER, words)


def test_overrides_are_split_at_the_first_sign() -> None:
    assert _parse("search.k=5", "serve.host=a=b", "search.k=6") == {"search.k": "6", "serve.host": "a=b"}


@pytest.mark.parametrize("word", ["search.k", "=5", " =5"])
def test_an_override_without_name_or_value_is_wrong_usage(word: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        _parse(word)


def test_the_command_line_wins_over_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.toml"
    file.write_text('library = "/from/file"\n[search]\nk = 3\nmax_k = 30\n')
    monkeypatch.setenv("AMBIENCE_SEARCH_K", "4")
    settings = Session(tmp_path, file, {"search.k": "5"}).settings
    assert (settings.library, settings.search.k, settings.search.max_k) == (tmp_path, 5, 30)
    assert Session(None, file).settings.library == Path("/from/file")
    assert Session(None, file).settings.search.k == 4
