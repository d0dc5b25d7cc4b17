"""How words are compared: by spelling, by sound, and across scripts.

`keys` says all that is known of one word; `likeness` compares two. Nothing here knows of pictures or
libraries. Tables are read at the first word that needs them; everything is pure, and safe to call from any
thread.
"""

from ambience.phonetics.ipa import ipa
from ambience.phonetics.keys import VERSION, WordKeys, keys
from ambience.phonetics.likeness import HOWS, RELEVANT, Likenesses, likeness, likenesses
from ambience.phonetics.normalization import normalized
from ambience.phonetics.romanization import readings, romanized
from ambience.phonetics.scripts import script_of
from ambience.phonetics.segmentation import pieces, tokens

__all__ = [
    "HOWS",
    "RELEVANT",
    "VERSION",
    "Likenesses",
    "WordKeys",
    "ipa",
    "keys",
    "likeness",
    "likenesses",
    "normalized",
    "pieces",
    "readings",
    "romanized",
    "script_of",
    "tokens",
]
