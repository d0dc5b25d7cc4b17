"""What the server is and how it fares: kinds, jobs, info, health, the page and the documentation."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from anyio import fail_after, to_thread
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, HTMLResponse

from ambience.keys import Scope
from ambience.serve.http.errors import NotReadyError
from ambience.serve.http.schemas import InfoSchema, JobList, KindList, job_of, kind_of
from ambience.serve.http.scopes import needs, public
from ambience.serve.http.state import State

WEB = Path(__file__).parents[1] / "web"
READY_TIMEOUT_S = 2.0
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
ASSETS = {
    "app.js": "text/javascript",
    "common.js": "text/javascript",
    "duplicates.js": "text/javascript",
    "region.js": "text/javascript",
    "app.css": "text/css",
    "icon.svg": "image/svg+xml",
    "docs.js": "text/javascript",
}
SWAGGER_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

router = APIRouter(tags=["system"])


@router.get("/v1/kinds")
@needs(Scope.READ)
def list_kinds(state: State) -> KindList:
    """The kinds that this server answers for."""
    specs, services = state.library.specs, state.library.services()
    kinds = [kind for kind in specs if state.kind in (None, kind)]
    return KindList(
        kinds=[kind_of(specs[kind], service=state.shaper.service(services.get(kind))) for kind in kinds]
    )


@router.get("/v1/jobs")
@needs(Scope.READ)
def list_jobs(state: State) -> JobList:
    """Background work: what, how far, what failed."""
    return JobList(jobs=[job_of(job) for job in state.library.jobs()])


@router.get("/v1/info")
@needs(Scope.READ)
def show_info(state: State) -> InfoSchema:
    """The library at a glance."""
    return state.shaper.info(state.library.info(), state.library.settings)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
@needs(Scope.READ)
def show_metrics(state: State) -> Response:
    """Figures for Prometheus, in its text format."""
    text, media_type = state.metrics.page()
    return Response(text, headers={"content-type": media_type})


@router.get("/healthz", response_class=Response)
@public
async def tell_health() -> Response:
    """Answers as long as the process lives, however busy it is."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz", response_class=Response)
@public
async def tell_readiness(state: State) -> Response:
    """Whether the library can be read and the server is not about to stop.

    A kind whose service in another process is down is named: the other kinds answer without it.
    """
    if state.is_closing:
        raise NotReadyError("the server is stopping")
    try:
        with fail_after(READY_TIMEOUT_S):
            await to_thread.run_sync(lambda: state.library.list_images(limit=1), abandon_on_cancel=True)
    except TimeoutError as exc:
        raise NotReadyError(f"the library's records did not answer within {READY_TIMEOUT_S:g} s") from exc
    services = state.library.services()
    away = [kind for kind, service in services.items() if service.state in ("down", "refused")]
    missing = f"; the services of these kinds cannot be used: {', '.join(away)}" if away else ""
    return Response(f"ready{missing}\n", media_type="text/plain")


@router.get("/", response_model=None, include_in_schema=False)
@public
async def show_page(state: State) -> Response | dict[str, str]:
    """The page; a kind served alone greets as the original's services do."""
    if state.kind is not None:
        return {"Hello": "World"}
    return _page("index.html", PAGE_POLICY)


@router.get("/duplicates", response_class=HTMLResponse, include_in_schema=False)
@public
async def show_duplicates() -> HTMLResponse:
    """The page of duplicates."""
    return _page("duplicates.html", PAGE_POLICY)


@router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
@public
async def show_docs() -> HTMLResponse:
    """The documentation of the interface, without anything from another server."""
    return _page("docs.html", DOCS_POLICY)


@cache
def _read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _page(name: str, policy: str) -> HTMLResponse:
    return HTMLResponse(_read(name), headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})


@router.get("/web/{name}", include_in_schema=False)
@public
async def send_asset(name: str) -> Response:
    """A file of the page; only those listed here exist."""
    if name in ASSETS:
        return FileResponse(WEB / name, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})
    if name in SWAGGER_ASSETS and (folder := _swagger_folder()) is not None:
        headers = {"Cache-Control": "private, max-age=86400"}
        return FileResponse(folder / name, media_type=SWAGGER_ASSETS[name], headers=headers)
    return Response(status_code=404)


@cache
def _swagger_folder() -> Path | None:
    """Where the fastapi-offline package keeps Swagger UI; found without importing it."""
    spec = find_spec("fastapi_offline")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return Path(places[0]) / "static" if places else None
