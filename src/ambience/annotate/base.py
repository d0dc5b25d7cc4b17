"""The contract of an annotator: from decoded pictures to words.

An annotator is one file of this folder: a frozen options dataclass (fields made by `settings.setting`), one
class that follows `Annotator`, and `__all__` with that class alone. Its settings (`annotate.<name>.*`), its
queue in the background, its command-line name and its line in the docs follow from that. Files that begin
with an underscore hold what annotators share.

One with `uses_folder = True` is made with `folder=` of the library as well. One with `stored_kind` has a
method `follow`, which is given a function that answers by which model the library makes that kind's features.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

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
