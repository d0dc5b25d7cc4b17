"""`/v1/duplicates/resolve`, `/trash` and `/restore`: copies go to the library's trash, and come back."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from ambience.copies import Choice, Trashed, TrashRun, TrashStep
from ambience.datatypes import MAX_IMAGE_ID
from ambience.errors import QueryError
from ambience.keys import Scope
from ambience.serve.http.bodies import json_object
from ambience.serve.http.errors import shown
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import State

MOST_PICTURES = 1_000
"""Of one request: every file is read, and the answer waits for all of them."""

_GROUPS: dict[str, Any] = {
    "type": "array",
    "maxItems": MOST_PICTURES,
    "items": {
        "type": "object",
        "required": ["keep", "trash"],
        "properties": {
            "keep": {"type": "integer", "description": "The image that stays."},
            "trash": {
                "type": "array",
                "items": {"type": "integer"},
                "description": "Copies of it whose files go to the trash.",
            },
        },
    },
}
_DRY_RUN = {
    "type": "boolean",
    "default": True,
    "description": "Look at everything, files included, and change nothing.",
}
RESOLVE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["groups"],
                    "properties": {"groups": _GROUPS, "dry_run": _DRY_RUN},
                },
                "examples": {
                    "resolve": {
                        "summary": "Keep one picture, put two copies of it away",
                        "value": {"groups": [{"keep": 31, "trash": [12, 57]}], "dry_run": False},
                    }
                },
            }
        },
    }
}
RESTORE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["entries"],
                    "properties": {
                        "entries": {
                            "type": "array",
                            "items": {"type": "integer"},
                            "maxItems": MOST_PICTURES,
                            "description": "Numbers in the trash.",
                        }
                    },
                },
                "examples": {"restore": {"summary": "Bring two back", "value": {"entries": [3, 4]}}},
            }
        },
    }
}


class TrashStepSchema(BaseModel):
    """What became of one picture on its way into the trash, or out of it."""

    image_id: int = Field(description="-1 for an entry that is not in the trash.")
    kept: int = Field(description="The image that stays, or stayed, in its place.")
    outcome: Literal["would_trash", "trashed", "would_restore", "restored", "refused"]
    reason: str = Field(description="Why it was refused.")
    entry: int | None = Field(description="Its number in the trash; null where it is not there.")
    name: str
    size: int = Field(description="Bytes of its file.")


class TrashRunSchema(BaseModel):
    """What was done, or would be."""

    dry_run: bool
    steps: list[TrashStepSchema] = Field(description="One for each picture, in the order of the request.")
    bytes: int = Field(description="Of what was moved, or would be.")


class TrashedSchema(BaseModel):
    """A picture in the trash."""

    entry: int = Field(description="Its number, never given twice.")
    batch: int = Field(description="Entry of the first picture that went in the same run.")
    image_id: int = Field(description="That it had, and gets back.")
    kept: int = Field(description="The image that stayed in its place.")
    name: str
    size: int = Field(description="Bytes of its file.")
    trashed_at: datetime


class TrashList(BaseModel):
    """One page of the trash, the newest first."""

    entries: list[TrashedSchema]
    next: int | None = Field(description="`before` of the next page; null after the last.")
    total: int = Field(description="Pictures in the trash.")
    bytes: int = Field(description="Of all of them.")


router = APIRouter(prefix="/v1/duplicates", tags=["duplicates"], responses=PROBLEMS)


@router.post("/resolve", openapi_extra=RESOLVE_BODY)
@needs(Scope.DELETE)
async def resolve_duplicates(request: Request, state: State) -> TrashRunSchema:
    """Moves copies to the library's trash; tags and captions of people go to the picture that is kept.

    Files that were added in place are moved as well. A copy goes only where its file, and that of the picture
    that is kept, were read and have the bytes that were compared; others are refused with the reason, and the
    rest goes on. Without `dry_run: false` nothing is changed.
    """
    sent = await json_object(request)
    choices = [_choice(each) for each in _list(sent, "groups")]
    if len(choices) > MOST_PICTURES:
        raise QueryError(f"{len(choices)} groups at once; send {MOST_PICTURES} at most")
    if (count := sum(len(choice.trash) for choice in choices)) > MOST_PICTURES:
        raise QueryError(f"{count} pictures at once; send {MOST_PICTURES} at most")
    is_dry_run = sent.get("dry_run", True)
    if not isinstance(is_dry_run, bool):
        raise QueryError(f"dry_run = {shown(repr(is_dry_run))[:80]}; it can be true or false")
    async with state.work.place():
        run = await state.work.run(lambda: state.library.resolve(choices, is_dry_run=is_dry_run))
    return _run(run)


@router.get("/trash")
@needs(Scope.READ)
def list_trash(
    state: State,
    before: Annotated[
        int | None, Query(ge=0, le=MAX_IMAGE_ID, description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most pictures of one page.")] = 100,
) -> TrashList:
    """What was put away as a copy, the newest first."""
    page = state.library.trashed(before=before, limit=limit)
    return TrashList(
        entries=[_entry(each) for each in page.entries], next=page.next, total=page.total, bytes=page.size
    )


@router.post("/restore", openapi_extra=RESTORE_BODY)
@needs(Scope.DELETE)
async def restore_duplicates(request: Request, state: State) -> TrashRunSchema:
    """Brings pictures back from the trash: files to where they were, images under their ids, with their tags.

    What the picture that was kept had been given is taken back. Where something else has come in its place
    meanwhile, a picture is refused and stays in the trash.
    """
    sent = await json_object(request)
    entries = [_number(each, "entries") for each in _list(sent, "entries")]
    if len(entries) > MOST_PICTURES:
        raise QueryError(f"{len(entries)} pictures at once; send {MOST_PICTURES} at most")
    async with state.work.place():
        run = await state.work.run(lambda: state.library.restore(entries))
    return _run(run)


def _list(sent: dict[str, Any], name: str) -> list[Any]:
    value = sent.get(name)
    if not isinstance(value, list):
        raise QueryError(f"{name} = {shown(repr(value))[:80]}; send a list")
    return value


def _choice(sent: Any) -> Choice:
    if not isinstance(sent, dict):
        raise QueryError(
            f"groups has {shown(repr(sent))[:80]}; send {{'keep': an id, 'trash': a list of ids}}"
        )
    return Choice(
        _number(sent.get("keep"), "keep"), tuple(_number(each, "trash") for each in _list(sent, "trash"))
    )


def _number(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_IMAGE_ID:
        raise QueryError(f"{name} has {shown(repr(value))[:80]}; send whole numbers, 0 to {MAX_IMAGE_ID}")
    return value


def _run(run: TrashRun) -> TrashRunSchema:
    return TrashRunSchema(dry_run=run.is_dry_run, steps=[_step(each) for each in run.steps], bytes=run.size)


def _step(step: TrashStep) -> TrashStepSchema:
    return TrashStepSchema(
        image_id=step.image_id,
        kept=step.kept,
        outcome=step.outcome.value,
        reason=step.reason,
        entry=step.entry,
        name=shown(step.name),
        size=step.size,
    )


def _entry(trashed: Trashed) -> TrashedSchema:
    return TrashedSchema(
        entry=trashed.entry,
        batch=trashed.batch,
        image_id=trashed.image_id,
        kept=trashed.kept,
        name=shown(trashed.name),
        size=trashed.size,
        trashed_at=trashed.trashed_at,
    )
