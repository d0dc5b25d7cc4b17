"""What figures of several kinds prove, learned from pictures of which it is known what each is of the other.

For each claim about two pictures, each kind has a scale: its figure → ln of p(figure | claim holds) /
p(figure | it does not), the log-likelihood ratio. What kinds say together is a weighted sum, since they look
at the same pixels and may not be counted as independent witnesses. `fitting.py` makes this; the fit that
ships is `data/calibration.json`. Pure functions but for those that read a file.
"""

import json
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from ambience.datatypes import FeatureSpec
from ambience.errors import SettingsError

FORM = 2
"""Form of the file, raised when its layout changes."""

CLAMP = math.log(1e4)
"""Largest log-likelihood ratio, either way, that one figure may have: no fit has seen more pairs than would
carry a surer one."""


class Claim(StrEnum):
    """What may be said of two pictures."""

    COPY = "copy"
    """One shows the same picture as the other, or a part of it."""
    UNALTERED = "unaltered"
    """Of copies of the whole: re-encoded, resized, turned or mirrored, and no more."""
    SCENE = "scene"
    """Of pictures with a proof by geometry: both truly show the same thing or place, or one is a copy."""
    ALIKE = "alike"
    """Both show the same sort of thing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Log-likelihood ratios of a figure, linear between knots and level beyond the last ones.

    Attributes:
        figures: rising.
        llrs: natural logarithms, one a figure; never falling, or never rising.
    """

    figures: tuple[float, ...]
    llrs: tuple[float, ...]

    def at(self, figure: float) -> float:
        """The log-likelihood ratio of a figure.

        Args:
            figure: in the unit of the knots.

        Returns:
            Between the least and the greatest of the knots.
        """
        place = bisect_left(self.figures, figure)
        if place == 0:
            return self.llrs[0]
        if place == len(self.figures):
            return self.llrs[-1]
        low, high = self.figures[place - 1], self.figures[place]
        share = (figure - low) / (high - low)
        return self.llrs[place - 1] + share * (self.llrs[place] - self.llrs[place - 1])


@dataclass(frozen=True, slots=True)
class Witness:
    """What one kind says of one claim.

    Attributes:
        scales: by level: in which manner the kind gave its figure; see `evidence.reading`.
        levels: log-likelihood ratios of levels without a figure, such as "absent".
        weight: of its log-likelihood ratios in the sum.
    """

    scales: Mapping[str, Scale]
    levels: Mapping[str, float]
    weight: float

    def llr(self, level: str, figure: float | None) -> float:
        """The log-likelihood ratio of what the kind gave.

        Args:
            level: in which manner it gave its figure.
            figure: in its own unit; None of levels without one.

        Returns:
            0 of a level that the fit has not seen; but one that is parted by what another kind said, such as
            "distance pixels differ", is then read as the undivided one, "distance".
        """
        if level not in self.scales and level not in self.levels:
            level = level.partition(" ")[0]
        scale = self.scales.get(level)
        if scale is None or figure is None:
            return self.levels.get(level, 0.0)
        return scale.at(figure)


@dataclass(frozen=True, slots=True)
class Calibration:
    """All scales, and for which features they hold.

    Attributes:
        fingerprints: by kind, of the features that the fit has seen.
        witnesses: by claim, by kind.
        offsets: by claim, the log-odds before any kind is heard: how often the claim held among what was
            answered in the fit.
        last: by verdict, the last step: from the log-odds that the verdict is right to those that were
            observed; never falling. A verdict without one keeps its log-odds.
        provenance: what it was fitted to, when, and how well it held on pictures apart.
    """

    fingerprints: Mapping[str, str]
    witnesses: Mapping[Claim, Mapping[str, Witness]]
    offsets: Mapping[Claim, float]
    last: Mapping[str, Scale]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def knows(self, spec: FeatureSpec) -> bool:
        """Whether it was fitted to such features, in this process or another."""
        return self.fingerprints.get(spec.kind) == replace(spec, is_elsewhere=False).fingerprint

    def log_odds(self, claim: Claim, llrs: Mapping[str, float]) -> float:
        """Log-odds of a claim, given what kinds say of it.

        Args:
            claim: which.
            llrs: by kind, log-likelihood ratios; kinds that are not in it say nothing.

        Returns:
            offset + Σ weight · llr, natural logarithm.
        """
        witnesses = self.witnesses[claim]
        told = (witnesses[kind].weight * llr for kind, llr in llrs.items() if kind in witnesses)
        return self.offsets[claim] + sum(told)

    def probability(self, verdict: str, log_odds: float) -> float:
        """How often a verdict with these log-odds was right, 0–1; never falls with the log-odds."""
        scale = self.last.get(verdict)
        return logistic(log_odds if scale is None else scale.at(log_odds))


