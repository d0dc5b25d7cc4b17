"""The library of a running server, as if it were opened here: the command line uses either.

While a server holds the library it is the one writer; work goes to it over the Unix socket that its lock file
names. Methods have the names, arguments, results and errors of `library.Library`.
"""

import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from ambience.answers import Answer, Comparison, Query, Ranking
from ambience.copies import MOST_GROUPS, Choice, GroupPage, Paired, TrashPage, TrashRun
from ambience.datatypes import ImageRecord, Verdict
from ambience.errors import StoreError, error_of
from ambience.inventory import LibraryInfo, ModelUse, UnusedFeatures
from ambience.serve import wire
from ambience.store.base import Job, Problem
from ambience.words import ImageWords

if TYPE_CHECKING:
    from ambience.ingest import IngestProgress, IngestReport
    from ambience.ingest.annotating import Annotated
    from ambience.store.lock import LockHolder

CONNECT_TIMEOUT_S = 5.0
_STOP_CHECK_S = 0.1


class Handover:
    """Hands work to the server that holds the library; a context manager.

    Args:
        holder: who holds the writer lock, and at which socket it listens.
    """

    def __init__(self, holder: "LockHolder") -> None:
        self._place = f"the server (process {holder.pid}) at {holder.socket}"
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=holder.socket),
            base_url="http://localhost",
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        )

    # --- the write path ---------------------------------------------------------------------------------

    def add_paths(
        self,
        paths: Sequence[Path],
        *,
        on_progress: "Callable[[IngestProgress], None] | None" = None,
        stop: threading.Event | None = None,
        ids_from_names: bool = False,
    ) -> "IngestReport":
        """As `Library.add_paths`; relative paths are those of this process."""
        arguments = {"paths": _absolute(paths), "ids_from_names": ids_from_names}
        report = self._run("add", arguments, on_event=on_progress, stop=stop)
        return cast("IngestReport", report)

    def watch(
        self,
        paths: Sequence[Path],
        *,
        stop: threading.Event,
        on_report: "Callable[[IngestReport], None]",
    ) -> None:
        """As `Library.watch`."""
        self._run("watch", {"paths": _absolute(paths)}, on_event=on_report, stop=stop)

    def remove(self, image_id: int, *, purge: bool = False) -> None:
        """As `Library.remove`."""
        self._call("remove", image_id=image_id, purge=purge)

    def set_tags(self, image_id: int, tags: Sequence[str]) -> None:
        """As `Library.set_tags`."""
        self._call("set_tags", image_id=image_id, tags=list(tags))

    def resolve(
        self,
        choices: Sequence[Choice],
        *,
        is_dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> TrashRun:
        """As `Library.resolve`."""
        arguments = {"choices": list(choices), "is_dry_run": is_dry_run}
        return cast(TrashRun, self._run("resolve", arguments, on_event=on_progress, stop=stop))

    def trashed(self, *, before: int | None = None, limit: int = 100) -> TrashPage:
        """As `Library.trashed`."""
        return cast(TrashPage, self._call("trashed", before=before, limit=limit))

    def restore(
        self,
        entries: Sequence[int],
        *,
        is_dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> TrashRun:
        """As `Library.restore`."""
        arguments = {"entries": list(entries), "is_dry_run": is_dry_run}
        return cast(TrashRun, self._run("restore", arguments, on_event=on_progress, stop=stop))

    def empty_trash(self, *, older_than_s: float, is_dry_run: bool = False) -> TrashPage:
        """As `Library.empty_trash`."""
        return cast(TrashPage, self._call("empty_trash", older_than_s=older_than_s, is_dry_run=is_dry_run))

    def rebuild(
        self,
        kinds: Sequence[str] | None = None,
        *,
        features: bool = False,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """As `Library.rebuild`."""
        arguments = {"kinds": None if kinds is None else list(kinds), "features": features}
        self._run("rebuild", arguments, on_event=on_progress, stop=stop)

    def train(
        self,
        kind: str,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """As `Library.train`."""
        self._run("train", {"kind": kind}, on_event=on_progress, stop=stop)

    def use_model(
        self,
        model: str,
        kind: str = "",
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> ModelUse:
        """As `Library.use_model`."""
        arguments = {"model": model, "kind": kind}
        return cast(ModelUse, self._run("use_model", arguments, on_event=on_progress, stop=stop))

    def annotate(
        self,
        names: Sequence[str] | None = None,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> "dict[str, Annotated]":
        """As `Library.annotate`."""
        arguments = {"names": None if names is None else list(names)}
        return cast("dict[str, Annotated]", self._run("annotate", arguments, on_event=on_progress, stop=stop))

    def find_duplicates(
        self,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Paired:
        """As `Library.find_duplicates`."""
        return cast(Paired, self._run("find_duplicates", {}, on_event=on_progress, stop=stop))

    def tell_apart(self, one: int, other: int, *, is_different: bool = True) -> None:
        """As `Library.tell_apart`."""
        self._call("tell_apart", one=one, other=other, is_different=is_different)

    def set_caption(self, image_id: int, text: str) -> None:
        """As `Library.set_caption`."""
        self._call("set_caption", image_id=image_id, text=text)

    def clean(self, *, stop: threading.Event | None = None) -> list[UnusedFeatures]:
        """As `Library.clean`."""
        return cast(list[UnusedFeatures], self._run("clean", {}, stop=stop))

    # --- the read path ----------------------------------------------------------------------------------

    def image(self, image_id: int) -> ImageRecord:
        """As `Library.image`."""
        return cast(ImageRecord, self._call("image", image_id=image_id))

    def images(self, image_ids: Sequence[int]) -> dict[int, ImageRecord]:
        """As `Library.images`."""
        return cast(dict[int, ImageRecord], self._call("images", image_ids=list(image_ids)))

    def list_images(
        self, *, after: int = -1, limit: int = 100, newest_first: bool = False, filter: str | None = None
    ) -> list[ImageRecord]:
        """As `Library.list_images`."""
        found = self._call("list_images", after=after, limit=limit, newest_first=newest_first, filter=filter)
        return cast(list[ImageRecord], found)

    def words(self, image_id: int) -> ImageWords:
        """As `Library.words`."""
        return cast(ImageWords, self._call("words", image_id=image_id))

    def count_images(self, *, filter: str | None = None) -> int:
        """As `Library.count_images`."""
        return cast(int, self._call("count_images", filter=filter))

    def image_by_name(self, name: str) -> int:
        """As `Library.image_by_name`."""
        return cast(int, self._call("image_by_name", name=name))

    def search(
        self,
        query: Query,
        *,
        by: Sequence[str] | None = None,
        k: int | None = None,
        verdicts: Sequence[Verdict] | None = None,
        min_score: float = 0.0,
        exclude_self: bool = False,
        fold: bool = False,
        filter: str | None = None,
        cursor: str | None = None,
    ) -> Answer:
        """As `Library.search`."""
        found = self._call(
            "search",
            query=query,
            by=None if by is None else list(by),
            k=k,
            verdicts=None if verdicts is None else list(verdicts),
            min_score=min_score,
            exclude_self=exclude_self,
            fold=fold,
            filter=filter,
            cursor=cursor,
        )
        return cast(Answer, found)

    def search_kind(
        self,
        kind: str,
        query: Query,
        *,
        k: int | None = None,
        radius: float | None = None,
        turned: bool = True,
        filter: str | None = None,
    ) -> Ranking:
        """As `Library.search_kind`."""
        found = self._call(
            "search_kind", kind=kind, query=query, k=k, radius=radius, turned=turned, filter=filter
        )
        return cast(Ranking, found)

    def duplicates(
        self, *, verdicts: Sequence[Verdict] = (), after: int = -1, limit: int = MOST_GROUPS
    ) -> GroupPage:
        """As `Library.duplicates`."""
        found = self._call("duplicates", verdicts=list(verdicts), after=after, limit=limit)
        return cast(GroupPage, found)

    def match(self, query: Query, image: Query) -> Comparison:
        """As `Library.match`."""
        return cast(Comparison, self._call("match", query=query, image=image))

    def info(self) -> LibraryInfo:
        """As `Library.info`."""
        return cast(LibraryInfo, self._call("info"))

    def check(
        self,
        *,
        deep: bool = True,
        on_progress: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> list[Problem]:
        """As `Library.check`."""
        return cast(list[Problem], self._run("check", {"deep": deep}, on_event=on_progress, stop=stop))

    def jobs(self) -> list[Job]:
        """As `Library.jobs`."""
        return cast(list[Job], self._call("jobs"))

    def close(self) -> None:
        """Lets go of the connection; the server goes on."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- how it travels ---------------------------------------------------------------------------------

    def _call(self, method: str, /, **arguments: Any) -> Any:
        try:
            response = self._client.post(f"/local/call/{method}", content=_body(arguments), headers=_JSON)
        except httpx.HTTPError as exc:
            raise self._gone(exc) from exc
        if response.is_error:
            raise _error(response.text, self._place)
        return wire.decode(response.json()["result"])

    def _run(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        on_event: Callable[..., None] | None = None,
        stop: threading.Event | None = None,
    ) -> Any:
        """Starts a run and waits for its end; `stop` is passed on, and the last word still awaited."""
        token, is_over = secrets.token_hex(16), threading.Event()
        if stop is not None:
            threading.Thread(target=self._pass_on, args=(token, stop, is_over), daemon=True).start()
        try:
            with self._client.stream(
                "POST", f"/local/{name}", content=_body(arguments, token=token), headers=_JSON
            ) as response:
                if response.is_error:
                    raise _error(response.read().decode("utf-8", "replace"), self._place)
                for line in response.iter_lines():
                    said = json.loads(line)
                    if "problem" in said:
                        raise error_of(said["problem"]["code"], said["problem"]["detail"])
                    if "result" in said:
                        return wire.decode(said["result"])
                    if on_event is not None:
                        on_event(*wire.decode(said["event"]))
        except httpx.HTTPError as exc:
            raise self._gone(exc) from exc
        finally:
            is_over.set()
        raise self._gone(None)

    def _pass_on(self, token: str, stop: threading.Event, is_over: threading.Event) -> None:
        while not is_over.is_set():
            if stop.wait(_STOP_CHECK_S):
                try:
                    said = self._client.post("/local/stop", json={"token": token}).json()
                except (httpx.HTTPError, RuntimeError):
                    return  # the server, or this client, is gone: the run ends by itself
                if said.get("was_running"):
                    return
                is_over.wait(_STOP_CHECK_S)  # the run has not begun yet

    def _gone(self, exc: Exception | None) -> StoreError:
        reason = f": {exc}" if exc is not None and str(exc) else ""
        return StoreError(
            f"{self._place} went away in the middle{reason}; what it had committed is kept: "
            "run the command again"
        )


_JSON = {"Content-Type": "application/json"}


def _body(arguments: Mapping[str, Any], *, token: str = "") -> bytes:
    return json.dumps({"arguments": wire.encode(dict(arguments)), "token": token}).encode("ascii")


def _absolute(paths: Sequence[Path]) -> list[Path]:
    return [path.absolute() for path in paths]


def _error(text: str, place: str) -> Exception:
    """The error that a problem document tells of."""
    try:
        said = json.loads(text)
        return error_of(str(said["code"]), str(said["detail"]))
    except (ValueError, KeyError, TypeError):
        return StoreError(
            f"{place} answered {text[:200]!r}; it may be of another version: stop it and start it again"
        )
