"""Two pictures compared by every kind: one verdict, the geometry that proves it, what else speaks for it."""

from collections.abc import Callable, Mapping

from ambience.answers import Alignment, Comparison, Evidence, Hit, Match, Ranking, SharedColor
from ambience.datatypes import UPRIGHT, FeatureSpec, Picture, Verdict
from ambience.errors import FeatureError, ModelError
from ambience.fuse.calibration import Calibration
from ambience.fuse.verdict import evidence_of, merge
from ambience.search.pair import IMAGE_ID
from ambience.search.proof import frame_on_frame
from ambience.search.vector import score

Compare = Callable[[Picture, Picture], Hit | None]
"""Query and image → how near they are, as a hit on `IMAGE_ID`; None where they show nothing in common."""

Colors = Callable[[Picture, Picture], tuple[SharedColor, ...]]
"""Query and image → the colors that most of their pixels share."""


class Comparer:
    """Compares pictures without a library; thread-safe.

    Args:
        specs: by kind.
        compares: by kind.
        calibration: what figures of kinds prove; None leaves verdicts to each kind's own distances.
        colors: which colors two pictures share; None where no kind counts them.
    """

    def __init__(
        self,
        specs: Mapping[str, FeatureSpec],
        compares: Mapping[str, Compare],
        calibration: Calibration | None = None,
        colors: Colors | None = None,
    ) -> None:
        self._specs, self._compares = specs, compares
        self._calibration, self._colors = calibration, colors

    def compare(
        self,
        query: Picture,
        image: Picture,
        *,
        names: tuple[str, str] = ("query", "image"),
        is_same_file: bool,
    ) -> Comparison:
        """What one picture is of another.

        Args:
            query: the first, decoded.
            image: the second, decoded.
            names: what to call both.
            is_same_file: whether their bytes are the same.

        Returns:
            The verdict that a search by all kinds would give, and what speaks for it.
        """
        rankings, notes = [], {}
        for kind, compare in self._compares.items():
            try:
                hit = compare(query, image)
            except (FeatureError, ModelError) as exc:
                notes[kind] = str(exc)
                continue
            rankings.append(Ranking(kind, () if hit is None else (hit,)))
        same_files = [IMAGE_ID] if is_same_file else []
        found = merge(rankings, self._specs, score, same_files=same_files, calibration=self._calibration)
        match = found[0] if found else None
        geometries = (hit.geometry for ranking in rankings for hit in ranking.hits)
        geometry = next((each for each in geometries if each is not None), None)
        has_colors = match is not None and match.verdict is Verdict.SAME_COLORS
        return Comparison(
            query,
            image,
            *names,
            match,
            geometry,
            None if match is None or geometry is not None else _alignment(match, query, image),
            self._colors(query, image) if has_colors and self._colors is not None else (),
            match.evidence if match is not None else self._unheard(rankings),
            notes,
        )

    def _unheard(self, rankings: list[Ranking]) -> tuple[Evidence, ...]:
        """What kinds say of which nothing came."""
        told = (evidence_of(ranking, self._specs[ranking.kind], score) for ranking in rankings)
        return tuple(evidence for each in told for evidence in each.values())


def _alignment(match: Match, query: Picture, image: Picture) -> Alignment | None:
    """How copies of the whole lie on each other by what they are; of other verdicts nothing is claimed."""
    sizes = (query.width, query.height), (image.width, image.height)
    if match.verdict is Verdict.SAME_FILE:
        return Alignment("bytes", frame_on_frame(UPRIGHT, *sizes))
    if match.verdict is Verdict.SAME_PICTURE:
        return Alignment("frame", frame_on_frame(match.orientation, *sizes))
    return None
