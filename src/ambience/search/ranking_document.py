"""What one kind answers, as JSON between processes: the one form that both sides of a kind's service share.

A service makes these documents and documents them; who asks it takes nothing for granted and checks them.
"""

import itertools
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
)

from ambience.answers import Geometry, Hit, Homography, Quadrilateral, Ranking
from ambience.datatypes import MAX_IMAGE_ID, FeatureState, Orientation, Verdict

PROTOCOL = 1
"""Raised whenever a question or an answer between processes means something else than before."""

MOST_HITS = 1_000_000
"""Hits of one answer; a radius may reach as many images as there are."""

Share = Annotated[float, Field(ge=-0.001, le=1.001)]
"""0–1, and what rounding leaves beyond."""
Corner = tuple[FiniteFloat, FiniteFloat]
Row = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


def _invertible(transform: tuple[Row, Row, Row]) -> tuple[Row, Row, Row]:
    (a, b, c), (d, e, f), (g, h, i) = transform
    if not abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)) > 0:
        raise ValueError("the transform takes the picture to a line: it has no inverse")
    return transform


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class GeometryDocument(_Document):
    """How the query lies on an image, in pixels of both files at full size."""

    inliers: NonNegativeInt
    log10_chance: FiniteFloat
    transform: Annotated[tuple[Row, Row, Row], AfterValidator(_invertible)]
    query_in_image: tuple[Corner, Corner, Corner, Corner]
    image_in_query: tuple[Corner, Corner, Corner, Corner]
    query_overlap: Share
    image_overlap: Share
    is_mirrored: bool = False
    correlation: FiniteFloat | None = None
    is_copy: bool | None = None

    @classmethod
    def of(cls, geometry: Geometry) -> "GeometryDocument":
        """From our datatype; the places that match stay behind."""
        return cls.model_validate({name: getattr(geometry, name) for name in cls.model_fields})

    @property
    def geometry(self) -> Geometry:
        """Our datatype."""
        transform: Homography = self.transform
        query_in_image: Quadrilateral = self.query_in_image
        image_in_query: Quadrilateral = self.image_in_query
        return Geometry(
            inliers=self.inliers,
            log10_chance=self.log10_chance,
            transform=transform,
            query_in_image=query_in_image,
            image_in_query=image_in_query,
            query_overlap=self.query_overlap,
            image_overlap=self.image_overlap,
            is_mirrored=self.is_mirrored,
            correlation=self.correlation,
            is_copy=self.is_copy,
        )


class HitDocument(_Document):
    """One image."""

    image_id: int = Field(ge=0, le=MAX_IMAGE_ID)
    distance: FiniteFloat = Field(description="In the metric's unit; smaller is nearer.")
    rotation: Literal[0, 90, 180, 270] = Field(0, description="Degrees counter-clockwise of the query.")
    mirrored: bool = Field(False, description="Whether the query was mirrored before it was turned.")
    quality: Share = Field(1.0, description="Of the weaker of the two features.")
    geometry: GeometryDocument | None = None
    verdict: Verdict | None = Field(None, description="What a kind that verifies found.")
    plain_distance: FiniteFloat | None = Field(
        None, description="From the question as it was asked, where `distance` is from a widened one."
    )
    is_imported: bool = Field(
        False, description="Whether the image's feature was made by the original system, and imported."
    )

    @classmethod
    def of(cls, hit: Hit) -> "HitDocument":
        """From our datatype."""
        return cls(
            image_id=hit.image_id,
            distance=hit.distance,
            rotation=hit.orientation.rotation,  # type: ignore[arg-type]  # one of the four
            mirrored=hit.orientation.mirrored,
            quality=hit.quality,
            geometry=None if hit.geometry is None else GeometryDocument.of(hit.geometry),
            verdict=hit.verdict,
            plain_distance=hit.plain_distance,
            is_imported=hit.is_imported,
        )

    @property
    def hit(self) -> Hit:
        """Our datatype."""
        return Hit(
            image_id=self.image_id,
            distance=self.distance,
            orientation=Orientation(self.rotation, self.mirrored),
            quality=self.quality,
            geometry=None if self.geometry is None else self.geometry.geometry,
            verdict=self.verdict,
            plain_distance=self.plain_distance,
            is_imported=self.is_imported,
        )


class ServiceDocument(_Document):
    """Which features a kind's service makes, and how it speaks."""

    kind: str
    fingerprint: str = Field(description="Names the features that it makes; those of two are never mixed.")
    protocol: int = Field(description=f"Of questions and answers between processes; {PROTOCOL} here.")


class RankingDocument(ServiceDocument):
    """What one kind answers, nearest first."""

    hits: list[HitDocument] = Field(max_length=MOST_HITS)
    pending: NonNegativeInt = Field(0, description="Images that this kind cannot find yet.")
    took_s: NonNegativeFloat = 0.0
    note: str = Field("", description="What people must know of this answer.")

    @classmethod
    def of_ranking(cls, ranking: Ranking, fingerprint: str) -> "RankingDocument":
        """From our datatype."""
        return cls(
            kind=ranking.kind,
            fingerprint=fingerprint,
            protocol=PROTOCOL,
            hits=[HitDocument.of(hit) for hit in ranking.hits],
            pending=ranking.pending,
            took_s=ranking.took_s,
            note=ranking.note,
        )

    @property
    def ranking(self) -> Ranking:
        """Our datatype.

        Raises:
            ValueError: hits are out of order, or an image comes twice.
        """
        hits = tuple(document.hit for document in self.hits)
        if any(one.distance > other.distance for one, other in itertools.pairwise(hits)):
            raise ValueError("its hits are not in the order of their distances")
        if len({hit.image_id for hit in hits}) < len(hits):
            raise ValueError("an image comes twice")
        return Ranking(self.kind, hits, self.pending, self.took_s, self.note)


class PlacedDocument(ServiceDocument):
    """What became of a picture that was given to a kind."""

    image_id: int
    state: FeatureState
    reason: str = ""
