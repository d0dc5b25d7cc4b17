"""The original system's endpoints, for every kind: clients of the original work unchanged.

Names, fields and result keys are the original's. Mended: the status codes (the old ones come back by the
setting `serve.original_status_codes`), ids -1 in results, exclusive thresholds, and the deletion of id 0 when
an unknown name was meant.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ambience.errors import AmbienceError, UnknownImageError
from ambience.keys import Scope
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.errors import original_problem
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.services import KindService, knob_rows
from ambience.serve.http.state import work_place

if TYPE_CHECKING:
    from ambience.library import Library

T = TypeVar("T")

_PICTURE = {"type": "string", "format": "binary"}
_ID = {"type": "integer", "description": "May be a string of digits."}


def _knobs(service: KindService) -> dict[str, Any]:
    """The kind's knobs as OpenAPI has them."""
    described = {}
    for row in knob_rows(service.knobs):
        schema: dict[str, Any] = {"type": row.form, "description": row.help}
        schema |= {} if row.minimum is None else {"minimum": row.minimum}
        described[row.name] = schema | ({} if row.default is None else {"default": row.default})
    return described


def body_of(media_type: str, required: list[str], **fields: Any) -> dict[str, Any]:
    """A request's body as OpenAPI has it.

    Args:
        media_type: `FORM` or `JSON`.
        required: names of the fields that must come.
        fields: schemas, by name.

    Returns:
        What FastAPI takes as `openapi_extra`.
    """
    schema: dict[str, Any] = {"type": "object", "properties": fields}
    if required:
        schema["required"] = required
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


FORM, JSON = "multipart/form-data", "application/json"
"""Media types of the original's requests."""


async def answered(
    request: Request, work: Callable[[Form], T], *, has_old_codes: bool, forgives: bool = False
) -> Response:
    """The answer of one of the original's endpoints.

    Args:
        request: its body is read.
        work: done in a worker thread.
        has_old_codes: answer errors as the original did.
        forgives: with old codes, an image that is not known counts as done.

    Returns:
        Its result as JSON, or as it is where it is a response; an empty body where it is None.

    Raises:
        AmbienceError: of ours, where there are no old codes.
    """
    try:
        async with work_place(request) as state, received(request) as form:
            result = await state.work.run(lambda: work(form))
    except AmbienceError as exc:
        if not has_old_codes:
            raise
        if forgives and isinstance(exc, UnknownImageError):
            return Response(status_code=200)
        return original_problem(exc)
    if isinstance(result, Response):
        return result
    return Response(status_code=200) if result is None else JSONResponse(result)


class OriginalEndpoints:
    """The original's endpoints of one kind."""

    def __init__(self, service: KindService) -> None:
        self._service = service
        self._has_old_codes = service.library.settings.serve.original_status_codes

    @needs(Scope.ADD)
    async def calculate(self, request: Request) -> Response:
        """Adds the feature of a picture under a given id."""
        return await self._answered(request, self._service.calculate)

    @needs(Scope.DELETE)
    async def delete(self, request: Request) -> Response:
        """Forgets the feature of one image."""
        return await self._answered(request, self._service.delete)

    @needs(Scope.READ)
    async def similar_by_id(self, request: Request) -> Response:
        """Images near a stored one, itself included."""
        return await self._answered(request, self._service.similar_by_id)

    @needs(Scope.READ)
    async def similar_by_picture(self, request: Request) -> Response:
        """Images near a picture sent along, however it is turned or mirrored."""
        return await self._answered(request, self._service.similar_by_picture)

    @needs(Scope.READ)
    async def similar_by_text(self, request: Request) -> Response:
        """Images near a sentence."""
        return await self._answered(request, self._service.similar_by_text)

    async def _answered(self, request: Request, work: Callable[[Form], T]) -> Response:
        forgives = work == self._service.delete
        return await answered(request, work, has_old_codes=self._has_old_codes, forgives=forgives)

    def add_to(self, router: APIRouter) -> None:
        """Registers the endpoints under the original's names."""
        kind, feature_name = self._service.spec.kind, self._service.feature_name
        knobs = _knobs(self._service)
        nothing: dict[int | str, dict[str, Any]] = {200: {"description": "Done; the body is empty."}}
        routes: list[tuple[str, Callable[[Request], Any], dict[str, Any]]] = [
            (
                f"/calculate_{feature_name}",
                self.calculate,
                body_of(FORM, ["image", "image_id"], image=_PICTURE, image_id=_ID),
            ),
            (
                f"/delete_{feature_name}",
                self.delete,
                body_of(JSON, [], image_id=_ID, file_name={"type": "string", "description": "Wins."}),
            ),
            (
                f"/{kind}_get_similar_images_by_id",
                self.similar_by_id,
                body_of(JSON, ["image_id"], image_id=_ID, **knobs),
            ),
            (
                f"/{kind}_get_similar_images_by_image_buffer",
                self.similar_by_picture,
                body_of(FORM, ["image"], image=_PICTURE, **knobs),
            ),
        ]
        if self._service.spec.accepts_text:
            by_text = body_of(JSON, ["text"], text={"type": "string"}, **knobs)
            routes.append((f"/{kind}_get_similar_images_by_text", self.similar_by_text, by_text))
        for path, endpoint, body in routes:
            is_empty = endpoint in (self.calculate, self.delete)
            router.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                response_class=Response if is_empty else JSONResponse,
                responses=PROBLEMS | nothing if is_empty else PROBLEMS,
                openapi_extra=body,
                operation_id=path.removeprefix("/"),
                summary=(endpoint.__doc__ or "").strip(),
            )


def original_router(library: "Library", kind: str | None) -> APIRouter:
    """The original's endpoints of every kind, or of one.

    Args:
        library: what is served.
        kind: the only kind, or None for all.

    Returns:
        A router with four or five endpoints per kind.
    """
    router = APIRouter(tags=["original system"])
    for name, spec in library.specs.items():
        if kind in (None, name):
            OriginalEndpoints(KindService(library, spec)).add_to(router)
    return router
