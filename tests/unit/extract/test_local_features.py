"""Local features: where points lie to fractions of a pixel, what a mirror does, pictures without points."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

from ambience.datatypes import Orientation, Picture
from ambience.decode.image import Decoder
from ambience.errors import EmptyFeatureError, SettingsError
from ambience.extract._describers import root_sift
from ambience.extract.local_features import LocalFeatures, LocalFeaturesOptions
from ambience.keypoints import Keypoints, mirrored, unpack
from ambience.settings import DecodeSettings
from support.picture_samples import encoded

BLOBS = np.array([(101.3, 95.8), (309.6, 120.25), (205.0, 300.5), (400.45, 310.1), (120.7, 210.9)])
"""Centers of bright spots in a picture of 512×400, from the outer edge of the first pixel."""


def picture(rgb: Any) -> Picture:
    """A decoded picture of these pixels."""
    rgb = np.ascontiguousarray(rgb)
    return Picture(rgb, rgb.shape[1], rgb.shape[0], "png")


def extractor(**options: Any) -> LocalFeatures:
    return LocalFeatures(LocalFeaturesOptions(**options))


def spots(scale: float = 1.0, sigma: float = 4.0) -> Any:
    """(H, W, 3) uint8 with spots at `BLOBS` × scale."""
    height, width = round(400 * scale), round(512 * scale)
    y, x = np.mgrid[:height, :width] + 0.5
    total = np.full((height, width), 40.0)
    for center in BLOBS * scale:
        total += 180 * np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * (sigma * scale) ** 2))
    return np.repeat(np.rint(total).astype(np.uint8)[:, :, None], 3, axis=2)


def offsets(found: Keypoints, scale: float = 1.0, size: tuple[float, float] = (6.5, 8)) -> Any:
    """(B, 2) pixels from each spot to the point found of it."""
    likely = found.pixels[(found.sizes > size[0] * scale) & (found.sizes < size[1] * scale)]
    apart = likely[None] - (BLOBS * scale)[:, None]
    return np.array([each[np.abs(each).sum(axis=1).argmin()] for each in apart])


def test_points_lie_where_they_are() -> None:
    found = extractor().keypoints(picture(spots()), 512, 400)
    assert np.abs(offsets(found)).max() < 0.05


@pytest.mark.parametrize("scale", [0.5, 2.0, 3.3])
def test_the_working_size_moves_no_point(scale: float) -> None:
    """Reduced by an area filter, or enlarged, positions stay those of the file's pixels."""
    found = extractor().keypoints(picture(spots(scale)), 512, 400, enlarge=2.0)
    assert np.abs(offsets(found, scale)).max() < 0.08 * max(1, scale)


def test_a_decoder_that_scales_moves_no_point() -> None:
    """JPEGs of 2048 and 2043 pixels, decoded to a quarter: the second one's last pixel is not whole."""
    whole = spots(4.0)
    data = encoded(_image(whole), "jpeg", quality=95)
    decoder = Decoder(DecodeSettings(), [extractor().need])
    shown = decoder.decode(data, name="spots")
    assert shown.rgb.shape[1] == 512
    found = extractor().keypoints(shown, 512, 400)
    assert (found.width, found.height) == (2048, 1600)
    assert np.abs(offsets(found, 4.0)).max() < 0.4
    cut = decoder.decode(encoded(_image(whole[:, :2043]), "jpeg", quality=95), name="spots")
    found = extractor().keypoints(cut, 512, 400)
    assert np.abs(offsets(found, 4.0)).max() < 3, "at most a decoded pixel, at the edge"


def _image(rgb: Any) -> Any:
    from PIL import Image

    return Image.fromarray(rgb)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_mirrored_points_are_those_of_the_mirrored_picture(name: str) -> None:
    rgb = getattr(skimage.data, name)()[:384, :400]
    upright = extractor().keypoints(picture(rgb), 512, 2000)
    other = extractor().keypoints(picture(rgb[:, ::-1]), 512, 2000)
    turned = mirrored(upright)
    same = 0
    for number in range(len(turned)):
        apart = np.abs(other.pixels - turned.pixels[number]).max(axis=1)
        angle = np.abs((other.angles - turned.angles[number] + 180) % 360 - 180)
        near = np.flatnonzero((apart < 0.3) & (angle < 3))
        products = other.descriptors[near].astype(float) @ turned.descriptors[number].astype(float)
        same += bool(len(near) and products.max() / 512**2 > 0.97)
    assert same > 0.85 * len(turned), f"{same} of {len(turned)}"


def test_a_query_is_asked_upright_and_mirrored() -> None:
    variants = extractor(query_points=300).query_variants(picture(skimage.data.chelsea()))
    assert [variant.orientation for variant in variants] == [Orientation(), Orientation(mirrored=True)]
    assert [len(unpack(variant.feature.vector)) for variant in variants] == [300, 300]


