"""`/v1/search`: every kind is asked at once, and one answer comes back."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from ambience import datatypes
from ambience.datatypes import MAX_IMAGE_ID, Verdict
from ambience.errors import QueryError
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.schemas import PROBLEMS, SearchAnswer
from ambience.serve.http.state import ServerState, work_place

_KNOBS: dict[str, Any] = {
    "image_id": {"type": "integer", "description": "Search by this image of the library."},
    "text": {"type": "string", "description": "Search by words, where a kind takes them."},
    "by": {"type": "array", "items": {"type": "string"}, "description": "Kinds to ask; all by default."},
    "k": {"type": "integer", "minimum": 1, "description": "Most hits."},
    "min_score": {"type": "number", "minimum": 0, "maximum": 1, "description": "Least score of a hit."},
    "verdicts": {
        "type": "array",
        "items": {"type": "string", "enum": [verdict.value for verdict in Verdict]},
        "description": "Only hits with these verdicts.",
    },
    "exclude_self": {"type": "boolean", "description": "Leave out the image that `image_id` names."},
}
SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Exactly one of `image`, `image_id` and `text`.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}, **_KNOBS},
                }
            },
            "application/json": {"schema": {"type": "object", "properties": _KNOBS}},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

router = APIRouter(prefix="/v1/search", tags=["search"], responses=PROBLEMS)


@router.post("", openapi_extra=SEARCH_BODY)
async def search(request: Request) -> SearchAnswer:
    """Finds pictures: by a picture sent along, by an image of the library, or by words.

    Hits come by verdict, strongest first, then by score; `kinds` says how each kind fared.
    """
    async with work_place(request) as state, received(request) as form:
        return await state.work.run(lambda: _answer(state, form))


@router.get("")
async def search_by_link(
    request: Request,
    id: Annotated[int | None, Query(ge=0, le=MAX_IMAGE_ID, description="An image of the library.")] = None,
    text: Annotated[str | None, Query(max_length=1000)] = None,
    k: Annotated[int | None, Query(ge=1)] = None,
) -> SearchAnswer:
    """The same as a link; takes `by`, `min_score`, `verdicts` and `exclude_self` too."""
    async with work_place(request) as state:
        fields = {name: request.query_params.getlist(name) for name in request.query_params}
        named = fields.pop("id", None)
        form = Form({**fields, "image_id": named} if named else fields)
        return await state.work.run(lambda: _answer(state, form))


def _answer(state: ServerState, form: Form) -> SearchAnswer:
    """The answer to a form, in a worker thread."""
    library = state.library
    found = library.search(
        _query(form),
        by=form.words("by"),
        k=form.integer("k", least=1, most=library.settings.search.max_k),
        verdicts=_verdicts(form),
        min_score=form.number("min_score", least=0, most=1) or 0.0,
        exclude_self=form.flag("exclude_self"),
    )
    records = library.images([match.image_id for match in found.matches])
    return state.shaper.answer(found, records)


def _query(form: Form) -> datatypes.Query:
    image_id, text = form.integer("image_id", least=0), form.text("text")
    given = [name for name, value in (("image_id", image_id), ("text", text)) if value is not None]
    given += ["image"] if form.file is not None else []
    if len(given) != 1:
        raise QueryError(
            f"the query has {' and '.join(given) or 'none'} of image, image_id and text; give exactly one"
        )
    query = datatypes.Query(image_id=image_id, text=text)
    if form.file is not None:
        query = replace(query, data=form.picture(), name=form.file_name or "query")
    return query


def _verdicts(form: Form) -> list[Verdict] | None:
    wanted = form.words("verdicts")
    known = {verdict.value for verdict in Verdict}
    for verdict in wanted or []:
        if verdict not in known:
            raise QueryError(f"verdicts = {verdict[:80]!r} is none; have {', '.join(Verdict)}")
    return [Verdict(verdict) for verdict in wanted] if wanted else None
