"""What the search for local features is measured on: who is in it, made once, taken up where it broke off."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import local_building
from ambience.keypoints import Blob, Keypoints, pack
from ambience.store.commit import Store
from local_inputs import AS_IT_IS, FILLING, Kept, plan
from local_library import KIND, extractor
from local_search import CROPS, HARDER, OUTSIDE, Case, Collection, summary
from local_tables import figures_of, label
from neighbor_statistics import kolmogorov_smirnov, nearest
from photos import find_photos


class Few:
    """Pictures of ten random points each; the third has none. Breaks off where it is told to."""

    def __init__(self, *, breaks_at: int | None = None) -> None:
        self.breaks_at = breaks_at

    def blobs(self, first: int, stop: int) -> Iterator[Blob | None]:
        for number in range(first, stop):
            if number == self.breaks_at:
                raise KeyboardInterrupt
            yield None if number == 2 else picture(number)


def picture(number: int) -> Blob:
    rng = np.random.default_rng(number)
    positions = rng.random((10, 2), np.float32)
    return pack(
        Keypoints(
            positions,
            np.full(10, 8, np.float32),
            np.zeros(10, np.float32),
            rng.integers(0, 90, (10, 128), np.uint8),
            400,
            300,
        )
    )


def make_part(part: int) -> list[Blob | None]:
    """Two pictures a part, the second of the first part without keypoints."""
    return [picture(2 * part), None if part == 0 else picture(2 * part + 1)]


def test_a_library_is_taken_up_where_its_making_broke_off(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        local_building.build(tmp_path, Few(breaks_at=13), 20, {}, group=5, added=4)
    begun = json.loads((tmp_path / "making.json").read_text())

    made = local_building.build(tmp_path, Few(), 20, {1: tmp_path / "one.jpg"}, group=5, added=4)

    assert begun["features"]["images"] == 10
    assert made["features"]["images"] == 20 and made["add"]["images"] == 4
    with Store.open(tmp_path, {KIND: extractor().spec}, writer=False) as store:
        assert store.records.count() == 20  # what was added to be timed is gone
        fingerprint = extractor().spec.fingerprint
        assert (store.records.feature_ids(fingerprint, [3, 4]) >= 0).tolist() == [False, True]
    assert local_building.build(tmp_path, Few(breaks_at=0), 20, {}) == made


def test_blobs_are_kept_and_only_missing_ones_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = Kept("a", make_part, per_part=2)
    kept.prepare(3)
    first = kept.folder / "00000.npz"
    stamp = first.stat().st_mtime_ns

    kept.prepare(6)

    assert first.stat().st_mtime_ns == stamp
    found = list(kept.blobs(1, 5))
    assert found[0] is None
    for blob, number in zip(found[1:], (2, 3, 4), strict=True):
        assert np.array_equal(blob, picture(number))


def test_a_plan_begins_with_the_photos_and_holds_nothing_of_outsiders(tmp_path: Path):
    from PIL import Image

    rng = np.random.default_rng(3)
    for number in range(12):
        rgb = rng.integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(rgb).resize((260, 250)).save(tmp_path / f"{number}.png")
    photos = find_photos(tmp_path)

    planned = plan(photos, queries=2, outsiders=2, seed=5)

    shown = [each.photo for each in planned.variants]
    assert len(planned.variants) == 10 + 8 * len(FILLING)
    assert all(each.transform == AS_IT_IS for each in planned.variants[:10])
    assert not set(shown) & set(planned.outsiders)
    for query in planned.queries:
        assert shown.count(query) == 1 and planned.variants[planned.image_of(query) - 1].photo == query
    assert not {each.other for each in planned.variants[10:]} & {*planned.queries, *planned.outsiders}
    assert plan(photos, queries=2, outsiders=2, seed=5) == planned


def test_a_collection_goes_on_with_made_pictures():
    collection = Collection([""] * 4, Few(), 4, Few())  # type: ignore[arg-type]

    found = list(collection.blobs(1, 6))

    expected = [picture(1), None, picture(3), picture(0), picture(1)]
    for blob, right in zip(found, expected, strict=True):
        assert (blob is None and right is None) or np.array_equal(blob, right)


def test_a_summary_counts_right_and_false_answers():
    asked = [Case(b"", row, image) for row in (*CROPS, *HARDER) for image in (1, 2)]
    asked += [Case(b"", OUTSIDE, 0, label) for label in ("cat", "dog", "")]
    answers = [{"wall_s": 0.1, "cpu_s": 0.2, "hits": [[1, 30.0]]} for _ in asked[:-3]]
    answers += [{"wall_s": 9.0, "cpu_s": 9.0, "hits": hits} for hits in ([[7, 20.0]], [[7, 20.0]], [])]

    found = summary(dict.fromkeys(("cold", "first", "whole"), answers), asked, {1: "", 7: "cat"}.__getitem__)

    assert found["first"]["recall"] == 0.5 and found["whole"]["rows"][HARDER[0]] == 0.5
    assert found["first"]["p95_s"] == pytest.approx(0.1)  # outsiders are not timed
    outside = [found["whole"][name] for name in ("outsiders", "false", "same_label")]
    assert outside == [3, 1, 1]


def test_figures_are_named_by_the_size_reached():
    at = {"first": {"p50_s": 0.05, "recall": 0.99}, "resident_after_whole": {"own": 1, "index files": 1}}
    far = {
        "first": {"p50_s": 0.3, "recall": 0.98},
        "resident_after_whole": {"own": 10**9, "index files": 5 * 10**8},
    }

    assert label(1_000_000) == "1m" and label(250_000) == "250k"
    assert figures_of({10_000: at}) == {"local_p50_ms_10k": 50.0, "local_recall_10k": 0.99}
    figures = figures_of({10_000: at, 250_000: far})
    assert figures["local_p50_s_250k"] == 0.3 and figures["local_resident_gb_250k"] == 1.5
    assert figures["local_recall_drop_250k"] == pytest.approx(0.01)


def test_distributions_differ_by_their_largest_gap():
    same = np.arange(10, dtype=np.float32)

    assert kolmogorov_smirnov(same, same) == 0
    assert kolmogorov_smirnov(same, same + 5) == pytest.approx(0.5)
    assert kolmogorov_smirnov(same, same + 100) == 1


def test_nearest_neighbors_come_from_all_sets_so_far():
    queries = np.zeros((1, 128), np.uint8)
    near, far = np.zeros((10, 128), np.uint8), np.zeros((10, 128), np.uint8)
    near[:, 0], far[:, 0] = 3, 5

    after_far, after_both = nearest(queries, [far, near])

    assert after_far[0].tolist() == [5.0] * 10 and after_both[0].tolist() == [3.0] * 10
