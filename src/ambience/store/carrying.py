"""What a change of models must know of the images: whose features cannot be made again, and whose must not.

Features of two spaces are rows of their own, so that those of the model before stay as they are.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from ambience.datatypes import FeatureSpec, FeatureState, ImageState
from ambience.errors import StoreError, UnknownImageError
from ambience.store import schema
from ambience.store.base import REMOVED, FeatureDraft, PutFeatures
from ambience.store.commit import Store
from ambience.store.records import Records
from ambience.store.schema import encoded

_PAGE = 500


def left_behind(records: Records, spec: FeatureSpec) -> int:
    """Images without a file that have a feature of the kind in another space, and none in this one.

    Nothing can make it: they are found only where the other space is searched.

    Args:
        records: of the library.
        spec: of the space that lacks them.

    Returns:
        A figure of the tallies, so that it costs nothing; of several other spaces, that with most counts.
    """
    spaces, tallies = schema.spaces, schema.tallies
    is_done = tallies.c.feature_state == FeatureState.DONE
    query = (
        sa.select(
            spaces.c.fingerprint,
            sa.func.sum(tallies.c.number),
            sa.func.sum(sa.case((is_done, tallies.c.number), else_=0)),
        )
        .join(tallies, tallies.c.space_id == spaces.c.space_id)
        .where(spaces.c.kind == spec.kind, tallies.c.image_state != ImageState.PRESENT)
        .group_by(spaces.c.fingerprint)
    )
    query = query.where(spaces.c.fingerprint.not_in(list(records.imported)))  # those are found
    with records.database.reading() as connection:
        counted = {name: (int(rows), int(done)) for name, rows, done in connection.execute(query)}
    here = counted.pop(spec.fingerprint, (0, 0))[0]
    return max(0, max((done for _, done in counted.values()), default=0) - here)


def carry_removals(store: Store, old: FeatureSpec, new: FeatureSpec) -> None:
    """Notes in another space which features people removed, so that those are not made again, and only those.

    Args:
        store: open for writing.
        old: spec of the space in use.
        new: spec of the space that is coming.

    Raises:
        StoreFullError: the disk is full.
    """
    pending = FeatureDraft(new.fingerprint, FeatureState.PENDING)
    for page in _removed(store.records, new):
        is_back = store.records.feature_ids(old.fingerprint, page) >= 0  # given anew since
        _put(store, old.kind, pending, [each for each, back in zip(page, is_back, strict=True) if back])
    removed = FeatureDraft(new.fingerprint, FeatureState.FAILED, reason=REMOVED)
    for page in _removed(store.records, old):
        _put(store, old.kind, removed, page)


def _put(store: Store, kind: str, draft: FeatureDraft, image_ids: Sequence[int]) -> None:
    for outcome in store.commit([PutFeatures(each, {kind: draft}, renews=True) for each in image_ids]):
        if isinstance(outcome, StoreError) and not isinstance(outcome, UnknownImageError):
            raise outcome


def _removed(records: Records, spec: FeatureSpec) -> Iterator[list[int]]:
    """Images whose feature of a space people removed, though their file is there; in pages, by rising id."""
    rows, spaces = schema.features, schema.spaces
    after = -1
    while True:
        query = (
            sa.select(rows.c.image_id)
            .join(spaces, spaces.c.space_id == rows.c.space_id)
            .where(spaces.c.fingerprint == spec.fingerprint, rows.c.reason == encoded(REMOVED))
            .where(rows.c.image_id > after)
            .order_by(rows.c.image_id)
            .limit(_PAGE)
        )
        with records.database.reading() as connection:
            page = list(connection.execute(query).scalars())
        if not page:
            return
        yield page
        after = page[-1]
