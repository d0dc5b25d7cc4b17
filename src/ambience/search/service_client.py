"""Calls to a kind's service in another process: within a deadline, tried again, and none while it is down.

Only calls that may be repeated without harm go through here. Messages name the kind, never the address, since
they reach clients.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx

from ambience.errors import (
    AmbienceError,
    BusyError,
    CorruptModelError,
    FeatureError,
    ImageError,
    ImageIdTakenError,
    MissingModelError,
    ModelError,
    QueryError,
    ServiceError,
    ServiceLateError,
    ServiceMismatchError,
    UnknownImageError,
    error_of,
)
from ambience.services import ServiceState

CONNECT_S = 3.0
"""A service that does not even take a connection within this time is down."""

TRIES = 3
"""Of one call, the first included."""

FIRST_WAIT_S = 0.1
"""Before the second try; doubled before the third, and each time between half and all of it."""

MOST_ANSWER_BYTES = 256 * 2**20
"""Longer answers are nonsense: a million hits are a tenth of it."""

FAILURES = 3
"""In a row, after which a service is not asked for a while."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""How long that is: doubled with each further failure, and each time between half and all of it."""

TOLD = (
    BusyError,
    FeatureError,
    ImageError,
    ImageIdTakenError,
    ModelError,
    QueryError,
    ServiceMismatchError,
    UnknownImageError,
)
"""Errors of a service that are those of the question: they are raised here as they were there."""

_PASSING = frozenset({429, 502, 503, 504})
_LASTING = frozenset(error.code for error in (ModelError, MissingModelError, CorruptModelError))


class Reply(NamedTuple):
    """What came back: status code, body, and seconds after which another try makes sense."""

    status: int
    body: bytes
    retry_after_s: float


