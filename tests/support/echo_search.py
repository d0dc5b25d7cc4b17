"""A search for tests of the benchmarks that opens in a worker process: it finds what it is told to find."""

from dataclasses import dataclass
from pathlib import Path

from answers import Answered, Found


class EchoSearch:
    """Answers the true picture, if there is one, with the length of the file as its score."""

    def ask(self, data: bytes, own: str | None) -> Answered:
        return Answered((Found(own or "none", float(len(data))),), (), 0.0, 0.0)


@dataclass(frozen=True)
class EchoPlan:
    """Opens it."""

    folder: Path

    def prepare(self) -> None:
        """Nothing to make."""

    def open(self) -> EchoSearch:
        return EchoSearch()
