"""The nouns of Ambience: frozen, without behaviour beyond names derived from their own fields.

Every folder speaks in these; none of them knows a file, a network or a clock.
Letters in shapes: B batch, H W C image, N vectors, D dimension, Q queries, K neighbours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.services import ServiceInfo
from ambience.words import WordMatch

RgbImage = NDArray[np.uint8]
"""(H, W, 3) uint8, sRGB, orientation applied, alpha composited."""

Ids = NDArray[np.int64]
"""(N,) int64; -1 pads."""

Metric = Literal["hamming", "l1", "l2", "cosine", "inner_product", "points", "words"]
"""How two features are compared. "points": features are blobs of many descriptors each (`keypoints.py`), and
their distance is the expected number of matches that chance alone would give as good. "words": pictures have
no vectors but words (`words.py`), and the distance of a question is one minus its likeness to them."""

MAX_IMAGE_ID = 2**53 - 1
"""Largest image id: the largest integer that every JSON reader keeps exactly."""


# --- decode ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PixelNeed:
    """What an extractor needs of a picture, so that decoding can stop there.

    Attributes:
        longest_side: the decoded picture's longest side is at least this many pixels, or its full size
            where it has fewer; None asks for full size.
    """

    longest_side: int | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: what every extractor reads.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, oriented and composited; possibly smaller than the file's own size.
        width: of the file's picture in pixels, after orientation.
        height: of the file's picture in pixels, after orientation.
        format: lower-case name of the file format ("jpeg", "png", "heic" …).
        taken_at: EXIF capture time without a time zone, if the file says it.
        is_exact: decoded at full size by the reference decoder, so that bit-exact features may be made of it.
    """

    rgb: RgbImage
    width: int
    height: int
    format: str
    taken_at: datetime | None = None
    is_exact: bool = False


class Orientation(NamedTuple):
    """One of the eight ways to turn a picture: mirror left–right first (if mirrored), then rotate.

    Attributes:
        rotation: degrees counter-clockwise: 0, 90, 180 or 270.
        mirrored: whether left and right were swapped before the rotation.
    """

    rotation: int = 0
    mirrored: bool = False


UPRIGHT = Orientation()


class Verdict(StrEnum):
    """What a hit is, strongest first."""

    SAME_FILE = "same_file"
    SAME_PICTURE = "same_picture"
    EDITED = "edited"
    PART = "part"
    SAME_SCENE = "same_scene"
    LOOK_ALIKE = "look_alike"
    SAME_COLORS = "same_colors"
    SAME_WORDS = "same_words"


STRENGTH: Mapping[Verdict, int] = {verdict: place for place, verdict in enumerate(Verdict)}
"""Place of each verdict in their order: 0 is the strongest."""


