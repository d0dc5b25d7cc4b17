"""The original gateway's own endpoints: fill, forget and ask all kinds in one call."""

import pytest

from ambience.errors import ModelError, ServiceError
from support.original_client import OriginalClient

ROUTES = {
    "/calculate_all_image_features",
    "/delete_all_image_features",
    "/reverse_search",
    "/get_image_tags",
    "/get_image_caption",
    *(f"/calculate_{kind}_features" for kind in ("phash", "color", "local", "global", "image_text")),
    *(f"/delete_{kind}_features" for kind in ("phash", "color", "local", "global", "image_text")),
    *(
        f"/{kind}_get_similar_images_by_{way}"
        for kind in ("phash", "color", "local_features", "global_features", "image_text_features")
        for way in ("id", "image_buffer")
    ),
    "/image_text_features_get_similar_images_by_text",
}
"""All that the original's gateway answers to, and the way by id that it lacks for phash."""

FILLED = ("color", "phash", "text")


@pytest.fixture
def original(client):
    opened = OriginalClient(str(client.base_url))
    yield opened
    opened.close()


@pytest.fixture
def faults(_shared):
    library, _ = _shared
    yield library.faults
    library.faults.clear()


def test_every_route_of_the_original_is_there(tmp_path):
    import ambience
    from ambience.serve.http.app import create_app
    from ambience.settings import Settings

    with ambience.open(settings=Settings(library=tmp_path / "library"), writer=True) as opened:
        app = create_app(opened)
        paths = app.openapi()["paths"]
        app.state.server.close()
    assert {path for path in ROUTES if "post" not in paths.get(path, {})} == set()


def test_all_kinds_are_filled_in_the_originals_order(original, picture):
    outcomes = original.calculate_all(picture(1), 7).raise_for_status().json()
    assert [row["kind"] for row in outcomes] == list(FILLED)
    assert [(row["status"], row["value"]) for row in outcomes[:2]] == [("fulfilled", "")] * 2
    assert outcomes[2]["value"] == {"state": "empty", "reason": "there is no text in the picture"}
    for kind in ("color", "phash"):
        assert original.by_id(kind, 7, k="1").json() == [{"image_id": 7, "distance": 0}]


def test_what_one_kind_lacks_is_an_outcome_and_keeps_no_other_back(original, picture, faults):
    faults["color"] = ModelError("its model is not there")
    outcomes = {row["kind"]: row for row in original.calculate_all(picture(1), 3).json()}
    assert outcomes["phash"]["status"] == "fulfilled"
    assert outcomes["color"]["status"] == "rejected"
    assert outcomes["color"]["reason"] == "Request failed with status code 503"
    assert outcomes["color"]["data"]["detail"] == "its model is not there"


def test_a_taken_id_is_rejected_kind_by_kind(original, picture):
    original.calculate("phash", picture(1), 3).raise_for_status()
    statuses = {row["kind"]: row["status"] for row in original.calculate_all(picture(1), "3").json()}
    assert statuses == {"color": "fulfilled", "phash": "rejected", "text": "fulfilled"}
    other = original.calculate_all(picture(2), 3).json()
    assert {row["status"] for row in other} == {"rejected"}
    assert other[0]["data"]["code"] == "image_id_taken"


def test_a_broken_picture_is_rejected_by_all(original):
    outcomes = original.calculate_all(b"no picture", 3).raise_for_status().json()
    assert [row["kind"] for row in outcomes] == ["color", "phash"]
    assert {row["status"] for row in outcomes} == {"rejected"}
    assert outcomes[0]["data"]["code"] == "unsupported_format"


@pytest.mark.parametrize("image_id", ["", "NaN", "-1", "1.5", 2**60])
def test_an_id_that_is_none_is_refused_and_not_sent_on(original, picture, image_id):
    assert original.calculate_all(picture(1), image_id).status_code == 400
    assert original.delete_all(image_id).status_code == 400
    assert original.reverse_search(picture(1)).json() == {}


def test_all_kinds_are_forgotten(original, picture):
    original.calculate_all(picture(1), 7)
    outcomes = original.delete_all(7).raise_for_status().json()
    assert [(row["kind"], row["status"], row["value"]) for row in outcomes] == [
        (kind, "fulfilled", "") for kind in FILLED
    ]
    assert original.reverse_search(picture(1)).json() == {}
    assert {row["status"] for row in original.delete_all(7).json()} == {"rejected"}


def test_what_was_never_there_is_told_apart_and_counts_as_forgotten(original, picture):
    original.calculate("phash", picture(1), 7)
    values = {row["kind"]: row["value"] for row in original.delete_all("7").json()}
    assert values["phash"] == ""
    assert values["color"] == {"state": "absent", "reason": "there was none"}


