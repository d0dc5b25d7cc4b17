"""The nouns of API keys: who may ask a server over a network, and for what; `store/keys.py` keeps them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do; `admin` may do all of it."""

    READ = "read"
    ADD = "add"
    DELETE = "delete"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without its secret.

    Attributes:
        key_id: 12 hexadecimal digits, also part of the token.
        name: what people call it; no two have the same.
        scopes: what it may do.
        digest: sha256 of the token, hexadecimal.
        made_at: UTC.
        expires_at: UTC; None: never.
        rate: requests a second that it may send; None: as the settings say.
        max_upload_bytes: of one request; None: as the settings say.
    """

    key_id: str
    name: str
    scopes: frozenset[Scope]
    digest: str
    made_at: datetime
    expires_at: datetime | None = None
    rate: float | None = None
    max_upload_bytes: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether it may do something."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at
