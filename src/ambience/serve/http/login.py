"""The page's login: a key becomes a cookie that scripts cannot read and other sites cannot send."""

from datetime import datetime
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from ambience.keys import Scope
from ambience.serve.http.admission import COOKIE, LONGEST_TOKEN, usable
from ambience.serve.http.bodies import Form, json_object
from ambience.serve.http.errors import MissingFieldError
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import public
from ambience.serve.http.state import State

MOST_BYTES = 4096
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}
            }
        },
    }
}

router = APIRouter(prefix="/v1", tags=["system"], responses=PROBLEMS)


class LoginSchema(BaseModel):
    """The key that the browser keeps from now on."""

    name: str = Field(description="Of the key.")
    scopes: list[Scope]
    expires_at: datetime | None = Field(description="UTC; null: never.")


@router.post("/login", openapi_extra=_BODY)
@public
async def log_in(request: Request, response: Response, state: State) -> LoginSchema:
    """Has the browser send a key with every further request, in a cookie that no script can read."""
    form = Form({name: [value] for name, value in (await json_object(request, most=MOST_BYTES)).items()})
    token = form.text("key", most=LONGEST_TOKEN)
    if token is None:
        raise MissingFieldError("field 'key' is missing; send the key")
    key = await to_thread.run_sync(usable, state.keys, token.strip())
    is_secure = _is_encrypted(request)
    response.set_cookie(COOKIE, token.strip(), httponly=True, samesite="strict", secure=is_secure)
    return LoginSchema(name=key.name, scopes=sorted(key.scopes), expires_at=key.expires_at)


@router.post("/logout", status_code=204, response_class=Response)
@public
async def log_out() -> Response:
    """Has the browser forget the key."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _is_encrypted(request: Request) -> bool:
    """Whether the browser came over TLS, be it to a proxy: it says so itself, in the Origin."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
