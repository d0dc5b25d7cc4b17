"""Kinds served by other processes: the same answers, and nothing lost while one of them is away."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import ambience
from ambience.answers import Match, Query
from ambience.datatypes import FeatureState, ImageState
from ambience.errors import ImageIdTakenError, UnknownKindError
from ambience.library import Library
from support.fake_service import Script, answering
from support.fake_service import told as told_by_service
from support.services import Service, gateway_to, only, served, services, wait_until

KINDS = ("color", "phash")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[dict[str, Service]]:
    with services(tmp_path, *KINDS) as found:
        yield found


@pytest.fixture
def gateway(tmp_path: Path, started: dict[str, Service]) -> Iterator[Library]:
    settings = gateway_to(tmp_path / "gateway", {kind: each.url for kind, each in started.items()})
    with ambience.open(settings=settings, writer=True) as opened:
        yield opened


@pytest.fixture
def alone(tmp_path: Path, photographs: Path) -> Iterator[Library]:
    with ambience.open(
        settings=only(tmp_path / "alone", {kind: {} for kind in KINDS}), writer=True
    ) as opened:
        opened.add_paths([photographs])
        yield opened


@pytest.fixture
def query(photographs: Path) -> bytes:
    with Image.open(photographs / "chelsea.png") as opened:
        made = io.BytesIO()
        opened.convert("RGB").rotate(90, expand=True).resize((240, 360)).save(made, "JPEG", quality=70)
    return made.getvalue()


def add_all(gateway: Library, photographs: Path) -> None:
    """The same pictures under the same ids as `alone`, caught up with by the services."""
    gateway.add_paths([photographs])
    wait_until(lambda: not waiting(gateway))


def waiting(gateway: Library) -> int:
    return sum(info.states[FeatureState.PENDING] for info in gateway.info().kinds.values())


def told(matches: tuple[Match, ...]) -> list[object]:
    return [(each.image_id, each.verdict, each.score, each.orientation, each.evidence) for each in matches]


def test_the_answers_are_those_of_one_process(
    gateway: Library, alone: Library, photographs: Path, query: bytes
) -> None:
    add_all(gateway, photographs)
    for asked in (Query(data=query), Query(image_id=1)):
        here, there = alone.search(asked), gateway.search(asked)
        assert told(there.matches) == told(here.matches) != []
        assert [(each.kind, each.state) for each in there.kinds] == [(kind, "ok") for kind in KINDS]
    for kind in KINDS:
        expected = alone.search_kind(kind, Query(data=query), k=3)
        assert gateway.search_kind(kind, Query(data=query), k=3).hits == expected.hits
        near = alone.search_kind(kind, Query(image_id=1), radius=0.5, turned=False)
        assert gateway.search_kind(kind, Query(image_id=1), radius=0.5, turned=False).hits == near.hits
        knobs = alone.original_knobs(kind)(k=3)
        expected_rows = alone.search_original(kind, Query(data=query), knobs, turned=True)
        assert gateway.search_original(kind, Query(data=query), knobs, turned=True) == expected_rows


def test_filters_choose_before_ranking(gateway: Library, alone: Library, photographs: Path) -> None:
    add_all(gateway, photographs)
    for library in (gateway, alone):
        library.set_tags(2, ["kept"])
    for filter in ("kept", "!kept"):
        here, there = (lib.search(Query(image_id=1), filter=filter) for lib in (alone, gateway))
        assert told(there.matches) == told(here.matches)
        for kind in KINDS:
            ranked = [
                lib.search_kind(kind, Query(image_id=1), k=2, filter=filter) for lib in (alone, gateway)
            ]
            assert ranked[0].hits == ranked[1].hits


def test_a_service_that_is_down_is_named_and_catches_up_when_it_is_back(
    gateway: Library, started: dict[str, Service], photographs: Path, query: bytes
) -> None:
    first = (photographs / "coffee.png").read_bytes()
    assert gateway.add_image(first).states["phash"][0] is FeatureState.DONE
    started["phash"].stop()
    added = gateway.add_image((photographs / "chelsea.png").read_bytes(), name="cat")
    assert added.states["color"][0] is FeatureState.DONE
    assert added.states["phash"][0] is FeatureState.PENDING
    answer = gateway.search(Query(data=query))
    fared = {status.kind: status for status in answer.kinds}
    assert (fared["color"].state, fared["phash"].state) == ("ok", "failed")
    assert "the service of phash" in fared["phash"].message
    assert str(started["phash"].port) not in fared["phash"].message
    gateway.remove(1)
    started["phash"].start()
    wait_until(lambda: not waiting(gateway) and started["phash"].ids == [added.image_id])
    assert gateway.services()["phash"].removals == 0
    best = gateway.search(Query(data=query), by=["phash"]).matches[0]
    assert (best.image_id, best.orientation.rotation) == (added.image_id, 270)


def test_what_was_taken_up_survives_the_end_of_the_gateway(
    tmp_path: Path, started: dict[str, Service], photographs: Path
) -> None:
    settings = gateway_to(tmp_path / "gateway", {kind: each.url for kind, each in started.items()})
    started["phash"].stop()
    picture = (photographs / "coffee.png").read_bytes()
    with ambience.open(settings=settings, writer=True) as gateway:
        assert gateway.add_feature("phash", 7, picture)[0] is FeatureState.PENDING
        assert gateway.add_feature("color", 7, picture)[0] is FeatureState.DONE
        with pytest.raises(ImageIdTakenError):
            gateway.add_feature("phash", 7, picture)
        assert gateway.image(7).state is ImageState.FEATURES_ONLY
    assert (settings.library / "outbox" / "7").read_bytes() == picture
    started["phash"].start()
    with ambience.open(settings=settings, writer=True) as gateway:
        wait_until(lambda: not waiting(gateway))
        wait_until(lambda: not (settings.library / "outbox" / "7").exists())
        assert started["phash"].ids == [7]
        assert gateway.search(Query(data=picture)).matches[0].image_id == 7


def test_an_id_taken_at_the_service_by_other_bytes_is_refused(
    gateway: Library, started: dict[str, Service], photographs: Path
) -> None:
    mine, other = ((photographs / name).read_bytes() for name in ("coffee.png", "chelsea.png"))
    phash = started["phash"].library
    assert phash is not None
    phash.add_feature("phash", 5, mine)
    with pytest.raises(ImageIdTakenError):
        gateway.add_feature("phash", 5, other)
    assert gateway.images([5]) == {}
    wait_until(lambda: not gateway.services()["phash"].removals)
    assert started["phash"].ids == [5], "what others put there stays"
    assert gateway.add_feature("phash", 5, mine)[0] is FeatureState.DONE


def test_removing_and_adding_again_under_the_same_id(
    gateway: Library, started: dict[str, Service], photographs: Path
) -> None:
    mine, other = ((photographs / name).read_bytes() for name in ("coffee.png", "chelsea.png"))
    gateway.add_image(mine, image_id=3)
    started["phash"].stop()
    gateway.remove(3)
    gateway.add_image(other, image_id=3)
    assert gateway.search(Query(data=mine), by=["color"]).matches == ()
    started["phash"].start()
    wait_until(lambda: not waiting(gateway) and not gateway.services()["phash"].removals)
    assert gateway.search(Query(data=other), by=["phash"]).matches[0].image_id == 3
    gateway.remove_feature("phash", 3)
    wait_until(lambda: started["phash"].ids == [])
    assert gateway.image(3).features["phash"][0] is FeatureState.FAILED


def test_over_http(gateway: Library, started: dict[str, Service], photographs: Path, query: bytes) -> None:
    add_all(gateway, photographs)
    with served(gateway) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        kinds = {each["kind"]: each for each in http.get("/v1/kinds").json()["kinds"]}
        assert kinds["phash"]["service"]["state"] == "up"
        assert kinds["phash"]["service"]["url"] == started["phash"].url
        info = http.get("/v1/info").json()["kinds"]["phash"]
        assert (info["engine"], info["states"]["done"]) == ("elsewhere", 5)
        found = http.post("/v1/search", files={"image": ("q", query)}).json()
        assert found["matches"][0]["image"]["name"] == "chelsea.png"
        rows = http.post(
            "/phash_get_similar_images_by_image_buffer", files={"image": ("q", query)}, data={"k": "1"}
        ).json()
        assert rows[0]["image_id"] == found["matches"][0]["image_id"]
        started["phash"].stop()
        gateway.search(Query(data=query))
        ready = http.get("/readyz")
        assert ready.status_code == 200
        assert "phash" in ready.text
        refused = http.post("/phash_get_similar_images_by_id", json={"image_id": 1, "k": 1})
        assert (refused.status_code, refused.json()["code"]) == (503, "service_failed")


def test_a_kind_elsewhere_changes_its_model_there(gateway: Library) -> None:
    with pytest.raises(UnknownKindError, match="another process"):
        gateway.use_model("dinov2-s14", "phash")


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of server-sent events."""
    made = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        made.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return made


