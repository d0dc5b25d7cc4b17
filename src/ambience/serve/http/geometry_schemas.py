"""What `/v1` says of where one picture lies in another."""

from pydantic import BaseModel, Field

from ambience.answers import Geometry
from ambience.serve.placement import Box, Relation, place, relation, turn_deg

Corner = tuple[float, float]


class BoxSchema(BaseModel):
    """An upright rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of(cls, box: Box) -> "BoxSchema":
        """From our own."""
        return cls(**box._asdict())


class PointMatchSchema(BaseModel):
    """A place of the query and its like in the image, in pixels."""

    query: Corner
    image: Corner


class GeometrySchema(BaseModel):
    """How the query lies on the image. Pixels are those of the files at full size, upright."""

    relation: Relation = Field(
        description='"within": the query is a part of the image; "around": the image is a part of the query; '
        '"whole": both show all of each other; "across": each shows some of the other.'
    )
    inliers: int = Field(description="Places that agree on the transform.")
    log10_chance: float = Field(description="log10 of how many pictures would match so well by chance.")
    transform: list[list[float]] = Field(
        description="3×3, rows first: takes pixels (x, y, 1) of the query, as sent, to pixels of the image."
    )
    query_in_image: list[Corner] = Field(
        description="Where the query's corners come to lie: upper left and right, lower right and left."
    )
    image_in_query: list[Corner] = Field(description="The same of the image's corners in the query.")
    query_overlap: float = Field(description="Share of the query's area that lies within the image, 0–1.")
    image_overlap: float = Field(description="Share of the image's area that lies within the query, 0–1.")
    is_mirrored: bool
    turn_deg: float = Field(
        description="By how much the query, mirrored first where it is, has to be turned counter-clockwise."
    )
    correlation: float | None = Field(
        None, description="Of the pixels of both where they overlap; null where they were not compared."
    )
    is_copy: bool | None = Field(
        None,
        description="Whether the pixels agree: the same picture, not only the same scene; null where they "
        "were not compared.",
    )

    @classmethod
    def of(cls, geometry: Geometry) -> "GeometrySchema":
        """From our datatype."""
        return cls(
            relation=relation(geometry),
            inliers=geometry.inliers,
            log10_chance=geometry.log10_chance,
            transform=[list(row) for row in geometry.transform],
            query_in_image=[(x, y) for x, y in geometry.query_in_image],
            image_in_query=[(x, y) for x, y in geometry.image_in_query],
            query_overlap=geometry.query_overlap,
            image_overlap=geometry.image_overlap,
            is_mirrored=geometry.is_mirrored,
            turn_deg=turn_deg(geometry),
            correlation=geometry.correlation,
            is_copy=geometry.is_copy,
        )


def place_of(geometry: Geometry, width: int, height: int) -> BoxSchema:
    """The upright rectangle of an image that the query covers."""
    return BoxSchema.of(place(geometry, width, height))


def matches_of(geometry: Geometry) -> list[PointMatchSchema]:
    """The places that match, best first."""
    return [
        PointMatchSchema(query=(each.query_x, each.query_y), image=(each.image_x, each.image_y))
        for each in geometry.matches
    ]
