"""A kind that another process serves: asked with the query itself, given pictures, told what to forget.

The other process makes the query's features, so that a gateway needs none of the kind's models. It is asked
over HTTP at `/v1/kinds/<kind>`, and by the original system's endpoints where its figures are wanted.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from pydantic import ValidationError

from ambience.answers import OriginalAnswer, Query, Ranking, Region
from ambience.datatypes import MAX_IMAGE_ID, FeatureSpec, FeatureState, Ids
from ambience.errors import ServiceError, SettingsError, UnknownImageError
from ambience.search.combination import MOST_TERMS
from ambience.search.ranking_document import (
    PROTOCOL,
    PlacedDocument,
    RankingDocument,
    ServiceDocument,
)
from ambience.search.service_client import ServiceClient
from ambience.search.vector import check_extent
from ambience.services import ServiceInfo

PUT_TIMEOUT_S = 60.0
"""Making a feature may take a model that is loaded first."""

PROBE_TIMEOUT_S = 3.0

SPARE_HITS = 200
"""Most hits asked for beyond what is wanted, for images that the service has yet to forget."""

_BYTES = "application/octet-stream"

T = TypeVar("T", bound=ServiceDocument)

Known = Callable[[Sequence[int]], set[int]]
"""Those of some images that the library has; a service may lag behind in forgetting."""


class RemoteKind:
    """One kind, served elsewhere; threads may share it.

    Args:
        spec: of the features that this process expects of it, as if it made them itself.
        url: address of the service.
        connections: most at a time.
        key: that the service asks for; "" for none.
        known: tells images that were removed here from those that are there.
        removals: counts images that the service has yet to forget.
        pending: counts images that it has yet to get.

    Attributes:
        spec: the same, marked as kept elsewhere.
        url: address of the service.

    Raises:
        SettingsError: the address is none.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        url: str,
        *,
        connections: int,
        key: str = "",
        known: Known = set,
        removals: Callable[[], int] = lambda: 0,
        pending: Callable[[], int] = lambda: 0,
    ) -> None:
        self._made = spec
        self.spec = replace(spec, is_elsewhere=True)
        self.url = checked_url(url, f"kinds.{spec.kind}.url")
        self._known, self._removals, self._pending = known, removals, pending
        self._client = ServiceClient(spec.kind, self.url, connections=connections, key=key)

    @property
    def info(self) -> ServiceInfo:
        """How the service fares, by what is known now; it is not asked for that."""
        state, message = self._client.breaker.state
        return ServiceInfo(self.url, state, message, self._removals())

    def by_query(
        self,
        query: Query,
        *,
        k: int | None = None,
        radius: float | None = None,
        allowed_images: Ids | None = None,
        turned: bool = True,
        timeout_s: float,
    ) -> Ranking:
        """Images near a query, as `Library.search_kind` of the other process ranks them.

        Args:
            query: settled; images that it names are those of the other process, under the same ids.
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            allowed_images: only these, chosen before ranking.
            turned: search the query's other orientations as well.
            timeout_s: for the answer.

        Returns:
            Hits nearest first, ties by image id.

        Raises:
            AmbienceError: the question cannot be answered, as the other process says.
            ServiceError: it cannot be used, or answers nonsense.
        """
        check_extent(k, radius)
        spare = min(self._removals(), SPARE_HITS)
        fields, files = _asked(query)
        fields |= {"turned": "1" if turned else "0", **self._expected}
        fields |= {"k": str(k + spare)} if k is not None else {"radius": repr(radius)}
        if allowed_images is not None:
            files["allowed"] = ("allowed", np.asarray(allowed_images, "<i8").tobytes(), _BYTES)
        answer = self._client.call(
            "POST",
            f"/v1/kinds/{self.spec.kind}/search",
            timeout_s=timeout_s,
            fields=fields if files else None,
            files=files or None,
            json=None if files else fields,
        )
        ranking = self._ranking(answer, None if k is None else k + spare)
        known = self._known([hit.image_id for hit in ranking.hits])
        hits = tuple(hit for hit in ranking.hits if hit.image_id in known)
        return replace(ranking, hits=hits[:k], pending=ranking.pending + self._pending())

    def original_answer(self, query: Query, knobs: Any, *, figure: str, timeout_s: float) -> OriginalAnswer:
        """What the original's endpoints of the other process answer.

        Args:
            query: picture bytes, an image of both processes, or words.
            knobs: of the kind, a dataclass.
            figure: what images are ranked by: "distance" or "matches".
            timeout_s: for the answer.

        Returns:
            Images with their figures, best first.

        Raises:
            AmbienceError: the question cannot be answered, as the other process says.
            ServiceError: it cannot be used, or answers nonsense.
        """
        turned = {name: value for name, value in dataclasses.asdict(knobs).items() if value is not None}
        way, files = "by_id", None
        own: dict[str, Any] = {"image_id": query.image_id}
        if query.text is not None:
            way, own = "by_text", {"text": query.text}
        elif query.data is not None:
            way, own, files = "by_image_buffer", {}, {"image": (query.name, query.data, _BYTES)}
        rows = self._client.call(
            "POST",
            f"/{self.spec.kind}_get_similar_images_{way}",
            timeout_s=timeout_s,
            json={**own, **turned} if files is None else None,
            fields=None if files is None else {name: _field(value) for name, value in turned.items()},
            files=files,
        )
        try:
            listed = _rows(rows, figure)
        except (KeyError, TypeError, ValueError) as exc:
            raise self._client.failed(f"its rows are none ({type(exc).__name__}: {exc})") from exc
        known = self._known([image_id for image_id, _ in listed])
        kept = tuple(row for row in listed if row[0] in known)
        is_matches = figure == "matches"
        return OriginalAnswer(
            "matches" if is_matches else "distance", kept, is_matches, pending=self._pending()
        )

    def put(self, image_id: int, data: bytes, *, name: str) -> tuple[FeatureState, str]:
        """Gives the service a picture; once more with the same bytes changes nothing.

        Args:
            image_id: the same in both processes.
            data: bytes of a picture file.
            name: of the image.

        Returns:
            Done, or empty with the reason.

        Raises:
            ImageIdTakenError: the service has other bytes under this id.
            AmbienceError: it cannot make the feature, as it says.
            ServiceError: it cannot be used, or answers nonsense.
        """
        # A kind that looks at pixels again when it searches must have the file.
        keep = {"keep": "1"} if self._made.is_blob else {}
        answer = self._client.call(
            "PUT",
            self._place(image_id),
            timeout_s=PUT_TIMEOUT_S,
            params={"name": name[:255], **keep, **self._expected},
            body=data,
        )
        placed = self._checked(PlacedDocument, answer)
        if placed.image_id != image_id:
            raise self._client.failed(f"it speaks of image {placed.image_id} when given {image_id}")
        return placed.state, placed.reason

    def remove(self, image_id: int, sha256: bytes) -> None:
        """Has the service forget an image; nothing where it does not know it, or knows other bytes.

        Args:
            image_id: the same in both processes.
            sha256: of the bytes that it was given.

        Raises:
            ServiceError: it cannot be used.
        """
        params = {"sha256": sha256.hex()}
        try:
            self._client.call("DELETE", self._place(image_id), timeout_s=PUT_TIMEOUT_S, params=params)
        except UnknownImageError:
            return

    def probe(self) -> bool:
        """Asks the service who it is.

        Returns:
            Whether it can be used.
        """
        path = f"/v1/kinds/{self.spec.kind}"
        try:
            answer = self._client.call("GET", path, timeout_s=PROBE_TIMEOUT_S, params=self._expected, tries=1)
            self._checked(ServiceDocument, answer)
        except ServiceError:
            return False
        return True

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    # --- how -------------------------------------------------------------------------------------------

    @property
    def _expected(self) -> dict[str, str]:
        return {"fingerprint": self._made.fingerprint, "protocol": str(PROTOCOL)}

    def _place(self, image_id: int) -> str:
        return f"/v1/kinds/{self.spec.kind}/images/{image_id}"

    def _ranking(self, answer: Any, most: int | None) -> Ranking:
        document = self._checked(RankingDocument, answer)
        try:
            ranking = document.ranking
        except ValueError as exc:
            raise self._client.failed(str(exc)) from exc
        if most is not None and len(ranking.hits) > most:
            raise self._client.failed(f"{len(ranking.hits)} hits where {most} were asked for")
        return ranking

    def _checked(self, form: type[T], answer: Any) -> T:
        """An answer that has the form agreed on and is of the features that are meant."""
        try:
            document = form.model_validate(answer)
        except ValidationError as exc:
            fault = exc.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise self._client.failed(f"{where or 'the answer'}: {fault['msg']}") from exc
        if document.protocol != PROTOCOL:
            raise self._client.mismatched(
                f"speaks protocol {document.protocol}, and this process {PROTOCOL}; run one version of both"
            )
        if document.fingerprint != self._made.fingerprint:
            raise self._client.mismatched(
                f"makes {document.fingerprint}, but {self._made.fingerprint} is expected here; run one "
                f"version of both, and set kinds.{self.spec.kind}.model alike"
            )
        return document


