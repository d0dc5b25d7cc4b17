"""The spaces of a library, made as its settings say: index, read path and comparison of each kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from ambience import registry
from ambience.comparer import Compare, Comparer
from ambience.datatypes import FeatureSpec
from ambience.decode.image import Decoder
from ambience.extract.base import ColorExtractor, Extractor, PointExtractor
from ambience.fuse.calibration import Calibration
from ambience.gateway import Gateway
from ambience.maintain import LiveIndex
from ambience.making import ENGINES, MODEL, engine_settings, kind_settings, make_extractor, search_settings
from ambience.models.runtime import Models
from ambience.moving.original_features import imported_spec, is_comparable
from ambience.search.base import KindSearch, TextSearch
from ambience.search.embedding import EmbeddingSearch
from ambience.search.imported import WithImported
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
from ambience.search.vector import VectorSearch
from ambience.settings import Settings, count_or_cores
from ambience.settings_sources import options_from
from ambience.spaces import AwaySpace, Space, View
from ambience.store.commit import Store
from ambience.store.elsewhere import Elsewhere

BACKGROUND_CONNECTIONS = 4
"""To each service, beside one for each request that is worked on."""


@dataclass(frozen=True, slots=True)
class ConfiguredSpaces:
    """Makes spaces and views of one library; see `SpaceMaker`.

    Attributes:
        settings: all of them.
        models: of this machine.
        store: that spaces follow.
        decoder: told which pixels extractors need.
        originals: the files behind images.
        gateway: asks the kinds of a view.
        texts: kinds that are asked by words alone.
        calibration: what figures of kinds prove.
        away: by kind, those that other processes serve.
    """

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
        """The model that the settings name for a kind; "" where they leave it to the library."""
        return str(self.settings.kinds.get(kind, {}).get(MODEL, ""))

    def space(self, kind: str, model: str = "") -> Space:
        """The space of a kind, by a model of one's choice or the one that the settings name."""
        return self.of(make_extractor(self.settings, kind, self.models, model=model))

    def of(self, extractor: Extractor) -> Space:
        """The space of an extractor.

        Returns:
            Its index not yet opened.

        Raises:
            SettingsError: an option of the engine or of the read path is unknown or out of range.
        """
        self.decoder.require(extractor.need)
        live = _live_index(self.store, extractor.spec, self.settings)
        search = _search(extractor, live, self.store, self.originals, self.settings)
        made = Space(extractor, live, search, _figures(extractor.spec, search), _compare(extractor, search))
        return self.with_imported(made)

    def with_imported(self, space: Space) -> Space:
        """A space beside which features of the original system are searched.

        Args:
            space: of a kind.

        Returns:
            The same where none were imported, or none that can be compared with its own, or where it has them
            already. Else another one, whose second index is not yet opened.
        """
        spec = imported_spec(space.spec)
        if space.imported is not None or spec is None or not is_comparable(space.spec):
            return space
        if not self.store.records.has_space(spec.fingerprint):
            return space
        live = _live_index(self.store, spec, self.settings)
        beside = _vector_search(spec, live, self.store, self.settings)
        search = WithImported(space.search, beside)
        return replace(space, search=search, figures=_figures(spec, search), imported=live)

    def away_space(self, extractor: Extractor) -> AwaySpace:
        """The space of a kind that another process serves; what its settings say of search is said there.

        Returns:
            The service, and how pictures are compared here.
        """
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
        """What answers questions.

        Args:
            spaces: by kind.

        Returns:
            A view over these spaces and over the services of other processes.
        """
        searches = {kind: space.search for kind, space in spaces.items()}
        extractors = {kind: space.extractor for kind, space in spaces.items()}
        services = {kind: space.service for kind, space in self.away.items()}
        away_specs = {kind: space.spec for kind, space in self.away.items()}
        every: dict[str, Space | AwaySpace] = {**spaces, **self.away}
        color = extractors.get("color")
        return View(
            spaces=spaces,
            questions=Questions(self.decoder, extractors, searches, self.originals, away_specs),
            gateway=self.gateway.over(searches, self.texts, services),
            comparer=Comparer(
                {kind: every[kind].spec for kind in sorted(every)},
                {kind: every[kind].compare for kind in sorted(every)},
                self.calibration,
                color.shared_colors if isinstance(color, ColorExtractor) else None,
            ),
            away=self.away,
        )


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
    spec = extractor.spec
    if not spec.is_blob:
        return _vector_search(spec, live, store, settings)
    options_class, given = search_settings(settings, spec)
    options = options_from(options_class, given, where=f"kinds.{spec.kind}.search")
    points = cast(PointExtractor, extractor)
    return LocalSearch(points, live, store, live.source.distrust, originals, options)


def _vector_search(spec: FeatureSpec, live: LiveIndex, store: Store, settings: Settings) -> VectorSearch:
    """The read path of single vectors."""
    options_class, given = search_settings(settings, spec)
    options = options_from(options_class, given, where=f"kinds.{spec.kind}.search")
    if spec.metric == "cosine":
        return EmbeddingSearch(spec, live, store, live.source.distrust, options)
    return VectorSearch(spec, live, store, live.source.distrust)


def _figures(spec: FeatureSpec, search: KindSearch) -> OriginalFigures:
    """The read path of a kind as the original's clients know it."""
    if isinstance(search, LocalSearch):
        return MatchFigures(search)
    return EmbeddingFigures(search) if spec.metric == "cosine" else DistanceFigures(search)


def _compare(extractor: Extractor, search: KindSearch) -> Compare:
    """How a kind compares two pictures with each other."""
    if isinstance(search, LocalSearch):
        return partial(proven, search)
    return partial(nearest_variant, extractor)
