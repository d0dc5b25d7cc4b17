"""What is made of the scene networks' numbers, by figures that can be checked by hand."""

import numpy as np
import pytest

from ambience.annotate._scene_tags import ATTRIBUTES, CLASSES, attribute_tags, class_tags
from ambience.models.scenes import attributes, places

NAMES = [place.name for place in places()]


def logits(**heights: float) -> np.ndarray:
    made = np.zeros(365, np.float32)
    for name, height in heights.items():
        made[NAMES.index(name)] = height
    return made


def test_names_are_in_the_order_of_the_networks() -> None:
    assert (len(places()), len(attributes())) == (365, 102)
    assert NAMES[:2] == ["airfield", "airplane_cabin"]
    assert NAMES[-1] == "zen_garden"
    assert (attributes()[0], attributes()[-1]) == ("boating", "stressful")
    assert sum("/" in name for name in NAMES) == 75
    assert [place.is_outdoor for place in places()[:3]] == [True, False, False]


def test_kinds_of_place_are_those_over_the_threshold() -> None:
    # e^8 / (e^8 + e^7.5 + 363) = 0.57860, e^7.5 / … = 0.35094
    found = class_tags(logits(kitchen=8.0, pantry=7.5), 0.2)
    assert [tag.text for tag in found[1:]] == ["kitchen", "pantry"]
    assert [tag.score for tag in found[1:]] == pytest.approx([0.57860, 0.35094], abs=1e-4)
    assert {tag.source for tag in found} == {CLASSES}
    assert [tag.text for tag in class_tags(logits(kitchen=8.0, pantry=7.5), 0.4)[1:]] == ["kitchen"]
    assert len(class_tags(np.zeros(365, np.float32), 0.2)) == 1


def test_the_ten_likeliest_vote_on_indoors() -> None:
    inside = ["kitchen", "pantry", "attic", "bar", "bedroom", "office"]
    outside = ["beach", "forest_path", "lagoon", "ocean", "desert_road"]
    heights = {name: 9.0 - place / 10 for place, name in enumerate(inside + outside)}
    found = class_tags(logits(**heights), 0.9)
    assert (found[0].text, found[0].score) == ("indoor", pytest.approx(0.6))  # 4 of 10 are outdoors
    del heights["office"]
    found = class_tags(logits(**heights), 0.9)
    assert (found[0].text, found[0].score) == ("outdoor", pytest.approx(0.5))  # 5 of 10 are enough


def test_properties_are_those_over_the_threshold_the_strongest_first() -> None:
    responses = np.full(102, -1.0, np.float32)
    responses[[3, 40, 60]] = 0.5, 2.0, 0.0
    found = attribute_tags(responses, 0.0)
    assert [tag.text for tag in found] == [attributes()[40], attributes()[3]]
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert found[0].source == ATTRIBUTES
    assert len(attribute_tags(responses, -0.5)) == 3
