"""Pairs become groups, each around the image that is best kept. Pure functions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

    The best image that is in no group yet takes in all its direct copies that are in none, and so on. Who is
    left alone, its copies all being members of others, comes in beside the closest of these, one step and no
    further: two altered copies of one picture may have too little in common to be found to be copies of each
    other. It says of which member it is a copy, and whoever puts copies away leaves it. Nobody joins a group
    whose kept image it was told apart from. What two groups share goes to the one whose kept image is better.

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
    order = sorted(by_content, key=lambda each: worth(by_content[each][0]), reverse=True)
    stars = _stars(order, near, frozenset(different))
    with_same_files = Verdict.SAME_FILE in verdicts
    groups = []
    for star in stars:
        members = _members(star, by_content, with_same_files=with_same_files)
        if members:
            groups.append(_group(by_content[star.center][0], members, facts))
    return sorted(groups, key=lambda group: group.group_id)


@dataclass(slots=True)
class _Star:
    """Contents of one group.

    Attributes:
        center: of the image that is kept.
        direct: its copies, and the pair of each with it.
        beside: copies of these alone: the content that each is a copy of, and the pair of both.
    """

    center: bytes
    direct: dict[bytes, CopyPair]
    beside: dict[bytes, tuple[bytes, CopyPair]] = field(default_factory=dict)


def _stars(
    order: Sequence[bytes],
    near: Mapping[bytes, Mapping[bytes, CopyPair]],
    different: frozenset[tuple[bytes, bytes]],
) -> list[_Star]:
    """Who goes with whom.

    Args:
        order: all contents, the best first.
        near: copies of each, and the pair of both.
        different: contents that people told apart, the smaller sha256 first.
    """
    free = set(order)
    home: dict[bytes, _Star] = {}
    stars = []
    for content in order:
        if content not in free:
            continue
        taken = {other: pair for other, pair in near.get(content, {}).items() if other in free}
        link = None if taken else _link(content, near, home, different)
        if link is not None:
            home[link[0]].beside[content] = link
        else:
            star = _Star(content, taken)
            home.update(dict.fromkeys([content, *taken], star))
            stars.append(star)
        free.difference_update([content, *taken])
    return stars


def _link(
    content: bytes,
    near: Mapping[bytes, Mapping[bytes, CopyPair]],
    home: Mapping[bytes, _Star],
    different: frozenset[tuple[bytes, bytes]],
) -> tuple[bytes, CopyPair] | None:
    """The closest copy of a content that is in a group, and the pair of both."""
    found = [
        (other, pair)
        for other, pair in near.get(content, {}).items()
        if other in home and _in_order(content, home[other].center) not in different
    ]
    return min(found, key=lambda link: _rank(link[1]), default=None)


def _in_order(one: bytes, other: bytes) -> tuple[bytes, bytes]:
    return (one, other) if one < other else (other, one)


def _rank(pair: CopyPair) -> tuple[int, float, bytes, bytes]:
    return STRENGTH[pair.verdict], -pair.score, pair.low, pair.high


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
    star: _Star, by_content: Mapping[bytes, Sequence[CopyFacts]], *, with_same_files: bool
) -> list[GroupMember]:
    kept, *same = by_content[star.center]
    members = [
        GroupMember(one.image_id, kept.image_id, Verdict.SAME_FILE, 1.0, "sha256")
        for one in (same if with_same_files else ())
    ]
    links = {other: (star.center, pair) for other, pair in star.direct.items()} | star.beside
    for content, (of, pair) in links.items():
        turned = pair.orientation if pair.low == of else pair.orientation.inverse
        images, source = by_content[content], by_content[of][0].image_id
        members += [
            GroupMember(one.image_id, source, pair.verdict, pair.score, pair.kind, turned)
            for one in (images if with_same_files else images[:1])
        ]
    return sorted(
        members,
        key=lambda each: (
            each.copy_of != kept.image_id,
            STRENGTH[each.verdict],
            -each.score,
            each.image_id,
        ),
    )


def _group(kept: CopyFacts, members: Sequence[GroupMember], facts: Mapping[int, CopyFacts]) -> CopyGroup:
    ids = [kept.image_id, *(each.image_id for each in members)]
    others = (facts[each.image_id] for each in members)
    return CopyGroup(min(ids), kept.image_id, reason(kept, others), tuple(members))
