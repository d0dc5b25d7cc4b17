"""Settings become objects: the one place where the parts of a library are chosen and joined."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self, cast

from ambience.annotate.base import Annotator, StoredAnnotator
from ambience.changing import ModelChanges
from ambience.datatypes import FeatureSpec, PixelNeed
from ambience.decode.image import Decoder
from ambience.duplicates.duplicates import Duplicates
from ambience.duplicates.following import PairFollowing
from ambience.duplicates.resolving import Resolving
from ambience.errors import SettingsError
from ambience.extract.base import Extractor
from ambience.fuse.calibration import Calibration, read_calibration, shipped
from ambience.fuse.ordering import check_merge
from ambience.gateway import Gateway
from ambience.ingest import Ingest
from ambience.ingest.uploads import Uploads
from ambience.maintain import Annotating, Delivery, Maintenance, Upkeep, WordFollowing
from ambience.making import make_annotators, make_extractors
from ambience.models.folder import ModelFolder
from ambience.models.runtime import Models
from ambience.placing import Placing
from ambience.search.base import TextSearch
from ambience.search.originals import Originals
from ambience.search.text import TEXT, TextInPictures
from ambience.search.words import WordSearch
from ambience.settings import Settings, count_or_cores
from ambience.space_making import ConfiguredSpaces
from ambience.spaces import Spaces
from ambience.store.base import Problem
from ambience.store.commit import Store
from ambience.store.files import KeptFiles
from ambience.store.records import Records
from ambience.store.selection import Selections
from ambience.store.vocabulary import Vocabulary
from ambience.store.vocabulary_writer import VocabularyWriter

LAGGING = 1000
"""Lines that the index of words lacks, beyond which they are not counted."""
MAX_IMAGES = 2**31
"""More images than any library has: no limit."""


@dataclass(frozen=True, slots=True)
class Background:
    """Threads of a library that work beside those who ask, begun by its writer alone.

    Attributes:
        maintenance: makes features that are missing, trains and writes indexes.
        annotating: has annotators look at pictures.
        word_following: keeps the index of words up.
        delivery: gives pictures to kinds that other processes serve.
        pair_following: finds duplicates; begun only where a server runs.
    """

    maintenance: Maintenance
    annotating: Annotating
    word_following: WordFollowing
    delivery: Delivery
    pair_following: PairFollowing

    def start(self) -> None:
        """Begins all but the search for duplicates."""
        self.maintenance.start()
        self.annotating.start()
        self.word_following.start()
        self.delivery.start()

    @property
    def stops(self) -> Sequence[Callable[[], object]]:
        """What ends each of them; to be called from last to first."""
        threads = (self.maintenance, self.annotating, self.word_following, self.delivery, self.pair_following)
        return [each.stop for each in threads]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a library is made of.

    Attributes:
        opened: ends in the right order whatever holds threads, processes or files.
        spaces: by kind, what makes features and what searches them.
        decoder: shared by all of them.
        store: the truth.
        kept: bytes that the library keeps itself.
        originals: the files behind images.
        uploads: adds and removes images with such bytes.
        ingest: the write path.
        annotators: say words of pictures, by name.
        words: finds images by the words that stand in them.
        texts: the same as kinds that the gateway asks, by name; none where no text is read.
        placing: adds and removes features of one kind by id.
        upkeep: inspection and repair.
        changes: changes the models of kinds.
        selections: answer which images filters keep.
        duplicates: finds and groups copies.
        resolving: puts copies away and brings them back.
        background: what works beside those who ask.
        repairs: what opening found broken and mended.
    """

    opened: ExitStack
    spaces: Spaces
    decoder: Decoder
    store: Store
    kept: KeptFiles
    originals: Originals
    uploads: Uploads
    ingest: Ingest
    annotators: Mapping[str, Annotator]
    words: WordSearch
    texts: Mapping[str, TextSearch]
    placing: Placing
    upkeep: Upkeep
    changes: ModelChanges
    selections: Selections
    duplicates: Duplicates
    resolving: Resolving
    background: Background
    repairs: tuple[Problem, ...]


