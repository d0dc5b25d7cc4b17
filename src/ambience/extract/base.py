"""The contract of a kind: from decoded pictures to features.

A kind is one file of this folder: a frozen options dataclass (fields made by `settings.setting`), a
`FeatureSpec`, one class that follows `Extractor`, and `__all__` with that class alone. Its service,
endpoints, table, index and command-line name follow from the declaration. A class that says `uses_models =
True` is given the models of this machine as well, `models=`, and names the one that it uses in its spec. One
whose model can be chosen has an option `model`, empty by default, and says in `model_tasks` what models it
takes, the task that it is made for first.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

from ambience.answers import SharedColor
from ambience.datatypes import Feature, FeatureSpec, Orientation, Picture, PixelNeed, QueryVariant
from ambience.keypoints import Keypoints


class Extractor(Protocol):
    """Makes the features of one kind; made once per process, called from many threads at a time.

    Attributes:
        options_class: frozen dataclass of the kind's own settings.
        spec: what the kind declares, for the options given.
        need: pixels that `extract` wants.
    """

    options_class: ClassVar[type[Any]]
    spec: FeatureSpec
    need: PixelNeed

    def __init__(self, options: Any, *, exact: bool = False) -> None:
        """Makes the extractor; heavy libraries are loaded at the first `extract`.

        Args:
            options: an instance of `options_class`.
            exact: whether pictures are decoded at full size, so that features must be bit-exact.
        """

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        """Features of pictures, in their order.

        Raises:
            EmptyFeatureError: a picture holds nothing that this kind could describe.
        """

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        """Features to search with: upright first, then the ways in which the query is turned."""


@runtime_checkable
class TurningExtractor(Extractor, Protocol):
    """An extractor whose stored vectors can be turned without the picture, so that turned copies are found.

    Those of others are compared with each other as they are.
    """

    def turned(self, vectors: NDArray[Any]) -> list[tuple[Orientation, NDArray[Any]]]:
        """Vectors as they would be of the turned pictures, or near to that.

        Args:
            vectors: (N, entries), as they are stored.

        Returns:
            (orientation, vectors) pairs, upright and unchanged first, of the same shape and order; vectors of
            two pictures are as far from each other turned alike as they are upright.
        """


class TextFeature(NamedTuple):
    """A sentence in the space of a kind's pictures.

    Attributes:
        feature: of the spec's dtype and dimension.
        note: what people must know of it, such as that the sentence was cut; "" where there is nothing.
    """

    feature: Feature
    note: str = ""


class TextExtractor(Extractor, Protocol):
    """An extractor whose spec says `accepts_text`: sentences become features like those of pictures."""

    def text_features(self, texts: Sequence[str]) -> list[TextFeature]:
        """Features of sentences, in their order.

        Args:
            texts: as people typed them; none empty.

        Raises:
            ModelError: the model is missing or unusable.
        """


@runtime_checkable
class ColorExtractor(Extractor, Protocol):
    """An extractor of colors, which can say which of them two pictures share."""

    def shared_colors(self, query: Picture, image: Picture) -> tuple[SharedColor, ...]:
        """The colors that most pixels of two pictures share.

        Args:
            query: the first picture, decoded.
            image: the second, decoded.

        Returns:
            The one that most pixels of both have first.

        Raises:
            EmptyFeatureError: a picture has no pixels.
        """


class PointExtractor(Extractor, Protocol):
    """An extractor of local features, which can look closer where a search is unsure."""

    def keypoints(
        self, picture: Picture, longest_side: int, points: int, *, enlarge: float = 1.0
    ) -> Keypoints:
        """Keypoints of one picture at any size.

        Args:
            picture: decoded.
            longest_side: to which it is reduced, in pixels.
            points: at most.
            enlarge: factor by which it may be enlarged beyond its decoded size.

        Raises:
            EmptyFeatureError: there are none.
        """

    def both_ways(
        self, picture: Picture, longest_side: int, points: int, *, enlarge: float = 1.0
    ) -> tuple[Keypoints, Keypoints]:
        """What `keypoints` answers, and the same of the picture mirrored, from one extraction."""
