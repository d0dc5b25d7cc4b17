"""What `make demo` does once Ambience is installed: serve a library of its own, add photographs, show a page.

Without `--photos` these are the real photographs that ship inside the scikit-image package. With `--once` a
turned and re-encoded copy of one of them is searched for through the running server, then its colors, then a
mirrored crop of it, and three of the shipped ones by words; the process ends with 0 only if all first hits
are right.
"""

import argparse
import contextlib
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageOps

PROJECT = Path(__file__).parents[1]
HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
"""The files of `skimage/data` that are photographs; the others are drawings, tables and test patterns."""

WORDS = {"cat": "chelsea.png", "a cup of coffee": "coffee.png", "rocket": "rocket.jpg"}
"""What to say to find which of them."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def main() -> int:
    """Runs the demo; the process's exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder to add in place of the shipped photographs")
    parser.add_argument("--port", type=int, default=44444)
    parser.add_argument("--once", action="store_true", help="search a few times, print the answers, and end")
    options = parser.parse_args()
    try:
        photos = options.photos.expanduser() if options.photos else None
        return demo(photos, options.port, once=options.once)
    except DemoError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def demo(photos: Path | None, port: int, *, once: bool) -> int:
    """Serves, adds, and waits, or with `once` searches and ends.

    Returns:
        Exit code: 1 where a search did not find what it must.

    Raises:
        DemoError: there is nothing to add, the port is taken (any free one does for `once`), or the server
            does not start.
    """
    paths = _photographs(photos)
    # A library for each folder, so that the pictures of one demo are not found in another.
    mark = hashlib.sha256(os.fsencode(photos.absolute()) if photos else b"").hexdigest()[:8]
    library = PROJECT / ".demo" / f"library-{mark}"
    port = _free_port(port, or_any=once)
    address = f"http://{HOST}:{port}"
    with _server(library, port):
        added = subprocess.run(_ambience(library, "add", *paths), check=False).returncode
        if added != 0:
            raise DemoError("the photographs could not be added; the reason is above")
        if once:
            return _search(address, words=WORDS if photos is None else {})
        print(f"\nAmbience shows your pictures at  {address}  (Ctrl-C ends it)", flush=True)
        print(f"from another terminal: {_said(_ambience(library, 'search', '…'))}", flush=True)
        signal.pause()
    return 0


def _photographs(photos: Path | None) -> list[Path]:
    if photos is not None:
        if not photos.exists():
            raise DemoError(f"there is no {photos}; say make demo PHOTOS=/path/to/pictures")
        return [photos.absolute()]
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise DemoError("scikit-image, whose photographs are shown, is not installed; run make clean demo")
    data = Path(package.origin).parent / "data"
    found = [data / name for name in PHOTOGRAPHS if (data / name).is_file()]
    if len(found) < len(PHOTOGRAPHS) // 2:
        raise DemoError(
            f"{data} holds {len(found)} of {len(PHOTOGRAPHS)} photographs; say make demo PHOTOS=DIR"
        )
    return found


def _ambience(library: Path, *words: str | Path) -> list[str]:
    command = [sys.executable, "-m", "ambience", "--library", library, *words]
    return [str(word) for word in command]


def _said(command: Sequence[str]) -> str:
    program = Path(sys.executable).with_name("ambience")
    with contextlib.suppress(ValueError):
        program = program.relative_to(Path.cwd())
    return " ".join([str(program), *command[3:]])


