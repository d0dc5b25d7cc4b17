"""While a server runs, commands from another terminal work on the same library; a second server may not."""

import json
from pathlib import Path


def test_commands_work_beside_a_server(
    terminal, photographs: Path, shipped_photographs: Path, free_port
) -> None:
    with terminal.server("--port", str(free_port), port=free_port) as client:
        added = terminal.run("add", photographs)
        assert "5 added" in added.out

        served = client.get("/v1/images").raise_for_status().json()["images"]
        assert {image["name"] for image in served} == {path.name for path in photographs.iterdir()}

        found = json.loads(terminal.run("search", photographs / "coffee.png", "--json").out)
        assert found["matches"][0]["name"] == "coffee.png"
        assert "coffee.png" in terminal.run("search", photographs / "coffee.png").out

        # What the server takes in is found by the command line at once, and the other way round.
        data = (shipped_photographs / "moon.png").read_bytes()
        uploaded = client.post("/v1/images", files={"image": ("moon.png", data)}).raise_for_status().json()
        by_id = terminal.run("search", shipped_photographs / "moon.png", "--json")
        assert json.loads(by_id.out)["matches"][0]["image_id"] == uploaded["image_id"]

        assert json.loads(terminal.run("info", "--json").out)["images"] == 6
        terminal.run("remove", str(uploaded["image_id"]))
        assert client.get(f"/v1/images/{uploaded['image_id']}").status_code == 404
        assert terminal.run("check").out == "all is well\n"
        assert "rebuilt" in terminal.run("rebuild", "phash").out
        terminal.run("jobs", "--json")

        bad = terminal.run("search", "4711", code=1)
        assert "4711" in bad.err
    assert json.loads(terminal.run("info", "--json").out)["images"] == 5


def test_a_second_server_is_refused_and_told_of_the_first(terminal, free_port) -> None:
    with terminal.server("--port", str(free_port), port=free_port):
        refused = terminal.run("serve", "--port", str(free_port + 1), code=1)
        assert "serve" in refused.err
        assert str(free_port) in refused.err
        assert len(refused.err.strip().splitlines()) == 1
