"""What putting away and bringing back share."""

from ambience.copies import Outcome, Trashed, TrashStep
from ambience.words import ImageWords


class RefusedError(Exception):
    """Why a picture stays where it is, for people and without a path."""


def step_of(trashed: Trashed, outcome: Outcome, reason: str = "") -> TrashStep:
    """What became of a picture that has an entry in the trash."""
    return TrashStep(
        trashed.image_id, trashed.kept, outcome, reason, trashed.name, trashed.size, trashed.entry
    )


def tags_by(words: ImageWords, source: str) -> tuple[str, ...]:
    """Tags of one source."""
    return tuple(tag.text for tag in words.tags if tag.source == source)


def caption_by(words: ImageWords, source: str) -> str:
    """The caption of one source; "" where it gave none."""
    return next((caption.text for caption in words.captions if caption.source == source), "")
