"""What keeps a library in order: indexes that follow the store, and work in the background."""

from ambience.maintain.annotating import Annotating
from ambience.maintain.delivery import Delivery
from ambience.maintain.live_index import LiveIndex
from ambience.maintain.maintenance import Maintenance
from ambience.maintain.upkeep import Upkeep
from ambience.maintain.word_following import WordFollowing

__all__ = ["Annotating", "Delivery", "LiveIndex", "Maintenance", "Upkeep", "WordFollowing"]
