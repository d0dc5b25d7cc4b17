"""API keys: who may ask a server over a network, and for what.

They live in a file of their own and not in the records: a server, its separate services and the command line
share one file, none of them needs the writer's lock for it, and a look at the file's date tells each at once
that a key was revoked.
"""

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ambience.errors import DamagedStoreError, QueryError, StoreError
from ambience.keys import ApiKey, Scope
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.sync import sync

KEYS_NAME = "keys.json"
SECRET_BYTES = 32
MOST_KEYS = 10_000
FORM = 1
"""Of the file."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_TOKEN = re.compile(r"amb_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class Keys:
    """The keys of one file; processes and threads may share it.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._by_id: dict[str, ApiKey] = {}
        self._lock = threading.Lock()

    def find(self, token: str) -> ApiKey | None:
        """The key that a token is the secret of; what was revoked a moment ago is not found any more.

        A token holds 256 random bits, which nobody guesses, so one sha256 keeps it safe on disk: slow hashes
        are for secrets that people make up.

        Args:
            token: as a client sent it.

        Returns:
            The key, expired or not; None where there is none.

        Raises:
            StoreError: the file cannot be read.
        """
        parsed = _TOKEN.fullmatch(token)
        found = self._current().get(parsed[1]) if parsed else None
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        is_same = hmac.compare_digest(digest, found.digest if found else "0" * len(digest))
        return found if is_same else None

    def all(self) -> list[ApiKey]:
        """Every key, the oldest first.

        Raises:
            StoreError: the file cannot be read.
        """
        return sorted(self._current().values(), key=lambda key: (key.made_at, key.name))

    def add(
        self,
        name: str,
        scopes: Collection[Scope],
        *,
        now: datetime,
        expires_at: datetime | None = None,
        rate: float | None = None,
        max_upload_bytes: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Makes a key; durable when it returns.

        Args:
            name: letters, digits and `_.@-`, at most 64.
            scopes: at least one.
            now: UTC.
            expires_at: UTC; None: never.
            rate: requests a second; None: as the settings say.
            max_upload_bytes: of one request; None: as the settings say.

        Returns:
            The key, and its token, which is kept nowhere.

        Raises:
            QueryError: the name is taken or malformed, there is no scope, or there are too many keys.
            StoreError: the file cannot be read or written.
        """
        if not _NAME.fullmatch(name):
            raise QueryError(
                f"the name {name[:80]!r} cannot be used; take 1 to 64 letters, digits and _ . @ - "
                "that begin with a letter or a digit"
            )
        if not scopes:
            raise QueryError(f"a key needs a scope; have {', '.join(Scope)}")
        key_id = secrets.token_hex(6)
        token = f"amb_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        made = ApiKey(key_id, name, frozenset(scopes), digest, now, expires_at, rate, max_upload_bytes)
        with self._changing() as keys:
            if any(key.name == name for key in keys.values()):
                raise QueryError(f"there is a key {name!r} already; revoke it, or take another name")
            if len(keys) >= MOST_KEYS:
                raise QueryError(f"there are {len(keys)} keys, which is the most; revoke some")
            keys[key_id] = made
        return made, token

    def revoke(self, name: str) -> ApiKey:
        """Forgets a key: the next request with it is refused.

        Args:
            name: of the key, or its id.

        Returns:
            The key.

        Raises:
            QueryError: there is no such key.
            StoreError: the file cannot be read or written.
        """
        with self._changing() as keys:
            for key in keys.values():
                if name in (key.name, key.key_id):
                    return keys.pop(key.key_id)
            names = ", ".join(sorted(key.name for key in keys.values())[:20]) or "none"
            raise QueryError(f"there is no key {name[:80]!r}; have {names}")

    def _current(self) -> dict[str, ApiKey]:
        """All keys by id, read again where another file lies there by now."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen = None
            self._by_id = {}
            return self._by_id
        except OSError as exc:
            raise StoreError(f"{self._path}: the keys cannot be read: {exc.strerror}") from exc
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        with self._lock:
            if seen != self._seen:
                self._by_id, self._seen = _read(self._path), seen
            return self._by_id

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        """All keys, to be changed by one at a time; written when the block ends well."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f"{self._path.name}.lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise StoreError(f"{self._path}: the keys cannot be written: {exc.strerror}") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            keys = dict(self._current())
            yield keys
            self._write(keys)
        finally:
            os.close(descriptor)

    def _write(self, keys: dict[str, ApiKey]) -> None:
        """Puts a new file in the place of the old one, so that a reader sees either of them whole."""
        document = {"form": FORM, "keys": [_row(key) for key in keys.values()]}
        partial = self._path.with_name(f"{self._path.name}.partial")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(document, indent=1).encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._path)
            sync(self._path.parent)
        except OSError as exc:
            with contextlib.suppress(OSError):
                partial.unlink()
            if is_disk_full(exc):
                raise disk_full(self._path.parent, exc) from exc
            raise StoreError(f"{self._path}: the keys cannot be written: {exc.strerror}") from exc


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "sha256": key.digest,
        "made_at": key.made_at.isoformat(timespec="seconds"),
        "expires_at": key.expires_at and key.expires_at.isoformat(timespec="seconds"),
        "rate": key.rate,
        "max_upload_bytes": key.max_upload_bytes,
    }


def _read(path: Path) -> dict[str, ApiKey]:
    try:
        document = json.loads(path.read_bytes())
        if document["form"] != FORM:
            raise StoreError(f"{path}: keys of another version of Ambience (form {document['form']!r})")
        keys = [_key(row) for row in document["keys"]]
    except OSError as exc:
        raise StoreError(f"{path}: the keys cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise DamagedStoreError(f"{path}: broken ({exc}); move the file away and make new keys") from exc
    return {key.key_id: key for key in keys}


def _key(row: dict[str, Any]) -> ApiKey:
    expires_at = row["expires_at"]
    return ApiKey(
        str(row["key_id"]),
        str(row["name"]),
        frozenset(Scope(scope) for scope in row["scopes"]),
        str(row["sha256"]),
        _moment(row["made_at"]),
        None if expires_at is None else _moment(expires_at),
        row["rate"],
        row["max_upload_bytes"],
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
