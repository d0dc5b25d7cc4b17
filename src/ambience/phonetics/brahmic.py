"""The scripts of India in Latin letters: their Unicode blocks are laid out alike, so one table reads nine."""

_BLOCKS = {"Deva": 0x0900, "Beng": 0x0980, "Guru": 0x0A00, "Gujr": 0x0A80, "Orya": 0x0B00, "Taml": 0x0B80,
           "Telu": 0x0C00, "Knda": 0x0C80, "Mlym": 0x0D00}  # fmt: skip
SCRIPTS = frozenset(_BLOCKS)
_DROPS_SCHWA = frozenset({"Deva", "Beng", "Guru", "Gujr"})
"""Scripts whose languages leave the inherent vowel out at the end of a word, and inside by rule."""

_VOWEL_NAMES = "a a i i u u ri li e e e ai o o o au"
_CONSONANT_NAMES = (
    "k kh g gh ng ch chh j jh ny t th d dh n t th d dh n n p ph b bh m y r r l l zh v sh sh s h"
)
_SIGN_NAMES = "a i i u u ri ri e e e ai o o o au"
_VOWELS = dict(enumerate(_VOWEL_NAMES.split(), 0x05))
_CONSONANTS = dict(enumerate(_CONSONANT_NAMES.split(), 0x15))
_SIGNS = dict(enumerate(_SIGN_NAMES.split(), 0x3E))
_NUKTA, _VIRAMA = 0x3C, 0x4D
_DOTTED = {"j": "z", "d": "r", "dh": "rh", "ph": "f", "k": "q"}
_NASALS = frozenset({0x01, 0x02, 0x70})
_INHERENT = "a"


def read_brahmic(word: str, script: str) -> list[str]:
    """Readings of a word: as spoken, without the inherent vowels that are silent; then with all of them.

    Args:
        word: NFKC; characters of other blocks are passed over.
        script: one of `SCRIPTS`.

    Returns:
        two readings, which may be the same, or empty.

    Source of the rule for silent vowels: Narasimhan, Sproat & Kiraz, "Schwa-deletion in Hindi text-to-speech
    synthesis", Int. J. Speech Technology 7, 2004 (its VC_CV rule alone).
    """
    sounds = _sounds([ord(sign) - _BLOCKS[script] for sign in word])
    full = "".join(sound for sound, _ in sounds)
    spoken = _without_schwas(sounds) if script in _DROPS_SCHWA else full
    return [spoken, full]


def _sounds(points: list[int]) -> list[tuple[str, str]]:
    """Sounds with their kinds: "c" consonant, "v" vowel, "s" inherent vowel."""
    sounds: list[tuple[str, str]] = []
    for i, point in enumerate(points):
        following = points[i + 1] if i + 1 < len(points) else -1
        if point in _CONSONANTS:
            consonant = _CONSONANTS[point]
            if following == _NUKTA:
                consonant = _DOTTED.get(consonant, consonant)
                following = points[i + 2] if i + 2 < len(points) else -1
            sounds.append((consonant, "c"))
            if following not in _SIGNS and following != _VIRAMA:
                sounds.append((_INHERENT, "s"))
        elif point in _VOWELS or point in _SIGNS:
            sounds.append(((_VOWELS | _SIGNS)[point], "v"))
        elif point in _NASALS:
            before_lips = 0x2A <= following <= 0x2E
            sounds.append(("m" if before_lips else "n", "c"))
    return sounds


def _without_schwas(sounds: list[tuple[str, str]]) -> str:
    """The word without its last inherent vowel, and without those in the middle of V C _ C V."""
    kept = list(sounds)
    vowels = sum(kind != "c" for _, kind in kept)
    if kept and kept[-1][1] == "s" and vowels > 1:
        kept.pop()
    for i in range(len(kept) - 3, 1, -1):
        around = "".join("v" if kind != "c" else "c" for _, kind in kept[i - 2 : i + 3])
        if kept[i][1] == "s" and around == "vcvcv":
            del kept[i]
    return "".join(sound for sound, _ in kept)
