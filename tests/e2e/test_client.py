"""The client against a real server, and the example of its page as it stands."""

import io
import re
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from ambience.client import Client, NewImage
from ambience.errors import ImageIdTakenError, UnknownImageError, UnsupportedFormatError

PAGE = Path(__file__).parents[2] / "docs" / "client.md"


@pytest.mark.usefixtures("without_embeddings")
def test_the_client_adds_finds_changes_and_removes(
    terminal, free_port, shipped_photographs, tmp_path, monkeypatch
) -> None:
    with terminal.server("--port", str(free_port), port=free_port):
        url = f"http://127.0.0.1:{free_port}"
        _everything(url, shipped_photographs, tmp_path)
        _example(url, shipped_photographs, tmp_path / "example", monkeypatch)


def _everything(url: str, photographs: Path, folder: Path) -> None:
    rocket = photographs / "rocket.jpg"
    with Client(url) as client:
        added = client.add(rocket, image_id=5, tags=["rocket"])
        again = client.add(rocket, image_id=5)
        assert (added.image_id, added.is_new, again.is_new) == (5, True, False)
        outcomes = list(
            client.add_many(
                [photographs / "coffee.png", b"no picture", NewImage(rocket, image_id=9)], tags=["x"]
            )
        )
        assert [each.status for each in outcomes] == [201, 415, 201]
        assert [each.index for each in outcomes] == [0, 1, 2]
        assert outcomes[2].image is not None and outcomes[2].image.same_file_of == [5]

        answer = client.search(rocket, k=1)
        assert answer.matches[0].verdict == "same_file"
        assert answer.next is not None
        found = [match.image_id for match in client.search_all(rocket, k=1)]
        assert sorted(found)[:2] == [5, 9] and len(set(found)) == len(found)
        half = client.search(image_id=5, region=(0, 0, 0.5, 1), exclude_self=True).matches
        assert [match.image_id for match in half if match.verdict == "part"] == [9]

        assert {image.image_id for image in client.images(limit=1)} == {5, 9, outcomes[0].image.image_id}
        changed = client.patch(5, tags=["a"], caption="a rocket")
        assert (changed.tags, changed.captions[0].text) == (["a"], "a rocket")
        assert client.image(5) == changed
        assert client.words(5).tags[0].tag == "a"
        assert client.file(5) == rocket.read_bytes()
        client.save_file(5, folder / "saved.jpg")
        assert (folder / "saved.jpg").read_bytes() == rocket.read_bytes()
        with Image.open(io.BytesIO(client.thumbnail(5, size=64))) as small:
            assert max(small.size) == 64
        assert client.matches(rocket, 9).verdict == client.matches(5, 9).verdict == "same_file"
        assert client.proof(5, 9, format="png")[:4] == b"\x89PNG"
        assert {"phash", "color"} <= {kind.kind for kind in client.kinds()}
        assert client.info().images == 3
        assert isinstance(client.jobs(), list)
        assert client.models()
        with pytest.raises(ImageIdTakenError):
            client.add(photographs / "coffee.png", image_id=5)
        with pytest.raises(UnsupportedFormatError):
            client.add(b"no picture")
        client.delete(5, purge=True)
        with pytest.raises(UnknownImageError, match="5"):
            client.image(5)


def _example(url: str, photographs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder.mkdir()
    for name in ("rocket.jpg", "coffee.png"):
        shutil.copy(photographs / name, folder)
    with Image.open(photographs / "chelsea.png") as picture:
        picture.convert("RGB").save(folder / "lake.jpg", quality=95)
    monkeypatch.chdir(folder)
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(code.replace("http://127.0.0.1:44444", url), "client.md", "exec"), {})
    lines = said.getvalue().splitlines()
    assert lines[0].startswith("coffee.png 201")
    assert any(" part " in line for line in lines)
    assert "['lake.jpg']" in lines
    assert lines[-2] == "same_file"
    assert lines[-1].startswith("unknown_image ")
    assert (folder / "small.jpg").stat().st_size > 1000
