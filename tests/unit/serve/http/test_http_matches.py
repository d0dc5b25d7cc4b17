"""`/v1/images/{id}/matches` and the original's endpoints of local features, over a real library."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

import ambience

NAMES = ("coffee.png", "chelsea.png", "rocket.jpg")
BOX = (120, 90, 380, 290)


def encoded(image, form="JPEG"):
    out = io.BytesIO()
    image.save(out, form, quality=92)
    return out.getvalue()


@pytest.fixture(scope="module")
def coffee(shipped_photographs):
    with Image.open(shipped_photographs / "coffee.png") as image:
        return image.convert("RGB")


@pytest.fixture(scope="module")
def crop(coffee):
    return encoded(coffee.crop(BOX))


@pytest.fixture(scope="module")
def mirrored(coffee):
    return encoded(ImageOps.mirror(coffee.crop(BOX)))


@pytest.fixture(scope="module")
def blank():
    return encoded(Image.new("RGB", (200, 150), (200, 200, 200)), "PNG")


@pytest.fixture(scope="module")
def client(_servers, tmp_path_factory, shipped_photographs):
    """A client of a server of three photographs: 1 to 3, in the order of `NAMES`."""
    with ambience.open(tmp_path_factory.mktemp("matches") / "library", writer=True) as library:
        for number, name in enumerate(NAMES, 1):
            data = (shipped_photographs / name).read_bytes()
            assert library.add_image(data, name=name, image_id=number).image_id == number
        running = _servers(library, None)
        yield running.client
        running.stop()


def compare(client, data, image_id=1, **given):
    url = f"/v1/images/{image_id}/matches"
    return client.post(url, files={"image": ("asked.jpg", data)}, **given)


def test_a_crop_is_placed_where_it_was_cut(client, crop):
    said = compare(client, crop, params={"format": "json"}).json()
    assert said["verdict"] == "part"
    assert said["query"] == {"name": "asked.jpg", "width": 260, "height": 200}
    assert (said["image"]["name"], said["image"]["width"]) == ("coffee.png", 600)
    place = [said["place"][side] for side in ("x", "y", "width", "height")]
    assert np.abs(np.array(place) - [120, 90, 260, 200]).max() <= 2
    geometry = said["geometry"]
    assert geometry["relation"] == "within"
    assert geometry["image_overlap"] == pytest.approx(260 * 200 / (600 * 400), rel=0.03)
    assert geometry["is_copy"] is True
    assert len(said["matches"]) >= geometry["inliers"] * 0.8 >= 10
    moved = [np.subtract(each["image"], each["query"]) for each in said["matches"]]
    assert np.abs(np.median(moved, axis=0) - [120, 90]).max() < 1
    assert {each["kind"] for each in said["evidence"]} >= {"local_features", "phash"}


def test_a_mirrored_crop_is_said_to_be_one(client, mirrored):
    geometry = compare(client, mirrored, params={"format": "json"}).json()["geometry"]
    assert geometry["is_mirrored"] is True
    assert geometry["turn_deg"] == pytest.approx(0, abs=2)


def test_the_answer_is_what_the_client_asks_for(client, crop):
    def kind(**given):
        answer = compare(client, crop, **given)
        assert answer.status_code == 200
        assert answer.headers["vary"] == "Accept"
        return answer.headers["content-type"]

    assert kind() == "image/jpeg"
    assert kind(headers={"accept": "image/avif,image/webp,*/*;q=0.8"}) == "image/jpeg"
    assert kind(headers={"accept": "application/json"}) == "application/json"
    assert kind(headers={"accept": "application/json;q=0.5, image/png;q=0.9"}) == "image/png"
    assert kind(headers={"accept": "application/json;q=0, image/png;q=x"}) == "image/jpeg"
    assert kind(headers={"accept": "application/json"}, params={"format": "png"}) == "image/png"


def test_stored_pictures_are_compared_too_and_drawn_as_asked(client):
    same = client.get("/v1/images/1/matches/1", params={"format": "json"}).json()
    assert (same["verdict"], same["geometry"]["relation"]) == ("same_file", "whole")
    other = client.get("/v1/images/1/matches/2", params={"format": "json"})
    assert other.status_code == 200
    assert (other.json()["verdict"], other.json()["geometry"], other.json()["matches"]) == (None, None, [])
    assert (other.json()["alignment"], other.json()["colors"]) == (None, [])
    assert {"phash", "color"} <= {each["kind"] for each in other.json()["evidence"]}
    assert all(each["verdict"] is None for each in other.json()["evidence"])
    tall, wide = (
        Image.open(io.BytesIO(client.get(f"/v1/images/1/matches/2?layout={layout}").content))
        for layout in ("below", "beside")
    )
    assert tall.height > wide.height
    assert wide.width > tall.width
    assert max(*tall.size, *wide.size) <= 1600


def test_a_part_of_the_query_is_compared(client):
    """The lower right quarter of a picture, in the whole of it; and parts that are none."""
    for asked in (client.get, client.post):
        path = "/v1/images/1/matches" + ("/1" if asked == client.get else "")
        sent = {} if asked == client.get else {"files": {"image": client.get("/v1/images/1/file").content}}
        params = {"format": "json", "region": "0.5,0.5,0.5,0.5"}
        part = asked(path, params=params, **sent).json()
        assert part["verdict"] == "part"
        width, height = part["image"]["width"], part["image"]["height"]
        assert abs(part["place"]["x"] - width / 2) + abs(part["place"]["y"] - height / 2) < 0.02 * width
        for wrong in ("0.5,0.5", "0.5,0.5,0.6,0.5", "a,b,c,d", "nan,0,1,1"):
            answer = asked(path, params=params | {"region": wrong}, **sent)
            assert answer.status_code == 400
            assert "region" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/images/1/matches/99", 404),
        ("/v1/images/99/matches/1", 404),
        ("/v1/images/1/matches/x", 400),
        ("/v1/images/1/matches/2?format=gif", 400),
        ("/v1/images/1/matches/2?layout=round", 400),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert len(answer.json()["detail"]) > 10


def test_a_comparison_needs_a_picture_that_can_be_read(client, crop):
    assert client.post("/v1/images/1/matches").json()["code"] == "missing_field"
    assert compare(client, b"no picture").status_code == 415
    assert compare(client, crop[:2000]).status_code == 422
    assert compare(client, crop, image_id=99).status_code == 404


def test_a_blank_picture_matches_nothing_and_says_why(client, blank):
    said = compare(client, blank, params={"format": "json"}).json()
    assert (said["verdict"], said["geometry"]) == (None, None)
    assert compare(client, blank).headers["content-type"] == "image/jpeg"


def test_only_features_cannot_be_compared(client, crop):
    files = {"image": ("x", crop)}
    client.post("/calculate_phash_features", files=files, data={"image_id": "500"}).raise_for_status()
    answer = client.get("/v1/images/1/matches/500")
    assert answer.status_code == 404
    assert "only its features are kept" in answer.json()["detail"]
    client.post("/delete_phash_features", json={"image_id": 500}).raise_for_status()


def test_hits_of_a_search_carry_the_geometry(client, crop):
    (hit,) = client.post("/v1/search", files={"image": ("q", crop)}, data={"verdicts": "part"}).json()[
        "matches"
    ]
    assert hit["image_id"] == 1
    assert abs(hit["place"]["x"] - 120) <= 3
    geometry = next(each["geometry"] for each in hit["evidence"] if each["kind"] == "local_features")
    assert np.array(geometry["transform"]).shape == (3, 3)
    assert np.array(geometry["query_in_image"]).shape == (4, 2)
    others = [each for each in hit["evidence"] if each["kind"] != "local_features"]
    assert [each["geometry"] for each in others] == [None] * len(others)


# --- the original's endpoints


def similar(client, data, **fields):
    url = "/local_features_get_similar_images_by_image_buffer"
    return client.post(url, files={"image": ("q", data)}, data=fields)


def test_items_have_the_originals_keys_and_the_best_match_first(client, crop):
    items = similar(client, crop, use_smnn_matching="1").json()
    assert items[0]["image_id"] == 1
    assert items[0]["file_name"] == "coffee.png"
    assert set(items[0]) == {"image_id", "matches", "file_name"}
    counts = [item["matches"] for item in items]
    assert counts == sorted(counts, reverse=True)
    assert all(isinstance(count, int) for count in counts)


def test_every_knob_does_what_it_did(client, crop):
    def counts(**fields):
        return {item["image_id"]: item["matches"] for item in similar(client, crop, **fields).json()}

    everything = counts()
    assert sum(counts(k_clusters="1").values()) < sum(everything.values())
    assert counts(k_clusters="5", knn_min_matches="1", matching_threshold="0.9") == everything
    assert len(counts(k="1")) == 1
    fewest = min(everything.values())
    assert fewest not in counts(knn_min_matches=str(fewest + 1)).values()
    assert min(counts(knn_min_matches=str(fewest)).values()) == fewest  # inclusive
    assert counts(matching_threshold="0") == {}
    near = counts(matching_threshold="0.1")
    assert all(count <= everything[image_id] for image_id, count in near.items())
    assert 0 < sum(near.values()) < sum(everything.values())
    mutual = counts(use_smnn_matching="1")
    strict = counts(use_smnn_matching="1", smnn_match_threshold="0.5")
    assert 0 < strict[1] < mutual[1]
    assert set(counts(use_smnn_matching="1", use_ransac="1")) == {1}  # what noise agrees on is no match
    assert counts(use_ransac="1") == everything  # only with smnn, as in the original


def test_a_mirrored_picture_is_found_as_well(client, mirrored):
    assert [
        item["image_id"] for item in similar(client, mirrored, use_smnn_matching=1, use_ransac=1).json()
    ] == [1]


def test_by_id_knobs_may_be_numbers_or_strings(client):
    def by_id(**fields):
        return client.post("/local_features_get_similar_images_by_id", json=fields).json()

    items = by_id(image_id=1, k=1, use_smnn_matching=1, use_ransac=True)
    assert [item["image_id"] for item in items] == [1]
    assert by_id(image_id="1", k="1", use_smnn_matching="1", use_ransac="true") == items


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("k", "0"),
        ("k", "x"),
        ("k_clusters", "0"),
        ("k_clusters", "1.5"),
        ("k_clusters", "101"),
        ("k_clusters", str(10**30)),
        ("knn_min_matches", "-1"),
        ("matching_threshold", "nan"),
        ("matching_threshold", "-0.1"),
        ("smnn_match_threshold", "much"),
        ("use_ransac", "maybe"),
        ("use_smnn_matching", "2"),
    ],
)
def test_values_that_make_no_sense_are_named(client, crop, field, value):
    answer = similar(client, crop, **{field: value})
    assert answer.status_code == 400
    assert field in answer.json()["detail"]
    by_id = client.post("/local_features_get_similar_images_by_id", json={"image_id": 1, field: value})
    assert by_id.status_code == 400


def test_a_picture_without_keypoints_is_remembered_and_matches_nothing(client, blank):
    files = {"image": ("x", blank)}
    answer = client.post("/calculate_local_features", files=files, data={"image_id": "77"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "empty"
    assert "keypoints" in answer.json()["reason"]
    assert similar(client, blank).json() == []
    by_id = client.post("/local_features_get_similar_images_by_id", json={"image_id": 77})
    assert (by_id.status_code, by_id.json()) == (200, [])
    again = client.post("/calculate_local_features", files=files, data={"image_id": "77"})
    assert again.status_code == 409
    assert client.post("/delete_local_features", json={"image_id": "77"}).status_code == 200
    assert client.post("/delete_local_features", json={"image_id": "77"}).status_code == 404
    gone = client.post("/local_features_get_similar_images_by_id", json={"image_id": 77})
    assert gone.status_code == 404


def test_a_feature_added_as_in_the_original_is_found_by_its_name(client, mirrored):
    files = {"image": ("x", mirrored)}
    added = client.post("/calculate_local_features", files=files, data={"image_id": "900"})
    assert (added.status_code, added.content) == (200, b"")
    items = similar(client, mirrored, use_smnn_matching="1", use_ransac="1").json()
    assert items[0]["file_name"] == "900.online"
    assert {item["image_id"] for item in items} == {1, 900}
    assert client.post("/delete_local_features", json={"file_name": "900.online"}).status_code == 200


def test_the_knobs_are_described(client):
    paths = client.get("/openapi.json").json()["paths"]
    body = paths["/local_features_get_similar_images_by_image_buffer"]["post"]["requestBody"]["content"]
    knobs = body["multipart/form-data"]["schema"]["properties"]
    assert {"k", "k_clusters", "knn_min_matches", "matching_threshold", "use_ransac"} <= set(knobs)
    assert knobs["k_clusters"]["default"] == 5
    assert knobs["use_smnn_matching"]["type"] == "boolean"
    assert "distance_threshold" not in knobs
    matches = paths["/v1/images/{image_id}/matches/{other}"]["get"]["responses"]["200"]["content"]
    assert set(matches) == {"application/json", "image/jpeg", "image/png"}
