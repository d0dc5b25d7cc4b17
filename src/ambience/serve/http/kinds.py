"""`/v1/kinds/<kind>`: one kind alone, as other processes ask it, give it pictures and have it forget them."""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from ambience.datatypes import MAX_IMAGE_ID, Ids
from ambience.errors import QueryError, ServiceMismatchError, UnknownKindError
from ambience.keys import Scope
from ambience.search.combination import MOST_TERMS
from ambience.search.filters import LONGEST_FILTER
from ambience.search.ranking_document import (
    MOST_HITS,
    PROTOCOL,
    PlacedDocument,
    RankingDocument,
    ServiceDocument,
)
from ambience.serve.http.asking import query_of
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.errors import shown
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.search import SEARCH_BODY
from ambience.serve.http.state import ServerState, State, work_place

ALLOWED = "allowed"
"""Field of a form: the only images that may be answered, as little-endian 64-bit whole numbers."""

_BODY: dict[str, Any] = {
    "requestBody": {
        **SEARCH_BODY["requestBody"],
        "description": "A question as `/v1/search` takes it, with `k` or `radius`; `turned`: search the "
        "query's other orientations as well (true by default); `allowed`: a file of little-endian 64-bit "
        "ids, the only images that may be answered; `fingerprint` and `protocol`: what the caller expects, "
        "refused with 409 where it is not so.",
    }
}
_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Kind = Annotated[str, Path(max_length=64, description="Of this server.")]
ImageId = Annotated[int, Path(ge=0, le=MAX_IMAGE_ID, description="Given by the caller.")]
Fingerprint = Annotated[
    str | None, Query(max_length=255, description="Of the features that the caller expects; else 409.")
]
Protocol = Annotated[int | None, Query(ge=0, description="That the caller speaks; another one is a 409.")]

router = APIRouter(prefix="/v1/kinds/{kind}", tags=["kinds"], responses=PROBLEMS)


@router.get("")
@needs(Scope.READ)
def show_kind(
    state: State, kind: Kind, fingerprint: Fingerprint = None, protocol: Protocol = None
) -> ServiceDocument:
    """Which features a kind makes, and which protocol is spoken here."""
    made = _expected(state, kind, fingerprint, protocol)
    return ServiceDocument(kind=kind, fingerprint=made, protocol=PROTOCOL)


@router.post("/search", openapi_extra=_BODY)
@needs(Scope.READ)
async def search_kind(request: Request, kind: Kind) -> RankingDocument:
    """What one kind answers, with everything that a merged answer is made of."""
    async with work_place(request) as state, received(request, most_files=MOST_TERMS + 1) as form:
        return await state.work.run(lambda: _ranking(state, kind, form))


@router.put("/images/{image_id}", openapi_extra=_PICTURE)
@needs(Scope.ADD)
async def put_picture(
    request: Request,
    kind: Kind,
    image_id: ImageId,
    name: Annotated[str, Query(max_length=255, description="Of the image, where it is new.")] = "",
    keep: Annotated[bool, Query(description="Keep the bytes of a new image, not only its feature.")] = False,
    fingerprint: Fingerprint = None,
    protocol: Protocol = None,
) -> PlacedDocument:
    """Adds the feature of a picture under a given id; the same picture once more changes nothing."""
    async with work_place(request) as state, received(request) as form:

        def placed() -> PlacedDocument:
            made = _expected(state, kind, fingerprint, protocol)
            library, data = state.library, form.picture()
            said = library.placing.put(kind, image_id, data, name=name or f"{image_id}.online", keep=keep)
            return PlacedDocument(
                kind=kind,
                fingerprint=made,
                protocol=PROTOCOL,
                image_id=image_id,
                state=said[0],
                reason=shown(said[1]),
            )

        return await state.work.run(placed)


@router.delete("/images/{image_id}", status_code=204, response_class=Response)
@needs(Scope.DELETE)
async def remove_picture(
    state: State,
    kind: Kind,
    image_id: ImageId,
    sha256: Annotated[
        str | None, Query(pattern="^[0-9a-f]{64}$", description="Only where the image has these bytes.")
    ] = None,
) -> Response:
    """Forgets the feature of an image, and the image with its last feature."""
    wanted = None if sha256 is None else bytes.fromhex(sha256)

    def take_away() -> None:
        _expected(state, kind, None, None)
        state.library.placing.take_away(kind, image_id, sha256=wanted)

    await to_thread.run_sync(take_away)
    return Response(status_code=204)


def _expected(state: ServerState, kind: str, fingerprint: str | None, protocol: int | None) -> str:
    """The fingerprint of a kind, where it is the one that the caller means."""
    specs = state.library.specs
    if kind not in specs or state.kind not in (None, kind):
        have = ", ".join(specs) if state.kind is None else state.kind
        raise UnknownKindError(f"no kind {kind[:80]!r} is served here; have {have}")
    if protocol not in (None, PROTOCOL):
        raise ServiceMismatchError(
            f"protocol {protocol} is not spoken here but {PROTOCOL}; run one version of both processes"
        )
    asked = state.library.one_kind(kind)
    if fingerprint is not None:
        asked.require(fingerprint)
    return specs[kind].fingerprint


def _ranking(state: ServerState, kind: str, form: Form) -> RankingDocument:
    """The answer to a form, in a worker thread."""
    library, allowed = state.library, _allowed(form)
    others = {name: file for name, file in form.others.items() if name != ALLOWED}
    made = _expected(state, kind, form.text("fingerprint"), form.integer("protocol", least=0, most=2**31))
    ranking = library.search_kind(
        kind,
        query_of(replace(form, others=others)),
        k=form.integer("k", least=1, most=MOST_HITS),
        radius=form.number("radius", least=0),
        turned=form.flag("turned", default=True),
        filter=form.text("filter", most=LONGEST_FILTER),
        allowed_images=allowed,
    )
    return RankingDocument.of_ranking(ranking, made)


def _allowed(form: Form) -> Ids | None:
    """The images that may be answered; None where the caller does not say."""
    file = form.others.get(ALLOWED)
    if file is None:
        return None
    file.seek(0)
    data = file.read()
    if len(data) % 8:
        raise QueryError(f"{ALLOWED} has {len(data)} bytes; it holds 64-bit whole numbers of 8 bytes each")
    return np.frombuffer(data, "<i8").astype(np.int64)
