"""The words of the store: what is written, what comes back, what changed since.

`records.py` holds the rows (SQL), `features.py` the vectors (LMDB), `commit.py` writes both by one rule:
features first (synced), then their rows in one transaction (synced); the row is the commit point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ambience.datatypes import Feature, FeatureState, ImageDraft
from ambience.words import Annotation


@dataclass(frozen=True, slots=True)
class FeatureDraft:
    """What one extractor made of one picture: a feature, or why there is none.

    Attributes:
        fingerprint: of the space that the vector lives in.
        state: DONE with a feature; EMPTY, FAILED or PENDING without.
        feature: present where the state is DONE.
        reason: why there is none.
        beside: what the model that is coming made of the same picture, where the kind changes its model.
    """

    fingerprint: str
    state: FeatureState
    feature: Feature | None = None
    reason: str = ""
    beside: "FeatureDraft | None" = None

    @property
    def all(self) -> "tuple[FeatureDraft, ...]":
        """This one and what was made beside it."""
        return (self,) if self.beside is None else (self, self.beside)


REMOVED = "removed on request"
"""Reason of a feature that people removed: it is not made again, though the picture is there."""

Features = Mapping[str, FeatureDraft]
"""Kind → what was made."""


# --- what can be written; `Store.commit` takes a sequence of these --------------------------------------


@dataclass(frozen=True, slots=True)
class PutImage:
    """Adds an image, or gives an existing one new bytes.

    Attributes:
        draft: what is known of it.
        features: by kind; kinds that are not named get a PENDING row from `Store.kinds`.
        image_id: None assigns the next one. A given id that exists is an error (ImageIdTakenError), unless
            `replaces` says so.
        replaces: the existing image `image_id` gets these bytes: its old features become tombstones; tags and
            decisions stay.
        tags: added under the source "user".
        is_current: whether the features must be of the models that are in use when this is written; else it
            is an OutdatedFeatureError.
    """

    draft: ImageDraft
    features: Features
    image_id: int | None = None
    replaces: bool = False
    tags: tuple[str, ...] = ()
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class PutFeatures:
    """Adds or renews features of kinds of an image that exists, or that is made as FEATURES_ONLY.

    Attributes:
        image_id: whose.
        features: by kind.
        draft: makes the image where there is none, and must carry the sha256 of the one there is, else
            ImageIdTakenError. None: the image must exist.
        renews: whether an existing DONE or EMPTY feature of the same fingerprint is replaced; else it is an
            ImageIdTakenError.
        is_current: as of `PutImage`.
        sha256: without a draft: an image that has other bytes by now refuses it.
    """

    image_id: int
    features: Features
    draft: ImageDraft | None = None
    renews: bool = False
    is_current: bool = False
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class MoveImage:
    """The file of an image is now at another path (or was touched without a change of bytes)."""

    image_id: int
    path: str
    name: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class MarkMissing:
    """The file of an image is gone, or (is_missing false) back again."""

    image_id: int
    is_missing: bool = True


@dataclass(frozen=True, slots=True)
class RemoveImage:
    """Forgets an image: rows go, tombstones come. The caller moves uploaded bytes to the trash afterwards."""

    image_id: int


@dataclass(frozen=True, slots=True)
class RemoveFeature:
    """Forgets the feature of one kind; the last one of a FEATURES_ONLY image takes the image along."""

    image_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class SetTags:
    """Replaces the tags that people gave (source "user")."""

    image_id: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutAnnotation:
    """What an annotator says of an image, in place of what it said before.

    Attributes:
        image_id: which.
        sha256: of the bytes that were looked at; an image that has others by now refuses it.
        annotator: its name. "text" says lines, "caption" captions, "tags" tags of any source but "user"; any
            other says tags whose source is its own name.
        fingerprint: of what it depends on.
        state: DONE; EMPTY where there is nothing to say; FAILED with the reason.
        annotation: what it says; nothing where the state is not DONE.
        reason: why there is nothing.
        draft: makes the image as FEATURES_ONLY where there is none.
    """

    image_id: int
    sha256: bytes
    annotator: str
    fingerprint: str
    state: FeatureState
    annotation: Annotation = field(default_factory=Annotation)
    reason: str = ""
    draft: ImageDraft | None = None


@dataclass(frozen=True, slots=True)
class RemoveAnnotation:
    """Forgets what an annotator says of an image, which it is not asked again.

    The last thing known of a FEATURES_ONLY image takes the image along.
    """

    image_id: int
    annotator: str


@dataclass(frozen=True, slots=True)
class SetCaption:
    """The caption that people gave an image; "" takes it away."""

    image_id: int
    text: str


@dataclass(frozen=True, slots=True)
class PutImported:
    """What a file of another system says of an image, under the source "import".

    Attributes:
        image_id: which.
        tags: added to those that are there.
        caption: in place of the imported one before; None leaves that.
        source_url: where the picture was found, likewise.
    """

    image_id: int
    tags: tuple[str, ...] = ()
    caption: str | None = None
    source_url: str | None = None


Write = (
    PutImage
    | PutFeatures
    | MoveImage
    | MarkMissing
    | RemoveImage
    | RemoveFeature
    | SetTags
    | PutAnnotation
    | RemoveAnnotation
    | SetCaption
    | PutImported
)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one write.

    Attributes:
        image_id: whose.
        seq: change number after which everything of this write is visible.
        is_new: whether the image was made by it.
    """

    image_id: int
    seq: int
    is_new: bool = False


# --- what indexes follow --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change log of one fingerprint, in the order of `seq`.

    Attributes:
        seq: monotonic change number.
        feature_id: appeared or went.
        is_removal: whether it went.
    """

    seq: int
    feature_id: int
    is_removal: bool


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that is no picture for us; remembered so that a second run passes over it.

    Attributes:
        path: absolute.
        size: bytes.
        mtime_ns: of the file when it failed; a later one makes it worth another try.
        code: of the error.
        reason: its message.
    """

    path: str
    size: int
    mtime_ns: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a scan needs to know of a file that the library holds."""

    image_id: int
    path: str
    size: int
    mtime_ns: int
    is_missing: bool


class PresentFile(NamedTuple):
    """A file that should be there; uploads have no path, since the library keeps their bytes."""

    image_id: int
    path: str | None
    size: int
    mtime_ns: int | None
    sha256: bytes
    is_upload: bool


ProblemPlace = Literal["records", "features", "index", "files", "lock"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One inconsistency that `check` found.

    Attributes:
        code: stable name, such as "feature_missing", "feature_corrupt", "feature_orphan", "row_orphan",
            "index_missing_entry", "index_stale_entry", "snapshot_corrupt", "file_missing", "file_changed".
        place: where.
        message: what is wrong, and what `rebuild` would do about it.
        image_id: whose, if it is an image's.
        kind: whose, if it is a kind's.
    """

    code: str
    place: ProblemPlace
    message: str
    image_id: int | None = None
    kind: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models of one kind, by their names.

    Attributes:
        model: whose features are searched.
        coming: whose features are made beside, to take the place of the other; "" where none is.
    """

    model: str
    coming: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Durable background work; resumed after a kill because its state is in the records.

    Attributes:
        job_id: from 1.
        name: "extract", "rebuild", "train", "snapshot", "compact" …
        subject: kind or fingerprint that it is about; "" for the whole library.
        state: "waiting", "running", "done", "failed".
        done: units finished.
        total: units in all; 0 where unknown.
        message: for people; the reason where it failed.
        updated_at: ISO 8601, UTC.
    """

    job_id: int
    name: str
    subject: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int = 0
    total: int = 0
    message: str = ""
    updated_at: str = ""
