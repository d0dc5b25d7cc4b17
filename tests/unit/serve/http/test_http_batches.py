"""Many pictures in one request: each has its outcome, and a body that is broken adds nothing."""

import json
import socket

import pytest

BATCH = "/v1/images:batch"


def files_of(*sent):
    return [("images", (name, data)) for name, data in sent]


def test_each_file_has_its_outcome_in_the_order_sent(client, picture):
    client.post("/v1/images", files={"image": ("taken.png", picture(9))}, data={"image_id": "50"})
    sent = files_of(
        ("a.png", picture(1)),
        ("no picture.txt", b"some words"),
        ("b.png", picture(2)),
        ("empty.png", b""),
        ("cut.png", picture(3)[:2000]),
        ("taken.png", picture(4)),
        ("again.png", picture(9)),
    )
    items = [
        {"tags": ["one"]},
        {},
        {"image_id": 60, "name": "lake"},
        {},
        {},
        {"image_id": 50},
        {"image_id": 50},
    ]
    answer = client.post(BATCH, files=sent, data={"items": json.dumps(items), "tags": "all,sea"})
    assert answer.status_code == 200
    document = answer.json()
    outcomes = document["outcomes"]
    assert [each["index"] for each in outcomes] == list(range(7))
    assert [each["status"] for each in outcomes] == [201, 415, 201, 400, 422, 409, 200]
    assert (document["added"], document["known"], document["failed"]) == (2, 1, 4)
    assert outcomes[1]["problem"]["code"] == "unsupported_format"
    assert outcomes[5]["problem"]["code"] == "image_id_taken"
    assert outcomes[6]["image"]["image_id"] == 50
    assert not outcomes[6]["image"]["is_new"]
    one = client.get(f"/v1/images/{outcomes[0]['image']['image_id']}").json()
    assert (one["name"], one["tags"]) == ("a.png", ["all", "one", "sea"])
    assert client.get("/v1/images/60").json()["name"] == "lake"
    assert client.get("/v1/images/50").json()["name"] == "taken.png"


def test_what_is_said_of_files_may_go_by_the_names_of_their_fields(client, picture):
    files = {"x": ("x.png", picture(1)), "y": ("y.png", picture(2))}
    items = {"y": {"image_id": 7, "tags": ["late"]}}
    answer = client.post(BATCH, files=files, data={"items": json.dumps(items)}).json()
    assert [(each["field"], each["status"]) for each in answer["outcomes"]] == [("x", 201), ("y", 201)]
    assert answer["outcomes"][1]["image"]["image_id"] == 7
    assert client.get("/v1/images/7").json()["tags"] == ["late"]


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ("{", "items is no JSON"),
        ("5", "items is for 2 files"),
        ("[{}]", "items is for 2 files"),
        ("[{}, 5]", "of file 2 is no object"),
        ('[{"image": 1}, {}]', "items says 'image' of file 1"),
        ('[{"image_id": -1}, {}]', "image_id"),
        ('[{"name": "%s"}, {}]' % ("x" * 256), "name has 256 characters"),
        ('[{"tags": [1]}, {}]', "tags"),
        ('{"images": {}}', "2 files came as fields of that name"),
        ('{"other": {}}', "0 files came as fields of that name"),
    ],
)
def test_items_that_do_not_fit_add_nothing(client, picture, items, says):
    sent = files_of(("a.png", picture(1)), ("b.png", picture(2)))
    answer = client.post(BATCH, files=sent, data={"items": items})
    assert (answer.status_code, answer.json()["code"]) == (400, "query_malformed")
    assert says in answer.json()["detail"]
    assert client.get("/v1/images").json()["images"] == []


def test_files_and_bytes_are_limited(memory_library, tmp_path, serve, picture):
    small, big = picture(1), picture(2, size=(600, 600))
    limits = {"max_batch_files": 3, "max_upload_bytes": len(small) + 10, "max_batch_bytes": 4 * len(big)}
    client = serve(memory_library(tmp_path), **limits).client
    mixed = client.post(BATCH, files=files_of(("a.png", small), ("big.png", big), ("b.png", small)))
    assert [each["status"] for each in mixed.json()["outcomes"]] == [201, 413, 201]
    assert "serve.max_upload_bytes" in mixed.json()["outcomes"][1]["problem"]["detail"]
    many = client.post(BATCH, files=files_of(*[(f"{n}.png", small) for n in range(4)]))
    assert (many.status_code, many.json()["code"]) == (400, "query_malformed")
    assert "more than 3 files" in many.json()["detail"]
    heavy = client.post(BATCH, files=files_of(*[(f"{n}.png", big) for n in range(3)], ("x.png", big + big)))
    assert (heavy.status_code, heavy.json()["code"]) == (413, "body_too_large")
    assert len(client.get("/v1/images").json()["images"]) == 2


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"garbage", 400),
        ("multipart/form-data; boundary=" + "x" * 500, b"--x", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\ncut off',
            400,
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"y" * 9000 + b"\r\n\r\n--x--\r\n", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 201 + b"--x--\r\n",
            400,
        ),
    ],
)
def test_a_body_that_is_no_form_with_files_is_refused(client, content_type, body, status):
    answer = client.post(BATCH, content=body, headers={"content-type": content_type})
    assert answer.status_code == status, answer.text
    assert client.get("/v1/images").json()["images"] == []


def test_a_client_that_goes_away_in_the_middle_adds_nothing(client, picture):
    head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n'
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(
            b"POST /v1/images:batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + head + picture(1) + b"\r\n" + head
        )
    assert client.get("/v1/images").json()["images"] == []
    assert client.post(BATCH, files=files_of(("a.png", picture(1)))).json()["added"] == 1


def test_the_same_bytes_under_the_same_id_are_added_once(client, picture):
    def add(data, **fields):
        return client.post("/v1/images", files={"image": ("a.png", data)}, data=fields)

    first, again = add(picture(1), image_id="5", tags="sea"), add(picture(1), image_id="5", tags="hill")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["location"] == "/v1/images/5"
    assert first.json() | {"is_new": False, "asked": again.json()["asked"]} == again.json()
    assert client.get("/v1/images/5").json()["tags"] == ["sea"]
    assert add(picture(2), image_id="5").status_code == 409
    assert len(client.get("/v1/images").json()["images"]) == 1


def test_an_image_tells_who_says_what_of_it(client, picture):
    client.post("/v1/images", files={"image": ("a.png", picture(1))}, data={"tags": "sea"})
    changed = client.patch("/v1/images/0", json={"caption": "a lake"}).json()
    shown = client.get("/v1/images/0").json()
    assert shown == changed
    assert shown["tag_details"] == [{"tag": "sea", "source": "user", "score": 1.0}]
    assert shown["captions"] == [{"text": "a lake", "source": "user", "score": 0.0}]
    assert client.get(shown["words"]).json()["captions"] == shown["captions"]
