"""Answers page by page, which stay right while pictures come and go; asked by `reading.py`.

Nothing is kept between pages: a cursor holds the digest of the question that it belongs to and the ids that
earlier pages gave. The question is asked anew, deeper, and what was given is left out. So no match comes
twice, and of the matches that are there all along none is passed over, however others move around them.
"""

import base64
import binascii
import hashlib
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ambience.answers import Answer, Evidence, Match, Query
from ambience.datatypes import MAX_IMAGE_ID, STRENGTH, Verdict
from ambience.errors import QueryError
from ambience.search.combination import terms

LONGEST_CURSOR = 64 * 2**10
"""Characters of a cursor that is read."""

DIGEST_BYTES = 8
_VERSION = 1
_HEAD = struct.Struct(f">B{DIGEST_BYTES}sII")
_DEEPER = 4
"""By how much more is asked for where verdicts that are not wanted filled an answer."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins.

    Attributes:
        digest: of the question.
        depth: hits that every kind was asked for last.
        given: ids of all matches of the pages before.
    """

    digest: bytes
    depth: int
    given: frozenset[int] = frozenset()

    def encoded(self) -> str:
        """As text of letters, digits, - and _."""
        body = zlib.compress(b"".join(_varints(sorted(self.given))), 9)
        packed = _HEAD.pack(_VERSION, self.digest, self.depth, zlib.crc32(body)) + body
        return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")

    @classmethod
    def decoded(cls, text: str, *, most: int) -> "Cursor":
        """From text.

        Args:
            text: as a client sent it: it may be anything.
            most: ids that it may hold.

        Returns:
            A cursor, of whatever question.

        Raises:
            QueryError: it is none, or holds more ids.
        """
        try:
            digest, depth, given = _unpacked(text, most)
        except (ValueError, binascii.Error, struct.error, zlib.error) as exc:
            raise QueryError(
                f"the cursor {text[:40]!r} is none; send `next` of the page before as it came, or no cursor "
                "for the first page"
            ) from exc
        if len(given) > most:
            raise QueryError(f"the cursor is past {most} matches, which is as deep as pages go")
        return cls(digest, depth, given)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which matches a page is made of.

    Attributes:
        k: most matches of a page.
        verdicts: only these; all where empty.
        min_score: least score, 0–1.
        left_out: ids that are not answered.
        most: matches of all pages together.
    """

    k: int
    verdicts: Collection[Verdict] = ()
    min_score: float = 0.0
    left_out: frozenset[int] = frozenset()
    most: int = 1000

    def keeps(self, match: Match) -> bool:
        """Whether a match is wanted."""
        return (
            match.score >= self.min_score
            and (not self.verdicts or match.verdict in self.verdicts)
            and match.image_id not in self.left_out
        )


def digest_of(query: Query, *facts: object) -> bytes:
    """What tells one question from another.

    Args:
        query: settled.
        facts: whatever else decides which matches there are, and in which order.

    Returns:
        `DIGEST_BYTES` bytes.
    """
    said = [
        (
            None if part.data is None else hashlib.sha256(part.data).hexdigest(),
            part.image_id,
            part.text,
            part.weight,
            part.region,
        )
        for part in terms(query)
    ]
    whole = repr((said, query.expansion, facts)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).digest()[:DIGEST_BYTES]


Fold = Callable[[Sequence[Match]], Sequence[Match]]
"""Makes one match of several that show one picture: the first of them, which names the others as `copies`."""


def page(
    ask: Callable[[int], Answer],
    wanted: Wanted,
    digest: bytes,
    cursor: str | None,
    *,
    fold: Fold = tuple,
) -> Answer:
    """One page of an answer.

    Args:
        ask: the merged answer of all kinds that are asked for so many hits each.
        wanted: which of its matches.
        digest: of the question.
        cursor: `next` of the page before; None for the first one.
        fold: what is counted and shown as one match; none of its images comes on another page.

    Returns:
        At most `wanted.k` matches that no page before gave; `next` where there may be more, so that the last
        page may be empty.

    Raises:
        QueryError: the cursor is none, or of another question.
    """
    before = Cursor(digest, 0) if cursor is None else Cursor.decoded(cursor, most=wanted.most)
    if before.digest != digest:
        raise QueryError(
            "the cursor belongs to another question; send it with all else as it was for the page before"
        )
    room = wanted.k if cursor is None else min(wanted.k, wanted.most - len(before.given))
    # One more than is shown tells whether there is more; what is left out may stand before it.
    deepest = max(wanted.most, wanted.k) + 1 + len(wanted.left_out)
    depth = min(deepest, max(before.depth, len(before.given) + room + 1 + len(wanted.left_out)))
    took_s = 0.0
    while True:
        answer = ask(depth)
        took_s += answer.took_s
        folded = fold([each for each in answer.matches if wanted.keeps(each)])
        kept = [each for each in folded if before.given.isdisjoint((each.image_id, *each.copies))]
        is_more = len(kept) > room or _is_open(answer, depth, wanted)
        if len(kept) > room or not is_more or depth >= deepest:
            break
        depth = min(deepest, _DEEPER * depth)
    shown = tuple(kept[: max(0, room)])
    given = before.given.union(*((match.image_id, *match.copies) for match in shown))
    goes_on = is_more and bool(shown) and len(given) < wanted.most
    following = Cursor(digest, depth, given).encoded() if goes_on else None
    return replace(answer, matches=shown, took_s=took_s, next=following)


def told(answer: Answer, *, wanted: Wanted, tell: Callable[[Answer], None], fold: Fold = tuple) -> None:
    """Tells of the first page of an answer that is not whole yet.

    Args:
        answer: as far as it is known.
        wanted: which of its matches.
        tell: told of it.
        fold: as of `page`.
    """
    folded = fold([each for each in answer.matches if wanted.keeps(each)])
    tell(replace(answer, matches=tuple(folded[: wanted.k])))


def _is_open(answer: Answer, depth: int, wanted: Wanted) -> bool:
    """Whether asking for more hits may find more that are wanted: a kind's last hit still says something."""
    weakest = max((STRENGTH[each] for each in wanted.verdicts), default=len(STRENGTH))
    kinds = len({each.kind for match in answer.matches for each in match.evidence} - {"sha256"})
    return any(
        each.rank >= depth and _says_something(each, match, wanted.min_score, weakest, kinds=kinds)
        for match in answer.matches
        for each in match.evidence
    )


