"""Settings become objects: the one place where the parts of a library are chosen and joined."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, cast

from ambience import registry
from ambience.annotate.base import Annotator
from ambience.changing import ModelChanges
from ambience.comparer import Compare, Comparer
from ambience.datatypes import FeatureSpec
from ambience.decode.image import Decoder
from ambience.duplicates.duplicates import Duplicates
from ambience.duplicates.following import PairFollowing
from ambience.errors import SettingsError, UnknownKindError
from ambience.extract.base import Extractor, PointExtractor
from ambience.fuse.calibration import Calibration, read_calibration, shipped
from ambience.gateway import Gateway
from ambience.ingest import Ingest
from ambience.ingest.uploads import Uploads
from ambience.maintain import Annotating, Delivery, LiveIndex, Maintenance, Upkeep, WordFollowing
from ambience.models.folder import ModelFolder
from ambience.models.runtime import Models
from ambience.placing import Placing
from ambience.search.base import KindSearch, TextSearch
from ambience.search.embedding import EmbeddingSearch
from ambience.search.local import LocalSearch
from ambience.search.original_figures import (
    DistanceFigures,
    EmbeddingFigures,
    MatchFigures,
    OriginalFigures,
)
from ambience.search.originals import Originals
from ambience.search.pair import nearest_variant, proven
from ambience.search.question import Questions
from ambience.search.text import TEXT, TextInPictures
from ambience.search.vector import VectorSearch
from ambience.search.words import WordSearch
from ambience.settings import AnnotatorSettings, KindSettings, Settings, count_or_cores, options_from
from ambience.spaces import AwaySpace, Space, Spaces, View
from ambience.store.base import Problem
from ambience.store.commit import Store
from ambience.store.elsewhere import Elsewhere
from ambience.store.files import KeptFiles
from ambience.store.records import Records
from ambience.store.selection import Selections
from ambience.store.vocabulary import Vocabulary
from ambience.store.vocabulary_writer import VocabularyWriter

EXTRACTORS = "ambience.extract"
ENGINES = "ambience.index"
ANNOTATORS = "ambience.annotate"
LAGGING = 1000
"""Lines that the index of words lacks, beyond which they are not counted."""
MAX_IMAGES = 2**31
"""More images than any library has: no limit."""
MODEL = "model"
"""Option of the kinds whose model can be chosen; empty leaves it to the library."""
BACKGROUND_CONNECTIONS = 4
"""To each service, beside one for each request that is worked on."""
COMMON = tuple(row.name for row in fields(KindSettings))
"""Settings that every kind has."""


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
        maintenance: background work.
        annotating: background work of the annotators.
        words: finds images by the words that stand in them.
        texts: the same as kinds that the gateway asks, by name; none where no text is read.
        word_following: keeps the index of words up.
        delivery: gives pictures to kinds that other processes serve.
        placing: adds and removes features of one kind by id.
        upkeep: inspection and repair.
        changes: changes the models of kinds.
        selections: answer which images filters keep.
        duplicates: finds and groups copies.
        pair_following: has that done in the background.
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
    maintenance: Maintenance
    annotating: Annotating
    words: WordSearch
    texts: Mapping[str, TextSearch]
    word_following: WordFollowing
    delivery: Delivery
    placing: Placing
    upkeep: Upkeep
    changes: ModelChanges
    selections: Selections
    duplicates: Duplicates
    pair_following: PairFollowing
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
    models = Models(settings.models)
    extractors = make_extractors(settings, models)
    specs = {kind: extractor.spec for kind, extractor in extractors.items()}
    annotators = make_annotators(settings, models)
    away = make_extractors(settings, models, elsewhere=True)
    if not extractors and not away and not annotators:
        raise SettingsError("every kind is switched off; set one of kinds.<kind>.enabled to true")
    specs |= {kind: replace(extractor.spec, is_elsewhere=True) for kind, extractor in away.items()}
    with ExitStack() as opened:
        store = opened.enter_context(Store.open(settings.library, specs, writer=writer))
        kept = KeptFiles(settings.library)
        if writer:
            kept.settle(store.records)
        needs = [extractor.need for extractor in (*extractors.values(), *away.values())]
        decoder = Decoder(settings.decode, needs)
        opened.callback(decoder.close)
        ingest = Ingest(store, decoder, extractors, settings)
        originals = Originals(store.records, kept, decoder)
        threads = count_or_cores(settings.serve.workers)
        calibration = _calibration(settings)
        gateway = Gateway({}, deadline_s=settings.search.deadline_s, threads=threads, calibration=calibration)
        opened.callback(gateway.close)
        word_file = settings.library / "index" / "words.sqlite"
        vocabulary = Vocabulary(word_file)
        opened.callback(vocabulary.close)
        words = WordSearch(vocabulary, store.records)
        pending = partial(_without_words, store.records, vocabulary)
        texts = {TEXT: TextInPictures(words, vocabulary, pending)} if TEXT in annotators else {}
        maker = _Maker(settings, models, store, decoder, originals, gateway, texts, calibration)
        for kind, extractor in away.items():
            maker.away[kind] = maker.away_space(extractor)
            opened.callback(maker.away[kind].service.close)
        spaces = Spaces(store, maker, ingest, {kind: maker.of(each) for kind, each in extractors.items()})
        for annotator in annotators.values():
            _let_follow(annotator, store)
            if (close := getattr(annotator, "close", None)) is not None:
                opened.callback(close)
        if writer:
            store.records.annotators = {name: each.fingerprint for name, each in annotators.items()}
        found = spaces.open()
        store.on_commit.append(spaces.catch_up)
        maintenance = Maintenance(
            store,
            ingest,
            spaces.lives,
            settings,
            switch=lambda live, pending: spaces.switch(live, most_pending=pending),
        )
        opened.callback(maintenance.stop)
        annotating = Annotating(store, ingest, annotators)
        opened.callback(annotating.stop)
        word_following = WordFollowing(VocabularyWriter(word_file, store.records))
        opened.callback(word_following.stop)
        store.on_commit.append(word_following.wake)
        services = {kind: space.service for kind, space in maker.away.items()}
        delivery = Delivery(store, services, originals.data, patience_s=settings.search.deadline_s)
        opened.callback(delivery.stop)
        store.on_commit.append(delivery.wake)
        uploads = Uploads(store, kept)
        duplicates = Duplicates(store, lambda: spaces.view)
        opened.callback(duplicates.close)
        pair_following = PairFollowing(duplicates, store, lambda: ingest.is_busy)
        opened.callback(pair_following.stop)
        return Parts(
            opened=opened.pop_all(),
            spaces=spaces,
            decoder=decoder,
            store=store,
            kept=kept,
            originals=originals,
            uploads=uploads,
            ingest=ingest,
            annotators=annotators,
            maintenance=maintenance,
            annotating=annotating,
            words=words,
            texts=texts,
            word_following=word_following,
            delivery=delivery,
            placing=Placing(store, decoder, ingest, uploads, spaces, delivery),
            upkeep=Upkeep(store, kept, ingest, spaces.lives),
            changes=ModelChanges(
                store, spaces, maintenance, maker.chosen, ModelFolder.at(settings.models.folder)
            ),
            selections=Selections(store.records, partial(_with_words, words)),
            duplicates=duplicates,
            pair_following=pair_following,
            repairs=(*store.repairs, *found),
        )


def _without_words(records: Records, vocabulary: Vocabulary) -> int:
    """Images whose text cannot be found yet: it was not read, or is not in the index."""
    state = vocabulary.state()
    lagging = records.lines_after(0 if state is None else state.line_id, LAGGING)
    return records.pending_annotation_count(TEXT) + len({line.image_id for line in lagging})


def _with_words(words: WordSearch, text: str) -> Sequence[int]:
    """Images in which the words of a filter stand, for `text:` in filters."""
    return [hit.image_id for hit in words.by_text(text, k=MAX_IMAGES)]


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes spaces and views of one library; see `SpaceMaker`."""

    settings: Settings
    models: Models
    store: Store
    decoder: Decoder
    originals: Originals
    gateway: Gateway
    texts: Mapping[str, TextSearch]
    calibration: Calibration
    away: dict[str, AwaySpace] = field(default_factory=dict)

    def chosen(self, kind: str) -> str:
        return str(self.settings.kinds.get(kind, {}).get(MODEL, ""))

    def space(self, kind: str, model: str = "") -> Space:
        return self.of(make_extractor(self.settings, kind, self.models, model=model))

    def of(self, extractor: Extractor) -> Space:
        """The space of an extractor."""
        self.decoder.require(extractor.need)
        live = _live_index(self.store, extractor.spec, self.settings)
        search = _search(extractor, live, self.store, self.originals, self.settings)
        return Space(extractor, live, search, _figures(search), _compare(extractor, search))

    def away_space(self, extractor: Extractor) -> AwaySpace:
        """The space of a kind that another process serves; what its settings say of search is said there."""
        from ambience.search.remote import RemoteKind

        kind, elsewhere = extractor.spec.kind, Elsewhere(self.store.records)
        given = kind_settings(self.settings, kind)
        service = RemoteKind(
            extractor.spec,
            given.url,
            key=given.key,
            connections=count_or_cores(self.settings.serve.workers) + BACKGROUND_CONNECTIONS,
            known=partial(elsewhere.known, kind),
            removals=partial(elsewhere.removal_count, kind),
            pending=partial(elsewhere.pending_count, replace(extractor.spec, is_elsewhere=True)),
        )
        here = self.of(extractor)  # never opened: it only compares pictures with each other
        return AwaySpace(service, here.figures.knobs, here.compare)

    def view(self, spaces: Mapping[str, Space]) -> View:
        searches = {kind: space.search for kind, space in spaces.items()}
        extractors = {kind: space.extractor for kind, space in spaces.items()}
        services = {kind: space.service for kind, space in self.away.items()}
        away_specs = {kind: space.spec for kind, space in self.away.items()}
        every: dict[str, Space | AwaySpace] = {**spaces, **self.away}
        return View(
            spaces=spaces,
            questions=Questions(self.decoder, extractors, searches, self.originals, away_specs),
            gateway=self.gateway.over(searches, self.texts, services),
            comparer=Comparer(
                {kind: every[kind].spec for kind in sorted(every)},
                {kind: every[kind].compare for kind in sorted(every)},
                self.calibration,
            ),
            away=self.away,
        )


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


