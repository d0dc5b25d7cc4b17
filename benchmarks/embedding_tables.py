"""What `embedding_search.py` found, as tables and figures."""

import math
from collections.abc import Mapping
from typing import Any

from embedding_library import ADDED
from embedding_peers import peers
from embedding_queries import EXACT_TITLE, OURS_TITLE, REMOVED, USUAL_PROBES
from report import Table

FLAT = peers()["flat"].title
NOT_COUNTED = "–"


def figures_of(result: Mapping[str, Any], products: Mapping[str, Any]) -> dict[str, Any]:
    """The line at the end: the index as it comes, and what product codes lose."""
    ours = next(
        each for each in result["found"] if each["title"] == OURS_TITLE and each["setting"] == USUAL_PROBES
    )
    rows = products["rows"]
    return {
        "embedding_over_flat": round(_flat_ms(result) / ours["cpu_ms"], 2),
        "embedding_recall_at_10": round(ours["recall"], 4),
        "embedding_index_bytes_each": round(result["library"]["bytes"]["index"] / result["count"], 1),
        "embeddings": result["count"],
        "pq256_map_loss": round(rows["float32"]["map"] - rows["pq256"]["map"], 4),
        "pq256_recall_at_10": round(rows["pq256"]["recall"], 4),
    }


def library_tables(result: Mapping[str, Any]) -> list[Table]:
    """One collection: searches, what indexes weigh, what making and changing them takes."""
    return [_searches(result), _weights(result), _making(result), _changes(result)]


def limits(figures: Mapping[str, Any]) -> Table:
    """Figures that have limits."""
    asked = {"embedding_over_flat": "≥ 10", "embedding_recall_at_10": "≥ 0.95", "pq256_map_loss": "≤ 0.01"}
    return Table(
        "Limits", ("", "measured", "asked"), [(name, figures[name], limit) for name, limit in asked.items()]
    )


def _flat_ms(result: Mapping[str, Any]) -> float:
    return float(next(each["cpu_ms"] for each in result["found"] if each["title"] == FLAT))


def _searches(result: Mapping[str, Any]) -> Table:
    rows = []
    for each in result["found"]:
        is_usual = each["title"] == OURS_TITLE and each["setting"] == USUAL_PROBES
        floor_ms = each["read_bytes"] / result["read_gb_s"] / 1e6
        rows.append(
            (
                each["title"] + (" (as it comes)" if is_usual else ""),
                each["setting"] or NOT_COUNTED,
                f"{each['recall']:.3f}",
                each["cpu_ms"],
                f"{1e3 / each['cpu_ms']:,.0f}",
                _flat_ms(result) / each["cpu_ms"],
                each["wall_ms"],
                *(_counted(value) for value in (each["read_bytes"] / 1e6, floor_ms)),
            )
        )
    columns = (
        "", "lists, or breadth", "recall@10", "ms", "queries a second", "× flat", "ms by the clock",
        "MB read a query", "ms to read those once",
    )  # fmt: skip
    return Table(f"{result['name']}: searches", columns, rows)


def _counted(value: float) -> str | float:
    return NOT_COUNTED if math.isnan(value) else value


def _weights(result: Mapping[str, Any]) -> Table:
    count, made = result["count"], result["library"]
    disk = {
        OURS_TITLE: made["bytes"]["index"],
        EXACT_TITLE: made["bytes"]["exact index"],
        **{peer.title: result["peers"][key]["bytes"] for key, peer in peers().items()},
    }
    rows: list[tuple[str, Any, Any, Any]] = []
    for title, size in disk.items():
        resident = result["resident"][title]
        rows.append((title, *(f"{each / count:.0f}" for each in (size, resident["own"], resident["mapped"]))))
    rows.append(
        ("the library's features, which all need", f"{made['bytes']['features'] / count:.0f}", "", "")
    )
    return Table(
        f"{result['name']}: bytes a vector",
        ("", "on disk", "memory of its own", f"mapped and touched by {200} queries"),
        rows,
    )


def _making(result: Mapping[str, Any]) -> Table:
    made, rows = result["library"], []
    for title, step in (
        ("features committed to the library", "features"), (f"{OURS_TITLE}: index from the store", "index"),
        (f"{EXACT_TITLE}: index from the store", "exact index"),
    ):  # fmt: skip
        rows.append((title, made[step]["images"] / made[step]["seconds"], made[step]["seconds"], ""))
    for key, peer in peers().items():
        took = result["peers"][key]
        rows.append(
            (peer.title, result["count"] / took["seconds"], took["seconds"], took["peak_resident"] / 1e6)
        )
    peak = f"{made['peak_resident'] / 1e6:.0f} (its own {made['peak_anonymous'] / 1e6:.0f})"
    rows[1] = (*rows[1][:3], peak)
    return Table(
        f"{result['name']}: made, all threads", ("", "vectors a second", "s", "most memory, MB"), rows
    )


def _changes(result: Mapping[str, Any]) -> Table:
    made = result["library"]
    rows: list[tuple[Any, ...]] = [
        (f"{OURS_TITLE}: {ADDED} added, 100 a commit, durable and searchable", _ms(made["add"]), "found"),
        (
            f"{OURS_TITLE}: one removed, durable, gone from the next search on",
            made["remove_one_s"] * 1e3,
            "0",
        ),
        (f"{OURS_TITLE}: {made['remove']['images']} removed in one commit", _ms(made["remove"]), "0"),
    ]
    for key, peer in peers().items():
        took = result["removed"][key]
        name = f"{peer.title}: {REMOVED} removed, in memory"
        if took:
            still = str(took["still"]) if "still" in took else NOT_COUNTED
            rows.append((name, took["seconds"] / took["removed"] * 1e3, still))
        else:
            rows.append((name, "it cannot", NOT_COUNTED))
    return Table(f"{result['name']}: added and removed", ("", "ms each", "removed ones still answered"), rows)


def _ms(step: Mapping[str, float]) -> float:
    return step["seconds"] / step["images"] * 1e3
