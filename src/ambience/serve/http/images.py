"""`/v1/images`: add, list, show, tag and remove pictures."""

from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from ambience.datatypes import MAX_IMAGE_ID
from ambience.errors import QueryError, UnknownImageError
from ambience.keys import Scope
from ambience.search.filters import LONGEST_FILTER
from ambience.serve.http.bodies import json_object, received
from ambience.serve.http.errors import shown
from ambience.serve.http.schemas import PROBLEMS, AddedSchema, ImageDetail, ImageList
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import ServerState, State, work_place
from ambience.serve.http.word_schemas import WordsSchema
from ambience.store.plan_words import LONGEST_CAPTION

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "heif": "image/heif",
    "avif": "image/avif",
    "jxl": "image/jxl",
}
"""Formats that a browser may show in place; whatever else a library holds is only ever downloaded."""

FILE_POLICY = "default-src 'none'; sandbox"
"""What a file of the library may do when a browser opens it: nothing."""

PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "The picture."},
                        "image_id": {"type": "integer", "description": "Its id; the next one by default."},
                        "name": {"type": "string", "description": "What people call it."},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    },
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
TAGS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "tags": {"type": "array", "items": {"type": "string"}},
                        "caption": {"type": "string", "description": "An empty one takes it away."},
                    },
                }
            }
        },
    }
}

ImageId = Annotated[int, Path(ge=0, le=MAX_IMAGE_ID, description="Id of an image of the library.")]

_KNOWN: dict[str, Any] = {
    "model": AddedSchema,
    "description": "The same bytes had been added under this id before; nothing was changed.",
}

router = APIRouter(prefix="/v1/images", tags=["images"], responses=PROBLEMS)


@router.post("", status_code=201, openapi_extra=PICTURE_BODY, responses={200: _KNOWN})
@needs(Scope.ADD)
async def add_image(request: Request, response: Response) -> AddedSchema:
    """Adds a picture, whose bytes the library keeps; durable when this answers.

    Also takes the bytes of a picture as the whole body, with the other fields in the query string. With an
    `image_id`, a request that had no answer may be sent again: the same bytes under the same id are 200 with
    the same document, and nothing is changed; other bytes are 409.
    """
    async with work_place(request) as state, received(request) as form:
        library = state.library
        image_id = form.integer("image_id", least=0)
        name = form.text("name", most=255) or form.file_name
        tags = usable_tags(form.words("tags") or [])
        added = await state.work.run(
            lambda: library.add_image(form.picture(), name=name, image_id=image_id, tags=tags)
        )
        response.headers["Location"] = f"/v1/images/{added.image_id}"
        response.status_code = 201 if added.is_new else 200
        return await to_thread.run_sync(state.shaper.added, added, library.images)


@router.get("")
@needs(Scope.READ)
def list_images(
    state: State,
    after: Annotated[int, Query(ge=-1, le=MAX_IMAGE_ID, description="`next` of the page before.")] = -1,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most images of one page.")] = 100,
    order: Annotated[Literal["id", "newest"], Query(description="By rising or falling id.")] = "id",
    filter: Annotated[
        str | None,
        Query(
            max_length=LONGEST_FILTER,
            examples=["winter && !forest && width>=1920"],
            description="Only images that it keeps (docs/filters.md).",
        ),
    ] = None,
) -> ImageList:
    """One page of the images."""
    library, filter = state.library, filter or None
    records = library.list_images(after=after, limit=limit, newest_first=order == "newest", filter=filter)
    following = records[-1].image_id if len(records) == limit else None
    return ImageList(
        images=[state.shaper.image(record) for record in records],
        next=following,
        total=library.count_images(filter=filter) if after == -1 else None,
    )


@router.get("/{image_id}")
@needs(Scope.READ)
def show_image(state: State, image_id: ImageId) -> ImageDetail:
    """All that is known of an image, with its tags and captions and who says so."""
    return _detail(state, image_id)


def _detail(state: ServerState, image_id: int) -> ImageDetail:
    library = state.library
    return state.shaper.detail(library.image(image_id), library.words(image_id))


@router.get("/{image_id}/words")
@needs(Scope.READ)
def show_words(state: State, image_id: ImageId) -> WordsSchema:
    """All that is said of an image in words: text in it, tags, captions."""
    return WordsSchema.of(state.library.words(image_id))


