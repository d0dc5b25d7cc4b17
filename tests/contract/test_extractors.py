"""One body for every kind: shape, dtype, determinism, batches; and golden values of the references."""

import hashlib
import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from ambience.datatypes import UPRIGHT, Feature, Picture, PixelNeed
from ambience.errors import EmptyFeatureError
from ambience.extract.color import original_histogram
from ambience.extract.phash import exact_block, hash_bits
from ambience.keypoints import unpack
from ambience.registry import load, names
from ambience.store.features import check_vector

GOLDEN = Path(__file__).parent / "golden"
KINDS = names("ambience.extract")
TELLING = ("photo", "large", "noise")
"""Shapes that hold something for every kind; where others are empty to one, it says so."""


def picture(rgb: Any) -> Picture:
    """A decoded picture of these pixels."""
    return Picture(np.ascontiguousarray(rgb), rgb.shape[1], rgb.shape[0], "png")


def shapes() -> dict[str, Picture]:
    """Pictures of every awkward shape."""
    cat = skimage.data.chelsea()
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    return {
        "photo": picture(cat),
        "large": picture(np.tile(cat, (5, 5, 1))),
        "one_pixel": picture(cat[:1, :1]),
        "one_row": picture(cat[:1]),
        "one_column": picture(cat[:, :1]),
        "long": picture(np.tile(cat[:4], (1, 30, 1))),
        "tall": picture(np.tile(cat[:, :3], (20, 1, 1))),
        "black": picture(np.zeros((40, 30, 3), np.uint8)),
        "noise": picture(noise),
    }


def made(kind: str, *, exact: bool = False) -> Any:
    """The extractor of a kind with its default options."""
    extractor = load("ambience.extract", kind)
    return extractor(extractor.options_class(), exact=exact)


def extracted(extractor: Any, shown: Picture) -> Feature | None:
    """The feature of one picture; None where it holds nothing for this kind."""
    try:
        (feature,) = extractor.extract([shown])
    except EmptyFeatureError:
        return None
    return feature


def described(extractor: Any) -> dict[str, Picture]:
    """Pictures of every shape that this kind describes."""
    found = {name: each for name, each in shapes().items() if extracted(extractor, each) is not None}
    assert set(TELLING) <= set(found)
    assert extractor.spec.is_blob or found.keys() == shapes().keys()
    return found


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_gives_one_feature_of_the_spec(kind: str, exact: bool) -> None:
    extractor = made(kind, exact=exact)
    pictures = list(described(extractor).values())
    before = [each.rgb.copy() for each in pictures]
    features = extractor.extract(pictures)
    assert len(features) == len(pictures)
    for feature in features:
        check_vector(extractor.spec, feature)
        if extractor.spec.is_blob:
            points = unpack(feature.vector)
            assert len(points) > 0
            assert np.isfinite(points.positions).all()
    assert all(np.array_equal(a, b.rgb) for a, b in zip(before, pictures, strict=True)), "pixels were changed"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_threads_and_queries_agree(kind: str, exact: bool) -> None:
    extractor = made(kind, exact=exact)
    pictures = list(described(extractor).values()) * 3
    batch = extractor.extract(pictures)
    with ThreadPoolExecutor(4) as pool:
        single = [found for (found,) in pool.map(lambda each: extractor.extract([each]), pictures)]
    for one, other in zip(batch, single, strict=True):
        assert np.array_equal(one.vector, other.vector)
        assert one.quality == other.quality
    for one, each in zip(batch[: len(pictures) // 3], pictures, strict=False):
        variants = extractor.query_variants(each)
        assert variants[0].orientation == UPRIGHT
        assert len({variant.orientation for variant in variants}) == len(variants)
        for variant in variants:
            check_vector(extractor.spec, variant.feature)
        # A query may be described by more points than a stored picture is.
        assert extractor.spec.is_blob or np.array_equal(variants[0].feature.vector, one.vector)
    assert extractor.extract([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_declaration(kind: str) -> None:
    scaled, exact = made(kind), made(kind, exact=True)
    assert scaled.spec.kind == exact.spec.kind == kind
    assert scaled.need.longest_side
    assert exact.need == PixelNeed(None)
    assert scaled.spec.fingerprint != exact.spec.fingerprint
    # Golden values are those of a reference that gives the same bits everywhere; keypoints have none.
    assert (GOLDEN / f"{kind}.json").is_file() or scaled.spec.is_blob


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_without_pixels_is_named(kind: str) -> None:
    empty = Picture(np.zeros((0, 5, 3), np.uint8), 5, 0, "png")
    with pytest.raises(EmptyFeatureError, match="5×0"):
        made(kind).extract([empty])
    with pytest.raises(EmptyFeatureError, match="5×0"):
        made(kind).query_variants(empty)


def golden(kind: str) -> list[Any]:
    """(picture, golden value) of every golden picture, made again as `golden/make.py` made it."""
    module = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert module and module.loader
    make = importlib.util.module_from_spec(module)
    module.loader.exec_module(make)
    stored = json.loads((GOLDEN / f"{kind}.json").read_text(encoding="utf-8"))["pictures"]
    found = make.pictures()
    assert found.keys() == stored.keys()
    return [(name, found[name], stored[name]) for name in found]


def test_the_hash_is_byte_identical_to_the_reference() -> None:
    extractor = made("phash", exact=True)
    for name, rgb, value in golden("phash"):
        assert extractor.extract([picture(rgb)])[0].vector.tobytes().hex() == value, name


def test_the_histogram_is_bit_exact_to_the_reference() -> None:
    for name, rgb, value in golden("color"):
        histogram = original_histogram(rgb)
        assert hashlib.sha256(histogram.astype("<f4").tobytes()).hexdigest() == value["sha256"], name
        for cell, share in value["largest"].items():
            assert histogram[int(cell)] == np.float32(share)


def test_the_reference_itself_agrees_where_it_is_installed() -> None:
    """200 pictures that no golden file holds, half of them with tied coefficients."""
    imagehash = pytest.importorskip("imagehash")
    from PIL import Image

    generator = np.random.default_rng(3)
    for turn in range(200):
        rgb = generator.integers(0, 256, (*generator.integers(1, 140, 2), 3), dtype=np.uint8)
        if turn % 2:
            half = rgb // 64 * 64
            rgb = np.concatenate([half, half[:, ::-1]], axis=1)
        reference = imagehash.phash(Image.fromarray(rgb), hash_size=24, highfreq_factor=4).hash
        assert np.array_equal(hash_bits(exact_block(rgb)), np.packbits(reference)), turn
