"""What a group of writes will change, worked out before anything is written.

A plan starts from the stored rows that its writes concern, applies one write after the other in memory, and
ends as the difference between before and after. A write that is refused changes nothing, so it never spoils
the others.
"""

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

from ambience.datatypes import MAX_IMAGE_ID, Feature, FeatureSpec, FeatureState, ImageDraft, ImageState
from ambience.errors import ImageIdTakenError, OutdatedFeatureError, StoreError, UnknownImageError
from ambience.store.base import (
    REMOVED,
    FeatureDraft,
    Features,
    MarkMissing,
    MoveImage,
    PutAnnotation,
    PutFeatures,
    PutImage,
    PutImported,
    RemoveAnnotation,
    RemoveFeature,
    RemoveImage,
    SetCaption,
    SetTags,
    Write,
    Written,
)
from ambience.store.features import check_vector
from ambience.store.notes import now
from ambience.store.plan_words import WordPlan
from ambience.store.schema import clamped, encoded
from ambience.store.validation import (
    check_draft,
    checked_id,
    checked_path,
    image_values,
    stored_tag,
    stored_text,
)

MAX_ASSIGNED_ID: Final = 2**52 - 1
"""Ids that the library gives end here; ids above, given by a caller, never move the sequence to its end."""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One row of the features table; `feature` is what has yet to be written."""

    state: FeatureState
    feature_id: int | None
    seq: int = 0
    reason: bytes = b""
    feature: Feature | None = None


@dataclass(slots=True)
class Entry:
    """One image as it is, or as it will be.

    Attributes:
        sha256: of its bytes.
        path: of its file, encoded.
        state: whether its bytes are there.
        rows: by number of the space.
        values: columns of the images table that change; None where none do.
    """

    sha256: bytes
    path: bytes | None
    state: ImageState
    rows: dict[int, FeatureRow] = field(default_factory=dict)
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A feature that went."""

    seq: int
    space_id: int
    feature_id: int
    image_id: int


@dataclass(slots=True)
class Stored:
    """What the database holds of what a group of writes concerns.

    Attributes:
        entries: images, by id.
        paths: whose each path is.
        spaces: fingerprint → number of its space and kind.
        numbers: last numbers given out, by sequence.
        annotations: annotators that each image is enlisted for.
    """

    entries: dict[int, Entry]
    paths: dict[bytes, int]
    spaces: dict[str, tuple[int, str]]
    numbers: dict[str, int]
    annotations: Mapping[int, Set[str]] = field(default_factory=dict)


