"""The write path of a library: files become images with features, and stay up to date."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ambience.annotate.base import Annotator
from ambience.datatypes import ImageDraft, Picture
from ambience.decode.image import Decoder
from ambience.errors import UnknownKindError
from ambience.extract.base import Extractor
from ambience.ingest.adding import AddRun
from ambience.ingest.annotating import AnnotateRun, Report
from ambience.ingest.extraction import Extraction, Extractors
from ambience.ingest.filling import Filled, FillRun
from ambience.ingest.known import is_below
from ambience.ingest.progress import IngestProgress, IngestReport
from ambience.ingest.scan import absolute, is_filled
from ambience.ingest.watching import Watch, ignores
from ambience.settings import Settings
from ambience.store.base import FeatureDraft
from ambience.store.commit import Store

WAITING_S = 0.5
"""How often somebody who waits for features that another one makes is told how far that is."""


class Ingest:
    """Adds pictures to a store; made once per writing process, used from many threads at a time."""

    def __init__(
        self, store: Store, decoder: Decoder, extractors: Mapping[str, Extractor], settings: Settings
    ) -> None:
        self._store, self._settings = store, settings
        self._extraction = Extraction(decoder, {kind: (each,) for kind, each in extractors.items()})
        self._filling = {kind: threading.Lock() for kind in extractors}
        self._annotating, self._asked_to_annotate = threading.Lock(), threading.Lock()
        self._runs, self._counting = 0, threading.Lock()

    def use(self, extractors: Extractors) -> None:
        """From now on these make the features of pictures.

        Args:
            extractors: of the same kinds as before; of a kind that changes its model, both.
        """
        self._extraction.extractors = extractors

    def extract(
        self, data: bytes, picture: Picture, *, name: str, kinds: Sequence[str] | None = None
    ) -> tuple[ImageDraft, dict[str, FeatureDraft]]:
        """What is known of a picture, and its features by kind.

        Args:
            data: bytes of a picture file.
            picture: decoded from them.
            name: what to call it.
            kinds: all by default.

        Returns:
            A draft without a path, and for each kind a feature or why there is none.

        Raises:
            UnknownKindError: a kind is none of those made.
        """
        for kind in kinds or ():
            self._extractor(kind)
        return self._extraction.drafts(data, picture, name=name, kinds=kinds)

    def add_paths(
        self,
        paths: Sequence[Path | str],
        *,
        on_progress: Callable[[IngestProgress], None] | None = None,
        stop: threading.Event | None = None,
        ids_from_names: bool = False,
    ) -> IngestReport:
        """Adds files and folders; what is known already is skipped without being read.

        A path that does not exist, a folder that cannot be read and a file that is no picture are entries of
        `failed`; the rest goes on, and nothing is raised for them.

        Args:
            paths: files and folders, which are walked recursively.
            on_progress: called in this thread, at most ten times a second and once at the end.
            stop: ends the run after the pictures in hand; what is done by then is committed.
            ids_from_names: the id of an image is the number before the first dot of its file's name.

        Returns:
            What was done.

        Raises:
            StoreFullError: the disk is full; what was committed stays, a later run adds the rest.
        """
        run = self._run(
            [absolute(path) for path in paths],
            stop=stop or threading.Event(),
            ids_from_names=ids_from_names,
            is_explicit=True,
        )
        with self._adding():
            return run.run(on_progress)

    def watch(
        self,
        paths: Sequence[Path | str],
        *,
        stop: threading.Event,
        on_report: Callable[[IngestReport], None],
    ) -> None:
        """Adds files and folders, then follows what appears, changes or goes, until `stop` is set.

        Args:
            paths: files and folders; those that do not exist are failures of the first report.
            stop: ends it.
            on_report: called in this thread, first for what was there, then after each change.

        Raises:
            StoreFullError: the disk is full.
        """
        roots = [absolute(path) for path in paths]

        def settled(changed: list[str]) -> None:
            # A watched folder that went altogether, or is empty, is the place of a drive that was unplugged.
            there = [root for root in roots if is_filled(root)]
            changed = [path for path in changed if any(is_below(path, root) for root in there)]
            with self._adding():
                report = self._run(changed, stop=stop, ids_from_names=False, is_explicit=False).run(None)
            if report.added or report.updated or report.moved or report.missing or report.failed:
                on_report(report)

        def first() -> None:
            on_report(self.add_paths(paths, stop=stop))

        present = [root for root in roots if Path(root).exists()]
        if not present:
            first()
            return
        is_ignored = ignores(hidden=self._settings.ingest.hidden, library=self._store.folder, roots=present)
        Watch(
            present, settled, is_ignored=is_ignored, stop=stop, polls=self._settings.ingest.watch_polls
        ).run(first)

    def fill_pending(
        self,
        kind: str,
        *,
        fingerprint: str = "",
        on_progress: Callable[[int, int], None] | None = None,
        stop: threading.Event | None = None,
        is_beside: bool = False,
    ) -> Filled:
        """Makes the features of one kind that images still lack, from their files.

        Args:
            kind: which.
            fingerprint: of the space that is filled; by default the one in use.
            on_progress: called with how many are through, and how many there are.
            stop: ends it after the pictures in hand.
            is_beside: whether one core is left to searches, unless the settings name a number of threads.

        Returns:
            How many images have theirs now, and how many gave none, by this call: where another one is at
            work, it waits for that one. An image whose file is away is left pending.

        Raises:
            UnknownKindError: no such kind was made, or its models are others by now.
            StoreFullError: the disk is full.
        """
        extractor, stop = self._extractor(kind, fingerprint), stop or threading.Event()
        fingerprint = extractor.spec.fingerprint
        run = FillRun(
            self._store,
            self._extraction,
            self._settings.ingest,
            extractor=extractor,
            stop=stop,
            is_beside=is_beside,
        )
        total = self._store.records.pending_count(fingerprint)
        lock = self._filling[kind]
        while not lock.acquire(timeout=WAITING_S):
            if stop.is_set():
                return Filled()
            if on_progress is not None:
                left = self._store.records.pending_count(fingerprint)
                on_progress(max(0, total - left), max(total, left))
        try:
            return run.run(on_progress)
        finally:
            lock.release()

    @property
    def is_busy(self) -> bool:
        """Whether pictures are added at present, or features made that images lack."""
        return self._runs > 0 or any(lock.locked() for lock in self._filling.values())

    @contextlib.contextmanager
    def _adding(self) -> Iterator[None]:
        with self._counting:
            self._runs += 1
        try:
            yield
        finally:
            with self._counting:
                self._runs -= 1

    def annotate(
        self,
        annotators: Mapping[str, Annotator],
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
        is_beside: bool = False,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Has annotators look at the images that they have yet to look at.

        Args:
            annotators: by name.
            on_progress: called with an annotator, how many images are through, and how many there are.
            stop: ends it after the pictures in hand.
            is_beside: whether one core is left to searches, unless the settings name a number of threads.
            is_paused: while it says so, no further picture is looked at.

        Returns:
            By annotator, what it did, by this call alone. One that is `is_beside` gives way to one that is
            not, so that who asked for it sees all of it; otherwise a call waits for the one before.

        Raises:
            StoreFullError: the disk is full; what was committed stays.
        """
        stop = stop or threading.Event()
        run = AnnotateRun(
            self._store,
            self._extraction,
            self._settings.ingest,
            annotators=annotators,
            stop=stop,
            is_beside=is_beside,
            is_paused=is_paused,
            gives_way=self._asked_to_annotate.locked if is_beside else lambda: False,
        )
        with contextlib.ExitStack() as held:
            for lock in (() if is_beside else (self._asked_to_annotate,)) + (self._annotating,):
                while not lock.acquire(timeout=WAITING_S):
                    if stop.is_set():
                        return run.report
                held.callback(lock.release)
            return run.run(on_progress)

    def _run(
        self, roots: Sequence[str], *, stop: threading.Event, ids_from_names: bool, is_explicit: bool
    ) -> AddRun:
        return AddRun(
            self._store,
            self._extraction,
            self._settings.ingest,
            roots,
            stop=stop,
            ids_from_names=ids_from_names,
            is_explicit=is_explicit,
        )

    def _extractor(self, kind: str, fingerprint: str = "") -> Extractor:
        made = self._extraction.extractors
        if kind not in made:
            raise UnknownKindError(f"no kind {kind!r}; have {', '.join(sorted(made)) or 'none'}")
        for each in made[kind]:
            if fingerprint in ("", each.spec.fingerprint):
                return each
        raise UnknownKindError(f"{kind} does not make {fingerprint} any more; its model was changed")