class Breaker:
    """Keeps calls from a service that is down; one call at a time finds out whether it is back.

    Args:
        clock: seconds, rising.
        jitter: a number from 0 to 1, so that many callers do not come back at once.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock, self._jitter = clock, jitter
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0
        self._is_trying = False
        self._state: ServiceState = "unknown"
        self._message = ""

    @property
    def state(self) -> tuple[ServiceState, str]:
        """How the service fares, and why it cannot be used."""
        with self._lock:
            return self._state, self._message

    def admit(self) -> None:
        """Lets one call through.

        Raises:
            ServiceError: the service failed lately, and it is not yet time to try again, or somebody does.
        """
        with self._lock:
            if self._failures < FAILURES:
                return
            wait_s = self._open_until - self._clock()
            if wait_s > 0 or self._is_trying:
                when = f"in {wait_s:.1f} s" if wait_s > 0 else "just now"
                raise ServiceError(f"{self._message} (not asked for a while; tried again {when})")
            self._is_trying = True

    def note_success(self, *, refusal: str = "") -> None:
        """The service answered; with `refusal`, it is not one that can be used."""
        with self._lock:
            self._failures, self._is_trying = 0, False
            self._state, self._message = ("refused", refusal) if refusal else ("up", "")

    def note_failure(self, message: str) -> None:
        """The service did not answer, or nothing that makes sense."""
        with self._lock:
            self._failures, self._is_trying = self._failures + 1, False
            beyond = max(0, min(self._failures - FAILURES, 10))
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**beyond)
            self._open_until = self._clock() + pause_s * (0.5 + 0.5 * self._jitter())
            self._state, self._message = "down", message


class ServiceClient:
    """Talks to one service; threads may share it.

    Args:
        kind: that it serves, for messages.
        url: of the service, such as "http://host:33336".
        connections: most at a time.
        key: that the service asks for; "" for none.

    Attributes:
        breaker: whether it is asked at all.
    """

    def __init__(self, kind: str, url: str, *, connections: int, key: str = "") -> None:
        self._kind = kind
        self._who = f"the service of {kind}"
        self.breaker = Breaker()
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,  # a proxy for the web is none for one's own services
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        fields: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        body: bytes | None = None,
        tries: int = TRIES,
    ) -> Any:
        """What a service answers, as JSON.

        Args:
            method: GET, PUT or DELETE; or POST where it changes nothing.
            path: below the service's address.
            timeout_s: for all tries together.
            params: of the query string.
            json: of the body; or
            fields: of a form, and
            files: of the form: name → file name, bytes, media type; or
            body: as it is.
            tries: how often at most.

        Returns:
            The parsed body; None of an empty one.

        Raises:
            AmbienceError: one of `TOLD`: the service refused the question.
            ServiceLateError: not within `timeout_s`.
            ServiceMismatchError: it knows no such question.
            ServiceError: it is down, failed, or answered nonsense.
        """
        content = {
            "params": params,
            "json": json,
            "data": fields,
            "files": files,
            "content": body,
        }
        self.breaker.admit()
        try:
            reply = self._reply(method, path, time.monotonic() + timeout_s, content, tries)
            answer = self._answer(reply, timeout_s)
        except TOLD as refusal:
            is_refused = isinstance(refusal, ServiceMismatchError)
            self.breaker.note_success(refusal=str(refusal) if is_refused else "")
            raise
        except BaseException as exc:
            self.breaker.note_failure(str(exc))
            raise
        self.breaker.note_success()
        return answer

    def failed(self, why: str) -> ServiceError:
        """The error of an answer that makes no sense, which counts as a failure.

        Returns:
            To be raised.
        """
        error = ServiceError(f"{self._who} answers nonsense: {why[:200]}")
        self.breaker.note_failure(str(error))
        return error

    def mismatched(self, why: str) -> ServiceMismatchError:
        """The error of a service that is not the one meant.

        Returns:
            To be raised.
        """
        error = ServiceMismatchError(f"{self._who} {why}")
        self.breaker.note_success(refusal=str(error))
        return error

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    # --- how -------------------------------------------------------------------------------------------

    def _reply(
        self, method: str, path: str, deadline: float, content: Mapping[str, Any], tries: int
    ) -> Reply | httpx.HTTPError:
        """The last of several tries: what came back, or what kept it from coming."""
        wait_s = FIRST_WAIT_S
        while True:
            tries -= 1
            outcome: Reply | httpx.HTTPError
            try:
                outcome = self._one(method, path, deadline, content)
            except httpx.HTTPError as exc:
                outcome = exc
            pause_s = wait_s * (0.5 + 0.5 * random.random())
            if isinstance(outcome, Reply):
                pause_s = max(pause_s, outcome.retry_after_s)
            if not tries or not _is_passing(outcome) or time.monotonic() + pause_s >= deadline:
                return outcome
            time.sleep(pause_s)
            wait_s *= 2

    def _one(self, method: str, path: str, deadline: float, content: Mapping[str, Any]) -> Reply:
        left_s = max(0.001, deadline - time.monotonic())
        timeout = httpx.Timeout(left_s, connect=min(left_s, CONNECT_S))
        body = bytearray()
        with self._client.stream(method, path, timeout=timeout, **content) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer drips")
                if len(body) > MOST_ANSWER_BYTES:
                    raise httpx.DecodingError(f"more than {MOST_ANSWER_BYTES:,} bytes")
            waited = response.headers.get("Retry-After", "")
            return Reply(response.status_code, bytes(body), float(waited) if waited.isdigit() else 0.0)

    def _answer(self, reply: Reply | httpx.HTTPError, timeout_s: float) -> Any:
        if isinstance(reply, httpx.ConnectTimeout):
            raise ServiceError(f"{self._who} does not answer: no connection within {CONNECT_S:g} s")
        if isinstance(reply, httpx.TimeoutException):
            raise ServiceLateError(f"{self._who} did not answer within {timeout_s:g} s")
        if isinstance(reply, httpx.HTTPError):
            raise ServiceError(f"{self._who} does not answer: {_reason(reply)}")
        if not 200 <= reply.status < 300:
            raise self._refusal(reply)
        try:
            return json.loads(reply.body, parse_constant=_no_number) if reply.body else None
        except (ValueError, RecursionError) as exc:
            raise ServiceError(f"{self._who} answers nonsense: no JSON ({str(exc)[:100]})") from exc

    def _refusal(self, reply: Reply) -> AmbienceError:
        """The error behind a status that is none of success."""
        try:
            told = json.loads(reply.body)
            code, detail = str(told["code"]), str(told["detail"])[:500]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ServiceError(f"{self._who} answered with status {reply.status} and no reason of ours")
        error = error_of(code, detail, retry_after_s=reply.retry_after_s or 1.0)
        if isinstance(error, TOLD):
            return error
        if reply.status in (401, 403):
            return ServiceError(f"{self._who} refuses this process: {detail} (kinds.{self._kind}.key)")
        if reply.status in (404, 405):
            return ServiceMismatchError(
                f"{self._who} cannot be asked like this; it may be of another version"
            )
        return ServiceError(f"{self._who} failed: {detail}")


def _is_passing(outcome: Reply | httpx.HTTPError) -> bool:
    """Whether another try may go better."""
    if isinstance(outcome, httpx.TimeoutException):
        return False
    if isinstance(outcome, Reply):
        return outcome.status in _PASSING and not _is_lasting(outcome)
    return isinstance(outcome, httpx.TransportError)


def _is_lasting(reply: Reply) -> bool:
    """Whether a 503 says that a model is missing, which no waiting mends."""
    return any(f'"{code}"'.encode() in reply.body for code in _LASTING)


def _reason(exc: httpx.HTTPError) -> str:
    if isinstance(exc, httpx.ConnectError):
        return "nothing takes connections at its address"
    return str(exc)[:200] or type(exc).__name__


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")