def logistic(log_odds: float) -> float:
    """Log-odds as a probability: 1 / (1 + exp(−x)), without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def shipped() -> Calibration:
    """The calibration that comes with the package."""
    text = resources.files("ambience.fuse").joinpath("data", "calibration.json").read_text(encoding="utf-8")
    return from_document(json.loads(text))


def read_calibration(file: Path) -> Calibration:
    """A calibration from a file.

    Raises:
        SettingsError: it cannot be read, or is none.
    """
    try:
        return from_document(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise SettingsError(
            f"no calibration in {file} ({exc}); make one with tools/fit_calibration.py, or leave "
            "search.calibration empty for the one that ships"
        ) from exc


def from_document(document: Mapping[str, Any]) -> Calibration:
    """A calibration as JSON has it.

    Raises:
        ValueError: it has another form, or numbers that cannot be.
    """
    if document.get("form") != FORM:
        raise ValueError(f"its form is {document.get('form')!r}; {FORM} is read")
    return Calibration(
        fingerprints=dict(document["fingerprints"]),
        witnesses={
            claim: {kind: _witness(each) for kind, each in document["claims"][claim]["witnesses"].items()}
            for claim in Claim
        },
        offsets={claim: _finite(document["claims"][claim]["offset"]) for claim in Claim},
        last={verdict: _scale(knots) for verdict, knots in document["last"].items()},
        provenance=document["provenance"],
    )


def to_document(calibration: Calibration) -> dict[str, Any]:
    """What `from_document` reads, with numbers rounded to four places, and figures to six."""
    return {
        "form": FORM,
        "provenance": dict(calibration.provenance),
        "fingerprints": dict(calibration.fingerprints),
        "claims": {
            claim.value: {
                "offset": round(calibration.offsets[claim], 4),
                "witnesses": {
                    kind: {
                        "weight": round(witness.weight, 4),
                        "levels": {name: round(llr, 4) for name, llr in witness.levels.items()},
                        "scales": {name: _knots(scale) for name, scale in witness.scales.items()},
                    }
                    for kind, witness in calibration.witnesses[claim].items()
                },
            }
            for claim in Claim
        },
        "last": {verdict: _knots(scale) for verdict, scale in calibration.last.items()},
    }


def _witness(document: Mapping[str, Any]) -> Witness:
    return Witness(
        scales={name: _scale(knots) for name, knots in document["scales"].items()},
        levels={name: _finite(llr) for name, llr in document["levels"].items()},
        weight=_finite(document["weight"]),
    )


def _knots(scale: Scale) -> list[list[float]]:
    return [[round(figure, 6), round(llr, 4)] for figure, llr in zip(scale.figures, scale.llrs, strict=True)]


def _scale(knots: list[list[float]]) -> Scale:
    figures = tuple(_finite(figure) for figure, _ in knots)
    if not figures or any(later <= earlier for earlier, later in pairwise(figures)):
        raise ValueError(f"figures of a scale must rise: {figures[:5]}")
    return Scale(figures, tuple(_finite(llr) for _, llr in knots))


def _finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number
