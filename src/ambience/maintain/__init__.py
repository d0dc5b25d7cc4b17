"""What keeps a library in order: indexes that follow the store, and work in the background."""

from ambience.maintain.annotating import Annotating
from ambience.maintain.live_index import LiveIndex
from ambience.maintain.maintenance import Maintenance
from ambience.maintain.upkeep import Upkeep

__all__ = ["Annotating", "LiveIndex", "Maintenance", "Upkeep"]
