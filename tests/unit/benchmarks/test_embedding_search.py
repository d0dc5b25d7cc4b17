"""What the search of embeddings is measured on and by."""

from pathlib import Path

import numpy as np
import pytest

import embedding_library
from ambience.store.commit import Store
from embedding_inputs import MOVED, PIECE, QUERIES, Displaced, Made, Vectors, leading, nearest, units
from embedding_library import KIND, Library, build, spec_of
from embedding_products import mean_average_precision
from embedding_queries import USUAL_PROBES
from embedding_tables import figures_of

DIM = 16


def random(count: int, dim: int = DIM) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float16)


def test_mean_average_precision_by_hand() -> None:
    # Of four, 0 and 1 are alike, and 2 and 3. Query 0 finds its like second, of three: 1/2; all others first.
    distances = np.array([[0, 2, 1, 3], [1, 0, 2, 3], [9, 9, 0, 1], [9, 9, 1, 0]])
    is_same = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], bool)
    assert mean_average_precision(distances, is_same) == pytest.approx((0.5 + 1 + 1 + 1) / 4)


def test_made_embeddings_are_the_same_at_every_call_and_lie_around_their_centers() -> None:
    made = Made(10, 64, seed=3)
    drawn, centers = made.drawn(500, 4)
    again, _ = Made(10, 64, seed=3).drawn(500, 4)
    assert np.array_equal(drawn, again) and not np.array_equal(drawn, made.drawn(500, 5)[0])
    likeness = units(drawn) @ units(drawn).T
    is_same = centers[:, None] == centers[None]
    assert likeness[is_same].mean() > likeness[~is_same].mean() + 0.1
    assert made.stamp != Made(10, 64, seed=4).stamp


def test_displaced_embeddings_differ_from_their_photograph_as_neighbors_differ() -> None:
    real = units(random(40))
    drawn, photos = Displaced(real, seed=1).drawn(300, 0)
    moves = np.linalg.norm(real[:, None] - real[None], axis=2)
    moved = np.linalg.norm(units(drawn) - real[photos], axis=1)
    assert moved.min() > 0 and np.median(moved) < MOVED * np.median(moves)


def test_nearest_is_found_across_pieces() -> None:
    stored, queries = random(PIECE + 70), units(random(3))
    assert np.array_equal(nearest(stored, queries), np.argsort(-(queries @ units(stored).T), axis=1)[:, :10])


def test_leading_directions_keep_cosines() -> None:
    real = np.concatenate([random(30), np.zeros((30, 4), np.float16)], axis=1)
    kept = leading(real, DIM)
    assert kept.shape == (30, DIM)
    assert np.allclose(kept @ kept.T, units(real) @ units(real).T, atol=1e-5)


def collection(count: int) -> Vectors:
    stored, queries = random(count), random(QUERIES + 1)
    return Vectors("toy", stored, queries, nearest(stored, units(queries)), "toy")


def test_a_library_is_made_in_parts_and_holds_the_embeddings(tmp_path: Path) -> None:
    data, extra = collection(90), random(60)
    with Store.open(tmp_path, {KIND: spec_of(DIM)}, writer=True) as store:
        embedding_library._commit(store, range(1, 31), data.stored[:30])  # an earlier run came to here
    made = build(tmp_path, data, extra)
    assert made["features"]["images"] == 60 and made["add"]["images"] == 60
    assert made == build(tmp_path, data, extra)
    library = Library(tmp_path, DIM)
    for is_exact in (False, True):
        found = library.index(is_exact=is_exact).search(data.queries, 10).ids
        assert np.array_equal(library.rows(found), data.true)
    library.close()


def test_figures_are_those_of_the_index_as_it_comes() -> None:
    found = [
        {"title": "faiss flat, float32", "setting": 0, "cpu_ms": 100.0, "recall": 1.0},
        {"title": "Ambience", "setting": USUAL_PROBES // 2, "cpu_ms": 2.0, "recall": 0.9},
        {"title": "Ambience", "setting": USUAL_PROBES, "cpu_ms": 4.0, "recall": 0.98},
    ]
    result = {"found": found, "library": {"bytes": {"index": 200}}, "count": 2}
    rows = {"float32": {"map": 0.7, "recall": 1.0}, "pq256": {"map": 0.695, "recall": 0.9}}
    figures = figures_of(result, {"rows": rows})
    assert figures["embedding_over_flat"] == 25 and figures["embedding_recall_at_10"] == 0.98
    assert figures["embedding_index_bytes_each"] == 100 and figures["pq256_map_loss"] == 0.005
