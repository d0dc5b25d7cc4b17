"""Rankings of several kinds become one answer: a verdict and its evidence for every hit. Pure functions."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ambience.answers import Evidence, Hit, Match, Ranking
from ambience.datatypes import STRENGTH, FeatureSpec, Verdict
from ambience.fuse.calibration import CLAMP, Calibration, Claim
from ambience.fuse.evidence import Score
from ambience.fuse.judging import Judge, Judgement


def tells_copies(spec: FeatureSpec) -> bool:
    """Whether a kind can say that two pictures show the same; colors and looks say nothing of it."""
    return any(STRENGTH[verdict] <= STRENGTH[Verdict.SAME_SCENE] for verdict, _ in spec.verdicts)


def supported_verdict(hit: Hit, spec: FeatureSpec) -> Verdict | None:
    """The strongest verdict that one kind's figure alone supports.

    Args:
        hit: its distance from the question as asked, and the quality of the weaker of the two features; or a
            verdict found by geometry.
        spec: says which distance means what, and below which quality a feature tells nothing.

    Returns:
        A verdict, or None where the distance is too large or a flat picture makes it meaningless.
    """
    if hit.verdict is not None:
        return hit.verdict
    if hit.quality < spec.min_quality:
        return None
    distance = hit.distance if hit.plain_distance is None else hit.plain_distance
    return next((verdict for verdict, largest in spec.verdicts if distance <= largest), None)


def evidence_of(ranking: Ranking, spec: FeatureSpec, score: Score) -> dict[int, Evidence]:
    """What one kind says of each image of its ranking.

    Args:
        ranking: nearest first.
        spec: of the ranking's kind.
        score: turns a distance into a score.

    Returns:
        image id → evidence; ranks count from 1.
    """
    return {
        hit.image_id: Evidence(
            kind=ranking.kind,
            distance=hit.distance,
            score=score(hit.distance, spec),
            rank=place,
            verdict=supported_verdict(hit, spec),
            orientation=hit.orientation,
            geometry=hit.geometry,
            words=hit.words,
            is_imported=hit.is_imported,
        )
        for place, hit in enumerate(ranking.hits, 1)
    }


def merge(
    rankings: Sequence[Ranking],
    specs: Mapping[str, FeatureSpec],
    score: Score,
    *,
    same_files: Sequence[int] = (),
    calibration: Calibration | None = None,
) -> tuple[Match, ...]:
    """One answer of several rankings.

    An image is answered when at least one kind supports a verdict of it, or all together do; a certain hit
    that one kind alone knows is never dropped. By a calibration that knows their features, all kinds together
    say whether it is a copy, of which sort, or a look-alike, and how likely that is (`judging.py`). Without
    one, or of features that it does not know, the match takes the strongest verdict of any kind, and score
    and orientation of the evidence behind it: a score by the kind's own measure, which is no probability.
    Kinds that say two pictures look alike then count together, as 1 − Π (1 − scoreᵢ), the noisy-or of Pearl,
    "Probabilistic reasoning in intelligent systems", 1988, § 4.3.

    Args:
        rankings: one per kind.
        specs: of each kind.
        score: turns a distance into a score.
        same_files: images whose bytes are those of the query.
        calibration: None where the question is no single picture, of which alone it says anything.

    Returns:
        Matches by verdict, then score (greatest first), then odds (likewise), then image id.
    """
    found: dict[int, list[Evidence]] = {
        image_id: [Evidence("sha256", 0.0, 1.0, 1, Verdict.SAME_FILE)] for image_id in same_files
    }
    hits: dict[int, dict[str, Hit]] = defaultdict(dict)
    for ranking in rankings:
        for image_id, evidence in evidence_of(ranking, specs[ranking.kind], score).items():
            found.setdefault(image_id, []).append(evidence)
        for hit in ranking.hits:
            hits[hit.image_id][ranking.kind] = hit
    judge = None
    if calibration is not None:
        judge = Judge({ranking.kind: specs[ranking.kind] for ranking in rankings}, calibration)
    matches = [_match(image_id, evidence, hits[image_id], judge) for image_id, evidence in found.items()]
    kept = [match for match in matches if match is not None]
    return tuple(sorted(kept, key=_place))


def _match(
    image_id: int, evidence: Sequence[Evidence], hits: Mapping[str, Hit], judge: Judge | None
) -> Match | None:
    judgement = _judgement(evidence, hits, judge)
    if judgement is None:
        return None
    odds = None
    if judge is not None:
        odds = judge.odds(hits)
        if odds is not None and judgement.verdict is Verdict.SAME_FILE:  # sure, even of pictures of nothing
            odds = max(odds, CLAMP)
        copy, alike = judge.llrs(Claim.COPY, hits), judge.llrs(Claim.ALIKE, hits)
        evidence = [
            replace(each, copy_llr=copy.get(each.kind), alike_llr=alike.get(each.kind)) for each in evidence
        ]
    return Match(image_id, judgement.verdict, judgement.score, judgement.orientation, tuple(evidence), odds)


def _place(match: Match) -> tuple[int, float, float, int]:
    """Where a match stands among others. Scores level off, odds tell what is equally sure apart."""
    odds = 0.0 if match.odds is None else match.odds
    return STRENGTH[match.verdict], -match.score, -odds, match.image_id


def _judgement(
    evidence: Sequence[Evidence], hits: Mapping[str, Hit], judge: Judge | None
) -> Judgement | None:
    """The strongest verdict, by the calibration where it knows what says so, else by the kinds themselves."""
    if evidence[0].verdict is Verdict.SAME_FILE:
        return Judgement(Verdict.SAME_FILE, 1.0, evidence[0].orientation)
    supporting = [each for each in evidence if each.verdict is not None]
    if judge is None:
        return _strongest(supporting)
    unknown = [each for each in supporting if not judge.knows(each.kind)]
    strongest = _strongest(unknown)
    copy = judge.copy(hits) if any(judge.knows(kind) for kind in hits) else None
    if strongest is not None and STRENGTH[strongest.verdict] <= STRENGTH[Verdict.SAME_SCENE]:
        is_surer = copy is not None and STRENGTH[copy.verdict] < STRENGTH[strongest.verdict]
        return copy if is_surer else strongest
    if copy is not None:
        return copy
    return _alike(supporting, strongest, hits, judge)


def _alike(
    supporting: Sequence[Evidence], unknown: Judgement | None, hits: Mapping[str, Hit], judge: Judge
) -> Judgement | None:
    """What an image is that is no copy.

    Whether it is a look-alike all kinds say together: several may find so what none is sure of alone. A kind
    that took it for a copy by its distance alone is overruled; it is then a look-alike, and not dropped. Who
    asks one kind alone wants what that finds: its own cut-off holds, and the score says how likely it is.
    """
    if unknown is not None and unknown.verdict is Verdict.LOOK_ALIKE:
        return _strongest(supporting)
    at_all_odds = any(
        _strength(each) < STRENGTH[Verdict.LOOK_ALIKE]
        or (judge.hears_one and each.verdict is Verdict.LOOK_ALIKE)
        for each in supporting
    )
    alike = judge.alike(hits, at_all_odds=at_all_odds)
    if alike is not None:
        return alike
    return _strongest([each for each in supporting if each.verdict is not Verdict.LOOK_ALIKE])


def _strongest(supporting: Sequence[Evidence]) -> Judgement | None:
    """The strongest verdict of any kind by its own measure."""
    if not supporting:
        return None
    best = min(supporting, key=lambda each: (_strength(each), -each.score))
    assert best.verdict is not None
    total = best.score
    if best.verdict is Verdict.LOOK_ALIKE:
        total = 1.0 - math.prod(1.0 - each.score for each in supporting if each.verdict is best.verdict)
    return Judgement(best.verdict, total, best.orientation)


def _strength(evidence: Evidence) -> int:
    assert evidence.verdict is not None
    return STRENGTH[evidence.verdict]
