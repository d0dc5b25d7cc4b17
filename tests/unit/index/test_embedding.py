"""What the contract leaves to the index of embeddings: exactness, whitening, when it is trained anew."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ambience.datatypes import FeatureSpec
from ambience.errors import IndexFileError, QueryError, SettingsError
from ambience.index._whitening import Whitening
from ambience.index.embedding import EmbeddingIndex
from ambience.index.exact import ExactIndex

DIM = 32
SPEC = FeatureSpec("toy", "toy", DIM, "float16", "cosine", 1, 1)


def index_of(spec: FeatureSpec = SPEC, **options: Any) -> EmbeddingIndex:
    return EmbeddingIndex(spec, EmbeddingIndex.options_class(**options))


def oracle_of(ids: Any, vectors: Any) -> ExactIndex:
    oracle = ExactIndex(SPEC, ExactIndex.options_class())
    oracle.add(ids, vectors)
    return oracle


def clustered(count: int, *, seed: int = 0, dim: int = DIM) -> Any:
    """Around twenty places of differing spread, all on one side of the sphere, as embeddings are."""
    generator = np.random.default_rng(seed)
    scales = np.arange(1, dim + 1) ** -0.7
    places = np.random.default_rng(99).normal(size=(20, dim)) * scales + 0.3
    drawn = places[generator.integers(0, 20, count)] + 0.5 * generator.normal(size=(count, dim)) * scales
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)


def trained(vectors: Any, **options: Any) -> EmbeddingIndex:
    index = index_of(**{"train_from": 100, **options})
    index.train(vectors, expected=len(vectors))
    index.add(np.arange(len(vectors)), vectors)
    return index


def rank_of(index: EmbeddingIndex, query: Any, k: int = 10) -> list[int]:
    return [int(each) for each in index.search(query[None], k).ids[0]]


values = st.floats(-4, 4, width=16)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float16, (12, DIM), elements=values), st.integers(1, 14), st.floats(0, 2))
def test_untrained_it_is_the_oracle_to_the_last_bit(rows: Any, k: int, radius: float) -> None:
    rows[3], rows[5], rows[7] = rows[0], 0, rows[0] * np.float16(0.5)
    index, oracle = index_of(), oracle_of(np.arange(12)[::-1], rows)
    index.add(np.arange(12)[::-1], rows)
    true, found = (each.search(rows[:2], k) for each in (oracle, index))
    assert np.array_equal(true.ids, found.ids) and np.array_equal(true.distances, found.distances)
    for one, other in zip(
        oracle.range_search(rows[:2], radius), index.range_search(rows[:2], radius), strict=True
    ):
        assert np.array_equal(one[1], other[1]) and np.array_equal(one[0], other[0])


@settings(max_examples=60, deadline=None)
@given(rows=arrays(np.float16, (14, DIM), elements=values), radius=st.floats(0, 2))
def test_range_searches_over_codes_miss_nothing(rows: Any, radius: float) -> None:
    rows[3], rows[5] = rows[0], 0
    index = trained(rows[:6], train_from=1, lists=3, exact_below=0)
    index.add(np.arange(6, 14), rows[6:])
    oracle = oracle_of(np.arange(14), rows)
    for one, other in zip(
        oracle.range_search(rows[:4], radius), index.range_search(rows[:4], radius), strict=True
    ):
        assert np.array_equal(one[1], other[1]) and np.array_equal(one[0], other[0])


def test_range_searches_read_little_of_what_is_far() -> None:
    """The bound is of use: near copies are found without fetching most vectors."""
    dim, fetched = 128, 0
    vectors, spec = clustered(3000, dim=dim), FeatureSpec("toy", "toy", dim, "float16", "cosine", 1, 1)

    def fetch(ids: Any) -> Any:
        nonlocal fetched
        fetched += len(ids)
        return vectors[ids]

    options = EmbeddingIndex.options_class(train_from=100, exact_below=0)
    index = EmbeddingIndex(spec, options, fetch=fetch)
    index.train(vectors, expected=3000)
    index.add(np.arange(3000), vectors)
    ((distances, ids),) = index.range_search(vectors[7:8], 0.05)
    assert ids[0] == 7 and distances[0] == 0
    assert fetched < 150


def test_a_copy_lies_at_distance_nothing() -> None:
    vectors = clustered(300)
    for index in (index_of(), trained(vectors)):
        if not len(index):
            index.add(np.arange(300), vectors)
        assert [len(ids) for _, ids in index.range_search(vectors[:5], 0.0)] == [1] * 5


def test_codes_find_what_an_exact_search_finds() -> None:
    vectors, queries = clustered(2000), clustered(50, seed=1)
    true = oracle_of(np.arange(2000), vectors).search(queries, 10).ids
    for form in ("one_bit", "opq"):
        index = trained(vectors, form=form, probes=60)
        found = index.search(queries, 10).ids
        assert np.mean([np.isin(*pair).mean() for pair in zip(true, found, strict=True)]) > 0.97
        assert index.recall(vectors[:40]) > 0.97


def test_recall_tells_of_too_few_probes() -> None:
    vectors = clustered(3000)
    assert trained(vectors, probes=1, lists=200).recall(vectors[:50]) < 0.9
    assert trained(vectors, probes=200, lists=200).recall(vectors[:50]) > 0.99


def test_more_equal_vectors_than_candidates_are_answered_by_id() -> None:
    vectors = np.concatenate([clustered(400), np.repeat(clustered(1, seed=5), 300, axis=0)])
    index = trained(vectors, rerank=5)
    assert rank_of(index, vectors[-1], 20) == list(range(400, 420))


@pytest.mark.parametrize("train_from", [100, 10_000])
def test_zeros_are_held_at_distance_one(train_from: int) -> None:
    vectors = clustered(300)
    vectors[50:60] = 0
    index = trained(vectors, train_from=train_from)
    assert rank_of(index, np.zeros(DIM, np.float16), 3) == [0, 1, 2]
    distances = index.search(np.zeros((1, DIM), np.float16), 300).distances
    assert (distances == 1).all()
    (found,) = index.range_search(-vectors[:1], 1.0)
    assert set(range(50, 60)) <= set(found[1].tolist())
    assert index.remove(np.arange(50, 55)) == 5
    (found,) = index.range_search(-vectors[:1], 1.0)
    assert set(range(50, 60)) & set(found[1].tolist()) == set(range(55, 60))


def test_zeros_do_not_crowd_out_what_is_far() -> None:
    vectors = np.concatenate([clustered(200), np.zeros((500, DIM), np.float16)])
    index = trained(vectors, rerank=5)
    true = oracle_of(np.arange(700), vectors).search(-vectors[:3], 5).ids
    assert np.array_equal(index.search(-vectors[:3], 5).ids, true)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(wrong: float) -> None:
    vectors = clustered(3)
    vectors[1, 4] = wrong
    index = index_of()
    for call in (index.train, index.add, index.search, index.range_search):
        with pytest.raises(QueryError, match="not finite"):
            if call == index.add:
                call(np.arange(3), vectors)
            elif call == index.train:
                call(vectors, expected=3)
            else:
                call(vectors, 1)


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(SettingsError, match=r"kinds\.toy\.index_form = 'hnsw'; it is one of auto, exact"):
        index_of(form="hnsw")


def test_small_libraries_import_no_faiss() -> None:
    code = """
