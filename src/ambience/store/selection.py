"""Which images a filter keeps: asked of the records, never of more of them than an answer needs."""

import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from ambience.datatypes import Ids
from ambience.errors import StoreError
from ambience.expression import And, Expression, Not, Or, Saying
from ambience.store import schema
from ambience.store.conditions import WithWords, condition_of
from ambience.store.database import among, read_numbers
from ambience.store.records import Records

SAMPLE: Final = 1_000
"""Images by which the share of a filter is estimated: off by 3 % of all at most, nineteen times of twenty."""

LEAST_SAMPLE: Final = 200
"""Of fewer nothing is concluded."""

FEW: Final = 5_000
"""Images whose features are looked up one by one; for more, a table of all of them is kept in memory."""

MOST_CHANGES: Final = 20_000
"""Changes that such a table takes up; after more it is read anew."""


MOST_KNOWN: Final = 8
"""Answers that are remembered: people page through one, or ask it of another picture."""


class Selections:
    """Answers which images are as filters say; threads may share it.

    Args:
        records: of the library.
        with_words: looks up words that stand in pictures, for filters that ask for them.
    """

    def __init__(self, records: Records, with_words: WithWords) -> None:
        self._records, self._with_words = records, with_words
        self._lock = threading.Lock()
        self._tables: dict[str, _FeatureTable] = {}
        self._known: OrderedDict[tuple[Expression, int], Ids] = OrderedDict()
        self._has_forms = False

    def image_ids(self, expression: Expression) -> Ids:
        """All images that a filter keeps.

        Returns:
            (N,) int64, ascending.
        """
        key = (expression, self._records.last_seq())  # every change of what is asked here raises the number
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        column = schema.images.c.image_id
        found = np.sort(self._numbers(sa.select(column).where(self._condition(expression))))
        found.flags.writeable = False
        if not _asks_for_words(expression):
            with self._lock:
                self._known[key] = found
                while len(self._known) > MOST_KNOWN:
                    self._known.popitem(last=False)
        return found

    def kept(self, expression: Expression, image_ids: Sequence[int]) -> set[int]:
        """Those of some images that a filter keeps."""
        column = schema.images.c.image_id
        condition = self._condition(expression, is_of_few=True)
        query = sa.select(column).where(among(column, image_ids), condition)
        return set(self._numbers(query).tolist())

    def share(self, expression: Expression) -> float | None:
        """About how many of all images a filter keeps.

        Returns:
            0 to 1, from a sample; None where ids lie too far apart to draw one quickly.
        """
        column = schema.images.c.image_id
        with self._records.database.reading() as connection:  # asked together, all rows would be read
            first, last = (
                connection.execute(sa.select(end(column))).scalar() for end in (sa.func.min, sa.func.max)
            )
        if first is None or last is None:
            return None
        drawn = random.Random(0).choices(range(first, last + 1), k=SAMPLE)
        there = self._numbers(sa.select(column).where(among(column, drawn))).tolist()
        return len(self.kept(expression, there)) / len(there) if len(there) >= LEAST_SAMPLE else None

    def count(self, expression: Expression) -> int:
        """How many images a filter keeps."""
        query = sa.select(sa.func.count()).select_from(schema.images).where(self._condition(expression))
        with self._records.database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def page(self, expression: Expression, *, after: int, limit: int, newest_first: bool) -> list[int]:
        """One page of the images that a filter keeps; see `Records.list_images`.

        Returns:
            Their ids, `limit` at most.
        """
        column = schema.images.c.image_id
        query = sa.select(column).where(self._condition(expression)).limit(limit)
        query = query.order_by(column.desc() if newest_first else column)
        if newest_first and after >= 0:
            query = query.where(column < after)
        elif not newest_first:
            query = query.where(column > after)
        return [int(each) for each in self._numbers(query)]

    def feature_ids(self, fingerprint: str, image_ids: Ids) -> Ids:
        """The features of images, of one fingerprint.

        Args:
            fingerprint: of the space.
            image_ids: (N,) ascending.

        Returns:
            (M,) int64 ascending; images without such a feature are left out.
        """
        if len(image_ids) <= FEW:
            found = self._records.feature_ids(fingerprint, image_ids)
            return np.sort(found[found >= 0])
        with self._lock:
            table = self._tables.setdefault(fingerprint, _FeatureTable(self._records, fingerprint))
        return table.of(image_ids)

    def _condition(self, expression: Expression, *, is_of_few: bool = False) -> sa.ColumnElement[bool]:
        self._require_forms()
        return condition_of(expression, self._with_words, is_of_few=is_of_few)

    def _require_forms(self) -> None:
        if self._has_forms:
            return
        with self._records.database.reading() as connection:
            self._has_forms = connection.dialect.has_table(connection, schema.tag_forms.name)
        if not self._has_forms:
            raise StoreError(
                "this library was made by an earlier version, whose records cannot be filtered; open it for "
                "writing once, for example with `ambience add`"
            )

    def _numbers(self, query: sa.Select[Any]) -> Ids:
        with self._records.database.reading() as connection:
            return read_numbers(connection, query)[0]


def _asks_for_words(expression: Expression) -> bool:
    """Whether words in pictures are asked for, which are indexed apart from the records."""
    match expression:
        case And(conditions) | Or(conditions):
            return any(map(_asks_for_words, conditions))
        case Not(condition):
            return _asks_for_words(condition)
        case _:
            return isinstance(expression, Saying)


class _FeatureTable:
    """Image → feature of one fingerprint, for all images, in memory; 16 bytes each."""

    def __init__(self, records: Records, fingerprint: str) -> None:
        self._records, self._fingerprint = records, fingerprint
        self._lock = threading.Lock()
        self._seq = -1
        self._images = self._features = np.empty(0, np.int64)

    def of(self, image_ids: Ids) -> Ids:
        """Features of ascending images, ascending, as of now."""
        with self._lock:
            self._follow()
            images, features = self._images, self._features
        if not len(images):
            return images
        at = np.minimum(np.searchsorted(images, image_ids), len(images) - 1)
        return np.sort(features[at[images[at] == image_ids]])

    def _follow(self) -> None:
        """Takes up what changed since; arrays handed out stay as they are."""
        seq = self._records.last_seq()
        if seq == self._seq:
            return
        changes = [] if self._seq < 0 else self._records.changes(self._fingerprint, self._seq, MOST_CHANGES)
        if self._seq < 0 or len(changes) >= MOST_CHANGES:
            self._images, self._features = self._records.features_by_image(self._fingerprint)
        elif changes:
            gone = np.array([change.feature_id for change in changes if change.is_removal], np.int64)
            came = np.array([change.feature_id for change in changes if not change.is_removal], np.int64)
            owners = self._records.image_ids(self._fingerprint, came)
            stays = ~np.isin(self._features, np.concatenate([gone, came]))
            images = np.concatenate([self._images[stays], owners[owners >= 0]])
            features = np.concatenate([self._features[stays], came[owners >= 0]])
            order = np.argsort(images, kind="stable")
            self._images, self._features = images[order], features[order]
        self._seq = seq
