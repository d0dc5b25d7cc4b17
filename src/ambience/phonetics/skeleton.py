"""A short code of consonant classes, by which words that sound alike meet in an index."""

_CLASSES = {
    **dict.fromkeys("pbfv", "P"), **dict.fromkeys("tdθð", "T"), **dict.fromkeys("kgqxɣ", "K"),
    **dict.fromkeys("szʃʒʧʤʦʣ", "S"), **dict.fromkeys("mnɲŋ", "N"), **dict.fromkeys("lɹrʎ", "L"),
}  # fmt: skip
_LONGEST = 6
VOWEL_FIRST = "A"


def skeleton(ipa: str) -> str:
    """Classes of the consonants of a pronunciation: lips P, tip T, back K, hissing S, nasal N, liquid L.

    Vowels, glides and h are left out, but a word that begins with one of them begins with "A"; a class that
    follows itself is said once. In the spirit of Soundex (Russell, US patent 1,261,167, 1918), over sounds.

    Args:
        ipa: one pronunciation of `ipa`.

    Returns:
        at most 6 letters; "" for an empty pronunciation.
    """
    code = ""
    for sound in ipa:
        kind = _CLASSES.get(sound, "")
        if kind and code[-1:] != kind:
            code += kind
        elif not kind and not code:
            code = VOWEL_FIRST
        if len(code) >= _LONGEST:
            break
    return code
