"""The loops of SIFT over a scale space, compiled by numba; called by `_sift.py` alone.

Images are levels of one flat buffer, so that one call describes points of all levels. Coordinates are
pixels of the level, pixel centers at whole numbers. The constants are those of Lowe's paper as OpenCV has
them.
"""

import math
from typing import Any

import numba  # noqa: F401 - without it these loops would take minutes a picture: refuse at import
import numpy as np

from ambience.extract._loops import compiled

BORDER = 5
"""Pixels at each side of a level in which no keypoint is sought."""

STEPS = 5
"""Moves to a neighboring sample after which a keypoint that finds no rest is given up."""

EDGE = 10.0
"""Largest ratio of principal curvatures: beyond it a point lies on an edge and slides along it."""

ORIENTATIONS = 36
PEAK = 0.8
"""Share of the strongest direction from which another one counts as well."""

CELLS = 4
DIRECTIONS = 8
STRIDE = 2
"""Samples of a level from one that is read for a descriptor to the next: levels are blurred so far (σ from
1.8) that every second one tells all, at a quarter of the work."""

CLIP = 0.2
"""Largest share of a descriptor's length that one value may have, against glare."""


@compiled
def extrema(dog: Any, least: float, out: Any) -> int:
    """Extrema of one octave's differences of Gaussians, to fractions of a sample.

    Args:
        dog: (S + 2, H, W) float32, H and W above twice the border.
        least: absolute value, in grey levels, below which nothing is an extremum.
        out: (most, 5) float32, filled with x, y, layer, layer's fraction, response.

    Returns:
        How many were written.
    """
    layers, height, width = dog.shape
    inner = width - 2 * BORDER
    mask = np.zeros(inner + 8 - inner % 8, np.uint8)
    words = mask.view(np.uint64)
    middle = slice(BORDER, width - BORDER)
    left, right = slice(BORDER - 1, width - BORDER - 1), slice(BORDER + 1, width - BORDER + 1)
    count = 0
    for layer in range(1, layers - 1):
        for row in range(BORDER, height - BORDER):
            above, here, below = dog[layer, row - 1], dog[layer, row], dog[layer, row + 1]
            _stand_out(
                (above[left], above[middle], above[right], here[left], here[right]),
                (below[left], below[middle], below[right]),
                here[middle],
                np.float32(least),
                mask[:inner],
            )
            for word in range(len(words)):
                if words[word] == 0:
                    continue
                for column in range(8 * word, 8 * word + 8):
                    if mask[column] and _is_extreme(dog, layer, row, BORDER + column):
                        if count == len(out):
                            return count
                        if _refined(dog, layer, row, BORDER + column, least, out[count]):
                            count += 1
    return count


@compiled
def _stand_out(around: Any, below: Any, here: Any, least: Any, mask: Any) -> None:
    """Marks samples of a row that none of their eight neighbors exceeds.

    Neighbors come as rows of their own, shifted beforehand: all are then read at one index from zero, which
    is what the compiler needs to work on sixteen at a time (8 times the pace).
    """
    a, b, c, d, e = around
    f, g, h = below
    for n in range(len(mask)):
        value = here[n]
        highest = a[n]
        lowest = a[n]
        for other in (b[n], c[n], d[n], e[n], f[n], g[n], h[n]):
            highest = other if other > highest else highest
            lowest = other if other < lowest else lowest
        mask[n] = ((value > least) & (value >= highest)) | ((value < -least) & (value <= lowest))


@compiled
def _is_extreme(dog: Any, layer: int, row: int, column: int) -> bool:
    """Whether neither of the neighboring layers exceeds a sample."""
    value = dog[layer, row, column]
    sign = np.float32(1.0) if value > 0 else np.float32(-1.0)
    value *= sign
    if sign * dog[layer - 1, row, column] > value or sign * dog[layer + 1, row, column] > value:
        return False  # most end here
    for other in (layer - 1, layer + 1):
        for r in range(row - 1, row + 2):
            for c in range(column - 1, column + 2):
                if sign * dog[other, r, c] > value:
                    return False
    return True


