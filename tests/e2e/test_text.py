"""Text in pictures, from file to answer: read by the real model, found misspelt and in another script."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from support.ocr_weights import ocr_models

SIGNS = {
    "hotel.png": "Grand Hotel Victoria",
    "menu.png": "Restaurant Menu",
    "station.png": "Central Station",
    "shop.png": "Fresh Bakery",
}


def sign(path: Path, text: str) -> Path:
    """Dark letters on a bright noisy wall."""
    rng = np.random.default_rng(len(text))
    wall = np.clip(rng.normal(225, 6, (360, 640, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(wall)
    place = (40, 150)
    ImageDraw.Draw(image).text(place, text, fill=(25, 30, 60), font=ImageFont.load_default(48))
    image.save(path)
    return path


@pytest.fixture
def reading(terminal, without_embeddings: None, tmp_path: Path):
    """A library of signs; the model that reads is there, and the other annotators are off."""
    folder = tmp_path / "signs"
    folder.mkdir()
    for name, text in SIGNS.items():
        sign(folder / name, text)
    terminal.environment |= {
        "AMBIENCE_MODELS_FOLDER": str(ocr_models()),
        "AMBIENCE_ANNOTATE__TEXT__ENABLED": "true",
        "AMBIENCE_ANNOTATE__TEXT__ENGINE": "ppocr",
        "AMBIENCE_KINDS__LOCAL_FEATURES__ENABLED": "false",
    }
    terminal.run("add", folder)
    return terminal


def found(terminal, *words: str) -> list[str]:
    answer = json.loads(terminal.run("search", *words, "--by", "text", "--json", code=0).out)
    return [match["name"] for match in answer["matches"]]


def test_what_stands_in_pictures_is_found_however_it_is_spelled(reading) -> None:
    assert "0 left" not in reading.run("annotate", "--only", "text").err
    assert found(reading, "--text", "restaurant") == ["menu.png"]
    assert found(reading, "--text", "resturant") == ["menu.png"]
    assert found(reading, "--text", '"grand hotel"') == ["hotel.png"]
    assert found(reading, "--text", "виктория") == ["hotel.png"]
    reading.run("search", "--text", "aquarium", "--by", "text", code=1)
    assert "station.png" in reading.run("search", "--filter", "text:station").out
    table = reading.run("search", "--text", "bakry", "--by", "text").out
    assert "Bakery" in table
    assert "shop.png" in table


def test_a_server_reads_in_the_background_and_answers_the_originals_clients(
    reading, free_port: int, tmp_path: Path
) -> None:
    with reading.server("--port", str(free_port), port=free_port) as client:
        for _ in range(600):
            states = client.get("/v1/info").json()["annotators"]["text"]["states"]
            if states.get("done") == len(SIGNS):
                break
            time.sleep(0.1)
        assert states == {"done": len(SIGNS)}
        answer = client.get("/v1/search", params={"text": "statoin", "by": "text"}).json()
        (match,) = answer["matches"]
        (word,) = match["evidence"][0]["words"]
        assert (word["asked"], word["found"], word["how"]) == ("statoin", "Station", "spelling")
        x, y = word["line"]["quad"][0]
        assert 0 < x < 0.2
        assert 0.3 < y < 0.6
        data = sign(tmp_path / "late.png", "Central Park").read_bytes()
        files = {"image": ("late.png", data)}
        assert client.post("/calculate_text_features", files=files, data={"image_id": "77"}).content == b""
        assert (
            client.post("/calculate_text_features", files=files, data={"image_id": "77"}).status_code == 409
        )
        body = {"text": "central", "k": 9}
        for _ in range(100):
            items = client.post("/text_get_similar_images_by_text", json=body).json()
            if len(items) == 2:
                break
            time.sleep(0.1)
        assert {item["image_id"] for item in items} == {77, match["image_id"]}
        shared = client.post("/text_get_similar_images_by_id", json={"image_id": 77, "k": 5}).json()
        assert shared[0] == {"image_id": 77, "score": 100.0}
        assert client.post("/delete_text_features", json={"image_id": 77}).status_code == 200
        assert len(client.post("/text_get_similar_images_by_text", json=body).json()) == 1
        refused = client.post("/get_image_caption", files=files)
        assert refused.status_code in (404, 503)


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute by itself, minutes on a busy machine
def test_a_killed_reading_goes_on_where_it_was(reading, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for n in range(40):
        sign(more / f"{n}.png", f"Number {1000 + n}")
    reading.run("add", more)
    total = len(SIGNS) + 40

    def states() -> dict[str, int]:
        return json.loads(reading.run("info", "--json").out)["annotators"]["text"]["states"]

    for _ in range(3):
        process = reading.start("annotate", "--only", "text")
        before = states().get("done", 0)
        for _ in range(400):
            if states().get("done", 0) > before:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert sum(states().values()) == total
    reading.run("annotate", "--only", "text")
    assert states() == {"done": total}
    assert "all is well" in reading.run("check").out
    assert found(reading, "--text", "1017") == ["17.png"]
    paths = reading.run("search", "--filter", "text:number", "--paths", "-k", "100").out.split()
    assert len(paths) == 40