# --- extract --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What a kind declares; service, endpoints, table, index and documentation follow from it.

    Attributes:
        kind: name of the kind = name of its file in `extract/`.
        title: one line for people.
        dim: entries of one vector (bits where the metric is hamming; of one descriptor where it is points).
        dtype: numpy dtype of one stored entry ("uint8" of packed bits where the metric is hamming, and of
            blobs where it is points).
        metric: how two vectors are compared.
        version: raised whenever the same picture would give another feature.
        preprocessing: what was done to the pixels ("scaled", "exact", "224-squash" …).
        model: name of the model's catalog row; "" where none is used.
        port: of the kind served alone, as the original system has it.
        accepts_text: whether a sentence can be a query.
        display_scale: what distances are multiplied by at the original's endpoints.
        is_distance_integer: whether the original's endpoints answer whole numbers.
        verdicts: what a distance means, strongest first: (verdict, largest distance that supports it).
        text_verdicts: the same where the question has words in it; by default any cosine of 0 or more.
        min_quality: below it a feature tells nothing, and its distances support no verdict.
        is_elsewhere: whether another process keeps the features and searches them, and this library only
            notes how far each image is there.
    """

    kind: str
    title: str
    dim: int
    dtype: str
    metric: Metric
    version: int
    port: int
    preprocessing: str = "scaled"
    model: str = ""
    accepts_text: bool = False
    display_scale: float = 1.0
    is_distance_integer: bool = False
    verdicts: tuple[tuple[Verdict, float], ...] = ((Verdict.LOOK_ALIKE, math.inf),)
    text_verdicts: tuple[tuple[Verdict, float], ...] = ((Verdict.SAME_WORDS, 1.0),)
    min_quality: float = 0.0
    is_elsewhere: bool = False

    @property
    def is_blob(self) -> bool:
        """Whether features are blobs of any length, which are batched as (N,) object arrays of them."""
        return self.metric == "points"

    @property
    def entries(self) -> int:
        """Array entries of a stored vector: `dim`, or `dim / 8` bytes of packed bits; blobs have none."""
        return self.dim // 8 if self.metric == "hamming" else self.dim

    @property
    def fingerprint(self) -> str:
        """Names the space that the vectors live in; vectors of two fingerprints are never compared."""
        where = "elsewhere" if self.is_elsewhere else ""
        parts = (self.kind, self.model, self.preprocessing, f"v{self.version}", where)
        return "-".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Feature:
    """What one kind extracts from one picture.

    Attributes:
        vector: (entries,) of the spec's dtype; of any length where the spec says blob.
        quality: how much the feature tells, from 0 (a flat picture: says nothing) to 1.
    """

    vector: NDArray[np.generic]
    quality: float = 1.0


@dataclass(frozen=True, slots=True)
class QueryVariant:
    """A feature to search with, and how the query was turned to make it."""

    feature: Feature
    orientation: Orientation = UPRIGHT


# --- index ----------------------------------------------------------------------------------------------


class Neighbors(NamedTuple):
    """What an index answers, nearest first.

    Attributes:
        distances: (Q, K) float32; +inf pads.
        ids: (Q, K) int64; -1 pads.
    """

    distances: NDArray[np.float32]
    ids: Ids


# --- search and fuse ------------------------------------------------------------------------------------


Region = tuple[float, float, float, float]
"""An upright rectangle of an upright picture: left, top, width and height, as shares (0–1) of its sides."""


@dataclass(frozen=True, slots=True)
class QueryPart:
    """One term of a composed question: exactly one of picture bytes, a stored image, or a sentence.

    Attributes:
        data: bytes of a picture file.
        image_id: a picture of the library.
        text: a sentence.
        weight: how much it counts; below 0: what is found shall not be like it.
        region: the only part of the picture that is asked with; None: all of it.
    """

    data: bytes | None = None
    image_id: int | None = None
    text: str | None = None
    weight: float = 1.0
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Expansion:
    """How a question is widened by what it finds first (αQE; see `search/expansion.py`).

    Attributes:
        n: nearest pictures that are added to the question; 0: none.
        alpha: power of their likeness that weighs them; 0: all alike.
    """

    n: int
    alpha: float


@dataclass(frozen=True, slots=True)
class Query:
    """A question: exactly one of picture bytes, a stored image, a sentence, or several terms together.

    Attributes:
        data: bytes of a picture file.
        image_id: a picture of the library.
        text: a sentence.
        parts: terms that become one vector, for kinds that put pictures and sentences into one space.
        name: what to call the query in messages.
        expansion: how kinds of embeddings widen it; None leaves that to their settings.
        region: the only part of the picture that is asked with; None: all of it.
    """

    data: bytes | None = None
    image_id: int | None = None
    text: str | None = None
    parts: tuple[QueryPart, ...] = ()
    name: str = "query"
    expansion: Expansion | None = None
    region: Region | None = None


Quadrilateral = tuple[tuple[float, float], ...]
"""Four corners x, y in pixels: where upper left, upper right, lower right and lower left of a picture come
to lie in the other."""

Homography = tuple[tuple[float, float, float], ...]
"""3×3, rows first, last entry 1."""


class PointMatch(NamedTuple):
    """A place of the query and its like in the image, in pixels of both files' pictures."""

    query_x: float
    query_y: float
    image_x: float
    image_y: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """How two pictures lie on each other, by points that match: the proof that one shows what the other does.

    Pixels are those of the files' pictures at full size, after orientation; 0, 0 is the outer corner of the
    first.

    Attributes:
        inliers: distinct places of the query that the transform takes to their like in the image.
        log10_chance: log10 of the expected number of chance matches that would agree as well.
        transform: takes pixels of the query, as it was given, to pixels of the image.
        query_in_image: the query's corners in the image.
        image_in_query: the image's corners in the query.
        query_overlap: share of the query's area that lies within the image, 0–1.
        image_overlap: share of the image's area that lies within the query, 0–1.
        is_mirrored: whether the transform swaps left and right.
        correlation: of the pixels of both where they overlap, −1 to 1; None where they were not compared.
        is_copy: whether the pixels agree, so that it is the same picture and not only the same scene; None
            where they were not compared.
        matches: the inliers' places, best first; filled where two pictures are compared with each other, and
            empty in answers to searches, which would carry thousands.
    """

    inliers: int
    log10_chance: float
    transform: Homography
    query_in_image: Quadrilateral
    image_in_query: Quadrilateral
    query_overlap: float
    image_overlap: float
    is_mirrored: bool = False
    correlation: float | None = None
    is_copy: bool | None = None
    matches: tuple[PointMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of one kind.

    Attributes:
        image_id: who.
        distance: smaller is nearer, in the metric's unit.
        orientation: how the query had to be turned to match.
        quality: the smaller of the query's and the hit's feature quality, 0–1.
        geometry: how both lie on each other, from kinds that verify it.
        verdict: what a kind that verifies found; None leaves it to the spec's distances.
        plain_distance: from the question as it was asked, where `distance` is from a widened one: what the
            spec's distances are compared with. None: `distance` is.
        words: those of the question that stand in the picture.
    """

    image_id: int
    distance: float
    orientation: Orientation = UPRIGHT
    quality: float = 1.0
    geometry: Geometry | None = None
    verdict: Verdict | None = None
    plain_distance: float | None = None
    words: tuple[WordMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """The hits of one kind, nearest first.

    Attributes:
        kind: which kind answers.
        hits: nearest first; ties by image_id.
        pending: images whose feature or index entry of this kind is not there yet (0: complete).
        took_s: seconds.
        note: what people must know of this answer.
    """

    kind: str
    hits: tuple[Hit, ...]
    pending: int = 0
    took_s: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one kind thinks so.

    Attributes:
        kind: which kind ("sha256" for the bytes themselves).
        distance: in the metric's unit.
        score: 0–1, greater is better.
        rank: from 1, in the ranking of that kind.
        verdict: the strongest verdict that this figure alone supports, or None.
        orientation: how the query had to be turned to match.
        geometry: how both lie on each other, from kinds that verify it.
        words: those of the question that stand in the picture.
        copy_llr: what the figure proves of "the same picture or a part of it": ln of p(figure | it is) /
            p(figure | it is not), by the calibration; None where that does not know the kind's features.
        alike_llr: the same of "shows the same sort of thing".
    """

    kind: str
    distance: float
    score: float
    rank: int
    verdict: Verdict | None = None
    orientation: Orientation = UPRIGHT
    geometry: Geometry | None = None
    words: tuple[WordMatch, ...] = ()
    copy_llr: float | None = None
    alike_llr: float | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """One hit of the merged answer.

    Attributes:
        image_id: who.
        verdict: the strongest verdict that the evidence supports.
        score: 0–1.
        orientation: how the query had to be turned to match.
        evidence: one entry per kind that knows this image.
        odds: natural log-odds that it shows what the query shows, as a copy, a part of one, or where geometry
            proves something in common, the same scene: by all kinds together, whatever the verdict; 0 is as
            likely as not. None where no calibration was asked.
    """

    image_id: int
    verdict: Verdict
    score: float
    orientation: Orientation
    evidence: tuple[Evidence, ...]
    odds: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two pictures, and whether one shows what the other does.

    Attributes:
        query: the first, decoded.
        image: the second, decoded.
        query_name: what to call the first.
        image_name: what to call the second.
        match: verdict, score and evidence, as if the image were alone in a library (as number 0) and the
            query were asked of it; None where nothing says that one shows what the other does.
        geometry: how both lie on each other, with the matches; None where none was proven.
        notes: why a kind could not tell, by kind.
    """

    query: Picture
    image: Picture
    query_name: str
    image_name: str
    match: Match | None
    geometry: Geometry | None
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OriginalAnswer:
    """What an endpoint of the original system answers of one kind.

    Attributes:
        figure: name of what images are ranked by.
        rows: (image id, figure), best first.
        has_file_names: whether the original always tells the names of this kind's hits.
        pending: images that could not be found yet: on their way to an index, or to the process that has it.
    """

    figure: Literal["distance", "matches"]
    rows: tuple[tuple[int, float], ...]
    has_file_names: bool = False
    pending: int = 0


KindState = Literal["ok", "failed", "late", "empty"]


@dataclass(frozen=True, slots=True)
class KindStatus:
    """How one kind fared in a merged search; a kind that failed never turns into "no match".

    Attributes:
        kind: which.
        state: "ok"; "failed" or "late" with the reason; "empty" where the query has no such feature.
        message: for people; beside "ok", what they must know of the answer.
        pending: images that this kind cannot find yet.
        took_s: seconds.
    """

    kind: str
    state: KindState
    message: str = ""
    pending: int = 0
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The merged answer: matches by verdict, then score; and how each kind fared.

    Attributes:
        matches: of this page.
        kinds: one status per kind that was asked.
        took_s: seconds.
        next: cursor of the next page (`paging.py`); None where there are no more matches.
    """

    matches: tuple[Match, ...]
    kinds: tuple[KindStatus, ...]
    took_s: float = 0.0
    next: str | None = None


# --- records --------------------------------------------------------------------------------------------


class ImageState(StrEnum):
    """Whether the bytes of an image are where they were."""

    PRESENT = "present"
    MISSING = "missing"
    FEATURES_ONLY = "features_only"


class FeatureState(StrEnum):
    """How far the feature of one kind of one image is."""

    PENDING = "pending"
    DONE = "done"
    EMPTY = "empty"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageDraft:
    """What is known of an image before it has an id.

    Attributes:
        sha256: 32 raw bytes, of the file's bytes.
        size: of the file in bytes.
        name: what people call it; the file's name by default.
        path: absolute path of the file, for pictures referenced in place or kept under `files/`;
            None where only features are kept.
        mtime_ns: of the file when it was read.
        is_upload: whether the bytes are kept by the library itself (under `files/`).
        format: lower-case name of the file format.
        width: pixels, after orientation.
        height: pixels, after orientation.
        taken_at: EXIF capture time.
    """

    sha256: bytes
    size: int
    name: str
    path: str | None = None
    mtime_ns: int | None = None
    is_upload: bool = False
    format: str = ""
    width: int = 0
    height: int = 0
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImageRecord(ImageDraft):
    """An image of the library: its draft, and what the library added.

    Attributes:
        image_id: 0 … 2^53 - 1.
        state: whether its bytes are where they were.
        added_at: UTC, aware.
        features: state of each kind, with the reason where it failed.
        tags: of all sources, sorted.
    """

    image_id: int = -1
    state: ImageState = ImageState.PRESENT
    added_at: datetime | None = None
    features: Mapping[str, tuple[FeatureState, str]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddedImage:
    """What became of an upload.

    Attributes:
        image_id: given or assigned.
        same_file_of: images that have the same bytes.
        duplicates: copies found before this one was added.
        states: by kind, how its feature came about, with the reason where there is none.
        asked: how each kind that can tell copies fared when they were looked for; with one late, there may
            be more.
        is_new: whether it was added now; False where the id given had been given to the same bytes before.
    """

    image_id: int
    same_file_of: tuple[int, ...]
    duplicates: tuple[Match, ...]
    states: Mapping[str, tuple[FeatureState, str]]
    asked: tuple[KindStatus, ...]
    is_new: bool = True


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
    """

    spec: FeatureSpec
    engine: str
    entries: int
    states: Mapping[FeatureState, int] = field(default_factory=dict)
    coming: ComingModel | None = None
    left_behind: int = 0
    note: str = ""
    service: ServiceInfo | None = None


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