@router.get("/{image_id}/file", response_class=FileResponse)
@needs(Scope.READ)
def send_file(state: State, image_id: ImageId) -> FileResponse:
    """The picture's own bytes, as they were added."""
    record = state.library.image(image_id)
    path = state.library.file_path(image_id)
    if not path.is_file():
        raise UnknownImageError(f"the file of image {image_id} is gone: {shown(path.name)}")
    media_type = MEDIA_TYPES.get(record.format)
    return FileResponse(
        path,
        media_type=media_type or "application/octet-stream",
        filename=shown(record.name) or f"{image_id}",
        content_disposition_type="inline" if media_type else "attachment",
        headers={
            "Content-Security-Policy": FILE_POLICY,
            "Cache-Control": "private, no-cache",
        },
    )


@router.get(
    "/{image_id}/thumbnail", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}}
)
@needs(Scope.READ)
async def send_thumbnail(
    request: Request,
    image_id: ImageId,
    size: Annotated[int, Query(ge=16, le=1024, description="Longest side in pixels, never enlarged.")] = 320,
) -> Response:
    """A small JPEG of the picture, oriented and in sRGB."""
    async with work_place(request) as state:
        record = await to_thread.run_sync(state.library.image, image_id)
        tag = f'"{record.sha256[:8].hex()}-{size}"'
        headers = {"ETag": tag, "Cache-Control": "private, max-age=86400"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        data = await state.work.run(lambda: state.library.thumbnail(image_id, size))
    return Response(data, media_type="image/jpeg", headers=headers)


@router.patch("/{image_id}", openapi_extra=TAGS_BODY)
@needs(Scope.ADD)
async def change_image(request: Request, state: State, image_id: ImageId) -> ImageDetail:
    """Replaces the tags, or the caption, that people gave an image; what machines say stays."""
    sent = await json_object(request)
    unknown = sorted(set(sent) - {"tags", "caption"})
    if unknown or not sent:
        what = shown(unknown[0][:80]) if unknown else "nothing"
        raise QueryError(f"cannot change {what!r}; tags and caption can be changed")
    tags = _sent_tags(sent["tags"]) if "tags" in sent else None
    caption = _sent_caption(sent["caption"]) if "caption" in sent else None

    def change() -> ImageDetail:
        if tags is not None:
            state.library.set_tags(image_id, tags)
        if caption is not None:
            state.library.set_caption(image_id, caption)
        return _detail(state, image_id)

    return await to_thread.run_sync(change)


def _sent_tags(tags: Any) -> list[str]:
    is_listed = isinstance(tags, list) and len(tags) <= 1000
    if not is_listed or not all(isinstance(tag, str) and 0 < len(tag.strip()) <= 200 for tag in tags or []):
        raise QueryError("send {'tags': [...]}: at most 1000 texts of 1 to 200 characters")
    return usable_tags(tags)


def _sent_caption(caption: Any) -> str:
    if not isinstance(caption, str) or len(caption) > LONGEST_CAPTION:
        raise QueryError(
            f"send {{'caption': '…'}}: a text of at most {LONGEST_CAPTION:,} characters; '' takes it away"
        )
    cleaned = " ".join(shown(caption).split())
    if not cleaned.isprintable():
        raise QueryError(f"the caption {cleaned[:80]!r} cannot be printed; leave out its control characters")
    return cleaned


def usable_tags(tags: list[str]) -> list[str]:
    """Tags as they are kept.

    Args:
        tags: as sent.

    Returns:
        Without outer spaces and repeats.

    Raises:
        QueryError: one cannot be printed.
    """
    cleaned = list(dict.fromkeys(shown(tag.strip()) for tag in tags))
    for tag in cleaned:
        if not tag.isprintable():
            raise QueryError(f"the tag {tag[:80]!r} cannot be printed; leave out its control characters")
    return cleaned


@router.delete("/{image_id}", status_code=204, response_class=Response)
@needs(Scope.DELETE)
def remove_image(
    state: State,
    image_id: ImageId,
    purge: Annotated[bool, Query(description="Delete an upload's bytes instead of trashing them.")] = False,
) -> None:
    """Forgets an image; files that were added in place are never touched."""
    state.library.remove(image_id, purge=purge)
