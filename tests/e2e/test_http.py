"""The HTTP faces over a real library of real photographs, beside reference implementations."""

import io
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from ambience import library
from ambience.serve.http.run import Server
from ambience.settings import Settings
from ambience.store.lock import WriterLock
from support.picture_samples import encoded

COPIES = ("local_features", "phash")
"""Kinds that can tell copies."""

KINDS = ("color", "global_features", "image_text_features", "local_features", "phash")

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of an empty library that decodes exactly, in a thread of this process."""
    settings = Settings(library=tmp_path_factory.mktemp("exact") / "library")
    settings = replace(settings, decode=replace(settings.decode, exact=True))
    with library.open(settings=settings, writer=True, purpose="serve") as opened:
        made = Server(opened, port=0)
        thread = threading.Thread(target=made.run)
        thread.start()
        while not made.is_listening:
            time.sleep(0.01)
        yield made
        made.stop()
        thread.join(30)
        made.close()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def ids(client: httpx.Client, shipped_photographs: Path) -> dict[str, int]:
    """Names of the photographs → their ids, once uploaded."""
    uploaded = {}
    for name in NAMES:
        data = (shipped_photographs / name).read_bytes()
        answer = client.post("/v1/images", files={"image": (name, data)})
        uploaded[name] = answer.raise_for_status().json()["image_id"]
    return uploaded


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_small_turned_recompressed_copy_finds_its_original(
    client: httpx.Client, ids: dict[str, int], shipped_photographs: Path, turn: int, is_mirrored: bool
) -> None:
    with Image.open(shipped_photographs / "coffee.png") as opened:
        image = opened.convert("RGB").resize((300, 200))
    image = ImageOps.mirror(image) if is_mirrored else image
    data = encoded(image.rotate(turn, expand=True), "JPEG", quality=70)
    found = client.post("/v1/search", files={"image": ("q.jpg", data)}).raise_for_status().json()
    first = found["matches"][0]
    assert first["image_id"] == ids["coffee.png"]
    assert first["verdict"] in ("same_picture", "edited")
    assert first["orientation"]["mirrored"] == is_mirrored
    assert (first["orientation"]["rotation"] % 180 == 90) == (turn % 180 == 90)
    assert {status["state"] for status in found["kinds"]} == {"ok"}


def test_an_upload_is_kept_shown_and_told_from_its_copies(
    client: httpx.Client, ids: dict[str, int], shipped_photographs: Path
) -> None:
    data = (shipped_photographs / "rocket.jpg").read_bytes()
    again = client.post("/v1/images", files={"image": ("again.jpg", data)}).json()
    assert again["same_file_of"] == [ids["rocket.jpg"]]
    assert {status["kind"]: status["state"] for status in again["asked"]} == dict.fromkeys(COPIES, "ok")
    assert again["duplicates"][0]["verdict"] == "same_file"
    link = f"/v1/images/{again['image_id']}"
    assert client.get(f"{link}/file").content == data
    with Image.open(io.BytesIO(client.get(f"{link}/thumbnail?size=100").content)) as small:
        assert (small.format, max(small.size)) == ("JPEG", 100)
    assert client.delete(link).status_code == 204
    assert client.get(link).status_code == 404
    assert client.get(f"/v1/images/{ids['rocket.jpg']}/file").content == data


def test_distances_by_id_are_those_of_the_original(client: httpx.Client, shipped_photographs: Path) -> None:
    hashes, histograms = {}, {}
    for image_id, name in enumerate(NAMES, 5000):
        with Image.open(shipped_photographs / name) as opened:
            rgb = opened.convert("RGB")
        rgb.info.clear()  # the original knows no color profiles
        for kind in ("phash", "color"):
            files = {"image": ("x.png", encoded(rgb, "PNG"))}
            put = client.post(f"/calculate_{kind}_features", files=files, data={"image_id": str(image_id)})
            assert (put.status_code, put.content) == (200, b"")
        hashes[image_id] = imagehash.phash(rgb, hash_size=24, highfreq_factor=4).hash
        cells = (np.asarray(rgb).reshape(-1, 3) // 32).astype(np.int64) @ np.array([64, 8, 1])
        histograms[image_id] = np.bincount(cells, minlength=512) * (1e7 / len(cells))
    by_hash = client.post("/phash_get_similar_images_by_id", json={"image_id": 5000, "k": "100"}).json()
    by_color = client.post("/color_get_similar_images_by_id", json={"image_id": "5000", "k": 100}).json()
    for items, expected in (
        (by_hash, {i: float((hashes[5000] != each).sum()) for i, each in hashes.items()}),
        (by_color, {i: float(np.abs(histograms[5000] - each).sum()) for i, each in histograms.items()}),
    ):
        found = {item["image_id"]: item["distance"] for item in items if item["image_id"] >= 5000}
        assert found.keys() == expected.keys()
        for image_id, distance in found.items():
            is_bits = items is by_hash
            assert distance == pytest.approx(
                expected[image_id], rel=0 if is_bits else 1e-3, abs=0 if is_bits else 1
            )


@pytest.mark.parametrize("kind", ["phash", "color"])
def test_thresholds_of_the_original_are_inclusive(
    client: httpx.Client, ids: dict[str, int], kind: str
) -> None:
    url = f"/{kind}_get_similar_images_by_id"
    query = ids["chelsea.png"]
    everything = client.post(url, json={"image_id": query, "k": 10**9}).json()
    assert everything[0] == {"image_id": query, "distance": 0}
    for reach, item in enumerate(everything, 1):
        within = client.post(url, json={"image_id": query, "distance_threshold": item["distance"]}).json()
        assert within[:reach] == everything[:reach]
        assert all(each["distance"] <= item["distance"] for each in within)


def test_a_kind_is_added_and_deleted_by_the_originals_endpoints(
    client: httpx.Client, ids: dict[str, int], shipped_photographs: Path
) -> None:
    files = {"image": ("x", (shipped_photographs / "camera.png").read_bytes())}
    data = {"image_id": "4000"}
    assert client.post("/calculate_phash_features", files=files, data=data).status_code == 200
    assert client.post("/calculate_phash_features", files=files, data=data).status_code == 409
    found = client.post(
        "/phash_get_similar_images_by_image_buffer", files=files, data={"distance_threshold": "0"}
    )
    assert found.json() == [{"image_id": 4000, "distance": 0}]
    assert client.post("/color_get_similar_images_by_id", json={"image_id": 4000, "k": 1}).status_code == 404
    assert client.post("/delete_phash_features", json={"file_name": "nobody"}).status_code == 404
    assert client.post("/delete_phash_features", json={"file_name": "4000.online"}).status_code == 200
    assert client.post("/delete_phash_features", json={"image_id": 4000}).status_code == 404
    assert client.get("/v1/images/4000").status_code == 404


def test_bytes_that_are_no_picture_are_refused_and_leave_nothing(
    client: httpx.Client, ids: dict[str, int]
) -> None:
    before = client.get("/v1/info").json()["images"]
    cases = {b"no picture at all" * 9: 415, encoded(Image.new("RGB", (64, 64)), "JPEG")[:300]: 422, b"": 400}
    for data, status in cases.items():
        for url, fields in (
            ("/v1/images", {}),
            ("/v1/search", {}),
            ("/calculate_color_features", {"image_id": "9"}),
        ):
            answer = client.post(url, files={"image": ("x.jpg", data)}, data=fields)
            assert (answer.status_code, answer.json()["status"]) == (status, status), answer.text
    assert client.get("/v1/info").json()["images"] == before


def test_head_says_what_get_would(terminal, photographs: Path, free_port: int) -> None:
    terminal.run("add", photographs / "coffee.png")
    with terminal.server("--port", str(free_port), port=free_port) as client:
        image_id = client.get("/v1/images").json()["images"][0]["image_id"]
        for path in ("/", "/healthz", "/v1/info", f"/v1/images/{image_id}/file"):
            asked, got = client.head(path), client.get(path)
            assert (asked.status_code, asked.content) == (200, b"")
            assert asked.headers["content-length"] == str(len(got.content))
        refused = client.put(f"/v1/images/{image_id}")
        assert refused.status_code == 405
        assert "does not answer PUT; it answers" in refused.json()["detail"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order(
    terminal, photographs: Path, free_port: int, sent: signal.Signals
) -> None:
    process = terminal.start("serve", "--port", str(free_port))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{free_port}", timeout=30, trust_env=False) as asking:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    if asking.get("/readyz").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            data = (photographs / "rocket.jpg").read_bytes()
            added = asking.post("/v1/images", files={"image": ("r.jpg", data)}).raise_for_status().json()
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert WriterLock.holder(terminal.library) is None
    assert "Traceback" not in said.decode()
    assert f":{free_port}/" in said.decode()
    assert (
        f'"image_id": {added["image_id"]}' in terminal.run("search", photographs / "rocket.jpg", "--json").out
    )
    assert terminal.run("check").out == "all is well\n"
