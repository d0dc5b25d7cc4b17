"""Points in lists: what is found, what is kept, and what is refused."""

import shutil
import threading
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ambience.datatypes import FeatureSpec
from ambience.errors import FeatureError, IndexFileError, QueryError, SettingsError
from ambience.index._product_points import ProductPoints
from ambience.index._slots import IdSlots
from ambience.index.descriptors import DescriptorIndex, DescriptorOptions
from support.points_oracle import blobs_of

SPEC = FeatureSpec("toy", "toy", 128, "uint8", "points", 1, 1)


def descriptors(count: int, *, seed: int = 0) -> Any:
    """RootSIFT-like: few large values, norm 512."""
    drawn = np.random.default_rng(seed).dirichlet(np.full(128, 0.3), count)
    return np.minimum(np.sqrt(drawn) * 512, 255).astype(np.uint8)


def moved(rows: Any, distance: float) -> Any:
    """The same, each moved by about a distance."""
    moves = np.random.default_rng(5).normal(0, distance / 128**0.5, rows.shape)
    return np.clip(np.rint(rows + moves), 0, 255).astype(np.uint8)


def trained(pictures: int, *, points: int = 20, **options: Any) -> tuple[DescriptorIndex, Any]:
    """An index of lists over pictures 0 … with some points each, and all their descriptors."""
    rows = descriptors(pictures * points)
    blobs = blobs_of(rows, np.full(pictures, points))
    index = DescriptorIndex(SPEC, DescriptorOptions(train_from=1, **options))
    index.train(blobs, expected=pictures)
    index.add(np.arange(pictures), blobs)
    return index, rows


