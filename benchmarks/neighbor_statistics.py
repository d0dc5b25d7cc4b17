"""Whether pictures that fill a library lie around a query's points as unrelated real pictures do.

From points of queries, the distances to the nearest point, to the tenth, and the ratio of the nearest to the
second are compared between real pictures and as many made ones, by quantiles and by the Kolmogorov–Smirnov
distance: the largest difference between two cumulative distributions. Two halves of the real pictures show
how much of it is chance. *Spread*: made pictures of many photographs, as a part of a library has them.
*Dense*: every made picture of a few photographs, so that any crowding around single points would show.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ambience.keypoints import Blob, unpack
from report import Table

NEIGHBORS = 10
QUERY_POINTS = 2000
DENSE_PHOTOS = 16
RATIO = 0.85
"""Of the product's matches."""

Distances = NDArray[np.float32]
Descriptors = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """Nearest neighbors of the same query points in one set of pictures.

    Attributes:
        name: of the set.
        pictures: in it.
        distances: (Q, 10) L2, descriptors being 512 long.
    """

    name: str
    pictures: int
    distances: Distances

    @property
    def ratios(self) -> Distances:
        """(Q,) distance of the nearest over that of the second."""
        return self.distances[:, 0] / np.maximum(self.distances[:, 1], 1)


def nearest(queries: Descriptors, sets: Iterable[Descriptors]) -> list[Distances]:
    """Distances after each further set of descriptors.

    Args:
        queries: (Q, 128).
        sets: (N, 128) each, added to those before.

    Returns:
        (Q, 10) for each set: nearest of all so far.
    """
    import faiss

    asked = queries.astype(np.float32)
    best = np.full((len(queries), NEIGHBORS), np.inf, np.float32)
    found: list[Distances] = []
    for each in sets:
        squared, _ = faiss.knn(asked, each.astype(np.float32), NEIGHBORS)
        best = np.sort(np.concatenate([best, squared], axis=1), axis=1)[:, :NEIGHBORS]
        found.append(np.sqrt(np.maximum(best, 0)))
    return found


def kolmogorov_smirnov(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The largest difference between the cumulative distributions of two samples.

    Source: Smirnov, "Table for estimating the goodness of fit of empirical distributions", 1948.
    """
    places = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(each), places, side="right") / len(each) for each in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def descriptors(blobs: Iterable[Blob | None]) -> Descriptors:
    """(N, 128) of all pictures."""
    return np.concatenate([unpack(blob).descriptors for blob in blobs if blob is not None])


def samples(
    queries: Descriptors,
    real: Sequence[Blob | None],
    spread: Sequence[Blob | None],
    dense: Sequence[Blob | None],
    *,
    seed: int,
) -> list[Sample]:
    """Real pictures, the other half of them, and made ones, as many of each.

    Args:
        queries: (Q, 128), of which `QUERY_POINTS` are drawn.
        real: pictures of photographs that neither queries nor made ones show.
        spread: made ones of many photographs.
        dense: all of a few photographs.
        seed: of the points and of the halves.

    Returns:
        The first half of the real ones comes first; all others are compared with it.
    """
    rng = np.random.default_rng(seed)
    asked = queries[rng.permutation(len(queries))[:QUERY_POINTS]]
    order = rng.permutation(len(real))
    count = min(len(real) // 2, len(spread), len(dense))
    sets = {
        "real": [real[n] for n in order[:count]],
        "real, another half": [real[n] for n in order[-count:]],
        "made, spread": [spread[n] for n in rng.permutation(len(spread))[:count]],
        "made, dense": [dense[n] for n in rng.permutation(len(dense))[:count]],
    }
    return [
        Sample(name, count, nearest(asked, [descriptors(pictures)])[0]) for name, pictures in sets.items()
    ]


def growth(
    queries: Descriptors, pictures: Iterable[Blob | None], counts: Sequence[int], *, seed: int
) -> list[tuple[int, float, float]]:
    """Median distance of the nearest point, and median ratio, as a collection grows.

    Args:
        queries: (Q, 128), of which `QUERY_POINTS` are drawn.
        pictures: added in this order.
        counts: of pictures, ascending.
        seed: of the points.

    Returns:
        (pictures, distance, ratio) for each count.
    """
    rng = np.random.default_rng(seed)
    asked = queries[rng.permutation(len(queries))[:QUERY_POINTS]]
    remaining = iter(pictures)
    steps = np.diff([0, *counts])
    sets = (descriptors([next(remaining) for _ in range(step)]) for step in steps)
    return [
        (
            count,
            float(np.median(distances[:, 0])),
            float(np.median(distances[:, 0] / np.maximum(distances[:, 1], 1))),
        )
        for count, distances in zip(counts, nearest(asked, sets), strict=True)
    ]


def table_of(found: Sequence[Sample]) -> Table:
    """Quantiles, and distances of distributions to the first sample."""
    first = found[0]
    rows: list[tuple[str | int | float, ...]] = []
    for each in found:
        d1, d10 = each.distances[:, 0], each.distances[:, -1]
        cuts = " / ".join(f"{value:.0f}" for value in np.percentile(d1, (10, 50, 90)))
        ratio_cuts = " / ".join(f"{value:.3f}" for value in np.percentile(each.ratios, (10, 50, 90)))
        rows.append(
            (
                each.name,
                cuts,
                ratio_cuts,
                f"{(each.ratios < RATIO).mean():.3f}",
                round(kolmogorov_smirnov(d1, first.distances[:, 0]), 3),
                round(kolmogorov_smirnov(each.ratios, first.ratios), 3),
                round(kolmogorov_smirnov(d10, first.distances[:, -1]), 3),
            )
        )
    columns = (
        "", "nearest, 10 / 50 / 90 %", "ratio, 10 / 50 / 90 %", f"ratio < {RATIO}",
        "KS, nearest", "KS, ratio", "KS, tenth",
    )  # fmt: skip
    title = f"From {len(first.distances):,} query points to {first.pictures:,} unrelated pictures"
    return Table(title, columns, rows)


def draw(found: Sequence[Sample], curves: dict[str, Sequence[tuple[int, float, float]]], file: Path) -> None:
    """Cumulative distributions, and how the nearest point comes nearer as a collection grows."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 4))
    share = np.linspace(0, 1, 200)
    for each in found:
        axes[0].plot(np.quantile(each.distances[:, 0], share), share, label=each.name)
        axes[1].plot(np.quantile(each.ratios, share), share, label=each.name)
    for name, curve in curves.items():
        axes[2].plot([row[0] for row in curve], [row[1] for row in curve], "o-", label=name)
    axes[0].set(xlabel="distance of the nearest point", ylabel="share of query points")
    axes[1].set(xlabel="nearest over second", xlim=(0.75, 1.0))
    axes[2].set(xlabel="pictures", ylabel="median distance of the nearest point", xscale="log")
    axes[2].xaxis.set_minor_formatter("")
    for axis in axes:
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)
