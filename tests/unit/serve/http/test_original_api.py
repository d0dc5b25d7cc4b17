"""The original's endpoints: its names, fields and result keys, without its faults."""

import pytest


@pytest.fixture
def filled(client, picture):
    for seed in range(5):
        for kind in ("phash", "color"):
            answer = client.post(
                f"/calculate_{kind}_features",
                files={"image": ("x", picture(seed))},
                data={"image_id": str(seed)},
            )
            assert (answer.status_code, answer.content) == (200, b"")
    return client


def by_id(client, kind, **fields):
    return client.post(f"/{kind}_get_similar_images_by_id", json=fields)


def by_picture(client, kind, data, **fields):
    url = f"/{kind}_get_similar_images_by_image_buffer"
    return client.post(url, files={"image": ("q", data)}, data=fields)


def test_by_id_the_query_itself_comes_first_at_distance_zero(filled):
    items = by_id(filled, "phash", image_id=2, k="3").json()
    assert items[0] == {"image_id": 2, "distance": 0}
    assert len(items) == 3
    assert all(isinstance(item["distance"], int) for item in items)
    assert [item["distance"] for item in items] == sorted(item["distance"] for item in items)


def test_color_distances_are_floats_in_the_originals_unit(filled, picture):
    items = by_picture(filled, "color", picture(1), k="5").json()
    assert items[0] == {"image_id": 1, "distance": 0.0}
    assert all(isinstance(item["distance"], float) for item in items)
    assert 1e5 < items[1]["distance"] <= 2e7


@pytest.mark.parametrize("kind", ["phash", "color"])
@pytest.mark.parametrize("ask", ["id", "picture"])
def test_thresholds_are_inclusive_numbers_or_strings(filled, picture, kind, ask):
    def within(threshold):
        if ask == "id":
            return by_id(filled, kind, image_id=1, distance_threshold=threshold).json()
        return by_picture(filled, kind, picture(1), distance_threshold=str(threshold)).json()

    everything = by_id(filled, kind, image_id=1, k=5).json() if ask == "id" else within(1e9)
    second = everything[1]["distance"]
    assert within(0) == everything[:1]
    assert within(second)[:2] == everything[:2]
    assert within(str(second)) == within(second)
    below = [item for item in within(second * 0.999) if item["distance"] >= second]
    assert below == []


def test_more_asked_than_held_gives_what_is_held_and_never_an_id_of_minus_one(filled, picture):
    for answer in (
        by_id(filled, "phash", image_id=0, k=10**12),
        by_picture(filled, "color", picture(0), k="999"),
    ):
        assert sorted(item["image_id"] for item in answer.json()) == [0, 1, 2, 3, 4]


def test_an_empty_collection_answers_an_empty_list(client, picture):
    assert by_picture(client, "phash", picture(0), k="5").json() == []
    assert by_picture(client, "color", picture(0), distance_threshold="5").json() == []


@pytest.mark.parametrize(
    "fields",
    [{}, {"k": 1, "distance_threshold": 1}, {"k": 0}, {"k": -1}, {"k": "x"}, {"distance_threshold": -1}],
)
def test_an_extent_that_makes_no_sense_is_refused(filled, picture, fields):
    assert by_id(filled, "phash", image_id=1, **fields).status_code == 400
    texts = {name: str(value) for name, value in fields.items()}
    assert by_picture(filled, "phash", picture(1), **texts).status_code == 400


def test_a_taken_id_is_a_conflict_and_another_kind_of_the_same_bytes_is_not(client, picture):
    def calculate(kind, seed):
        url = f"/calculate_{kind}_features"
        files = {"image": ("x", picture(seed))}
        return client.post(url, files=files, data={"image_id": "7"}).status_code

    assert [calculate("phash", 1), calculate("phash", 1), calculate("color", 2), calculate("color", 1)] == [
        200,
        409,
        409,
        200,
    ]


def test_an_unknown_name_or_an_empty_body_deletes_nothing(filled):
    for body, status in (
        ({"file_name": "nobody.jpg"}, 404),
        ({"file_name": "nobody.jpg", "image_id": 0}, 404),
        ({"image_id": 99}, 404),
        ({}, 400),
        ({"file_name": ""}, 400),
        ({"image_id": None}, 400),
        ({"image_id": False}, 400),
    ):
        assert filled.post("/delete_phash_features", json=body).status_code == status
    assert len(by_id(filled, "phash", image_id=0, k=10).json()) == 5


def test_deleting_one_kind_leaves_the_other(filled):
    assert filled.post("/delete_phash_features", json={"image_id": "0"}).status_code == 200
    assert filled.post("/delete_phash_features", json={"file_name": "1.online"}).status_code == 200
    assert {item["image_id"] for item in by_id(filled, "phash", image_id=2, k=9).json()} == {2, 3, 4}
    assert len(by_id(filled, "color", image_id=0, k=9).json()) == 5
    assert by_id(filled, "phash", image_id=0, k=1).status_code == 404


def test_names_come_along_where_the_setting_says_so(library, serve, picture):
    client = serve(library, original_file_names=True).client
    files = {"image": ("x", picture(1))}
    client.post("/calculate_phash_features", files=files, data={"image_id": "3"})
    items = by_id(client, "phash", image_id=3, k=1).json()
    assert items == [{"image_id": 3, "distance": 0, "file_name": "3.online"}]


def test_a_kind_served_alone_greets_as_the_original_and_has_no_other_kinds_endpoints(library, serve, picture):
    client = serve(library, kind="phash").client
    assert client.get("/").json() == {"Hello": "World"}
    assert [row["kind"] for row in client.get("/v1/kinds").json()["kinds"]] == ["phash"]
    assert by_picture(client, "phash", picture(1), k="1").status_code == 200
    assert by_picture(client, "color", picture(1), k="1").status_code == 404


def test_old_status_codes_come_back_by_setting(library, serve, picture):
    client = serve(library, original_status_codes=True).client
    files = {"image": ("x", picture(1))}
    client.post("/calculate_phash_features", files=files, data={"image_id": "3"})
    taken = client.post("/calculate_phash_features", files=files, data={"image_id": "3"})
    assert (taken.status_code, taken.headers["content-type"].split(";")[0]) == (500, "text/plain")
    assert client.post("/delete_phash_features", json={"image_id": 99}).status_code == 200
    assert by_id(client, "phash", image_id=99, k=1).status_code == 500
    assert by_id(client, "phash", k=1).status_code == 422
    assert client.get("/v1/images/99").status_code == 404


def test_file_names_can_be_switched_on_as_in_the_original():
    from ambience.settings_sources import load_settings

    for given, expected in (("1", True), ("0", False), ("yes", False)):
        assert load_settings(environment={"GET_FILENAMES": given}).serve.original_file_names is expected
