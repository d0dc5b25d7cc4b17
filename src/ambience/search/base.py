"""The contracts of one kind's read path: query variants, or words, in; ranking out."""

from collections.abc import Sequence
from typing import Any, Protocol

from ambience.answers import Expansion, OriginalAnswer, Query, Ranking
from ambience.datatypes import FeatureSpec, FeatureState, Ids, Picture, QueryVariant
from ambience.services import ServiceInfo


class TextSearch(Protocol):
    """The read path of a kind that has words of pictures and no vectors; called from many threads at a time.

    Attributes:
        spec: of the kind.
    """

    spec: FeatureSpec

    @property
    def has_words(self) -> bool:
        """Whether any word of any image is known by now; else nobody needs to be asked."""

    def by_text(self, text: str, *, k: int, allowed_images: Ids | None = None) -> Ranking:
        """Images in which words of a text stand.

        Args:
            text: as people typed it.
            k: so many hits at most.
            allowed_images: only these, chosen before ranking.

        Returns:
            Hits best first, each with the words that were found.

        Raises:
            QueryError: there is no word in the text.
        """


class KindSearch(Protocol):
    """The read path of one kind; called from many threads at a time.

    Attributes:
        spec: of the kind.
    """

    spec: FeatureSpec

    def by_variants(
        self,
        variants: Sequence[QueryVariant],
        *,
        k: int | None = None,
        radius: float | None = None,
        allowed: Ids | None = None,
        picture: Picture | None = None,
        expansion: Expansion | None = None,
    ) -> Ranking:
        """Images near any of the variants of a query, each once, at its nearest.

        Args:
            variants: features of the query, one for each way in which it is turned.
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            allowed: only these feature ids, chosen before ranking.
            picture: the query's pixels, for kinds that look again where they are unsure.
            expansion: how kinds of embeddings widen the query; None leaves that to their settings.

        Returns:
            Hits nearest first, ties by image id.

        Raises:
            QueryError: both or neither of k and radius are given, or k is below 1, or radius below 0.
        """

    def stored_variant(self, image_id: int) -> QueryVariant:
        """The stored feature of an image, as a query.

        Returns:
            An upright variant.

        Raises:
            UnknownImageError: the image has no feature of this kind.
        """


class KindElsewhere(Protocol):
    """A kind that another process makes and searches; called from many threads at a time.

    `search.remote.RemoteKind` is it.

    Attributes:
        spec: of the kind, marked as kept elsewhere.
    """

    spec: FeatureSpec

    @property
    def info(self) -> ServiceInfo:
        """How the service fares, by what is known now."""

    def by_query(
        self,
        query: Query,
        *,
        k: int | None = None,
        radius: float | None = None,
        allowed_images: Ids | None = None,
        turned: bool = True,
        timeout_s: float,
    ) -> Ranking:
        """Images near a query, whose features the other process makes.

        Args:
            query: settled; images that it names are the same in both processes.
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            allowed_images: only these, chosen before ranking.
            turned: search the query's other orientations as well.
            timeout_s: for the answer.

        Returns:
            Hits nearest first, ties by image id.

        Raises:
            ServiceError: the other process cannot be used.
            AmbienceError: it cannot answer such a question.
        """

    def original_answer(self, query: Query, knobs: Any, *, figure: str, timeout_s: float) -> OriginalAnswer:
        """What the original's endpoints of the other process answer.

        Args:
            query: picture bytes, an image of both processes, or words.
            knobs: of the kind, a dataclass.
            figure: what images are ranked by: "distance" or "matches".
            timeout_s: for the answer.

        Raises:
            AmbienceError: as `by_query` does.
        """

    def put(self, image_id: int, data: bytes, *, name: str) -> tuple[FeatureState, str]:
        """Gives the other process a picture; once more with the same bytes changes nothing.

        Returns:
            Done, or empty with the reason.

        Raises:
            ServiceError: the other process cannot be used; try again later.
            AmbienceError: it refuses the picture.
        """

    def remove(self, image_id: int, sha256: bytes) -> None:
        """Has the other process forget an image; nothing where it does not know it, or knows other bytes.

        Raises:
            ServiceError: the other process cannot be used; try again later.
        """

    def probe(self) -> bool:
        """Asks the other process whether it can be used."""

    def close(self) -> None:
        """Lets go of connections."""
