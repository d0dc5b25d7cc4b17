"""Pictures found by words: the real starter over real photographs, by HTTP, by the command line, by both."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import ambience
from ambience.models.catalog import CATALOG
from e2e.conftest import Terminal, unused_port
from support.picture_samples import encoded

NAMES = ("chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "brick.png")
BY_TEXT = "/image_text_features_get_similar_images_by_text"
MISSING = "AMBIENCE_KINDS__IMAGE_TEXT_FEATURES__MODEL"
LONG = "a dog on a beach " * 6_000


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, shipped_photographs: Path) -> Terminal:
    """A terminal whose library holds five photographs."""
    folder = tmp_path_factory.mktemp("words")
    photographs = folder / "photographs"
    photographs.mkdir()
    for name in NAMES:
        shutil.copy(shipped_photographs / name, photographs)
    made = Terminal(folder, Path(ambience.__file__).parents[1])
    assert "5 added" in made.run("add", photographs).out
    return made


@pytest.fixture(scope="module")
def client(shelf: Terminal) -> Iterator[httpx.Client]:
    """Of a server that holds that library."""
    port = unused_port()
    with shelf.server("--port", str(port), port=port) as made:
        yield made


@pytest.fixture(scope="module")
def ids(client: httpx.Client) -> dict[str, int]:
    images = client.get("/v1/images").raise_for_status().json()["images"]
    return {image["name"]: image["image_id"] for image in images}


def asked(client: httpx.Client, fields: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/v1/search", json=fields).raise_for_status().json()
    return answer


def names(answer: dict[str, Any]) -> list[str]:
    return [match["image"]["name"] for match in answer["matches"]]


@pytest.mark.parametrize(
    ("text", "name"),
    [("cat", "chelsea.png"), ("a cup of coffee", "coffee.png"), ("brick wall", "brick.png")],
)
def test_plain_nouns_find_their_picture_by_a_link(client: httpx.Client, text: str, name: str) -> None:
    answer = client.get("/v1/search", params={"text": text}).raise_for_status().json()
    assert names(answer)[0] == name
    assert {match["verdict"] for match in answer["matches"]} == {"same_words"}
    scores = [match["score"] for match in answer["matches"]]
    assert scores == sorted(scores, reverse=True)
    (status,) = answer["kinds"]
    assert (status["kind"], status["state"]) == ("image_text_features", "ok")
    for said in ("not people or actions", "ambience models install siglip2-b32-256"):
        assert said in status["message"]


def test_a_minus_takes_away(client: httpx.Client) -> None:
    plain = names(asked(client, {"text": "vehicle"}))
    assert plain[:2] == ["motorcycle_left.png", "rocket.jpg"]
    less = names(asked(client, {"text": "vehicle", "minus": "motorcycle"}))
    assert "rocket.jpg" in less
    assert "motorcycle_left.png" not in less


def test_terms_add_up_by_weight_and_all_ways_to_say_them_agree(
    client: httpx.Client, ids: dict[str, int], shipped_photographs: Path
) -> None:
    cat, photograph = ids["chelsea.png"], (shipped_photographs / "chelsea.png").read_bytes()
    parts = [{"image_id": cat}, {"text": "motorcycle"}]
    both = asked(client, {"parts": parts})
    assert set(names(both)[:2]) == {"chelsea.png", "motorcycle_left.png"}
    mostly = [{"image_id": cat, "weight": 0.2}, {"text": "motorcycle", "weight": 1}]
    assert names(asked(client, {"parts": mostly}))[0] == "motorcycle_left.png"
    for answer in (
        asked(client, {"image_id": cat, "text": "motorcycle"}),
        client.get("/v1/search", params={"id": cat, "text": "motorcycle"}).json(),
        client.post("/v1/search", files={"image": photograph}, data={"text": "motorcycle"}).json(),
        client.post("/v1/search", files={"a": photograph}, data={
            "parts": json.dumps([{"image": "a"}, {"text": "motorcycle"}])}).json(),
    ):  # fmt: skip
        assert names(answer) == names(both)
        expected = [match["score"] for match in both["matches"]]
        # Stored embeddings are float16, and the question itself is rounded to it.
        assert [match["score"] for match in answer["matches"]] == pytest.approx(expected, abs=2e-3)


def test_the_original_endpoint_of_words(client: httpx.Client, ids: dict[str, int]) -> None:
    items = client.post(BY_TEXT, json={"text": "rocket", "k": 4}).raise_for_status().json()
    scores = [match["score"] for match in asked(client, {"text": "rocket", "k": 4})["matches"]]
    assert items[0]["image_id"] == ids["rocket.jpg"]
    assert [2 * (1 - score) for score in scores] == pytest.approx([item["distance"] for item in items])
    reach = items[1]["distance"]
    assert client.post(BY_TEXT, json={"text": "rocket", "distance_threshold": reach}).json() == items[:2]
    assert len(client.post(BY_TEXT, json={"text": "rocket", "k": 4000}).json()) == len(NAMES)
    wide = {"text": "rocket", "k": 1, "aqe_n": 4000, "aqe_alpha": 3}
    (widened,) = client.post(BY_TEXT, json=wide).raise_for_status().json()
    assert widened["image_id"] == ids["rocket.jpg"]
    assert widened["distance"] < items[0]["distance"]


def test_a_question_widened_by_more_than_there_is_still_answers(client: httpx.Client) -> None:
    plain = asked(client, {"text": "cat"})
    wide = asked(client, {"text": "cat", "aqe_n": 4000})
    assert names(wide)[0] == "chelsea.png"
    assert wide["matches"][0]["score"] > plain["matches"][0]["score"]
    assert asked(client, {"text": "cat", "aqe_n": 0})["matches"] == plain["matches"]
    assert len(names(asked(client, {"text": "cat", "k": 900}))) <= len(NAMES)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": " \t "}, "the text is empty"),
        ({"text": ""}, "the query is empty"),
        ({"text": LONG}, "102000 characters; at most 10000"),
        ({"text": "🙂🙂"}, "nothing in '🙂🙂' is known to the text encoder"),
        ({"minus": "cat"}, "only says what shall not be found"),
        ({"text": "cat", "minus": "cat"}, "cancel out"),
        ({"text": "cat", "by": "phash"}, "takes words; image_text_features does"),
        ({"text": "cat", "aqe_alpha": 3}, "give aqe_n as well"),
        ({"text": "cat", "aqe_n": -1}, "aqe_n = -1"),
        ({"text": "cat", "k": 0}, "k = 0"),
        ({"text": ["cat"]}, "is no text"),
        ({"parts": [{"text": "cat", "weight": 0}]}, "other than 0"),
        ({"parts": [{"text": "cat", "image_id": 1}]}, "exactly one"),
        ({"parts": [{"text": "cat"}] * 33}, "at most 32"),
    ],
)
def test_a_question_that_makes_no_sense_is_named(
    client: httpx.Client, fields: dict[str, Any], says: str
) -> None:
    answer = client.post("/v1/search", json=fields)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"k": 3}, "field 'text' is missing"),
        ({"text": "  ", "k": 3}, "the text is empty"),
        ({"text": LONG, "k": 3}, "at most 10000"),
        ({"text": "🙂", "k": 3}, "is known to the text encoder"),
        ({"text": "cat"}, "k"),
        ({"text": "cat", "k": 3, "distance_threshold": 1}, "k"),
        ({"text": "cat", "k": 3, "aqe_n": "many"}, "aqe_n = 'many'"),
        ({"text": "cat", "k": 3, "aqe_n": 2, "aqe_alpha": -1}, "aqe_alpha"),
    ],
)
def test_the_original_endpoint_names_what_makes_no_sense(
    client: httpx.Client, fields: dict[str, Any], says: str
) -> None:
    answer = client.post(BY_TEXT, json=fields)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def test_a_link_that_is_too_long_is_refused(client: httpx.Client) -> None:
    refused = client.get("/v1/search", params={"text": LONG[:20_000]})
    assert refused.status_code == 400
    assert "text" in refused.json()["detail"]


def test_mixed_scripts_are_read_as_far_as_they_are_known(client: httpx.Client) -> None:
    answer = asked(client, {"text": "кошка 猫 a cat 🙂"})
    assert names(answer)[0] == "chelsea.png"
    assert "not known to the text encoder" in answer["kinds"][0]["message"]
    cut = asked(client, {"text": "a cat " * 1_000})
    assert names(cut)[0] == "chelsea.png"
    assert "characters were read" in cut["kinds"][0]["message"]


def test_a_picture_of_one_color_is_an_ordinary_term(client: httpx.Client) -> None:
    blank = encoded(Image.new("RGB", (300, 200), (90, 90, 90)), "PNG")
    alone = client.post("/v1/search", files={"image": blank}).raise_for_status().json()
    assert {status["kind"]: status["state"] for status in alone["kinds"]}["image_text_features"] == "ok"
    answer = client.post("/v1/search", files={"image": blank}, data={"text": "cat"}).raise_for_status()
    assert "chelsea.png" in names(answer.json())


def test_the_command_line_asks_the_server_that_holds_the_library(
    client: httpx.Client, shelf: Terminal
) -> None:
    """What it would use itself is not installed, so that only the server can have answered."""
    there = asked(client, {"text": "cat", "minus": "coffee"})
    before = dict(shelf.environment)
    shelf.environment[MISSING] = "siglip2-b32-256"
    try:
        told = shelf.run("search", "--text", "cat", "--minus", "coffee", "--json")
    finally:
        shelf.environment = before
    here = json.loads(told.out)
    assert here["query"] == "“cat”, without “coffee”"
    assert [(match["name"], match["verdict"]) for match in here["matches"]] == [
        (name, "same_words") for name in names(there)
    ]
    assert [match["score"] for match in here["matches"]] == [match["score"] for match in there["matches"]]


def test_the_command_line_says_what_fits_and_what_the_model_cannot_do(
    client: httpx.Client, shelf: Terminal, ids: dict[str, int]
) -> None:
    told = shelf.run("search", "--text", "cat", "-k", "2")
    header, first, *_ = told.out.splitlines()
    assert header.split() == ["#", "id", "score", "picture"]
    assert first.endswith("chelsea.png")
    assert "ambience models install siglip2-b32-256" in told.err
    photograph = shelf.folder / "photographs" / "coffee.png"
    paths = shelf.run(
        "search", photograph, "--text", "motorcycle", "--text", "cat", "--paths"
    ).out.splitlines()
    assert {Path(path).name for path in paths[:3]} == {"coffee.png", "motorcycle_left.png", "chelsea.png"}
    assert paths[0].startswith(str(shelf.folder))
    without = shelf.run("search", str(ids["rocket.jpg"]), "--minus", "motorcycle", "--json").out
    assert "motorcycle_left.png" not in [match["name"] for match in json.loads(without)["matches"]]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--minus", "cat"), 2, "say what to look for"),
        (("--text", LONG, "--minus", ""), 1, "102,000 characters; at most 10,000"),
    ],
)
def test_the_command_line_names_what_makes_no_sense(
    client: httpx.Client, shelf: Terminal, words: tuple[str, ...], code: int, says: str
) -> None:
    told = shelf.run("search", *words, code=code)
    assert told.out == ""
    assert says in told.err


def test_without_its_model_words_say_what_is_missing_and_all_else_works(
    terminal: Terminal, shipped_photographs: Path, free_port: int
) -> None:
    terminal.environment[MISSING] = "siglip2-b32-256"
    terminal.environment["AMBIENCE_MODELS_FOLDER"] = str(terminal.folder / "models")
    row = CATALOG["siglip2-b32-256"]
    size = f"{row.size / 1e6:,.1f} MB"
    needed = (row.name, size, f"licence {row.licence}", f"ambience models install {row.name}")
    photograph = (shipped_photographs / "coffee.png").read_bytes()
    with terminal.server("--port", str(free_port), port=free_port) as client:
        added = client.post("/v1/images", files={"image": ("coffee.png", photograph)}).raise_for_status()
        states = {kind: each["state"] for kind, each in added.json()["kinds"].items()}
        assert states.pop("image_text_features") == "pending"
        assert set(states.values()) == {"done"}

        found = client.post("/v1/search", files={"image": photograph}).raise_for_status().json()
        assert names(found) == ["coffee.png"]
        fared = {status["kind"]: status for status in found["kinds"]}
        assert fared.pop("image_text_features")["state"] == "failed"
        assert {status["state"] for status in fared.values()} == {"ok"}

        refused = [
            client.get("/v1/search", params={"text": "cat"}),
            client.post("/v1/search", json={"image_id": added.json()["image_id"], "text": "cat"}),
            client.post(BY_TEXT, json={"text": "cat", "k": 3}),
            client.post(
                "/calculate_image_text_features", files={"image": photograph}, data={"image_id": "7"}
            ),
        ]
        for answer in refused:
            assert answer.status_code == 503
            assert answer.json()["code"] in ("model_missing", "model_unusable")
            for words in needed:
                assert words in answer.json()["detail"]
        told = terminal.run("search", "--text", "cat", code=1)
        assert told.out == ""
        for words in needed:
            assert words in told.err
