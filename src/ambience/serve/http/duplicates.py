"""`/v1/duplicates`: copies among the images, in groups, and what people decide about them."""

from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ambience.copies import CopyGroup, GroupMember
from ambience.datatypes import MAX_IMAGE_ID, ImageRecord, Verdict
from ambience.errors import QueryError
from ambience.keys import Scope
from ambience.serve.http.bodies import json_object
from ambience.serve.http.errors import shown
from ambience.serve.http.schemas import PROBLEMS, ImageSummary, OrientationSchema, Shaper
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import State

CopyVerdict = Literal["same_file", "same_picture", "edited", "part"]

DECISION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["a", "b", "decision"],
                    "properties": {
                        "a": {"type": "integer", "description": "An image of the library."},
                        "b": {"type": "integer", "description": "Another one, with other bytes."},
                        "decision": {"type": "string", "enum": ["different", "undecided"]},
                    },
                },
                "examples": {
                    "different": {
                        "summary": "No duplicates of each other",
                        "value": {"a": 17, "b": 23, "decision": "different"},
                    }
                },
            }
        },
    }
}


class MemberSchema(BaseModel):
    """An image of a group, and which image of the group it was found to be a copy of."""

    image_id: int
    copy_of: int = Field(
        description="`keep`; or another member, itself a copy of `keep`, where it is a copy of that alone."
    )
    verdict: CopyVerdict
    score: float = Field(description="0–1.")
    kind: str = Field(description='That found it; "sha256" for the bytes themselves.')
    orientation: OrientationSchema = Field(
        description="How the picture that it is a copy of is to be turned to look like this one."
    )
    image: ImageSummary | None = Field(description="Null where it was removed meanwhile.")


class GroupSchema(BaseModel):
    """Images that are copies of one, which is best kept."""

    group_id: int = Field(description="The smallest id of its images: it stays while images are added.")
    keep: int = Field(description="The image that is best kept.")
    reason: str = Field(description="Why that one.")
    image: ImageSummary | None = Field(description="The one to keep; null where it was removed meanwhile.")
    members: list[MemberSchema] = Field(
        description="The others: first copies of `keep`, then copies of these alone; the strongest first."
    )


class GroupList(BaseModel):
    """One page of the groups."""

    groups: list[GroupSchema]
    next: int | None = Field(description="`after` of the next page; null after the last.")
    total: int = Field(description="Groups in all.")
    pending: int = Field(description="Images that have yet to be compared with the others.")


router = APIRouter(prefix="/v1/duplicates", tags=["duplicates"], responses=PROBLEMS)


@router.get("")
@needs(Scope.READ)
def list_duplicates(
    state: State,
    after: Annotated[int, Query(ge=-1, le=MAX_IMAGE_ID, description="`next` of the page before.")] = -1,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most groups of one page.")] = 100,
    verdict: Annotated[
        list[CopyVerdict] | None,
        Query(description="By which images are put together; by default same_file, same_picture, edited."),
    ] = None,
) -> GroupList:
    """One page of the groups of copies; new images are compared in the background."""
    wanted = [Verdict(each) for each in verdict or ()]
    page = state.library.duplicates(verdicts=wanted, after=after, limit=limit)
    ids = [image_id for group in page.groups for image_id in _ids(group)]
    records = state.library.images(ids)
    groups = [_group(group, records, state.shaper) for group in page.groups]
    return GroupList(groups=groups, next=page.next, total=page.total, pending=page.pending)


@router.post("/decisions", status_code=204, response_class=Response, openapi_extra=DECISION_BODY)
@needs(Scope.ADD)
async def decide(request: Request, state: State) -> None:
    """Notes that two images are no duplicates, for ever; or takes that back.

    It is kept of their contents: whatever else has the same bytes, now or later, is told apart as well.
    """
    sent = await json_object(request)
    one, other = (_image_id(sent, name) for name in ("a", "b"))
    decision = sent.get("decision")
    if decision not in ("different", "undecided"):
        raise QueryError(f"decision = {shown(repr(decision))[:80]}; it can be 'different' or 'undecided'")
    await to_thread.run_sync(
        lambda: state.library.tell_apart(one, other, is_different=decision == "different")
    )


def _image_id(sent: dict[str, Any], name: str) -> int:
    value = sent.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_IMAGE_ID:
        raise QueryError(f"{name} = {shown(repr(value))[:80]}; send the id of an image: 0 to {MAX_IMAGE_ID}")
    return value


def _ids(group: CopyGroup) -> list[int]:
    return [group.keep, *(each.image_id for each in group.members)]


def _group(group: CopyGroup, records: dict[int, ImageRecord], shaper: Shaper) -> GroupSchema:
    return GroupSchema(
        group_id=group.group_id,
        keep=group.keep,
        reason=group.reason,
        image=_summary(group.keep, records, shaper),
        members=[_member(each, records, shaper) for each in group.members],
    )


def _member(member: GroupMember, records: dict[int, ImageRecord], shaper: Shaper) -> MemberSchema:
    return MemberSchema.model_validate(
        {
            "image_id": member.image_id,
            "copy_of": member.copy_of,
            "verdict": member.verdict.value,
            "score": member.score,
            "kind": member.kind,
            "orientation": OrientationSchema.of(member.orientation),
            "image": _summary(member.image_id, records, shaper),
        }
    )


def _summary(image_id: int, records: dict[int, ImageRecord], shaper: Shaper) -> ImageSummary | None:
    return shaper.summary(records[image_id]) if image_id in records else None
