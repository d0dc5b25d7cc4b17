"""How long filters take over a million images: `python benchmarks/filters.py [--images N] [--quick]`.

The rows are made up and kept in the user's cache folder: three of 365 scenes each, whose frequency falls by
Zipf's law, "outdoor" or "indoor", and for every fifth one of 2,000 people. Processor time is measured, since
other work of the machine lengthens any other. Costs of each filter: estimating its share; judging 60 hits,
which with it is all that a filter of many images costs a search; listing all images that it keeps, which one
of few costs, the first time; and a page of a listing. The last line is a JSON object.
"""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from ambience.expression import folded
from ambience.search.filters import parsed
from ambience.store import schema
from ambience.store.database import Database, sqlite_url
from ambience.store.records import Records
from ambience.store.selection import Selections

FILTERS = (
    "scene200",
    "scene3",
    "Scene3 && !outdoor",
    "outdoor",
    "!outdoor",
    "outdoor || indoor",
    "person_5",
    "person_5 || person_7",
    "no such tag",
    "person_*",
    "tag:scene0>0.8",
    "width>=1920",
    "scene50 && width>=1920",
    "scene3 && !(scene5 || scene7) && width>=1920 && date>=2015",
    "date:2020-05",
    "name:*beach*",
    "scene1 || name:*beach*",
    "!scene0",
)
REPEATS = 3
BATCH = 20_000
HITS = range(1, 30_000, 500)


def main() -> None:
    """Makes the library where it is not there, measures, prints."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=1_000_000)
    arguments.add_argument("--quick", action="store_true", help="100,000 images")
    given = arguments.parse_args()
    count = 100_000 if given.quick else given.images
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ambience-bench" / "filters"
    file = cache / f"{count}.sqlite"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        fill(part, count)
        part.rename(file)
    print(json.dumps(measured(file, count)))


def measured(file: Path, count: int) -> dict[str, Any]:
    """Milliseconds of processor time by filter, the median of repeats."""
    database = Database(sqlite_url(file), is_writer=False)
    rows: dict[str, dict[str, float]] = {}
    for text in FILTERS:
        expression = parsed(text)

        def fresh() -> Selections:  # which remembers nothing
            return Selections(Records(database, {}), lambda _text: [])

        asked: dict[str, Callable[[Selections], Any]] = {
            "share_ms": lambda made, one=expression: made.share(one),
            "hits_ms": lambda made, one=expression: made.kept(one, HITS),
            "all_ms": lambda made, one=expression: made.image_ids(one),
            "page_ms": lambda made, one=expression: made.page(one, after=-1, limit=30, newest_first=True),
        }
        rows[text] = {"kept": fresh().count(expression)}
        for name, question in asked.items():
            rows[text][name] = round(float(np.median([_cost(question, fresh()) for _ in range(REPEATS)])), 1)
        print(f"{text:60s} {rows[text]}")
    costs = {
        name: round(float(np.percentile([row[name] for row in rows.values()], 95)), 1)
        for name in ("share_ms", "hits_ms", "all_ms", "page_ms")
    }
    return {"images": count, "p95": costs, "filters": rows}


def _cost(question: Callable[[Selections], Any], made: Selections) -> float:
    began = time.process_time()
    question(made)
    return (time.process_time() - began) * 1_000


def fill(file: Path, count: int) -> None:
    """Writes the rows, and their indexes at the end, which is faster."""
    database = Database(sqlite_url(file), is_writer=True)
    database.migrate()
    rng = np.random.default_rng(1)
    listed = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    with database.writing() as connection:
        indexes = connection.exec_driver_sql(f"{listed} AND tbl_name IN ('tags', 'images')").all()
        for name, _ in indexes:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        for start in range(1, count + 1, BATCH):
            ids = np.arange(start, min(start + BATCH, count + 1))
            connection.execute(sa.insert(schema.images), _images(ids, rng))
            connection.execute(sa.insert(schema.tags), _tags(ids, rng))
        forms = [bytes(tag) for tag in connection.execute(sa.select(schema.tags.c.tag).distinct()).scalars()]
        connection.execute(
            sa.insert(schema.tag_forms),
            [{"tag": tag, "folded": folded(tag.decode()).encode()} for tag in forms],
        )
        for _, sql in indexes:
            connection.exec_driver_sql(sql)
    database.close()


def _images(ids: np.ndarray[Any, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    size = len(ids)
    widths, heights = (
        rng.choice([640, 1024, 1920, 3000, 4000], size),
        rng.choice([480, 768, 1080, 2000], size),
    )
    years, months, sizes = (
        rng.integers(2005, 2026, size),
        rng.integers(1, 13, size),
        rng.integers(10**4, 10**7, size),
    )
    rows = []
    for place, number in enumerate(ids.tolist()):
        name = f"beach party {number}.png" if number % 50 == 0 else f"IMG_{number:07d}.jpg"
        month = f"{years[place]}-{months[place]:02d}"
        rows.append(
            {
                "image_id": number,
                "sha256": hashlib.sha256(b"%d" % number).digest(),
                "size": int(sizes[place]),
                "name": name.encode(),
                "path": f"/photos/{month}/{number}/{name}".encode(),
                "is_upload": False,
                "format": "jpeg" if number % 10 else "png",
                "width": int(widths[place]),
                "height": int(heights[place]),
                "taken_at": f"{month}-05T12:00:00" if number % 4 else None,
                "added_at": "2026-01-01T00:00:00.123456+00:00",
                "state": "present",
            }
        )
    return rows


def _tags(ids: np.ndarray[Any, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    share = 1 / np.arange(1, 366)
    scenes = rng.choice(365, (len(ids), 3), p=share / share.sum())
    rows: list[dict[str, Any]] = []
    for place, number in enumerate(ids.tolist()):
        said = [f"Scene{scene}" for scene in sorted({*scenes[place].tolist()})]
        said.append("outdoor" if number % 3 else "indoor")
        rows += [_row(number, "places", tag, float(rng.random())) for tag in said]
        if number % 5 == 0:
            rows.append(_row(number, "user", f"person_{rng.integers(2000)}", 1.0))
    return rows


def _row(number: int, source: str, tag: str, score: float) -> dict[str, Any]:
    return {"image_id": number, "source": source, "tag": tag.encode(), "score": score}


if __name__ == "__main__":
    main()