def _free_port(port: int, *, or_any: bool) -> int:
    """The port, or where it is taken and nobody needs to know the address, any that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            if or_any:
                probe.bind((HOST, 0))
                return int(probe.getsockname()[1])
            raise DemoError(
                f"port {port} is taken ({exc.strerror}), maybe by another demo; "
                f"end that, or choose another one: make demo PORT={port + 1}"
            ) from exc
    return port


@contextlib.contextmanager
def _server(library: Path, port: int) -> Iterator[None]:
    """A server that answers, and that ends with the demo."""
    library.parent.mkdir(exist_ok=True)
    log_path = library.with_suffix(".log")
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            _ambience(library, "serve", "--port", str(port)),
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for the demo, which then ends the server in good order
        )
    try:
        _wait_until_ready(server, f"http://{HOST}:{port}/readyz", log_path)
        yield
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise DemoError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(address, timeout=2, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise DemoError(f"the server does not answer after {START_TIMEOUT_S:g} s; see {log}")


def _search(address: str, *, words: Mapping[str, str]) -> int:
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        image = _first_photograph(client)
        original = client.get(image["file"]).raise_for_status().content
        copy = _edited(original)
        print(f"\nthe question: {image['name']}, made smaller, turned by 90° and saved again as JPEG")
        are_right = [
            _ask(client, copy, image, by=None, title="reverse search"),
            _ask(client, copy, image, by="color", title="color search"),
        ]
        print(f"\nthe next question: a fifth of {image['name']}, mirrored and saved again as JPEG")
        part = _mirrored_part(original)
        are_right.append(_ask(client, part, image, by="local_features", title="part search"))
        if words:
            print("\nthe last questions: words")
        are_right += [_ask_words(client, text, name) for text, name in words.items()]
    if all(are_right):
        print(f"\nall {len(are_right)} first hits are right")
        return 0
    print(f"\n{are_right.count(False)} of {len(are_right)} first hits are wrong", file=sys.stderr)
    return 1


def _first_photograph(client: httpx.Client) -> dict[str, Any]:
    for image in client.get("/v1/images", params={"limit": 100}).raise_for_status().json()["images"]:
        if image["file"] and min(image["width"], image["height"]) >= 200:
            found: dict[str, Any] = image
            return found
    raise DemoError("the library holds no picture of at least 200 × 200 pixels to search with")


def _edited(original: bytes) -> bytes:
    picture = _upright(original)
    smaller = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)
    return _saved(smaller.transpose(Image.Transpose.ROTATE_90))


def _mirrored_part(original: bytes) -> bytes:
    """The middle of a picture: 45 % of its width and of its height."""
    picture = _upright(original)
    x, y = picture.width * 11 // 40, picture.height * 11 // 40
    return _saved(ImageOps.mirror(picture.crop((x, y, picture.width - x, picture.height - y))))


def _upright(original: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(original))).convert("RGB")


def _saved(picture: Image.Image) -> bytes:
    saved = io.BytesIO()
    picture.save(saved, "JPEG", quality=70)
    return saved.getvalue()


def _ask(client: httpx.Client, data: bytes, image: dict[str, Any], *, by: str | None, title: str) -> bool:
    """Asks the server, prints what it says, and tells whether the first hit is the picture asked for."""
    fields = {"k": "5"} | ({"by": by} if by else {})
    answer = client.post("/v1/search", files={"image": ("copy.jpg", data)}, data=fields)
    matches = answer.raise_for_status().json()["matches"]
    print(f"\n{title}:")
    for rank, match in enumerate(matches, start=1):
        turned = match["orientation"]
        notes = ["mirrored"] if turned["mirrored"] else []
        notes += [f"turned by {turned['rotation']}°"] if turned["rotation"] else []
        place = match["place"]
        if place is not None and match["verdict"] == "part":
            notes.append(f"at {place['x']}, {place['y']}, {place['width']} × {place['height']} pixels")
        words = ", ".join([match["verdict"].replace("_", " "), *notes])
        print(f"  {rank}  {match['image']['name']:<24} {match['score']:.2f}  {words}")
    if not matches:
        print("  nothing found")
        return False
    # A folder may hold the same file twice: its bytes count, not its id.
    first = client.get(f"/v1/images/{matches[0]['image_id']}").raise_for_status().json()
    return bool(first["sha256"] == image["sha256"])


def _ask_words(client: httpx.Client, text: str, name: str) -> bool:
    """Asks in words, prints what the server says, and tells whether the first hit is the picture meant."""
    answer = client.get("/v1/search", params={"text": text, "k": 3}).raise_for_status().json()
    print(f"\ntext search, {text!r}:")
    for rank, match in enumerate(answer["matches"], start=1):
        print(f"  {rank}  {match['image']['name']:<24} {match['score']:.2f}")
    if not answer["matches"]:
        print("  nothing found")
        return False
    return bool(answer["matches"][0]["image"]["name"] == name)


if __name__ == "__main__":
    sys.exit(main())
