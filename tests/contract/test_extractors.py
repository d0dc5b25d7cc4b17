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

from ambience.datatypes import UPRIGHT, Picture, PixelNeed
from ambience.errors import EmptyFeatureError
from ambience.extract.base import TurningExtractor
from ambience.extract.color import original_histogram
from ambience.extract.phash import exact_block, hash_bits
from ambience.keypoints import unpack
from ambience.registry import load, names

GOLDEN = Path(__file__).parent / "golden"
KINDS = names("ambience.extract")


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


def telling(extractor: Any) -> list[Picture]:
    """The awkward pictures of which an extractor can tell something; the others it must call empty, by name.

    A kind that sees points alone may find none in a row of pixels; none may be silent about a photograph.
    """
    found = []
    for name, each in shapes().items():
        try:
            extractor.extract([each])
        except EmptyFeatureError as exc:
            assert extractor.spec.is_blob, name
            assert name not in {"photo", "large", "noise"}
            assert f"{each.width}×{each.height}" in str(exc)
            with pytest.raises(EmptyFeatureError, match=f"{each.width}×{each.height}"):
                extractor.query_variants(each)
            with pytest.raises(EmptyFeatureError):
                extractor.extract([shapes()["photo"], each])
        else:
            found.append(each)
    return found


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_gives_one_feature_of_the_spec(kind: str, exact: bool) -> None:
    extractor = made(kind, exact=exact)
    pictures = telling(extractor)
    before = [each.rgb.copy() for each in pictures]
    features = extractor.extract(pictures)
    assert len(features) == len(pictures)
    for feature in features:
        if extractor.spec.is_blob:
            assert len(unpack(feature.vector)) > 0
        else:
            assert feature.vector.shape == (extractor.spec.entries,)
        assert feature.vector.dtype == np.dtype(extractor.spec.dtype)
        assert 0 <= feature.quality <= 1
        assert np.isfinite(feature.vector.astype(float)).all()
    assert all(np.array_equal(a, b.rgb) for a, b in zip(before, pictures, strict=True)), "pixels were changed"


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_threads_and_queries_agree(kind: str, exact: bool) -> None:
    extractor = made(kind, exact=exact)
    pictures = telling(extractor) * 3
    batch = extractor.extract(pictures)
    with ThreadPoolExecutor(4) as pool:
        single = [found for (found,) in pool.map(lambda each: extractor.extract([each]), pictures)]
    for one, other, each in zip(batch, single, pictures, strict=True):
        assert np.array_equal(one.vector, other.vector)
        assert one.quality == other.quality
        variants = extractor.query_variants(each)
        assert variants[0].orientation == UPRIGHT
        if extractor.spec.is_blob:  # a query may have more points than what is stored
            assert len(variants[0].feature.vector) >= len(one.vector)
        else:
            assert np.array_equal(variants[0].feature.vector, one.vector)
        assert len({variant.orientation for variant in variants}) == len(variants)
    assert extractor.extract([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_declaration(kind: str) -> None:
    scaled, exact = made(kind), made(kind, exact=True)
    assert scaled.spec.kind == exact.spec.kind == kind
    assert scaled.need.longest_side
    assert exact.need == PixelNeed(None)
    assert scaled.spec.fingerprint != exact.spec.fingerprint
    assert (GOLDEN / f"{kind}.json").is_file()


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


def test_embeddings_are_those_of_the_reference() -> None:
    """The network's to the last digits of 16 bits; those of sentences as near as OpenVINO's 8-bit values are.

    It rounds what enters a product with 8-bit weights to 8 bits as well (cosines of 0.9998), which takes 0.6
    of the time.
    """
    for kind, least in (("global_features", 0.99999), ("image_text_features", 0.9995)):
        extractor = made(kind)
        for name, rgb, value in golden(kind):
            assert cosine(extractor.extract([picture(rgb)])[0].vector, value) > least, (kind, name)
    texts = json.loads((GOLDEN / "image_text_features.json").read_text(encoding="utf-8"))["texts"]
    assert len(texts) >= 7
    for text, each in zip(texts, extractor.text_features(list(texts)), strict=True):
        assert cosine(each.feature.vector, texts[text]) > 0.9995, text


def cosine(vector: Any, value: str) -> float:
    """Of a vector to a golden one; numbers of 16 bits leave neither at length 1."""
    wanted, found = np.frombuffer(bytes.fromhex(value), "<f2").astype(float), vector.astype(float)
    return float(found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted))


def test_the_strongest_points_are_those_of_the_reference() -> None:
    """Every place to a twentieth of a pixel; directions and descriptors where it is the stronger direction.

    Descriptors differ by OpenCV's rounding of places to whole pixels and of values to 8 bits.
    """
    extractor = made("local_features")
    places, likenesses = 0, []
    for name, rgb, points in golden("local_features"):
        corner = picture(rgb[:384, :384])
        if not points:
            with pytest.raises(EmptyFeatureError):
                extractor.keypoints(corner, 512, 2000)
            continue
        found = extractor.keypoints(corner, 512, 2000)
        for point in points:
            apart = np.abs(found.pixels - (np.array(point["place"]) + 0.25)).max(axis=1)
            larger = np.abs(np.log(found.sizes / point["size"]))
            near = np.flatnonzero((apart < 0.05) & (larger < 0.02))
            assert len(near) >= 1, (name, point["place"])
            places += 1
            turned = np.abs((found.angles[near] - point["angle"] + 180) % 360 - 180)
            if turned.min() < 1:
                sift = np.frombuffer(bytes.fromhex(point["sift"]), np.uint8).astype(float)
                ours = found.descriptors[near[turned.argmin()]].astype(float)
                likenesses.append(ours @ np.sqrt(sift / sift.sum()) / np.linalg.norm(ours))
    assert places > 60
    assert len(likenesses) > 0.65 * places
    assert min(likenesses) > 0.98
    assert np.median(likenesses) > 0.993


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


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_that_can_be_turned_are_those_of_the_queries(kind: str) -> None:
    extractor = made(kind)
    if not isinstance(extractor, TurningExtractor):
        assert not hasattr(extractor, "turned")
        return
    photo = shapes()["photo"]
    variants = extractor.query_variants(photo)
    found = extractor.turned(np.stack([extractor.extract([photo])[0].vector] * 2))
    assert [orientation for orientation, _ in found] == [variant.orientation for variant in variants]
    for (_, vectors), variant in zip(found, variants, strict=True):
        assert vectors.shape == (2, extractor.spec.entries) and vectors.dtype == variant.feature.vector.dtype
        apart = np.bitwise_count(vectors ^ variant.feature.vector).sum(axis=1)
        assert apart.max() <= extractor.spec.verdicts[0][1]  # as near as a copy that was saved once more
