"""`/v1/images/{id}/matches`: two pictures compared with each other, as a drawing or as JSON.

The drawing is for people, JSON for programs. `?format=` decides; without it the Accept header does, and where
that says neither, the drawing comes.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ambience import answers
from ambience.answers import Alignment, Comparison, Region
from ambience.datatypes import Verdict
from ambience.keys import Scope
from ambience.serve.http.asking import region_of
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.errors import MissingFieldError, shown, told
from ambience.serve.http.geometry_schemas import (
    BoxSchema,
    GeometrySchema,
    PointMatchSchema,
    matches_of,
    place_of,
)
from ambience.serve.http.images import ImageId
from ambience.serve.http.schemas import PROBLEMS, EvidenceSchema, OrientationSchema
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import ServerState, work_place
from ambience.serve.proof import ProofLayout, draw_proof

AnswerFormat = Literal["json", "jpeg", "png"]
Format = Annotated[
    AnswerFormat | None, Query(description="What to answer; by default what the Accept header asks for.")
]
Layout = Annotated[
    ProofLayout,
    Query(description='Where the drawing has the second picture; "auto": where both are seen largest.'),
]

QueryRegion = Annotated[
    str | None,
    Query(
        description="The part of the query to compare, as `x,y,w,h`: shares of its sides, 0 to 1.",
        examples=["0.1,0.2,0.5,0.5"],
    ),
]

MEDIA_TYPES: dict[str, AnswerFormat] = {
    "application/json": "json",
    "image/jpeg": "jpeg",
    "image/png": "png",
}


class ComparedSchema(BaseModel):
    """One of the two pictures."""

    name: str
    width: int = Field(description="Pixels, after orientation.")
    height: int


class AlignmentSchema(BaseModel):
    """How two copies of one whole picture lie on each other, where no points prove it."""

    basis: Literal["bytes", "frame"] = Field(
        description='"bytes": both are the same file; "frame": corner on corner, turned by `orientation`.'
    )
    transform: list[list[float]] = Field(
        description="3×3, row by row: takes pixels of the query, as homogeneous (x, y, 1), to pixels of the "
        "image. Each lies on all of the other."
    )


class SharedColorSchema(BaseModel):
    """A color that both pictures have."""

    rgb: tuple[int, int, int] = Field(description="The middle of its cell of 8×8×8, 0–255 each.")
    query_share: float = Field(description="Of the query's pixels, 0–1.")
    image_share: float = Field(description="Of the image's.")


class ComparisonSchema(BaseModel):
    """What one picture is of another."""

    query: ComparedSchema
    image: ComparedSchema
    verdict: Verdict | None = Field(None, description="null: they have nothing in common that can be shown.")
    score: float | None = Field(None, description="0–1.")
    orientation: OrientationSchema | None = None
    place: BoxSchema | None = Field(None, description="The rectangle of the image that the query covers.")
    geometry: GeometrySchema | None = Field(None, description="null where no geometry was proven.")
    alignment: AlignmentSchema | None = Field(
        None, description="Of `same_file` and `same_picture` without a geometry, how they lie on each other."
    )
    matches: list[PointMatchSchema] = Field(description="Places that agree, best first.")
    colors: list[SharedColorSchema] = Field(
        [], description="Of `same_colors`: those that most pixels of both pictures have, the first most."
    )
    evidence: list[EvidenceSchema] = Field(
        description="What each kind says, also where nothing came of it and `verdict` is null."
    )
    notes: dict[str, str] = Field(description="Why a kind could not tell, by kind.")

    @classmethod
    def of(cls, comparison: Comparison) -> "ComparisonSchema":
        """From our datatype."""
        found, geometry = comparison.match, comparison.geometry
        query, image = comparison.query, comparison.image
        return cls(
            query=ComparedSchema(name=shown(comparison.query_name), width=query.width, height=query.height),
            image=ComparedSchema(name=shown(comparison.image_name), width=image.width, height=image.height),
            verdict=None if found is None else found.verdict,
            score=None if found is None else found.score,
            orientation=None if found is None else OrientationSchema.of(found.orientation),
            place=None if geometry is None else place_of(geometry, image.width, image.height),
            geometry=None if geometry is None else GeometrySchema.of(geometry),
            alignment=None if comparison.alignment is None else _alignment(comparison.alignment),
            matches=[] if geometry is None else matches_of(geometry),
            colors=[SharedColorSchema(**asdict(each)) for each in comparison.colors],
            evidence=[EvidenceSchema.of(each) for each in comparison.evidence],
            notes={kind: told(note) for kind, note in comparison.notes.items()},
        )


def _alignment(alignment: Alignment) -> AlignmentSchema:
    return AlignmentSchema(
        basis=alignment.basis, transform=[[float(value) for value in row] for row in alignment.transform]
    )


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ComparisonSchema,
        "description": "The comparison as JSON, or drawn: both pictures, each one's outline in the other, "
        "and lines between places that match. Pictures that do not match are no error: `verdict` is null, "
        "and the drawing says so.",
        "content": {
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "The query."}
                    },
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

router = APIRouter(
    prefix="/v1/images", tags=["matches"], responses=PROBLEMS | _ANSWERS, default_response_class=Response
)


@router.get("/{image_id}/matches/{other}")
@needs(Scope.READ)
async def compare_stored(
    request: Request,
    image_id: ImageId,
    other: ImageId,
    format: Format = None,
    layout: Layout = "auto",
    region: QueryRegion = None,
) -> Response:
    """How image `image_id`, taken as the query, lies in image `other`.

    Both are read from their files, so a picture of which only features are kept cannot be compared.
    """
    async with work_place(request) as state:
        query = answers.Query(image_id=image_id, region=_region_of(region))
        image = answers.Query(image_id=other)
        answer_format = format or _accepted(request)
        return await state.work.run(lambda: _answer(state, query, image, answer_format, layout))


@router.post("/{image_id}/matches", openapi_extra=_PICTURE_BODY)
@needs(Scope.READ)
async def compare_sent(
    request: Request,
    image_id: ImageId,
    format: Format = None,
    layout: Layout = "auto",
    region: QueryRegion = None,
) -> Response:
    """How a picture sent along lies in image `image_id`; nothing of it is kept."""
    async with work_place(request) as state, received(request) as form:
        if form.file is None:
            raise MissingFieldError("field 'image' is missing; send the picture to compare as a file")
        query = answers.Query(data=form.picture(), name=form.file_name or "query", region=_region_of(region))
        image = answers.Query(image_id=image_id)
        answer_format = format or _accepted(request)
        return await state.work.run(lambda: _answer(state, query, image, answer_format, layout))


def _region_of(text: str | None) -> Region | None:
    return None if text is None else region_of(Form({"region": [text]}))


def _answer(
    state: ServerState,
    query: answers.Query,
    image: answers.Query,
    format: AnswerFormat,
    layout: ProofLayout,
) -> Response:
    """The comparison in the form asked for, in a worker thread."""
    comparison = state.library.match(query, image)
    headers = {"Vary": "Accept", "Cache-Control": "private, no-cache"}
    if format == "json":
        document = ComparisonSchema.of(comparison).model_dump_json()
        return Response(document, media_type="application/json", headers=headers)
    drawn = draw_proof(comparison, format=format, layout=layout)
    return Response(drawn, media_type=f"image/{format}", headers=headers)


def _accepted(request: Request) -> AnswerFormat:
    """What the client likes best, by the weights of its Accept header (RFC 9110 §12.5.1), then its order."""
    wanted: list[tuple[float, AnswerFormat]] = []
    for part in request.headers.get("accept", "").split(","):
        media_type, *parameters = (word.strip().lower() for word in part.split(";"))
        if media_type in MEDIA_TYPES:
            wanted.append((_weight(parameters), MEDIA_TYPES[media_type]))
    best = max(wanted, key=lambda each: each[0], default=(0.0, "jpeg"))
    return best[1] if best[0] > 0 else "jpeg"


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
