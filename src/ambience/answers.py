"""The nouns of questions and answers: what is asked, what each kind says, and what is said in the end.

Frozen, without behaviour beyond names derived from their own fields, as those of `datatypes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ambience.datatypes import (
    UPRIGHT,
    FeatureState,
    Orientation,
    Picture,
    Verdict,
)
from ambience.words import WordMatch

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
        is_imported: whether the hit's feature was made by the original system, and not by this kind.
    """

    image_id: int
    distance: float
    orientation: Orientation = UPRIGHT
    quality: float = 1.0
    geometry: Geometry | None = None
    verdict: Verdict | None = None
    plain_distance: float | None = None
    words: tuple[WordMatch, ...] = ()
    is_imported: bool = False


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
        is_imported: whether the image's feature was made by the original system, and not by this kind.
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
    is_imported: bool = False


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
        copies: other images that are the same picture, best first; filled where an answer is folded.
    """

    image_id: int
    verdict: Verdict
    score: float
    orientation: Orientation
    evidence: tuple[Evidence, ...]
    odds: float | None = None
    copies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Alignment:
    """How two copies of one whole picture lie on each other, where no points prove it.

    Attributes:
        basis: "bytes": both are the same file; "frame": corner on corner, turned as the kinds say that it is.
        transform: 3×3, row by row: pixels of the query, as homogeneous (x, y, 1), to pixels of the image.
    """

    basis: Literal["bytes", "frame"]
    transform: Homography


@dataclass(frozen=True, slots=True)
class SharedColor:
    """A color that two pictures have.

    Attributes:
        rgb: the middle of its cell, 0–255 each.
        query_share: of the query's pixels, 0–1.
        image_share: of the image's.
    """

    rgb: tuple[int, int, int]
    query_share: float
    image_share: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two pictures, and whether one shows what the other does.

    Attributes:
        query: the first, decoded.
        image: the second, decoded.
        query_name: what to call the first.
        image_name: what to call the second.
        match: verdict, score and evidence, as if the image were alone in a library (as number 0) and the
            query were asked of it; None where they have nothing in common.
        geometry: how both lie on each other, with the matches; None where none was proven.
        alignment: the same of copies of the whole that no points prove; None of everything else.
        colors: of two pictures of the same colors, those that most of their pixels share; the first is shared
            by most.
        evidence: what each kind says, also where nothing came of it.
        notes: why a kind could not tell, by kind.
    """

    query: Picture
    image: Picture
    query_name: str
    image_name: str
    match: Match | None
    geometry: Geometry | None
    alignment: Alignment | None = None
    colors: tuple[SharedColor, ...] = ()
    evidence: tuple[Evidence, ...] = ()
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
