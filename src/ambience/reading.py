"""The read path of a library, which its faces share; `library.Library` adds the write path."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ambience.answers import Answer, Comparison, KindStatus, Match, OriginalAnswer, Query, Ranking
from ambience.composition import compose
from ambience.datatypes import MAX_IMAGE_ID, FeatureSpec, FeatureState, Ids, ImageRecord, ImageState, Verdict
from ambience.decode.thumbnail import ThumbnailCache, reduced, thumbnail
from ambience.errors import (
    QueryError,
    UnknownImageError,
    UnknownKindError,
)
from ambience.extract.base import Extractor
from ambience.fuse.folding import folded
from ambience.inventory import AnnotatorInfo, KindInfo, LibraryInfo
from ambience.one_kind import OneKind
from ambience.paging import Wanted, digest_of, page, told
from ambience.search.asking import asked, kinds_asked
from ambience.search.combination import settled, terms
from ambience.search.filters import parsed
from ambience.search.narrowing import Narrowing
from ambience.services import ServiceInfo
from ambience.settings import Settings
from ambience.spaces import AwaySpace, View
from ambience.stages import Stages
from ambience.store.base import Job, Problem
from ambience.store.carrying import left_behind
from ambience.store.copy_notes import CopyNotes
from ambience.store.files import own_bytes
from ambience.store.lock import WriterLock

THUMBNAIL_SIZES = (16, 1024)
"""Smallest and largest longest side of a thumbnail, in pixels."""

THUMBNAIL_CACHE_BYTES = 64 * 2**20
"""Memory for thumbnails already made: some 3,000 of them."""

COMPARED_SIDE = 1024
"""Longest side, in pixels, that pictures have at least when they are compared with each other, where their
files have so many; and that they are handed out with at most."""


class ReadingLibrary:
    """Pictures, their features and their indexes, to be asked; thread-safe; a context manager.

    Attributes:
        folder: where it lives.
        settings: as opened.
        repairs: what opening found broken and mended.
        lock: the writer lock, or None where opened for reading.
    """

    def __init__(self, settings: Settings, lock: WriterLock | None) -> None:
        """Composes the parts; use `open`."""
        self.folder = settings.library
        self.settings = settings
        self.lock = lock
        self._parts = compose(settings, writer=lock is not None)
        self.repairs = self._parts.repairs
        self._thumbnails = ThumbnailCache(THUMBNAIL_CACHE_BYTES)

    @property
    def kinds(self) -> dict[str, Extractor]:
        """Every extractor of this process, by the name of its kind, as of now: its model may be changed."""
        return {kind: space.extractor for kind, space in self._parts.spaces.view.spaces.items()}

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        """What every kind declares, by its name: those made here, and those that other processes serve."""
        return self._parts.spaces.view.specs

    @property
    def stages(self) -> Stages:
        """How long decoding and extracting took in this process."""
        return self._parts.decoder.stages

    @property
    def is_writer(self) -> bool:
        """Whether this process may change the library."""
        return self.lock is not None

    def image(self, image_id: int) -> ImageRecord:
        """What is known of an image.

        Raises:
            UnknownImageError: no such image.
        """
        check_id(image_id)
        return self._parts.store.records.image(image_id)

    def images(self, image_ids: Sequence[int]) -> dict[int, ImageRecord]:
        """What is known of several images; unknown ids are left out."""
        return self._parts.store.records.images(image_ids)

    def list_images(
        self, *, after: int = -1, limit: int = 100, newest_first: bool = False, filter: str | None = None
    ) -> list[ImageRecord]:
        """One page of the images by id.

        Args:
            after: the last id of the page before; -1 for the first page.
            limit: most images.
            newest_first: by falling id.
            filter: only images that it keeps, such as "winter && !forest"; see `docs/filters.md`.

        Returns:
            At most `limit` records.

        Raises:
            FilterError: the filter is malformed; the message names the column.
        """
        records = self._parts.store.records
        if filter is None:
            return records.list_images(after=after, limit=limit, newest_first=newest_first)
        page = self._parts.selections.page(
            parsed(filter), after=after, limit=limit, newest_first=newest_first
        )
        return list(records.images(page).values())

    def count_images(self, *, filter: str | None = None) -> int:
        """How many images there are, or how many a filter keeps.

        Raises:
            FilterError: the filter is malformed; the message names the column.
        """
        if filter is None:
            return self._parts.store.records.count()
        return self._parts.selections.count(parsed(filter))

    def image_by_name(self, name: str) -> int:
        """The id of the image with this name.

        Raises:
            UnknownImageError: none has it.
        """
        found = self._parts.store.records.by_name(name)
        if found is None:
            raise UnknownImageError(f"no image is named {name!r}")
        return found

    def file_path(self, image_id: int) -> Path:
        """Where the bytes of an image are.

        Returns:
            An absolute path, which may be gone by now.

        Raises:
            UnknownImageError: no such image, or only features of it are kept.
        """
        return self._parts.originals.path(self.image(image_id))

    def file_bytes(self, image_id: int) -> tuple[bytes, str]:
        """The bytes of an image and the lower-case name of their format.

        Raises:
            UnknownImageError: no such image, or its file is gone.
        """
        record = self.image(image_id)
        return self._parts.originals.data(record), record.format

    def thumbnail(self, image_id: int, size: int) -> bytes:
        """A JPEG of an image whose longest side is at most `size` pixels.

        Returns:
            Bytes of the JPEG, upright and sRGB; from memory where it was made before.

        Raises:
            ImageError: the file is no usable picture any more.
            QueryError: the size is outside of 16–1024.
            UnknownImageError: no such image, or its file is gone.
        """
        smallest, largest = THUMBNAIL_SIZES
        if not smallest <= size <= largest:
            raise QueryError(f"thumbnail size {size}; it must be {smallest} to {largest} pixels")
        record = self.image(image_id)
        key = (record.sha256, size)
        cached = self._thumbnails.get(key)
        if cached is None:
            picture = self._parts.decoder.decode(self._parts.originals.data(record), name=f"image {image_id}")
            cached = thumbnail(picture, size)
            self._thumbnails.put(key, cached)
        return cached

    def search(
        self,
        query: Query,
        *,
        by: Sequence[str] | None = None,
        k: int | None = None,
        verdicts: Sequence[Verdict] | None = None,
        min_score: float = 0.0,
        exclude_self: bool = False,
        fold: bool = False,
        filter: str | None = None,
        cursor: str | None = None,
        wait_s: float | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Asks every kind at once and merges what they say.

        Args:
            query: picture bytes, a stored image, words, or several of these together.
            by: kinds to ask; by default all that such a query can be asked of.
            k: most matches; `search.k` by default.
            verdicts: only these.
            min_score: only matches of at least this score, 0–1.
            exclude_self: leave out the images that the query names.
            fold: make one match of images of the same bytes, and of those that are the query's own picture;
                it names the others as `copies`.
            filter: only images that it keeps, chosen before ranking; see `docs/filters.md`.
            cursor: `next` of the page before, of the same question; None for the first page.
            wait_s: answer after so many seconds with what is there; at most `search.deadline_s`.
            on_answer: told what is known so far, each time a kind has answered and others have yet to.

        Returns:
            Matches by verdict, then score; how each kind fared; and the cursor of the next page.

        Raises:
            FilterError: the filter is malformed; the message names the column.
            ImageError: the query's bytes are no usable picture.
            ModelError: the query has words, and the model that understands them is not there.
            QueryError: the query is empty, can be asked of none of the kinds, or asks for more than
                `search.max_k`; or the cursor is not of this question.
            UnknownImageError: an image of the query does not exist.
            UnknownKindError: `by` names no kind.
        """
        k = self.settings.search.k if k is None else k
        if not 1 <= k <= self.settings.search.max_k:
            raise QueryError(f"k = {k}; it must be 1 to {self.settings.search.max_k} (search.max_k)")
        if not 0 <= min_score <= 1:
            raise QueryError(f"min_score = {min_score}; it must be 0 to 1")
        query, narrowing = self._checked(query), self._narrowing(filter)
        texts = {
            kind: each for kind, each in self._parts.texts.items() if kind in (by or ()) or each.has_words
        }
        for kind in by or ():
            if kind not in texts:
                self._check_kind(kind)
        view = self._now()
        specs = view.specs
        if narrowing is not None and narrowing.is_empty:
            kinds = by or kinds_asked(specs, texts, query)
            return Answer((), tuple(KindStatus(kind, "ok", "the filter keeps no picture") for kind in kinds))
        is_early = wait_s is not None or on_answer is not None
        question, sha256 = asked(view.questions, specs, texts, query, by, lazily=is_early)
        same_files = () if sha256 is None else self._parts.store.records.same_file(sha256)
        named = {part.image_id for part in terms(query) if exclude_self and part.image_id is not None}
        most = self.settings.search.max_depth
        wanted = Wanted(k, frozenset(verdicts or ()), min_score, frozenset(named), most)
        digest = digest_of(
            query, sorted(by or ()), sorted(verdicts or ()), min_score, exclude_self, fold, filter
        )
        as_one = self._folded if fold else tuple
        tell = None if on_answer is None else partial(told, wanted=wanted, tell=on_answer, fold=as_one)
        ask = partial(view.gateway.search, question, same_files=same_files, narrowing=narrowing)
        ask = partial(ask, wait_s=wait_s, on_answer=tell)
        return page(lambda depth: ask(k=depth), wanted, digest, cursor, fold=as_one)

    def _folded(self, matches: Sequence[Match]) -> Sequence[Match]:
        """Matches of one picture as one."""
        notes = CopyNotes(self._parts.store.records.database)
        return folded(matches, notes.contents([match.image_id for match in matches]))

    def warm_up(self, *, by: Sequence[str] | None = None) -> None:
        """Searches with a picture of nothing, so that the first real search waits for no compiler or model.

        Args:
            by: kinds to make ready; all by default.
        """
        view = self._now()
        question = view.questions.of_nothing(kinds=tuple(by) if by else tuple(view.spaces))
        view.gateway.search(question, k=1, same_files=())

    def search_kind(
        self,
        kind: str,
        query: Query,
        *,
        k: int | None = None,
        radius: float | None = None,
        turned: bool = True,
        filter: str | None = None,
        allowed_images: Ids | None = None,
    ) -> Ranking:
        """Asks one kind.

        Args:
            kind: which.
            query: picture bytes, a stored image, or, where the kind takes them, words or several terms.
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            turned: search the query's other orientations as well; a stored image is then read from its file.
            filter: only images that it keeps, chosen before ranking; see `docs/filters.md`.
            allowed_images: instead of a filter: only these images, chosen before ranking.

        Returns:
            Hits, nearest first.

        Raises:
            EmptyFeatureError: the query holds nothing that this kind could describe.
            FilterError: the filter is malformed; the message names the column.
            ImageError: the query's bytes are no usable picture.
            QueryError: both or neither of k and radius are given, or out of range.
            UnknownImageError: the query's image does not exist or has no such feature.
            UnknownKindError: no such kind.
        """
        asked, query, narrowing = self.one_kind(kind), self._checked(query), self._narrowing(filter)
        return asked.search(
            query, k=k, radius=radius, turned=turned, narrowing=narrowing, allowed_images=allowed_images
        )

    def one_kind(self, kind: str) -> OneKind:
        """One kind as of now, to be asked alone.

        Raises:
            UnknownKindError: no such kind.
        """
        self._check_kind(kind)
        return OneKind(kind, self._now(), self._parts.store.records, self.settings.search.deadline_s)

    def original_knobs(self, kind: str) -> type[Any]:
        """The parameters that the original's endpoints take for one kind.

        Returns:
            A frozen dataclass, made by `settings.setting`.

        Raises:
            UnknownKindError: no such kind.
        """
        return self.one_kind(kind).knobs

    def search_original(self, kind: str, query: Query, knobs: Any, *, turned: bool) -> OriginalAnswer:
        """Asks one kind as the original's endpoints do.

        Args:
            kind: which.
            query: picture bytes, a stored image, or words where the kind takes them.
            knobs: an instance of `original_knobs(kind)`.
            turned: search the query's other orientations as well.

        Returns:
            Images, best first; none where the query holds nothing that this kind could describe.

        Raises:
            AmbienceError: as `search_kind` does.
        """
        return self.one_kind(kind).original(self._checked(query), knobs, turned=turned)

    def match(self, query: Query, image: Query) -> Comparison:
        """Compares two pictures with each other, by every kind.

        Args:
            query: picture bytes, or a stored image whose file is there.
            image: likewise.

        Returns:
            What one is of the other, what proves it or speaks for it, and both pictures.

        Raises:
            ImageError: one of them is no usable picture.
            QueryError: one of them is no picture but words, or nothing.
            UnknownImageError: no such image, its file is gone, or only features of it are kept.
        """
        view = self._parts.spaces.view
        read = view.questions.data
        query, image = self._checked(query), self._checked(image)
        (first, query_name), (second, image_name) = read(query), read(image)
        decode = self._parts.decoder.decode
        one = decode(first, name=query_name, longest_side=COMPARED_SIDE, region=query.region)
        other = decode(second, name=image_name, longest_side=COMPARED_SIDE, region=image.region)
        is_same = first == second and query.region == image.region
        found = view.comparer.compare(one, other, names=(query_name, image_name), is_same_file=is_same)
        return replace(found, query=reduced(one, COMPARED_SIDE), image=reduced(other, COMPARED_SIDE))

    def info(self) -> LibraryInfo:
        """What the library holds and how far each kind is.

        Returns:
            Counts as of now; in a reading process, what the writer has committed so far.
        """
        view, records = self._now(), self._parts.store.records
        counts = records.counts()
        kinds = {
            kind: KindInfo(
                space.spec,
                space.live.engine,
                len(space.live),
                counts.get(kind, {}),
                self._parts.changes.coming(kind),
                left_behind(records, space.spec),
                note=space.live.note,
                imported=0 if space.imported is None else len(space.imported),
            )
            for kind, space in view.spaces.items()
        }
        kinds |= {kind: self._away_info(space, counts.get(kind, {})) for kind, space in view.away.items()}
        return LibraryInfo(
            folder=self.folder,
            images=records.count(),
            missing=records.count(ImageState.MISSING),
            failed_files=records.failed_count(),
            disk_bytes=own_bytes(self.folder) + records.upload_bytes(),
            seq=records.last_seq(),
            kinds={kind: kinds[kind] for kind in sorted(kinds)},
            unused=tuple(self._parts.store.unused()),
            annotators=self.annotator_infos(),
        )

    def services(self) -> dict[str, ServiceInfo]:
        """How the services of kinds in other processes fare, by kind; none is asked for that."""
        return {kind: space.service.info for kind, space in self._parts.spaces.view.away.items()}

    def annotator_infos(self) -> dict[str, AnnotatorInfo]:
        """How far each annotator is, by name."""
        records, reasons = self._parts.store.records, self._parts.background.annotating.reasons
        return {
            name: AnnotatorInfo(records.annotation_counts(name), reasons.get(name, ""))
            for name in self._parts.annotators
        }

    def check(
        self,
        *,
        deep: bool = True,
        on_progress: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> list[Problem]:
        """Finds and names every inconsistency; see `problems`.

        Returns:
            Problems, empty where all is well.

        Raises:
            StoreError: `stop` was set before the end.
        """
        return list(self.problems(deep=deep, on_progress=on_progress, stop=stop))

    def problems(
        self,
        *,
        deep: bool = True,
        on_progress: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Problem]:
        """Every inconsistency as it is found; searches and changes go on meanwhile.

        Args:
            deep: read every feature and every upload and verify its checksum, and look at the size and time
                of every other file.
            on_progress: told what is being looked at.
            stop: ends it early.

        Returns:
            Problems; their messages say what to do.

        Raises:
            StoreError: `stop` was set before the end.
        """
        tell = on_progress or (lambda _message: None)
        return self._parts.upkeep.inspect(deep=deep, on_subject=tell, stop=stop or threading.Event())

    def jobs(self) -> list[Job]:
        """Background work: what, how far, what failed; the newest first."""
        return self._parts.store.records.jobs()

    def close(self) -> None:
        """Stops background work, writes what is unwritten, and lets go of the lock."""
        try:
            self._parts.opened.close()
        finally:
            if self.lock is not None:
                self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_kind(self, kind: str) -> None:
        if kind not in self.specs:
            have = ", ".join((*self.specs, *self._parts.texts))
            if kind in self.settings.kinds:  # it exists: else the library would not have been opened
                raise UnknownKindError(f"the kind {kind!r} is switched off (kinds.{kind}.enabled)")
            raise UnknownKindError(f"no kind {kind!r}; have {have}")

    def _away_info(self, space: AwaySpace, states: Mapping[FeatureState, int]) -> KindInfo:
        """How far a kind is that another process serves, by what this one knows."""
        service, done = space.service.info, states.get(FeatureState.DONE, 0)
        return KindInfo(space.spec, "elsewhere", done, states, note=service.message, service=service)

    def _narrowing(self, filter: str | None) -> Narrowing | None:
        return None if filter is None else Narrowing(self._parts.selections, parsed(filter))

    def _now(self) -> View:
        """What answers one question, from its beginning to its end.

        A reading process applies what the writer committed since; the writer's indexes are up to date.
        """
        if not self.is_writer:
            self._parts.spaces.follow()
        return self._parts.spaces.view

    def _checked(self, query: Query) -> Query:
        query = settled(query)
        for part in terms(query):
            if part.image_id is not None:
                check_id(part.image_id)
        return query


def check_id(image_id: int) -> None:
    """Refuses a number that no image can have.

    Raises:
        UnknownImageError: it is negative or too large.
    """
    if not 0 <= image_id <= MAX_IMAGE_ID:
        raise UnknownImageError(f"image id {image_id}; ids are 0 to {MAX_IMAGE_ID}")