@compiled
def _refined(dog: Any, layer: int, row: int, column: int, least: float, out: Any) -> bool:
    """Moves a sample to the extremum of the parabola through its neighbors; False where that fails."""
    layers, height, width = dog.shape
    for _ in range(STEPS):
        here, lower, upper = dog[layer], dog[layer - 1], dog[layer + 1]
        value = float(here[row, column])
        gx = 0.5 * (here[row, column + 1] - here[row, column - 1])
        gy = 0.5 * (here[row + 1, column] - here[row - 1, column])
        gs = 0.5 * (upper[row, column] - lower[row, column])
        xx = here[row, column + 1] + here[row, column - 1] - 2 * value
        yy = here[row + 1, column] + here[row - 1, column] - 2 * value
        ss = upper[row, column] + lower[row, column] - 2 * value
        xy = 0.25 * (
            here[row + 1, column + 1]
            - here[row + 1, column - 1]
            - here[row - 1, column + 1]
            + here[row - 1, column - 1]
        )
        xs = 0.25 * (
            upper[row, column + 1] - upper[row, column - 1] - lower[row, column + 1] + lower[row, column - 1]
        )
        ys = 0.25 * (
            upper[row + 1, column] - upper[row - 1, column] - lower[row + 1, column] + lower[row - 1, column]
        )
        a, b, d = yy * ss - ys * ys, xs * ys - xy * ss, xy * ys - xs * yy
        whole = xx * a + xy * b + xs * d
        if whole == 0.0:
            return False
        e, f, g = xx * ss - xs * xs, xy * xs - xx * ys, xx * yy - xy * xy
        dx = -(a * gx + b * gy + d * gs) / whole
        dy = -(b * gx + e * gy + f * gs) / whole
        ds = -(d * gx + f * gy + g * gs) / whole
        if abs(dx) < 0.5 and abs(dy) < 0.5 and abs(ds) < 0.5:
            response = abs(value + 0.5 * (gx * dx + gy * dy + gs * ds))
            trace = xx + yy
            if g <= 0 or trace * trace * EDGE >= (EDGE + 1) * (EDGE + 1) * g or response < least:
                return False
            out[0], out[1], out[2], out[3], out[4] = column + dx, row + dy, layer, ds, response
            return True
        if abs(dx) > width or abs(dy) > height or abs(ds) > layers:
            return False
        column, row, layer = column + round(dx), row + round(dy), layer + round(ds)
        if (
            layer < 1
            or layer > layers - 2
            or column < BORDER
            or column >= width - BORDER
            or row < BORDER
            or row >= height - BORDER
        ):
            return False
    return False


@compiled
def _angle(y: Any, x: Any) -> Any:
    """Degrees from 0 to 360 of a direction, to 0.02."""
    ax, ay = abs(x), abs(y)
    small, large = min(ax, ay), max(ax, ay)
    ratio = small / (large + np.float32(1e-20))
    square = ratio * ratio
    angle = (
        ((np.float32(-2.6674432) * square + np.float32(8.9173380)) * square + np.float32(-18.6674461))
        * square
        + np.float32(57.2836266)
    ) * ratio
    angle = np.float32(90.0) - angle if ay > ax else angle
    angle = np.float32(180.0) - angle if x < 0 else angle
    return np.float32(360.0) - angle if y < 0 else angle


