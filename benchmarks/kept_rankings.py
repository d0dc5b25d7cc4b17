"""What every kind answers to labelled queries: asked once, kept, and merged as often as one likes.

Used by `tools/fit_calibration.py`. Rankings are kept in the cache folder under the code
that extracts and searches, so that what merges them may change without asking again.
"""

import hashlib
import json
import os
import shutil
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
    keys = "".join(sorted(material.files)) + "".join(_key(query) for query in material.queries)
    stamp = hashlib.sha256(json.dumps([code, keys, versions(PACKAGES)]).encode()).hexdigest()[:16]
    folder = cache_folder("labelled-pairs") / f"{name}-{stamp}"
    folder.mkdir(exist_ok=True)
    if not (folder / "ready").is_file():
        _ask_all(material, folder)
    specs = _specs()
    header = json.loads((folder / "library.json").read_text(encoding="utf-8"))
    lines = (folder / "rankings.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [
        _answered(query, json.loads(line)) for query, line in zip(material.queries, lines, strict=True)
    ]
    return Asked(header, [material.labels.get(key, "") for key in header], specs, answers)


def _key(query: Labelled) -> str:
    return hashlib.sha256(query.data).hexdigest()[:16] + query.own[:8]


def _specs() -> "Mapping[str, FeatureSpec]":
    from ambience.making import make_extractors
    from ambience.settings_sources import load_settings

    return {kind: each.spec for kind, each in make_extractors(load_settings(environment={})).items()}


def _ask_all(material: Material, folder: Path) -> None:
    import ambience
    from ambience.settings_sources import load_settings

    silent = {name: {"enabled": False} for name in ("caption", "tags", "text")}
    settings = load_settings(environment={})
    settings = replace(settings, annotate=silent)
    if not (folder / "added").is_file():
        shutil.rmtree(folder / "library", ignore_errors=True)
        with ambience.open(folder / "library", settings=settings, writer=True) as made:
            report = made.add_paths(list(material.files.values()))
            if report.failed:
                raise RuntimeError(f"{report.failed} pictures could not be added")
        (folder / "added").touch()
    with ambience.open(folder / "library", settings=settings) as library:
        records = library.list_images(limit=1_000_000)
        places = {record.image_id: place for place, record in enumerate(records)}
        (folder / "library.json").write_text(json.dumps([record.sha256.hex() for record in records]))
        same = {record.sha256.hex(): place for place, record in enumerate(records)}
        view = library._parts.spaces.view
        kept = folder / "rankings.jsonl"
        done = len(kept.read_text(encoding="utf-8").splitlines()) if kept.is_file() else 0
        with kept.open("a", encoding="utf-8") as file:
            for number, query in enumerate(material.queries[done:], done):
                file.write(json.dumps(_rankings(view, query, places, same)) + "\n")
                file.flush()
                if number % 10 == 0:
                    print(f"\r{folder.name}: {number} of {len(material.queries)}", end="", file=sys.stderr)
    (folder / "ready").touch()


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
