"""Clients of a network learn no path of the server's machine, whatever they ask for and whatever fails."""

import threading
import time

import httpx
import pytest
from PIL import Image

import ambience
from ambience.errors import StoreError
from ambience.serve.http.errors import problem_of, told
from ambience.serve.http.run import Server
from ambience.serve.http.visit import Visit, current_visit
from ambience.settings import ServeSettings, Settings
from support.silent import SILENT

KINDS = {kind: {"enabled": False} for kind in ("global_features", "image_text_features")}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "/data/a/b c/d.jpg: cannot be read: no such file",
            "(a file of the server): cannot be read: no such file",
        ),
        ("the file '/x/y z' is gone", "the file '(a file of the server)' is gone"),
        ("no library in /data/library; make one", "no library in (a file of the server); make one"),
        ("files (/x/y, ~/z) went", "files ((a file of the server), (a file of the server)) went"),
        ("send image/png, and/or 3/4; see docs/http.md", "send image/png, and/or 3/4; see docs/http.md"),
        ("https://example.org/a/b.jpg: 1 / 2", "https://example.org/a/b.jpg: 1 / 2"),
    ],
)
def test_paths_in_messages_are_left_out(said, expected):
    assert told(said) == expected
    token = current_visit.set(Visit("a", is_local=True))
    assert told(said) == said
    current_visit.reset(token)


def test_a_problem_tells_no_path():
    assert b"secret" not in problem_of(StoreError("/data/secret/library: cannot be written")).body


@pytest.fixture(scope="module")
def reached(tmp_path_factory, shipped_photographs):
    """A real library of files in place, some of them gone or broken since, on a server that others reach."""
    folder = tmp_path_factory.mktemp("a secret place")
    pictures = folder / "my pictures"
    pictures.mkdir()
    for n, name in enumerate(("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png")):
        with Image.open(shipped_photographs / name) as opened:
            opened.convert("RGB").resize((160, 120)).save(pictures / f"{n}.png")
    (pictures / "broken.png").write_bytes((pictures / "0.png").read_bytes()[:500])
    settings = Settings(
        library=folder / "library",
        serve=ServeSettings(host="0.0.0.0", open=True),
        kinds=KINDS,
        annotate=SILENT,
    )
    with ambience.open(settings=settings, writer=True) as library:
        library.add_paths([pictures])
        library.add_feature("phash", 77, (pictures / "3.png").read_bytes())
        ids = [record.image_id for record in library.list_images()]
        (pictures / "0.png").unlink()
        (pictures / "1.png").write_bytes(b"no picture any more")
        server = Server(library, port=0)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.is_listening:
            time.sleep(0.005)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            yield client, server, ids, folder
        server.stop()
        thread.join(30)
        server.close()


def test_no_answer_names_a_path(reached, picture):
    client, server, ids, folder = reached
    answers = []
    for template, methods in server.app.openapi()["paths"].items():
        for method in methods:
            for image_id in (ids[0], ids[1], 77, 999):
                path = template.replace("{image_id}", str(image_id)).replace("{other}", str(ids[0]))
                form = {"image_id": str(image_id)}
                for sent in (
                    {},
                    {"params": {"id": image_id, "format": "json"}},
                    {"json": {"image_id": image_id, "k": 3, "key": "x"}},
                    {"data": form, "files": {"image": ("a", picture(1))}},
                    {"data": form, "files": {"image": ("a", b"no picture")}},
                ):
                    if method == "get" and ("json" in sent or "files" in sent):
                        continue
                    if method == "delete" and image_id != 999:
                        continue
                    if path.startswith("/delete") and image_id != 999:
                        continue
                    answers.append(client.request(method.upper(), path, **sent))
    assert len(answers) > 200
    assert {200, 404, 415} <= {answer.status_code for answer in answers}
    assert any(b"(a file of the server)" in answer.content for answer in answers)  # so it was tried
    assert [each.request.url for each in answers if each.status_code >= 500] == []
    for answer in answers:
        for part in (str(folder), folder.name, "my pictures"):
            assert part.encode() not in answer.content, (answer.request.url, answer.text[:300])
            assert part not in str(answer.headers), answer.request.url


def test_the_same_server_tells_this_machines_command_line_everything(reached):
    _, server, ids, folder = reached
    transport = httpx.HTTPTransport(uds=str(server.socket_path))
    with httpx.Client(transport=transport, base_url="http://localhost") as local:
        assert local.get("/v1/info").json()["folder"] == str(folder / "library")
        assert local.get(f"/v1/images/{ids[0]}").json()["path"].startswith(str(folder))