@pytest.mark.parametrize("compile_from", [0, 10**15])
def test_moved_points_are_found_with_their_distance(compile_from: int) -> None:
    index, rows = trained(300, compile_from=compile_from, probes=16)
    queries = moved(rows[::40], 120)
    found = index.search(queries, 3)
    own = np.arange(0, len(rows), 40)
    assert np.mean(found.ids[:, 0] == own // 20 * 512 + own % 20) > 0.97
    true = np.square(queries.astype(float) - rows[::40]).sum(axis=1)
    assert np.mean(found.distances[:, 0]) == pytest.approx(np.mean(true), rel=0.15)
    assert np.median(np.abs(found.distances[:, 0] / true - 1)) < 0.4


def test_compiled_scans_answer_what_numpy_does() -> None:
    """Up to the rounding of queries to 4 bits, which numpy does without."""
    quick, rows = trained(200, compile_from=0, lists=40)
    plain, _ = trained(200, compile_from=10**15, lists=40)
    one, other = (index.search(moved(rows[::50], 60), 1) for index in (quick, plain))
    assert np.mean(one.ids == other.ids) > 0.97
    assert np.median(np.abs(one.distances - other.distances)) < 1500


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_batch_answers_what_its_queries_answer_alone(threads: int) -> None:
    index, rows = trained(150, compile_from=0, threads=threads, lists=2000)
    queries = moved(rows[:300], 80)
    whole = index.search(queries, 5)
    for row in (0, 150, 299):
        alone = index.search(queries[row : row + 1], 5)
        assert np.array_equal(alone.ids[0], whole.ids[row])
        np.testing.assert_allclose(alone.distances[0], whole.distances[row], rtol=1e-4, atol=1)


def test_several_threads_search_at_the_same_time() -> None:
    index, rows = trained(150, compile_from=0)
    queries = moved(rows[:200], 80)
    true, wrong = index.search(queries, 5), []

    def ask() -> None:
        for _ in range(5):
            if not np.array_equal(index.search(queries, 5).ids, true.ids):
                wrong.append(1)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert wrong == []


def test_what_did_not_change_is_linked_and_what_came_is_kept_apart(tmp_path: Path) -> None:
    index, rows = trained(120)
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    index.save(folders[0])
    renamed = folders[0].rename(tmp_path / "renamed")
    fresh = descriptors(40, seed=9)
    index.add(np.array([500, 501]), blobs_of(fresh, np.array([20, 20])))
    index.remove(np.array([3]))
    index.save(folders[1], previous=renamed)
    assert (renamed / "opened-words.npy").samefile(folders[1] / "opened-words.npy")
    again = DescriptorIndex.load(folders[1], SPEC, DescriptorOptions())
    for each in (index, again):
        assert 3 not in each.ids() and {500, 501} <= set(each.ids().tolist())
        assert each.points == 120 * 20 + 40 - 20
        assert each.search(fresh[:1], 1).ids.tolist() == [[500 * 512]]
        assert 3 not in each.search(rows[60:80], 5).ids // 512
    again.save(folders[2], previous=renamed)  # not where its files lie, yet the same files
    assert (renamed / "opened-words.npy").samefile(folders[2] / "opened-words.npy")


def test_files_of_another_index_are_not_linked(tmp_path: Path) -> None:
    index, rows = trained(60)
    other, _ = trained(60, points=10)
    for name, each in (("one", index), ("other", other)):
        (tmp_path / name).mkdir()
        each.save(tmp_path / name)
    (tmp_path / "two").mkdir()
    index.save(tmp_path / "two", previous=tmp_path / "other")
    found = DescriptorIndex.load(tmp_path / "two", SPEC, DescriptorOptions()).search(rows[:20], 1)
    assert found.ids[:, 0].tolist() == list(range(20))


def test_many_removals_are_squeezed_out_on_saving(tmp_path: Path) -> None:
    index, rows = trained(120)
    (tmp_path / "one").mkdir()
    index.save(tmp_path / "one")
    index.remove(np.arange(80))
    (tmp_path / "two").mkdir()
    index.save(tmp_path / "two", previous=tmp_path / "one")
    sizes = [(tmp_path / name / "opened-words.npy").stat().st_size for name in ("one", "two")]
    assert sizes[1] < sizes[0]
    again = DescriptorIndex.load(tmp_path / "two", SPEC, DescriptorOptions())
    for each in (index, again):
        assert each.search(rows[100 * 20 : 100 * 20 + 3], 1).ids.ravel().tolist() == [51200, 51201, 51202]
        assert each.ids().tolist() == list(range(80, 120))


def test_lists_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    index, _ = trained(60, lists=20)
    (tmp_path / "whole").mkdir()
    index.save(tmp_path / "whole")
    harms: dict[str, Any] = {
        "opened-owners": lambda owners: np.full_like(owners, 99),
        "opened-sizes": lambda sizes: sizes + 64,
        "opened-points": lambda points: points.astype(np.int64),
        "counts": lambda counts: counts // 2,
        "starts": lambda starts: starts[::-1].copy(),
        "leaves": lambda leaves: leaves[:, :64].copy(),
    }
    for name, harm in harms.items():
        broken = tmp_path / name
        shutil.copytree(tmp_path / "whole", broken)
        np.save(broken / f"{name}.npy", harm(np.load(broken / f"{name}.npy")))
        with pytest.raises(IndexFileError, match="rebuild"):
            DescriptorIndex.load(broken, SPEC, DescriptorOptions())


def test_points_beyond_the_features_named_are_passed_over(tmp_path: Path) -> None:
    """A file that was tampered with must not make a compiled scan read beyond its arrays."""
    index, rows = trained(60)
    (tmp_path / "broken").mkdir()
    index.save(tmp_path / "broken")
    points = np.load(tmp_path / "broken" / "opened-points.npy")
    np.save(tmp_path / "broken" / "opened-points.npy", np.full_like(points, 2**32 - 1))
    for compile_from in (0, 10**15):
        options = DescriptorOptions(compile_from=compile_from)
        again = DescriptorIndex.load(tmp_path / "broken", SPEC, options)
        assert (again.search(rows[:4], 3).ids == -1).all()


def test_more_lists_are_visited_where_those_near_hold_too_few() -> None:
    index, rows = trained(200, probes=1, lists=100)
    found = index.search(rows[:10], 200, allowed=np.arange(190, 200))
    assert (np.sort(found.ids // 512, axis=1) == np.repeat(np.arange(190, 200), 20)).all()


def test_ranges_are_as_wide_as_asked_for_in_the_lists_visited() -> None:
    """All of a few lists, none of them twice, however many that are; and only what is allowed."""
    index, rows = trained(300, lists=4, probes=4)
    for radius in (20_000.0, 200_000.0, float("inf")):
        ((distances, ids),) = index.range_search(rows[:1], radius)
        whole = index.search(rows[:1], 6000)
        count = int((whole.distances[0] <= radius).sum())
        assert np.array_equal(ids, whole.ids[0][:count]) and len(distances) == count
    assert count == 6000
    for distances, ids in index.range_search(rows[:2], float("inf"), allowed=np.array([5, 6])):
        assert sorted(ids.tolist()) == [512 * each + n for each in (5, 6) for n in range(20)]
        assert (np.diff(distances) >= 0).all()


def test_recall_counts_any_of_many_copies() -> None:
    photo = descriptors(20)
    rows = np.concatenate(
        [moved(photo, 5 + 0.01 * number) for number in range(120)] + [descriptors(4000, seed=3)]
    )
    blobs = blobs_of(rows, np.full(320, 20))
    index = DescriptorIndex(SPEC, DescriptorOptions(train_from=1), fetch=lambda ids: blobs[ids])
    index.train(blobs, expected=320)
    index.add(np.arange(320), blobs)
    assert index.recall(blobs[:120]) > 0.95


def test_recall_is_of_points_that_moved() -> None:
    index, rows = trained(300, probes=16)
    sample = blobs_of(rows[:600], np.full(30, 20))
    assert index.recall(sample) > 0.95
    poor, _ = trained(300, probes=1, lists=2000)
    assert poor.recall(sample) < index.recall(sample)
    few = DescriptorIndex(SPEC, DescriptorOptions())
    few.add(np.arange(30), sample)
    assert few.recall(sample) == 1.0


def test_when_lists_are_made_and_made_anew() -> None:
    index = DescriptorIndex(SPEC, DescriptorOptions(train_from=10))
    assert index.sample_size(9) == 0 and index.sample_size(40) == 40
    assert index.sample_size(1_000_000) < 20_000
    blobs = blobs_of(descriptors(80), np.full(40, 2))
    index.add(np.arange(9), blobs[:9])
    assert not index.is_outgrown()
    index.add(np.array([9]), blobs[9:10])
    assert index.is_outgrown()
    index.train(blobs[:0], expected=10)  # pictures without points call for no lists
    index.train(blobs[:10], expected=10)
    index.add(np.arange(39), blobs[:39])
    assert not index.is_outgrown()
    index.add(np.array([39]), blobs[39:])
    assert index.is_outgrown()


def test_blobs_that_are_none_are_refused() -> None:
    index = DescriptorIndex(SPEC, DescriptorOptions())
    good = blobs_of(descriptors(3), np.array([3]))
    cut = np.empty(1, object)
    cut[0] = good[0][:-1]
    words = np.empty(1, object)
    words[0] = "words"
    for wrong in (cut, words):
        with pytest.raises(FeatureError, match="local features"):
            index.add(np.array([1]), wrong)
    with pytest.raises(QueryError, match="one id a vector"):
        index.add(np.array([1, 2]), good)
    assert len(index) == 0 and index.points == 0
    with pytest.raises(SettingsError, match="128 values"):
        DescriptorIndex(FeatureSpec("toy", "toy", 64, "uint8", "points", 1, 1), DescriptorOptions())


def test_points_in_faiss_live_as_others_do(tmp_path: Path) -> None:
    """With codes that are quicker to train than the original's, of the same form: transformed, in lists."""
    rows, points = descriptors(280), np.arange(14).repeat(20) * 512 + np.tile(np.arange(20), 14)
    inner = faiss.index_factory(128, "PCAR64,IVF4,SQ8")
    inner.train(rows.astype(np.float32))
    held = ProductPoints(IdSlots(), np.empty(0, np.uint16), inner, probed=4)
    held.add(np.arange(14), points, rows)
    assert held.remove(np.array([7, 99])) == 1
    fresh = descriptors(20, seed=3)
    held.add(np.array([99]), 99 * 512 + np.arange(20), fresh)
    held.write(tmp_path, None)
    for each in (held, ProductPoints.read(tmp_path, probed=4)):
        assert each.slots.count == 14 and len(each) == 280
        assert each.nearest(rows[::20], 1, None).ids[:7, 0].tolist() == [512 * number for number in range(7)]
        assert each.nearest(fresh[:3], 1, None).ids[:, 0].tolist() == [50688, 50689, 50690]
        assert (each.nearest(rows[140:160], 3, None).ids // 512 != 7).all()
        within = each.nearest(rows[:5], 50, np.array([3, 99]))
        assert set((within.ids // 512).ravel().tolist()) == {3, 99, -1}
        assert np.array_equal(np.isinf(within.distances), within.ids < 0)
        ((distances, _),) = each.within(rows[:1], 100_000.0, None)
        assert len(distances) and distances.max() <= 100_000
    assert each.remove(np.array([99])) == 1 and len(each) == 260
    (tmp_path / "product.faiss").write_bytes(b"words")
    with pytest.raises(IndexFileError, match="rebuild"):
        ProductPoints.read(tmp_path, probed=4)


def test_files_of_other_codes_are_refused(tmp_path: Path) -> None:
    index, _ = trained(20)
    index.save(tmp_path)
    with pytest.raises(IndexFileError, match="rebuild"):
        DescriptorIndex.load(tmp_path, SPEC, DescriptorOptions(codes="opq64"))


def test_codes_that_there_are_not_are_refused() -> None:
    with pytest.raises(SettingsError, match="one_bit, opq64"):
        DescriptorIndex(SPEC, DescriptorOptions(codes="pq"))
