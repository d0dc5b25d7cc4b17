"""What every kind answers to labelled queries: asked once, kept, and merged as often as one likes.

Used by `tools/fit_calibration.py` and `verdicts.py`. Rankings are kept in the cache folder, query by query,
under the code that extracts and searches: what merges them may change without asking again, and a run that
was broken off goes on where it was.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answers import code_stamp
from labelled_pairs import Labelled, Material
from local_answers import PACKAGES, package_files
from report import cache_folder, versions

if TYPE_CHECKING:
    from ambience.answers import Ranking
    from ambience.datatypes import FeatureSpec

HITS = 20
"""Hits that every kind is asked for: `search.k`."""


@dataclass(frozen=True)
class Answered:
    """What the kinds answered to one query.

    Attributes:
        query: what was asked; its bytes are not kept.
        same_files: places of pictures with the same bytes.
        rankings: one a kind that answered; image ids are places of `Asked.keys`.
    """

    query: Labelled
    same_files: tuple[int, ...]
    rankings: "tuple[Ranking, ...]"


@dataclass(frozen=True)
class Asked:
    """All answers.

    Attributes:
        keys: of the library's pictures; image ids of answers are places in it.
        labels: of these.
        specs: of the kinds, by kind.
        answers: one a query.
    """

    keys: Sequence[str]
    labels: Sequence[str]
    specs: "Mapping[str, FeatureSpec]"
    answers: Sequence[Answered]


def asked(name: str, material: Material) -> Asked:
    """Asks a library over a material's pictures, where that was not done yet.

    Args:
        name: of the material; names the folder.
        material: pictures and queries.

    Returns:
        Rankings of every kind for every query.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    code = code_stamp(package_files("keypoints.py", "extract", "index", "decode", "search", "models"))
    whole = json.dumps([code, sorted(material.files), versions(PACKAGES)])
    folder = cache_folder("labelled-pairs") / f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
    folder.mkdir(exist_ok=True)
    kept = _kept(folder / "rankings.jsonl")
    missing = [query for query in material.queries if _key(query) not in kept]
    if missing:
        _ask(missing, material, folder)
        kept = _kept(folder / "rankings.jsonl")
    keys = json.loads((folder / "library.json").read_text(encoding="utf-8"))
    answers = [_answered(query, kept[_key(query)]) for query in material.queries]
    return Asked(keys, [material.labels.get(key, "") for key in keys], _specs(), answers)


def _kept(file: Path) -> dict[str, dict[str, Any]]:
    """Rankings by query, as far as they were asked; a last line that was cut off is taken away."""
    if not file.is_file():
        return {}
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    rows = (json.loads(line) for line in whole.splitlines())
    return {row["query"]: row for row in rows}


def _key(query: Labelled) -> str:
    return hashlib.sha256(query.data).hexdigest()[:16] + query.own[:8]


def _specs() -> "Mapping[str, FeatureSpec]":
    from ambience.making import make_extractors
    from ambience.settings_sources import load_settings

    return {kind: each.spec for kind, each in make_extractors(load_settings(environment={})).items()}


def _ask(queries: Sequence[Labelled], material: Material, folder: Path) -> None:
    """Adds the pictures that the library lacks, then asks; each answer is kept as soon as it is there."""
    import ambience
    from ambience.settings_sources import load_settings

    silent = {name: {"enabled": False} for name in ("caption", "tags", "text")}
    settings = replace(load_settings(environment={}), annotate=silent)
    if not (folder / "library.json").is_file():
        with ambience.open(folder / "library", settings=settings, writer=True) as made:
            report = made.add_paths(list(material.files.values()))
            if report.failed:
                raise RuntimeError(f"{report.failed} pictures could not be added")
            records = made.list_images(limit=1_000_000)
        beside = folder / "library.part"
        beside.write_text(json.dumps([record.sha256.hex() for record in records]), encoding="utf-8")
        beside.replace(folder / "library.json")
    with ambience.open(folder / "library", settings=settings) as library:
        records = library.list_images(limit=1_000_000)
        places = {record.image_id: place for place, record in enumerate(records)}
        same = {record.sha256.hex(): place for place, record in enumerate(records)}
        view = library._parts.spaces.view
        with (folder / "rankings.jsonl").open("a", encoding="utf-8") as file:
            for number, query in enumerate(queries, 1):
                row = {"query": _key(query)} | _rankings(view, query, places, same)
                file.write(json.dumps(row) + "\n")
                file.flush()
                if number % 10 == 0 or number == len(queries):
                    print(f"\r{folder.name}: {number} of {len(queries)}", end="", file=sys.stderr)
        print(file=sys.stderr)


def _rankings(
    view: Any, query: Labelled, places: Mapping[int, int], same: Mapping[str, int]
) -> dict[str, Any]:
    question = view.questions.from_bytes(query.data, name="query", kinds=tuple(view.spaces))
    found = {}
    own = same.get(query.own, -1)
    for kind, variants in question.variants.items():
        if isinstance(variants, Exception):
            continue
        ranking = view.spaces[kind].search.by_variants(variants, k=HITS + 1, picture=question.picture)
        hits = [asdict(hit) | {"image_id": places[hit.image_id]} for hit in ranking.hits]
        found[kind] = [hit for hit in hits if hit["image_id"] != own][:HITS]
    digest = hashlib.sha256(query.data).hexdigest()
    same_files = [same[digest]] if digest in same and same[digest] != own else []
    return {"same_files": same_files, "rankings": found}


def _answered(query: Labelled, row: Mapping[str, Any]) -> Answered:
    from ambience.answers import Ranking

    rankings = tuple(
        Ranking(kind, tuple(_hit(hit) for hit in hits)) for kind, hits in row["rankings"].items()
    )
    return Answered(query, tuple(row["same_files"]), rankings)


def _hit(row: dict[str, Any]) -> Any:
    from ambience.answers import Geometry, Hit
    from ambience.datatypes import Orientation, Verdict

    row = dict(row)
    row["orientation"] = Orientation(*row["orientation"])
    row["verdict"] = None if row["verdict"] is None else Verdict(row["verdict"])
    row["words"] = ()
    if row["geometry"] is not None:
        given = dict(row["geometry"])
        given["matches"] = ()
        for name in ("transform", "query_in_image", "image_in_query"):
            given[name] = tuple(tuple(each) for each in given[name])
        row["geometry"] = Geometry(**given)
    return Hit(**row)
