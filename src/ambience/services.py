"""The nouns of kinds that other processes serve: frozen, known to every folder."""

from dataclasses import dataclass
from typing import Literal

ServiceState = Literal["unknown", "up", "down", "refused"]
"""How a service fares: never asked yet; answers; does not; or makes other features than are asked for."""


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A kind's service in another process, as this one sees it.

    Attributes:
        url: its address, which is not for clients from the network.
        state: how it fares.
        message: why it cannot be used; "" where it can.
        removals: images that it has yet to forget.
    """

    url: str
    state: ServiceState
    message: str = ""
    removals: int = 0
