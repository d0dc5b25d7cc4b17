import io
import threading
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest
from memory_library import MemoryLibrary
from PIL import Image

from ambience.serve.http.run import Server


def _picture(seed: int, *, size=(96, 72), form="PNG", turn=0) -> bytes:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).rotate(turn, expand=True)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


@pytest.fixture(scope="session")
def picture():
    """Makes the bytes of a picture of smooth random colors: `picture(seed, form=…, turn=…)`."""
    return _picture


@pytest.fixture
def library(tmp_path):
    return MemoryLibrary(tmp_path)


class Running:
    """A real server in a thread of this process, and clients of it."""

    def __init__(self, library, kind):
        self.server = Server(library, kind=kind, port=0)
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        while not self.server.is_listening:
            time.sleep(0.005)
        self.client = httpx.Client(base_url=self.server.url, timeout=30)

    def stop(self):
        self.client.close()
        self.server.stop()
        self._thread.join(30)
        self.server.close()
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def _servers():
    return Running


@pytest.fixture
def serve(_servers):
    """Makes servers of a library, with other settings where given; they stop with the test."""
    running = []

    def make(library, *, kind=None, **settings):
        if settings:
            changed = replace(library.settings.serve, **settings)
            library.settings = replace(library.settings, serve=changed)
        running.append(_servers(library, kind))
        return running[-1]

    yield make
    for each in running:
        each.stop()


@pytest.fixture(scope="session")
def _shared(_servers, tmp_path_factory):
    library = MemoryLibrary(tmp_path_factory.mktemp("shared"))
    running = _servers(library, None)
    yield library, running
    running.stop()


@pytest.fixture
def client(_shared):
    """A client of a server of an empty library with default settings."""
    library, running = _shared
    library.forget_all()
    running.client.cookies.clear()
    return running.client
