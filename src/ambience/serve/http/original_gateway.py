"""The original gateway's own endpoints: all kinds of a picture filled, forgotten and asked in one call.

Names, fields, fixed parameters and result keys are the original's. What it loses is told where its clients do
not look: kinds that could not be asked are named in a header, and outcomes say of which kind they are.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ambience.answers import OriginalAnswer
from ambience.errors import AmbienceError, ImageError, MissingModelError, UnknownImageError
from ambience.fuse.original import merge
from ambience.keys import Scope
from ambience.placing import Outcome
from ambience.search.text import TEXT
from ambience.serve.http.bodies import Form
from ambience.serve.http.errors import (
    KindUnavailableError,
    original_problem,
    problem_of,
)
from ambience.serve.http.original_api import FORM, JSON, answered, body_of
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.services import original_items, required_id, required_picture, said_of

if TYPE_CHECKING:
    from ambience.library import Library

_log = logging.getLogger("ambience.http")

MISSING_HEADER: Final = "X-Ambience-Missing"
"""Kinds that are not part of an answer, and why: `phash=service_failed, text=model_missing`; `color=pending`
is part of it, but has yet to get some pictures."""

OUTCOMES_FIRST: Final = ("color", "phash", "image_text_features", "global_features", "local_features")
"""Order of outcomes. Clients of the original read the first three, which are all that it fills; other kinds
follow by name."""

DUPLICATES: Final[Mapping[str, Any]] = {"distance_threshold": 64}
"""What is asked of phash, to find duplicates as well as everything alike."""

QUESTIONS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "phash": ("phash_res", DUPLICATES),
    "global_features": ("global_features_res", {"k": 200}),
    "local_features": (
        "local_features_res",
        {
            "k": 200,
            "k_clusters": 10,
            "knn_min_matches": 4,
            "matching_threshold": 0.8,
            "use_smnn_matching": True,
            "use_ransac": True,
        },
    ),
    "color": ("color_res", {"k": 200}),
    "image_text_features": ("image_text_res", {"k": 200}),
}
"""By kind, in the order in which the original merges them: name of its result, and what is asked."""

SHOWN: Final = 20
"""Items of each kind that are answered; the merge sees all."""

_PICTURE = {"type": "string", "format": "binary"}
_ID = {"type": "integer", "description": "May be a string of digits."}

Found = Outcome | AmbienceError


class GatewayEndpoints:
    """The original gateway's own endpoints."""

    def __init__(self, library: "Library") -> None:
        self._library = library
        self._has_old_codes = library.settings.serve.original_status_codes

    @needs(Scope.ADD)
    async def calculate_all_image_features(self, request: Request) -> Response:
        """Adds the features of all kinds of a picture under a given id; one outcome per kind."""
        return await answered(request, self._calculate, has_old_codes=self._has_old_codes)

    @needs(Scope.DELETE)
    async def delete_all_image_features(self, request: Request) -> Response:
        """Forgets the features of all kinds of an image; one outcome per kind."""
        return await answered(request, self._delete, has_old_codes=self._has_old_codes)

    @needs(Scope.READ)
    async def reverse_search(self, request: Request) -> Response:
        """Images near a picture by every kind, and merged; with `find_duplicate`, only its copies."""
        return await answered(request, self._search, has_old_codes=self._has_old_codes)

    def _calculate(self, form: Form) -> Response:
        image_id, data = required_id(form), required_picture(form)
        name = f"{image_id}.online"
        outcomes: dict[str, Found] = {}
        try:
            outcomes |= self._library.every_kind.add(image_id, data, name=name)
        except ImageError as exc:
            outcomes |= dict.fromkeys(self._library.specs, exc)
            return self._outcomes(outcomes)
        missing = {}
        if TEXT in self._library.annotators:
            try:
                outcomes[TEXT] = self._library.add_text(image_id, data, name=name)
            except MissingModelError as exc:  # reading is an extra: a failure would alarm clients
                missing[TEXT] = exc
            except AmbienceError as exc:
                outcomes[TEXT] = exc
        return self._outcomes(outcomes, missing)

    def _delete(self, form: Form) -> Response:
        image_id = required_id(form)
        try:
            removed = self._library.every_kind.remove(image_id)
        except UnknownImageError as exc:
            if self._has_old_codes:
                return _told([_fulfilled(kind, None) for kind in _ordered(self._library.specs)], {})
            return self._outcomes(dict.fromkeys(self._library.specs, exc))
        if TEXT in self._library.annotators:
            try:
                self._library.remove_annotation(TEXT, image_id)
                removed[TEXT] = True
            except UnknownImageError:
                removed[TEXT] = False
        absent = {"state": "absent", "reason": "there was none"}
        return _told([_fulfilled(kind, None if removed[kind] else absent) for kind in _ordered(removed)], {})

    def _search(self, form: Form) -> Response:
        data = required_picture(form)
        if form.flag("find_duplicate"):
            return self._duplicates(data)
        asked = {
            kind: self._library.original_knobs(kind)(**knobs)
            for kind, (_, knobs) in QUESTIONS.items()
            if kind in self._library.specs
        }
        found = self._library.every_kind.original(data, asked)
        failed = {kind: each for kind, each in found.items() if isinstance(each, AmbienceError)}
        answers = {kind: each for kind, each in found.items() if isinstance(each, OriginalAnswer)}
        if not answers:
            raise KindUnavailableError(f"no kind could be asked: {_reasons(failed)}")
        unified = merge(
            {kind: [image_id for image_id, _ in answers[kind].rows] for kind in QUESTIONS if kind in answers}
        )
        result: dict[str, Any] = {
            "unified_res": [{"image_id": image_id, "score": score} for image_id, score in unified]
        }
        for kind, (result_name, _) in QUESTIONS.items():
            if kind in answers:
                result[result_name] = self._items(answers[kind], most=SHOWN)
        off = {kind: KindUnavailableError(f"{kind} is switched off") for kind in QUESTIONS.keys() - found}
        content = {name: items for name, items in result.items() if items}
        return _told(content, failed | off, _pending(answers))

    def _duplicates(self, data: bytes) -> Response:
        """Copies by phash. Where that cannot be asked, no answer says that there are none."""
        if "phash" not in self._library.specs:
            raise KindUnavailableError("duplicates are found by phash, which is switched off")
        knobs = self._library.original_knobs("phash")(**DUPLICATES)
        answer = self._library.every_kind.original(data, {"phash": knobs})["phash"]
        if isinstance(answer, AmbienceError):
            raise KindUnavailableError(f"phash could not be asked for duplicates: {answer}") from answer
        items = self._items(answer)
        return _told({"duplicate": items} if items else {}, {}, _pending({"phash": answer}))

    def _items(self, answer: OriginalAnswer, most: int | None = None) -> list[dict[str, Any]]:
        cut = OriginalAnswer(answer.figure, answer.rows[:most], answer.has_file_names)
        return original_items(self._library, cut)

    def _outcomes(
        self, outcomes: Mapping[str, Found], missing: Mapping[str, AmbienceError] | None = None
    ) -> Response:
        listed = []
        for kind in _ordered(outcomes):
            found = outcomes[kind]
            if isinstance(found, AmbienceError):
                listed.append(self._rejected(kind, found))
            else:
                listed.append(_fulfilled(kind, said_of(*found)))
        return _told(listed, missing or {})

    def _rejected(self, kind: str, error: AmbienceError) -> dict[str, Any]:
        """An outcome as the original's gateway words it: the status, and what the kind's service answered."""
        answer = original_problem(error) if self._has_old_codes else problem_of(error)
        said = bytes(answer.body).decode()
        return {
            "kind": kind,
            "status": "rejected",
            "reason": f"Request failed with status code {answer.status_code}",
            "data": json.loads(said) if isinstance(answer, JSONResponse) else said,
        }

    def add_to(self, router: APIRouter) -> None:
        """Registers the endpoints under the original's names."""
        find = {"type": "string", "enum": ["0", "1"], "default": "0"}
        routes: list[tuple[Callable[[Request], Any], dict[str, Any]]] = [
            (
                self.calculate_all_image_features,
                body_of(FORM, ["image", "image_id"], image=_PICTURE, image_id=_ID),
            ),
            (self.delete_all_image_features, body_of(JSON, ["image_id"], image_id=_ID)),
            (self.reverse_search, body_of(FORM, ["image"], image=_PICTURE, find_duplicate=find)),
        ]
        for endpoint, body in routes:
            name = endpoint.__name__
            router.add_api_route(
                f"/{name}",
                endpoint,
                methods=["POST"],
                response_class=JSONResponse,
                responses=PROBLEMS,
                openapi_extra=body,
                operation_id=name,
                summary=(endpoint.__doc__ or "").strip(),
            )