def test_what_is_late_or_nonsense_is_named_and_the_rest_is_told_at_once(
    tmp_path: Path, started: dict[str, Service], photographs: Path, query: bytes
) -> None:
    with answering(Script(lambda *_: told_by_service({"hits": "none"}))) as script:
        urls = {"color": started["color"].url, "phash": script.url}
        settings = gateway_to(tmp_path / "gateway", urls, deadline_s=1.0)
        with ambience.open(settings=settings, writer=True) as gateway, served(gateway) as port:
            gateway.add_image((photographs / "chelsea.png").read_bytes())
            http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
            with http:
                script.delay_s = 0.3
                sent = {"files": {"image": ("q", query)}}
                (first, early), (last, whole) = events(http.post("/v1/search/stream", **sent).text)
                assert (first, last) == ("partial", "answer")
                assert [(each["kind"], each["state"]) for each in early["kinds"]] == [("color", "ok")]
                assert early["matches"] == whole["matches"] != []
                fared = {each["kind"]: each for each in whole["kinds"]}
                assert fared["phash"]["state"] == "failed"
                assert "nonsense" in fared["phash"]["message"]
                script.delay_s = 5.0
                late = http.post("/v1/search", **sent, data={"wait": "0.2"}).json()
                assert {each["kind"]: each["state"] for each in late["kinds"]} == {
                    "color": "ok",
                    "phash": "late",
                }
                assert late["took_s"] < 1.0
                linked = http.get("/v1/search/stream", params={"id": 1, "by": "color"})
                assert linked.headers["content-type"].startswith("text/event-stream")
                assert [name for name, _ in events(linked.text)] == ["answer"]
                refused = http.post("/v1/search/stream", files={"image": ("q", b"no picture")})
                assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_format")
                refused = http.get("/v1/search/stream", params={"id": 1, "cursor": "x"})
                assert (refused.status_code, refused.json()["code"]) == (400, "query_malformed")
