"""Vectors in LMDB: what goes in comes out, and what is broken or absent is named."""

import multiprocessing
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ambience.datatypes import Feature
from ambience.errors import CorruptFeatureError, StoreError, UnknownImageError
from ambience.store.features import Features
from support.store_writes import COLOR, PHASH, POINTS, blob_of, vector_of

NAME = PHASH.fingerprint


@pytest.fixture
def features(tmp_path: Path) -> Iterator[Features]:
    opened = Features(tmp_path, is_writer=True)
    yield opened
    opened.close()


def rows_of(*numbers: int) -> list[tuple[int, Feature]]:
    return [(number, Feature(vector_of(PHASH, number), number / 1e5)) for number in numbers]


def test_vectors_come_back_in_the_order_asked(features: Features) -> None:
    features.put(NAME, PHASH, rows_of(1, 2, 3, 300, 70_000))
    vectors, qualities = features.get(PHASH, np.array([70_000 - 69_999, 300, 3, 300]))
    assert np.array_equal(vectors, [vector_of(PHASH, each) for each in (1, 300, 3, 300)])
    assert np.allclose(qualities, [1e-5, 3e-3, 3e-5, 3e-3], rtol=0.01)  # float16 keeps two digits here
    assert (vectors.dtype, vectors.shape, vectors.flags["C_CONTIGUOUS"]) == (np.uint8, (4, 72), True)
    assert features.ids(NAME).tolist() == [1, 2, 3, 300, 70_000]
    assert features.exists(NAME, np.array([2, 4])).tolist() == [True, False]


def test_no_ids_give_an_empty_array(features: Features) -> None:
    features.put(NAME, PHASH, rows_of(1))
    vectors, qualities = features.get(PHASH, np.empty(0, np.int64))
    assert (vectors.shape, qualities.shape) == ((0, 72), (0,))


def test_absent_features_are_named(features: Features) -> None:
    with pytest.raises(UnknownImageError) as caught:
        features.get(PHASH, np.array([5]))
    assert caught.value.feature_ids == (5,)
    features.put(NAME, PHASH, rows_of(1, 2))
    with pytest.raises(UnknownImageError, match="no feature 9, -1 of phash") as caught:
        features.get(PHASH, np.array([1, 9, 2, -1, 9]))
    assert caught.value.feature_ids == (9, -1)
    assert features.ids("nothing-v1").tolist() == []
    assert features.exists("nothing-v1", np.array([1])).tolist() == [False]


def test_a_value_under_another_key_or_of_another_form_is_corrupt(features: Features) -> None:
    features.put_many(
        [(NAME, 1, Feature(np.zeros(71, np.uint8))), (NAME, 2, Feature(np.zeros(72, np.uint8)))]
    )
    assert list(features.verify(PHASH)) == [(1, "77 bytes instead of 78")]


@pytest.mark.parametrize(
    "vector", [np.zeros(72, np.int8), np.zeros(71, np.uint8), np.zeros((1, 72), np.uint8)]
)
def test_a_vector_of_another_form_is_refused(features: Features, vector: np.ndarray) -> None:
    with pytest.raises(StoreError, match=r"wants uint8 of shape \(72,\)"):
        features.put(NAME, PHASH, [*rows_of(1), (2, Feature(vector))])
    assert features.ids(NAME).tolist() == []


def test_deleting_passes_over_what_is_absent(features: Features) -> None:
    features.put(NAME, PHASH, rows_of(1, 2, 3))
    features.delete(NAME, [2, 9])
    features.delete("nothing-v1", [1])
    assert features.ids(NAME).tolist() == [1, 3]


def test_forgetting_and_putting_is_one_step(features: Features) -> None:
    features.put(NAME, PHASH, rows_of(1, 2))
    features.put_many([(NAME, 3, rows_of(3)[0][1])], forget=[(NAME, 1), ("nothing-v1", 1)])
    assert features.ids(NAME).tolist() == [2, 3]
    assert features.fingerprints() == [NAME]


def test_pages_of_ids_are_bounded_and_complete(features: Features) -> None:
    zero = Feature(np.zeros(72, np.uint8))
    features.put(NAME, PHASH, [(number, zero) for number in range(25_000)])
    pages = list(features.id_pages(NAME))
    assert [len(page) for page in pages] == [10_000, 10_000, 5_000]
    assert np.array_equal(np.concatenate(pages), np.arange(25_000))
    assert [page[0] for page in features.id_pages(NAME, after=24_990)] == [24_991]


def test_the_map_grows_while_others_read(features: Features) -> None:
    features.put(NAME, PHASH, rows_of(*range(100)))
    expected = [vector_of(PHASH, number) for number in range(100)]
    big = Feature(np.zeros(8_000_000, np.uint8))

    def read(_: int) -> bool:
        return np.array_equal(features.get(PHASH, np.arange(100))[0], expected)

    with ThreadPoolExecutor(3) as threads:
        reads = [threads.submit(read, each) for each in range(200)]
        for number in range(20):  # 160 MB: the first map holds 64
            features.put_many([("big-v1", number, big)])
        assert all(each.result() for each in reads)
    assert len(features.ids("big-v1")) == 20


def test_one_process_may_open_the_same_folder_twice(features: Features) -> None:
    reader = Features(features.folder, is_writer=False)
    features.put(COLOR.fingerprint, COLOR, [(1, Feature(vector_of(COLOR, 1)))])
    assert np.array_equal(reader.get(COLOR, np.array([1]))[0][0], vector_of(COLOR, 1))
    reader.close()
    reader.close()
    assert features.ids(COLOR.fingerprint).tolist() == [1]