def _live_index(store: Store, spec: FeatureSpec, settings: Settings) -> LiveIndex:
    name, options = engine_settings(settings, spec)
    engine = registry.load(ENGINES, name)
    return LiveIndex(
        store,
        spec,
        engine,
        options_from(engine.options_class, options, where=f"kinds.{spec.kind}.index"),
        settings.library / "index" / spec.fingerprint,
        settings=settings.index,
        is_writer=store.is_writer,
    )


def _search(
    extractor: Extractor, live: LiveIndex, store: Store, originals: Originals, settings: Settings
) -> LocalSearch | VectorSearch:
    """The read path that a kind's metric wants."""
    spec, broken = extractor.spec, live.source.distrust
    options_class, given = search_settings(settings, spec)
    options = options_from(options_class, given, where=f"kinds.{spec.kind}.search")
    if spec.is_blob:
        return LocalSearch(cast(PointExtractor, extractor), live, store, broken, originals, options)
    if spec.metric == "cosine":
        return EmbeddingSearch(spec, live, store, broken, options)
    return VectorSearch(spec, live, store, broken)


def search_settings(settings: Settings, spec: FeatureSpec) -> tuple[type[Any], dict[str, Any]]:
    """The settings of a kind's read path.

    Args:
        settings: `kinds.<kind>.search_*`.
        spec: of the kind.

    Returns:
        The options dataclass of the read path, and what was set of it.
    """
    read_path: type[LocalSearch | VectorSearch] = LocalSearch if spec.is_blob else VectorSearch
    read_path = EmbeddingSearch if spec.metric == "cosine" else read_path
    return read_path.options_class, _prefixed(settings, spec.kind, "search_")


