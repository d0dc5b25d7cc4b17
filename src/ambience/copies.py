"""The nouns of duplicates: pairs of contents that show the same, groups of images, what people decided."""

from dataclasses import dataclass

from ambience.datatypes import Verdict

GROUPED = (Verdict.SAME_FILE, Verdict.SAME_PICTURE, Verdict.EDITED)
"""Verdicts by which images are put into one group where nothing else is asked."""

PAIRED = (Verdict.SAME_FILE, Verdict.SAME_PICTURE, Verdict.EDITED, Verdict.PART)
"""Verdicts that can be asked: that one picture is a copy of the other, or of a part of it."""

MOST_GROUPS = 1_000
"""Groups of one page at most."""


@dataclass(frozen=True, slots=True)
class CopyPair:
    """Two contents of which one shows what the other does.

    Attributes:
        low: the smaller sha256, 32 bytes.
        high: the greater one.
        verdict: the strongest that a kind supports.
        score: 0–1, of that kind.
        kind: which.
    """

    low: bytes
    high: bytes
    verdict: Verdict
    score: float
    kind: str


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What is known of an image where it is to be decided which of several is kept.

    Attributes:
        image_id: which.
        sha256: 32 bytes.
        width: pixels.
        height: pixels.
        size: bytes of the file.
        format: lower-case name of the file format.
        taken_at: ISO 8601; "" where the file does not say it.
        is_present: whether the file is there.
    """

    image_id: int
    sha256: bytes
    width: int
    height: int
    size: int
    format: str
    taken_at: str = ""
    is_present: bool = True


@dataclass(frozen=True, slots=True)
class GroupMember:
    """An image of a group, and what it is of the one that is best kept.

    Attributes:
        image_id: which.
        verdict: of this image and the one that is best kept, between which it was found.
        score: 0–1.
        kind: that found it; "sha256" for the bytes themselves.
    """

    image_id: int
    verdict: Verdict
    score: float
    kind: str


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """Images that are copies of one.

    Attributes:
        group_id: the smallest id of its images: it stays while images are added.
        keep: the image that is best kept.
        reason: why that one.
        members: the others, the strongest verdict first; each was itself found to be a copy of `keep`.
    """

    group_id: int
    keep: int
    reason: str
    members: tuple[GroupMember, ...]


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some of the groups, by rising id.

    Attributes:
        groups: of this page.
        next: `after` of the next page; None after the last.
        total: groups in all.
        pending: images that have yet to be compared with the others.
    """

    groups: tuple[CopyGroup, ...]
    next: int | None
    total: int
    pending: int


@dataclass(frozen=True, slots=True)
class Paired:
    """What looking for duplicates did.

    Attributes:
        compared: images that were compared with the others, counted for each kind.
        pairs: that are known by now.
        pending: images that have yet to be compared.
    """

    compared: int
    pairs: int
    pending: int
