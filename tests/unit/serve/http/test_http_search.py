import http.server
import io
import json
import threading

import pytest
from PIL import Image

from ambience.answers import Expansion, Query, QueryPart
from ambience.settings import FetchSettings, Settings


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


def test_copies_of_one_picture_are_one_hit_where_that_is_asked_for(filled, picture):
    twin = filled.post("/v1/images", files={"image": ("twin.png", picture(1))}).json()["image_id"]

    def ask(**fields):
        sent = {"image": ("q", picture(1))}
        matches = filled.post("/v1/search", files=sent, data=fields).json()["matches"]
        return {match["image_id"]: match["copies"] for match in matches if match["verdict"] == "same_picture"}

    assert ask() == {1: [], twin: []}
    assert ask(fold="true") == {1: [twin]}


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
        ({"image_id": 1, "fold": "perhaps"}, "fold"),
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


# --- a part of a picture, a picture of the web, page by page


def cut(data, box):
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.crop(box).save(out, "PNG")
    return out.getvalue()


def test_a_region_is_asked_as_if_it_were_cut_out(filled, picture):
    """Of a picture sent along, of one of the library, and of a part, however it is said."""
    half = cut(picture(2), (48, 0, 96, 36))
    filled.post("/v1/images", files={"image": ("half.png", half)})
    region = [0.5, 0, 0.5, 0.5]
    files = {"image": ("whole.png", picture(2))}
    answers = [
        filled.post("/v1/search", files=files, data={"region": json.dumps(region)}),
        filled.post("/v1/search", files=files, data={"region": "0.5,0,0.5,0.5"}),
        filled.post("/v1/search", json={"image_id": 2, "region": region}),
        filled.get("/v1/search", params={"id": 2, "region": "0.5, 0, 0.5, 0.5"}),
        filled.post("/v1/search", json={"parts": [{"image_id": 2, "region": region}]}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        best = answer.json()["matches"][0]
        assert (best["image_id"], best["verdict"], best["score"]) == (5, "same_picture", 1.0)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"image_id": 1, "region": [0, 0, 1]}, "region"),
        ({"image_id": 1, "region": [0, 0, 1, "x"]}, "region"),
        ({"image_id": 1, "region": [0, 0, 1, None]}, "region"),
        ({"image_id": 1, "region": "0,0,1"}, "region"),
        ({"image_id": 1, "region": {"x": 1}}, "region"),
        ({"image_id": 1, "region": [0.5, 0, 0.6, 1]}, "is not within the picture"),
        ({"image_id": 1, "region": [0, 0, 0, 1]}, "is not within the picture"),
        ({"image_id": 1, "region": [-0.1, 0, 1, 1]}, "is not within the picture"),
        ({"image_id": 1, "region": [1, 0, 1e-9, 1]}, "is not within the picture"),
        ({"text": "x", "region": [0, 0, 1, 0.5]}, "region goes with one picture"),
        ({"parts": [{"text": "x", "region": [0, 0, 1, 0.5]}]}, "has no region"),
        ({"parts": [{"image_id": 1, "url": "http://a.example/"}]}, "part 1 has url and image_id"),
        ({"url": "x" * 5000}, "url has 5000 characters"),
        ({"url": 7}, "url = 7 is no text"),
        ({"parts": [{"url": f"http://{n}.example/"} for n in range(5)]}, "names 5 addresses; at most 4"),
        ({"image_id": 1, "cursor": "x"}, "the cursor 'x' is none"),
        ({"image_id": 1, "cursor": 5}, "cursor = 5 is no text"),
    ],
)
def test_regions_addresses_and_cursors_that_are_none_are_refused(filled, fields, says):
    answer = filled.post("/v1/search", json=fields)
    assert answer.status_code in (400, 422)
    assert says in answer.json()["detail"]


class Web(http.server.BaseHTTPRequestHandler):
    """A web server of one picture."""

    data = b""

    def do_GET(self):
        self.send_response(200 if self.path == "/lake.png" else 404)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(picture):
    Web.data = picture(3)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_picture_of_the_web_is_fetched_and_asked(memory_library, tmp_path, serve, picture, web):
    fetching = FetchSettings(allow_private=True)
    library = memory_library(tmp_path, Settings(library=tmp_path, fetch=fetching))
    for seed in range(5):
        library.add_image(picture(seed), name=f"{seed}.png")
    client = serve(library).client
    url = f"{web}/lake.png"
    answers = [
        client.get("/v1/search", params={"url": url}),
        client.post("/v1/search", json={"url": url}),
        client.post("/v1/search", data={"url": url, "k": "3"}),
        client.post("/v1/search", json={"parts": [{"url": url}]}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["matches"][0]["image_id"] == 3
    assert {(query.data, query.name) for query in library.asked[-4:-1]} == {(picture(3), "lake.png")}
    gone = client.get("/v1/search", params={"url": f"{web}/none.png"})
    assert (gone.status_code, gone.json()["code"]) == (422, "fetch_failed")
    assert "answered 404" in gone.json()["detail"]


def test_an_address_of_the_own_machine_is_not_fetched(client, web):
    for sent in (f"{web}/lake.png", "http://localhost/", "file:///etc/passwd", "gopher://a", "x"):
        refused = client.post("/v1/search", json={"url": sent})
        assert (refused.status_code, refused.json()["code"]) == (422, "fetch_failed")


def test_pages_follow_each_other_while_pictures_come_and_go(client, picture):
    for seed in range(9):
        client.post("/v1/images", files={"image": (f"{seed}.png", picture(7))})
    question = {"image_id": 4, "k": 2}
    seen, cursor = [], None
    while True:
        answer = client.post("/v1/search", json=question | ({"cursor": cursor} if cursor else {})).json()
        page = [match["image_id"] for match in answer["matches"]]
        seen += page
        cursor = answer["next"]
        if cursor is None:
            break
        if len(seen) == 4:
            client.delete(f"/v1/images/{seen[0]}")
            client.delete("/v1/images/8")
            client.post("/v1/images", files={"image": ("late.png", picture(7))})
    assert len(seen) == len(set(seen))
    assert set(range(8)) <= set(seen) <= set(range(10))
    other = client.post("/v1/search", json={"image_id": 4, "k": 2}).json()["next"]
    foreign = client.get("/v1/search", params={"id": 5, "cursor": other})
    assert (foreign.status_code, foreign.json()["code"]) == (400, "query_malformed")
    assert "another question" in foreign.json()["detail"]
    longer = client.get("/v1/search", params={"id": 4, "cursor": other, "k": 5})
    assert len(longer.json()["matches"]) == 5
