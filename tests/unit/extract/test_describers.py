"""Learned descriptors in place of RootSIFT: the kind with random weights, upright and mirrored."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data

from ambience.datatypes import Picture
from ambience.errors import MissingModelError, SettingsError
from ambience.extract._describers import UNIT_SCALE, unit_in_bytes
from ambience.extract.local_features import LocalFeatures, LocalFeaturesOptions
from ambience.keypoints import unpack
from ambience.making import make_extractors
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from ambience.settings_sources import load_settings
from support.hardnet import installed

CAT = np.ascontiguousarray(skimage.data.chelsea()[:, :450])


def picture(rgb: np.ndarray) -> Picture:
    return Picture(np.ascontiguousarray(rgb), rgb.shape[1], rgb.shape[0], "png")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> LocalFeatures:
    folder = tmp_path_factory.mktemp("models")
    models = Models(ModelSettings(folder=folder), installed(folder, "hardnet", old=True))
    options = LocalFeaturesOptions(descriptor="hardnet", points=80, query_points=120)
    return LocalFeatures(options, models=models)


def test_the_descriptor_names_the_space() -> None:
    specs = {
        name: LocalFeatures(LocalFeaturesOptions(descriptor=name)).spec
        for name in ("rootsift", "hardnet8", "hardnet")
    }
    assert specs["rootsift"].model == ""
    assert specs["hardnet8"].model == "hardnet8"
    assert len({spec.fingerprint for spec in specs.values()}) == 3
    with pytest.raises(SettingsError, match="descriptor = 'surf' is not one of rootsift, hardnet8, hardnet"):
        LocalFeatures(LocalFeaturesOptions(descriptor="surf"))


def test_points_are_those_of_rootsift_and_descriptors_of_unit_length(learned: LocalFeatures) -> None:
    (feature,) = learned.extract([picture(CAT)])
    (plain,) = LocalFeatures(LocalFeaturesOptions(points=80)).extract([picture(CAT)])
    found, expected = unpack(feature.vector), unpack(plain.vector)
    assert np.array_equal(found.positions, expected.positions)
    assert np.array_equal(found.angles, expected.angles)
    centered = found.descriptors.astype(np.float64) - 128
    assert np.allclose(np.linalg.norm(centered, axis=1), UNIT_SCALE, rtol=0.01)


def test_a_mirrored_query_has_the_descriptors_of_the_mirrored_picture(learned: LocalFeatures) -> None:
    """Points found in the mirrored picture itself, where both have one in the same place, size and angle."""
    _, swapped = learned.query_variants(picture(CAT))
    of_mirrored = learned.query_variants(picture(CAT[:, ::-1]))[0]
    a, b = unpack(swapped.feature.vector), unpack(of_mirrored.feature.vector)
    assert swapped.orientation.mirrored
    apart = np.linalg.norm(a.pixels[:, None] - b.pixels[None], axis=2)
    turned = np.abs((a.angles[:, None] - b.angles[None] + 180) % 360 - 180)
    pairs = np.argwhere((apart < 0.3) & (turned < 2) & (np.abs(np.log(a.sizes[:, None] / b.sizes)) < 0.02))
    assert len(pairs) > 40
    matched = np.linalg.norm(
        a.descriptors[pairs[:, 0]].astype(float) - b.descriptors[pairs[:, 1]].astype(float), axis=1
    )
    others = np.linalg.norm(a.descriptors[:, None].astype(float) - b.descriptors[None].astype(float), axis=2)
    assert np.median(matched) < 0.1 * np.median(others)


def test_both_ways_agree_with_one_way(learned: LocalFeatures) -> None:
    upright, swapped = learned.both_ways(picture(CAT), 512, 60)
    alone = learned.keypoints(picture(CAT), 512, 60)
    assert np.array_equal(upright.descriptors, alone.descriptors)
    assert np.allclose(swapped.positions[:, 0], 1 - upright.positions[:, 0])
    assert not np.array_equal(swapped.descriptors, upright.descriptors)


def test_eight_bits_keep_distances() -> None:
    """Unit vectors 0.3 to 1.4 apart: distances change by less than 2 %, and by 0.2 % in the middle."""
    generator = np.random.default_rng(2)
    drawn = generator.standard_normal((400, 128)).astype(np.float32)
    drawn[1::2] = drawn[::2] + generator.uniform(0.3, 3, (200, 1)) * drawn[1::2]
    unit = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    before = np.linalg.norm(unit[::2] - unit[1::2], axis=1)
    kept = unit_in_bytes(unit).astype(np.float64)
    after = np.linalg.norm(kept[::2] - kept[1::2], axis=1) / UNIT_SCALE
    change = np.abs(after / before - 1)
    assert change.max() < 0.02
    assert np.median(change) < 0.002
    assert list(unit_in_bytes(np.array([[-1, 0, 1]], np.float32))[0]) == [0, 128, 255]


def test_without_weights_only_describing_fails(tmp_path: Path) -> None:
    overrides = {"kinds.local_features.descriptor": "hardnet8", "models.folder": str(tmp_path)}
    extractor = make_extractors(load_settings(environment={}, overrides=overrides))["local_features"]
    assert extractor.spec.model == "hardnet8"
    with pytest.raises(MissingModelError, match=r"hardnet8v2\.pt is missing"):
        extractor.extract([picture(CAT)])