def own_settings(settings: Settings, kind: str) -> dict[str, Any]:
    """What was set of a kind's own options.

    Returns:
        Everything of the kind but `enabled`, `index`, `index_*` and `search_*`.
    """
    given = settings.kinds.get(kind, {})
    return {
        name: value
        for name, value in given.items()
        if name not in COMMON and name != "index" and not name.startswith(("index_", "search_"))
    }


def _prefixed(settings: Settings, kind: str, prefix: str) -> dict[str, Any]:
    given = settings.kinds.get(kind, {})
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}


def _figures(search: LocalSearch | VectorSearch) -> OriginalFigures:
    """The read path of a kind as the original's clients know it."""
    if isinstance(search, LocalSearch):
        return MatchFigures(search)
    return EmbeddingFigures(search) if isinstance(search, EmbeddingSearch) else DistanceFigures(search)


def _compare(extractor: Extractor, search: KindSearch) -> Compare:
    """How a kind compares two pictures with each other."""
    if isinstance(search, LocalSearch):
        return partial(proven, search)
    return partial(nearest_variant, extractor)


def make_extractors(
    settings: Settings, models: Models | None = None, *, elsewhere: bool = False
) -> dict[str, Extractor]:
    """Every kind that is switched on, made with its own settings: those of neither engine nor read path.

    Args:
        settings: all of them.
        models: of this machine; by default those that the settings describe.
        elsewhere: those that other processes serve, instead of those that this one does.

    Returns:
        Extractors by the name of their kind, sorted.

    Raises:
        SettingsError: an option is unknown or out of range.
        UnknownKindError: the settings name a kind that does not exist.
    """
    names = registry.names(EXTRACTORS)
    for kind in settings.kinds:
        if kind not in names:
            raise UnknownKindError(f"settings name kinds.{kind}; have {', '.join(names)}")
    models = models or Models(settings.models)
    wanted = [kind for kind in names if is_enabled(settings, kind)]
    return {
        kind: make_extractor(settings, kind, models)
        for kind in wanted
        if bool(kind_settings(settings, kind).url) is elsewhere
    }


