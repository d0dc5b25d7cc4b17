"""What /v1 answers, as dataclasses; written by `make docs` from the description of the interface.

Change the schemas of the server, not this file. A newer server may say more, which is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class AddedImage:
    """What became of an upload.

    Attributes:
        same_file_of: Other images whose bytes are the same.
        duplicates: Images that are the same picture.
        asked: How each kind that tells copies fared when these were looked for; with one late, there may
            be more.
        is_new: false: the same bytes had been added under this id before; nothing was changed.
    """

    image_id: int
    same_file_of: list[int]
    duplicates: list[Match]
    kinds: dict[str, FeatureStatus]
    asked: list[KindStatus]
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Alignment:
    """How two copies of one whole picture lie on each other, where no points prove it.

    Attributes:
        basis: "bytes": both are the same file; "frame": corner on corner, turned by `orientation`.
        transform: 3×3, row by row: takes pixels of the query, as homogeneous (x, y, 1), to pixels of the
            image. Each lies on all of the other.
    """

    basis: Literal["bytes", "frame"]
    transform: list[list[float]]


@dataclass(frozen=True, slots=True)
class AnnotationDocument:
    """What an annotator says of one picture."""

    name: str
    protocol: int
    lines: list[LineDocument] = field(default_factory=list)
    tags: list[WordDocument] = field(default_factory=list)
    caption: WordDocument | None = None


@dataclass(frozen=True, slots=True)
class AnnotatorInfo:
    """How far one annotator is.

    Attributes:
        states: Images by how far it is with them.
        waits: Why it does not go on.
    """

    states: dict[str, int]
    waits: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatorState:
    """How far one annotator is with a picture.

    Attributes:
        reason: Why there is nothing.
    """

    state: Literal["pending", "done", "empty", "failed"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of each file, in the order sent.

    Attributes:
        added: How many were added.
        known: How many had been added under their ids before.
        failed: How many were not.
    """

    outcomes: list[Outcome]
    added: int
    known: int
    failed: int


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence that describes a picture.

    Attributes:
        source: "user", or the model that says so.
        score: Mean log probability of its tokens; 0 for captions that people gave.
    """

    text: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class ComingModel:
    """A model whose features are made beside those that are searched.

    Attributes:
        done: Images that have their feature.
        pending: Images that lack it still.
        left_behind: Images without a file, of which it can make none.
    """

    model: str
    done: int
    pending: int
    left_behind: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the two pictures.

    Attributes:
        width: Pixels, after orientation.
    """

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one picture is of another.

    Attributes:
        matches: Places that agree, best first.
        evidence: What each kind says, also where nothing came of it and `verdict` is null.
        notes: Why a kind could not tell, by kind.
        verdict: null: they have nothing in common that can be shown.
        score: 0–1.
        place: The rectangle of the image that the query covers.
        geometry: null where no geometry was proven.
        alignment: Of `same_file` and `same_picture` without a geometry, how they lie on each other.
        colors: Of `same_colors`: those that most pixels of both pictures have, the first most.
    """

    query: Compared
    image: Compared
    matches: list[PointMatch]
    evidence: list[Evidence]
    notes: dict[str, str]
    verdict: (
        Literal[
            "same_file",
            "same_picture",
            "edited",
            "part",
            "same_scene",
            "look_alike",
            "same_colors",
            "same_words",
        ]
        | None
    ) = None
    score: float | None = None
    orientation: Orientation | None = None
    place: Box | None = None
    geometry: Geometry | None = None
    alignment: Alignment | None = None
    colors: list[SharedColor] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why one kind thinks so.

    Attributes:
        kind: A kind, or "sha256" for the bytes themselves.
        distance: In the metric's unit; smaller is nearer.
        score: 0–1; greater is better.
        rank: From 1, in the ranking of that kind.
        verdict: Strongest verdict that this alone supports.
        geometry: How the query lies on the image, from kinds that prove it.
        words: Those of the question that stand in the image.
        copy_llr: What the distance proves of "a copy, or a part of one": a natural log-likelihood ratio,
            by the calibration; null where that does not know the kind's features.
        alike_llr: The same of "shows the same sort of thing".
        is_imported: Whether the image's feature was made by the original system, and imported.
    """

    kind: str
    distance: float
    score: float
    rank: int
    orientation: Orientation
    verdict: (
        Literal[
            "same_file",
            "same_picture",
            "edited",
            "part",
            "same_scene",
            "look_alike",
            "same_colors",
            "same_words",
        ]
        | None
    ) = None
    geometry: Geometry | None = None
    words: list[WordMatch] = field(default_factory=list)
    copy_llr: float | None = None
    alike_llr: float | None = None
    is_imported: bool = False


