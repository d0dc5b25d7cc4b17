import hashlib
from dataclasses import replace

import pytest


def test_an_uploaded_picture_is_listed_shown_and_sent_back_byte_for_byte(client, picture):
    data = picture(1)
    answer = client.post("/v1/images", files={"image": ("lake.png", data)}, data={"tags": ["sea", "a, b"]})
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/images/0"
    assert answer.json()["image_id"] == 0
    assert answer.json()["same_file_of"] == []
    assert answer.json()["kinds"]["phash"] == {"state": "done", "reason": ""}
    shown = client.get("/v1/images/0").json()
    assert (shown["name"], shown["width"], shown["height"], shown["format"]) == ("lake.png", 96, 72, "png")
    assert shown["sha256"] == hashlib.sha256(data).hexdigest()
    assert shown["tags"] == ["a", "b", "sea"]
    assert client.get(shown["file"]).content == data


def test_the_bytes_of_a_picture_may_be_the_whole_body(client, picture):
    data = picture(2)
    query = {"name": "raw", "image_id": "17"}
    headers = {"content-type": "image/png"}
    answer = client.post("/v1/images", content=data, params=query, headers=headers)
    assert answer.status_code == 201
    assert client.get("/v1/images/17").json()["name"] == "raw"


def test_a_second_upload_tells_of_the_same_file_and_of_the_copy(client, picture):
    client.post("/v1/images", files={"file": ("one.png", picture(3))})
    again = client.post("/v1/images", files={"file": ("two.png", picture(3))}).json()
    turned = client.post("/v1/images", files={"file": ("three.png", picture(3, turn=90))}).json()
    assert again["same_file_of"] == [0]
    assert {match["image_id"] for match in again["duplicates"]} == {0}
    assert {match["image_id"] for match in turned["duplicates"]} == {0, 1}
    assert turned["same_file_of"] == []


def test_a_taken_id_is_a_conflict(client, picture):
    first = client.post("/v1/images", files={"image": ("a", picture(1))}, data={"image_id": "5"})
    second = client.post("/v1/images", files={"image": ("a", picture(2))}, data={"image_id": "5"})
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["code"] == "image_id_taken"
    assert second.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [(b"", 400, "query_malformed"), (b"no picture", 415, "unsupported_format")],
)
def test_what_is_no_picture_is_refused_with_a_reason(client, data, status, code):
    answer = client.post("/v1/images", files={"image": ("a.png", data)})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get("/v1/images").json()["images"] == []


def test_a_truncated_picture_is_unusable(client, picture):
    answer = client.post("/v1/images", files={"image": ("a.png", picture(1)[:2000])})
    assert (answer.status_code, answer.json()["code"]) == (422, "image_corrupt")


def test_pages_follow_each_other_in_both_orders(client, picture):
    for seed in range(5):
        client.post("/v1/images", files={"image": (f"{seed}", picture(seed))})
    for order, expected in (("id", [0, 1, 2, 3, 4]), ("newest", [4, 3, 2, 1, 0])):
        seen, after = [], -1
        while after is not None:
            page = client.get("/v1/images", params={"after": after, "limit": 2, "order": order}).json()
            seen += [image["image_id"] for image in page["images"]]
            after = page["next"]
        assert seen == expected


