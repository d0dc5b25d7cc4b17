"""Which space of each kind is searched, and which one is coming to take its place.

A space is one kind made with one model. All that belongs to it is one object and changes as a whole. Whoever
asks takes one `View` and asks that to the end: a question made in one space is never asked of another.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ambience.comparer import Compare, Comparer
from ambience.datatypes import FeatureSpec
from ambience.errors import AmbienceError, UnknownKindError
from ambience.extract.base import Extractor
from ambience.gateway import Gateway
from ambience.ingest import Ingest
from ambience.maintain import LiveIndex
from ambience.search.base import KindElsewhere, KindSearch
from ambience.search.original_figures import OriginalFigures
from ambience.search.question import Questions
from ambience.store.base import ModelChoice, Problem
from ambience.store.carrying import carry_removals
from ambience.store.commit import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Space:
    """One kind made with one model: what is swapped together.

    Attributes:
        extractor: makes its features.
        live: its index, which follows the store.
        search: its read path.
        figures: the read path as the original's clients know it.
        compare: compares two pictures with each other.
        imported: index of features that the original system made, which its read path searches beside; None
            where there are none that can be compared.
    """

    extractor: Extractor
    live: LiveIndex
    search: KindSearch
    figures: OriginalFigures
    compare: Compare
    imported: LiveIndex | None = None

    @property
    def spec(self) -> FeatureSpec:
        """What it declares; its fingerprint names the space."""
        return self.extractor.spec

    @property
    def lives(self) -> tuple[LiveIndex, ...]:
        """Its indexes."""
        return (self.live,) if self.imported is None else (self.live, self.imported)

    def open(self) -> list[Problem]:
        """Opens its indexes; what was found broken."""
        found = [live.open() for live in self.lives]
        return [problem for problem in found if problem is not None]


@dataclass(frozen=True, slots=True)
class AwaySpace:
    """One kind that another process makes and searches.

    Attributes:
        service: asks that process.
        knobs: the parameters that the original's endpoints of the kind take.
        compare: compares two pictures with each other; that is done here.
    """

    service: KindElsewhere
    knobs: type[Any]
    compare: Compare

    @property
    def spec(self) -> FeatureSpec:
        """What the kind declares."""
        return self.service.spec


@dataclass(frozen=True, slots=True)
class View:
    """What answers a question from its beginning to its end.

    Attributes:
        spaces: by kind.
        away: by kind, those that other processes serve.
        questions: turn queries into features of these spaces.
        gateway: asks these spaces at once.
        comparer: compares two pictures.
    """

    spaces: Mapping[str, Space]
    questions: Questions
    gateway: Gateway
    comparer: Comparer
    away: Mapping[str, AwaySpace] = field(default_factory=dict)

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        """What every kind declares, by its name, sorted."""
        specs = {kind: space.spec for kind, space in self.spaces.items()}
        specs |= {kind: space.spec for kind, space in self.away.items()}
        return {kind: specs[kind] for kind in sorted(specs)}


class SpaceMaker(Protocol):
    """Makes the parts of spaces; `composition` does."""

    def chosen(self, kind: str) -> str:
        """The model that settings name for a kind; "" where they leave it to the library."""

    def space(self, kind: str, model: str = "") -> Space:
        """A space whose index is not yet opened.

        Args:
            kind: of those switched on.
            model: name of the model; "" for what settings say, else the kind's own default.
        """

    def with_imported(self, space: Space) -> Space:
        """A space beside which imported features are searched, where there are some by now."""

    def view(self, spaces: Mapping[str, Space]) -> View:
        """What answers questions over these spaces."""


class Spaces:
    """The spaces of a library; threads may share it.

    Args:
        store: of the library.
        maker: of spaces.
        ingest: is told whose features to make; in a process that only reads it makes none.
        found: the spaces that settings alone ask for, by kind.

    Attributes:
        view: what answers now; take it once for each question.
        coming: by kind, the space that is filled beside the one that answers.
    """

    def __init__(self, store: Store, maker: SpaceMaker, ingest: Ingest, found: Mapping[str, Space]) -> None:
        self._store, self._maker, self._ingest = store, maker, ingest
        self._lock = threading.RLock()
        self._choices = self._choices_now()
        store.records.kept = self._kept(found)
        self.view = maker.view({kind: self._chosen(space) for kind, space in found.items()})
        self.coming: Mapping[str, Space] = self._coming_now()
        self._tell()

    # --- who is asked, and who follows -----------------------------------------------------------------

    def in_use(self, kind: str) -> Space:
        """The space of a kind that is searched.

        Returns:
            As of now.

        Raises:
            UnknownKindError: no such kind is switched on, or another process serves it.
        """
        spaces = self.view.spaces
        if kind in self.view.away:
            raise UnknownKindError(f"{kind} is served by another process (kinds.{kind}.url): do this there")
        if kind not in spaces:
            raise UnknownKindError(f"no kind {kind!r}; have {', '.join(spaces)}")
        return spaces[kind]

    def lives(self) -> list[LiveIndex]:
        """Indexes that this process keeps up to date: those in use; of a writer, also those coming."""
        coming = self.coming.values() if self._store.is_writer else ()
        return [live for space in (*self.view.spaces.values(), *coming) for live in space.lives]

    def open(self) -> list[Problem]:
        """Opens the indexes; what was found broken."""
        coming = self.coming.values() if self._store.is_writer else ()
        spaces = (*self.view.spaces.values(), *coming)
        return [problem for space in spaces for problem in space.open()]

    def catch_up(self) -> None:
        """Brings every index up to date, also where another one cannot be.

        Raises:
            AmbienceError: one of them cannot.
        """
        faults = []
        for live in self.lives():
            try:
                live.catch_up()
            except AmbienceError as exc:
                faults.append(exc)
        if faults:
            raise faults[0]

    def follow(self) -> None:
        """In a process that only reads: takes over which models the writer uses by now, then catches up."""
        choices = self._choices_now()
        if choices != self._choices:
            with self._lock:
                self._take_over(choices)
        self.catch_up()

    # --- changing --------------------------------------------------------------------------------------

    def search_imported(self) -> None:
        """Begins to search imported features of kinds that had none before."""
        with self._lock:
            changed = {}
            for kind, space in self.view.spaces.items():
                changed[kind] = self._maker.with_imported(space)
                if changed[kind].imported is not None and space.imported is None:
                    changed[kind].lives[-1].open()
            self.view = self._maker.view(changed)
            self._tell()

    def use(self, kind: str, model: str) -> None:
        """Begins to fill a space made with another model; where one was coming, it is given up for this one.

        Args:
            kind: of those switched on.
            model: name of the model; the one in use gives up what is coming.

        Raises:
            AmbienceError: such a space cannot be made.
            StoreFullError: the disk is full; everything is as it was.
        """
        with self._lock:
            now, before = self.in_use(kind), self.coming.get(kind)
            if before is not None and before.spec.model == model:
                return
            if now.spec.model == model:
                self._note(kind, ModelChoice(model))
                self._set_coming(kind, None)
                return
            space = self._maker.space(kind, model)
            carry_removals(self._store, now.spec, space.spec)
            space.open()
            self._note(kind, ModelChoice(now.spec.model, model))
            self._set_coming(kind, space)

    def switch(self, live: LiveIndex, *, most_pending: int) -> bool:
        """Makes a coming space the one that is searched, at a moment at which nothing is committed.

        Args:
            live: its index.
            most_pending: images that may lack their feature then, since nothing can read their files.

        Returns:
            Whether it was done; where not, something came in between.

        Raises:
            IndexRecallError: the index finds too little.
            StoreFullError: the disk is full; the other one is searched still.
        """
        kind = live.spec.kind
        with self._lock:
            space, old = self.coming.get(kind), self.in_use(kind)
            if space is None or space.live is not live or live.needs_rebuild:
                return False
            live.require_recall()
            live.snapshot()  # reading processes begin with it
            with self._store.held():
                live.catch_up()
                if live.needs_rebuild or live.pending > most_pending:
                    return False
                self._note(kind, ModelChoice(space.spec.model))
                self.view = self._maker.view({**self.view.spaces, kind: space})
                self._set_coming(kind, None)
        old.live.catch_up()
        try:
            old.live.snapshot()  # so that going back need not make the index anew
        except AmbienceError as exc:
            _log.warning("the index of %s before: %s", kind, exc)
        return True

    # --- how -------------------------------------------------------------------------------------------

    def _choices_now(self) -> dict[str, ModelChoice]:
        return {
            kind: choice
            for kind, choice in self._store.records.models().items()
            if not self._maker.chosen(kind)
        }

    def _chosen(self, space: Space) -> Space:
        """The space that the records name, where settings do not; else the one that settings ask for."""
        choice = self._choices.get(space.spec.kind)
        if choice is None or choice.model == space.spec.model:
            return space
        return self._maker.space(space.spec.kind, choice.model)

    def _kept(self, kinds: Iterable[str]) -> frozenset[str]:
        """Fingerprints that the library uses where settings of this process do not name another model."""
        choices = self._store.records.models()
        named = [
            (kind, model)
            for kind in kinds
            if kind in choices and self._maker.chosen(kind)
            for model in (choices[kind].model, choices[kind].coming)
        ]
        spaces = [self._made(kind, model) for kind, model in named if model]
        return frozenset(space.spec.fingerprint for space in spaces if space is not None)

    def _coming_now(self) -> dict[str, Space]:
        made = {
            kind: self._made(kind, choice.coming)
            for kind, choice in self._choices.items()
            if choice.coming and kind in self.view.spaces
        }
        return {kind: space for kind, space in made.items() if space is not None}

    def _made(self, kind: str, model: str) -> Space | None:
        """A space; None where this version cannot make it, which harms nobody as long as none asks it."""
        try:
            return self._maker.space(kind, model)
        except AmbienceError as exc:
            _log.warning("the library's model %s of %s is passed over: %s", model, kind, exc)
            return None

    def _take_over(self, choices: dict[str, ModelChoice]) -> None:
        before, self._choices = self._choices, choices
        try:
            changed = {kind: self._chosen(space) for kind, space in self.view.spaces.items()}
            for kind, space in changed.items():
                if space is not self.view.spaces[kind]:
                    space.open()
        except BaseException:
            self._choices = before
            raise
        self.view = self._maker.view(changed)
        self.coming = self._coming_now()
        self._tell()

    def _note(self, kind: str, choice: ModelChoice) -> None:
        self._store.records.note_models(kind, choice)
        self._choices = {**self._choices, kind: choice}

    def _set_coming(self, kind: str, space: Space | None) -> None:
        others = {other: each for other, each in self.coming.items() if other != kind}
        self.coming = others if space is None else {**others, kind: space}
        self._tell()

    def _tell(self) -> None:
        """The records and the write path hear of it: whose rows are current, whose features to make."""
        spaces = self.view.spaces
        beside = [space.imported for space in (*spaces.values(), *self.coming.values())]
        specs = [live.spec for live in beside if live is not None]
        self._store.records.imported = {spec.fingerprint: spec for spec in specs}
        self._store.records.kinds = self.view.specs
        self._store.records.coming = {kind: space.spec for kind, space in self.coming.items()}
        self._ingest.use({kind: tuple(self._extractors(kind)) for kind in spaces})

    def _extractors(self, kind: str) -> Iterator[Extractor]:
        yield self.view.spaces[kind].extractor
        if kind in self.coming:
            yield self.coming[kind].extractor
