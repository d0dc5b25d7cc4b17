"""One body for every engine and every metric that it measures, compared with the exact oracle.

Where an engine is approximate by its options, `RECALL` states how much of the oracle's answer it must give;
everything else must be equal to it, distances and ties included.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ambience.datatypes import FeatureSpec, Metric, Neighbors
from ambience.errors import IndexFileError, QueryError, SettingsError
from ambience.index.exact import ExactIndex
from ambience.keypoints import unpack
from ambience.registry import load, names
from ambience.settings_sources import options_from
from support.points_oracle import PointsOracle, blobs_of

FOLDER = "ambience.index"
METRICS: tuple[Metric, ...] = ("hamming", "l1", "l2", "cosine", "inner_product", "points")
DIMS = {"hamming": 576, "l1": 64, "l2": 48, "cosine": 48, "inner_product": 48, "points": 128}
DTYPES = {
    "hamming": "uint8",
    "l1": "float16",
    "l2": "float32",
    "cosine": "float16",
    "inner_product": "float32",
    "points": "uint8",
}

NEVER = 10**6

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "binary": [
        {},
        {"compile_from": 0},
        {"compile_from": 0, "threads": 1},
        {"inverted_from": 100, "lists": 16, "probes": 8},
    ],
    "descriptors": [
        {"train_from": NEVER},
        {"train_from": 100, "lists": 16, "probes": 12, "compile_from": 0},
        {"train_from": 100, "lists": 16, "probes": 12, "exact_below": 0},
    ],
    "embedding": [
        {},
        {"train_from": 100, "lists": 16, "probes": 12, "rerank": 60},
        {"train_from": 100, "lists": 16, "probes": 12, "rerank": 60, "exact_below": 0},
        {"train_from": 100, "lists": 16, "probes": 12, "rerank": 60, "form": "opq"},
    ],
    "histogram": [{}, {"train_from": 100, "lists": 16, "probes": 12, "shortlist": 150}],
}
"""Options that bring out the forms of an engine; an engine that is not named is run with its defaults."""

RECALL = {"inverted_from": 0.8, "train_from": 0.85}
"""Least share of the oracle's ten nearest, by the option that makes an engine approximate.

Half of the queries lie near a stored vector, half are random, between the clusters: the tenth neighbor of
those is hardly nearer than hundreds of others. Recall on real pictures: `benchmarks/search.py`.
"""


@dataclass(frozen=True)
class Case:
    """An engine, a metric, options, and whether vectors can be fetched from a store."""

    name: str
    metric: Metric
    options: dict[str, Any]
    has_fetch: bool

    @property
    def engine(self) -> type[Any]:
        """Class of the engine."""
        return load(FOLDER, self.name)

    @property
    def spec(self) -> FeatureSpec:
        """A kind that exists for this test."""
        return FeatureSpec("toy", "toy", DIMS[self.metric], DTYPES[self.metric], self.metric, 1, 1)

    @property
    def approximate(self) -> set[str]:
        """The options by which it is approximate."""
        return {name for name in RECALL.keys() & self.options.keys() if self.options[name] < NEVER}

    @property
    def is_exact(self) -> bool:
        """Whether searches must equal the oracle's."""
        return not self.approximate

    @property
    def recall(self) -> float:
        """Least share of the oracle's answer."""
        return min((RECALL[name] for name in self.approximate), default=1.0)

    @property
    def is_estimated(self) -> bool:
        """Whether distances are estimated: then those who lie far off are in no order, and ranges unsharp."""
        return not self.is_exact and self.metric == "points"


def cases() -> list[Any]:
    """Every engine found, with every metric that it measures."""
    found = []
    for name in names(FOLDER):
        for metric in METRICS:
            if metric in load(FOLDER, name).metrics:
                for options in VARIANTS.get(name, [{}]):
                    for has_fetch in (False, True):
                        words = [name, metric, *(f"{key}={value}" for key, value in options.items())]
                        label = "-".join(words + ["fetch"] * has_fetch)
                        found.append(pytest.param(Case(name, metric, options, has_fetch), id=label))
    return found


