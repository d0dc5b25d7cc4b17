"""What a proven match means in words: the same picture, an edited one, a part, or only the same scene."""

from ambience.answers import Geometry
from ambience.datatypes import Verdict

WHOLE = 0.9
"""Share of both pictures' areas that overlaps where they are the same picture."""

MOST = 0.6
"""Share of both areas beyond which a difference is an edit and not a crop."""

CLEAN = 0.95
"""Correlation of pixels that re-encoding and resizing leave."""


def verdict_of(geometry: Geometry) -> Verdict:
    """The strongest verdict that a proof supports.

    Args:
        geometry: with pixels compared or not.

    Returns:
        `same_scene` wherever the pixels disagree or could not be compared: points alone do not tell a copy
        from another photo of the same thing.
    """
    if not geometry.is_copy:
        return Verdict.SAME_SCENE
    least = min(geometry.query_overlap, geometry.image_overlap)
    if least >= WHOLE and geometry.correlation is not None and geometry.correlation >= CLEAN:
        return Verdict.SAME_PICTURE
    return Verdict.EDITED if least >= MOST else Verdict.PART
