"""What a person asks for: look for every inconsistency, and make anew whatever can be made anew.

Whatever `inspect` names, its message says how to mend; for what needs no person that is `renew`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence

from ambience.errors import StoreError
from ambience.ingest import Ingest
from ambience.maintain.live_index import LiveIndex
from ambience.store.base import Problem
from ambience.store.check_files import check_files
from ambience.store.commit import Store
from ambience.store.files import KeptFiles

Progress = Callable[[str, int, int], None]


class Upkeep:
    """Inspection and repair of one library.

    Args:
        store: open for writing, where anything is to be mended.
        kept: bytes that the library keeps itself.
        ingest: extracts what is pending.
        lives: the indexes that are kept up to date, those in use first.
    """

    def __init__(
        self, store: Store, kept: KeptFiles, ingest: Ingest, lives: Callable[[], Sequence[LiveIndex]]
    ) -> None:
        self._store, self._kept, self._ingest, self._lives = store, kept, ingest, lives

    def inspect(
        self, *, deep: bool, on_subject: Callable[[str], None], stop: threading.Event
    ) -> Iterator[Problem]:
        """Every inconsistency, one by one, in bounded memory; nobody waits meanwhile.

        Args:
            deep: read every feature and every upload, and look at size and time of every other file.
            on_subject: told what is being looked at.
            stop: ends it.

        Yields:
            Problems.

        Raises:
            StoreError: `stop` was set before the end, so that nothing can be said of the rest.
        """
        for problem in self._found(deep, on_subject, stop):
            if stop.is_set():
                break
            yield problem
        if stop.is_set():
            raise StoreError("the check was stopped before its end; run it again to see the rest")

    def _found(
        self, deep: bool, on_subject: Callable[[str], None], stop: threading.Event
    ) -> Iterator[Problem]:
        on_subject("records and features")
        yield from self._store.check(deep=deep, stop=stop)
        for live in self._lives():
            if not stop.is_set():
                on_subject(f"index of {live.spec.kind}")
                yield from live.check()
        on_subject("files")
        yield from check_files(self._store.records, self._kept, deep=deep, stop=stop)

    def renew(
        self, kinds: Sequence[str], *, features: bool, on_progress: Progress | None, stop: threading.Event
    ) -> None:
        """Makes indexes anew from the store; before that, features from the pictures.

        Args:
            kinds: whose.
            features: mend records, delete what belongs to nothing, and extract again what is broken, missing
                or pending.
            on_progress: told (kind, done, total).
            stop: ends it; the indexes serve on as they were.

        Raises:
            StoreError: `stop` was set before the end.
            StoreFullError: the disk is full.
        """
        if features:
            self._store.repair()
            self._kept.sweep_orphans(self._store.records)
        imported = self._store.records.imported
        for kind in kinds:
            live, *others = (each for each in self._lives() if each.spec.kind == kind)
            beside = [each for each in others if each.spec.fingerprint in imported]
            tell = None if on_progress is None else _about(kind, on_progress)
            for each in (live, *beside):
                fingerprint = each.spec.fingerprint
                if features:
                    each.mend_all(stop)
                if features and each is live:
                    self._ingest.fill_pending(kind, fingerprint=fingerprint, on_progress=tell, stop=stop)
                if stop.is_set() or not each.rebuild(tell, stop=stop):
                    raise StoreError(f"stopped before {kind} was made anew; run it again")
                each.snapshot()


def _about(kind: str, on_progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: on_progress(kind, done, total)
