"""`/v1/images:batch`: many pictures in one request, each with an outcome of its own."""

import asyncio
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ambience.errors import AmbienceError, QueryError
from ambience.keys import Scope
from ambience.serve.http.bodies import Form
from ambience.serve.http.errors import BodyTooLargeError, NotReadyError, problem, problem_of
from ambience.serve.http.images import usable_tags
from ambience.serve.http.multipart import SentFile, SentFiles, received_files
from ambience.serve.http.schemas import PROBLEMS, AddedSchema, Problem
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import ServerState, server_state
from ambience.settings import count_or_cores

_log = logging.getLogger("ambience.http")

BATCH_PATH = "/v1/images:batch"

_ITEM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "image_id": {"type": "integer", "minimum": 0, "description": "Its id; the next one by default."},
        "name": {"type": "string", "maxLength": 255, "description": "What people call it."},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "Beside those for all."},
    },
}
BATCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Files in fields of any names; at most `serve.max_batch_files` of at most "
        "`serve.max_upload_bytes` each, and `serve.max_batch_bytes` in all.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {
                        "images": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The pictures.",
                        },
                        "tags": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "For all of them.",
                        },
                        "items": {
                            "description": "What is said of each file, as JSON: a list in the order of the "
                            "files, or an object by the names of their fields.",
                            "oneOf": [
                                {"type": "array", "items": _ITEM},
                                {"type": "object", "additionalProperties": _ITEM},
                            ],
                        },
                    },
                },
                "encoding": {"items": {"contentType": "application/json"}},
            }
        },
    }
}

router = APIRouter(tags=["images"], responses=PROBLEMS)


class OutcomeSchema(BaseModel):
    """What became of one file."""

    index: int = Field(description="Of the file, from 0, in the order sent.")
    field: str = Field(description="Name of its form field.")
    name: str = Field(description="Of the file, as it was sent.")
    status: int = Field(
        description="What adding it alone would have been answered with: 201, 200, 409, 415 …"
    )
    image: AddedSchema | None = Field(None, description="Where it is in the library now.")
    problem: Problem | None = Field(None, description="Why it is not.")


class BatchSchema(BaseModel):
    """What became of each file, in the order sent."""

    outcomes: list[OutcomeSchema]
    added: int = Field(description="How many were added.")
    known: int = Field(description="How many had been added under their ids before.")
    failed: int = Field(description="How many were not.")


@dataclass(frozen=True, slots=True)
class _Item:
    """What is said of one file."""

    image_id: int | None
    name: str
    tags: list[str]


@router.post(BATCH_PATH, openapi_extra=BATCH_BODY)
@needs(Scope.ADD)
async def add_images(request: Request) -> BatchSchema:
    """Adds many pictures in one request; every one that is answered 201 is durable when this answers.

    The whole body is read before anything is added, so that one that is malformed or cut off adds nothing.
    A file that cannot be added does not keep the others from it; its outcome says why. Files that are worked
    on at the same time share a commit, and their ids need not rise in the order of the files.
    """
    state = await server_state(request)
    serve = state.library.settings.serve
    async with (
        state.work.place(),
        received_files(
            request, most_files=serve.max_batch_files, most_file_bytes=serve.max_upload_bytes
        ) as sent,
    ):
        items = _items(sent)
        at_once = asyncio.Semaphore(count_or_cores(serve.workers))
        reading = threading.Lock()

        async def outcome(index: int) -> OutcomeSchema:
            async with at_once:
                return await state.work.run(lambda: _outcome(state, sent, index, items[index], reading))

        outcomes = await asyncio.gather(*(outcome(index) for index in range(len(sent.files))))
    statuses = [each.status for each in outcomes]
    added, known = statuses.count(201), statuses.count(200)
    return BatchSchema(outcomes=outcomes, added=added, known=known, failed=len(statuses) - added - known)


def _outcome(
    state: ServerState, sent: SentFiles, index: int, item: _Item, reading: threading.Lock
) -> OutcomeSchema:
    """Adds one file; the boundary at which its fault stays its own."""
    file = sent.files[index]
    outcome = OutcomeSchema(
        index=index, field=file.field[:80], name=file.name, status=201, image=None, problem=None
    )
    try:
        added = state.library.add_image(
            _data(state, sent, file, reading), name=item.name, image_id=item.image_id, tags=item.tags
        )
        image = state.shaper.added(added, state.library.images)
    except AmbienceError as exc:
        answer = problem_of(exc)
    except Exception:  # noqa: BLE001 - the boundary of one file: the others are none the worse for it
        _log.exception("adding file %d of a batch failed", index)
        answer = problem(500, "internal", "a fault of ours; the server's log holds the details")
    else:
        return outcome.model_copy(update={"status": 201 if added.is_new else 200, "image": image})
    document = Problem(**json.loads(bytes(answer.body)))
    return outcome.model_copy(update={"status": document.status, "problem": document})


def _data(state: ServerState, sent: SentFiles, file: SentFile, reading: threading.Lock) -> bytes:
    if state.is_closing:
        raise NotReadyError("the server is stopping; send this file again")
    most = state.library.settings.serve.max_upload_bytes
    if file.size > most:
        raise BodyTooLargeError(
            f"the file has {file.size} bytes; at most {most} are read (serve.max_upload_bytes)"
        )
    if not file.size:
        raise QueryError(f"the picture {file.name or file.field!r} is empty (0 bytes)")
    with reading:
        return sent.data(file)


def _items(sent: SentFiles) -> list[_Item]:
    """What is said of each file, in the order of the files."""
    if not sent.files:
        raise QueryError("no picture in the request; send one or more as files of a multipart form")
    tags = usable_tags(sent.form.words("tags") or [])
    said = _said(sent)
    return [
        _item(each, file, tags, number)
        for number, (each, file) in enumerate(zip(said, sent.files, strict=True), 1)
    ]


def _said(sent: SentFiles) -> list[Mapping[str, Any]]:
    listed = sent.form.json("items")
    if listed is None:
        return [{}] * len(sent.files)
    if isinstance(listed, dict):
        names = [file.field for file in sent.files]
        for name in listed:
            if names.count(name) != 1:
                raise QueryError(
                    f"items says something of {name[:80]!r}, and {names.count(name)} files came as fields of "
                    "that name; give each file a field of its own"
                )
        listed = [listed.get(name, {}) for name in names]
    if not isinstance(listed, list) or len(listed) != len(sent.files):
        raise QueryError(
            f"items is for {len(sent.files)} files: send a list of so many objects in their order, or an "
            "object by the names of their fields"
        )
    return listed


def _item(said: Mapping[str, Any], file: SentFile, tags: list[str], number: int) -> _Item:
    if not isinstance(said, dict):
        raise QueryError(f"what items says of file {number} is no object")
    for name in said:
        if name not in ("image_id", "name", "tags"):
            raise QueryError(
                f"items says {name[:80]!r} of file {number}; image_id, name and tags can be said"
            )
    own = Form({name: [value] for name, value in said.items()})
    return _Item(
        image_id=own.integer("image_id", least=0),
        name=own.text("name", most=255) or file.name,
        tags=usable_tags([*tags, *(own.words("tags") or [])]),
    )
