import json

import pytest

from ambience.datatypes import Expansion, Query, QueryPart


@pytest.fixture
def filled(client, picture):
    """A server with five unlike pictures."""
    for seed in range(5):
        answer = client.post("/v1/images", files={"image": (f"{seed}.png", picture(seed))})
        assert answer.status_code == 201
    return client


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_picture_finds_its_original_and_says_how_it_was_turned(filled, picture, turn):
    answer = filled.post("/v1/search", files={"image": ("q.png", picture(3, turn=turn))}).json()
    first = answer["matches"][0]
    assert (first["image_id"], first["verdict"]) == (3, "same_picture")
    assert first["orientation"] == {"rotation": (360 - turn) % 360, "mirrored": False}
    assert first["image"]["name"] == "3.png"
    assert filled.get(first["image"]["thumbnail"]).status_code == 200
    assert {each["kind"] for each in first["evidence"]} == {"phash", "color"}
    assert [status["state"] for status in answer["kinds"]] == ["ok", "ok"]


def test_the_ways_to_ask_agree(filled, picture):
    by_form = filled.post("/v1/search", data={"image_id": "2", "k": "3"}).json()
    by_json = filled.post("/v1/search", json={"image_id": 2, "k": 3}).json()
    by_link = filled.get("/v1/search", params={"id": 2, "k": 3}).json()
    by_bytes = filled.post("/v1/search?k=3", content=picture(2), headers={"content-type": "image/png"}).json()
    found = [match["image_id"] for match in by_form["matches"]]
    assert found[0] == 2
    for other in (by_json, by_link, by_bytes):
        assert [match["image_id"] for match in other["matches"]] == found


def test_knobs_narrow_the_answer(filled, picture):
    def ask(**fields):
        return filled.post("/v1/search", files={"image": ("q", picture(1))}, data=fields).json()["matches"]

    assert {len(match["evidence"]) for match in ask(by="color")} == {1}
    assert {match["verdict"] for match in ask(verdicts="same_file,same_picture")} == {"same_picture"}
    assert all(match["score"] >= 0.9 for match in ask(min_score="0.9"))
    assert len(ask(k="1")) == 1
    ids = filled.post("/v1/search", json={"image_id": 1, "exclude_self": True}).json()["matches"]
    assert 1 not in [match["image_id"] for match in ids]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "the query is empty"),
        ({"image_id": 1, "text": "x"}, "none takes words"),
        ({"image_id": -1}, "image_id"),
        ({"image_id": 2**53}, "image_id"),
        ({"image_id": 1.5}, "image_id"),
        ({"image_id": True}, "image_id"),
        ({"image_id": [1]}, "image_id"),
        ({"image_id": 1, "k": 0}, "k = 0"),
        ({"image_id": 1, "k": 10**9}, "1000"),
        ({"image_id": 1, "k": "many"}, "'many'"),
        ({"image_id": 1, "by": "smell"}, "phash"),
        ({"image_id": 1, "by": [1]}, "by"),
        ({"image_id": 1, "verdicts": "twin"}, "same_picture"),
        ({"image_id": 1, "min_score": 2}, "min_score"),
        ({"image_id": 1, "min_score": "1e999"}, "min_score"),
        ({"image_id": 1, "exclude_self": "perhaps"}, "exclude_self"),
        ({"text": "sea"}, "(color, phash) none takes words"),
        ({"text": "sea", "by": "phash"}, "(phash) none takes words"),
        ({"text": " "}, "the text is empty"),
        ({"text": "x" * 100_000}, "100000 characters; at most 10000"),
        ({"text": ["sea"]}, "no text"),
        ({"minus": "sea"}, "say also what to look for"),
        ({"parts": "[{"}, "parts is no JSON"),
        ({"parts": {"text": "sea"}}, "no JSON list of objects"),
        ({"parts": ["sea"]}, "no JSON list of objects"),
        ({"parts": [{}]}, "part 1 of the query has none"),
        ({"parts": [{"words": "sea"}]}, "part 1 has 'words'"),
        ({"parts": [{"text": "a", "image_id": 1}, {"text": "b"}]}, "image_id and text"),
        ({"parts": [{"text": "a", "weight": "heavy"}]}, "weight"),
        ({"parts": [{"text": "a", "weight": 0}, {"text": "b"}]}, "weight 0"),
        ({"parts": [{"image": "a"}]}, "form field 'a'"),
        ({"parts": [{"image": 7}]}, "image = 7 is no text"),
        ({"parts": [{"text": "a"}] * 33}, "33 entries; at most 32"),
        ({"parts": [{"text": "a"}] * 20, "text": "b", "image_id": 1, "minus": "c"}, "none takes words"),
        ({"image_id": 1, "aqe_n": -1}, "aqe_n"),
        ({"image_id": 1, "aqe_n": "x"}, "aqe_n"),
        ({"image_id": 1, "aqe_alpha": 3}, "give aqe_n as well"),
    ],
)
def test_a_malformed_question_is_named(filled, fields, says):
    answer = filled.post("/v1/search", json=fields)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def test_an_unknown_id_is_not_found(filled):
    assert filled.get("/v1/search?id=99").json()["code"] == "unknown_image"
    assert filled.get("/v1/search?id=99").status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'{"k": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(filled, body):
    answer = filled.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "query_malformed")


