"""What the original's endpoints ask of a kind, and what they answer: knobs in, figures out.

Each form of read path declares its knobs once; form fields, their checks and their description follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from ambience.answers import Expansion, OriginalAnswer, Ranking
from ambience.datatypes import QueryVariant
from ambience.search.base import KindSearch
from ambience.search.local import LocalSearch
from ambience.search.original_local import OriginalKnobs
from ambience.search.vector import check_extent
from ambience.settings import setting

LARGEST_K = 2**31 - 1

NOT_WIDENED = Expansion(0, 0.0)
"""What the original does with a question where nothing else is asked."""


class OriginalFigures(Protocol):
    """One kind as the original's clients know it; called from many threads at a time.

    Attributes:
        knobs: frozen dataclass of the parameters, made by `settings.setting`, with the original's defaults.
    """

    knobs: ClassVar[type[Any]]

    def answer(self, variants: Sequence[QueryVariant], knobs: Any) -> OriginalAnswer:
        """Images with the figure that the original ranks them by, best first.

        Args:
            variants: of the query, upright first; none where it has nothing to describe.
            knobs: an instance of `knobs`.

        Returns:
            Each image once.

        Raises:
            QueryError: a knob is out of range, or the knobs contradict each other.
        """


@dataclass(frozen=True, slots=True)
class ExtentKnobs:
    """How far a search by distance reaches."""

    k: int | None = setting(None, "hits", "So many hits at most; or", minimum=1)
    distance_threshold: float | None = setting(
        None, "", "everything at this distance or nearer. Give exactly one of the two.", minimum=0
    )


class DistanceFigures:
    """Kinds of single vectors: images by distance, in the original's unit; thresholds are inclusive.

    Args:
        search: of the kind.
    """

    knobs: ClassVar[type[ExtentKnobs]] = ExtentKnobs

    def __init__(self, search: KindSearch) -> None:
        self._search = search

    def answer(self, variants: Sequence[QueryVariant], knobs: ExtentKnobs) -> OriginalAnswer:
        """Images near any of the variants, nearest first.

        Returns:
            Distances times `spec.display_scale`, whole where the spec says so.

        Raises:
            QueryError: both or neither of k and distance_threshold are given, or out of range.
        """
        spec, radius = self._search.spec, None
        if knobs.distance_threshold is not None:
            # Stored distances are float32: rounded the same way, a threshold equal to one is inclusive.
            with np.errstate(over="ignore"):
                radius = float(np.float32(knobs.distance_threshold / spec.display_scale))
            radius = min(radius, float(np.finfo("f4").max))
        k = None if knobs.k is None else min(knobs.k, LARGEST_K)
        check_extent(k, radius)
        if not variants:
            return OriginalAnswer("distance", ())
        ranking = self._ranking(variants, knobs, k, radius)
        scaled = [(hit.image_id, hit.distance * spec.display_scale) for hit in ranking.hits]
        rows = [(image_id, round(value) if spec.is_distance_integer else value) for image_id, value in scaled]
        return OriginalAnswer("distance", tuple(rows), pending=ranking.pending)

    def _ranking(
        self, variants: Sequence[QueryVariant], _knobs: ExtentKnobs, k: int | None, radius: float | None
    ) -> Ranking:
        return self._search.by_variants(variants, k=k, radius=radius)


@dataclass(frozen=True, slots=True)
class ExpandingKnobs(ExtentKnobs):
    """How far a search of embeddings reaches, and what widens it."""

    aqe_n: int | None = setting(
        None,
        "pictures",
        "Nearest pictures that widen the question before it is asked again; only with aqe_alpha.",
        minimum=0,
    )
    aqe_alpha: float | None = setting(
        None, "", "Power of their likeness by which these count; only with aqe_n.", minimum=0
    )


class EmbeddingFigures(DistanceFigures):
    """Kinds of embeddings: images by distance, twice that of cosine, which is the squared L2 of unit vectors.

    A question is widened where both knobs of it are given, and never by settings; distances are then those
    from the widened question. So it is in the original; what differs is that the question itself is part of
    what it becomes, and that pictures at a right angle to it or beyond count nothing.

    Args:
        search: of the kind.
    """

    knobs: ClassVar[type[ExpandingKnobs]] = ExpandingKnobs

    def _ranking(
        self, variants: Sequence[QueryVariant], knobs: ExtentKnobs, k: int | None, radius: float | None
    ) -> Ranking:
        assert isinstance(knobs, ExpandingKnobs)
        is_wanted = knobs.aqe_n is not None and knobs.aqe_alpha is not None
        expansion = Expansion(knobs.aqe_n or 0, knobs.aqe_alpha or 0.0) if is_wanted else NOT_WIDENED
        return self._search.by_variants(variants, k=k, radius=radius, expansion=expansion)


class MatchFigures:
    """Local features: images by the number of points that match, most first.

    Args:
        search: of the kind.
    """

    knobs: ClassVar[type[OriginalKnobs]] = OriginalKnobs

    def __init__(self, search: LocalSearch) -> None:
        self._search = search

    def answer(self, variants: Sequence[QueryVariant], knobs: OriginalKnobs) -> OriginalAnswer:
        """Images whose points match those of a variant; of several variants, the one that matches best.

        Returns:
            Numbers of matches; ties by image id.

        Raises:
            QueryError: a knob is out of range.
        """
        most: dict[int, int] = {}
        for variant in variants:
            for image_id, matches in self._search.by_original_knobs(variant, knobs):
                most[image_id] = max(matches, most.get(image_id, 0))
        rows = sorted(most.items(), key=lambda row: (-row[1], row[0]))
        return OriginalAnswer("matches", tuple(rows[: knobs.k]), has_file_names=True)