def test_the_same_points_every_time_and_in_every_thread() -> None:
    pictures = [picture(getattr(skimage.data, name)()) for name in ("astronaut", "chelsea", "coffee")] * 4
    one = [feature.vector.tobytes() for feature in extractor().extract(pictures)]
    before = cv2.getNumThreads()
    shared = extractor()
    with ThreadPoolExecutor(6) as pool:
        many = [
            found[0].vector.tobytes() for found in pool.map(lambda each: shared.extract([each]), pictures)
        ]
    assert one == many
    assert cv2.getNumThreads() == before, "a setting of the whole process"


def test_pictures_without_points_are_empty_by_name() -> None:
    blank = np.full((300, 400, 3), 255, np.uint8)
    for each in (blank, blank[:1], blank[:, :1], blank[:3, :3]):
        with pytest.raises(EmptyFeatureError, match=f"{each.shape[1]}×{each.shape[0]} pixels"):
            extractor().extract([picture(each)])


def test_one_spot_is_enough() -> None:
    y, x = np.mgrid[:64, :64] + 0.5
    one = np.rint(30 + 200 * np.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 50)).astype(np.uint8)
    (feature,) = extractor().extract([picture(np.repeat(one[:, :, None], 3, axis=2))])
    assert 0 < feature.quality < 0.2
    assert np.abs(unpack(feature.vector).pixels - 32).max(axis=1).min() < 0.1


def test_small_pictures_are_enlarged_enough_to_have_points() -> None:
    cat = skimage.data.chelsea()
    counts = {
        side: len(unpack(extractor().extract([picture(_reduced(cat, side))])[0].vector))
        for side in (20, 48, 96)
    }
    assert counts[20] >= 10
    assert counts[48] >= 80
    assert counts[96] == 250


def _reduced(rgb: Any, side: int) -> Any:
    factor = side / max(rgb.shape[:2])
    return cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def test_a_panorama_is_not_shrunk_to_a_thread() -> None:
    """50:1: by its longest side alone it would be worked on at a height of ten pixels."""
    cat = skimage.data.chelsea()
    strip = np.tile(np.concatenate([cat[:60], cat[:60, ::-1]], axis=1), (1, 4, 1))[:, :3000]
    found = extractor().keypoints(picture(strip), 512, 250)
    assert len(found) == 250
    assert np.median(found.sizes) < 12
    assert np.ptp(found.positions[:, 0]) > 0.95


def test_pure_noise_keeps_to_the_points_asked_for() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    (feature,) = extractor(points=512).extract([picture(noise)])
    assert len(unpack(feature.vector)) == 512
    assert feature.quality == 1.0


def test_text_alone_has_points() -> None:
    page = np.full((300, 500, 3), 255, np.uint8)
    for line in range(6):
        cv2.putText(page, "the quick brown fox", (20, 40 + 45 * line), 0, 1.2, (0, 0, 0), 2, cv2.LINE_AA)
    assert extractor().extract([picture(page)])[0].quality == 1.0


@pytest.mark.slow
def test_the_original_selection_works_at_nine_megapixels_and_keeps_fifty_a_quarter() -> None:
    large = cv2.resize(skimage.data.astronaut(), (4096, 4096), interpolation=cv2.INTER_CUBIC)[:, :2600]
    kind = extractor(selection="original")
    assert kind.need.longest_side is None
    (feature,) = kind.extract([picture(large)])
    found = unpack(feature.vector)
    quarters = np.bincount((found.positions > 0.5) @ np.array([1, 2]), minlength=4)
    assert len(found) <= 200
    assert quarters.max() == 50
    assert (found.width, found.height) == (2600, 4096)


def test_root_sift_by_hand() -> None:
    raw = np.zeros((2, 128), np.float32)
    raw[0, :4] = (1, 4, 9, 2)
    raw[1] = 7
    found = root_sift(raw)
    assert found[0, :4].tolist() == [128, 255, 255, 181]  # 512 · √(n / 16), cut off at 255
    assert set(found[1].tolist()) == {45}  # 512 / √128
    real = extractor().keypoints(picture(skimage.data.astronaut()), 512, 2000).descriptors.astype(float)
    assert np.median(np.linalg.norm(real, axis=1)) == pytest.approx(512, abs=1)
    assert (real == 255).any(axis=1).mean() < 0.01


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"points": 513}, "points = 513"),
        ({"query_points": 9999}, "query_points = 9999"),
        ({"longest_side": 5000}, "longest_side = 5000"),
        ({"selection": "best"}, "selection = 'best' is not one of bands, original"),
    ],
)
def test_impossible_settings_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        extractor(**options)


def test_what_changes_the_features_changes_the_fingerprint() -> None:
    plain = extractor().spec.fingerprint
    others = [{"points": 200}, {"longest_side": 640}, {"selection": "original"}]
    assert len({plain, *(extractor(**each).spec.fingerprint for each in others)}) == 4
    assert extractor(query_points=100).spec.fingerprint == plain, "queries are not stored"
    assert LocalFeatures(LocalFeaturesOptions(), exact=True).spec.fingerprint != plain
