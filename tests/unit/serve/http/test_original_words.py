"""The original's endpoints for words: names, fields and result keys; ours say what went wrong."""

import pytest


@pytest.fixture
def painted():
    """Bytes of a picture of one color."""
    import io

    from PIL import Image

    def paint(color):
        out = io.BytesIO()
        Image.new("RGB", (32, 32), color).save(out, "PNG")
        return out.getvalue()

    return paint


@pytest.fixture
def filled(client, painted):
    for image_id, color in enumerate(("red", "green", "red")):
        answer = calculate(client, painted(color), image_id)
        assert (answer.status_code, answer.content) == (200, b"")
    return client


def calculate(client, data, image_id):
    return client.post(
        "/calculate_text_features", files={"image": ("x", data)}, data={"image_id": str(image_id)}
    )


def test_tags_come_as_a_list_and_a_caption_as_a_sentence(client, painted):
    files = {"image": ("x", painted("red"))}
    assert client.post("/get_image_tags", files=files).json() == ["red", "indoor"]
    assert client.post("/get_image_caption", files=files).json() == "a red picture"


def test_text_is_found_by_id_by_picture_and_as_typed(filled, painted):
    whole, none = 100.0, 25.0
    by_id = filled.post("/text_get_similar_images_by_id", json={"image_id": "0", "k": "2"}).json()
    assert by_id == [{"image_id": 0, "score": whole}, {"image_id": 2, "score": whole}]
    by_text = filled.post("/text_get_similar_images_by_text", json={"text": "green", "k": 3}).json()
    assert by_text[0] == {"image_id": 1, "score": whole}
    assert by_text[1]["score"] == none
    within = {"distance_threshold": "100"}
    by_picture = filled.post(
        "/text_get_similar_images_by_image_buffer", files={"image": ("x", painted("green"))}, data=within
    )
    assert by_picture.json() == [{"image_id": 1, "score": whole}]


def test_a_picture_without_text_says_so_and_is_remembered(client, painted):
    answer = calculate(client, painted("blue"), 7)
    assert (answer.status_code, answer.json()) == (200, {"error": "there is no text in the picture"})
    assert calculate(client, painted("blue"), 7).status_code == 409


def test_deleting_twice_is_an_error_and_never_deletes_another(filled):
    assert filled.post("/delete_text_features", json={"image_id": 0}).status_code == 200
    assert filled.post("/delete_text_features", json={"image_id": 0}).status_code == 404
    assert filled.post("/delete_text_features", json={"file_name": "nobody"}).status_code == 404
    assert filled.post("/delete_text_features", json={}).status_code == 400
    left = filled.post("/text_get_similar_images_by_text", json={"text": "red", "k": 9}).json()
    assert [item["image_id"] for item in left] == [2, 1]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/text_get_similar_images_by_text", {"k": 3}, "missing_field"),
        ("/text_get_similar_images_by_text", {"text": "red"}, "query"),
        ("/text_get_similar_images_by_text", {"text": "red", "k": 1, "distance_threshold": 1}, "query"),
        ("/text_get_similar_images_by_text", {"text": "red", "distance_threshold": 101}, "query"),
        ("/text_get_similar_images_by_text", {"text": "x" * 20_000, "k": 1}, "query"),
        ("/text_get_similar_images_by_id", {"k": 1}, "missing_field"),
        ("/text_get_similar_images_by_id", {"image_id": -1, "k": 1}, "query"),
    ],
)
def test_what_is_malformed_is_refused_with_a_reason(filled, path, body, code):
    answer = filled.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["code"].startswith(code)


def test_no_picture_and_a_broken_one_are_told_apart(client):
    assert client.post("/get_image_tags", data={"x": "1"}).status_code == 400
    assert client.post("/get_image_caption", files={"image": ("x", b"no picture")}).status_code == 415


def test_the_words_of_an_image_come_with_their_sources(client, picture):
    image_id = client.post("/v1/images", files={"image": ("a.png", picture(1))}).json()["image_id"]
    changed = client.patch(f"/v1/images/{image_id}", json={"tags": ["mine"], "caption": "  our \n own "})
    assert changed.json()["tags"] == ["mine"]
    words = client.get(f"/v1/images/{image_id}/words").json()
    assert words["captions"] == [{"text": "our own", "source": "user", "score": 0.0}]
    assert words["tags"] == [{"tag": "mine", "source": "user", "score": 1.0}]
    assert words["lines"][0]["quad"] == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert words["annotators"] == {"text": {"state": "done", "reason": ""}}
    client.patch(f"/v1/images/{image_id}", json={"caption": ""})
    assert client.get(f"/v1/images/{image_id}/words").json()["captions"] == []
    assert client.get("/v1/images/999/words").status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"caption": 3}, {"caption": "x" * 10_001}, {"name": "x"}, {"tags": "x"}]
)
def test_changes_that_are_none_are_refused(client, picture, body):
    image_id = client.post("/v1/images", files={"image": ("a.png", picture(2))}).json()["image_id"]
    assert client.patch(f"/v1/images/{image_id}", json=body).status_code == 400
