"""Keys: made once, found by their secret, gone at once; whole on disk, and readable by their owner alone."""

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ambience.errors import DamagedStoreError, QueryError, StoreError
from ambience.keys import Scope
from ambience.store.keys import Keys

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "library" / "keys.json")


def test_a_key_is_found_by_its_secret_alone_which_is_not_on_disk(keys: Keys, tmp_path: Path) -> None:
    made, token = keys.add("photos", {Scope.READ, Scope.ADD}, now=NOW, rate=2.5, max_upload_bytes=10)
    assert keys.find(token) == made
    assert (made.may(Scope.READ), made.may(Scope.ADD), made.may(Scope.DELETE)) == (True, True, False)
    file = tmp_path / "library" / "keys.json"
    assert token not in file.read_text()
    assert token.rpartition("_")[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for wrong in (
        "",
        "x",
        token[:-1],
        token + "x",
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        "amb_é\udc80",
    ):
        assert keys.find(wrong) is None
    assert Keys(file).all() == [made]


def test_another_process_sees_at_once_what_was_made_and_revoked(keys: Keys, tmp_path: Path) -> None:
    other = Keys(tmp_path / "library" / "keys.json")
    assert other.all() == []
    _, first = keys.add("first", {Scope.READ}, now=NOW)
    assert other.find(first) is not None
    _, second = keys.add("second", {Scope.ADMIN}, now=NOW + timedelta(seconds=1))
    assert [key.name for key in other.all()] == ["first", "second"]
    other.revoke("first")
    assert keys.find(first) is None
    found = keys.find(second)
    assert found is not None
    assert found.may(Scope.DELETE)
    keys.revoke(found.key_id)
    assert other.find(second) is None
    (tmp_path / "library" / "keys.json").unlink()
    assert other.all() == []


def test_a_key_expires(keys: Keys) -> None:
    made, _ = keys.add("guest", {Scope.READ}, now=NOW, expires_at=NOW + timedelta(days=1))
    assert not made.is_expired(NOW + timedelta(hours=23))
    assert made.is_expired(NOW + timedelta(days=1))


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 65, "é", "a\n", "../x"])
def test_names_are_plain(keys: Keys, name: str) -> None:
    with pytest.raises(QueryError, match="letters, digits"):
        keys.add(name, {Scope.READ}, now=NOW)


def test_what_cannot_be_done_is_said(keys: Keys) -> None:
    keys.add("photos", {Scope.READ}, now=NOW)
    with pytest.raises(QueryError, match="there is a key 'photos' already"):
        keys.add("photos", {Scope.READ}, now=NOW)
    with pytest.raises(QueryError, match="needs a scope; have read, add, delete, admin"):
        keys.add("other", set(), now=NOW)
    with pytest.raises(QueryError, match="there is no key 'other'; have photos"):
        keys.revoke("other")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"form": 1, "keys": [{}]}', b"\xff"])
def test_a_broken_file_lets_nobody_in(keys: Keys, tmp_path: Path, content: bytes) -> None:
    _, token = keys.add("photos", {Scope.READ}, now=NOW)
    (tmp_path / "library" / "keys.json").write_bytes(content)
    with pytest.raises(DamagedStoreError, match="broken"):
        keys.find(token)
    with pytest.raises(DamagedStoreError):
        keys.add("more", {Scope.READ}, now=NOW)


def test_a_newer_form_is_not_guessed_at(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "keys.json").write_text(json.dumps({"form": 2, "keys": []}))
    with pytest.raises(StoreError, match="another version"):
        keys.all()


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    def make(n: int) -> None:
        Keys(tmp_path / "keys.json").add(f"key{n}", {Scope.READ}, now=NOW)

    threads = [threading.Thread(target=make, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in Keys(tmp_path / "keys.json").all()} == {f"key{n}" for n in range(12)}