def compose(settings: Settings, *, writer: bool) -> Parts:
    """The parts of the library that the settings describe, opened and joined.

    Args:
        settings: all of them.
        writer: whether this process may change the library; it then holds the writer lock.

    Returns:
        Parts, with background work not yet started.

    Raises:
        SettingsError: a setting of a kind or of an engine is unknown or out of range.
        StoreError: the library cannot be opened.
        UnknownKindError: the settings name a kind that does not exist.
    """
    _use_one_blas_thread()
    wanted = _Wanted.by(settings)
    with ExitStack() as opened:
        store = opened.enter_context(Store.open(settings.library, wanted.specs, writer=writer))
        kept = KeptFiles(settings.library)
        if writer:
            kept.settle(store.records)
        decoder = Decoder(settings.decode, wanted.needs)
        opened.callback(decoder.close)
        ingest = Ingest(store, decoder, wanted.extractors, settings)
        originals = Originals(store.records, kept, decoder)
        shared = _Opened(opened, settings, wanted, store, decoder, ingest, originals)
        vocabulary = Vocabulary(_word_file(settings))
        opened.callback(vocabulary.close)
        words = WordSearch(vocabulary, store.records)
        pending = partial(_without_words, store.records, vocabulary)
        texts = {TEXT: TextInPictures(words, vocabulary, pending)} if TEXT in wanted.annotators else {}
        maker = shared.space_maker(texts)
        spaces = Spaces(
            store, maker, ingest, {kind: maker.of(each) for kind, each in wanted.extractors.items()}
        )
        shared.prepare_annotators()
        found = spaces.open()
        store.on_commit.append(spaces.catch_up)
        duplicates = Duplicates(store, lambda: spaces.view)
        opened.callback(duplicates.close)
        background = shared.background(spaces, maker, duplicates)
        uploads = Uploads(store, kept)
        resolving = Resolving(store, kept, uploads, decoder, ingest, duplicates.copies_of)
        if writer:
            resolving.settle()
        return Parts(
            opened=opened.pop_all(),
            spaces=spaces,
            decoder=decoder,
            store=store,
            kept=kept,
            originals=originals,
            uploads=uploads,
            ingest=ingest,
            annotators=wanted.annotators,
            words=words,
            texts=texts,
            duplicates=duplicates,
            resolving=resolving,
            background=background,
            placing=Placing(store, decoder, ingest, uploads, spaces, background.delivery),
            upkeep=Upkeep(store, kept, ingest, spaces.lives),
            changes=ModelChanges(
                store,
                spaces,
                background.maintenance,
                maker.chosen,
                ModelFolder.at(settings.models.folder),
            ),
            selections=Selections(store.records, partial(_with_words, words)),
            repairs=(*store.repairs, *found),
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What settings switch on, made and not yet joined."""

    models: Models
    extractors: Mapping[str, Extractor]
    away: Mapping[str, Extractor]
    annotators: Mapping[str, Annotator]

    @classmethod
    def by(cls, settings: Settings) -> Self:
        models = Models(settings.models)
        made = cls(
            models,
            make_extractors(settings, models),
            make_extractors(settings, models, elsewhere=True),
            make_annotators(settings, models),
        )
        if not made.extractors and not made.away and not made.annotators:
            raise SettingsError("every kind is switched off; set one of kinds.<kind>.enabled to true")
        return made

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        here = {kind: extractor.spec for kind, extractor in self.extractors.items()}
        return here | {
            kind: replace(extractor.spec, is_elsewhere=True) for kind, extractor in self.away.items()
        }

    @property
    def needs(self) -> list[PixelNeed]:
        return [extractor.need for extractor in (*self.extractors.values(), *self.away.values())]


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the steps of composing share."""

    stack: ExitStack
    settings: Settings
    wanted: _Wanted
    store: Store
    decoder: Decoder
    ingest: Ingest
    originals: Originals

    def space_maker(self, texts: Mapping[str, TextSearch]) -> ConfiguredSpaces:
        settings, calibration = self.settings, _calibration(self.settings)
        check_merge(settings.search.merge)
        threads = count_or_cores(settings.serve.workers)
        gateway = Gateway(
            {},
            deadline_s=settings.search.deadline_s,
            threads=threads,
            calibration=calibration,
            order=settings.search.merge,
        )
        self.stack.callback(gateway.close)
        maker = ConfiguredSpaces(
            settings,
            self.wanted.models,
            self.store,
            self.decoder,
            self.originals,
            gateway,
            texts,
            calibration,
        )
        for kind, extractor in self.wanted.away.items():
            maker.away[kind] = maker.away_space(extractor)
            self.stack.callback(maker.away[kind].service.close)
        return maker

    def prepare_annotators(self) -> None:
        annotators = self.wanted.annotators
        for annotator in annotators.values():
            _let_follow(annotator, self.store)
            if (close := getattr(annotator, "close", None)) is not None:
                self.stack.callback(close)
        if self.store.is_writer:
            self.store.records.annotators = {name: each.fingerprint for name, each in annotators.items()}

    def background(self, spaces: Spaces, maker: ConfiguredSpaces, duplicates: Duplicates) -> Background:
        store, ingest, settings = self.store, self.ingest, self.settings
        maintenance = Maintenance(
            store,
            ingest,
            spaces.lives,
            settings,
            switch=lambda live, pending: spaces.switch(live, most_pending=pending),
        )
        annotating = Annotating(store, ingest, self.wanted.annotators)
        word_following = WordFollowing(VocabularyWriter(_word_file(settings), store.records))
        store.on_commit.append(word_following.wake)
        services = {kind: space.service for kind, space in maker.away.items()}
        delivery = Delivery(store, services, self.originals.data, patience_s=settings.search.deadline_s)
        store.on_commit.append(delivery.wake)
        pair_following = PairFollowing(duplicates, store, lambda: ingest.is_busy)
        made = Background(maintenance, annotating, word_following, delivery, pair_following)
        for stop in made.stops:
            self.stack.callback(stop)
        return made


def _word_file(settings: Settings) -> Path:
    return settings.library / "index" / "words.sqlite"


def _without_words(records: Records, vocabulary: Vocabulary) -> int:
    """Images whose text cannot be found yet: it was not read, or is not in the index."""
    state = vocabulary.state()
    lagging = records.lines_after(0 if state is None else state.line_id, LAGGING)
    return records.pending_annotation_count(TEXT) + len({line.image_id for line in lagging})


def _with_words(words: WordSearch, text: str) -> Sequence[int]:
    """Images in which the words of a filter stand, for `text:` in filters."""
    return [hit.image_id for hit in words.by_text(text, k=MAX_IMAGES)]


def _calibration(settings: Settings) -> Calibration:
    """What figures of kinds prove: by the file that settings name, else as it ships."""
    file = settings.search.calibration
    return shipped() if file is None else read_calibration(file)


def _use_one_blas_thread() -> None:
    """Makes NumPy's matrix products run in the thread that asks for them, in the whole process.

    Pictures and queries are what runs in parallel here. BLAS threads on top of that wait for each other by
    spinning: on two busy cores a hash took 20–30 ms with them and 1 ms without.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")


def _let_follow(annotator: Annotator, store: Store) -> None:
    """Tells an annotator of a kind's features (`stored_kind`) which model the kind uses, now and later."""
    kind = getattr(annotator, "stored_kind", "")
    if kind:

        def model() -> str:
            spec = store.records.kinds.get(kind)
            return "" if spec is None else spec.model

        cast(StoredAnnotator, annotator).follow(model)
