"""The verdict on one image, by what all kinds say of it together. Pure functions.

Where the calibration knows the features, a copy is what is more likely one than not: by the pixels, the hash
and the colors together, so that a hash that calls the next frame of a film the same picture is overruled by
pixels that moved, and a thumbnail that is too small for points is a copy all the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ambience.answers import Geometry, Hit
from ambience.datatypes import FeatureSpec, Orientation, Verdict
from ambience.fuse.calibration import Calibration, Claim
from ambience.fuse.evidence import llrs, readings

MOST = 0.6
"""Share of both areas that must overlap in a copy of the whole; where less does, it is a part."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an image is to the query.

    Attributes:
        verdict: what is likelier than its contrary.
        score: 0–1: how often this verdict was right with evidence as strong.
        orientation: of the evidence behind it.
    """

    verdict: Verdict
    score: float
    orientation: Orientation


class Judge:
    """Judges the images that one question found.

    Args:
        specs: by kind, of those that answered.
        calibration: fitted to some of these.
    """

    def __init__(self, specs: Mapping[str, FeatureSpec], calibration: Calibration) -> None:
        self._calibration = calibration
        self._known = {kind: spec for kind, spec in specs.items() if calibration.knows(spec)}

    @property
    def hears_one(self) -> bool:
        """Whether a single kind was asked that the calibration knows."""
        return len(self._known) == 1

    def llrs(self, claim: Claim, hits: Mapping[str, Hit]) -> dict[str, float]:
        """What each figure proves of a claim.

        Args:
            claim: which.
            hits: by kind, what was said of the image.

        Returns:
            By kind, those that found nothing included; kinds that the calibration does not know are left out.
        """
        known = {kind: hit for kind, hit in hits.items() if kind in self._known}
        return llrs(readings(known, self._known, claim), claim, self._calibration)

    def copy(self, hits: Mapping[str, Hit]) -> Judgement | None:
        """Which sort of copy an image is, or that it shows the same scene.

        Args:
            hits: by kind, what was said of the image.

        Returns:
            None where it is more likely no copy, and no proof by geometry is likely of the same scene.
        """
        odds = self._log_odds(Claim.COPY, hits)
        proof = next((hit for hit in hits.values() if hit.geometry is not None), None)
        if odds < 0:
            scene = -1.0 if proof is None else self._log_odds(Claim.SCENE, hits)
            if proof is None or scene < 0:  # what both share is a text laid over them, or a logo
                return None
            return self._judged(Verdict.SAME_SCENE, _both(scene, -odds), proof.orientation)
        if proof is not None and _is_part(proof.geometry):
            return self._judged(Verdict.PART, odds, proof.orientation)
        unaltered = self._log_odds(Claim.UNALTERED, hits)
        verdict = Verdict.SAME_PICTURE if unaltered >= 0 else Verdict.EDITED
        return self._judged(verdict, _both(odds, abs(unaltered)), _orientation(proof, hits))

    def alike(self, hits: Mapping[str, Hit], *, at_all_odds: bool = False) -> Judgement | None:
        """Whether an image that is no copy shows the same sort of thing.

        Args:
            hits: by kind, what was said of the image.
            at_all_odds: say how likely that is even where it is unlikely.

        Returns:
            None where it is more likely not so.
        """
        odds = self._log_odds(Claim.ALIKE, hits)
        if odds < 0 and not at_all_odds:
            return None
        return self._judged(Verdict.LOOK_ALIKE, odds, Orientation())

    def odds(self, hits: Mapping[str, Hit]) -> float | None:
        """How surely an image shows what the query shows, whatever the verdict.

        Args:
            hits: by kind, what was said of the image.

        Returns:
            Natural log-odds of `Claim.COPY`; where geometry proves something in common, those of
            `Claim.SCENE` if they are greater. None where the calibration knows none of the features.
        """
        if not self._known:
            return None
        copy = self._log_odds(Claim.COPY, hits)
        is_proven = any(hit.geometry is not None for kind, hit in hits.items() if kind in self._known)
        return max(copy, self._log_odds(Claim.SCENE, hits)) if is_proven else copy

    def knows(self, kind: str) -> bool:
        """Whether the calibration was fitted to the features of a kind."""
        return kind in self._known

    def _judged(self, verdict: Verdict, log_odds: float, orientation: Orientation) -> Judgement:
        return Judgement(verdict, self._calibration.probability(verdict, log_odds), orientation)

    def _log_odds(self, claim: Claim, hits: Mapping[str, Hit]) -> float:
        return self._calibration.log_odds(claim, self.llrs(claim, hits))


def _is_part(geometry: Geometry | None) -> bool:
    return geometry is not None and min(geometry.query_overlap, geometry.image_overlap) < MOST


def _orientation(proof: Hit | None, hits: Mapping[str, Hit]) -> Orientation:
    """Of the proof; else of the kind that had to turn the query at all."""
    if proof is not None:
        return proof.orientation
    turned = (hit.orientation for hit in hits.values() if hit.orientation != Orientation())
    return next(turned, Orientation())


def _both(first: float, second: float) -> float:
    """Log-odds that two independent claims both hold, from the log-odds of each.

    With p = 1/(1 + e^−a) and q = 1/(1 + e^−b): ln(pq / (1 − pq)) = −ln(e^−a + e^−b + e^−a−b).
    """
    least = min(first, second)
    a, b = math.exp(least - first), math.exp(least - second)
    rest = math.exp(-max(first, second)) if max(first, second) > -700 else math.inf
    return least - math.log(a + b + min(rest, 1e300))
