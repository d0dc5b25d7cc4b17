"""`/v1/annotators/<name>`: what an annotator says of a picture that is not kept, as a gateway asks."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from ambience.keys import Scope
from ambience.search.remote_annotator import AnnotationDocument
from ambience.serve.http.bodies import received
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import work_place

_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

router = APIRouter(prefix="/v1/annotators", tags=["kinds"], responses=PROBLEMS)


@router.post("/{name}", openapi_extra=_PICTURE)
@needs(Scope.READ)
async def annotate(
    request: Request, name: Annotated[str, Path(max_length=64, description="text, tags or caption.")]
) -> AnnotationDocument:
    """What an annotator says of a picture; nothing is kept."""
    async with work_place(request) as state, received(request) as form:
        library = state.library

        def said() -> AnnotationDocument:
            return AnnotationDocument.of(name, library.annotate_picture(name, form.picture()))

        return await state.work.run(said)
