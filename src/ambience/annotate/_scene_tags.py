"""Tags by the networks of Places365: kinds of place, indoors or outdoors, and properties of places."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ambience.annotate.base import Stored
from ambience.datatypes import Picture, RgbImage
from ambience.models.runtime import Models
from ambience.models.scenes import attributes, places
from ambience.words import Tag

CLASSES, ATTRIBUTES = "places365-resnet50", "places365-wideresnet18"
"""The models, and sources of their tags."""

VOTERS = 10
"""Likeliest kinds of place that vote on indoors or outdoors."""

ORIGINAL_SHARE, ORIGINAL_RESPONSE = 0.2, 0.0
"""What the original system wants to be exceeded."""


def class_tags(logits: NDArray[np.float32], threshold: float) -> list[Tag]:
    """Indoors or outdoors, and the kinds of place of one picture whose probability is over a threshold.

    Args:
        logits: (365,).
        threshold: of the softmax of the logits.

    Returns:
        "indoor" where less than half of the ten likeliest kinds are outdoors, else "outdoor", scored by the
        share of those that say so; then kinds of place, the likeliest first, scored by probability.
    """
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    outdoors = float(np.mean([places()[place].is_outdoor for place in order[:VOTERS]]))
    where = "indoor" if outdoors < 0.5 else "outdoor"
    found = [Tag(where, CLASSES, max(outdoors, 1 - outdoors))]
    sure = [place for place in order if shares[place] > threshold]
    return found + [Tag(places()[place].name, CLASSES, float(shares[place])) for place in sure]


def attribute_tags(responses: NDArray[np.float32], threshold: float) -> list[Tag]:
    """Properties of one picture whose response is over a threshold, the strongest first.

    Args:
        responses: (102,).
        threshold: of them.

    Returns:
        Tags, scored by 1 / (1 + e^−response), which says no more than their order.
    """
    order = np.argsort(-responses, kind="stable")
    scores = 1 / (1 + np.exp(-responses.astype(np.float64)))
    return [
        Tag(attributes()[each], ATTRIBUTES, float(scores[each]))
        for each in order
        if responses[each] > threshold
    ]


def original_tags(models: Models, rgb: RgbImage) -> list[str]:
    """What the original system answers for a picture, in an order that is always the same.

    Args:
        models: of this machine.
        rgb: (H, W, 3) uint8.

    Returns:
        Properties with a response over 0, the strongest first, then "indoor" or "outdoor", then kinds of
        place with a probability over 0.2, the likeliest first; each once.

    Raises:
        MissingModelError: one of the two networks is not installed.
        ModelError: it is unusable.
    """
    (responses,) = models.classifier(ATTRIBUTES).responses([rgb])
    (logits,) = models.classifier(CLASSES).responses([rgb])
    found = attribute_tags(responses, ORIGINAL_RESPONSE) + class_tags(logits, ORIGINAL_SHARE)
    return list(dict.fromkeys(tag.text for tag in found))


class SceneTags:
    """What of both networks is installed, at work.

    Args:
        models: of this machine.
        class_threshold: probability that a kind of place must exceed.
        attribute_threshold: response that a property must exceed.
    """

    def __init__(self, models: Models, class_threshold: float, attribute_threshold: float) -> None:
        self._models = models
        self._thresholds = {CLASSES: class_threshold, ATTRIBUTES: attribute_threshold}

    def needs_pixels(self, _stored: Stored | None) -> bool:
        """Always."""
        return True

    @property
    def ready(self) -> list[str]:
        """Those of the two networks that are installed."""
        return [name for name in self._thresholds if self._models.is_installed(name)]

    def signature(self) -> list[object]:
        """What its answers depend on; empty where it has none."""
        return [[name, self._thresholds[name]] for name in self.ready]

    def tags(self, pictures: Sequence[Picture], _stored: Stored | None) -> list[list[Tag]]:
        """Tags of pictures, in their order.

        Raises:
            ModelError: no network is installed, or one is unusable.
        """
        found: list[list[Tag]] = [[] for _ in pictures]
        ready = self.ready or [CLASSES]  # which says how it is installed
        for name in ready:
            make = class_tags if name == CLASSES else attribute_tags
            made = self._models.classifier(name).responses([picture.rgb for picture in pictures])
            for tags, row in zip(found, made, strict=True):
                tags += make(row, self._thresholds[name])
        return found
