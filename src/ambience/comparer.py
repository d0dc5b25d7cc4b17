"""Two pictures compared by every kind that can tell copies: one verdict, and the geometry that proves it."""

from collections.abc import Callable, Mapping

from ambience.answers import Geometry, Hit, Match, Ranking
from ambience.datatypes import FeatureSpec, Picture
from ambience.errors import FeatureError
from ambience.fuse.calibration import Calibration
from ambience.fuse.verdict import merge, tells_copies
from ambience.search.pair import IMAGE_ID
from ambience.search.vector import score

Compare = Callable[[Picture, Picture], Hit | None]
"""Query and image → how near they are, as a hit on `IMAGE_ID`; None where they show nothing in common."""


class Comparer:
    """Compares pictures without a library; thread-safe.

    Args:
        specs: by kind.
        compares: by kind.
        calibration: what figures of kinds prove; None leaves verdicts to each kind's own distances.
    """

    def __init__(
        self,
        specs: Mapping[str, FeatureSpec],
        compares: Mapping[str, Compare],
        calibration: Calibration | None = None,
    ) -> None:
        self._specs = specs
        self._calibration = calibration
        self._compares = {kind: compare for kind, compare in compares.items() if tells_copies(specs[kind])}

    def compare(
        self, query: Picture, image: Picture, *, is_same_file: bool
    ) -> tuple[Match | None, Geometry | None, dict[str, str]]:
        """Whether one picture shows what the other does.

        Args:
            query: the first, decoded.
            image: the second, decoded.
            is_same_file: whether their bytes are the same.

        Returns:
            The match that a search would answer (None: nothing in common), the geometry with its matches
            (None: not proven), and by kind why it could not tell.
        """
        rankings, notes = [], {}
        for kind, compare in self._compares.items():
            try:
                hit = compare(query, image)
            except FeatureError as exc:
                notes[kind] = str(exc)
                continue
            rankings.append(Ranking(kind, () if hit is None else (hit,)))
        same_files = [IMAGE_ID] if is_same_file else []
        found = merge(rankings, self._specs, score, same_files=same_files, calibration=self._calibration)
        geometries = (hit.geometry for ranking in rankings for hit in ranking.hits)
        proof = next((geometry for geometry in geometries if geometry is not None), None)
        return (found[0] if found else None), proof, notes