def checked_url(url: str, setting: str) -> str:
    """The address of a service, without a slash at its end.

    Args:
        url: as set.
        setting: its name.

    Returns:
        The address.

    Raises:
        SettingsError: it is no plain http or https address.
    """
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise SettingsError(f"{setting} = {url!r} is no address of a service; write http://host:port")
    return url.rstrip("/")


def _asked(query: Query) -> tuple[dict[str, Any], dict[str, tuple[str, bytes, str]]]:
    """The fields and files of a question, as `/v1/search` takes them."""
    fields: dict[str, Any] = {}
    files: dict[str, tuple[str, bytes, str]] = {}
    if query.data is not None:
        files["image"] = (query.name or "query", query.data, _BYTES)
    if query.image_id is not None:
        fields["image_id"] = str(query.image_id)
    if query.text is not None:
        fields["text"] = query.text
    if query.region is not None:
        fields["region"] = _shares(query.region)
    parts = []
    for number, part in enumerate(query.parts[:MOST_TERMS]):
        said: dict[str, Any] = {"weight": part.weight}
        said |= {} if part.text is None else {"text": part.text}
        said |= {} if part.image_id is None else {"image_id": part.image_id}
        said |= {} if part.region is None else {"region": _shares(part.region)}
        if part.data is not None:
            said["image"] = f"part{number}"
            files[said["image"]] = (said["image"], part.data, _BYTES)
        parts.append(said)
    if parts:
        fields["parts"] = json.dumps(parts)
    if query.expansion is not None:
        fields |= {"aqe_n": str(query.expansion.n), "aqe_alpha": repr(query.expansion.alpha)}
    return fields, files


def _shares(region: Region) -> str:
    return ",".join(map(repr, map(float, region)))


def _rows(answer: Any, figure: str) -> list[tuple[int, float]]:
    """Images and figures, as the original's endpoints answer them."""
    if not isinstance(answer, list):
        raise TypeError("no list")
    return [(_image_id(row["image_id"]), _figure(row[figure])) for row in answer]


def _field(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _image_id(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_IMAGE_ID:
        raise ValueError(f"image_id is {str(value)[:40]!r}")
    return value


def _figure(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"a figure is {str(value)[:40]!r}")
    return value
