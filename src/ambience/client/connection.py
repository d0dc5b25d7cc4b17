"""Requests over HTTP, tried again where nothing was done or asking twice is as good as once."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from ambience.client.pictures import Sent
from ambience.client.problems import UnreachableError, raise_for, retry_after_s

LONGEST_WAIT_S = 60.0
"""Before another try, whatever the server asks for."""

_FIRST_WAIT_S = 0.5
_AGAIN = frozenset({429, 503})


class Connection:
    """A pool of connections to one server; threads may share it.

    Args:
        base_url: of the server.
        key: API key, where the server wants one.
        timeout_s: without a byte, after which a request is given up.
        tries: of a request, at most.
        transport: of httpx, in place of the network.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None,
        timeout_s: float,
        tries: int,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        headers = {"Accept": "application/json, */*;q=0.1"}
        headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
        self._client = httpx.Client(
            base_url=base_url, headers=headers, timeout=timeout_s, transport=transport, trust_env=False
        )
        self._tries, self._sleep = max(1, tries), sleep

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Sent | None = None,
        is_repeatable: bool = True,
    ) -> httpx.Response:
        """A successful answer.

        Args:
            method: of HTTP.
            path: from the server's root.
            params: of the query string; what is None is left out.
            json: body.
            form: body, in place of `json`; its files are opened anew for every try.
            is_repeatable: whether asking twice is as good as once.

        Returns:
            Read to its end.

        Raises:
            AmbienceError: as the server says.
            UnreachableError: it does not answer.
        """
        tries, wait_s = 1, _FIRST_WAIT_S
        while True:
            is_last = tries >= self._tries or not is_repeatable
            try:
                response = self._sent(method, path, params, json, form)
            except httpx.HTTPError as exc:
                if is_last:
                    place = f"{self._client.base_url}".rstrip("/")
                    reason = str(exc) or type(exc).__name__
                    raise UnreachableError(f"{method} {place}{path}: {reason}") from exc
            else:
                asked_s = retry_after_s(response)
                if is_last or response.status_code not in _AGAIN or asked_s is None:
                    raise_for(response)
                    return response
                wait_s = asked_s
            self._sleep(min(wait_s, LONGEST_WAIT_S))
            tries, wait_s = tries + 1, 2 * wait_s

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    def _sent(
        self, method: str, path: str, params: Mapping[str, Any] | None, json: Any, form: Sent | None
    ) -> httpx.Response:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        if form is None:
            return self._client.request(method, path, params=given, json=json)
        with form.opened() as files:
            return self._client.request(method, path, params=given, data=dict(form.fields), files=files)