@compiled
def orientations(
    buffer: Any, starts: Any, heights: Any, widths: Any, places: Any, scales: Any, out: Any
) -> None:
    """Dominant directions of the gradient around points.

    Args:
        buffer: (all samples,) float32, levels one after the other.
        starts: (N,) int64, where the point's level begins in it.
        heights: (N,) int64, of that level.
        widths: (N,) int64, of that level.
        places: (N, 2) float32 x, y in that level.
        scales: (N,) float32, the point's σ in that level.
        out: (N, K) float32, filled with degrees (clockwise, as the picture's y goes down) of the K
            strongest directions, strongest first; −1 pads.
    """
    rough = np.empty(ORIENTATIONS, np.float64)
    smooth = np.empty(ORIENTATIONS, np.float64)
    weights = np.empty(64, np.float32)
    for n in range(len(places)):
        height, width = heights[n], widths[n]
        image = buffer[starts[n] : starts[n] + height * width].reshape(height, width)
        x, y = places[n]
        sigma = 1.5 * scales[n]
        radius = min(int(3.0 * sigma + 0.5), len(weights) - 1)
        for far in range(radius + 1):
            weights[far] = math.exp(-far * far / (2 * sigma * sigma))
        rough[:] = 0
        across, along = int(x + 0.5), int(y + 0.5)
        for row in range(max(1, along - radius), min(height - 1, along + radius + 1)):
            row_weight = weights[abs(row - along)]
            for column in range(max(1, across - radius), min(width - 1, across + radius + 1)):
                dx = image[row, column + 1] - image[row, column - 1]
                dy = image[row - 1, column] - image[row + 1, column]
                place = int(_angle(dy, dx) * np.float32(ORIENTATIONS / 360) + np.float32(0.5))
                strength = math.sqrt(dx * dx + dy * dy)
                rough[place % ORIENTATIONS] += row_weight * weights[abs(column - across)] * strength
        for b in range(ORIENTATIONS):
            smooth[b] = (
                (rough[b - 2] + rough[(b + 2) % ORIENTATIONS]) / 16
                + (rough[b - 1] + rough[(b + 1) % ORIENTATIONS]) / 4
                + rough[b] * 6 / 16
            )
        _peaks(smooth, out[n])


@compiled
def _peaks(histogram: Any, out: Any) -> None:
    """The strongest local maxima of a circular histogram, as OpenCV's angles."""
    out[:] = -1
    least = PEAK * histogram.max()
    strengths = np.zeros(len(out))
    for b in range(ORIENTATIONS):
        value, before, after = histogram[b], histogram[b - 1], histogram[(b + 1) % ORIENTATIONS]
        if value < least or value <= before or value <= after:
            continue
        place = b + 0.5 * (before - after) / (before - 2 * value + after)
        rank = 0
        while rank < len(out) and strengths[rank] >= value:
            rank += 1
        if rank < len(out):
            for other in range(len(out) - 1, rank, -1):
                strengths[other], out[other] = strengths[other - 1], out[other - 1]
            strengths[rank], out[rank] = value, (360.0 - place * (360 / ORIENTATIONS)) % 360.0


@compiled
def describe(
    buffer: Any, starts: Any, heights: Any, widths: Any, places: Any, scales: Any, angles: Any, out: Any
) -> None:
    """SIFT descriptors of points, of unit length.

    Args:
        buffer: (all samples,) float32, levels one after the other.
        starts: (N,) int64, where the point's level begins in it.
        heights: (N,) int64, of that level.
        widths: (N,) int64, of that level.
        places: (N, 2) float32 x, y in that level.
        scales: (N,) float32, the point's σ in that level.
        angles: (N,) float32 degrees.
        out: (N, 128) float32, filled.
    """
    cells = np.empty((CELLS + 2, CELLS + 2, DIRECTIONS), np.float32)
    weights = np.empty(4096, np.float32)
    for n in range(len(places)):
        height, width = heights[n], widths[n]
        image = buffer[starts[n] : starts[n] + height * width].reshape(height, width)
        cell = 3.0 * scales[n]
        turn = math.radians(360.0 - angles[n])
        cos, sin = np.float32(math.cos(turn) / cell), np.float32(math.sin(turn) / cell)
        radius = min(int(cell * math.sqrt(2.0) * (CELLS + 1) * 0.5 + 0.5), height + width, 4000)
        _gather(image, places[n], radius, cos, sin, np.float32(360.0 - angles[n]), cells, weights)
        _normalised(cells, out[n])


