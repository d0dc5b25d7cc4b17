"""The original system's endpoints for words: tags, a caption, and text in pictures.

Its text service was never finished: it answers a score, the sum of what words of the query are alike, so that
scores of two questions do not compare. Ours is 0–100, 100 where all that was asked stands in the picture.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ambience.answers import Query
from ambience.datatypes import FeatureState
from ambience.keys import Scope
from ambience.search.combination import LONGEST_TEXT
from ambience.search.text import TEXT
from ambience.serve.http.bodies import Form
from ambience.serve.http.errors import MissingFieldError
from ambience.serve.http.original_api import FORM, JSON, answered, body_of
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.services import required_id, required_picture, with_file_names

if TYPE_CHECKING:
    from ambience.library import Library

T = TypeVar("T")

PORTS = {TEXT: 33339, "caption": 33340, "tags": 33341}
"""Ports of the original's services, by annotator."""

FULL_SCORE = 100.0

_PICTURE = {"type": "string", "format": "binary"}
_ID = {"type": "integer", "description": "May be a string of digits."}
_EXTENT = {
    "k": {"type": "integer", "minimum": 1, "description": "So many hits at most; or"},
    "distance_threshold": {
        "type": "number",
        "minimum": 0,
        "maximum": FULL_SCORE,
        "description": "everything of this score or more. Give exactly one of the two.",
    },
}


class WordEndpoints:
    """The original's endpoints of the annotators."""

    def __init__(self, library: "Library") -> None:
        self._library = library
        self._has_old_codes = library.settings.serve.original_status_codes

    @needs(Scope.READ)
    async def get_image_tags(self, request: Request) -> Response:
        """What a picture shows: kind of place, indoor or outdoor, and properties of the scene."""
        return await self._answered(request, lambda form: self._library.original_tags(required_picture(form)))

    @needs(Scope.READ)
    async def get_image_caption(self, request: Request) -> Response:
        """A sentence that describes a picture."""
        return await self._answered(request, self._caption)

    @needs(Scope.ADD)
    async def calculate_text_features(self, request: Request) -> Response:
        """Reads a picture and keeps its text under a given id."""
        return await self._answered(request, self._calculate)

    @needs(Scope.DELETE)
    async def delete_text_features(self, request: Request) -> Response:
        """Forgets the text of one image."""
        return await self._answered(request, self._delete)

    @needs(Scope.READ)
    async def text_get_similar_images_by_id(self, request: Request) -> Response:
        """Images that share the text of a stored one, itself included."""
        return await self._answered(request, lambda form: self._hits(form, Query(image_id=required_id(form))))

    @needs(Scope.READ)
    async def text_get_similar_images_by_image_buffer(self, request: Request) -> Response:
        """Images that share the text of a picture sent along."""
        return await self._answered(
            request, lambda form: self._hits(form, Query(data=required_picture(form)))
        )

    @needs(Scope.READ)
    async def text_get_similar_images_by_text(self, request: Request) -> Response:
        """Images in which typed words stand, also misspelt, spelled by ear, or in another script."""
        return await self._answered(request, lambda form: self._hits(form, Query(text=_text(form))))

    def _caption(self, form: Form) -> str:
        said = self._library.annotate_picture("caption", required_picture(form))
        return "" if said.caption is None else said.caption.text

    def _calculate(self, form: Form) -> dict[str, str] | None:
        state, reason = self._library.add_text(required_id(form), required_picture(form))
        return {"error": reason} if state is FeatureState.EMPTY else None

    def _delete(self, form: Form) -> None:
        name = form.text("file_name")
        image_id = self._library.image_by_name(name) if name else required_id(form)
        self._library.remove_annotation(TEXT, image_id)

    def _hits(self, form: Form, query: Query) -> list[dict[str, Any]]:
        least = form.number("distance_threshold", least=0, most=FULL_SCORE)
        hits = self._library.search_words(
            query, k=form.integer("k", least=1), threshold=None if least is None else least / FULL_SCORE
        )
        items = [{"image_id": hit.image_id, "score": round(hit.score * FULL_SCORE, 4)} for hit in hits]
        return with_file_names(self._library, items)

    async def _answered(self, request: Request, work: Callable[[Form], T]) -> Response:
        forgives = work == self._delete
        return await answered(request, work, has_old_codes=self._has_old_codes, forgives=forgives)

    def add_to(self, router: APIRouter, names: set[str]) -> None:
        """Registers the endpoints of some annotators under the original's names."""
        picture = body_of(FORM, ["image"], image=_PICTURE)
        routes: list[tuple[str, Callable[[Request], Any], dict[str, Any]]] = [
            ("tags", self.get_image_tags, picture),
            ("caption", self.get_image_caption, picture),
            (
                TEXT,
                self.calculate_text_features,
                body_of(FORM, ["image", "image_id"], image=_PICTURE, image_id=_ID),
            ),
            (
                TEXT,
                self.delete_text_features,
                body_of(JSON, [], image_id=_ID, file_name={"type": "string", "description": "Wins."}),
            ),
            (TEXT, self.text_get_similar_images_by_id, body_of(JSON, ["image_id"], image_id=_ID, **_EXTENT)),
            (
                TEXT,
                self.text_get_similar_images_by_image_buffer,
                body_of(FORM, ["image"], image=_PICTURE, **_EXTENT),
            ),
            (
                TEXT,
                self.text_get_similar_images_by_text,
                body_of(JSON, ["text"], text={"type": "string"}, **_EXTENT),
            ),
        ]
        for name, endpoint, body in routes:
            if name in names:
                router.add_api_route(
                    f"/{endpoint.__name__}",
                    endpoint,
                    methods=["POST"],
                    response_class=JSONResponse,
                    responses=PROBLEMS,
                    openapi_extra=body,
                    operation_id=endpoint.__name__,
                    summary=(endpoint.__doc__ or "").strip(),
                )


def words_router(library: "Library", kind: str | None) -> APIRouter:
    """The original's endpoints of every annotator that is switched on, or of one.

    Args:
        library: what is served.
        kind: the only annotator, or None for all.

    Returns:
        A router.
    """
    router = APIRouter(tags=["original system"])
    names = {name for name in library.annotators if kind in (None, name)}
    WordEndpoints(library).add_to(router, names)
    return router


def _text(form: Form) -> str:
    text = form.text("text", most=LONGEST_TEXT)
    if text is None:
        raise MissingFieldError("field 'text' is missing; send the words to look for")
    return text
