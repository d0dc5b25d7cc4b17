"""A client of the original system, written from a description of its calls alone.

Bodies are those of Node's axios with the form-data package: multipart streamed in chunks without a length,
files before fields, numbers as strings. It knows nothing of our server.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

NAMES = {
    "phash": "phash_features",
    "color": "color_features",
    "local_features": "local_features",
    "global_features": "global_features",
    "image_text_features": "image_text_features",
}
"""By kind, what its routes for adding and deleting call it."""

CHUNK = 60_000

Answer = httpx.Response


class OriginalClient:
    """Calls the original's gateway, or one of its services, at an address.

    Args:
        base_url: of it.
        file_name: of pictures; None sends them as buffers without one.
    """

    def __init__(self, base_url: str, *, file_name: str | None = "blob") -> None:
        self._file_name = file_name
        headers = {"Accept": "application/json, text/plain, */*", "User-Agent": "axios/0.27.2"}
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=120, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def hello(self) -> Answer:
        return self._client.get("/")

    # --- the gateway's own -----------------------------------------------------------------------------

    def calculate_all(self, image: bytes, image_id: int | str) -> Answer:
        return self._form("/calculate_all_image_features", image, image_id=image_id)

    def delete_all(self, image_id: int | str) -> Answer:
        return self._json("/delete_all_image_features", {"image_id": image_id})

    def reverse_search(self, image: bytes, *, find_duplicate: bool = False) -> Answer:
        return self._form("/reverse_search", image, find_duplicate=int(find_duplicate))

    # --- those of the services, which the gateway passes on ----------------------------------------------

    def calculate(self, kind: str, image: bytes, image_id: int | str) -> Answer:
        return self._form(f"/calculate_{NAMES[kind]}", image, image_id=image_id)

    def delete(self, kind: str, **named: Any) -> Answer:
        return self._json(f"/delete_{NAMES[kind]}", named)

    def by_id(self, kind: str, image_id: int | str, **knobs: Any) -> Answer:
        return self._json(f"/{kind}_get_similar_images_by_id", {"image_id": image_id, **knobs})

    def by_picture(self, kind: str, image: bytes, **knobs: Any) -> Answer:
        return self._form(f"/{kind}_get_similar_images_by_image_buffer", image, **knobs)

    def by_text(self, text: str, **knobs: Any) -> Answer:
        return self._json("/image_text_features_get_similar_images_by_text", {"text": text, **knobs})

    def tags(self, image: bytes) -> Answer:
        return self._form("/get_image_tags", image)

    def caption(self, image: bytes) -> Answer:
        return self._form("/get_image_caption", image)

    # --- how ---------------------------------------------------------------------------------------------

    def _json(self, path: str, body: Mapping[str, Any]) -> Answer:
        headers = {"Content-Type": "application/json"}
        return self._client.post(path, content=json.dumps(body), headers=headers)

    def _form(self, path: str, image: bytes, **fields: object) -> Answer:
        boundary = "-" * 26 + "".join(secrets.choice("0123456789") for _ in range(24))
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._client.post(
            path, content=_chunks(boundary, image, self._file_name, fields), headers=headers
        )


def _chunks(
    boundary: str, image: bytes, file_name: str | None, fields: Mapping[str, object]
) -> Iterator[bytes]:
    """A body in pieces, as a stream is piped: httpx then sends it chunked, and no Content-Length."""
    named = "" if file_name is None else f'; filename="{file_name}"'
    yield (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"{named}\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    for start in range(0, len(image), CHUNK):
        yield image[start : start + CHUNK]
    yield b"\r\n"
    for name, value in fields.items():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        yield f"{value}\r\n".encode()
    yield f"--{boundary}--\r\n".encode()
