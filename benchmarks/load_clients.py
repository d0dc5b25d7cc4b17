"""Clients that search and clients that add, all at once, and what they saw; called by `load.py`.

Each client sends its next request when the last one was answered. One that is told to come again (429, 503)
waits as long as it was told, as a polite client does.
"""

import hashlib
import io
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

TIMEOUT_S = 120.0
LONGEST_WAIT_S = 5.0
SEARCH, ADD = "search", "add"


@dataclass(frozen=True)
class Request:
    """One request that was answered, or was not.

    Attributes:
        what: `SEARCH` or `ADD`.
        status: of the answer; 0 where none came.
        took_s: seconds.
        unanswered: kinds that failed or were late.
        ended_s: when, since the clients began.
    """

    what: str
    status: int
    took_s: float
    unanswered: tuple[str, ...] = ()
    ended_s: float = 0.0


@dataclass
class Seen:
    """What all clients saw; they fill it at the same time.

    Attributes:
        requests: in the order of their ends.
        added: sha256 of what was sent, by the image id that was acknowledged.
    """

    requests: list[Request] = field(default_factory=list)
    added: dict[int, str] = field(default_factory=dict)


class Pictures:
    """Crops of photographs as JPEG, no two alike; each thread has its own.

    Args:
        photos: (H, W, 3) uint8 arrays.
        seed: of this thread.
    """

    def __init__(self, photos: Sequence[NDArray[np.uint8]], seed: int) -> None:
        self._photos, self._random = photos, random.Random(seed)

    def next(self) -> bytes:
        """Bytes of a crop, some 480 pixels wide."""
        draw = self._random
        photo = draw.choice(self._photos)
        height, width = photo.shape[:2]
        scale = draw.uniform(0.3, 0.9)
        across, down = max(64, int(width * scale)), max(64, int(height * scale))
        left, top = draw.randint(0, max(0, width - across)), draw.randint(0, max(0, height - down))
        crop = Image.fromarray(photo[top : top + down, left : left + across])
        crop.thumbnail((480, 480))
        made = io.BytesIO()
        crop.save(made, "JPEG", quality=draw.randint(70, 92))
        return made.getvalue()


def run_clients(
    url: str,
    photos: Sequence[NDArray[np.uint8]],
    *,
    searching: int,
    adding: int,
    seconds: float,
    by: Sequence[str] = (),
    seed: int = 1,
    meanwhile: Callable[[], None] = lambda: None,
) -> Seen:
    """Lets clients work on a server for some time.

    Args:
        url: of the server.
        photos: that pictures are cut from.
        searching: clients that search, with pictures that the library lacks.
        adding: clients that add pictures.
        seconds: that they begin new requests for.
        by: kinds to ask; all by default.
        seed: of the pictures.
        meanwhile: called once they work; may kill a service.

    Returns:
        What they saw, once the last request has ended.
    """
    seen, start = Seen(), time.monotonic()

    def work(number: int, step: Callable[[httpx.Client, bytes], Request]) -> None:
        pictures = Pictures(photos, seed * 10_000 + number)
        with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
            while time.monotonic() < start + seconds:
                request = step(client, pictures.next())
                seen.requests.append(replace(request, ended_s=time.monotonic() - start))

    steps = [lambda client, data: _searched(client, data, by)] * searching
    steps += [lambda client, data: _added(client, data, seen)] * adding
    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(steps)]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    return seen


def _searched(client: httpx.Client, data: bytes, by: Sequence[str]) -> Request:
    fields = {"by": ",".join(by)} if by else {}
    status, took_s, answer = _asked(client, "/v1/search", data, fields)
    kinds = answer.get("kinds", []) if status == 200 else []
    return Request(
        SEARCH, status, took_s, tuple(k["kind"] for k in kinds if k["state"] in ("late", "failed"))
    )


def _added(client: httpx.Client, data: bytes, seen: Seen) -> Request:
    status, took_s, answer = _asked(client, "/v1/images", data, {})
    if status == 201:
        seen.added[answer["image_id"]] = hashlib.sha256(data).hexdigest()
    return Request(ADD, status, took_s)


def _asked(
    client: httpx.Client, path: str, data: bytes, fields: dict[str, str]
) -> tuple[int, float, dict[str, Any]]:
    """Status, seconds and answer; waits afterwards where the server says so."""
    start = time.perf_counter()
    try:
        answer = client.post(path, files={"image": ("x.jpg", data)}, data=fields)
    except httpx.TransportError:
        return 0, time.perf_counter() - start, {}
    took_s = time.perf_counter() - start
    if answer.status_code in (429, 503):
        time.sleep(min(LONGEST_WAIT_S, float(answer.headers.get("retry-after", 1))))
    return answer.status_code, took_s, answer.json()


def figures_of(requests: Sequence[Request], what: str, seconds: float) -> dict[str, Any]:
    """What became of the searches, or of the adds.

    Args:
        requests: of both.
        what: `SEARCH` or `ADD`.
        seconds: that clients worked.

    Returns:
        `rate` of those done a second; shares `done` (200, 201) and `refused` (429, 503) of all; `others`, by
        status; `p50_s`, `p95_s`, `p99_s` of those done; `unanswered`: how often each kind failed or was late;
        `away_s`: when it did first and last, since the clients began.
    """
    chosen = [each for each in requests if each.what == what]
    done = sorted(each.took_s for each in chosen if each.status in (200, 201))
    refused = sum(each.status in (429, 503) for each in chosen)
    others = Counter(each.status for each in chosen if each.status not in (200, 201, 429, 503))
    unanswered = Counter(kind for each in chosen for kind in each.unanswered)
    away: dict[str, list[float]] = {}
    for each in sorted(chosen, key=lambda each: each.ended_s):
        for kind in each.unanswered:
            away[kind] = [away.get(kind, [each.ended_s])[0], each.ended_s]
    found: dict[str, Any] = {
        "requests": len(chosen),
        "rate": round(len(done) / seconds, 2),
        "done": round(len(done) / max(1, len(chosen)), 4),
        "refused": round(refused / max(1, len(chosen)), 4),
        "others": {str(status): count for status, count in sorted(others.items())},
        "unanswered": dict(sorted(unanswered.items())),
        "away_s": {kind: [round(when, 1) for when in both] for kind, both in sorted(away.items())},
    }
    for share in (50, 95, 99):
        found[f"p{share}_s"] = round(float(np.percentile(done, share)), 3) if done else None
    return found


def lost(client: httpx.Client, added: dict[int, str]) -> list[int]:
    """Acknowledged images that the server does not know, or whose bytes are others.

    Args:
        client: of the server.
        added: sha256 of what was sent, by image id.

    Returns:
        Their ids.
    """
    gone = []
    for image_id, sha256 in added.items():
        answer = client.get(f"/v1/images/{image_id}/file")
        if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != sha256:
            gone.append(image_id)
    return gone
