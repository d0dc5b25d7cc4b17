import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.keypoints import Keypoints
from ambience.search.geometry import (
    Pairs,
    applied,
    distinct_places,
    fit_homography,
    fit_similarity_or_affine,
    linear_at,
    log10_chance,
    pairs,
)
from ambience.search.local import LocalSearchOptions
from ambience.search.matching import mutual_matches
from support.point_samples import moved, random_keypoints, similarity

FAR = np.array([[0.9, 0.15, 30], [-0.1, 1.1, 20], [2e-4, -3e-4, 1.0]])
"""A homography that no affine transform comes near."""


def _pairs(query: Keypoints, image: Keypoints) -> Pairs:
    (matches,) = mutual_matches(query.descriptors, [image.descriptors])
    return pairs(query, image, matches)


def _random_pairs(rng: np.random.Generator, count: int, *, upright: bool = False) -> Pairs:
    """Matches of pictures that have nothing in common; upright ones agree in angle, more or less."""
    degrees = rng.normal(0, 30, count) if upright else rng.uniform(-180, 180, count)
    return Pairs(
        rng.uniform(0, 1, (count, 2)) * (512, 384),
        rng.uniform(0, 1, (count, 2)) * (512, 384),
        rng.normal(0, 1, count),
        degrees,
        512 * 384.0,
    )


@pytest.mark.parametrize(
    "transform",
    [similarity(1, 0, (0, 0)), similarity(0.4, 33, (250, 40)), similarity(2.5, 200, (900, 700))],
    ids=["same", "small", "large"],
)
def test_a_similarity_is_recovered_to_a_fraction_of_a_pixel(transform: NDArray[np.float64]) -> None:
    query = random_keypoints(0, 300)
    fit = fit_similarity_or_affine(_pairs(query, moved(query, transform, 640, 480, noise=0.3)))

    assert fit is not None
    framed = np.diag([0.8, 0.8, 1]) @ transform @ np.diag([1.25, 1.25, 1])
    inside = np.array([[100.0, 100], [400, 300]])
    assert np.abs(applied(fit.transform, inside) - applied(framed, inside)).max() < 1.0
    assert fit.log10_chance < -25


def test_a_homography_explains_more_than_an_affine_transform() -> None:
    query = random_keypoints(1, 300)
    given = _pairs(query, moved(query, FAR, 640, 480, noise=0.3))
    start = fit_similarity_or_affine(given)
    assert start is not None
    better = fit_homography(given, start)

    assert better is not None
    assert better.inliers > 1.3 * start.inliers
    assert better.log10_chance < start.log10_chance
    framed = np.diag([0.8, 0.8, 1]) @ FAR @ np.diag([1.25, 1.25, 1])
    inside = np.array([[100.0, 100], [400, 300], [200, 350]])
    assert np.abs(applied(better.transform, inside) - applied(framed, inside)).max() < 1.0


def test_the_same_matches_give_the_same_fit_each_time() -> None:
    query = random_keypoints(1, 200)
    given = _pairs(query, moved(query, FAR, 640, 480, noise=1.0))
    start = fit_similarity_or_affine(given)
    assert start is not None
    first, second = fit_homography(given, start), fit_homography(given, start)

    assert first is not None
    assert second is not None
    assert (first.transform == second.transform).all()


def test_inliers_are_found_among_nine_times_as_many_wrong_matches() -> None:
    query = random_keypoints(2, 30)
    right = _pairs(query, moved(query, similarity(0.8, 120, (500, 100)), 640, 480, noise=0.5))
    wrong = _random_pairs(np.random.default_rng(2), 9 * len(right.query))
    mixed = Pairs(
        *(np.concatenate([one, other]) for one, other in zip(right[:4], wrong[:4], strict=True)), right.area
    )
    fit = fit_similarity_or_affine(mixed)

    assert fit is not None
    assert fit.is_inlier[: len(right.query)].mean() > 0.9
    assert fit.is_inlier[len(right.query) :].mean() < 0.05
    assert fit.log10_chance < -LocalSearchOptions().accept


@pytest.mark.parametrize("upright", [False, True])
def test_ten_thousand_random_trials_are_no_less_likely_than_they_say(upright: bool) -> None:
    """5,000 of each sort: of trials that chance gives 10^-6 of, not one may be among them."""
    rng = np.random.default_rng(3)
    least = 0.0
    for _ in range(5_000):
        fit = fit_similarity_or_affine(_random_pairs(rng, int(rng.integers(1, 60)), upright=upright))
        least = min(least, fit.log10_chance if fit is not None else 0.0)

    assert least > -6
    assert LocalSearchOptions().accept > 6


def test_matches_on_a_line_prove_no_affine_transform() -> None:
    along = np.linspace(0, 500, 40)
    line = np.column_stack([along, 0.5 * along])
    fit = fit_similarity_or_affine(Pairs(line, line, np.zeros(40), np.zeros(40), 512 * 384.0))

    assert fit is not None
    assert np.allclose(fit.transform, np.eye(3), atol=1e-6)  # a similarity


def test_matches_at_one_place_prove_nothing() -> None:
    spot = np.full((40, 2), 100.0) + np.random.default_rng(0).uniform(0, 1, (40, 2))

    assert fit_similarity_or_affine(Pairs(spot, spot, np.zeros(40), np.zeros(40), 2e5)) is None


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_handful_of_matches_proves_nothing(count: int) -> None:
    query = random_keypoints(0, count)

    assert fit_similarity_or_affine(_pairs(query, query)) is None


def test_a_fold_is_no_fit() -> None:
    """Points mirrored while their angles say otherwise."""
    given = _random_pairs(np.random.default_rng(0), 60)
    folded = given._replace(
        image=given.query * (-1, 1) + (512, 0), octaves=np.zeros(60), degrees=np.zeros(60)
    )
    fit = fit_similarity_or_affine(folded)

    assert fit is None or fit.log10_chance > -LocalSearchOptions().accept


def test_chance_by_hand() -> None:
    """M = 10, k = 5, s = 3: 7 · 252 · 10 · (p/6)²."""
    p = math.pi * 36 / 200_000
    expected = math.log10(7 * 252 * 10 * (p / 6) ** 2)

    assert log10_chance(10, 5, 3, 200_000.0) == pytest.approx(expected)
    assert log10_chance(10, 3, 3, 200_000.0) == pytest.approx(math.log10(7))


def test_more_inliers_among_as_many_matches_are_less_likely_by_chance() -> None:
    chances = [log10_chance(100, inliers, 3, 200_000.0) for inliers in range(4, 100)]

    assert (np.diff(chances) < 0).all()


def test_points_at_one_place_count_once() -> None:
    places = np.array([[10, 10], [10.5, 10.2], [200, 50]])

    assert distinct_places(places, places + 30) == 2
    assert distinct_places(places[:0], places[:0]) == 0


def test_the_derivative_of_a_homography() -> None:
    place, step = np.array([120.0, 80.0]), 1e-4
    by_steps = np.column_stack(
        [
            (applied(FAR, place[None] + e)[0] - applied(FAR, place[None] - e)[0]) / (2 * step)
            for e in step * np.eye(2)
        ]
    )

    assert np.allclose(linear_at(FAR, place), by_steps, atol=1e-5)
