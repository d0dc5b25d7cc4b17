"""What `/v1` answers: pydantic models made from our datatypes, which they never are themselves."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ambience import __version__
from ambience.answers import AddedImage, Answer, Evidence, KindStatus, Match
from ambience.datatypes import FeatureSpec, FeatureState, ImageRecord, ImageState, Orientation, Verdict
from ambience.inventory import KindInfo, LibraryInfo
from ambience.search.question import model_note
from ambience.serve.http.errors import shown, told
from ambience.serve.http.geometry_schemas import BoxSchema, GeometrySchema, place_of
from ambience.serve.http.word_schemas import CaptionSchema, TagSchema, WordMatchSchema
from ambience.serve.placement import geometry_of
from ambience.services import ServiceInfo, ServiceState
from ambience.settings import Settings
from ambience.store.base import Job
from ambience.words import ImageWords

States = Mapping[str, tuple[FeatureState, str]]


class OrientationSchema(BaseModel):
    """How the query had to be turned to match: mirrored left–right first, then rotated."""

    rotation: Literal[0, 90, 180, 270] = Field(description="Degrees counter-clockwise.")
    mirrored: bool

    @classmethod
    def of(cls, orientation: Orientation) -> "OrientationSchema":
        """From our datatype."""
        return cls.model_validate({"rotation": orientation.rotation, "mirrored": orientation.mirrored})


class FeatureStateSchema(BaseModel):
    """How far the feature of one kind is."""

    state: FeatureState
    reason: str = Field("", description="Why there is none.")


class ImageSummary(BaseModel):
    """What is needed to show an image."""

    image_id: int
    name: str
    format: str = Field(description='Of the file: "jpeg", "png" …')
    width: int = Field(description="Pixels, after orientation; 0 where unknown.")
    height: int
    size: int = Field(description="Bytes of the file.")
    state: ImageState
    path: str | None = Field(
        None, description="Of the file; only told to clients on the server's own machine."
    )
    file: str | None = Field(description="Link to the picture's bytes; null where only features are kept.")
    thumbnail: str | None = Field(description="Link to a small JPEG; `&size=` asks for another size.")


class ImageSchema(ImageSummary):
    """All that is known of an image."""

    sha256: str
    taken_at: datetime | None = Field(None, description="EXIF capture time, without a time zone.")
    added_at: datetime | None = None
    is_upload: bool = Field(description="Whether the library keeps the bytes itself.")
    tags: list[str]
    features: dict[str, FeatureStateSchema] = Field(description="By kind.")


class ImageDetail(ImageSchema):
    """All that is known of one image, and what is said of it."""

    tag_details: list[TagSchema] = Field(description="The tags with who says so and how sure that is.")
    captions: list[CaptionSchema] = Field(description="That of people first.")
    words: str = Field(description="Link to all words, those that stand in the picture among them.")


class ImageList(BaseModel):
    """One page of images."""

    images: list[ImageSchema]
    next: int | None = Field(description="`after` of the next page; null at the end.")
    total: int | None = Field(
        None, description="How many images there are, or the filter keeps; told with the first page."
    )


class EvidenceSchema(BaseModel):
    """Why one kind thinks so."""

    kind: str = Field(description='A kind, or "sha256" for the bytes themselves.')
    distance: float = Field(description="In the metric's unit; smaller is nearer.")
    score: float = Field(description="0–1; greater is better.")
    rank: int = Field(description="From 1, in the ranking of that kind.")
    verdict: Verdict | None = Field(None, description="Strongest verdict that this alone supports.")
    orientation: OrientationSchema
    geometry: GeometrySchema | None = Field(
        None, description="How the query lies on the image, from kinds that prove it."
    )
    words: list[WordMatchSchema] = Field([], description="Those of the question that stand in the image.")
    copy_llr: float | None = Field(
        None,
        description='What the distance proves of "a copy, or a part of one": a natural log-likelihood ratio, '
        "by the calibration; null where that does not know the kind's features.",
    )
    alike_llr: float | None = Field(None, description='The same of "shows the same sort of thing".')
    is_imported: bool = Field(
        False, description="Whether the image's feature was made by the original system, and imported."
    )

    @classmethod
    def of(cls, evidence: Evidence) -> "EvidenceSchema":
        """From our datatype."""
        return cls(
            kind=evidence.kind,
            distance=evidence.distance,
            score=evidence.score,
            rank=evidence.rank,
            verdict=evidence.verdict,
            orientation=OrientationSchema.of(evidence.orientation),
            geometry=None if evidence.geometry is None else GeometrySchema.of(evidence.geometry),
            words=[WordMatchSchema.of(match) for match in evidence.words],
            copy_llr=evidence.copy_llr,
            alike_llr=evidence.alike_llr,
            is_imported=evidence.is_imported,
        )


class MatchSchema(BaseModel):
    """One hit."""

    image_id: int
    verdict: Verdict
    score: float = Field(description="0–1.")
    odds: float | None = Field(
        None,
        description="Natural log-odds that the image shows what the query shows, as a copy, a part of one, "
        "or where geometry proves something in common, the same scene; by all kinds together, whatever the "
        "verdict. null where the calibration has no say.",
    )
    orientation: OrientationSchema
    place: BoxSchema | None = Field(
        None, description="The rectangle of the image that the query covers, in its pixels; where proven."
    )
    evidence: list[EvidenceSchema]
    copies: list[int] = Field([], description="Other images of the same picture, where `fold` was asked for.")
    image: ImageSummary


class KindStatusSchema(BaseModel):
    """How one kind fared; one that failed or was late never turns into "no match"."""

    kind: str
    state: Literal["ok", "failed", "late", "empty"]
    message: str = Field("", description='For people; beside "ok", what they must know of the answer.')
    pending: int = Field(0, description="Images that this kind cannot find yet.")
    took_s: float = 0.0


class SearchAnswer(BaseModel):
    """Hits by verdict, then score; and how each kind fared."""

    matches: list[MatchSchema]
    kinds: list[KindStatusSchema]
    took_s: float
    next: str | None = Field(
        None, description="`cursor` of the next page; null where there are no more matches."
    )


class AddedSchema(BaseModel):
    """What became of an upload."""

    image_id: int
    is_new: bool = Field(
        True, description="false: the same bytes had been added under this id before; nothing was changed."
    )
    same_file_of: list[int] = Field(description="Other images whose bytes are the same.")
    duplicates: list[MatchSchema] = Field(description="Images that are the same picture.")
    kinds: dict[str, FeatureStateSchema]
    asked: list[KindStatusSchema] = Field(
        description="How each kind that tells copies fared when these were looked for; with one late, there "
        "may be more."
    )


class ServiceSchema(BaseModel):
    """The process that serves a kind, where that is another one."""

    url: str | None = Field(
        None, description="Its address; only told where the server is bound to this machine alone."
    )
    state: ServiceState
    message: str = Field("", description="Why it cannot be used.")
    removals: int = Field(0, description="Images that it has yet to forget.")


class KindSchema(BaseModel):
    """What one kind declares."""

    kind: str
    title: str
    dim: int
    metric: str
    version: int
    model: str
    fingerprint: str
    port: int = Field(description="Of this kind served alone.")
    accepts_text: bool
    note: str = Field("", description="What people must know of its model before they rely on it.")
    service: ServiceSchema | None = Field(None, description="The other process that serves this kind.")


class KindList(BaseModel):
    """The kinds that this server answers for."""

    kinds: list[KindSchema]


class JobSchema(BaseModel):
    """Background work."""

    job_id: int
    name: str
    subject: str = Field(description="Kind or fingerprint; empty for the whole library.")
    state: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int = Field(description="0 where unknown.")
    message: str
    updated_at: str


class JobList(BaseModel):
    """Background work, newest first."""

    jobs: list[JobSchema]


class ComingModelSchema(BaseModel):
    """A model whose features are made beside those that are searched."""

    model: str
    done: int = Field(description="Images that have their feature.")
    pending: int = Field(description="Images that lack it still.")
    left_behind: int = Field(description="Images without a file, of which it can make none.")


class KindInfoSchema(BaseModel):
    """How far one kind is."""

    title: str
    engine: str = Field(description="Of its index.")
    entries: int = Field(description="Vectors in the index.")
    states: dict[FeatureState, int] = Field(description="Images by state of their feature.")
    model: str = Field(description="In use; empty where the kind uses none.")
    coming: ComingModelSchema | None = Field(None, description="The model that is to take its place.")
    left_behind: int = Field(description="Images without a file that only another model has a feature of.")
    note: str = Field("", description="How the index searches, if not as the settings ask.")
    service: ServiceSchema | None = Field(None, description="The other process that serves this kind.")
    imported: int = Field(0, description="Features of the original system that are searched beside.")

    @classmethod
    def of(cls, info: KindInfo, service: ServiceSchema | None = None) -> "KindInfoSchema":
        """From our datatypes."""
        return cls(
            title=info.spec.title,
            engine=info.engine,
            entries=info.entries,
            states=dict(info.states),
            model=info.spec.model,
            coming=None if info.coming is None else ComingModelSchema(**asdict(info.coming)),
            left_behind=info.left_behind,
            note=told(info.note),
            service=service,
            imported=info.imported,
        )


class AnnotatorInfoSchema(BaseModel):
    """How far one annotator is."""

    states: dict[FeatureState, int] = Field(description="Images by how far it is with them.")
    waits: str = Field("", description="Why it does not go on.")


class InfoSchema(BaseModel):
    """The library at a glance."""

    version: str
    images: int
    missing: int = Field(description="Images whose file is gone.")
    failed_files: int = Field(description="Files that could not be read as pictures.")
    disk_bytes: int = Field(description="Of the library's own folder.")
    seq: int = Field(description="Last change number.")
    kinds: dict[str, KindInfoSchema]
    annotators: dict[str, AnnotatorInfoSchema] = Field(description="By name: text, tags, caption.")
    max_k: int = Field(description="Most hits that `k` may ask for.")
    max_upload_bytes: int
    folder: str | None = Field(
        None, description="Of the library; only told to clients on the server's own machine."
    )


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What was wrong, the value seen, what is accepted, what to do.")
    code: str = Field(description="Stable and machine-readable.")


_PROBLEM = {
    "description": "A problem document (RFC 9457).",
    "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
}
PROBLEMS: dict[int | str, dict[str, Any]] = {"4XX": _PROBLEM, "503": _PROBLEM, "507": _PROBLEM}
"""What every endpoint may answer instead, as OpenAPI has it."""


class Shaper:
    """Makes documents of records and answers.

    Args:
        shows_paths: answers whether the client at hand is told where files lie.
    """

    def __init__(self, *, shows_paths: Callable[[], bool]) -> None:
        self._shows_paths = shows_paths

    def _tells_path(self, record: ImageRecord) -> bool:
        return not record.is_upload and self._shows_paths()

    def _summary_fields(self, record: ImageRecord) -> dict[str, Any]:
        link = f"/v1/images/{record.image_id}"
        has_bytes = record.state is ImageState.PRESENT
        version = record.sha256[:4].hex()
        return {
            "image_id": record.image_id,
            "name": shown(record.name),
            "format": record.format,
            "width": record.width,
            "height": record.height,
            "size": record.size,
            "state": record.state,
            "path": shown(record.path) if record.path and self._tells_path(record) else None,
            "file": f"{link}/file" if has_bytes else None,
            "thumbnail": f"{link}/thumbnail?v={version}" if has_bytes else None,
        }

    def summary(self, record: ImageRecord) -> ImageSummary:
        """What is needed to show an image."""
        return ImageSummary(**self._summary_fields(record))

    def _image_fields(self, record: ImageRecord) -> dict[str, Any]:
        return {
            **self._summary_fields(record),
            "sha256": record.sha256.hex(),
            "taken_at": record.taken_at,
            "added_at": record.added_at,
            "is_upload": record.is_upload,
            "tags": [shown(tag) for tag in record.tags],
            "features": states_of(record.features),
        }

    def image(self, record: ImageRecord) -> ImageSchema:
        """All that is known of an image."""
        return ImageSchema(**self._image_fields(record))

    def detail(self, record: ImageRecord, words: ImageWords) -> ImageDetail:
        """All that is known of an image, and what is said of it."""
        return ImageDetail(
            **self._image_fields(record),
            tag_details=[TagSchema.of(tag) for tag in words.tags],
            captions=[CaptionSchema.of(caption) for caption in words.captions],
            words=f"/v1/images/{record.image_id}/words",
        )

    def service(self, info: ServiceInfo | None) -> ServiceSchema | None:
        """The process that serves a kind; None where it is this one."""
        if info is None:
            return None
        url = info.url if self._shows_paths() else None
        return ServiceSchema(url=url, state=info.state, message=shown(info.message), removals=info.removals)

    def info(self, info: LibraryInfo, settings: Settings) -> InfoSchema:
        """The library at a glance."""
        return InfoSchema(
            version=__version__,
            images=info.images,
            missing=info.missing,
            failed_files=info.failed_files,
            disk_bytes=info.disk_bytes,
            seq=info.seq,
            kinds={
                kind: KindInfoSchema.of(each, self.service(each.service)) for kind, each in info.kinds.items()
            },
            annotators={
                name: AnnotatorInfoSchema(states=dict(each.states), waits=told(each.waits))
                for name, each in info.annotators.items()
            },
            max_k=settings.search.max_k,
            max_upload_bytes=settings.serve.max_upload_bytes,
            folder=shown(str(info.folder)) if self._shows_paths() else None,
        )

    def matches(self, matches: tuple[Match, ...], records: Mapping[int, ImageRecord]) -> list[MatchSchema]:
        """Hits with their images; one that was removed since the search is left out."""
        return [
            MatchSchema(
                image_id=match.image_id,
                verdict=match.verdict,
                score=match.score,
                odds=match.odds,
                orientation=OrientationSchema.of(match.orientation),
                place=_place(match, records[match.image_id]),
                evidence=[EvidenceSchema.of(evidence) for evidence in match.evidence],
                copies=list(match.copies),
                image=self.summary(records[match.image_id]),
            )
            for match in matches
            if match.image_id in records
        ]

    def answer(self, answer: Answer, records: Mapping[int, ImageRecord]) -> SearchAnswer:
        """A merged answer."""
        return SearchAnswer(
            matches=self.matches(answer.matches, records),
            kinds=statuses_of(answer.kinds),
            took_s=answer.took_s,
            next=answer.next,
        )

    def added(self, added: AddedImage, look_up: Callable[[list[int]], dict[int, ImageRecord]]) -> AddedSchema:
        """What became of an upload."""
        records = look_up([match.image_id for match in added.duplicates])
        return AddedSchema(
            image_id=added.image_id,
            is_new=added.is_new,
            same_file_of=list(added.same_file_of),
            duplicates=self.matches(tuple(added.duplicates), records),
            kinds=states_of(added.states),
            asked=statuses_of(added.asked),
        )


def _place(match: Match, record: ImageRecord) -> BoxSchema | None:
    geometry = geometry_of(match)
    return None if geometry is None else place_of(geometry, record.width, record.height)


def statuses_of(statuses: Iterable[KindStatus]) -> list[KindStatusSchema]:
    """How kinds fared."""
    return [
        KindStatusSchema(
            kind=status.kind,
            state=status.state,
            message=told(status.message),
            pending=status.pending,
            took_s=status.took_s,
        )
        for status in statuses
    ]


def states_of(states: States) -> dict[str, FeatureStateSchema]:
    """States of features by kind."""
    return {
        kind: FeatureStateSchema(state=state, reason=told(reason)) for kind, (state, reason) in states.items()
    }


def kind_of(spec: FeatureSpec, *, service: ServiceSchema | None = None) -> KindSchema:
    """What a kind declares, and who serves it."""
    return KindSchema(
        kind=spec.kind,
        title=spec.title,
        dim=spec.dim,
        metric=spec.metric,
        version=spec.version,
        model=spec.model,
        fingerprint=spec.fingerprint,
        port=spec.port,
        accepts_text=spec.accepts_text,
        note=model_note(spec),
        service=service,
    )


def job_of(job: Job) -> JobSchema:
    """Background work."""
    return JobSchema(
        job_id=job.job_id,
        name=job.name,
        subject=job.subject,
        state=job.state,
        done=job.done,
        total=job.total,
        message=told(job.message),
        updated_at=job.updated_at,
    )
