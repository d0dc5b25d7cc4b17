"""A client of the original, and its gallery's flow, against our gateway: nothing but the address changes.

Runs against one process, and against nine: a gateway, and a service for each kind and annotator.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

import ambience
from support.original_client import NAMES, OriginalClient
from support.services import only, served
from support.topology import running

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg")
LISTS = ("phash_res", "global_features_res", "local_features_res", "color_res", "image_text_res")
ANNOTATORS = ("text", "caption", "tags")
FILLED_BY_THE_ORIGINAL = ("color", "phash", "image_text_features")


@pytest.fixture(scope="module", params=["one process", pytest.param("nine", marks=pytest.mark.slow)])
def base_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a gateway over an empty collection answers."""
    folder = tmp_path_factory.mktemp("original")
    if request.param == "nine":
        with running(folder, *NAMES, *ANNOTATORS) as topology:
            yield f"http://127.0.0.1:{topology.ports['gateway']}"
        return
    settings = replace(only(folder / "library", {kind: {} for kind in NAMES}), annotate={})
    with ambience.open(settings=settings, writer=True) as library, served(library) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[OriginalClient]:
    made = OriginalClient(base_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def gallery(client: OriginalClient, shipped_photographs: Path) -> dict[int, bytes]:
    """Photographs imported as the original's gallery does: looked for as duplicates first, then added."""
    pictures = {}
    for image_id, name in enumerate(PHOTOGRAPHS, 1):
        pictures[image_id] = (shipped_photographs / name).read_bytes()
        found = client.reverse_search(pictures[image_id], find_duplicate=True).raise_for_status()
        assert found.json() == {}
        outcomes = client.calculate_all(pictures[image_id], image_id).raise_for_status().json()
        assert tuple(row["kind"] for row in outcomes[:3]) == FILLED_BY_THE_ORIGINAL
        assert {row["status"] for row in outcomes} == {"fulfilled"}
    return pictures


def copy_of(data: bytes, *, is_mirrored: bool = False) -> bytes:
    """A smaller JPEG of a picture."""
    with Image.open(io.BytesIO(data)) as opened:
        small = ImageOps.contain(opened.convert("RGB"), (400, 400))
    made = io.BytesIO()
    (ImageOps.mirror(small) if is_mirrored else small).save(made, "JPEG", quality=80)
    return made.getvalue()


def ids(items: list[dict[str, Any]]) -> list[int]:
    return [item["image_id"] for item in items]


def test_the_gallery_refuses_a_copy(client: OriginalClient, gallery: dict[int, bytes]) -> None:
    for is_mirrored in (False, True):
        copy = copy_of(gallery[2], is_mirrored=is_mirrored)
        found = client.reverse_search(copy, find_duplicate=True).raise_for_status().json()
        (item,) = found["duplicate"]
        assert item["image_id"] == 2
        assert type(item["distance"]) is int
        assert item["distance"] <= 64


def test_a_reverse_search_merges_all_kinds(client: OriginalClient, gallery: dict[int, bytes]) -> None:
    answer = client.reverse_search(copy_of(gallery[3])).raise_for_status()
    assert "x-ambience-missing" not in answer.headers
    found = answer.json()
    assert set(found) == {"unified_res", *LISTS}
    for name in LISTS:
        assert ids(found[name])[0] == 3
        assert set(ids(found[name])) <= gallery.keys()
    figure, *_ = (set(item) - {"image_id", "file_name"} for item in found["local_features_res"])
    assert figure == {"matches"}
    assert found["local_features_res"][0]["file_name"] == "3.online"
    # Fewer than 20 pictures: what is shown of each list is all that was merged.
    scores: dict[int, list[float]] = defaultdict(list)
    for name in LISTS:
        for rank, image_id in enumerate(ids(found[name])):
            scores[image_id].append(1 / (rank + 1))
    expected = {image_id: sum(each) for image_id, each in scores.items() if len(each) >= 2}
    assert {item["image_id"]: item["score"] for item in found["unified_res"]} == pytest.approx(expected)
    assert found["unified_res"][0] == {"image_id": 3, "score": pytest.approx(5.0)}


@pytest.mark.parametrize("kind", ["color", "global_features"])
def test_the_pages_of_alike_pictures_ask_by_id(
    client: OriginalClient, gallery: dict[int, bytes], kind: str
) -> None:
    items = client.by_id(kind, 1, k="100").raise_for_status().json()
    assert sorted(ids(items)) == sorted(gallery)
    assert items[0] == {"image_id": 1, "distance": pytest.approx(0, abs=1e-5)}
    assert all(type(item["distance"]) is float for item in items)
    assert [item["distance"] for item in items] == sorted(item["distance"] for item in items)


def test_the_semantic_search_asks_by_text(client: OriginalClient, gallery: dict[int, bytes]) -> None:
    items = client.by_text("a cat", k=100).raise_for_status().json()
    assert sorted(ids(items)) == sorted(gallery)
    assert ids(items)[0] == 2
    widened = client.by_text("a cat", k="3", aqe_n="2", aqe_alpha="1").raise_for_status().json()
    assert len(widened) == 3


def test_phash_answers_by_id_by_both_extents(client: OriginalClient, gallery: dict[int, bytes]) -> None:
    assert client.by_id("phash", 4, distance_threshold="64").json() == [{"image_id": 4, "distance": 0}]
    assert len(client.by_id("phash", "4", k=2).json()) == 2
    for knobs in ({}, {"k": "1", "distance_threshold": "64"}):
        assert client.by_id("phash", 4, **knobs).status_code == 400


@pytest.mark.parametrize(
    ("kind", "knobs"),
    [
        ("phash", {"distance_threshold": "64"}),
        ("color", {"k": "5"}),
        ("global_features", {"k": "5", "aqe_n": "2", "aqe_alpha": "0"}),
        ("image_text_features", {"distance_threshold": "1.2"}),
        ("local_features", {"k": "5", "k_clusters": "5"}),
        (
            "local_features",
            {
                "k": "5",
                "k_clusters": "10",
                "knn_min_matches": "4",
                "matching_threshold": "0.8",
                "use_smnn_matching": "1",
                "smnn_match_threshold": "0.8",
                "use_ransac": "1",
            },
        ),
    ],
)
def test_every_service_is_asked_with_a_picture(
    client: OriginalClient, gallery: dict[int, bytes], kind: str, knobs: dict[str, str]
) -> None:
    items = client.by_picture(kind, copy_of(gallery[5]), **knobs).raise_for_status().json()
    assert ids(items)[0] == 5
    assert len(items) <= 5
    figure = "matches" if kind == "local_features" else "distance"
    assert set(items[0]) - {"file_name"} == {"image_id", figure}


@pytest.mark.parametrize("kind", NAMES)
def test_every_service_adds_and_deletes(client: OriginalClient, gallery: dict[int, bytes], kind: str) -> None:
    image_id, data = 900, copy_of(gallery[1], is_mirrored=True)
    added = client.calculate(kind, data, image_id)
    assert (added.status_code, added.content) == (200, b"")
    assert client.calculate(kind, data, image_id).status_code == 409
    assert image_id in ids(client.by_id(kind, str(image_id), k="3").json())
    gone = client.delete(kind, image_id=image_id)
    assert (gone.status_code, gone.content) == (200, b"")
    assert client.by_id(kind, image_id, k="3").status_code == 404


def test_tags_and_captions_are_answered_at_the_same_address(
    client: OriginalClient, gallery: dict[int, bytes]
) -> None:
    """Their models are no part of a test; without them the answer says which are missing."""
    tags, caption = client.tags(gallery[2]), client.caption(gallery[2])
    for answer, form in ((tags, list), (caption, str)):
        if answer.status_code == 200:
            assert isinstance(answer.json(), form)
        else:
            assert (answer.status_code, answer.json()["code"]) == (503, "model_missing")
            assert "ambience models install" in answer.json()["detail"]


def test_what_is_deleted_is_found_by_none(client: OriginalClient, gallery: dict[int, bytes]) -> None:
    image_id, data = 901, copy_of(gallery[4])
    assert {row["status"] for row in client.calculate_all(data, image_id).json()} == {"fulfilled"}
    assert client.reverse_search(data, find_duplicate=True).json()["duplicate"][0]["image_id"] == image_id
    outcomes = client.delete_all(image_id).raise_for_status().json()
    assert {row["status"] for row in outcomes} == {"fulfilled"}
    assert {row["kind"] for row in outcomes} >= NAMES.keys()
    found = client.reverse_search(data).raise_for_status().json()
    assert {image_id} & {each for name in LISTS for each in ids(found[name])} == set()


def test_what_is_wrong_is_said(client: OriginalClient, gallery: dict[int, bytes]) -> None:
    assert client.calculate_all(gallery[1], "").status_code == 400
    assert client.calculate_all(gallery[1], "NaN").status_code == 400
    taken = client.calculate_all(gallery[1], 1).raise_for_status().json()
    assert {row["reason"] for row in taken} == {"Request failed with status code 409"}
    broken = client.calculate_all(gallery[1][:3000], 902).raise_for_status().json()
    assert {row["data"]["code"] for row in broken} == {"image_corrupt"}
    assert client.reverse_search(b"no picture", find_duplicate=True).status_code == 415
    assert client.by_id("color", 902, k="3").status_code == 404
