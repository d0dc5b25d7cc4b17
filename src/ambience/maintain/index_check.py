"""What `check` says of one index: ids against those of the store, files against their sha256."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from ambience.datatypes import FeatureSpec, Ids
from ambience.errors import IndexFileError
from ambience.maintain.snapshots import SnapshotFolder
from ambience.maintain.source import NO_IDS, FeatureSource
from ambience.store.base import Problem


class Checked(Protocol):
    """The part of a `LiveIndex` that is looked at."""

    spec: FeatureSpec
    source: FeatureSource

    @property
    def needs_rebuild(self) -> bool:
        """Whether there is nothing to start from but the store itself."""

    def catch_up(self) -> int:
        """Applies what changed in the store."""

    def ids(self) -> Ids:
        """Feature ids that searches see, ascending."""


def check_snapshot(kind: str, snapshots: SnapshotFolder) -> Iterator[Problem]:
    """Compares the files of the newest snapshot with their sha256.

    Yields:
        One problem per file.
    """
    for snapshot in snapshots.found()[:1]:
        try:
            found = list(snapshots.problems(snapshot))
        except IndexFileError as exc:
            found = [str(exc)]
        if found and snapshot.folder.exists():
            for each in found:
                message = f"{each}; `ambience rebuild {kind}` writes it anew"
                yield Problem("snapshot_corrupt", "index", message, kind=kind)


def check_ids(live: Checked) -> Iterator[Problem]:
    """Compares the ids that an index holds with those of the store.

    Yields:
        One problem per id.
    """
    kind, fingerprint = live.spec.kind, live.spec.fingerprint
    absent, stale = _differences(live)
    if len(absent) or len(stale):
        # What was committed between the two readings shows once; what is wrong shows again.
        again = _differences(live)
        absent, stale = np.intersect1d(absent, again[0]), np.intersect1d(stale, again[1])
    remedy = f"`ambience rebuild {kind}` makes it anew from the store"
    for code, ids, text in (
        ("index_missing_entry", absent, "is stored, but the index does not hold it"),
        ("index_stale_entry", stale, "is in the index, but not in the store"),
    ):
        owners = live.source.store.records.image_ids(fingerprint, ids) if len(ids) else ids
        for feature_id, image_id in zip(ids.tolist(), owners.tolist(), strict=True):
            yield Problem(
                code,
                "index",
                f"feature {feature_id} of {kind} {text}; {remedy}",
                image_id=image_id if image_id >= 0 else None,
                kind=kind,
            )


def _differences(live: Checked) -> tuple[Ids, Ids]:
    """Ids that are stored but not held, and held but not stored; nothing waits for the reading."""
    live.catch_up()
    held = live.ids()
    stored = live.source.store.records.all_feature_ids(live.spec.fingerprint)
    if live.needs_rebuild:
        return NO_IDS, NO_IDS  # `pending` says so, and a rebuild is due
    return np.setdiff1d(np.setdiff1d(stored, held), live.source.distrusted), np.setdiff1d(held, stored)
