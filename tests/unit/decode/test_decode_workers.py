"""Workers are stopped, killed and starved on purpose: each time one picture fails, and the next one works."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

import ambience
from ambience.datatypes import PixelNeed
from ambience.decode.image import Decoder
from ambience.errors import DecoderFailedError
from ambience.settings import DecodeSettings
from support.picture_samples import encoded, photo

WEBP = encoded(photo(64, 48), "WEBP")
SOURCES = Path(ambience.__file__).parents[1]


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(DecodeSettings(workers=1, worker_timeout_s=4.0), [PixelNeed(None)])
    yield decoder
    decoder.close()


def worker_of(decoder: Decoder) -> psutil.Process:
    """The process that decodes for this test, after it has decoded something."""
    before = set(psutil.Process().children())
    assert decoder.decode(WEBP, name="first").rgb.shape == (48, 64, 3)
    (worker,) = set(psutil.Process().children()) - before
    return worker


def test_a_worker_that_hangs_is_killed_at_the_deadline(decoder: Decoder) -> None:
    worker = worker_of(decoder)
    worker.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(
        DecoderFailedError, match=r"^slow\.webp: .*longer than 4 s \(decode\.worker_timeout_s\)"
    ):
        decoder.decode(WEBP, name="slow.webp")
    assert 3.5 < time.monotonic() - started < 8
    assert not worker.is_running()
    assert decoder.decode(WEBP, name="next").rgb.shape == (48, 64, 3)


def test_a_worker_killed_over_a_picture_is_one_failed_picture(decoder: Decoder) -> None:
    worker = worker_of(decoder)
    worker.send_signal(signal.SIGSTOP)  # so that it surely holds the picture when it is killed
    killer = threading.Timer(0.5, worker.kill)
    killer.start()
    with pytest.raises(DecoderFailedError, match=r"^a\.webp: the decoding worker was ended by SIGKILL"):
        decoder.decode(WEBP, name="a.webp")
    killer.join()
    assert decoder.decode(WEBP, name="next").rgb.shape == (48, 64, 3)


def test_a_large_request_to_a_stopped_worker_does_not_block(decoder: Decoder) -> None:
    worker_of(decoder).send_signal(signal.SIGSTOP)
    with pytest.raises(DecoderFailedError, match="longer than 4 s"):
        decoder.decode(WEBP + bytes(5_000_000), name="a.webp")  # more than a pipe holds


def test_a_worker_killed_while_idle_is_replaced_unnoticed(decoder: Decoder) -> None:
    worker = worker_of(decoder)
    worker.kill()
    worker.wait(5)
    assert decoder.decode(WEBP, name="next").rgb.shape == (48, 64, 3)


def test_a_picture_that_needs_too_much_memory_is_refused() -> None:
    decoder = Decoder(DecodeSettings(workers=1, worker_memory=48 * 2**20), [PixelNeed(None)])
    large = encoded(Image.new("RGB", (5000, 4000)), "BMP")
    with pytest.raises(DecoderFailedError, match=r"^large\.bmp: .*50,331,648 bytes.*decode\.worker_memory"):
        decoder.decode(large, name="large.bmp")
    assert decoder.decode(encoded(photo(64, 48), "BMP"), name="next").rgb.shape == (48, 64, 3)
    decoder.close()


def test_a_picture_over_worker_pixels_goes_to_a_worker() -> None:
    decoder = Decoder(DecodeSettings(workers=1, worker_pixels=1000), [PixelNeed(None)])
    before = len(psutil.Process().children())
    picture = decoder.decode(encoded(photo(64, 48), "JPEG"), name="a")
    assert picture.rgb.shape == (48, 64, 3)
    assert len(psutil.Process().children()) == before + 1
    decoder.close()
    assert len(psutil.Process().children()) == before


def test_a_closed_decoder_says_so(decoder: Decoder) -> None:
    worker_of(decoder)
    decoder.close()
    with pytest.raises(DecoderFailedError, match="a: the decoder was closed"):
        decoder.decode(WEBP, name="a")


SCRIPT = """
import sys, time, pathlib, os
from ambience.datatypes import PixelNeed
from ambience.decode.image import Decoder
from ambience.settings import DecodeSettings
decoder = Decoder(DecodeSettings(workers=1), [PixelNeed(None)])
decoder.decode(pathlib.Path(sys.argv[1]).read_bytes(), name="a")
print("decoded", flush=True)
{rest}
"""


def start(tmp_path: Path, rest: str) -> subprocess.Popen[str]:
    (tmp_path / "a.webp").write_bytes(WEBP)
    script = tmp_path / "script.py"  # without a guard around its main part, as people write them
    script.write_text(SCRIPT.format(rest=rest))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(script), str(tmp_path / "a.webp")],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_workers_do_not_keep_their_parent_from_ending(tmp_path: Path) -> None:
    process = start(tmp_path, "")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "decoded\n", "")


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "time.sleep(60)")
    assert process.stdout is not None and process.stdout.readline() == "decoded\n"
    workers = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    assert workers
    assert not psutil.wait_procs(workers, timeout=10)[1]


def test_ctrl_c_reaches_the_parent_only(tmp_path: Path) -> None:
    rest = (  # the handler is set again: a test run in the background of a shell ignores Ctrl-C
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('ready', flush=True)\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n"
        "    decoder.decode(pathlib.Path(sys.argv[1]).read_bytes(), name='a')\n    print('again')"
    )
    process = start(tmp_path, rest)
    assert process.stdout is not None and process.stdout.readline() == "decoded\n"
    assert process.stdout.readline() == "ready\n"
    (worker,) = psutil.Process(process.pid).children()
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    time.sleep(0.2)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "again\n", "")
    worker.wait(10)
