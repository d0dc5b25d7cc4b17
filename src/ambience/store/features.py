"""The features of all pictures in LMDB: one named database per fingerprint, one value per feature.

Key: feature id, 8 bytes, big-endian, so that the order of keys is the order of ids. Value: the bytes of the
vector or blob, its quality as float16, and a CRC-32C over id, vector and quality. Values are never
overwritten once committed. Only `commit.py` writes here; anyone may read, from any thread, and from other
processes at the same time.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, Ids
from ambience.errors import CorruptFeatureError, StoreError, UnknownImageError
from ambience.store.environment import Environment, Puts

_QUALITY_BYTES = 2
_CRC_BYTES = 4
_PAGE = 10_000
"""Keys that one read transaction walks over, so that a long walk never keeps old pages alive."""
_PAGE_BYTES = 16 * 2**20
"""Values that are verified in one read transaction, and at once in memory."""
_RESIDUE = 0x48674BC7
"""CRC-32C of anything followed by its own CRC-32C, lowest byte first."""


BrokenFeatureError = CorruptFeatureError | UnknownImageError
"""What `Features.get` raises of stored bytes that are wrong, or not there: both name `feature_ids`."""


class Features:
    """Vectors by fingerprint and feature id; threads may share it."""

    def __init__(self, folder: Path, *, is_writer: bool) -> None:
        """Opens the environment; the folder must exist.

        Raises:
            DamagedStoreError: the files are no LMDB environment.
            StoreFullError: the disk is full.
        """
        self.folder = folder
        self.is_writer = is_writer
        self._is_closed = False
        self._environment = Environment.shared(folder, is_writer=is_writer)

    @property
    def is_damaged(self) -> bool:
        """Whether LMDB met pages that do not hold together since it was opened."""
        return self._environment.is_damaged

    def put(self, fingerprint: str, spec: FeatureSpec, rows: Sequence[tuple[int, Feature]]) -> None:
        """Writes features of one fingerprint in one synced transaction.

        Args:
            fingerprint: of the space that they live in.
            spec: what a vector of it must look like.
            rows: feature id and feature.

        Raises:
            StoreError: a vector is not as the spec says, or the environment is open for reading.
            StoreFullError: the disk is full; nothing was written.
        """
        for _, feature in rows:
            check_vector(spec, feature)
        self.put_many([(fingerprint, feature_id, feature) for feature_id, feature in rows])

    def put_many(
        self, rows: Sequence[tuple[str, int, Feature]], *, forget: Sequence[tuple[str, int]] = ()
    ) -> None:
        """Writes features of several fingerprints in one synced transaction.

        Args:
            rows: fingerprint, feature id, feature.
            forget: fingerprints and feature ids to delete first, in the same transaction.

        Raises:
            StoreError: the environment is open for reading.
            StoreFullError: the disk is full; nothing was written.
        """
        packed: Puts = {}
        for fingerprint, feature_id, feature in rows:
            packed.setdefault(fingerprint, []).append(_packed(feature_id, feature))
        gone: dict[str, list[bytes]] = {}
        for fingerprint, feature_id in forget:
            gone.setdefault(fingerprint, []).append(_key(feature_id))
        if packed or gone:
            self._write(packed, gone)

    def delete(self, fingerprint: str, feature_ids: Ids | Sequence[int]) -> None:
        """Deletes features in one synced transaction; absent ones are passed over.

        Raises:
            StoreError: the environment is open for reading.
            StoreFullError: the disk is full; nothing was deleted.
        """
        keys = [_key(int(feature_id)) for feature_id in feature_ids]
        if keys:
            self._write({}, {fingerprint: keys})

    def get(self, spec: FeatureSpec, feature_ids: Ids) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Vectors of features, in the order asked.

        Args:
            spec: names the fingerprint and the form of a vector.
            feature_ids: (N,) int64, any order, repeats allowed.

        Returns:
            (N, entries) of the spec's dtype, or an (N,) object array of blobs; and (N,) float32 qualities.

        Raises:
            UnknownImageError: a feature is absent; `feature_ids` names the absent ones.
            CorruptFeatureError: stored bytes do not agree with their checksum; `feature_ids` names them.
        """
        keys = np.asarray(feature_ids, dtype=">i8").tobytes()
        values, absent, corrupt = self._values(spec, keys)
        if absent and self._environment.follow_replacement():
            values, absent, corrupt = self._values(spec, keys)
        if absent:
            unknown = UnknownImageError(
                f"no feature {_some(absent)} of {spec.fingerprint}; `ambience check` lists what is missing"
            )
            unknown.feature_ids = absent
            raise unknown
        if corrupt:
            broken = CorruptFeatureError(
                f"the stored bytes of feature {_some(corrupt)} of {spec.fingerprint} do not agree with their "
                "checksum; they are to be extracted again from their pictures"
            )
            broken.feature_ids = corrupt
            raise broken
        return _unpacked_blobs(values) if spec.is_blob else _unpacked(spec, b"".join(values))

    def heads(self, spec: FeatureSpec, feature_ids: Ids, length: int) -> NDArray[np.uint8]:
        """First bytes of vectors or blobs, which no checksum proves: hints of what is worth `get`.

        Args:
            spec: of the features.
            feature_ids: (N,) int64, any order, repeats allowed.
            length: bytes of each.

        Returns:
            (N, length) uint8 in the order asked; zeros behind the end of what is shorter or absent.
        """
        with self._environment.reading(spec.fingerprint) as (transaction, database):
            if database is None:
                return np.zeros((len(feature_ids), length), np.uint8)
            get, extra = transaction.get, _QUALITY_BYTES + _CRC_BYTES
            values = (get(_key(int(each)), b"", db=database) for each in feature_ids)
            joined = b"".join(
                bytes(value[: min(length, max(0, len(value) - extra))]).ljust(length, b"\0")
                for value in values
            )
        return np.frombuffer(joined, np.uint8).reshape(len(feature_ids), length)

    def parts(self, spec: FeatureSpec, feature_ids: Ids, most_bytes: int) -> Iterator[Ids]:
        """Ids, in the order given, in runs whose stored values take no more than so many bytes together.

        For blobs, whose lengths differ: what reads them run by run needs bounded memory. Only lengths are
        looked up, a page of keys at a time; what is absent counts as nothing.

        Args:
            spec: of the features.
            feature_ids: (N,) int64.
            most_bytes: of a run, unless a single feature is larger.

        Yields:
            (M,) ids, M at least 1.
        """
        length = _stored_bytes(spec)
        for start in range(0, len(feature_ids), _PAGE):
            page = feature_ids[start : start + _PAGE]
            if length is not None:
                rows = max(1, most_bytes // length)
                yield from (page[first : first + rows] for first in range(0, len(page), rows))
                continue
            ends = np.cumsum(self._lengths(spec, page))
            first = 0
            while first < len(page):
                before = int(ends[first - 1]) if first else 0
                last = max(first + 1, int(np.searchsorted(ends, before + most_bytes, side="right")))
                yield page[first:last]
                first = last

    def ids(self, fingerprint: str) -> Ids:
        """Ids of all stored features of a fingerprint, ascending; committed or not."""
        pages = list(self.id_pages(fingerprint))
        return np.concatenate(pages) if pages else np.empty(0, np.int64)

    def id_pages(self, fingerprint: str, *, after: int = -1) -> Iterator[Ids]:
        """Ids of stored features above `after`, ascending, in arrays of bounded length.

        Yields:
            (N,) ids, N bounded.
        """
        while True:
            keys = self._keys(fingerprint, after)
            if not keys:
                return
            page = np.frombuffer(b"".join(keys), dtype=">i8").astype(np.int64)
            yield page
            after = int(page[-1])

    def exists(self, fingerprint: str, feature_ids: Ids) -> NDArray[np.bool_]:
        """(N,) whether each feature is stored, intact or not.

        Returns:
            In the order asked.
        """
        with self._environment.reading(fingerprint) as (transaction, database):
            if database is None:
                return np.zeros(len(feature_ids), np.bool_)
            get = transaction.get
            return np.fromiter(
                (get(_key(int(each)), db=database) is not None for each in feature_ids),
                np.bool_,
                len(feature_ids),
            )

    def fingerprints(self) -> list[str]:
        """Every fingerprint that has a database here, sorted."""
        with self._environment.reading() as (transaction, _):
            walk = transaction.cursor().iternext(keys=True, values=False)
            return sorted(bytes(name).decode() for name in walk)

    def verify(self, spec: FeatureSpec) -> Iterator[tuple[int, str]]:
        """Reads every feature of a fingerprint and yields the broken ones with what is wrong."""
        for page in self.id_pages(spec.fingerprint):
            yield from self.verify_ids(spec, page)

    def verify_ids(self, spec: FeatureSpec, feature_ids: Ids) -> list[tuple[int, str]]:
        """The broken ones among stored features, with what is wrong; absent ones are passed over.

        Returns:
            (feature id, what is wrong) pairs.
        """
        length = _stored_bytes(spec)
        problems: list[tuple[int, str]] = []
        for part in self.parts(spec, feature_ids, _PAGE_BYTES):
            with self._environment.reading(spec.fingerprint) as (transaction, database):
                if database is None:
                    return problems
                found = transaction.cursor(database).getmulti([_key(int(each)) for each in part])
                problems += [
                    (_id(key), problem)
                    for key, value in found
                    if (problem := _problem(key, bytes(value), length))
                ]
        return problems

    def close(self) -> None:
        """Closes the environment where nobody else in this process uses it."""
        if not self._is_closed:
            self._is_closed = True
            self._environment.release()

    def _values(self, spec: FeatureSpec, keys: bytes) -> tuple[list[bytes], tuple[int, ...], tuple[int, ...]]:
        """Stored values, ids that are absent, ids that are corrupt (then the values are void)."""
        asked = [keys[start : start + 8] for start in range(0, len(keys), 8)]
        length = _stored_bytes(spec)
        with self._environment.reading(spec.fingerprint) as (transaction, database):
            if database is None:
                return [], tuple(_id(key) for key in asked), ()
            found = transaction.cursor(database).getmulti(asked)
            if len(found) != len(asked):
                stored = {bytes(key) for key, _ in found}
                absent = dict.fromkeys(key for key in asked if key not in stored)
                return [], tuple(_id(key) for key in absent), ()
            values = [bytes(value) for _, value in found]  # copied once: the map's pages may go
            corrupt = tuple(
                _id(key)
                for (key, _), value in zip(found, values, strict=True)
                if _problem(key, value, length)
            )
            return [] if corrupt else values, (), corrupt

    def _lengths(self, spec: FeatureSpec, feature_ids: Ids) -> NDArray[np.int64]:
        """(N,) bytes of stored values, in the order asked; 0 where there is none."""
        with self._environment.reading(spec.fingerprint) as (transaction, database):
            if database is None:
                return np.zeros(len(feature_ids), np.int64)
            get = transaction.get
            found = (get(_key(int(each)), b"", db=database) for each in feature_ids)
            return np.fromiter((len(value) for value in found), np.int64, len(feature_ids))

    def _write(self, packed: Puts, gone: Mapping[str, list[bytes]]) -> None:
        if not self.is_writer:
            raise StoreError(f"{self.folder} is open for reading; open the library for writing")
        self._environment.write(packed, gone)

    def _keys(self, fingerprint: str, after: int) -> list[bytes]:
        with self._environment.reading(fingerprint) as (transaction, database):
            if database is None:
                return []
            cursor = transaction.cursor(database)
            if not cursor.set_range(_key(after + 1)):
                return []
            walk = cursor.iternext(keys=True, values=False)
            return [bytes(key) for key, _ in zip(walk, range(_PAGE), strict=False)]


def check_vector(spec: FeatureSpec, feature: Feature) -> None:
    """Refuses a feature that is not what its kind declares.

    Raises:
        StoreError: shape, dtype or quality is wrong, or a number is not finite.
    """
    vector = feature.vector
    shape = (vector.size,) if spec.is_blob else (spec.entries,)
    if vector.shape != shape or vector.dtype != np.dtype(spec.dtype):
        raise StoreError(
            f"a {spec.kind} feature is {vector.dtype} of shape {vector.shape}; "
            f"{spec.fingerprint} wants {spec.dtype} of shape ({'any' if spec.is_blob else spec.entries},)"
        )
    if vector.dtype.kind == "f" and not np.isfinite(vector).all():
        raise StoreError(f"a {spec.kind} feature holds numbers that are not finite")
    if not 0 <= feature.quality <= 1:
        raise StoreError(f"the quality of a {spec.kind} feature is {feature.quality}; it is between 0 and 1")


def _key(feature_id: int) -> bytes:
    return feature_id.to_bytes(8, "big", signed=True)


def _id(key: Any) -> int:
    return int.from_bytes(key, "big", signed=True)


def _stored_bytes(spec: FeatureSpec) -> int | None:
    """Length of a stored value; None where it may be any."""
    if spec.is_blob:
        return None
    return spec.entries * np.dtype(spec.dtype).itemsize + _QUALITY_BYTES + _CRC_BYTES


def _checksum(feature_id: int, body: bytes) -> int:
    """CRC-32C that starts from the id, so that a value under another's key is found out as well."""
    checksum: int = google_crc32c.extend(feature_id & 0xFFFFFFFF, body)
    return checksum


def _packed(feature_id: int, feature: Feature) -> tuple[bytes, bytes]:
    body = b"".join((feature.vector.tobytes(), np.float16(feature.quality).tobytes()))
    return _key(feature_id), b"".join((body, _checksum(feature_id, body).to_bytes(_CRC_BYTES, "little")))


def _problem(key: Any, value: bytes, length: int | None) -> str:
    """What is wrong with a stored value; "" where nothing is."""
    if len(value) != length and (length is not None or len(value) < _QUALITY_BYTES + _CRC_BYTES):
        return f"{len(value)} bytes instead of {length or 'some'}"
    # Over the checksum as well, so that a blob of 34 kB is not copied to cut four bytes off its end.
    return "" if _checksum(_id(key), value) == _RESIDUE else "the bytes do not agree with their checksum"


def _unpacked(spec: FeatureSpec, joined: bytes) -> tuple[NDArray[Any], NDArray[np.float32]]:
    form = np.dtype(
        [("vector", spec.dtype, (spec.entries,)), ("quality", np.float16), ("crc", np.uint32)], align=False
    )
    rows = np.frombuffer(joined, dtype=form)
    return np.ascontiguousarray(rows["vector"]), rows["quality"].astype(np.float32)


def _unpacked_blobs(values: Sequence[bytes]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    blobs, qualities = np.empty(len(values), object), np.empty(len(values), np.float32)
    for place, value in enumerate(values):
        length = len(value) - _QUALITY_BYTES - _CRC_BYTES
        blobs[place] = np.frombuffer(value, np.uint8, length)
        qualities[place] = np.frombuffer(value, np.float16, 1, length)[0]
    return blobs, qualities


def _some(ids: Sequence[int]) -> str:
    """The first few of many ids, for a message."""
    shown = ", ".join(str(each) for each in ids[:10])
    return shown if len(ids) <= 10 else f"{shown} and {len(ids) - 10} more"