class Plan:
    """The effect of a group of writes."""

    def __init__(
        self,
        kinds: Mapping[str, FeatureSpec],
        stored: Stored,
        *,
        coming: Mapping[str, FeatureSpec] | None = None,
        annotators: Mapping[str, str] | None = None,
    ) -> None:
        self.kinds = kinds
        self._coming = coming or {}
        self._fingerprints = {kind: spec.fingerprint for kind, spec in kinds.items()}
        self._elsewhere = {spec.fingerprint: kind for kind, spec in kinds.items() if spec.is_elsewhere}
        self.before = stored.entries
        self.entries = {each: _copy(entry) for each, entry in stored.entries.items()}
        self.numbers = dict(stored.numbers)
        self.committed_feature_id = stored.numbers["feature_id"]
        self.new_spaces: dict[str, tuple[int, str]] = {}
        self.tombstones: list[Tombstone] = []
        self.gone_elsewhere: set[tuple[str, int, bytes]] = set()
        self.removed: set[int] = set()
        self.cleared_tags: set[int] = set()
        self.tags: dict[int, dict[bytes, None]] = {}
        self.words = WordPlan(annotators or {}, stored.annotations, stored.entries.keys())
        self.is_changed = False
        self._paths = dict(stored.paths)
        self._spaces = dict(stored.spaces)

    def apply(self, write: Write) -> Written:
        """Takes one write up.

        Returns:
            What becomes of it once the plan is committed.

        Raises:
            StoreError: the write is refused; the plan is as it was.
        """
        match write:
            case PutImage():
                written = self._put_image(write)
            case PutFeatures():
                written = self._put_features(write)
            case MoveImage():
                written = self._move_image(write)
            case MarkMissing():
                written = self._mark_missing(write)
            case RemoveImage():
                written = self._remove_image(write.image_id)
            case RemoveFeature():
                written = self._remove_feature(write)
            case SetTags():
                written = self._set_tags(write)
            case PutAnnotation():
                written = self._put_annotation(write)
            case RemoveAnnotation():
                written = self._remove_annotation(write)
            case SetCaption():
                self._entry(write.image_id)
                self.words.set_caption(write.image_id, write.text)
                written = Written(write.image_id, self._next_seq())
            case PutImported():
                self._entry(write.image_id)
                self.words.put_imported(write)
                written = Written(write.image_id, self._next_seq())
        self.is_changed = True
        return written

    def space_id(self, fingerprint: str, kind: str) -> int:
        """The number of a fingerprint's space, new where there was none."""
        if fingerprint not in self._spaces:
            number = 1 + max((number for number, _ in self._spaces.values()), default=0)
            self._spaces[fingerprint] = self.new_spaces[fingerprint] = (number, kind)
        return self._spaces[fingerprint][0]

    def unwritten(self) -> list[tuple[str, int, Feature]]:
        """Features to be written: fingerprint, feature id, feature; by rising id."""
        names = {number: fingerprint for fingerprint, (number, _) in self._spaces.items()}
        rows = [
            (names[space_id], row.feature_id, row.feature)
            for entry in self.entries.values()
            for space_id, row in entry.rows.items()
            if row.feature is not None and row.feature_id is not None
        ]
        return sorted(rows, key=lambda row: row[1])

    def _put_image(self, write: PutImage) -> Written:
        image_id, draft = write.image_id, write.draft
        values = image_values(draft)
        self._check_features(write.features, is_current=write.is_current)
        tags = [stored_tag(tag) for tag in write.tags]
        if write.replaces:
            entry = self._entry(image_id)
        elif image_id is not None and checked_id(image_id) in self.entries:
            raise ImageIdTakenError(f"image {image_id} exists already; give another id, or none")
        self._check_path(values["path"], image_id)
        if image_id is None:
            image_id = self._next_image_id()
        if write.replaces:
            self._release_path(entry)
            for space_id in list(entry.rows):
                self._give_up_row(image_id, space_id)
            entry.sha256, entry.path = draft.sha256, values["path"]
            entry.state = ImageState(values["state"])
            entry.values = values
            self._claim_path(entry.path, image_id)
            self._enlist(image_id)
        else:
            self._new_image(image_id, draft, values)
        self._fill(image_id, write.features)
        self.tags.setdefault(image_id, {}).update(dict.fromkeys(tags))
        return Written(image_id, self._next_seq(), is_new=not write.replaces)

    def _put_features(self, write: PutFeatures) -> Written:
        image_id, draft = checked_id(write.image_id), write.draft
        self._check_features(write.features, is_current=write.is_current)
        if not write.features:
            raise StoreError(f"no feature is given for image {image_id}; name one kind at least")
        entry = self.entries.get(image_id)
        if entry is None and draft is None:
            raise _unknown(image_id)
        if entry is None:
            assert draft is not None
            values = image_values(draft)
            self._check_path(values["path"], image_id)
            self._new_image(image_id, draft, values)
            self._fill(image_id, write.features)
            return Written(image_id, self._next_seq(), is_new=True)
        given = write.sha256 if draft is None else draft.sha256
        if given is not None and given != entry.sha256:
            raise ImageIdTakenError(
                f"image {image_id} has other bytes (sha256 {entry.sha256.hex()}, "
                f"given {given.hex()}); give another id"
            )
        for kind, made in write.features.items():
            if not write.renews and self._has_row(entry, made):
                raise ImageIdTakenError(f"image {image_id} has its {kind} feature already; remove it first")
        for kind, made in write.features.items():
            self._put_row(image_id, kind, made)
            if made.beside is not None and (write.renews or not self._has_row(entry, made.beside)):
                self._put_row(image_id, kind, made.beside)
        return Written(image_id, self._next_seq())

    def _move_image(self, write: MoveImage) -> Written:
        entry = self._entry(write.image_id)
        path = checked_path(write.path)
        self._check_path(path, write.image_id)
        changed = {
            "path": path,
            "name": stored_text(write.name, "name"),
            "mtime_ns": clamped(write.mtime_ns),
            "state": ImageState.PRESENT.value,
        }
        self._release_path(entry)
        self._claim_path(path, write.image_id)
        entry.path, entry.state = path, ImageState.PRESENT
        entry.values = (entry.values or {}) | changed
        return Written(write.image_id, self._next_seq())

    def _mark_missing(self, write: MarkMissing) -> Written:
        entry = self._entry(write.image_id)
        if entry.state == ImageState.FEATURES_ONLY:
            raise StoreError(f"image {write.image_id} never had a file here that could be missing or back")
        entry.state = ImageState.MISSING if write.is_missing else ImageState.PRESENT
        entry.values = (entry.values or {}) | {"state": entry.state.value}
        return Written(write.image_id, self._next_seq())

    def _remove_image(self, image_id: int) -> Written:
        entry = self._entry(image_id)
        for space_id in list(entry.rows):
            self._give_up_row(image_id, space_id)
        self._release_path(entry)
        del self.entries[image_id]
        self.tags.pop(image_id, None)
        self.words.remove_image(image_id)
        self.removed.add(image_id)
        return Written(image_id, self._next_seq())

    def _remove_feature(self, write: RemoveFeature) -> Written:
        entry = self._entry(write.image_id)
        mine = {space_id for space_id, kind in self._spaces.values() if kind == write.kind}
        gone = [
            space_id
            for space_id, row in entry.rows.items()
            if space_id in mine and row.reason != REMOVED.encode()
        ]
        if not gone:
            raise UnknownImageError(f"image {write.image_id} has no {write.kind!r} feature")
        for space_id in gone:
            self._give_up_row(write.image_id, space_id)
        if entry.state == ImageState.FEATURES_ONLY:
            if not entry.rows and self.words.is_silent(write.image_id):
                return self._remove_image(write.image_id)
        else:
            # Without a row the feature would count as pending and be extracted again from the file.
            coming = self._coming.get(write.kind)
            if coming is not None:
                gone.append(self.space_id(coming.fingerprint, write.kind))
            for space_id in gone:
                entry.rows[space_id] = FeatureRow(
                    FeatureState.FAILED, None, self._next_seq(), REMOVED.encode()
                )
        return Written(write.image_id, self._next_seq())

    def _set_tags(self, write: SetTags) -> Written:
        self._entry(write.image_id)
        tags = dict.fromkeys(stored_tag(tag) for tag in write.tags)
        self.cleared_tags.add(write.image_id)
        self.tags[write.image_id] = tags
        return Written(write.image_id, self._next_seq())

    def _put_annotation(self, write: PutAnnotation) -> Written:
        image_id = checked_id(write.image_id)
        entry = self.entries.get(image_id)
        if entry is None and write.draft is None:
            raise _unknown(image_id)
        if (entry.sha256 if entry else write.draft.sha256 if write.draft else b"") != write.sha256:
            raise ImageIdTakenError(f"image {image_id} has other bytes than those that {write.annotator} saw")
        row = self.words.checked(write)  # before anything is changed: a refused write leaves no trace
        is_new = entry is None
        if write.draft is not None and entry is None:
            values = image_values(write.draft)
            self._check_path(values["path"], image_id)
            self._new_image(image_id, write.draft, values)
        self.words.put(image_id, write.annotator, row)
        return Written(image_id, self._next_seq(), is_new=is_new)

    def _remove_annotation(self, write: RemoveAnnotation) -> Written:
        entry = self._entry(write.image_id)
        has_file = entry.state != ImageState.FEATURES_ONLY
        self.words.remove(write.image_id, write.annotator, has_file=has_file)
        if not has_file and not entry.rows and self.words.is_silent(write.image_id):
            return self._remove_image(write.image_id)
        return Written(write.image_id, self._next_seq())

    def _enlist(self, image_id: int) -> None:
        """Annotators have yet to look at an image that has a file."""
        if self.entries[image_id].state == ImageState.FEATURES_ONLY:
            self.words.forget(image_id)
        else:
            self.words.enlist(image_id)

    def _new_image(self, image_id: int, draft: ImageDraft, values: dict[str, Any]) -> None:
        if image_id <= MAX_ASSIGNED_ID:
            self.numbers["image_id"] = max(self.numbers["image_id"], image_id)
        values["added_at"] = now()
        self.entries[image_id] = Entry(
            draft.sha256, values["path"], ImageState(values["state"]), values=values
        )
        self._claim_path(values["path"], image_id)
        self._enlist(image_id)

    def _fill(self, image_id: int, features: Features) -> None:
        """Rows of the features given, and PENDING rows of the other kinds where there is a file to read."""
        for kind, made in features.items():
            for each in made.all:
                self._put_row(image_id, kind, each)
        entry = self.entries[image_id]
        if entry.state == ImageState.FEATURES_ONLY:
            return
        for kind, fingerprint in self._fingerprints.items():
            if self.space_id(fingerprint, kind) not in entry.rows:
                self._put_row(image_id, kind, FeatureDraft(fingerprint, FeatureState.PENDING))

    def _put_row(self, image_id: int, kind: str, made: FeatureDraft) -> None:
        space_id = self.space_id(made.fingerprint, kind)
        self._drop_row(image_id, space_id)
        feature_id = None
        if made.feature is not None:
            feature_id = self.numbers["feature_id"] = self.numbers["feature_id"] + 1
        self.entries[image_id].rows[space_id] = FeatureRow(
            made.state, feature_id, self._next_seq(), encoded(made.reason), made.feature
        )

    def _give_up_row(self, image_id: int, space_id: int) -> None:
        """Takes a row away whose feature shall be found no more; who keeps it elsewhere has to hear of it."""
        for fingerprint, kind in self._elsewhere.items():
            if self._spaces.get(fingerprint, (-1, ""))[0] == space_id:
                self.gone_elsewhere.add((kind, image_id, self.entries[image_id].sha256))
        self._drop_row(image_id, space_id)

    def _drop_row(self, image_id: int, space_id: int) -> None:
        """Takes a row away; a stored feature leaves a tombstone, an unwritten one was never there."""
        row = self.entries[image_id].rows.pop(space_id, None)
        if row is not None and row.feature_id is not None and row.feature is None:
            self.tombstones.append(Tombstone(self._next_seq(), space_id, row.feature_id, image_id))

    def _check_features(self, features: Features, *, is_current: bool) -> None:
        drafts = [(kind, each) for kind, made in features.items() for each in made.all]
        if len({made.fingerprint for _, made in drafts}) < len(drafts):
            raise StoreError(f"two of the kinds {', '.join(features)} have the same fingerprint")
        for kind, made in drafts:
            if kind not in self.kinds:
                raise StoreError(f"no kind {kind!r}; have {', '.join(sorted(self.kinds)) or 'none'}")
            check_draft(kind, made, is_elsewhere=made.fingerprint in self._elsewhere)
            for spec in (self.kinds[kind], self._coming.get(kind)):
                if spec is not None and made.feature is not None and made.fingerprint == spec.fingerprint:
                    check_vector(spec, made.feature)
            owner = self._spaces.get(made.fingerprint, (0, kind))[1]
            if owner != kind:
                raise StoreError(f"the fingerprint {made.fingerprint!r} is of {owner}, not of {kind}")
        for kind, made in features.items() if is_current else ():
            current = self._fingerprints[kind]
            if current not in [each.fingerprint for each in made.all]:
                raise OutdatedFeatureError(
                    f"the {kind} feature was made as {made.fingerprint}, but {current} is in use by now; "
                    "make it again"
                )

    def _has_row(self, entry: Entry, made: FeatureDraft) -> bool:
        row = entry.rows.get(self._spaces.get(made.fingerprint, (-1, ""))[0])
        if row is not None and row.state is FeatureState.PENDING:
            return made.fingerprint in self._elsewhere  # on its way there
        return row is not None and row.state in (FeatureState.DONE, FeatureState.EMPTY)

    def _entry(self, image_id: int | None) -> Entry:
        if image_id is None:
            raise StoreError("replacing an image needs its image_id")
        entry = self.entries.get(checked_id(image_id))
        if entry is None:
            raise _unknown(image_id)
        return entry

    def _check_path(self, path: bytes | None, image_id: int | None) -> None:
        owner = None if path is None else self._paths.get(path)
        if owner is not None and owner != image_id:
            name = os.fsdecode(path or b"")
            raise ImageIdTakenError(f"the file {name} is image {owner} already; replace that image instead")

    def _claim_path(self, path: bytes | None, image_id: int) -> None:
        if path is not None:
            self._paths[path] = image_id

    def _release_path(self, entry: Entry) -> None:
        if entry.path is not None:
            self._paths.pop(entry.path, None)

    def _next_seq(self) -> int:
        self.numbers["seq"] += 1
        return self.numbers["seq"]

    def _next_image_id(self) -> int:
        if self.numbers["image_id"] >= MAX_ASSIGNED_ID:
            raise StoreError(f"no id is left below {MAX_ASSIGNED_ID + 1}; give an image_id above it yourself")
        self.numbers["image_id"] += 1
        return self.numbers["image_id"]