def test_what_is_found_is_merged_and_cut_to_twenty(original, picture):
    for seed in range(24):
        original.calculate("color", picture(seed), seed).raise_for_status()
        original.calculate("phash", picture(seed), seed).raise_for_status()
    found = original.reverse_search(picture(5)).raise_for_status().json()
    assert set(found) == {"unified_res", "phash_res", "color_res"}
    assert len(found["color_res"]) == 20
    assert found["phash_res"] == [{"image_id": 5, "distance": 0}]
    assert found["unified_res"] == [{"image_id": 5, "score": 2.0}]


@pytest.mark.parametrize("file_name", ["image", "", None])
def test_a_buffer_is_a_picture_whatever_it_is_called(client, picture, file_name):
    original = OriginalClient(str(client.base_url), file_name=file_name)
    big = picture(1, size=(480, 360))
    assert len(big) > 64 * 2**10
    assert {row["status"] for row in original.calculate_all(big, 7).json()} == {"fulfilled"}
    assert original.reverse_search(big, find_duplicate=True).json()["duplicate"][0]["image_id"] == 7
    original.close()


def test_what_only_one_kind_finds_is_not_unified_and_an_empty_library_answers_nothing(original, picture):
    assert original.reverse_search(picture(1)).json() == {}
    original.calculate("phash", picture(1), 4)
    assert original.reverse_search(picture(1)).json() == {"phash_res": [{"image_id": 4, "distance": 0}]}


def test_duplicates_are_asked_of_phash_alone(original, picture):
    assert original.reverse_search(picture(1), find_duplicate=True).json() == {}
    original.calculate_all(picture(1), 4)
    turned = original.reverse_search(picture(1, turn=90), find_duplicate=True)
    assert turned.json() == {"duplicate": [{"image_id": 4, "distance": 0}]}


def test_a_kind_that_fails_is_named_where_old_clients_do_not_look(original, picture, faults):
    original.calculate_all(picture(1), 4)
    faults["color"] = ServiceError("the service of color is down")
    found = original.reverse_search(picture(1))
    assert found.json() == {"phash_res": [{"image_id": 4, "distance": 0}]}
    assert "color=service_failed" in found.headers["x-ambience-missing"].split(", ")
    faults["phash"] = ServiceError("the service of phash is down")
    none = original.reverse_search(picture(1))
    assert (none.status_code, none.json()["code"]) == (503, "kind_unavailable")


@pytest.mark.parametrize("find_duplicate", [False, True])
def test_a_kind_that_has_yet_to_get_pictures_is_told(_shared, original, picture, find_duplicate):
    library, _ = _shared
    library.pending["phash"] = 3
    found = original.reverse_search(picture(1), find_duplicate=find_duplicate)
    assert (found.status_code, found.json()) == (200, {})
    assert "phash=pending" in found.headers["x-ambience-missing"].split(", ")


def test_the_search_for_duplicates_fails_closed(original, picture, faults):
    original.calculate_all(picture(1), 4)
    faults["phash"] = ServiceError("the service of phash is down")
    found = original.reverse_search(picture(1), find_duplicate=True)
    assert (found.status_code, found.json()["code"]) == (503, "kind_unavailable")
    assert "the service of phash is down" in found.json()["detail"]


def test_the_search_for_duplicates_fails_closed_without_phash(library, serve, picture):
    del library.kinds["phash"]
    client = OriginalClient(serve(library).server.url)
    assert client.reverse_search(picture(1), find_duplicate=True).status_code == 503
    assert client.reverse_search(picture(1)).status_code == 200
    client.close()


@pytest.mark.parametrize("flag", ["2", "maybe"])
def test_a_flag_that_is_none_is_refused(client, picture, flag):
    files, data = {"image": ("blob", picture(1))}, {"find_duplicate": flag}
    assert client.post("/reverse_search", files=files, data=data).status_code == 400


def test_no_picture_or_a_broken_one_is_told(client):
    assert client.post("/reverse_search", data={"find_duplicate": "0"}).status_code == 400
    assert client.post("/calculate_all_image_features", data={"image_id": "0"}).status_code == 400
    files = {"image": ("blob", b"no picture")}
    assert client.post("/reverse_search", files=files).status_code == 415


def test_old_status_codes_come_back_by_setting(library, serve, picture):
    client = OriginalClient(serve(library, original_status_codes=True).server.url)
    client.calculate_all(picture(1), 3)
    taken = client.calculate_all(picture(1), 3).json()
    assert {row["reason"] for row in taken} == {"Request failed with status code 500"}
    assert taken[0]["data"] == "same id already in db"
    assert {row["status"] for row in client.delete_all(99).json()} == {"fulfilled"}
    assert client.reverse_search(b"no picture").status_code == 500
    assert client.calculate_all(picture(1), "").status_code == 422
    client.close()


def test_a_kind_served_alone_is_no_gateway(library, serve, picture):
    client = OriginalClient(serve(library, kind="phash").server.url)
    assert client.hello().json() == {"Hello": "World"}
    assert client.reverse_search(picture(1)).status_code == 404
    client.close()