@compiled
def _gather(
    image: Any, place: Any, radius: int, cos: float, sin: float, turn: float, cells: Any, weights: Any
) -> None:
    """Gradients around a place, each shared among the cells and directions next to it."""
    height, width = image.shape
    x, y = place
    cells[:] = 0
    half = np.float32(CELLS / 2 - 0.5)
    spread = -(cos * cos + sin * sin) / np.float32(CELLS * CELLS * 0.5)
    left, right = max(1, int(x) - radius), min(width - 1, int(x) + radius + 2)
    for column in range(left, right, STRIDE):
        weights[column - left] = math.exp(spread * (column - x) ** 2)
    for row in range(max(1, int(y) - radius), min(height - 1, int(y) + radius + 2), STRIDE):
        i = np.float32(row - y)
        row_weight = np.float32(math.exp(spread * i * i))
        first, last = _within(left - x, right - 1 - x, half - i * sin, cos)
        first, last = _within(first, last, half + i * cos, sin)
        start = left + STRIDE * max(0, math.ceil((first + x - left) / STRIDE))
        for column in range(start, min(right, int(last + x) + 1), STRIDE):
            j = np.float32(column - x)
            c, r = j * cos - i * sin + half, j * sin + i * cos + half
            if c <= -1 or c >= CELLS or r <= -1 or r >= CELLS:
                continue
            dx = image[row, column + 1] - image[row, column - 1]
            dy = image[row - 1, column] - image[row + 1, column]
            strength = math.sqrt(dx * dx + dy * dy) * row_weight * weights[column - left]
            direction = (_angle(dy, dx) - turn) * np.float32(DIRECTIONS / 360)
            c_floor, r_floor, d_floor = math.floor(c), math.floor(r), math.floor(direction)
            c_part, r_part = c - np.float32(c_floor), r - np.float32(r_floor)
            d_part = direction - np.float32(d_floor)
            d0 = int(d_floor) & (DIRECTIONS - 1)
            d1 = (d0 + 1) & (DIRECTIONS - 1)
            r0, c0 = int(r_floor) + 1, int(c_floor) + 1
            lower, upper = strength * (1 - r_part), strength * r_part
            a, b = lower * (1 - c_part), lower * c_part
            e, f = upper * (1 - c_part), upper * c_part
            cells[r0, c0, d0] += a * (1 - d_part)
            cells[r0, c0, d1] += a * d_part
            cells[r0, c0 + 1, d0] += b * (1 - d_part)
            cells[r0, c0 + 1, d1] += b * d_part
            cells[r0 + 1, c0, d0] += e * (1 - d_part)
            cells[r0 + 1, c0, d1] += e * d_part
            cells[r0 + 1, c0 + 1, d0] += f * (1 - d_part)
            cells[r0 + 1, c0 + 1, d1] += f * d_part


@compiled
def _within(first: Any, last: Any, base: Any, slope: Any) -> Any:
    """The part of an interval in which base + slope · t lies within the cells."""
    if abs(slope) < 1e-6:
        return first, last
    one, other = (-1 - base) / slope, (CELLS - base) / slope
    return max(first, min(one, other)), min(last, max(one, other))


@compiled
def _normalised(cells: Any, out: Any) -> None:
    """The inner cells as one vector: of unit length, clipped, of unit length again."""
    total = 0.0
    for n in range(CELLS * CELLS * DIRECTIONS):
        value = cells[n // 32 + 1, n // 8 % 4 + 1, n % 8]
        out[n] = value
        total += value * value
    most = CLIP * math.sqrt(total)
    total = 1e-20
    for n in range(len(out)):
        out[n] = min(out[n], most)
        total += out[n] * out[n]
    out *= 1 / math.sqrt(total)
