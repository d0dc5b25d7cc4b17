"""A server that is told to stop finishes what it took, keeps what it acknowledged, and ends soon."""

import io
import re
import signal
import socket
import threading
import time
from subprocess import Popen

import httpx
import numpy as np
import pytest
from PIL import Image

import ambience
from ambience.settings_sources import load_settings
from e2e.conftest import Terminal

pytestmark = pytest.mark.usefixtures("without_embeddings")


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def started(terminal: Terminal, port: int) -> "Popen[bytes]":
    process = terminal.start("serve", "--port", str(port))
    for _ in range(600):
        assert process.poll() is None
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success:
                return process
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_what_was_taken_is_finished_and_what_was_acknowledged_is_kept(
    terminal: Terminal, free_port: int, sign: signal.Signals
) -> None:
    process = started(terminal, free_port)
    url = f"http://127.0.0.1:{free_port}/v1/images"
    acknowledged: list[int] = []
    refused: list[object] = []

    def add(first: int) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            for seed in range(first, first + 1000):
                try:
                    answer = client.post(url, files={"image": (f"{seed}.png", picture(seed))})
                except httpx.TransportError as exc:
                    refused.append(exc)
                    return
                if answer.status_code != 201:
                    refused.append(answer.status_code)
                    return
                acknowledged.append(answer.json()["image_id"])

    threads = [threading.Thread(target=add, args=(10_000 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 6:
        time.sleep(0.05)
    body = picture(99)
    with socket.create_connection(("127.0.0.1", free_port), timeout=60) as half:
        head = f"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        half.sendall(f"{head}Content-Type: image/png\r\n\r\n".encode() + body[:100])
        time.sleep(0.3)
        before = time.monotonic()
        process.send_signal(sign)
        time.sleep(0.5)
        half.sendall(body[100:])
        answer = half.makefile("rb").read()
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err.decode()
    assert time.monotonic() - before < 60
    assert b"Traceback" not in err
    for thread in threads:
        thread.join(60)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert len(refused) == 3
    assert [each for each in refused if isinstance(each, int) and each != 503] == []
    own = int(re.search(rb'"image_id":(\d+)', answer)[1])  # type: ignore[index]
    kept = kept_ids(terminal)
    assert {*acknowledged, own} <= kept
    assert len(kept) <= len(acknowledged) + 1 + len(threads)  # one each may have lost its answer alone
    terminal.run("check")


def kept_ids(terminal: Terminal) -> set[int]:
    """Every image of the library, read from its files."""
    given = {name: value for name, value in terminal.environment.items() if name.startswith("AMBIENCE_")}
    with ambience.open(settings=load_settings(environment=given)) as library:
        return {record.image_id for record in library.list_images(limit=10_000)}
