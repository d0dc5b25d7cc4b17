"""What the figures of quality are made of; expected values can be checked by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ambience.search.expansion import expanded
from photos import Photo
from quality import (
    LabelledSet,
    Results,
    caption_recalls,
    figures_of,
    labelled_sets,
    look_alike_map,
    look_alike_scores,
    name_map,
)
from quality_costs import Costs, many_like, unpacked_bytes
from quality_inputs import Collection, collection, words_of
from word_methods import _likeliest, _softmax, usual_names


def photo(name: str, label: str = "") -> Photo:
    return Photo(Path("x") / name, name, label, 300, 300)


def test_labels_are_asked_as_people_type_them() -> None:
    labels = ("sea_horse", "TallBuilding", "Faces")
    assert [words_of(each) for each in labels] == ["sea horse", "tall building", "faces"]


def test_a_caption_is_found_where_its_own_picture_stands() -> None:
    found = Collection(
        [photo("a"), photo("b"), photo("c")], ["x", "captions", "captions"], [(), ("one", "two"), ("three",)]
    )
    scores = np.array([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.9, 0.8, 0.8]], np.float32)
    asked: list[list[str]] = []

    def score(texts, places):
        asked.append(list(texts))
        return scores[:, places]

    # Own pictures at places 1 and 2, and at 3, since a tie counts against us.
    assert caption_recalls(score, found) == {1: pytest.approx(1 / 3), 5: 1.0, 10: 1.0}
    assert asked == [["one", "two", "three"]]


def test_the_name_of_a_class_is_asked_of_its_set_alone() -> None:
    one = LabelledSet("caltech101", np.array([4, 5, 6]), np.array(["sea_horse", "ant", "sea_horse"]))

    def score(texts, places):
        assert list(texts) == ["ant", "sea horse"]
        assert places.tolist() == [4, 5, 6]
        return np.array([[3, 2, 1], [3, 2, 1]], np.float32)

    # "ant" at place 2: 1/2. "sea horse" at places 1 and 3: (1 + 2/3) / 2.
    assert name_map(score, one) == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_a_picture_is_no_answer_to_itself() -> None:
    labels = np.array(["a", "a", "b", "c"])
    scores = np.array([[9, 1, 2, 0], [3, 9, 2, 0], [0, 0, 9, 0], [0, 0, 0, 9]], np.float32)
    # The first finds its fellow at place 2, the second at place 1; b and c have none and are not asked.
    assert look_alike_map(scores, labels) == pytest.approx((1 / 2 + 1) / 2)


def test_questions_are_widened_by_others_alone() -> None:
    rng = np.random.default_rng(1)
    count = 12
    made = {
        "global_features": rng.standard_normal((count, 16)).astype(np.float16),
        "image_text_features": rng.standard_normal((count, 8)).astype(np.float16),
        "color": rng.random((count, 512)).astype(np.float16),
        "phash": rng.integers(0, 256, (count, 8, 72), np.uint8),
    }
    found = look_alike_scores(made, np.arange(count))
    assert "global_features + whitening" not in found  # too few to fit it to
    pooled = made["global_features"].astype(np.float32)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    others = np.argsort(-(pooled @ pooled[0]))[1:8]
    expected = pooled @ expanded(pooled[0], pooled[others], 3.0)
    assert found["global_features + αQE"][0] == pytest.approx(expected, abs=1e-5)
    assert (np.diag(found["phash, 8 orientations"]) == 0).all()


def test_only_the_likeliest_classes_count() -> None:
    logits = np.array([[[0, np.log(2), np.log(4)], [0, 0, 0]]])
    shares = _softmax(logits, 1.0)
    assert shares[0] == pytest.approx([(1 / 7 + 1 / 3) / 2, (2 / 7 + 1 / 3) / 2, (4 / 7 + 1 / 3) / 2])
    assert (_likeliest(shares, 2)[0] > 0).tolist() == [False, True, True]
    assert len(usual_names()) == 1000


def test_a_library_is_filled_with_what_lies_near_real_embeddings() -> None:
    real = np.eye(3, 8, dtype=np.float32)
    many = many_like(real, 9)
    assert np.array_equal(many[:3], real)
    likeness = (many[3:] * real[np.arange(6) % 3]).sum(axis=1)
    assert likeness.max() < 0.9999
    assert likeness.min() > 0.9


def test_a_collection_is_gallery_and_captioned_pictures(tmp_path: Path) -> None:
    gallery, captions = tmp_path / "gallery", tmp_path / "captions"
    rows = []
    for number, label in enumerate(("ant", "ant", "bee")):
        path = gallery / "caltech101" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
        rows.append({"path": f"caltech101/{number}.png", "label": label})
    with (gallery / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label"])
        writer.writeheader()
        writer.writerows(rows)
    captions.mkdir()
    Image.new("RGB", (8, 8), (99, 0, 0)).save(captions / "c.png")
    (captions / "manifest.json").write_text(json.dumps([{"path": "c.png", "captions": ["one", "two"]}]))
    found = collection(gallery, captions, is_quick=False)
    assert found.places("captions").tolist() == [3]
    assert found.asked == [("one", 3), ("two", 3)]
    (one,) = labelled_sets(found)
    assert (one.key, sorted(one.labels.tolist())) == ("caltech101", ["ant", "ant", "bee"])
    assert collection(gallery, None, is_quick=False).asked == []


def test_figures_are_those_of_the_starter_beside_naive() -> None:
    keys = {"caltech101": 0.5, "corel1k": 0.9}
    results = Results(
        {"chance": {1: 0.01, 5: 0.05, 10: 0.1}, "ConSE, naive": {1: 0.1, 5: 0.2, 10: 0.3}}
        | {"Ambience, starter": {1: 0.2, 5: 0.4, 10: 0.45}},
        {"Ambience, starter": keys},
        {"global_features": keys, "global_features + αQE": {"caltech101": 0.6, "corel1k": 0.95}},
    )
    figures = figures_of(results, Costs(42.0, 5.0, 20.0, 3.0, 4.0, 6.0, 10_000))
    assert figures["starter_r10"] == 0.45
    assert figures["starter_r10_over_naive"] == 1.5
    assert (figures["starter_map_caltech"], figures["starter_map_corel"]) == (0.5, 0.9)
    assert (figures["global_map_corel"], figures["global_map_corel_aqe"]) == (0.9, 0.95)
    assert figures["starter_mb"] == 42.0


def test_what_is_fetched_is_little() -> None:
    assert 41e6 < unpacked_bytes() <= 45e6