def concerned(writes: Iterable[Write]) -> tuple[set[int], set[bytes]]:
    """Ids and paths whose stored rows a plan for these writes needs; malformed ones are left to the plan.

    Returns:
        Image ids, and paths as they are stored.
    """
    ids: set[int] = set()
    paths: set[bytes] = set()
    for write in writes:
        image_id = write.image_id
        if isinstance(image_id, int) and 0 <= image_id <= MAX_IMAGE_ID:
            ids.add(image_id)
        draft = write.draft if isinstance(write, PutImage | PutFeatures | PutAnnotation) else None
        path = write.path if isinstance(write, MoveImage) else draft.path if draft else None
        if isinstance(path, str):
            try:
                paths.add(encoded(path))
            except UnicodeEncodeError:
                continue
    return ids, paths


def _copy(entry: Entry) -> Entry:
    return Entry(entry.sha256, entry.path, entry.state, dict(entry.rows))


def _unknown(image_id: int) -> UnknownImageError:
    return UnknownImageError(f"no image {image_id}")


def summed(plan: Plan) -> dict[tuple[int, str, str], int]:
    """How the tallies change: (space, image state, feature state) → difference; space 0 counts images.

    Returns:
        Differences other than zero.
    """
    differences: dict[tuple[int, str, str], int] = {}
    sides: Sequence[tuple[Mapping[int, Entry], int]] = ((plan.before, -1), (plan.entries, 1))
    for entries, sign in sides:
        for entry in entries.values():
            keys = [(0, entry.state.value, "")]
            keys += [(space, entry.state.value, row.state.value) for space, row in entry.rows.items()]
            for key in keys:
                differences[key] = differences.get(key, 0) + sign
    return {key: number for key, number in differences.items() if number}
