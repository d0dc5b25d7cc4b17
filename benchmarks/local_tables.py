"""Tables, notes and figures of the search for local features, from what was measured at each size."""

from collections.abc import Mapping, Sequence
from typing import Any

from report import Table, cores

Found = Mapping[int, Mapping[str, Any]]
"""Size → what was measured."""

SMALL_LIMIT_MS, LARGE_LIMIT_S, MEMORY_LIMIT_GB, DROP_LIMIT = 80.0, 0.5, 8.0, 0.03


def label(size: int) -> str:
    """A size in the names of figures: 10k, 1m."""
    return f"{size // 1_000_000}m" if size % 1_000_000 == 0 else f"{size // 1000}k"


def figures_of(found: Found) -> dict[str, float]:
    """The figures of the smallest and of the largest size, under names that say which size that is."""
    smallest, largest = min(found), max(found)
    figures = {
        f"local_p50_ms_{label(smallest)}": round(found[smallest]["first"]["p50_s"] * 1e3, 1),
        f"local_recall_{label(smallest)}": round(found[smallest]["first"]["recall"], 4),
    }
    if largest > smallest:
        drop = found[smallest]["first"]["recall"] - found[largest]["first"]["recall"]
        figures |= {
            f"local_p50_s_{label(largest)}": round(found[largest]["first"]["p50_s"], 4),
            f"local_resident_gb_{label(largest)}": round(resident_gb(found[largest]), 3),
            f"local_recall_drop_{label(largest)}": round(drop, 4),
        }
    return figures


def resident_gb(at_size: Mapping[str, Any]) -> float:
    """Memory of a process that searches: its own, and the pages of the index that searches touched."""
    used = at_size["resident_after_whole"]
    return float(used["own"] + used["index files"]) / 1e9


def notes_of(found: Found, real: int, *, is_quick: bool) -> list[str]:
    """What the sizes are made of."""
    smallest, largest = min(found), max(found)
    notes = [
        "Libraries of "
        + ", ".join(f"{size:,}" for size in found)
        + f" pictures; up to {min(real, largest):,} are real extractions (photographs and their transforms)"
        + (f", the other {largest - real:,} are made of real descriptors." if largest > real else ".")
    ]
    if is_quick:
        notes.append(f"Quick: measured at {smallest:,} pictures alone; nothing is said of larger sizes.")
    outside = found[largest]["whole"]
    notes.append(
        f"Of {outside['outsiders']} crops of photographs that no library holds, {outside['false']} found "
        f"another thing among {largest:,} pictures, and {outside['same_label']} something of their own label."
    )
    return notes


def tables_of(found: Found, original: Mapping[str, Any]) -> list[Table]:
    """All tables but those of the lookups."""
    tables = [
        _asked(found, "first", "First answer, from features that are there"),
        _asked(found, "whole", "The whole way, from the bytes of a JPEG file, with second looks"),
        _memory(found),
        _making(found),
        _stages(found),
    ]
    if original:
        tables.append(_original(original))
    return tables


def _asked(found: Found, way: str, title: str) -> Table:
    rows = [
        (
            f"{size:,} pictures",
            each[way]["p50_s"] * 1e3,
            each[way]["p95_s"] * 1e3,
            each[way]["cpu_s"] * 1e3,
            each["cold"]["p50_s"] * 1e3 if way == "first" else "–",
            round(each[way]["recall"], 4),
            *(round(share, 3) for share in each[way]["rows"].values()),
        )
        for size, each in found.items()
    ]
    names = next(iter(found.values()))[way]["rows"]
    columns = ("", "ms, p50", "ms, p95", "CPU ms", "ms, p50, asked first", "recall@1, crops", *names)
    return Table(f"{title}; {cores()} cores", columns, rows)


def _memory(found: Found) -> Table:
    rows = [
        (
            f"{size:,} pictures",
            *(value / 1e6 for value in each["resident_after_whole"].values()),
            resident_gb(each),
        )
        for size, each in found.items()
    ]
    names = next(iter(found.values()))["resident_after_whole"]
    columns = ("MB in memory after all searches", *names, "own + index, GB")
    return Table("Memory; pages of files are dropped by the system when it is short", columns, rows)


def _making(found: Found) -> Table:
    def rate(made: Mapping[str, Any], step: str) -> float:
        taken = made.get(step, {"images": 0, "seconds": 0.0})
        return float(taken["images"] / taken["seconds"]) if taken["seconds"] else float("nan")

    rows = [
        (
            f"{size:,} pictures",
            rate(each["made"], "features"),
            rate(each["made"], "index"),
            rate(each["made"], "add"),
            rate(each["made"], "remove"),
            each["made"]["peak_anonymous"] / 1e6,
            each["made"]["bytes"]["features"] / size,
            each["made"]["bytes"]["index"] / size,
            each["opened_s"],
        )
        for size, each in found.items()
    ]
    columns = (
        "", "stored/s", "indexed/s", "added/s", "removed/s", "peak MB of its own", "features, B a picture",
        "index, B a picture", "opened in s",
    )  # fmt: skip
    return Table("Making the library, extraction apart; adding 100 pictures a commit", columns, rows)


def _stages(found: Found) -> Table:
    names = next(iter(found.values()))["profile_ms"]
    rows = [(name, *(each["profile_ms"][name] for each in found.values())) for name in names]
    columns = ("ms of a first answer, under a profiler", *(f"{size:,}" for size in found))
    return Table("Where the time goes", columns, rows)


def _original(original: Mapping[str, Any]) -> Table:
    rows: Sequence[Sequence[str | int | float]] = [
        ("points", original["points"]),
        ("training, s", original["train_s"]),
        ("filling, s", original["fill_s"]),
        ("index search and votes of a query, ms, 1 thread, lookups apart", original["p50_s"] * 1e3),
        ("lookups that it makes a query", original["neighbors"]),
        ("recall@1, crops, by votes", original["recall"]),
        ("memory, MB", original["memory"] / 1e6),
    ]
    return Table("The original's recipe: OPQ64,IVF√n,PQ64, nprobe 16, k 5", ("", "measured"), rows)
