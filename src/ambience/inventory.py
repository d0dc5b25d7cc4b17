"""The nouns of what a library holds and does: kinds, annotators, models, features that nobody uses.

Frozen, without behaviour beyond names derived from their own fields, as those of `datatypes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ambience.datatypes import FeatureSpec, FeatureState
from ambience.services import ServiceInfo


@dataclass(frozen=True, slots=True)
class ComingModel:
    """A model whose features are made beside those that are searched, to take their place once all are there.

    Attributes:
        model: name of its row.
        done: images that have their feature.
        pending: images that lack it still.
        left_behind: images that have none and never will: their files are gone, or were never kept. They are
            found until the model is changed, and again once it is changed back.
    """

    model: str
    done: int
    pending: int
    left_behind: int


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What became of the wish that a kind uses a model.

    Attributes:
        kind: which.
        model: name of its row.
        before: the model in use before.
        is_in_use: whether it is used by now; else it is coming.
        left_behind: images without a file that have a feature of another model only.
        pending: images that lack a feature of it still.
    """

    kind: str
    model: str
    before: str
    is_in_use: bool
    left_behind: int
    pending: int


@dataclass(frozen=True, slots=True)
class KindInfo:
    """How far one kind is.

    Attributes:
        spec: what the kind declares.
        engine: name of its index engine.
        entries: vectors in the index.
        states: images by state of their feature.
        coming: the model that is to take the place of the one in use.
        left_behind: images without a file that have a feature of another model only, so that this kind does
            not find them.
        note: what people must know of how the index searches, if it is not as the settings ask.
        service: the process that serves the kind, where that is another one.
        imported: features of the original system that are searched beside.
    """

    spec: FeatureSpec
    engine: str
    entries: int
    states: Mapping[FeatureState, int] = field(default_factory=dict)
    coming: ComingModel | None = None
    left_behind: int = 0
    note: str = ""
    service: ServiceInfo | None = None
    imported: int = 0


@dataclass(frozen=True, slots=True)
class AnnotatorInfo:
    """How far one annotator is.

    Attributes:
        states: images by how far it is with them.
        waits: why it does not go on; "" where it does, or where another process knows.
    """

    states: Mapping[FeatureState, int] = field(default_factory=dict)
    waits: str = ""


@dataclass(frozen=True, slots=True)
class UnusedFeatures:
    """Features that no kind uses any more, since settings or versions changed.

    Attributes:
        kind: whose they were; "" where that is not known.
        fingerprint: of the space that they live in.
        features: how many.
    """

    kind: str
    fingerprint: str
    features: int


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a library holds.

    Attributes:
        folder: of the library.
        images: in all.
        missing: of these, how many files are gone.
        failed_files: files that could not be read as pictures.
        disk_bytes: of the library's own files: records, features, indexes and uploads, without its trash.
        seq: last change number.
        kinds: by name.
        unused: what `ambience clean` would delete.
        annotators: by name.
    """

    folder: Path
    images: int
    missing: int
    failed_files: int
    disk_bytes: int
    seq: int
    kinds: Mapping[str, KindInfo]
    unused: tuple[UnusedFeatures, ...] = ()
    annotators: Mapping[str, AnnotatorInfo] = field(default_factory=dict)
