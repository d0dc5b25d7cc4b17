"""Candidates become proven matches: points matched, a transform fitted, chance ruled out. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ambience.answers import Geometry
from ambience.keypoints import Keypoints, mirrored
from ambience.search.geometry import pairs
from ambience.search.matching import mutual_matches
from ambience.search.proof import proof


@dataclass(frozen=True, slots=True)
class View:
    """A query as it is matched.

    Attributes:
        keypoints: of the query, or of the query mirrored.
        is_mirrored: which of both.
    """

    keypoints: Keypoints
    is_mirrored: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that may match.

    Attributes:
        feature_id: of its keypoints.
        view: which view of the query it may match.
    """

    feature_id: int
    view: int


def both_ways(keypoints: Keypoints) -> tuple[View, View]:
    """A query as it is, and mirrored; of SIFT keypoints."""
    return View(keypoints, False), View(mirrored(keypoints), True)


def proven(
    views: Sequence[View],
    candidates: Sequence[Candidate],
    images: Mapping[int, Keypoints],
    *,
    accept: float,
) -> dict[int, Geometry]:
    """Candidates whose geometry proves that they show a part of what the query shows.

    Args:
        views: of the query.
        candidates: to look at; those without keypoints in `images` are passed over.
        images: keypoints by feature id.
        accept: −log10 of chance needed.

    Returns:
        The best proof of each feature that has one.
    """
    found: dict[int, Geometry] = {}
    for number, view in enumerate(views):
        # Identical keypoints, of a picture stored many times, are looked at once.
        alike: dict[bytes, list[int]] = {}
        for candidate in candidates:
            if candidate.view == number and candidate.feature_id in images:
                key = _identity(images[candidate.feature_id])
                alike.setdefault(key, []).append(candidate.feature_id)
        groups = list(alike.values())
        matched = mutual_matches(
            view.keypoints.descriptors, [images[group[0]].descriptors for group in groups]
        )
        for group, matches in zip(groups, matched, strict=True):
            image = images[group[0]]
            given = pairs(view.keypoints, image, matches)
            geometry = proof(given, view.keypoints, image, is_mirrored=view.is_mirrored, accept=accept)
            if geometry is not None:
                found.update((each, geometry) for each in group if _is_better(geometry, found.get(each)))
    return found


def _identity(keypoints: Keypoints) -> bytes:
    places = np.concatenate([keypoints.positions.ravel(), keypoints.sizes, keypoints.angles])
    size = np.array([keypoints.width, keypoints.height], np.int64)
    return keypoints.descriptors.tobytes() + places.tobytes() + size.tobytes()


def _is_better(geometry: Geometry, known: Geometry | None) -> bool:
    return known is None or geometry.log10_chance < known.log10_chance