def gateway_router(library: "Library", kind: str | None) -> APIRouter:
    """The original gateway's own endpoints; none where one kind is served alone.

    Args:
        library: what is served.
        kind: the only kind, or None for all.

    Returns:
        A router of three endpoints, or of none.
    """
    router = APIRouter(tags=["original system"])
    if kind is None:
        GatewayEndpoints(library).add_to(router)
    return router


def _fulfilled(kind: str, value: Mapping[str, str] | None) -> dict[str, Any]:
    return {"kind": kind, "status": "fulfilled", "value": value or ""}


def _ordered(kinds: Iterable[str]) -> list[str]:
    places = {kind: place for place, kind in enumerate(OUTCOMES_FIRST)}
    return sorted(kinds, key=lambda kind: (places.get(kind, len(places)), kind))


def _told(content: Any, missing: Mapping[str, AmbienceError], pending: Iterable[str] = ()) -> Response:
    """An answer whose header names the kinds that are missing from it; the log says more."""
    if missing:
        _log.warning("answered without some kinds: %s", _reasons(missing))
    codes = dict.fromkeys(pending, "pending") | {kind: each.code for kind, each in missing.items()}
    if not codes:
        return JSONResponse(content)
    named = ", ".join(f"{kind}={codes[kind]}" for kind in sorted(codes))
    return JSONResponse(content, headers={MISSING_HEADER: named})


def _pending(answers: Mapping[str, OriginalAnswer]) -> list[str]:
    return [kind for kind, answer in answers.items() if answer.pending]


def _reasons(failed: Mapping[str, AmbienceError]) -> str:
    return "; ".join(f"{kind}: {failed[kind]}" for kind in sorted(failed))