class World:
    """An engine and the oracle, given the same things."""

    def __init__(self, case: Case, count: int, *, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self.case, self.generator = case, generator
        self.vectors = vectors(case.metric, count, generator)
        self.ids = np.sort(generator.permutation(3 * count + 1)[:count]).astype(np.int64)
        self.known = {int(key): row for key, row in zip(self.ids, self.vectors, strict=True)}
        self.options = options_from(case.engine.options_class, case.options, where="test")
        self.engine = case.engine(case.spec, self.options, fetch=self.fetch if case.has_fetch else None)
        self.oracle = new_oracle(case.spec)
        if count:
            self.engine.train(self.vectors[: count // 2], expected=count)
        self.add(self.ids, self.vectors)

    def fetch(self, ids: Any) -> Any:
        """What the store would answer: vectors of ids that are held."""
        assert set(ids.tolist()) <= set(self.oracle.ids().tolist()), "an id that was removed is fetched"
        if self.case.metric == "points":
            return as_objects([self.known[int(key)] for key in ids])
        return np.stack([self.known[int(key)] for key in ids])

    def add(self, ids: Any, added: Any) -> None:
        """Adds to both."""
        self.known.update({int(key): row for key, row in zip(ids, added, strict=True)})
        self.oracle.add(ids, added)
        self.engine.add(ids, added)

    def remove(self, ids: Any) -> None:
        """Removes from both; both must have held as many."""
        held = self.oracle.ids()
        assert self.engine.remove(ids) == len(np.intersect1d(ids, held))
        self.oracle.remove(ids)

    def queries(self, count: int = 6) -> Any:
        """Half of them near a stored vector, half random."""
        drawn = vectors(self.case.metric, 4 * count, self.generator)
        drawn = self.as_queries(drawn)[:count].copy()
        if len(self.vectors):
            stored = self.as_queries(self.vectors)
            near = stored[self.generator.integers(0, len(stored), count // 2)].copy()
            drawn[: len(near)] = near
            if self.case.metric == "hamming":
                drawn[: len(near), 0] ^= 5
        return drawn

    def as_queries(self, stored: Any) -> Any:
        """Stored features as queries: themselves, or the descriptors that blobs hold."""
        if self.case.metric != "points":
            return stored
        return np.concatenate([unpack(blob).descriptors for blob in stored])

    def reopened(self, folder: Path) -> None:
        """Saves the engine and goes on with what was saved."""
        folder.mkdir()
        self.engine.save(folder)
        fetch = self.fetch if self.case.has_fetch else None
        self.engine = self.case.engine.load(folder, self.case.spec, self.options, fetch=fetch)

    def check(self, *, k: int = 10, allowed: Any = None) -> None:
        """The engine answers what the oracle answers."""
        queries = self.queries()
        true, found = (index.search(queries, k, allowed=allowed) for index in (self.oracle, self.engine))
        assert found.distances.dtype == np.float32 and found.ids.dtype == np.int64
        assert found.distances.shape == found.ids.shape == (len(queries), k)
        assert np.array_equal(found.ids >= 0, true.ids >= 0), "as many hits as the oracle has"
        assert np.array_equal(np.isinf(found.distances), found.ids < 0)
        if self.case.is_exact:
            assert np.array_equal(found.ids, true.ids)
            assert np.array_equal(found.distances, true.distances)
        hits = true.ids >= 0
        if self.case.is_estimated:
            hits &= true.distances < 1000
            true = Neighbors(true.distances, np.where(hits, true.ids, -1))
        kept = [np.isin(a[a >= 0], b).mean() for a, b in zip(true.ids, found.ids, strict=True) if a[0] >= 0]
        assert not hits.any() or np.mean(kept) >= self.case.recall
        assert (np.diff(np.where(np.isinf(found.distances), 1e30, found.distances)) >= 0).all()
        np.testing.assert_array_equal(self.engine.ids(), self.oracle.ids())
        assert len(self.engine) == len(self.oracle)
        self.check_range(queries, allowed)

    def check_range(self, queries: Any, allowed: Any) -> None:
        """Range searches are exact where distances are, at a radius that just reaches a hit (inclusive)."""
        some = self.oracle.search(queries, 5, allowed=allowed).distances
        radii = [0.0, *np.unique(some[np.isfinite(some) & (some >= 0)])[::4].tolist()]
        for radius in radii:
            true, found = (
                index.range_search(queries, radius, allowed=allowed) for index in (self.oracle, self.engine)
            )
            for (true_distances, true_ids), (distances, ids) in zip(true, found, strict=True):
                if not self.case.is_estimated:
                    assert np.array_equal(ids, true_ids)
                    assert np.array_equal(distances, true_distances)
                assert (np.diff(distances) >= 0).all() and (distances <= radius).all()
                assert distances.dtype == np.float32 and ids.dtype == np.int64


def new_oracle(spec: FeatureSpec) -> Any:
    """What compares with everything."""
    return PointsOracle() if spec.is_blob else ExactIndex(spec, ExactIndex.options_class())


def as_objects(blobs: list[Any]) -> Any:
    """(N,) object array of blobs."""
    batch = np.empty(len(blobs), object)
    batch[:] = blobs
    return batch


def vectors(metric: Metric, count: int, generator: np.random.Generator) -> Any:
    """Vectors in clusters; histograms for l1, packed bits for hamming; blobs of 1, 2, 3, 4, 0 … points."""
    if metric == "points":
        counts = np.arange(1, count + 1) % 5
        centers = generator.dirichlet(np.full(128, 0.3), 12)
        mixed = centers[generator.integers(0, 12, counts.sum())]
        mixed = mixed + 0.4 * generator.dirichlet(np.full(128, 0.3), counts.sum())
        return blobs_of(np.minimum(np.sqrt(mixed / 1.4) * 512, 255).astype(np.uint8), counts)
    if metric == "hamming":
        centers = generator.integers(0, 256, (12, DIMS[metric] // 8), dtype=np.uint8)
        flips = generator.integers(0, 256, (3, count, DIMS[metric] // 8), dtype=np.uint8)
        return centers[generator.integers(0, 12, count)] ^ (flips[0] & flips[1] & flips[2])
    centers = generator.dirichlet(np.full(DIMS[metric], 0.2), 12)
    mixed = centers[generator.integers(0, 12, count)] + 0.2 * generator.dirichlet(
        np.full(DIMS[metric], 0.2), count
    )
    return (mixed / 1.2).astype(DTYPES[metric])


@pytest.mark.parametrize("case", cases())
def test_agrees_with_the_oracle_through_a_life(case: Case, tmp_path: Path) -> None:
    world = World(case, 600)
    world.check()
    world.check(k=1)
    world.check(k=1000)
    world.remove(np.concatenate([world.ids[::5], np.array([10**9])]))
    world.check()
    world.check(k=1000)
    fresh = vectors(case.metric, 40, world.generator)
    world.add(np.arange(10_000, 10_040), fresh)
    world.check()
    world.reopened(tmp_path / "first")
    world.check()
    world.remove(np.arange(10_000, 10_010))
    world.add(np.array([4000, 20_000, 3999]), fresh[:3])
    world.check()
    world.reopened(tmp_path / "second")
    world.check()


@pytest.mark.parametrize("case", cases())
def test_allowed_ids_are_chosen_before_ranking(case: Case) -> None:
    world = World(case, 900)
    world.remove(world.ids[::3])
    for allowed in (
        world.ids[:7],
        world.ids[::2][::-1],
        world.ids,
        np.array([], np.int64),
        np.array([10**9, world.ids[1], world.ids[1]]),
    ):
        world.check(allowed=allowed)
        world.check(k=700, allowed=allowed)


@pytest.mark.parametrize("case", cases())
def test_an_empty_index_answers_padding(case: Case, tmp_path: Path) -> None:
    world = World(case, 0)
    world.check()
    world.reopened(tmp_path / "empty")
    world.check(k=3, allowed=np.array([1, 2]))
    world.add(np.array([5]), vectors(case.metric, 1, world.generator))
    world.check(k=3)


@pytest.mark.parametrize("case", cases())
def test_emptied_and_filled_again(case: Case, tmp_path: Path) -> None:
    world = World(case, 300)
    world.remove(world.ids)
    world.check()
    world.reopened(tmp_path / "emptied")
    world.check()
    world.add(world.ids, world.vectors)
    world.check()


@pytest.mark.parametrize("case", cases())
def test_equal_vectors_are_answered_by_ascending_id(case: Case) -> None:
    world = World(case, 200)
    same = np.repeat(vectors(case.metric, 1, world.generator), 30, axis=0)
    ids = np.arange(5000, 5030)[::-1]
    world.add(ids, same)
    found = world.engine.search(world.as_queries(same[:1]), 30)
    if case.metric == "points":
        assert found.ids[0].tolist() == [each * 512 for each in range(5000, 5030)]
    elif case.metric != "inner_product":
        assert found.ids[0].tolist() == list(range(5000, 5030))
    world.check()


@pytest.mark.parametrize("case", cases())
def test_what_breaks_the_contract_is_refused(case: Case) -> None:
    world = World(case, 20)
    stored, query = world.vectors[:2], world.as_queries(world.vectors[:1])
    for wrong in (query[0], query[:, :-1], query.astype(np.float64)):
        with pytest.raises(QueryError, match="toy vectors are"):
            world.engine.search(wrong, 1)
    with pytest.raises(QueryError, match="k = 0"):
        world.engine.search(query, 0)
    with pytest.raises(QueryError, match="radius = nan"):
        world.engine.range_search(query, float("nan"))
    with pytest.raises(QueryError, match="held already"):
        world.engine.add(world.ids[:1], stored[:1])
    with pytest.raises(QueryError, match="twice"):
        world.engine.add(np.array([900, 900]), stored)
    with pytest.raises(QueryError, match="negative"):
        world.engine.add(np.array([-1]), stored[:1])
    with pytest.raises(QueryError, match="one id a vector"):
        world.engine.add(np.array([900, 901]), stored[:1])
    world.check()


@pytest.mark.parametrize("case", cases())
def test_what_training_wants_and_what_is_found_after_it(case: Case) -> None:
    world = World(case, 300)
    assert (world.engine.sample_size(300) > 0) == (not case.is_exact)
    assert 0 <= world.engine.sample_size(10**6) <= 10**6
    recall = world.engine.recall(world.vectors[:12])
    assert case.recall <= recall <= 1
    assert recall == 1 or not case.is_exact


@pytest.mark.parametrize("case", cases())
def test_broken_files_are_named(case: Case, tmp_path: Path) -> None:
    world = World(case, 200)
    whole = tmp_path / "whole"
    whole.mkdir()
    world.engine.save(whole)
    fetch = world.fetch if case.has_fetch else None
    for file in sorted(whole.iterdir()):
        for harm in ("missing", "cut", "garbage"):
            broken = tmp_path / f"{file.name}-{harm}"
            shutil.copytree(whole, broken)
            victim = broken / file.name
            data = victim.read_bytes()
            victim.unlink()
            if harm != "missing":
                victim.write_bytes(data[: len(data) // 2] if harm == "cut" else b"\x00garbage" * 9)
            with pytest.raises(IndexFileError):
                case.engine.load(broken, case.spec, world.options, fetch=fetch)


@pytest.mark.parametrize("name", names(FOLDER))
def test_metrics_that_an_engine_lacks_are_refused(name: str) -> None:
    engine = load(FOLDER, name)
    assert engine.default_for <= engine.metrics
    for metric in set(METRICS) - engine.metrics:
        spec = FeatureSpec("toy", "toy", 64, DTYPES[metric], metric, 1, 1)
        with pytest.raises(SettingsError, match=metric):
            engine(spec, engine.options_class())


def test_every_metric_has_exactly_one_default() -> None:
    for metric in METRICS:
        assert sum(metric in load(FOLDER, name).default_for for name in names(FOLDER)) == 1


@pytest.mark.parametrize("compile_from", [0, 10**15])
@hypothesis_settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_bits_in_any_order(compile_from: int, data: st.DataObject) -> None:
    """Few distinct codes, so that nearly every distance is tied, in any order of ids and at odd widths."""
    code_bytes = data.draw(st.integers(1, 20))
    spec = FeatureSpec("toy", "toy", code_bytes * 8, "uint8", "hamming", 1, 1)
    count = data.draw(st.integers(1, 40))
    codes = data.draw(arrays(np.uint8, (count, code_bytes), elements=st.sampled_from([0, 1, 255])))
    ids = np.array(data.draw(st.lists(st.integers(0, 99), min_size=count, max_size=count, unique=True)))
    k, radius = data.draw(st.integers(1, 50)), data.draw(st.integers(0, 160))
    engine = load(FOLDER, "binary")
    index = engine(spec, engine.options_class(compile_from=compile_from))
    oracle = ExactIndex(spec, ExactIndex.options_class())
    for each in (index, oracle):
        each.add(ids, codes)
        each.remove(ids[::4])
    true, found = oracle.search(codes[:3], k), index.search(codes[:3], k)
    assert np.array_equal(true.ids, found.ids) and np.array_equal(true.distances, found.distances)
    for one, other in zip(
        oracle.range_search(codes[:3], radius), index.range_search(codes[:3], radius), strict=True
    ):
        assert np.array_equal(one[1], other[1]) and np.array_equal(one[0], other[0])