import sys, numpy as np
from ambience.datatypes import FeatureSpec
from ambience.index.embedding import EmbeddingIndex
spec = FeatureSpec("toy", "toy", 64, "float16", "cosine", 1, 1)
index = EmbeddingIndex(spec, EmbeddingIndex.options_class())
index.add(np.arange(1000), np.ones((1000, 64), np.float16))
index.search(np.ones((8, 64), np.float16), 10)
print(*sorted({"numba", "faiss", "cv2"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


# --- when another index is made ---------------------------------------------------------------------------


def test_when_it_is_outgrown() -> None:
    vectors = clustered(400)
    index = index_of(train_from=100)
    index.add(np.arange(99), vectors[:99])
    assert not index.is_outgrown()
    index.add(np.array([99]), vectors[99:100])
    assert index.is_outgrown()
    assert not trained(vectors).is_outgrown()
    assert not index_of(form="exact", train_from=1).is_outgrown()
    grown = trained(clustered(300))
    grown.add(np.arange(1000, 2000), clustered(1000))
    assert grown.is_outgrown()


def reopened(index: EmbeddingIndex, folder: Path, **options: Any) -> EmbeddingIndex:
    folder.mkdir()
    index.save(folder)
    return EmbeddingIndex.load(folder, SPEC, EmbeddingIndex.options_class(**options))


def test_other_options_open_what_there_is_and_ask_for_another(tmp_path: Path) -> None:
    vectors = clustered(1200)
    index = trained(vectors)
    expected = rank_of(index, vectors[5])
    for number, options in enumerate(
        ({"form": "opq"}, {"form": "exact"}, {"whitening": True}, {"form": "auto"})
    ):
        other = reopened(index, tmp_path / str(number), train_from=100, **options)
        assert rank_of(other, vectors[5]) == expected
        assert other.is_outgrown() == (options != {"form": "auto"})


# --- files ------------------------------------------------------------------------------------------------


def test_a_snapshot_links_codes_that_have_not_changed(tmp_path: Path) -> None:
    vectors = clustered(1000)
    index = trained(vectors)
    folders = [tmp_path / name for name in ("a", "b", "c", "d")]
    for folder in folders:
        folder.mkdir()
    index.save(folders[0])
    index.remove(np.arange(50))
    index.add(np.arange(2000, 2100), clustered(100, seed=3))
    answered = index.search(vectors[100:110], 10)
    index.save(folders[1], previous=folders[0])
    assert (folders[1] / "opened.faiss").samefile(folders[0] / "opened.faiss")
    index.remove(np.arange(50, 500))
    index.save(folders[2], previous=folders[1])
    assert not (folders[2] / "opened.faiss").samefile(folders[0] / "opened.faiss")
    folders[2].rename(tmp_path / "renamed")
    index.save(folders[3], previous=tmp_path / "renamed")
    assert (folders[3] / "opened.faiss").samefile(tmp_path / "renamed" / "opened.faiss")
    options = EmbeddingIndex.options_class(train_from=100)
    again = EmbeddingIndex.load(folders[1], SPEC, options).search(vectors[100:110], 10)
    assert np.array_equal(again.ids, answered.ids) and np.array_equal(again.distances, answered.distances)
    last = EmbeddingIndex.load(folders[3], SPEC, options)
    assert np.array_equal(last.ids(), index.ids()) and len(last) == 600
    assert rank_of(last, vectors[600]) == rank_of(index, vectors[600])


def test_an_id_that_goes_and_comes_again(tmp_path: Path) -> None:
    vectors = clustered(300)
    index = trained(vectors)
    index.remove(np.array([7]))
    index.add(np.array([7]), vectors[8:9])
    for number in range(2):
        assert rank_of(index, vectors[8], 2) == [7, 8]
        index = reopened(index, tmp_path / str(number), train_from=100)


# --- whitening --------------------------------------------------------------------------------------------


def test_whitening_makes_every_direction_count_alike() -> None:
    vectors = clustered(20_000)
    whitening = Whitening.fitted(vectors)
    assert whitening is not None
    whitened = whitening.applied(vectors).astype(np.float64)
    assert np.allclose(np.linalg.norm(whitened, axis=1), 1, atol=2e-3)
    before, after = (np.linalg.eigvalsh(np.cov(each.astype(np.float64).T)) for each in (vectors, whitened))
    assert before[-1] / before[0] > 40
    assert after[-1] / after[0] < 3
    assert np.abs(whitened.mean(axis=0)).max() < 0.05


def test_directions_that_hold_nothing_stay_small() -> None:
    """More dimensions than vectors, and most of them empty."""
    few = np.zeros((1000, 1040), np.float16)
    few[:, :5] = clustered(1000)[:, :5]
    whitening = Whitening.fitted(few)
    assert whitening is not None
    assert np.isfinite(whitening.matrix).all()
    noisy = few.copy()
    noisy[:, 100:] += np.float16(1e-3)
    near = whitening.applied(few[:20]).astype(np.float64) * whitening.applied(noisy[:20])
    assert near.sum(axis=1).min() > 0.97


def test_too_little_to_fit_to() -> None:
    assert Whitening.fitted(clustered(999)) is None
    assert Whitening.fitted(np.ones((2000, DIM), np.float16)) is None


def test_a_vector_is_whitened_alike_whatever_comes_with_it() -> None:
    vectors = clustered(9000)
    whitening = Whitening.fitted(vectors)
    assert whitening is not None
    together = whitening.applied(vectors)
    alone = np.concatenate([whitening.applied(vectors[n : n + 1]) for n in range(0, 9000, 90)])
    assert np.array_equal(together[::90], alone)
    assert not whitening.applied(np.zeros((1, DIM), np.float16)).any()


@pytest.mark.parametrize("train_from", [100, 10_000])
def test_a_whitened_index_answers_what_the_oracle_does_of_whitened_vectors(
    train_from: int, tmp_path: Path
) -> None:
    vectors, queries = clustered(1500), clustered(10, seed=2)
    index = trained(vectors, train_from=train_from, whitening=True, probes=200)
    whitening = Whitening.fitted(vectors)
    assert whitening is not None
    oracle = oracle_of(np.arange(1500), whitening.applied(vectors))
    for number in range(2):
        true, found = oracle.search(whitening.applied(queries), 10), index.search(queries, 10)
        assert np.isin(found.ids, true.ids).mean() > 0.97
        assert np.array_equal(found.distances[:, 0], true.distances[:, 0])
        assert not index.is_outgrown()
        index = reopened(index, tmp_path / str(number), train_from=train_from, whitening=True)
    plain = reopened(index, tmp_path / "off", train_from=train_from)
    assert plain.is_outgrown()


def test_what_is_fetched_is_whitened() -> None:
    vectors = clustered(1200)
    options = EmbeddingIndex.options_class(train_from=100, whitening=True)
    index = EmbeddingIndex(SPEC, options, fetch=lambda ids: vectors[ids])
    index.train(vectors, expected=1200)
    index.add(np.arange(1200), vectors)
    found = index.search(vectors[:5], 3)
    assert found.ids[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert (found.distances[:, 0] == 0).all()


def test_whitening_of_few_vectors_is_left_out_and_said() -> None:
    vectors = clustered(50)
    index = index_of(whitening=True)
    assert index.sample_size(50) == 50
    index.train(vectors, expected=50)
    index.add(np.arange(50), vectors)
    assert index.note() == "searched without whitening, which is fitted to 1,000 vectors or more; it has 50"
    assert np.array_equal(
        index.search(vectors, 5).ids, oracle_of(np.arange(50), vectors).search(vectors, 5).ids
    )
    assert not index.is_outgrown()
    index.add(np.arange(50, 1200), clustered(1150, seed=4))
    assert index.is_outgrown()
    assert "`ambience train toy`" in index.note()
    assert trained(clustered(1200), whitening=True).note() == index_of().note() == ""
    same = trained(np.repeat(clustered(1), 1200, axis=0), whitening=True)
    assert same.note() == "searched without whitening: its vectors hardly differ"
    assert not same.is_outgrown()


def test_whitening_that_was_tried_too_early_is_tried_again() -> None:
    vectors = clustered(1500)
    index = index_of(whitening=True)
    index.train(vectors[:700], expected=700)
    index.add(np.arange(700), vectors[:700])
    assert not index.is_outgrown()
    index.add(np.arange(700, 1500), vectors[700:])
    assert index.is_outgrown()


@pytest.mark.parametrize("harm", ["missing", "garbage", "version"])
def test_a_broken_whitening_is_named(harm: str, tmp_path: Path) -> None:
    vectors = clustered(1200)
    trained(vectors, whitening=True).save(tmp_path)
    file = tmp_path / "whitening.npz"
    held = dict(np.load(file))
    file.unlink()
    if harm == "garbage":
        file.write_bytes(b"\x00garbage")
    elif harm == "version":
        np.savez(file, **{**held, "version": 99})
    with pytest.raises(IndexFileError, match="whitening"):
        EmbeddingIndex.load(tmp_path, SPEC, EmbeddingIndex.options_class(train_from=100))