def _says_something(last: Evidence, match: Match, min_score: float, weakest: int, *, kinds: int) -> bool:
    """Whether what a kind would name behind its last hit may be wanted.

    Its figure falls from hit to hit, and with it what it says. A score falls with it only where it is that
    figure's alone. One that several kinds make together (by the calibration, or of look-alikes) may be more
    than any of them says: it tells nothing of the pictures that are not known yet.
    """
    if last.verdict is None or STRENGTH[last.verdict] > weakest:
        return False
    is_looks = last.verdict is Verdict.LOOK_ALIKE
    is_joint = STRENGTH[last.verdict] <= STRENGTH[Verdict.LOOK_ALIKE] and match.odds is not None
    return is_joint or (is_looks and kinds > 1) or last.score >= min_score


def _unpacked(text: str, most: int) -> tuple[bytes, int, frozenset[int]]:
    """Digest, depth and ids of a cursor, or a ValueError where it is none."""
    if len(text) > LONGEST_CURSOR:
        raise ValueError("longer than any cursor")
    packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    version, digest, depth, checksum = _HEAD.unpack_from(packed)
    body = packed[_HEAD.size :]
    if version != _VERSION or checksum != zlib.crc32(body):
        raise ValueError("broken")
    unpacker = zlib.decompressobj()
    listed = unpacker.decompress(body, 10 * most + 1)
    if not unpacker.eof:
        raise ValueError("longer than any cursor")
    return digest, depth, frozenset(_ids(listed))


def _varints(ids: Sequence[int]) -> Iterator[bytes]:
    """Differences of rising ids, seven bits a byte, lowest first."""
    before = 0
    for image_id in ids:
        step, before = image_id - before, image_id
        while step > 0x7F:
            yield bytes([step & 0x7F | 0x80])
            step >>= 7
        yield bytes([step])


def _ids(listed: bytes) -> Iterator[int]:
    image_id, step, shift = 0, 0, 0
    for byte in listed:
        step |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            image_id += step
            step, shift = 0, 0
            yield image_id
        if shift > 56 or image_id > MAX_IMAGE_ID:
            raise ValueError("an id out of range")
    if shift:
        raise ValueError("cut off")