def test_a_reader_becomes_a_writer_where_one_comes_along(tmp_path: Path) -> None:
    Features(tmp_path, is_writer=True).close()
    reader = Features(tmp_path, is_writer=False)
    writer = Features(tmp_path, is_writer=True)
    writer.put(NAME, PHASH, rows_of(1))
    writer.close()
    assert reader.ids(NAME).tolist() == [1]
    with pytest.raises(StoreError, match="open for reading"):
        reader.put(NAME, PHASH, rows_of(2))
    reader.close()
    with pytest.raises(StoreError, match="closed"):
        reader.ids(NAME)


def _ids_in_child(features: Features, answers: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        features.ids(NAME)
        answers.put("read")
    except StoreError as exc:
        answers.put(str(exc))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that is what it is about
def test_a_forked_process_is_told_to_open_the_library_itself(features: Features) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_ids_in_child, args=(features, answers))
    child.start()
    assert "a forked process must open the library for itself" in answers.get()
    child.join()
    assert features.ids(NAME).tolist() == []


def put_blobs(features: Features, lengths: dict[int, int]) -> dict[int, np.ndarray]:
    blobs = {number: blob_of(number, length) for number, length in lengths.items()}
    rows = [(number, Feature(blob, 0.25)) for number, blob in blobs.items()]
    features.put(POINTS.fingerprint, POINTS, rows)
    return blobs


@pytest.mark.parametrize("lengths", [(12, 34_012, 69_644), (148, 148, 148), (0, 1, 2)])
def test_blobs_of_any_length_come_back_as_they_were(features: Features, lengths: tuple[int, ...]) -> None:
    blobs = put_blobs(features, dict(enumerate(lengths, 1)))
    found, qualities = features.get(POINTS, np.array([3, 1, 2, 1]))
    assert (found.shape, found.dtype, qualities.tolist()) == ((4,), object, [0.25] * 4)
    assert all(
        np.array_equal(a, blobs[b]) and a.dtype == np.uint8 for a, b in zip(found, (3, 1, 2, 1), strict=True)
    )
    assert features.verify_ids(POINTS, np.array([1, 2, 3])) == []


def test_no_blobs_are_an_empty_array_of_blobs(features: Features) -> None:
    put_blobs(features, {1: 40})
    found, qualities = features.get(POINTS, np.empty(0, np.int64))
    assert (found.shape, found.dtype, qualities.shape) == ((0,), object, (0,))


@pytest.mark.parametrize("place", [0, 17_000, 34_011, 34_013, -1])
def test_a_flipped_bit_anywhere_in_a_blob_is_found(features: Features, place: int) -> None:
    put_blobs(features, {1: 34_012, 2: 34_012})
    harm(features, 2, lambda value: value[:place] + bytes([value[place] ^ 4]) + value[place:][1:])
    for ids in ([2], [1, 2]):
        with pytest.raises(CorruptFeatureError) as caught:
            features.get(POINTS, np.array(ids))
        assert caught.value.feature_ids == (2,)
    assert [feature_id for feature_id, _ in features.verify_ids(POINTS, np.array([1, 2]))] == [2]
    assert len(features.get(POINTS, np.array([1]))[0]) == 1


@pytest.mark.parametrize("kept", [0, 3, 6, 20_000])
def test_a_blob_that_was_cut_short_is_found(features: Features, kept: int) -> None:
    put_blobs(features, {1: 34_012})
    harm(features, 1, lambda value: value[:kept])
    with pytest.raises(CorruptFeatureError):
        features.get(POINTS, np.array([1]))


def test_heads_are_the_first_bytes_in_the_order_asked(features: Features) -> None:
    assert not features.heads(POINTS, np.array([1]), 5).any()
    blobs = put_blobs(features, {1: 34_012, 2: 3, 4: 0})
    harm(features, 4, lambda value: value[:2])
    found = features.heads(POINTS, np.array([2, 9, 1, 2, 4, -1]), 100)
    assert (found.shape, found.dtype) == ((6, 100), np.uint8)
    assert np.array_equal(found[2], blobs[1][:100])
    assert found[0, :3].tolist() == found[3, :3].tolist() == blobs[2].tolist()
    assert not found[[0, 3], 3:].any()  # neither quality nor checksum
    assert not found[[1, 4, 5]].any()
    assert features.heads(POINTS, np.empty(0, np.int64), 100).shape == (0, 100)


def harm(features: Features, feature_id: int, how: Callable[[bytes], bytes]) -> None:
    key = feature_id.to_bytes(8, "big")
    with features._environment.reading(POINTS.fingerprint) as (transaction, database):
        value = bytes(transaction.get(key, db=database))
    features._environment.write({POINTS.fingerprint: [(key, how(value))]}, {})


def test_runs_of_ids_hold_no_more_bytes_than_asked(features: Features) -> None:
    lengths = {number: 100 * (number % 7) for number in range(1, 60)} | {30: 9_000}
    put_blobs(features, lengths)
    ids = np.random.default_rng(0).permutation(np.arange(1, 63))
    runs = list(features.parts(POINTS, ids, 1_500))
    assert np.array_equal(np.concatenate(runs), ids)
    sizes = [sum(lengths[each] + 6 for each in run.tolist() if each in lengths) for run in runs]
    assert all(size <= 1_500 or run.tolist() == [30] for size, run in zip(sizes, runs, strict=True))
    assert len(runs) < 20
    assert [run.tolist() for run in features.parts(PHASH, np.arange(5), 2 * 78)] == [[0, 1], [2, 3], [4]]
    assert list(features.parts(POINTS, ids[:0], 10)) == []


def test_verifying_many_blobs_needs_little_memory(features: Features) -> None:
    for start in range(0, 1_000, 200):
        put_blobs(features, dict.fromkeys(range(start, start + 200), 60_000))
    tracemalloc.start()
    try:
        assert list(features.verify(POINTS)) == []
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
