"""Pictures of which it is known what each is of the other."""

from pathlib import Path

import pytest

from labelled_pairs import material


def test_the_photographs_of_scikit_image_are_enough_to_judge_and_not_to_fit(tmp_path: Path) -> None:
    made = material("test", None, None, tmp_path)
    truths = {truth for query in made.queries for truth in query.truths.values()}
    assert truths == {"same_file", "same_picture", "edited", "part", "same_colors"}
    assert {key for query in made.queries for key in query.truths} <= set(made.files)
    assert not any(made.labels.values())
    with pytest.raises(ValueError, match=r"14 photographs, of which 0 are left .* needs more than 920"):
        material("fit", None, None, tmp_path)