def test_a_thumbnail_is_a_small_jpeg_that_the_browser_need_not_fetch_twice(client, picture):
    client.post("/v1/images", files={"image": ("a", picture(1, size=(400, 300)))})
    answer = client.get("/v1/images/0/thumbnail", params={"size": 64})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content[:2] == b"\xff\xd8"
    same = client.get(
        "/v1/images/0/thumbnail", params={"size": 64}, headers={"if-none-match": answer.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")
    assert client.get("/v1/images/0/thumbnail", params={"size": 5000}).status_code == 400


def test_a_tag_that_cannot_be_printed_adds_nothing(client, picture):
    refused = client.post("/v1/images", files={"image": ("a", picture(1))}, data={"tags": "sea,a\x07b"})
    assert (refused.status_code, refused.json()["code"]) == (400, "query_malformed")
    assert "a\\x07b" in refused.json()["detail"]
    assert client.get("/v1/images").json()["images"] == []


def test_tags_are_replaced_and_odd_ones_refused(client, picture):
    client.post("/v1/images", files={"image": ("a", picture(1))}, data={"tags": "old"})
    assert client.patch("/v1/images/0", json={"tags": ["new", "new", " fog "]}).json()["tags"] == [
        "fog",
        "new",
    ]
    for odd in (
        {},
        {"tags": "x"},
        {"tags": [1]},
        {"tags": [""]},
        {"tags": [], "name": "x"},
        {"tags": ["x" * 201]},
        {"tags": ["a\x07b"]},
    ):
        assert client.patch("/v1/images/0", json=odd).status_code == 400
    assert client.get("/v1/images/0").json()["tags"] == ["fog", "new"]
    assert client.patch("/v1/images/9", json={"tags": []}).status_code == 404


def test_a_removed_picture_is_gone(client, picture):
    client.post("/v1/images", files={"image": ("a", picture(1))})
    assert client.delete("/v1/images/0?purge=true").status_code == 204
    for answer in (
        client.get("/v1/images/0"),
        client.delete("/v1/images/0"),
        client.get("/v1/images/0/file"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_image")


def test_a_file_never_runs_as_a_page_and_its_name_is_only_a_label(serve, library, picture):
    client = serve(library).client
    client.post("/v1/images", files={"image": ("../../etc/<b>\u202epng.exe", picture(1))})
    answer = client.get("/v1/images/0/file")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline")
    assert ".." not in client.get("/v1/images/0").json()["name"]
    assert list(library.folder.iterdir()) == [library.folder / "0.png"]


def test_a_format_that_browsers_could_run_is_only_downloaded(serve, library, picture):
    client = serve(library).client
    client.post("/v1/images", files={"image": ("a.svg", picture(1))})
    stored = library._images[0]
    stored.record = replace(stored.record, format="svg")
    answer = client.get("/v1/images/0/file")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_paths_are_told_only_to_this_machine(library, serve, picture):
    local = serve(library).client
    local.post("/v1/images", files={"image": ("a", picture(1))})
    stored = library._images[0]
    stored.record = replace(stored.record, is_upload=False)
    assert local.get("/v1/images/0").json()["path"] == str(library.folder / "0.png")
    assert local.get("/v1/info").json()["folder"] == str(library.folder)
    public = serve(library, host="0.0.0.0", open=True).client
    assert public.get("/v1/images/0").json()["path"] is None
    assert public.get("/v1/info").json()["folder"] is None
    proxied = serve(library, host="127.0.0.1", open=True).client
    assert proxied.get("/v1/info").json()["folder"] == str(library.folder)
    assert proxied.get("/v1/info", headers={"x-forwarded-for": "203.0.113.7"}).json()["folder"] is None


def test_images_are_listed_by_a_filter_with_their_number(client, picture):
    for seed in range(5):
        tags = ["odd"] if seed % 2 else ["even", "a,b"]
        client.post("/v1/images", files={"image": (f"{seed}.png", picture(seed))}, data={"tags": tags})
    first = client.get("/v1/images", params={"filter": "even && !name:4*", "limit": 1, "order": "newest"})
    assert [image["image_id"] for image in first.json()["images"]] == [2]
    assert (first.json()["total"], first.json()["next"]) == (2, 2)
    query = {"filter": "even && !name:4*", "limit": 1, "order": "newest", "after": 2}
    second = client.get("/v1/images", params=query).json()
    assert ([image["image_id"] for image in second["images"]], second["total"]) == ([0], None)
    assert client.get("/v1/images").json()["total"] == 5
    assert client.get("/v1/images", params={"filter": ""}).json()["total"] == 5
    assert client.get("/v1/images", params={"filter": "none"}).json() == {
        "images": [],
        "next": None,
        "total": 0,
    }
    refused = client.get("/v1/images", params={"filter": "odd && date:soon"})
    assert (refused.status_code, refused.json()["code"]) == (400, "filter_malformed")
    assert "column 13" in refused.json()["detail"]
