"""Chains of blocks, codes and middles of lists, against what is plain to see."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ambience.index import _point_blocks
from ambience.index._centers import Centers
from ambience.index._kmeans import centroids
from ambience.index._point_blocks import PointBlocks, Portion
from ambience.index._point_codes import Codes, encoded, estimated

LISTS = 7


def drawn(generator: np.random.Generator, count: int, first: int) -> Portion:
    """Points first … in lists at random, with codes that tell them."""
    points = np.arange(first, first + count)
    words = np.stack([points, points * 3], axis=1).astype(np.uint64)
    factors = np.stack([points % 251, points % 13], axis=1).astype(np.uint8)
    return Portion(generator.integers(0, LISTS, count) ** 2 % LISTS, points, Codes(words, factors))


def test_lists_grow_as_lists_do(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    blocks, truth, first = PointBlocks.empty(LISTS), [[] for _ in range(LISTS)], 0
    for count in (0, 1, 5, 63, 64, 65, 300, 2, 128, 0, 40):
        portion = drawn(generator, count, first)
        blocks.append(*portion)
        for number, point in zip(portion.lists, portion.points, strict=True):
            truth[number].append(int(point))
        first += count
    blocks.write(tmp_path, "grown")
    for each in (blocks, PointBlocks.read(tmp_path, "grown", lists=LISTS)):
        assert len(each) == first
        for number in range(LISTS):
            held = each.of_list(number)
            assert held.points.tolist() == truth[number]
            assert held.codes.words[:, 1].tolist() == [3 * point for point in truth[number]]
            assert held.codes.factors[:, 0].tolist() == [point % 251 for point in truth[number]]


def test_portions_are_written_in_order_and_lose_nothing(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    blocks = PointBlocks.empty(LISTS, blocks=100)
    for first in range(0, 2000, 100):
        blocks.append(*drawn(generator, 100, first))
    live = np.ones(4, np.bool_)
    live[1] = False  # points 512 … 1023
    assert blocks.counts(live).sum() == 2000 - 512
    edges = np.array([0, 1, 5, LISTS])
    parts = list(blocks.portions(edges))
    assert [sorted(set(part.lists.tolist())) for part in parts] == [[0], [1, 2, 4], []]
    again = PointBlocks.written(tmp_path, "written", blocks.counts(np.ones(4, np.bool_)), iter(parts))
    for number in range(LISTS):
        assert again.of_list(number).points.tolist() == blocks.of_list(number).points.tolist()


def test_codes_tell_a_point_from_itself_and_distances_without_bias() -> None:
    generator = np.random.default_rng(2)
    differences = generator.normal(0, 20, (500, 128)).astype(np.float32)
    step = float(np.sqrt(np.square(differences).sum(axis=1)).max() / 255)
    codes = encoded(differences, step)
    own = np.diagonal(estimated(differences, codes, step))
    assert np.abs(own).max() < 0.03 * np.square(differences).sum(axis=1).max()
    moved = differences + generator.normal(0, 10, differences.shape).astype(np.float32)
    true = np.square(moved - differences).sum(axis=1)
    assert np.diagonal(estimated(moved, codes, step)).mean() == pytest.approx(true.mean(), rel=0.1)
    assert (encoded(np.zeros((1, 128), np.float32), step).factors == [[0, 0]]).all()


@pytest.mark.parametrize("is_compiled", [False, True])
def test_the_nearest_lists_are_found_in_two_levels(is_compiled: bool) -> None:
    kernels = importlib.import_module("ambience.index._point_kernels") if is_compiled else None
    generator = np.random.default_rng(3)
    middles = generator.integers(0, 200, (40, 128))
    sample = np.clip(middles[generator.integers(0, 40, 8000)] + generator.normal(0, 12, (8000, 128)), 0, 255)
    centers = Centers.trained(sample.astype(np.uint8), lists=1500)
    assert 1400 < len(centers) <= 1500
    points = centers.rotated(sample[:200].astype(np.uint8))
    true = np.argsort(np.square(points[:, None] - centers.leaves).sum(axis=2), axis=1)[:, :5]
    found = centers.nearest(points, 5, cells=8, kernels=kernels)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]) > 0.95
    assert np.mean(centers.nearest(points, 1, cells=8, kernels=kernels)[:, 0] == true[:, 0]) > 0.95
    assert (centers.nearest(points, 1000, cells=1, kernels=kernels) < 0).any()  # one cell holds fewer


@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_cell_without_lists_is_passed_over(is_compiled: bool) -> None:
    kernels = importlib.import_module("ambience.index._point_kernels") if is_compiled else None
    whole = np.eye(128, dtype=np.float32)
    centers = Centers(whole, whole[:3], whole[:4], np.array([0, 2, 2, 4]))
    for count in (1, 2):
        found = centers.nearest(whole[:3], count, cells=2, kernels=kernels)
        assert found[[0, 2], 0].tolist() == [0, 2] and (found[1] >= 0).all()


def test_middles_are_those_of_groups() -> None:
    points = np.repeat(np.eye(8, dtype=np.float32), 20, axis=0)
    assert np.allclose(np.unique(centroids(points, 40), axis=0).sum(axis=1), 1)


def test_a_block_fills_whole_registers() -> None:
    assert _point_blocks.BLOCK % 8 == 0
