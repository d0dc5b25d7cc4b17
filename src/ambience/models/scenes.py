"""Names of what the scene models tell: the kinds of place of Places365, and the SUN attributes.

In the order of the models' outputs; NOTICE says whose lists they are.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Place(NamedTuple):
    """One kind of place.

    Attributes:
        name: as Places365 has it, such as "bakery/shop"; spaces are underscores.
        is_outdoor: whether it is outdoors.
    """

    name: str
    is_outdoor: bool


@cache
def places() -> tuple[Place, ...]:
    """The 365 kinds of place."""
    lines = (line.rpartition(" ") for line in _lines("places365.txt"))
    return tuple(Place(name, where == "outdoor") for name, _, where in lines)


@cache
def attributes() -> tuple[str, ...]:
    """The 102 properties of places, such as "natural light"."""
    return tuple(_lines("sun_attributes.txt"))


def _lines(name: str) -> list[str]:
    return (files("ambience.models") / "data" / name).read_text(encoding="utf-8").splitlines()
