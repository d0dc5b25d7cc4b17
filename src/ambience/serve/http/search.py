"""`/v1/search`: every kind is asked at once, and one answer comes back."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from ambience import datatypes
from ambience.datatypes import MAX_IMAGE_ID, Expansion, QueryPart, Verdict
from ambience.errors import QueryError
from ambience.search.combination import LONGEST_TEXT, MINUS, MOST_TERMS, settled
from ambience.search.embedding import USUAL
from ambience.search.filters import LONGEST_FILTER
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.schemas import PROBLEMS, SearchAnswer
from ambience.serve.http.state import ServerState, work_place

_TEXT = {"type": "string", "maxLength": LONGEST_TEXT}
_PART: dict[str, Any] = {
    "type": "object",
    "description": "One term: exactly one of `text`, `image_id` and `image`.",
    "properties": {
        "text": _TEXT,
        "image_id": {"type": "integer", "description": "An image of the library."},
        "image": {"type": "string", "description": "Name of the form field that holds a picture sent along."},
        "weight": {
            "type": "number",
            "default": 1,
            "description": "How much it counts against the other terms; below 0: what shall not be found.",
        },
    },
}
_KNOBS: dict[str, Any] = {
    "image_id": {"type": "integer", "description": "Search by this image of the library."},
    "text": _TEXT | {"description": "Search by words, where a kind takes them."},
    "minus": _TEXT | {"description": "Words for what shall not be found, beside something that shall."},
    "parts": {
        "type": "array",
        "maxItems": MOST_TERMS,
        "items": _PART,
        "description": "Several terms, which become one question; in a form, as JSON.",
    },
    "by": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Kinds to ask; by default all that such a question can be asked of.",
    },
    "k": {"type": "integer", "minimum": 1, "description": "Most hits."},
    "min_score": {"type": "number", "minimum": 0, "maximum": 1, "description": "Least score of a hit."},
    "verdicts": {
        "type": "array",
        "items": {"type": "string", "enum": [verdict.value for verdict in Verdict]},
        "description": "Only hits with these verdicts.",
    },
    "filter": {
        "type": "string",
        "maxLength": LONGEST_FILTER,
        "description": "Only images that it keeps, such as `winter && !forest && width>=1920` "
        "(docs/filters.md).",
    },
    "exclude_self": {"type": "boolean", "description": "Leave out the images that the question names."},
    "aqe_n": {
        "type": "integer",
        "minimum": 0,
        "description": "Nearest pictures that widen the question before it is asked again, of kinds of "
        "embeddings; 0: none; by default as the settings say.",
    },
    "aqe_alpha": {
        "type": "number",
        "minimum": 0,
        "description": f"Power of their likeness by which these count; {USUAL.alpha:g} by default.",
    },
}
_EXAMPLES: dict[str, Any] = {
    "words": {"summary": "By words", "value": {"text": "dog on a beach", "minus": "snow", "k": 20}},
    "image": {"summary": "By an image of the library", "value": {"image_id": 17, "exclude_self": True}},
    "filter": {
        "summary": "Among some of the images",
        "value": {"text": "snow", "filter": "(winter || mountain) && -people && width>=1920"},
    },
    "parts": {
        "summary": "By several terms",
        "value": {
            "parts": [
                {"image_id": 17},
                {"text": "at night", "weight": 0.5},
                {"text": "people", "weight": -0.5},
            ]
        },
    },
}
SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "At least one of `image`, `image_id`, `text` and `parts`. One picture alone is asked "
        "of every kind. Several terms, and words, become one vector: the sum of their vectors of unit "
        "length, each times its weight, brought to unit length.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}, **_KNOBS},
                }
            },
            "application/json": {
                "schema": {"type": "object", "properties": _KNOBS},
                "examples": _EXAMPLES,
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

router = APIRouter(prefix="/v1/search", tags=["search"], responses=PROBLEMS)


@router.post("", openapi_extra=SEARCH_BODY)
async def search(request: Request) -> SearchAnswer:
    """Finds pictures: by pictures sent along, by images of the library, by words, or by all of them together.

    Hits come by verdict, strongest first, then by score; `kinds` says how each kind fared. Words are asked
    only of kinds that take them, and what fits them is `same_words`: never a copy. Its score is the cosine of
    the question and the picture, on the scale of the model, so that it compares within one answer alone.
    """
    async with work_place(request) as state, received(request, most_files=MOST_TERMS) as form:
        return await state.work.run(lambda: _answer(state, form))


@router.get("")
async def search_by_link(
    request: Request,
    id: Annotated[int | None, Query(ge=0, le=MAX_IMAGE_ID, description="An image of the library.")] = None,
    text: Annotated[str | None, Query(max_length=LONGEST_TEXT, examples=["dog on a beach"])] = None,
    minus: Annotated[
        str | None, Query(max_length=LONGEST_TEXT, description="Words for what shall not be found.")
    ] = None,
    k: Annotated[int | None, Query(ge=1)] = None,
    filter: Annotated[
        str | None,
        Query(max_length=LONGEST_FILTER, examples=["winter && !forest"], description="See docs/filters.md."),
    ] = None,
) -> SearchAnswer:
    """The same as a link; takes the other fields too, `parts` as JSON."""
    async with work_place(request) as state:
        fields = {name: request.query_params.getlist(name) for name in request.query_params}
        named = fields.pop("id", None)
        form = Form({**fields, "image_id": named} if named else fields)
        return await state.work.run(lambda: _answer(state, form))


def _answer(state: ServerState, form: Form) -> SearchAnswer:
    """The answer to a form, in a worker thread."""
    library = state.library
    found = library.search(
        query_of(form),
        by=form.words("by"),
        k=form.integer("k", least=1, most=library.settings.search.max_k),
        verdicts=_verdicts(form),
        min_score=form.number("min_score", least=0, most=1) or 0.0,
        exclude_self=form.flag("exclude_self"),
        filter=form.text("filter", most=LONGEST_FILTER),
    )
    records = library.images([match.image_id for match in found.matches])
    return state.shaper.answer(found, records)


def query_of(form: Form) -> datatypes.Query:
    """The question of a form: its plain fields, and then its parts.

    Args:
        form: as it was sent.

    Returns:
        A settled query.

    Raises:
        QueryError: a field is malformed, or there is nothing to look for.
    """
    listed = form.objects("parts", most=MOST_TERMS)
    named = {each.get("image") for each in listed if isinstance(each.get("image"), str)}
    is_plain = form.file is not None and "image" not in named
    parts = [QueryPart(data=form.picture())] if is_plain else []
    image_id = form.integer("image_id", least=0)
    parts += [QueryPart(image_id=image_id)] if image_id is not None else []
    for name, weight in (("text", 1.0), ("minus", MINUS)):
        text = form.text(name, most=LONGEST_TEXT)
        parts += [QueryPart(text=text, weight=weight)] if text is not None else []
    parts += [_part(form, each, number) for number, each in enumerate(listed, 1)]
    for name in form.others:
        if name not in named:
            raise QueryError(
                f"the file came as field {name[:80]!r}; send it as 'image', or name it in 'parts' as "
                '{"image": "…"}'
            )
    name = form.file_name or "query"
    return settled(datatypes.Query(parts=tuple(parts), name=name, expansion=_expansion(form)))


def _part(form: Form, said: dict[str, Any], number: int) -> QueryPart:
    """One term of a question, as it was sent."""
    own = Form({name: [value] for name, value in said.items()})
    for name in said:
        if name not in ("text", "image_id", "image", "weight"):
            raise QueryError(
                f"part {number} has {name[:80]!r}; a part has text, image_id or image, and weight"
            )
    field = own.text("image")
    weight = own.number("weight", least=-float("inf"))
    return QueryPart(
        data=None if field is None else form.picture(field),
        image_id=own.integer("image_id", least=0),
        text=own.text("text", most=LONGEST_TEXT),
        weight=1.0 if weight is None else weight,
    )


def _expansion(form: Form) -> Expansion | None:
    n, alpha = form.integer("aqe_n", least=0), form.number("aqe_alpha", least=0)
    if n is None and alpha is not None:
        raise QueryError("aqe_alpha says how the aqe_n nearest pictures count; give aqe_n as well")
    return None if n is None else Expansion(n, USUAL.alpha if alpha is None else alpha)


def _verdicts(form: Form) -> list[Verdict] | None:
    wanted = form.words("verdicts")
    known = {verdict.value for verdict in Verdict}
    for verdict in wanted or []:
        if verdict not in known:
            raise QueryError(f"verdicts = {verdict[:80]!r} is none; have {', '.join(Verdict)}")
    return [Verdict(verdict) for verdict in wanted] if wanted else None
