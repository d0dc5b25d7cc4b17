"""`ambience keys`: made and shown once, listed without secrets, revoked at once."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ambience.errors import QueryError
from ambience.serve.cli.keys import keys
from ambience.serve.cli.session import Session
from ambience.store.keys import Keys


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(overrides={"library": str(tmp_path / "library")})


def run(session: Session, *words: str) -> Any:
    """A command to its end; an error of ours is raised as it is."""
    return CliRunner().invoke(keys, words, obj=session, catch_exceptions=False, standalone_mode=False)


def test_a_key_is_printed_once_and_listed_without_its_secret(session: Session, tmp_path: Path) -> None:
    made = run(session, "add", "phone", "--scope", "read", "--scope", "add", "--days", "30", "--rate", "5")
    token = made.stdout.strip()
    assert "not shown again" in made.stderr
    found = Keys(tmp_path / "library" / "keys.json").find(token)
    assert found is not None
    assert (found.name, found.rate, sorted(found.scopes)) == ("phone", 5.0, ["add", "read"])
    listed = run(session, "list").stdout
    assert "phone" in listed
    assert "read, add" in listed
    assert "5 requests/s" in listed
    assert token not in listed
    (row,) = json.loads(run(session, "list", "--json").stdout)
    assert (row["name"], row["scopes"], row["max_upload_bytes"]) == ("phone", ["add", "read"], None)
    assert "sha256" not in row
    assert token not in json.dumps(row)


def test_a_revoked_key_is_gone(session: Session, tmp_path: Path) -> None:
    said = json.loads(run(session, "add", "guest", "--scope", "read", "--json").stdout)
    assert run(session, "revoke", "guest").stdout == "guest is revoked\n"
    assert Keys(tmp_path / "library" / "keys.json").find(said["key"]) is None
    with pytest.raises(QueryError, match="there is no key 'guest'"):
        run(session, "revoke", "guest")


def test_a_shared_file_of_keys_is_used_where_the_settings_name_one(tmp_path: Path) -> None:
    file = tmp_path / "shared" / "keys.json"
    session = Session(overrides={"library": str(tmp_path / "library"), "serve.keys_file": str(file)})
    run(session, "add", "gateway", "--scope", "admin")
    assert [key.name for key in Keys(file).all()] == ["gateway"]
    assert not (tmp_path / "library").exists()


@pytest.mark.parametrize(
    "words", [("a", "--scope", "everything"), ("a",), ("a", "--scope", "read", "--days", "0")]
)
def test_wrong_usage_is_told(session: Session, words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        run(session, "add", *words)
