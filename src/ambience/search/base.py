"""The contracts of one kind's read path: query variants, or words, in; ranking out."""

from collections.abc import Sequence
from typing import Protocol

from ambience.datatypes import Expansion, FeatureSpec, Ids, Picture, QueryVariant, Ranking


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
