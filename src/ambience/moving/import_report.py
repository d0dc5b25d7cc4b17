"""What came of an import: counted by kind, with the first examples of what was refused and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MOST_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Refused:
    """What was not taken over for one reason.

    Attributes:
        subject: a kind, or "images", "pictures", "names", "entries".
        reason: why, and what to do.
        count: how many.
        examples: the first of them.
    """

    subject: str
    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was taken over.

    Attributes:
        images: that were looked at.
        pictures: images whose picture was found; their features were made anew.
        features: by kind, features of the original that were kept.
        known: images of which everything was here already.
        refused: what was not taken over, the most frequent reason first.
        notes: what people must know of whole kinds.
        is_dry_run: nothing was written.
        is_whole: False where it was stopped; another run goes on.
        took_s: seconds.
    """

    images: int
    pictures: int
    features: Mapping[str, int]
    known: int
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]
    is_dry_run: bool
    is_whole: bool
    took_s: float


@dataclass(slots=True)
class Refusals:
    """Collects what is refused, in bounded memory."""

    _counts: dict[tuple[str, str], int] = field(default_factory=dict)
    _examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, subject: str, reason: str, example: str, *, count: int = 1) -> None:
        """Counts one more."""
        key = (subject, reason)
        self._counts[key] = self._counts.get(key, 0) + count
        shown = self._examples.setdefault(key, [])
        if len(shown) < MOST_EXAMPLES:
            shown.append(example)

    def listed(self) -> tuple[Refused, ...]:
        """All reasons, the most frequent first."""
        rows = [
            Refused(subject, reason, count, tuple(self._examples[subject, reason]))
            for (subject, reason), count in self._counts.items()
        ]
        return tuple(sorted(rows, key=lambda row: (-row.count, row.subject, row.reason)))