@dataclass(frozen=True, slots=True)
class FeatureStatus:
    """How far the feature of one kind is.

    Attributes:
        reason: Why there is none.
    """

    state: Literal["pending", "done", "empty", "failed"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the query lies on the image. Pixels are those of the files at full size, upright.

    Attributes:
        relation: "within": the query is a part of the image; "around": the image is a part of the query;
            "whole": both show all of each other; "across": each shows some of the other.
        inliers: Places that agree on the transform.
        log10_chance: log10 of how many pictures would match so well by chance.
        transform: 3×3, rows first: takes pixels (x, y, 1) of the query, as sent, to pixels of the image.
        query_in_image: Where the query's corners come to lie: upper left and right, lower right and left.
        image_in_query: The same of the image's corners in the query.
        query_overlap: Share of the query's area that lies within the image, 0–1.
        image_overlap: Share of the image's area that lies within the query, 0–1.
        turn_deg: By how much the query, mirrored first where it is, has to be turned counter-clockwise.
        correlation: Of the pixels of both where they overlap; null where they were not compared.
        is_copy: Whether the pixels agree: the same picture, not only the same scene; null where they were
            not compared.
    """

    relation: Literal["whole", "within", "around", "across"]
    inliers: int
    log10_chance: float
    transform: list[list[float]]
    query_in_image: list[tuple[float, float]]
    image_in_query: list[tuple[float, float]]
    query_overlap: float
    image_overlap: float
    is_mirrored: bool
    turn_deg: float
    correlation: float | None = None
    is_copy: bool | None = None


@dataclass(frozen=True, slots=True)
class GroupList:
    """One page of the groups.

    Attributes:
        next: `after` of the next page; null after the last.
        total: Groups in all.
        pending: Images that have yet to be compared with the others.
    """

    groups: list[Group]
    next: int | None
    total: int
    pending: int


@dataclass(frozen=True, slots=True)
class Group:
    """Images that are copies of one, which is best kept.

    Attributes:
        group_id: The smallest id of its images: it stays while images are added.
        keep: The image that is best kept.
        reason: Why that one.
        image: The one to keep; null where it was removed meanwhile.
        members: The others: first copies of `keep`, then copies of these alone; the strongest first.
    """

    group_id: int
    keep: int
    reason: str
    image: ImageSummary | None
    members: list[Member]


@dataclass(frozen=True, slots=True)
class ImageDetail:
    """All that is known of one image, and what is said of it.

    Attributes:
        format: Of the file: "jpeg", "png" …
        width: Pixels, after orientation; 0 where unknown.
        size: Bytes of the file.
        file: Link to the picture's bytes; null where only features are kept.
        thumbnail: Link to a small JPEG; `&size=` asks for another size.
        is_upload: Whether the library keeps the bytes itself.
        features: By kind.
        tag_details: The tags with who says so and how sure that is.
        captions: That of people first.
        words: Link to all words, those that stand in the picture among them.
        path: Of the file; only told to clients on the server's own machine.
        taken_at: EXIF capture time, without a time zone.
    """

    image_id: int
    name: str
    format: str
    width: int
    height: int
    size: int
    state: Literal["present", "missing", "features_only"]
    file: str | None
    thumbnail: str | None
    sha256: str
    is_upload: bool
    tags: list[str]
    features: dict[str, FeatureStatus]
    tag_details: list[Tag]
    captions: list[Caption]
    words: str
    path: str | None = None
    taken_at: datetime | None = None
    added_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImagePage:
    """One page of images.

    Attributes:
        next: `after` of the next page; null at the end.
        total: How many images there are, or the filter keeps; told with the first page.
    """

    images: list[Image]
    next: int | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """All that is known of an image.

    Attributes:
        format: Of the file: "jpeg", "png" …
        width: Pixels, after orientation; 0 where unknown.
        size: Bytes of the file.
        file: Link to the picture's bytes; null where only features are kept.
        thumbnail: Link to a small JPEG; `&size=` asks for another size.
        is_upload: Whether the library keeps the bytes itself.
        features: By kind.
        path: Of the file; only told to clients on the server's own machine.
        taken_at: EXIF capture time, without a time zone.
    """

    image_id: int
    name: str
    format: str
    width: int
    height: int
    size: int
    state: Literal["present", "missing", "features_only"]
    file: str | None
    thumbnail: str | None
    sha256: str
    is_upload: bool
    tags: list[str]
    features: dict[str, FeatureStatus]
    path: str | None = None
    taken_at: datetime | None = None
    added_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """What is needed to show an image.

    Attributes:
        format: Of the file: "jpeg", "png" …
        width: Pixels, after orientation; 0 where unknown.
        size: Bytes of the file.
        file: Link to the picture's bytes; null where only features are kept.
        thumbnail: Link to a small JPEG; `&size=` asks for another size.
        path: Of the file; only told to clients on the server's own machine.
    """

    image_id: int
    name: str
    format: str
    width: int
    height: int
    size: int
    state: Literal["present", "missing", "features_only"]
    file: str | None
    thumbnail: str | None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """The library at a glance.

    Attributes:
        missing: Images whose file is gone.
        failed_files: Files that could not be read as pictures.
        disk_bytes: Of the library's own folder.
        seq: Last change number.
        annotators: By name: text, tags, caption.
        max_k: Most hits that `k` may ask for.
        folder: Of the library; only told to clients on the server's own machine.
    """

    version: str
    images: int
    missing: int
    failed_files: int
    disk_bytes: int
    seq: int
    kinds: dict[str, KindInfo]
    annotators: dict[str, AnnotatorInfo]
    max_k: int
    max_upload_bytes: int
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    """Background work, newest first."""

    jobs: list[Job]


@dataclass(frozen=True, slots=True)
class Job:
    """Background work.

    Attributes:
        subject: Kind or fingerprint; empty for the whole library.
        total: 0 where unknown.
    """

    job_id: int
    name: str
    subject: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int
    message: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class KindInfo:
    """How far one kind is.

    Attributes:
        engine: Of its index.
        entries: Vectors in the index.
        states: Images by state of their feature.
        model: In use; empty where the kind uses none.
        left_behind: Images without a file that only another model has a feature of.
        coming: The model that is to take its place.
        note: How the index searches, if not as the settings ask.
        service: The other process that serves this kind.
        imported: Features of the original system that are searched beside.
    """

    title: str
    engine: str
    entries: int
    states: dict[str, int]
    model: str
    left_behind: int
    coming: ComingModel | None = None
    note: str = ""
    service: Service | None = None
    imported: int = 0


@dataclass(frozen=True, slots=True)
class KindList:
    """The kinds that this server answers for."""

    kinds: list[Kind]


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind declares.

    Attributes:
        port: Of this kind served alone.
        note: What people must know of its model before they rely on it.
        service: The other process that serves this kind.
    """

    kind: str
    title: str
    dim: int
    metric: str
    version: int
    model: str
    fingerprint: str
    port: int
    accepts_text: bool
    note: str = ""
    service: Service | None = None


@dataclass(frozen=True, slots=True)
class KindStatus:
    """How one kind fared; one that failed or was late never turns into "no match".

    Attributes:
        message: For people; beside "ok", what they must know of the answer.
        pending: Images that this kind cannot find yet.
    """

    kind: str
    state: Literal["ok", "failed", "late", "empty"]
    message: str = ""
    pending: int = 0
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LineDocument:
    """One line of text."""

    text: str
    quad: tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
    confidence: float
    script: str = "Zyyy"
    language: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """The key that the browser keeps from now on.

    Attributes:
        name: Of the key.
        expires_at: UTC; null: never.
    """

    name: str
    scopes: list[Literal["read", "add", "delete", "admin"]]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Match:
    """One hit.

    Attributes:
        score: 0–1.
        odds: Natural log-odds that the image shows what the query shows, as a copy, a part of one, or
            where geometry proves something in common, the same scene; by all kinds together, whatever the
            verdict. null where the calibration has no say.
        place: The rectangle of the image that the query covers, in its pixels; where proven.
        copies: Other images of the same picture, where `fold` was asked for.
    """

    image_id: int
    verdict: Literal[
        "same_file", "same_picture", "edited", "part", "same_scene", "look_alike", "same_colors", "same_words"
    ]
    score: float
    orientation: Orientation
    evidence: list[Evidence]
    image: ImageSummary
    odds: float | None = None
    place: Box | None = None
    copies: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Member:
    """An image of a group, and which image of the group it was found to be a copy of.

    Attributes:
        copy_of: `keep`; or another member, itself a copy of `keep`, where it is a copy of that alone.
        score: 0–1.
        kind: That found it; "sha256" for the bytes themselves.
        orientation: How the picture that it is a copy of is to be turned to look like this one.
        image: Null where it was removed meanwhile.
    """

    image_id: int
    copy_of: int
    verdict: Literal["same_file", "same_picture", "edited", "part"]
    score: float
    kind: str
    orientation: Orientation
    image: ImageSummary | None


@dataclass(frozen=True, slots=True)
class ModelList:
    """Every model that is known."""

    models: list[Model]


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        task: What it makes of what, such as image_text_embedding.
        size: Bytes of all its files.
        is_size_exact: False where nobody states the size to the byte.
        licence: SPDX name, of the weights.
        source: Where it is published; empty where it comes with Ambience.
        used_by: Kinds that ask for it.
        parts: Other models that it is made of.
        note: What to know before relying on it.
        install: Command that installs it; empty where it comes with Ambience.
    """

    name: str
    title: str
    task: str
    size: int
    is_size_exact: bool
    licence: str
    dim: int
    source: str
    is_installed: bool
    comes_with_ambience: bool
    used_by: list[str]
    parts: list[str]
    note: str
    install: str


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the query had to be turned to match: mirrored left–right first, then rotated.

    Attributes:
        rotation: Degrees counter-clockwise.
    """

    rotation: Literal[0, 90, 180, 270]
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        index: Of the file, from 0, in the order sent.
        field: Name of its form field.
        name: Of the file, as it was sent.
        status: What adding it alone would have been answered with: 201, 200, 409, 415 …
        image: Where it is in the library now.
        problem: Why it is not.
    """

    index: int
    field: str
    name: str
    status: int
    image: AddedImage | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class PointMatch:
    """A place of the query and its like in the image, in pixels."""

    query: tuple[float, float]
    image: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, as RFC 9457 has it.

    Attributes:
        detail: What was wrong, the value seen, what is accepted, what to do.
        code: Stable and machine-readable.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits by verdict, then score; and how each kind fared.

    Attributes:
        next: `cursor` of the next page; null where there are no more matches.
    """

    matches: list[Match]
    kinds: list[KindStatus]
    took_s: float
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The process that serves a kind, where that is another one.

    Attributes:
        url: Its address; only told where the server is bound to this machine alone.
        message: Why it cannot be used.
        removals: Images that it has yet to forget.
    """

    state: Literal["unknown", "up", "down", "refused"]
    url: str | None = None
    message: str = ""
    removals: int = 0


@dataclass(frozen=True, slots=True)
class SharedColor:
    """A color that both pictures have.

    Attributes:
        rgb: The middle of its cell of 8×8×8, 0–255 each.
        query_share: Of the query's pixels, 0–1.
        image_share: Of the image's.
    """

    rgb: tuple[int, int, int]
    query_share: float
    image_share: float


@dataclass(frozen=True, slots=True)
class Tag:
    """A word for what a picture shows.

    Attributes:
        source: "user", or the model or vocabulary that says so.
        score: 0–1; 1 for tags that people gave.
    """

    tag: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text in a picture.

    Attributes:
        quad: Its four corners, clockwise from the upper left one of the text itself, as fractions of the
            upright picture's width and height.
        confidence: 0–1, by the engine that read it.
        script: ISO 15924: "Latn", "Cyrl" …; "Zyyy" where it has no letters.
        language: BCP 47, where it is known.
    """

    text: str
    quad: list[tuple[float, float]]
    confidence: float
    script: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class TrashList:
    """One page of the trash, the newest first.

    Attributes:
        next: `before` of the next page; null after the last.
        total: Pictures in the trash.
        bytes: Of all of them.
    """

    entries: list[Trashed]
    next: int | None
    total: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TrashRun:
    """What was done, or would be.

    Attributes:
        steps: One for each picture, in the order of the request.
        bytes: Of what was moved, or would be.
    """

    dry_run: bool
    steps: list[TrashStep]
    bytes: int


@dataclass(frozen=True, slots=True)
class TrashStep:
    """What became of one picture on its way into the trash, or out of it.

    Attributes:
        image_id: -1 for an entry that is not in the trash.
        kept: The image that stays, or stayed, in its place.
        reason: Why it was refused.
        entry: Its number in the trash; null where it is not there.
        size: Bytes of its file.
    """

    image_id: int
    kept: int
    outcome: Literal["would_trash", "trashed", "would_restore", "restored", "refused"]
    reason: str
    entry: int | None
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Trashed:
    """A picture in the trash.

    Attributes:
        entry: Its number, never given twice.
        batch: Entry of the first picture that went in the same run.
        image_id: That it had, and gets back.
        kept: The image that stayed in its place.
        size: Bytes of its file.
    """

    entry: int
    batch: int
    image_id: int
    kept: int
    name: str
    size: int
    trashed_at: datetime


@dataclass(frozen=True, slots=True)
class WordDocument:
    """A tag or a caption."""

    text: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A word or phrase of the question that stands in the picture.

    Attributes:
        found: As it stands in the picture.
        score: Likeness of both, 0–1; 1 where they are written alike.
        how: What is alike: "exact", "spelling", "sound" or "romanized".
        line: That holds it.
    """

    asked: str
    found: str
    score: float
    how: str
    line: TextLine


@dataclass(frozen=True, slots=True)
class Words:
    """All that is said of one picture in words.

    Attributes:
        lines: Text in it, in reading order.
        tags: Those of people first, then by falling score.
        captions: That of people first.
        annotators: By name: text, tags, caption.
        source_url: Where the picture was found, as an imported file says.
    """

    lines: list[TextLine]
    tags: list[Tag]
    captions: list[Caption]
    annotators: dict[str, AnnotatorState]
    source_url: str = ""


SCHEMAS: dict[str, type[Any]] = {
    "AddedSchema": AddedImage,
    "AlignmentSchema": Alignment,
    "AnnotationDocument": AnnotationDocument,
    "AnnotatorInfoSchema": AnnotatorInfo,
    "AnnotatorStateSchema": AnnotatorState,
    "BatchSchema": Batch,
    "BoxSchema": Box,
    "CaptionSchema": Caption,
    "ComingModelSchema": ComingModel,
    "ComparedSchema": Compared,
    "ComparisonSchema": Comparison,
    "EvidenceSchema": Evidence,
    "FeatureStateSchema": FeatureStatus,
    "GeometrySchema": Geometry,
    "GroupList": GroupList,
    "GroupSchema": Group,
    "ImageDetail": ImageDetail,
    "ImageList": ImagePage,
    "ImageSchema": Image,
    "ImageSummary": ImageSummary,
    "InfoSchema": Info,
    "JobList": JobList,
    "JobSchema": Job,
    "KindInfoSchema": KindInfo,
    "KindList": KindList,
    "KindSchema": Kind,
    "KindStatusSchema": KindStatus,
    "LineDocument": LineDocument,
    "LoginSchema": Login,
    "MatchSchema": Match,
    "MemberSchema": Member,
    "ModelList": ModelList,
    "ModelSchema": Model,
    "OrientationSchema": Orientation,
    "OutcomeSchema": Outcome,
    "PointMatchSchema": PointMatch,
    "Problem": Problem,
    "SearchAnswer": Answer,
    "ServiceSchema": Service,
    "SharedColorSchema": SharedColor,
    "TagSchema": Tag,
    "TextLineSchema": TextLine,
    "TrashList": TrashList,
    "TrashRunSchema": TrashRun,
    "TrashStepSchema": TrashStep,
    "TrashedSchema": Trashed,
    "WordDocument": WordDocument,
    "WordMatchSchema": WordMatch,
    "WordsSchema": Words,
}
"""Schema of the server → class."""
