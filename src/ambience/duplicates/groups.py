"""Pairs become groups, each around the image that is best kept. Pure functions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ambience.copies import CopyFacts, CopyGroup, CopyPair, GroupMember
from ambience.datatypes import STRENGTH, Verdict

LOSSLESS = frozenset({"png", "tiff", "bmp", "gif"})
"""Formats that lose nothing; of equally large files such a one is kept."""

_CRITERIA: tuple[tuple[str, Callable[[CopyFacts], Any]], ...] = (
    ("its file is there", lambda one: one.is_present),
    ("most pixels", lambda one: one.width * one.height),
    ("largest file", lambda one: one.size),
    ("a format without loss", lambda one: one.format in LOSSLESS),
    ("it says when it was taken", lambda one: bool(one.taken_at)),
    ("added first", lambda one: -one.image_id),
)


def worth(facts: CopyFacts) -> tuple[Any, ...]:
    """By which images are ranked: the greatest is kept.

    Returns:
        Whether the file is there; pixels; bytes; whether the format is lossless; whether the file says when
        it was taken; and what was added first.
    """
    return tuple(of(facts) for _, of in _CRITERIA)


def reason(kept: CopyFacts, others: Iterable[CopyFacts]) -> str:
    """The first thing in which an image surpasses the next best of other bytes, in words.

    Returns:
        Such as "most pixels (4000×3000)".
    """
    rest = [other for other in others if other.sha256 != kept.sha256]
    words = _CRITERIA[-1][0]
    if rest:
        second = max(rest, key=worth)
        words = next((words for words, of in _CRITERIA if of(kept) > of(second)), words)
    if words == "most pixels":
        return f"{words} ({kept.width}×{kept.height})"
    return f"{words} ({kept.format})" if words == "a format without loss" else words


def grouped(
    pairs: Iterable[CopyPair],
    images: Iterable[CopyFacts],
    *,
    verdicts: Collection[Verdict],
    different: Collection[tuple[bytes, bytes]] = (),
) -> list[CopyGroup]:
    """Groups of images.

    The best image that is in no group yet takes in all its direct copies that are in none, and so on. Groups
    are no chains: every member was itself found to be a copy of the one that is kept, so that the others can
    go without a loss. What two groups share goes to the one whose kept image is better.

    Args:
        pairs: that were found; pairs of unknown contents are passed over.
        images: all whose contents are in a pair, and all that share their bytes with another.
        verdicts: by which images are put together.
        different: contents that people told apart, the smaller sha256 first.

    Returns:
        By rising id; each image is in one group at most.
    """
    facts = {one.image_id: one for one in images}
    by_content: dict[bytes, list[CopyFacts]] = {}
    for one in facts.values():
        by_content.setdefault(one.sha256, []).append(one)
    for same in by_content.values():
        same.sort(key=worth, reverse=True)
    near = _neighbors(pairs, by_content, frozenset(verdicts), frozenset(different))
    free = set(by_content)
    groups = []
    for content in sorted(by_content, key=lambda each: worth(by_content[each][0]), reverse=True):
        if content not in free:
            continue
        free.discard(content)
        taken = [pair for other, pair in near.get(content, {}).items() if other in free]
        members = _members(content, taken, by_content, with_same_files=Verdict.SAME_FILE in verdicts)
        if members:
            free -= {_other(pair, content) for pair in taken}
            groups.append(_group(by_content[content][0], members, facts))
    return sorted(groups, key=lambda group: group.group_id)


def _neighbors(
    pairs: Iterable[CopyPair],
    known: Mapping[bytes, Any],
    verdicts: frozenset[Verdict],
    different: frozenset[tuple[bytes, bytes]],
) -> dict[bytes, dict[bytes, CopyPair]]:
    near: dict[bytes, dict[bytes, CopyPair]] = {}
    for pair in pairs:
        is_asked = pair.verdict in verdicts and (pair.low, pair.high) not in different
        if is_asked and pair.low in known and pair.high in known:
            near.setdefault(pair.low, {})[pair.high] = pair
            near.setdefault(pair.high, {})[pair.low] = pair
    return near


def _members(
    content: bytes,
    taken: Sequence[CopyPair],
    by_content: Mapping[bytes, Sequence[CopyFacts]],
    *,
    with_same_files: bool,
) -> list[GroupMember]:
    same = by_content[content][1:] if with_same_files else ()
    members = [GroupMember(one.image_id, Verdict.SAME_FILE, 1.0, "sha256") for one in same]
    for pair in taken:
        images = by_content[_other(pair, content)]
        turned = pair.orientation if pair.low == content else pair.orientation.inverse
        members += [
            GroupMember(one.image_id, pair.verdict, pair.score, pair.kind, turned)
            for one in (images if with_same_files else images[:1])
        ]
    return sorted(members, key=lambda each: (STRENGTH[each.verdict], -each.score, each.image_id))


def _other(pair: CopyPair, content: bytes) -> bytes:
    return pair.high if pair.low == content else pair.low


def _group(kept: CopyFacts, members: Sequence[GroupMember], facts: Mapping[int, CopyFacts]) -> CopyGroup:
    ids = [kept.image_id, *(each.image_id for each in members)]
    others = (facts[each.image_id] for each in members)
    return CopyGroup(min(ids), kept.image_id, reason(kept, others), tuple(members))
