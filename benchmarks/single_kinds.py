"""Whether all kinds together find what the best of them finds alone: pure functions of outcomes."""

from collections.abc import Mapping, Sequence
from typing import Any

from report import Table
from rule import Outcome

SINGLE = ("local", "phash", "color", "global_features", "image_text_features")
"""Our kinds, by the keys of their outcomes."""

BESIDE = ("transform", "all kinds", "best single kind", "which", "difference")


def rows_beside(fused: Outcome, singles: Sequence[Outcome]) -> list[tuple[str, float, float, str]]:
    """Of each row: transform, recall by the rule of all kinds together, that of the best kind, and its key.

    Args:
        fused: of all kinds together.
        singles: of each kind alone, asked for the same photos.

    Returns:
        In the order of the transforms.
    """
    found = []
    for number, row in enumerate(fused.rows):
        best = max(singles, key=lambda one: one.rows[number].recall)
        name = ("◆ " if row.is_hard else "") + row.transform
        found.append((name, row.recall, best.rows[number].recall, best.key))
    return found


def beside_table(fused: Outcome, singles: Sequence[Outcome]) -> Table:
    """Row by row."""
    rows = [
        [name, f"{recall:.3f}", f"{best:.3f}", key, f"{recall - best:+.3f}"]
        for name, recall, best, key in rows_beside(fused, singles)
    ]
    return Table("All kinds together beside the best single kind, same photos (◆ = harder)", BESIDE, rows)


def beside_figures(fused: Outcome, singles: Sequence[Outcome]) -> Mapping[str, Any]:
    """Rows on which a single kind finds more, and by how much at most."""
    short = [best - recall for _, recall, best, _ in rows_beside(fused, singles)]
    return {
        "rows_fused_below_single": sum(each > 0 for each in short),
        "most_fused_below_single": round(max(0.0, *short), 4),
    }


def beside_note(fused: Outcome, singles: Sequence[Outcome]) -> str:
    """The same in a sentence."""
    short = [
        f"{name} ({recall:.3f}, {key} {best:.3f})"
        for name, recall, best, key in rows_beside(fused, singles)
        if recall < best
    ]
    keys = ", ".join(one.key for one in singles)
    if not short:
        return f"{fused.title}: not below any single kind ({keys}) on any row."
    return f"{fused.title}: below a single kind ({keys}) on {', '.join(short)}."
