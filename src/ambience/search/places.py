"""The places that a proof rests on, in pixels of both files' pictures, for people to look at."""

import numpy as np

from ambience.answers import Geometry, PointMatch
from ambience.keypoints import Keypoints
from ambience.search.geometry import TOLERANCE, Pairs, applied, frame_factor


def agreeing_places(
    given: Pairs, geometry: Geometry, query: Keypoints, image: Keypoints
) -> tuple[PointMatch, ...]:
    """Matches that the transform of a proof takes to their like.

    Args:
        given: matches of both.
        geometry: the proof.
        query: as it was matched: mirrored, where the geometry says so.
        image: the other picture.

    Returns:
        In pixels of the query as it was given and of the image, those that agree best first; of several
        points at one place, one.
    """
    places = given.query / frame_factor(query)
    if geometry.is_mirrored:
        places = np.array([query.width, 0.0]) + places * [-1.0, 1.0]
    others = given.image / frame_factor(image)
    missed = np.linalg.norm(applied(np.array(geometry.transform), places) - others, axis=1)
    order = np.argsort(missed, kind="stable")
    order = order[missed[order] <= TOLERANCE / frame_factor(image)]
    table = np.hstack([places, others])[order]
    _, first = np.unique(np.rint(table).astype(np.int64), axis=0, return_index=True)
    return tuple(PointMatch(*row) for row in table[np.sort(first)].tolist())
