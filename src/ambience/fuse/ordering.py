"""The order of one answer, as `search.merge` says: what the kinds prove together, or their ranks alone."""

from collections.abc import Callable, Mapping, Sequence

from ambience.answers import Match, Ranking
from ambience.datatypes import Verdict
from ambience.errors import SettingsError
from ambience.fuse import original, reciprocal_rank

EVIDENCE = "evidence"
"""Verdicts, strongest first, then scores, as `verdict.merge` has them."""

Lists = Mapping[str, Sequence[int]]
BY_RANKS: Mapping[str, Callable[[Lists], list[tuple[int, float]]]] = {
    "reciprocal_rank": reciprocal_rank.merge,
    "original": original.merge,
}
"""Name → order of image ids by their ranks in the answers of the kinds, best first."""


def check_merge(name: str) -> None:
    """Refuses a name of no order.

    Raises:
        SettingsError: it is none of those there are.
    """
    names = (EVIDENCE, *BY_RANKS)
    if name not in names:
        raise SettingsError(f"search.merge = {name!r}; it can be {', '.join(names)}")


def ordered(matches: Sequence[Match], rankings: Sequence[Ranking], name: str) -> tuple[Match, ...]:
    """Matches in another order; none is dropped, and what each says stays.

    Equal bytes come first. What an order by ranks does not answer, as the original's of images that one kind
    alone found, comes last, in the order that it had.

    Args:
        matches: by verdict and score.
        rankings: one per kind.
        name: `EVIDENCE`, or one of `BY_RANKS`.

    Returns:
        All of them.
    """
    if name == EVIDENCE:
        return tuple(matches)
    kept = {match.image_id for match in matches}
    lists = {
        ranking.kind: [hit.image_id for hit in ranking.hits if hit.image_id in kept] for ranking in rankings
    }
    places = {image_id: place for place, (image_id, _) in enumerate(BY_RANKS[name](lists))}
    return tuple(
        sorted(
            matches,
            key=lambda match: (
                match.verdict is not Verdict.SAME_FILE,
                places.get(match.image_id, len(places)),
            ),
        )
    )
