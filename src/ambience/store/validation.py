"""What a write may hold; everything else is refused before anything is touched."""

from typing import Any, Final

import numpy as np

from ambience.datatypes import MAX_IMAGE_ID, FeatureState, ImageDraft, ImageState
from ambience.errors import StoreError
from ambience.store.base import FeatureDraft
from ambience.store.schema import clamped, encoded

LONGEST_TAG: Final = 256
LONGEST_FINGERPRINT: Final = 255


def checked_id(image_id: int) -> int:
    """The id, where it is a whole number in range.

    Raises:
        StoreError: it is not.
    """
    is_integer = isinstance(image_id, int | np.integer) and not isinstance(image_id, bool)
    if not is_integer or not 0 <= image_id <= MAX_IMAGE_ID:
        raise StoreError(f"image_id is {image_id!r}; it is a whole number from 0 to {MAX_IMAGE_ID}")
    return int(image_id)


def stored_text(value: str, what: str) -> bytes:
    """Text as it is stored, where it is text at all.

    Raises:
        StoreError: it is not.
    """
    try:
        return encoded(value)
    except (UnicodeEncodeError, AttributeError) as exc:
        raise StoreError(f"the {what} {value!r} is no valid text") from exc


def checked_path(path: str) -> bytes:
    """A path as it is stored, where it is absolute.

    Raises:
        StoreError: it is not.
    """
    raw = stored_text(path, "path")
    if not raw.startswith(b"/") or b"\0" in raw:
        raise StoreError(f"the path {path!r} is not absolute; give the whole path")
    return raw


def stored_tag(tag: str) -> bytes:
    """A tag as it is stored, where people can read it.

    Returns:
        Its UTF-8 bytes.

    Raises:
        StoreError: it is not.
    """
    raw = stored_text(tag, "tag")
    if not raw.strip() or len(tag) > LONGEST_TAG or not tag.isprintable():
        raise StoreError(
            f"the tag {tag[:80]!r} is not usable; a tag has 1 to {LONGEST_TAG} printable characters"
        )
    return raw


def _whole(value: int, what: str, largest: int) -> int:
    if not isinstance(value, int | np.integer) or not 0 <= value <= largest:
        raise StoreError(f"the {what} is {value!r}; it is a whole number from 0 to {largest}")
    return int(value)


def image_values(draft: ImageDraft) -> dict[str, Any]:
    """Columns of an image, all but its id and the time of its adding.

    Returns:
        Name of the column → value.

    Raises:
        StoreError: a field of the draft is not usable; the message names it.
    """
    if not isinstance(draft.sha256, bytes) or len(draft.sha256) != 32:
        raise StoreError(f"the sha256 of {draft.name!r} is {draft.sha256!r}; it is 32 bytes")
    path = None if draft.path is None else checked_path(draft.path)
    has_bytes = path is not None or draft.is_upload
    return {
        "sha256": draft.sha256,
        "size": _whole(draft.size, "size", 2**63 - 1),
        "name": stored_text(draft.name, "name"),
        "path": path,
        "mtime_ns": None if draft.mtime_ns is None else clamped(draft.mtime_ns),
        "is_upload": bool(draft.is_upload),
        "format": draft.format[:32],
        "width": _whole(draft.width, "width", 2**31 - 1),
        "height": _whole(draft.height, "height", 2**31 - 1),
        "taken_at": None if draft.taken_at is None else draft.taken_at.isoformat(),
        "state": (ImageState.PRESENT if has_bytes else ImageState.FEATURES_ONLY).value,
    }


def check_draft(kind: str, made: FeatureDraft, *, is_elsewhere: bool = False) -> None:
    """Refuses a feature whose state, fingerprint and vector do not go together.

    Args:
        kind: whose.
        made: as it is to be written.
        is_elsewhere: whether another process keeps the vector.

    Raises:
        StoreError: they do not.
    """
    if not 0 < len(made.fingerprint) <= LONGEST_FINGERPRINT:
        raise StoreError(f"a fingerprint has 1 to {LONGEST_FINGERPRINT} characters, not {made.fingerprint!r}")
    if (made.state == FeatureState.DONE and not is_elsewhere) != (made.feature is not None):
        raise StoreError(f"a {kind} feature is given exactly where its state is done, not {made.state}")
    stored_text(made.reason, "reason")
