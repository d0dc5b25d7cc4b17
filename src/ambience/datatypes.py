"""The nouns of Ambience: frozen, without behaviour beyond names derived from their own fields.

Every folder speaks in these; none of them knows a file, a network or a clock. Those of questions
and answers are in `answers`, those of what a library holds and does in `inventory`.
Letters in shapes: B batch, H W C image, N vectors, D dimension, Q queries, K neighbours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

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

    @property
    def inverse(self) -> "Orientation":
        """What undoes it: a mirrored one undoes itself."""
        return self if self.mirrored else Orientation(-self.rotation % 360)


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
