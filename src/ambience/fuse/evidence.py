"""What each kind says of each image: its figure, and what that proves by the calibration. Pure functions."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Geometry, Hit, Quadrilateral
from ambience.datatypes import FeatureSpec
from ambience.fuse.calibration import Calibration, Claim

ABSENT = "absent"
"""Level of an image that a kind was asked for and did not name."""

FLAT = "flat"
"""Level of a figure between pictures of which one is too plain to tell anything."""

DIFFERING = "pixels differ"
"""Ends levels of what other kinds give of `Claim.COPY`, parted by a space, where a proof by geometry found
the pixels to differ. A hash not far off says much for a copy among all pictures, and little among those that
lie on each other with pixels that differ: the next frame of a film has one as well."""

FRAME, CHANCE = "frame", "chance"
"""Heard like kinds of their own: how far two pictures fill each other's frame, of `Claim.UNALTERED`; and how
surely chance is ruled out as the cause of a proof by geometry, of the other claims."""

LEAST_SCORE, MOST_SCORE = 10.0, 100.0
"""Range of −log10 of chance of a proof: below, nothing is answered; beyond, nothing more is told by it."""

Score = Callable[[float, FeatureSpec], float]


class Reading(NamedTuple):
    """What a scale of the calibration is read with.

    Attributes:
        level: in which manner the kind gave its figure.
        figure: in its own unit; None of levels without one.
    """

    level: str
    figure: float | None = None


def readings(hits: Mapping[str, Hit], specs: Mapping[str, FeatureSpec], claim: Claim) -> dict[str, Reading]:
    """What all kinds that were asked give for a claim about one image.

    Args:
        hits: by kind, what it says of the image; kinds without a hit did not name it.
        specs: by kind, of those that were asked.
        claim: which.

    Returns:
        By kind; and of the proof by geometry under `FRAME` its `frame_deviation`, or under `CHANCE` −log10 of
        the expected number of chance matches as good. Where that proof found pixels to differ, levels of
        `Claim.COPY` of kinds without a proof end in `DIFFERING`.
    """
    given = {
        kind: reading(hits[kind], spec) if kind in hits else Reading(ABSENT) for kind, spec in specs.items()
    }
    of_proof = FRAME if claim is Claim.UNALTERED else CHANCE
    given[of_proof] = Reading(ABSENT)
    for hit in hits.values():
        if hit.geometry is not None and claim is Claim.UNALTERED:
            given[of_proof] = Reading("deviation", frame_deviation(hit.geometry, hit.orientation.rotation))
        elif hit.geometry is not None:
            score = min(max(-hit.geometry.log10_chance, LEAST_SCORE), MOST_SCORE)
            given[of_proof] = Reading(_level(hit.geometry), score)
    differ = any(hit.geometry is not None and hit.geometry.is_copy is False for hit in hits.values())
    return _where_pixels_differ(given, hits) if differ and claim is Claim.COPY else given


def _where_pixels_differ(given: Mapping[str, Reading], hits: Mapping[str, Hit]) -> dict[str, Reading]:
    proving = {CHANCE, *(kind for kind, hit in hits.items() if hit.geometry is not None)}
    return {
        kind: each if kind in proving else Reading(f"{each.level} {DIFFERING}", each.figure)
        for kind, each in given.items()
    }


def llrs(given: Mapping[str, Reading], claim: Claim, calibration: Calibration) -> dict[str, float]:
    """What readings prove.

    Args:
        given: by kind, of one image; of features that the calibration knows.
        claim: that they were read for.
        calibration: fitted to these kinds.

    Returns:
        By kind, log-likelihood ratios: ln of p(reading | claim) / p(reading | not), within ± `CLAMP`.
    """
    witnesses = calibration.witnesses[claim]
    return {kind: witnesses[kind].llr(*each) for kind, each in given.items() if kind in witnesses}


def reading(hit: Hit, spec: FeatureSpec) -> Reading:
    """What one kind gives.

    Args:
        hit: what it says of an image.
        spec: of the kind.

    Returns:
        Level "flat" where the kind cannot tell. Where it proves by geometry, the level is how pixels fared:
        "pixels_agree", "pixels_differ" or "pixels_unseen", and the figure the correlation of pixels. Else
        level "distance" with the distance from the question as it was asked.
    """
    if hit.quality < spec.min_quality:
        return Reading(FLAT)
    if hit.geometry is not None:
        return Reading(_level(hit.geometry), hit.geometry.correlation)
    return Reading("distance", hit.distance if hit.plain_distance is None else hit.plain_distance)


def _level(geometry: Geometry) -> str:
    return {True: "pixels_agree", False: "pixels_differ", None: "pixels_unseen"}[geometry.is_copy]


def frame_deviation(geometry: Geometry, rotation: int) -> float:
    """How far two pictures are from filling each other's frame: 0 where one is the other at another size.

    Args:
        geometry: of both.
        rotation: degrees by which the query has to be turned to lie on the image.

    Returns:
        The longest way from a corner of the image to the nearest corner of the query in it, as a share of the
        image's diagonal; or, where that is more, the difference of the logarithms of both pictures' aspects.
    """
    transform = np.array(geometry.transform)
    of_query = _carried(np.linalg.inv(transform), geometry.query_in_image)
    of_image = _carried(transform, geometry.image_in_query)
    ways = [min(math.dist(corner, other) for other in geometry.query_in_image) for corner in of_image]
    turned = -1 if rotation % 180 else 1
    aspects = _log_aspect(of_image) - turned * _log_aspect(of_query)
    return max(max(ways) / max(math.dist(of_image[0], of_image[2]), 1.0), abs(aspects))


def _carried(transform: NDArray[np.float64], corners: Quadrilateral) -> list[tuple[float, float]]:
    places = np.c_[np.array(corners), np.ones(len(corners))] @ transform.T
    return [(float(x / w), float(y / w)) for x, y, w in places]


def _log_aspect(corners: list[tuple[float, float]]) -> float:
    """Of a picture, by its lower right corner."""
    width, height = corners[2]
    return math.log(max(width, 1.0) / max(height, 1.0))
