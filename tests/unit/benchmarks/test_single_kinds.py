"""All kinds together beside the best single kind, row by row."""

from rule import Outcome, Row
from single_kinds import beside_figures, beside_note, beside_table, rows_beside
from transforms import TRANSFORMS


def outcome(key: str, **recalls: float) -> Outcome:
    rows = tuple(
        Row(each.name, each.is_hard, 1.0, recalls.get(each.name, 0.5), 1.0, 0.4, 0.6, 0, 10)
        for each in TRANSFORMS
    )
    return Outcome(key, f"all of {key}", 0.0, rows, 0, 0, None)


FUSED = outcome("fused", mirror=0.9, grey=1.0)
LOCAL, HASH = outcome("local", mirror=0.95, grey=0.8), outcome("phash", mirror=0.1, grey=0.99)


def test_each_row_is_beside_the_best_kind_of_that_row() -> None:
    rows = {name: rest for name, *rest in rows_beside(FUSED, [LOCAL, HASH])}
    assert rows["mirror"] == [0.9, 0.95, "local"]
    assert rows["grey"] == [1.0, 0.99, "phash"]
    assert rows["◆ blur σ 6"] == [0.5, 0.5, "local"]
    (row,) = (row for row in beside_table(FUSED, [LOCAL, HASH]).rows if row[0] == "mirror")
    assert row[1:] == ["0.900", "0.950", "local", "-0.050"]


def test_rows_below_a_single_kind_are_counted_and_named() -> None:
    assert beside_figures(FUSED, [LOCAL, HASH]) == {
        "rows_fused_below_single": 1,
        "most_fused_below_single": 0.05,
    }
    assert "below a single kind (local, phash) on mirror (0.900, local 0.950)." in beside_note(
        FUSED, [LOCAL, HASH]
    )


def test_a_tie_is_not_below() -> None:
    assert beside_figures(FUSED, [HASH])["rows_fused_below_single"] == 0
    assert beside_note(FUSED, [HASH]).endswith("not below any single kind (phash) on any row.")
