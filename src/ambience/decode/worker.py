"""The worker process: reads requests on its standard input, answers on its standard output, and may die.

Started by `supervisor.py`, which is the only one who speaks to it. A message is a length, a JSON object, and
as many bytes as the object's "size" says.
"""

import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from ambience.errors import DecoderFailedError, ImageError
from ambience.settings import DecodeSettings

GRACE_S = 5
"""A worker whose parent is gone ends itself this many seconds after the deadline."""


def send(stream: BinaryIO, head: dict[str, Any], body: Any = b"") -> None:
    """Write one message.

    Args:
        stream: the pipe.
        head: JSON object; "size" is added.
        body: bytes, or any C-contiguous buffer.
    """
    view = memoryview(body).cast("B") if len(body) else memoryview(b"")
    text = json.dumps({**head, "size": view.nbytes}).encode("ascii")
    stream.write(struct.pack(">I", len(text)) + text)
    stream.write(view)
    stream.flush()


def receive_head(stream: BinaryIO) -> dict[str, Any]:
    """Read the head of one message; "size" bytes follow.

    Returns:
        The JSON object.

    Raises:
        EOFError: the other side is gone.
    """
    length = stream.read(4)
    if len(length) < 4:
        raise EOFError
    text = stream.read(int.from_bytes(length, "big"))
    head: dict[str, Any] = json.loads(text)
    return head


def serve(settings: DecodeSettings) -> None:
    """Answer requests until standard input ends, or memory does.

    Args:
        settings: limits, and the memory and time that one picture may take.
    """
    # Terminals send Ctrl-C to everyone; whether work stops is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    from ambience.decode import pixels

    _limit_memory(settings.worker_memory)
    while True:
        try:
            request = receive_head(requests)
        except EOFError:
            return
        signal.alarm(int(settings.worker_timeout_s) + GRACE_S)
        name, need = request["name"], request["need"]
        data = b""
        try:
            data = requests.read(request["size"])
            picture = pixels.decode_any(data, settings, need=need, name=name)
            send(answers, pixels.picture_facts(picture), picture.rgb)
        except ImageError as exc:
            send(answers, {"error": type(exc).__name__, "message": str(exc)})
        except MemoryError:
            message = (
                f"{name}: decoding it takes more than {settings.worker_memory:,} bytes of memory "
                "(decode.worker_memory)"
            )
            send(answers, {"error": DecoderFailedError.__name__, "message": message, "is_spent": True})
            return  # part of the request may still be unread, and memory is scattered
        signal.alarm(0)


def _limit_memory(beyond_start: int) -> None:
    """Bound the address space, where the system can say how much is used already (Linux)."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return
    import resource

    used = int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = used + beyond_start
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


if __name__ == "__main__":
    serve(DecodeSettings(**json.loads(sys.argv[1])))
