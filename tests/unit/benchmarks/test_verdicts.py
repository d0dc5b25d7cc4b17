"""Which pairs are judged, and what counts as right; answers are kept and asked for once."""

from pathlib import Path

import pytest

from ambience.answers import Hit, Match, Ranking
from ambience.datatypes import UPRIGHT, FeatureSpec, Verdict
from kept_rankings import Answered, Asked, asked
from labelled_pairs import Labelled, Material
from photos import find_photos
from verdict_figures import NOTHING, Said, Scored
from verdicts import fewer, merged, pairs_of, report_of, said_of, scored_of

HASH = FeatureSpec(
    "hash",
    "",
    64,
    "uint8",
    "hamming",
    1,
    1,
    verdicts=((Verdict.SAME_PICTURE, 10.0), (Verdict.LOOK_ALIKE, 30.0)),
)
KEYS = ("a", "b", "c", "d")
LABELS = ("pets/cat", "pets/cat", "pets/dog", "pets/dog")


def answer(query: Labelled, *places: int) -> Answered:
    hits = tuple(Hit(place, 5.0 + 20 * number) for number, place in enumerate(places))
    return Answered(query, (), (Ranking("hash", hits),))


def found(*answers: Answered) -> Asked:
    return Asked(KEYS, LABELS, {"hash": HASH}, answers)


def pairs(query: Labelled, *places: int, stems: tuple[str, ...] = KEYS, number: int = 0) -> dict[int, str]:
    return dict(pairs_of(found(), answer(query, *places), stems, number))


def test_what_is_known_one_by_one_is_judged_and_a_place_from_afar_is_not() -> None:
    query = Labelled(b"", "scene castle", {"b": "same_scene", "c": "far_scene", "d": "same_colors"})
    assert pairs(query) == {1: "same_scene"}


def test_a_photo_is_judged_beside_one_of_its_label_and_one_of_another_that_kinds_name() -> None:
    query = Labelled(b"x", "whole photo", {}, frozenset(), "a", "pets/cat")
    assert pairs(query, 0, 1, 2) == {1: "look_alike", 2: "none"}
    assert pairs(query, 0, 3) == {3: "none"}
    elsewhere = Labelled(b"x", "outsider", {}, frozenset(), "", "trees/oak")
    assert pairs(elsewhere, 2) == {2: "foreign"}


def test_made_pictures_are_judged_beside_those_of_the_same_making() -> None:
    stems = ("text-3", "text-4", "flat-0", "flat-1")
    assert pairs(Labelled(b"", "shared text"), stems=stems, number=2) == {0: "foreign"}
    assert pairs(Labelled(b"", "shared text"), stems=stems, number=7) == {1: "foreign"}
    assert pairs(Labelled(b"", "flat picture"), stems=stems, number=5) == {3: "foreign"}
    assert pairs(Labelled(b"", "flat picture")) == {}


def match(verdict: Verdict) -> Match:
    return Match(1, verdict, 0.7, UPRIGHT, ())


def test_what_was_said_of_a_pair() -> None:
    plain, tilted = Labelled(b"", "mirror"), Labelled(b"", "perspective ≤ 14 %")
    assert said_of(plain, "edited", match(Verdict.PART)) == Said("edited", "part", False)
    assert said_of(plain, "part", None) == Said("part", NOTHING, False)
    assert said_of(tilted, "part", match(Verdict.EDITED)) == Said("edited or part", "edited", True)
    assert said_of(plain, "none", match(Verdict.SAME_COLORS)) == Said(NOTHING, NOTHING, True)
    assert said_of(plain, "none", match(Verdict.LOOK_ALIKE)) == Said(NOTHING, "look_alike", False)
    assert said_of(plain, "foreign", match(Verdict.LOOK_ALIKE)) == Said(NOTHING, "look_alike", None)
    assert said_of(plain, "foreign", match(Verdict.SAME_SCENE)) == Said(NOTHING, "same_scene", False)


def test_scores_are_of_every_match_of_which_it_is_known() -> None:
    """Nearness 5 is called the same picture, 25 a look-alike: right of a cat, wrong of a dog."""
    query = Labelled(b"", "half size", {"a": "same_picture"}, frozenset({"d"}), "", "pets/cat")
    one = answer(query, 0, 1)
    matches = merged(found(one), one, one.rankings, None)
    assert [(each.verdict, each.is_right) for each in scored_of(found(one), one, matches)] == [
        ("same_picture", True),
        ("look_alike", True),
    ]
    other = answer(query, 2, 3)
    matches = merged(found(other), other, other.rankings, None)
    assert [(each.verdict, each.is_right) for each in scored_of(found(other), other, matches)] == [
        ("same_picture", False)
    ]


def test_a_report_names_classes_without_pairs_and_with_few() -> None:
    said = [Said("part", "part", True), Said("same_file", "same_file", True)]
    scored = {"all kinds": [Scored("part", 0.9, True)], "hash": [Scored("part", 0.6, True)], "color": []}
    figures, tables, notes = report_of(said, scored)
    assert figures == {
        "verdict_macro": 1.0,
        "ece": 0.1,
        "brier": 0.01,
        "brier_best_single": 0.16,
        "verdict_part": 1.0,
    }
    assert tables[0].rows == [
        ["same_file", 1, 0, 0, 0, 0, 0, 0, "1.000"],
        ["part", 0, 0, 0, 1, 0, 0, 0, "1.000"],
    ]
    assert notes[1].startswith("No pairs at all of same_picture, edited, same_scene, look_alike, nothing")
    assert notes[2] == "Fewer than 100 pairs, so only indicative: part (1)."


def test_a_quick_run_asks_the_first_of_every_sort() -> None:
    queries = [Labelled(bytes([number]), "mirror" if number % 2 else "grey") for number in range(20)]
    taken = fewer(Material({}, {}, queries)).queries
    assert [each.data[0] for each in taken] == [0, 2, 4, 1, 3, 5]


@pytest.mark.slow
def test_answers_are_kept_as_they_come_and_a_torn_one_is_asked_again(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photos = find_photos(photographs)
    files = {photo.key: photo.path for photo in photos}
    queries = [
        Labelled(photo.path.read_bytes(), "whole photo", {}, frozenset(), photo.key) for photo in photos
    ]
    first = asked("try", Material(files, {}, queries[:2]))
    assert all(answer.query.own not in _named(first, answer) for answer in first.answers)
    assert all(answer.rankings for answer in first.answers)
    (kept,) = (tmp_path / "cache").rglob("rankings.jsonl")
    text = kept.read_text(encoding="utf-8")
    kept.write_text(text[:-40], encoding="utf-8")
    again = asked("try", Material(files, {}, queries[:3]))
    assert again.answers[:2] == first.answers
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 3


def _named(found: Asked, answer: Answered) -> set[str]:
    return {found.keys[hit.image_id] for ranking in answer.rankings for hit in ranking.hits}
