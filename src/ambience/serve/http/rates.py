"""How many requests a key may send: a bucket of tokens that fills steadily, and each request takes one."""

from collections.abc import Callable
from dataclasses import dataclass

from ambience.serve.http.errors import RateLimitError

FORGET_FROM = 10_000
"""Buckets beyond which full ones are thrown away."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Rates:
    """Buckets by name.

    Args:
        burst_s: a bucket holds the requests of so many seconds, and at least one.
        clock: seconds, monotonic.
    """

    def __init__(self, *, burst_s: float, clock: Callable[[], float]) -> None:
        self._burst_s, self._clock = burst_s, clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str, rate: float) -> None:
        """Takes a token.

        Args:
            name: of the bucket.
            rate: tokens that flow in, a second.

        Raises:
            RateLimitError: there is none; says when there will be one.
        """
        now, most = self._clock(), max(1.0, rate * self._burst_s)
        bucket = self._buckets.setdefault(name, _Bucket(most, now))
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            wait_s = (1 - bucket.tokens) / rate
            raise RateLimitError(
                f"more than {rate:g} requests a second came with this key; try again in {wait_s:.2g} s",
                retry_after_s=wait_s,
            )
        bucket.tokens -= 1
        if len(self._buckets) > FORGET_FROM:
            self._buckets = {each: row for each, row in self._buckets.items() if now - row.at < self._burst_s}
