"""What the client asks of duplicates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from ambience.client import models
from ambience.client.connection import Connection
from ambience.client.documents import read
from ambience.client.operations import asks

T = TypeVar("T")


class DuplicateClient:
    """Groups of copies, and what becomes of them; part of `Client`.

    Args:
        connection: to the server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asks("list_duplicates")
    def duplicate_page(
        self, *, after: int = -1, limit: int = 100, verdict: Sequence[str] = ()
    ) -> models.GroupList:
        """One page of the groups of copies.

        Args:
            after: `next` of the page before; −1 for the first one.
            limit: most groups, up to 1,000.
            verdict: by which images are put together; by default all but "part".

        Returns:
            Groups, `next`, and how many images have yet to be compared.
        """
        params = {"after": after, "limit": limit, "verdict": list(verdict) or None}
        return self._read(models.GroupList, "GET", "/v1/duplicates", params=params)

    def duplicates(self, *, verdict: Sequence[str] = (), limit: int = 100) -> Iterator[models.Group]:
        """Every group of copies, asked for page by page.

        Args:
            verdict: by which images are put together; by default all but "part".
            limit: of one page.

        Yields:
            Groups: the image that is best kept, why, and the others.
        """
        after: int | None = -1
        while after is not None:
            page = self.duplicate_page(after=after, limit=limit, verdict=verdict)
            yield from page.groups
            after = page.next

    @asks("decide")
    def decide(self, a: int, b: int, decision: Literal["different", "undecided"]) -> None:
        """Notes that two images are no duplicates, for ever; or takes that back.

        Raises:
            UnknownImageError: no such image.
        """
        sent = {"a": a, "b": b, "decision": decision}
        self._connection.ask("POST", "/v1/duplicates/decisions", json=sent)

    @asks("resolve_duplicates")
    def resolve(self, groups: Sequence[Mapping[str, Any]], *, dry_run: bool = True) -> models.TrashRun:
        """Moves copies to the library's trash, or says what would become of them.

        Args:
            groups: such as `{"keep": 31, "trash": [12, 57]}`: the image that stays, and copies of it that go.
            dry_run: whether nothing is changed.

        Returns:
            What became of each picture; what cannot go is refused with the reason.
        """
        sent = {"groups": [dict(each) for each in groups], "dry_run": dry_run}
        return self._read(models.TrashRun, "POST", "/v1/duplicates/resolve", json=sent)

    @asks("list_trash")
    def trash_page(self, *, before: int | None = None, limit: int = 100) -> models.TrashList:
        """One page of what is in the trash, the newest first.

        Args:
            before: `next` of the page before; None for the first one.
            limit: most pictures, up to 1,000.

        Returns:
            Pictures with the numbers by which `restore` brings them back, and `next`.
        """
        params = {"before": before, "limit": limit}
        return self._read(models.TrashList, "GET", "/v1/duplicates/trash", params=params)

    def trash(self, *, limit: int = 100) -> Iterator[models.Trashed]:
        """Everything in the trash, the newest first, asked for page by page.

        Args:
            limit: of one page.

        Yields:
            Pictures with the numbers by which `restore` brings them back.
        """
        page = self.trash_page(limit=limit)
        yield from page.entries
        while page.next is not None:
            page = self.trash_page(before=page.next, limit=limit)
            yield from page.entries

    @asks("restore_duplicates")
    def restore(self, entries: Sequence[int]) -> models.TrashRun:
        """Brings pictures back from the trash.

        Args:
            entries: their numbers there.

        Returns:
            What became of each; what cannot come back is refused with the reason.
        """
        sent = {"entries": list(entries)}
        return self._read(models.TrashRun, "POST", "/v1/duplicates/restore", json=sent)

    def _read(self, cls: type[T], method: str, path: str, **asked: Any) -> T:
        return read(cls, self._connection.ask(method, path, **asked).json())
