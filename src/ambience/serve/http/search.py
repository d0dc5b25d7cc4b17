"""`/v1/search`: every kind is asked at once, and one answer comes back."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from ambience.datatypes import MAX_IMAGE_ID, Verdict
from ambience.keys import Scope
from ambience.paging import LONGEST_CURSOR
from ambience.search.combination import LONGEST_TEXT, MOST_TERMS
from ambience.search.embedding import USUAL
from ambience.search.filters import LONGEST_FILTER
from ambience.serve.http.asking import LONGEST_URL, knobs_of, pictures_of, query_of
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.schemas import PROBLEMS, SearchAnswer
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import ServerState, work_place

_TEXT = {"type": "string", "maxLength": LONGEST_TEXT}
_URL = {"type": "string", "maxLength": LONGEST_URL, "description": "Address of a picture on the web."}
_REGION: dict[str, Any] = {
    "type": "array",
    "items": {"type": "number", "minimum": 0, "maximum": 1},
    "minItems": 4,
    "maxItems": 4,
    "description": "The part of the upright picture to ask with: left, top, width and height as shares of "
    "its sides. The answer is that of the part cut out.",
}
_PART: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "One term: exactly one of `text`, `image_id`, `image` and `url`.",
    "properties": {
        "text": _TEXT,
        "image_id": {"type": "integer", "description": "An image of the library."},
        "image": {"type": "string", "description": "Name of the form field that holds a picture sent along."},
        "url": _URL,
        "weight": {
            "type": "number",
            "default": 1,
            "description": "How much it counts against the other terms; below 0: what shall not be found.",
        },
        "region": _REGION,
    },
}
_KNOBS: dict[str, Any] = {
    "image_id": {"type": "integer", "description": "Search by this image of the library."},
    "url": _URL | {"description": "Search by the picture at this address, which the server fetches."},
    "region": _REGION,
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
    "fold": {
        "type": "boolean",
        "description": "Make one hit of images of the same bytes, and of those that are the question's own "
        "picture; its `copies` names the others.",
    },
    "cursor": {
        "type": "string",
        "maxLength": LONGEST_CURSOR,
        "description": "`next` of the page before, for the page that follows; all else as for that page; "
        "`k` may change.",
    },
    "wait": {
        "type": "number",
        "minimum": 0,
        "description": "Answer after so many seconds with what is there; kinds that are not are named late.",
    },
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
    "region": {
        "summary": "By a part of a picture on the web",
        "value": {"url": "https://photos.example/lake.jpg", "region": [0.25, 0.1, 0.5, 0.4]},
    },
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
        "description": "At least one of `image`, `image_id`, `url`, `text` and `parts`. One picture alone is "
        "asked of every kind. Several terms, and words, become one vector: the sum of their vectors of unit "
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
@needs(Scope.READ)
async def search(request: Request) -> SearchAnswer:
    """Finds pictures: by pictures sent along or fetched, by images of the library, by words, or by all.

    Hits come by verdict, strongest first, then by score; `kinds` says how each kind fared. Words are asked
    only of kinds that take them, and what fits them is `same_words`: never a copy. Its score is the cosine of
    the question and the picture, on the scale of the model, so that it compares within one answer alone.
    `next` is the `cursor` of the next page: send it with the same question.
    """
    async with work_place(request) as state, received(request, most_files=MOST_TERMS) as form:
        return await _answered(state, form)


class LinkFields(BaseModel):
    """Fields of a question that is a link."""

    id: int | None = Field(None, ge=0, le=MAX_IMAGE_ID, description="An image of the library.")
    url: str | None = Field(None, max_length=LONGEST_URL, description="Address of a picture on the web.")
    text: str | None = Field(None, max_length=LONGEST_TEXT, examples=["dog on a beach"])
    minus: str | None = Field(None, max_length=LONGEST_TEXT, description="Words for what shall not be found.")
    region: str | None = Field(
        None, description="The part of the picture to ask with, as `x,y,w,h`.", examples=["0.1,0.2,0.5,0.5"]
    )
    parts: str | None = Field(None, description="Several terms, as JSON: see the body of POST.")
    by: list[str] | None = Field(None, description="Kinds to ask; repeated, or with commas.")
    k: int | None = Field(None, ge=1, description="Most hits.")
    min_score: float | None = Field(None, ge=0, le=1, description="Least score of a hit.")
    verdicts: list[str] | None = Field(None, description="Only these; repeated, or with commas.")
    filter: str | None = Field(
        None,
        max_length=LONGEST_FILTER,
        description="See docs/filters.md.",
        examples=["winter && !forest"],
    )
    exclude_self: bool | None = Field(None, description="Leave out the images that the question names.")
    fold: bool | None = Field(None, description="Make one hit of copies of one picture.")
    cursor: str | None = Field(None, description="`next` of the page before, of the same question.")
    wait: float | None = Field(None, ge=0, description="Answer after so many seconds with what is there.")
    aqe_n: int | None = Field(None, ge=0, description="Nearest pictures that widen the question.")
    aqe_alpha: float | None = Field(None, ge=0, description="Power by which these count.")


@router.get("")
@needs(Scope.READ)
async def search_by_link(request: Request, fields: Annotated[LinkFields, Query()]) -> SearchAnswer:
    """The same as a link, so that a bookmark or a button of a browser can ask."""
    async with work_place(request) as state:
        return await _answered(state, linked(request))


def linked(request: Request) -> Form:
    """The question of a link, as a form.

    Returns:
        Its query string, in which `id` is an image of the library.
    """
    sent = {name: request.query_params.getlist(name) for name in request.query_params}
    named = sent.pop("id", None)
    return Form({**sent, "image_id": named} if named else sent)


async def _answered(state: ServerState, form: Form) -> SearchAnswer:
    """The answer to a form."""
    library = state.library
    knobs = knobs_of(form, max_k=library.settings.search.max_k)
    pictures = await pictures_of(state, form)

    def answer() -> SearchAnswer:
        found = library.search(query_of(form, pictures), **asdict(knobs))
        state.metrics.searched(found)
        records = library.images([match.image_id for match in found.matches])
        return state.shaper.answer(found, records)

    return await state.work.run(answer)
