"""A gateway and its services as processes of their own, started by the script that people start them by."""

from pathlib import Path
from typing import Any

import pytest

import ambience
from ambience.answers import Query
from support.services import KINDS, only
from support.topology import Topology, running


def add(topology: Topology, path: Path) -> dict[str, Any]:
    answer = topology.http.post("/v1/images", files={"image": (path.name, path.read_bytes())})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


@pytest.mark.timeout(300)
def test_a_killed_service_is_named_and_a_killed_gateway_loses_nothing(
    tmp_path: Path, photographs: Path
) -> None:
    pictures = sorted(photographs.iterdir())
    with running(tmp_path, "color", "phash") as topology:
        first = add(topology, pictures[0])
        assert {kind: each["state"] for kind, each in first["kinds"].items()} == {
            "color": "done",
            "phash": "done",
        }
        topology.kill("phash")
        second = add(topology, pictures[1])
        assert second["kinds"]["color"]["state"] == "done"
        topology.kill("gateway")
        topology.until(lambda: topology.http.get("/readyz").is_success and not topology.pending())
        query = pictures[1].read_bytes()
        assert topology.fared(query) == {"color": "ok", "phash": "ok"}
        found = topology.http.post("/v1/search", files={"image": ("q", query)}, data={"by": "phash"}).json()
        assert [each["image_id"] for each in found["matches"]] == [second["image_id"]]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nine_processes_answer_as_one(tmp_path: Path, photographs: Path) -> None:
    pictures = sorted(photographs.iterdir())
    settings = only(tmp_path / "one", {kind: {} for kind in KINDS}, deadline_s=60.0)
    with (
        running(tmp_path, *KINDS, "text", "caption", "tags") as topology,
        ambience.open(settings=settings, writer=True) as one,
    ):
        for path in pictures:
            added = add(topology, path)
            one.add_image(path.read_bytes(), name=path.name, image_id=added["image_id"])
        topology.until(lambda: not topology.pending())
        for path in pictures:
            query = path.read_bytes()
            answer = topology.http.post("/v1/search", files={"image": ("q", query)}).json()
            assert {each["kind"]: each["state"] for each in answer["kinds"]} == dict.fromkeys(KINDS, "ok")
            expected = one.search(Query(data=query))
            assert [(each["image_id"], each["verdict"]) for each in answer["matches"]] == [
                (each.image_id, each.verdict) for each in expected.matches
            ]
            for there, here in zip(answer["matches"], expected.matches, strict=True):
                assert there["score"] == pytest.approx(here.score, abs=1e-5)
        for name in KINDS:
            topology.kill(name)
            states = topology.fared(pictures[0].read_bytes())
            assert all(state == "ok" for kind, state in states.items() if kind != name)
            topology.until(lambda: set(topology.fared(pictures[0].read_bytes()).values()) == {"ok"})