def make_extractor(settings: Settings, kind: str, models: Models, *, model: str = "") -> Extractor:
    """One kind, made with its own settings.

    Args:
        settings: all of them.
        kind: name of its file.
        models: of this machine.
        model: instead of the one that the settings name.

    Returns:
        The extractor.

    Raises:
        SettingsError: an option is unknown or out of range.
    """
    found = registry.load(EXTRACTORS, kind)
    own = own_settings(settings, kind) | ({MODEL: model} if model else {})
    options = options_from(found.options_class, own, where=f"kinds.{kind}")
    given = {"models": models} if getattr(found, "uses_models", False) else {}
    made: Extractor = found(options, exact=settings.decode.exact, **given)
    return made


def make_annotators(settings: Settings, models: Models | None = None) -> dict[str, Annotator]:
    """Every annotator that is switched on, made with its own settings.

    Args:
        settings: all of them.
        models: of this machine; by default those that the settings describe.

    Returns:
        By name, sorted.

    Raises:
        SettingsError: settings name an annotator that does not exist; an option is unknown or out of range.
    """
    names = registry.names(ANNOTATORS)
    for name in settings.annotate:
        if name not in names:
            raise SettingsError(f"settings name annotate.{name}; have {', '.join(names) or 'none'}")
    models = models or Models(settings.models)
    made: dict[str, Annotator] = {}
    for name in names:
        switch, own = annotator_settings(settings, name)
        if switch.enabled:
            found = registry.load(ANNOTATORS, name)
            options = options_from(found.options_class, own, where=f"annotate.{name}")
            given = {"folder": settings.library} if getattr(found, "uses_folder", False) else {}
            made[name] = found(options, models=models, **given)
            if switch.url:
                made[name] = _annotator_elsewhere(made[name], switch.url, settings)
    return made


def _annotator_elsewhere(like: Annotator, url: str, settings: Settings) -> Annotator:
    from ambience.search.remote_annotator import RemoteAnnotator

    threads = count_or_cores(settings.serve.workers) + count_or_cores(settings.ingest.threads)
    return cast(Annotator, RemoteAnnotator(like, url, connections=threads))


def _let_follow(annotator: Annotator, store: Store) -> None:
    """Tells an annotator of a kind's features (`stored_kind`) which model the kind uses, now and later."""
    kind = getattr(annotator, "stored_kind", "")
    if kind:

        def model() -> str:
            spec = store.records.kinds.get(kind)
            return "" if spec is None else spec.model

        cast(Any, annotator).follow(model)


def annotator_settings(settings: Settings, name: str) -> tuple[AnnotatorSettings, dict[str, Any]]:
    """The settings of an annotator.

    Returns:
        Those that every annotator has, and what was set of its own options.
    """
    given = settings.annotate.get(name, {})
    common = {row.name for row in fields(AnnotatorSettings)}
    switch = {key: value for key, value in given.items() if key in common}
    own = {key: value for key, value in given.items() if key not in common}
    return options_from(AnnotatorSettings, switch, where=f"annotate.{name}"), own


def is_enabled(settings: Settings, kind: str) -> bool:
    """Whether a kind is made and searched: `kinds.<kind>.enabled`."""
    return kind_settings(settings, kind).enabled


def kind_settings(settings: Settings, kind: str) -> KindSettings:
    """What every kind has, as it is set for one.

    Raises:
        SettingsError: a value is malformed.
    """
    given = settings.kinds.get(kind, {})
    common = {name: given[name] for name in COMMON if name in given}
    made: KindSettings = options_from(KindSettings, common, where=f"kinds.{kind}")
    return made


def engine_settings(settings: Settings, spec: FeatureSpec) -> tuple[str, dict[str, Any]]:
    """The index engine of a kind.

    Args:
        settings: `kinds.<kind>.index` names the engine; without it, the metric decides.
        spec: of the kind.

    Returns:
        Name of the engine, and what was set of its own options.
    """
    given = settings.kinds.get(spec.kind, {})
    options = _prefixed(settings, spec.kind, "index_")
    if "index" in given:
        return str(given["index"]), options
    for name in registry.names(ENGINES):
        if spec.metric in registry.load(ENGINES, name).default_for:
            return name, options
    return "exact", options
