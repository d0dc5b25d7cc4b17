"""The contract of an annotator: from decoded pictures to words.

An annotator is one file of this folder: a frozen options dataclass (fields made by `settings.setting`), one
class that follows `Annotator`, and `__all__` with that class alone. Its settings (`annotate.<name>.*`), its
queue in the background, its command-line name and its line in the docs follow from that. Files that begin
with an underscore hold what annotators share.

One with `uses_folder = True` is made with `folder=` of the library as well. One with `stored_kind` is a
`StoredAnnotator`, which is given what the library has of that kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Picture, PixelNeed
from ambience.models.runtime import Models
from ambience.words import Annotation


class Annotator(Protocol):
    """Says one sort of words of pictures; made once per process, called from many threads at a time.

    Attributes:
        options_class: frozen dataclass of the annotator's own settings.
        batch: pictures that one call of `annotate` is best given.
        name: of its file.
        fingerprint: of all that its answers depend on (engines, models, version); where it changes, pictures
            are annotated anew.
        need: pixels that it wants.
    """

    options_class: ClassVar[type[Any]]
    batch: ClassVar[int]
    name: str
    fingerprint: str
    need: PixelNeed

    def __init__(self, options: Any, *, models: Models) -> None:
        """Makes the annotator; models and heavy libraries are loaded at the first `annotate`.

        Args:
            options: an instance of `options_class`.
            models: of this machine.
        """

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        """What it says of pictures, in their order.

        Raises:
            ModelError: a model is missing (`MissingModelError`, which names the command that installs it) or
                unusable: pictures wait.
            AmbienceError: a picture cannot be annotated; the caller tries pictures one by one then.
        """


@dataclass(frozen=True, slots=True)
class Stored:
    """Embeddings that a library has of images already.

    Attributes:
        model: that made them.
        vectors: (N, D) floating point, of unit length.
    """

    model: str
    vectors: NDArray[np.floating]


class StoredAnnotator(Annotator, Protocol):
    """An annotator to which embeddings are of use.

    Attributes:
        stored_kind: kind of the features that it is given.
    """

    stored_kind: ClassVar[str]

    def follow(self, model: Callable[[], str]) -> None:
        """Is told by which model the library makes the kind's features, now and later; "" for none."""

    def annotate(self, pictures: Sequence[Picture], stored: Stored | None = None) -> list[Annotation]:
        """What it says of pictures, in their order, some of whose embeddings are at hand."""

    def annotate_stored(self, stored: Stored) -> list[Annotation] | None:
        """What it says of images by their embeddings alone; None where it has to see pixels."""
