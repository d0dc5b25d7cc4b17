"""Copies of one picture become one hit. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ambience.answers import Match
from ambience.datatypes import Verdict

OF_THE_QUERY = frozenset({Verdict.SAME_FILE, Verdict.SAME_PICTURE})
"""Images that are the query's picture, and so each other's; two edits or parts of it need not be alike."""


def folded(matches: Sequence[Match], contents: Mapping[int, bytes]) -> tuple[Match, ...]:
    """Matches of which no two are known to be copies of one picture.

    Args:
        matches: best first.
        contents: image id → sha256 of its file. Images of the same bytes are one picture, as are all that the
            answer calls the query's own.

    Returns:
        The first match of each picture, in the order given; `copies` names the others, best first.
    """
    firsts: dict[bytes | None, int] = {}
    copies: dict[int, list[int]] = {}
    for match in matches:
        keys = [contents[match.image_id]] if match.image_id in contents else []
        names = [*keys, *([None] if match.verdict in OF_THE_QUERY else [])]
        first = next((firsts[name] for name in names if name in firsts), match.image_id)
        for name in names:
            firsts.setdefault(name, first)
        copies.setdefault(first, []).extend([] if first == match.image_id else [match.image_id])
    return tuple(
        replace(match, copies=tuple(copies[match.image_id])) for match in matches if match.image_id in copies
    )