@pytest.fixture
def asked(filled, _shared):
    """What the library was asked last: the question that a request became."""
    library, _ = _shared

    def last(answer):
        assert answer.status_code in (200, 400), answer.text
        assert "takes" in answer.json().get("detail", "takes")  # kinds that are asked with one picture alone
        return library.asked.pop()

    library.asked.clear()
    return last


def test_words_and_pictures_become_one_question_however_they_are_sent(filled, asked, picture):
    dog, snow = QueryPart(text="dog"), QueryPart(text="snow", weight=-1)
    words = {"text": "dog", "minus": "snow"}
    for answer in (
        filled.get("/v1/search", params=words),
        filled.post("/v1/search", json=words),
        filled.post("/v1/search", data=words),
        filled.post("/v1/search", json={"parts": [{"text": " dog "}, {"text": "snow", "weight": "-1"}]}),
        filled.get("/v1/search", params={"parts": '[{"text": "dog"}, {"text": "snow", "weight": -1}]'}),
    ):
        assert asked(answer) == Query(parts=(dog, snow))

    beside = filled.get("/v1/search", params={"id": 3, **words})
    assert asked(beside) == Query(parts=(QueryPart(image_id=3), dog, snow))
    sent = filled.post("/v1/search", files={"image": ("a.png", picture(1))}, data=words)
    assert asked(sent) == Query(parts=(QueryPart(data=picture(1)), dog, snow), name="a.png")


def test_several_pictures_are_sent_by_name(filled, asked, picture):
    files = {"image": ("a.png", picture(1)), "other": ("b.png", picture(2))}
    other = {"image": "other", "weight": 0.5}
    first = QueryPart(data=picture(1))
    second = QueryPart(data=picture(2), weight=0.5)
    sent = filled.post("/v1/search", files=files, data={"parts": json.dumps([other, {"image_id": 4}])})
    assert asked(sent).parts == (first, second, QueryPart(image_id=4))
    sent = filled.post("/v1/search", files=files, data={"parts": json.dumps([other, {"image": "image"}])})
    assert asked(sent).parts == (second, first)
    unnamed = filled.post("/v1/search", files=files)
    assert unnamed.status_code == 400
    assert "field 'other'" in unnamed.json()["detail"]


def test_one_term_alone_is_a_plain_question(filled, asked, picture):
    assert asked(filled.post("/v1/search", json={"parts": [{"image_id": 2, "weight": 0.1}]})) == Query(
        image_id=2
    )
    files, parts = {"a": ("a.png", picture(2))}, json.dumps([{"image": "a"}])
    assert asked(filled.post("/v1/search", files=files, data={"parts": parts})) == Query(data=picture(2))


def test_widening_is_asked_for_by_its_number_of_pictures(filled, asked):
    def expansion(**fields):
        return asked(filled.post("/v1/search", json={"image_id": 1, **fields})).expansion

    assert expansion() is None
    assert expansion(aqe_n="5") == Expansion(5, 3.0)
    assert expansion(aqe_n=0, aqe_alpha="0.5") == Expansion(0, 0.5)


def test_two_pictures_in_one_question_are_refused(filled, picture):
    files = [("image", ("a", picture(1))), ("image", ("b", picture(2)))]
    answer = filled.post("/v1/search", files=files)
    assert (answer.status_code, answer.json()["code"]) == (400, "query_malformed")


def test_a_body_of_another_kind_is_refused(filled):
    answer = filled.post("/v1/search", content=b"<a/>", headers={"content-type": "text/xml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_filter_narrows_the_answer_however_it_is_sent(client, picture):
    for seed in range(4):
        tags = ["winter"] if seed % 2 else ["winter", "forest"]
        client.post("/v1/images", files={"image": (f"{seed}.png", picture(seed))}, data={"tags": tags})
    wanted = {"filter": "Winter && !forest && width>=96"}
    for answer in (
        client.post("/v1/search", json={"image_id": 1, **wanted}),
        client.post("/v1/search", data={"image_id": "1", **wanted}),
        client.get("/v1/search", params={"id": 1, **wanted}),
    ):
        assert answer.status_code == 200
        assert answer.json()["matches"][0]["image_id"] == 1
        assert {match["image_id"] for match in answer.json()["matches"]} <= {1, 3}
    free = client.post("/v1/search", json={"image_id": 0, "filter": ""}).json()
    assert free["matches"][0]["image_id"] == 0


@pytest.mark.parametrize(
    ("filter", "column"),
    [("a && (b", 6), ("heights>5", 1), ("width>abc", 7), (" ", 1), ("x" * 10_001, 0)],
)
def test_a_malformed_filter_is_refused_with_its_column(client, filter, column):
    answer = client.post("/v1/search", json={"image_id": 1, "filter": filter})
    assert answer.status_code == 400
    assert answer.json()["code"] == ("filter_malformed" if column else "query_malformed")
    assert f"column {column} of the filter" in answer.json()["detail"] or not column
