"""The nouns of duplicates: pairs of contents that show the same, groups of images, what becomes of these."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ambience.datatypes import UPRIGHT, Orientation, Verdict

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
        orientation: how the picture of `low` is to be turned to look like that of `high`.
    """

    low: bytes
    high: bytes
    verdict: Verdict
    score: float
    kind: str
    orientation: Orientation = UPRIGHT


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
    """An image of a group, and which image of the group it was found to be a copy of.

    Attributes:
        image_id: which.
        copy_of: the image that is best kept; or another member, itself a direct copy of that one.
        verdict: of this image and that of which it is a copy.
        score: 0–1.
        kind: that found it; "sha256" for the bytes themselves.
        orientation: how the image of which it is a copy is to be turned to look like this one.
    """

    image_id: int
    copy_of: int
    verdict: Verdict
    score: float
    kind: str
    orientation: Orientation = UPRIGHT


@dataclass(frozen=True, slots=True)
class CopyGroup:
    """Images that are copies of one, or of a copy of it.

    Attributes:
        group_id: the smallest id of its images: it stays while images are added.
        keep: the image that is best kept.
        reason: why that one.
        members: the others: first direct copies of `keep`, then copies of these alone; each by the strongest
            verdict first.
    """

    group_id: int
    keep: int
    reason: str
    members: tuple[GroupMember, ...]

    @property
    def losers(self) -> tuple[int, ...]:
        """Images that can go without a loss: those that were themselves found to be copies of `keep`."""
        return tuple(each.image_id for each in self.members if each.copy_of == self.keep)


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


# --- resolving: copies go to the library's trash, and come back ------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to become of one group.

    Attributes:
        keep: the image that stays.
        trash: copies of it whose files go to the trash.
    """

    keep: int
    trash: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trashed:
    """A picture in the trash, with everything that brings it back.

    Attributes:
        entry: its number in the trash; never given twice.
        batch: entry of the first picture that went in the same run.
        image_id: that it had, and gets back.
        kept: the image that stayed in its place.
        name: what people called it.
        path: absolute path where its file was; None for an upload.
        sha256: 32 bytes, of its file.
        size: bytes.
        mtime_ns: of its file; None for an upload.
        trashed_at: UTC, aware.
        tags: that people gave it.
        caption: that people gave it; "" where they gave none.
        imported_tags: that an imported file gave it.
        imported_caption: likewise; "" where there was none.
        source_url: where it was found, by an imported file; "" where none says it.
        given_tags: those of `tags` that the kept image did not have, and got.
        given_caption: whether the kept image got `caption`.
    """

    entry: int
    batch: int
    image_id: int
    kept: int
    name: str
    path: str | None
    sha256: bytes
    size: int
    mtime_ns: int | None
    trashed_at: datetime
    tags: tuple[str, ...] = ()
    caption: str = ""
    imported_tags: tuple[str, ...] = ()
    imported_caption: str = ""
    source_url: str = ""
    given_tags: tuple[str, ...] = ()
    given_caption: bool = False

    @property
    def is_upload(self) -> bool:
        """Whether the library itself kept its bytes."""
        return self.path is None


class Outcome(StrEnum):
    """What became of one picture."""

    WOULD_TRASH = "would_trash"
    TRASHED = "trashed"
    WOULD_RESTORE = "would_restore"
    RESTORED = "restored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TrashStep:
    """What became of one picture on its way into the trash, or out of it.

    Attributes:
        image_id: which.
        kept: the image that stays, or stayed, in its place.
        outcome: what became of it.
        reason: why it was refused, without any path; "" where it was not.
        name: what people call it; "" where there is no such image.
        size: bytes of its file.
        entry: its number in the trash; None where it is not, or not yet, there.
    """

    image_id: int
    kept: int
    outcome: Outcome
    reason: str = ""
    name: str = ""
    size: int = 0
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class TrashRun:
    """What a run of moving into the trash, or out of it, did or would do.

    Attributes:
        steps: one for each picture, in the order of the question.
        is_dry_run: whether nothing was changed.
        is_whole: false where it was stopped before the end.
    """

    steps: tuple[TrashStep, ...]
    is_dry_run: bool = False
    is_whole: bool = True

    @property
    def size(self) -> int:
        """Bytes of what was moved, or would be."""
        return sum(step.size for step in self.steps if step.outcome is not Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class TrashPage:
    """Some of what is in the trash, the newest first.

    Attributes:
        entries: of this page.
        next: `before` of the next page; None after the last.
        total: pictures in the trash.
        size: bytes of all of them.
    """

    entries: tuple[Trashed, ...]
    next: int | None
    total: int
    size: int
