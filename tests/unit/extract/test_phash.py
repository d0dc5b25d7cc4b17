"""The hash: orientations, the fast way against the exact one, and what the texture measure tells."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from ambience.datatypes import UPRIGHT, Orientation, Picture
from ambience.extract.phash import PHash, exact_block, hash_bits, scaled_block, texture, turned_blocks

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")
GALLERY = Path(__file__).parents[4] / "shared" / "data" / "gallery"


def photo(name: str) -> Any:
    """(H, W, 3) uint8."""
    return np.ascontiguousarray(getattr(skimage.data, name)()[..., :3])


def turned(rgb: Any, orientation: Orientation) -> Any:
    """The picture mirrored first (if so), then rotated counter-clockwise."""
    mirrored = rgb[:, ::-1] if orientation.mirrored else rgb
    return np.ascontiguousarray(np.rot90(mirrored, orientation.rotation // 90))


def bits_apart(one: Any, other: Any) -> int:
    """Hamming distance of two hashes."""
    return int(np.bitwise_count(one ^ other).sum())


def flat_pictures() -> dict[str, Any]:
    """Pictures whose hash tells nothing."""
    y, x = np.mgrid[0:1:300j, 0:1:400j]
    planes = {
        "white": np.ones_like(x),
        "grey": np.full_like(x, 0.4),
        "horizontal": x,
        "vertical": y,
        "diagonal": (x + y) / 2,
        "round": np.hypot(x - 0.5, y - 0.5),
        "vignette": 1 - 0.3 * (np.hypot(x - 0.5, y - 0.5) / 0.71) ** 2,
        "paper": np.clip(0.9 + 0.008 * np.random.default_rng(0).normal(size=x.shape), 0, 1),
    }
    return {
        name: np.repeat((255 * plane).astype(np.uint8)[..., None], 3, 2) for name, plane in planes.items()
    }


@pytest.mark.parametrize("block_of", [exact_block, scaled_block])
@pytest.mark.parametrize("name", PHOTOS[:4])
def test_all_orientations_come_from_one_block(name: str, block_of: Any) -> None:
    rgb = photo(name)
    found = turned_blocks(block_of(rgb))
    assert found[0][0] == UPRIGHT
    assert len({orientation for orientation, _ in found}) == 8
    for orientation, block in found:
        direct = block_of(turned(rgb, orientation))
        # Lanczos works in 8 bits and first across, then down, so that a turned picture rounds differently.
        assert bits_apart(hash_bits(block), hash_bits(direct)) <= 4, orientation


def test_orientations_of_the_plane_itself_are_identical() -> None:
    """Without resampling in between (a picture of 96×96), the bits are those of the turned picture."""
    rgb = np.asarray(Image.fromarray(photo("astronaut")).resize((96, 96)))
    for orientation, block in turned_blocks(exact_block(rgb)):
        assert np.array_equal(hash_bits(block), hash_bits(exact_block(turned(rgb, orientation)))), orientation


def test_query_variants_name_how_the_query_was_turned() -> None:
    extractor = PHash(PHash.options_class())
    rgb = photo("coffee")
    query = Picture(rgb, rgb.shape[1], rgb.shape[0], "png")
    for variant in extractor.query_variants(query):
        stored = turned(rgb, variant.orientation)
        (feature,) = extractor.extract([Picture(stored, stored.shape[1], stored.shape[0], "png")])
        assert bits_apart(feature.vector, variant.feature.vector) <= 6


def test_the_fast_way_agrees_with_the_exact_one() -> None:
    apart = []
    for name in PHOTOS:
        rgb = photo(name)
        for factor in (1, 2):
            size = (rgb.shape[1] * factor, rgb.shape[0] * factor)
            large = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
            apart.append(bits_apart(hash_bits(scaled_block(large)), hash_bits(exact_block(large))))
    assert np.median(apart) <= 2
    # A median of 576 numbers moves the bits of those next to it: what rounding to 8 bits moves, too.
    assert max(apart) <= 8


def test_the_median_splits_the_bits_in_half() -> None:
    vector = hash_bits(scaled_block(photo("astronaut")))
    assert int(np.bitwise_count(vector).sum()) == 288


@pytest.mark.parametrize("name", flat_pictures())
def test_flat_pictures_tell_nothing(name: str) -> None:
    minimum = PHash(PHash.options_class()).spec.min_quality
    rgb = flat_pictures()[name]
    saved = io.BytesIO()
    Image.fromarray(rgb).save(saved, "jpeg", quality=80)
    for pixels in (rgb, np.asarray(Image.open(saved).convert("RGB"))):
        for block_of in (exact_block, scaled_block):
            assert texture(block_of(pixels)) < 0.5 * minimum


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs_tell_much(name: str) -> None:
    minimum = PHash(PHash.options_class()).spec.min_quality
    assert texture(scaled_block(photo(name))) > 1.5 * minimum


@pytest.mark.skipif(not GALLERY.is_dir(), reason="no folder of photographs beside the checkout")
@pytest.mark.slow
def test_hardly_any_photograph_is_taken_for_flat() -> None:
    minimum = PHash(PHash.options_class()).spec.min_quality
    files = sorted(GALLERY.rglob("*.jpg"))
    assert len(files) > 1000
    measures = np.array([texture(scaled_block(np.asarray(Image.open(f).convert("RGB")))) for f in files])
    assert np.mean(measures < minimum) < 0.002


@pytest.mark.parametrize("name", PHOTOS)
def test_stored_hashes_can_be_turned(name: str) -> None:
    """Within 30 bits of the hashes of the turned pixels, as `turned` says; the threshold of a copy is 64."""
    extractor = PHash(PHash.options_class())
    rgb = photo(name)
    stored = hash_bits(scaled_block(rgb))
    found = extractor.turned(np.stack([stored, np.zeros_like(stored), stored]))
    wanted = [variant.orientation for variant in extractor.query_variants(Picture(rgb, 1, 1, "png"))]
    assert [orientation for orientation, _ in found] == wanted
    for orientation, vectors in found:
        assert vectors.shape == (3, 72) and vectors.dtype == np.uint8
        assert np.array_equal(vectors[0], vectors[2])
        true = hash_bits(scaled_block(turned(rgb, orientation)))
        assert bits_apart(vectors[0], true) <= 30
        others = [each[0] for other, each in found if other != orientation]
        assert min(bits_apart(each, true) for each in others) > 128
    assert np.array_equal(found[0][1][0], stored)


def test_turning_moves_no_distance_and_can_be_undone() -> None:
    extractor = PHash(PHash.options_class())
    hashes = np.random.default_rng(0).integers(0, 256, (20, 72), dtype=np.uint8)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(-1, dtype=int)
    for orientation, vectors in extractor.turned(hashes):
        assert np.array_equal(np.bitwise_count(vectors[:, None] ^ vectors[None]).sum(-1, dtype=int), apart)
        back = dict(extractor.turned(vectors))[orientation.inverse]
        assert np.array_equal(back, hashes)
