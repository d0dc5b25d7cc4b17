"""How good the answers about meaning are: words to pictures, and look-alikes, by the models that come along.

    python benchmarks/quality.py --photos DIR [--captions DIR] [--quick] [--json FILE] [--update-docs]

DIR holds labelled photographs with a `manifest.csv` whose folders `caltech101`, `corel1k` and `scene15` are
the sets; captioned ones are in `captions` beside it, with a `manifest.json`, unless named. Two questions are
asked of each set alone, the name of each of its classes and each of its pictures, and one of all: every
caption. Extraction is kept in the cache folder under the code that made it; everything else is made anew.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.evaluation import mean_average_precision, ranked_relevance, recall_at_k
from ambience.index._whitening import Whitening
from ambience.search.embedding import USUAL
from ambience.search.expansion import expanded
from methods import hamming
from quality_costs import Costs, costs
from quality_inputs import Collection, collection, features, kinds_with, one_thread, words_of
from report import Report, Table, command_of, finish
from word_methods import WordMethod, naive_conse, recipe, starter

PACKAGES = ("ambience", "numpy", "openvino", "tokenizers", "faiss-cpu", "pillow")
SETS = {"caltech101": "Caltech-101", "corel1k": "Corel", "scene15": "15 scenes"}
"""Folder → title; on the last one, and on no other, ways and constants were chosen."""

KS = (1, 5, 10)
SHUFFLES = 20
"""Random rankings whose mean is the figure of chance."""

Array = NDArray[Any]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class LabelledSet:
    """Pictures of one set, which are its whole gallery.

    Attributes:
        key: folder.
        places: of its pictures among all.
        labels: of its pictures.
    """

    key: str
    places: NDArray[np.int64]
    labels: NDArray[np.str_]


def labelled_sets(found: Collection) -> list[LabelledSet]:
    """Those of `SETS` that are there."""
    sets = [LabelledSet(key, found.places(key), found.labels(found.places(key))) for key in SETS]
    return [each for each in sets if len(each.places)]


# --- words ------------------------------------------------------------------------------------------------


def widened_scores(method: WordMethod, texts: Sequence[str], places: NDArray[np.int64]) -> Scores:
    """Scores of sentences that were widened by the nearest pictures (αQE), with the usual n and α."""
    pictures = method.pictures[places]
    return _widened(method.embed(texts), method.scores(texts, places), pictures) @ pictures.T


def name_map(score: Callable[[Sequence[str], NDArray[np.int64]], Scores], one: LabelledSet) -> float:
    """Mean average precision of the names of the classes; the gallery is that set."""
    names = sorted(set(one.labels.tolist()))
    scores = score([words_of(name) for name in names], one.places)
    return mean_average_precision(
        ranked_relevance(row, one.labels == name) for row, name in zip(scores, names, strict=True)
    )


def caption_recalls(
    score: Callable[[Sequence[str], NDArray[np.int64]], Scores], found: Collection
) -> dict[int, float]:
    """Share of captions whose picture is among the first k of all pictures."""
    everything = np.arange(len(found.photos))
    scores = score([text for text, _ in found.asked], everything)
    ranked = [
        ranked_relevance(row, everything == place)
        for row, (_, place) in zip(scores, found.asked, strict=True)
    ]
    return {k: float(np.mean([recall_at_k(each, k) for each in ranked])) for k in KS}


# --- look-alikes ------------------------------------------------------------------------------------------


def look_alike_map(scores: Scores, labels: NDArray[np.str_]) -> float:
    """Mean average precision of each picture asked for the others of its class; itself is no answer.

    Args:
        scores: (N, N), row by row what a picture scores against all.
        labels: (N,).
    """
    everything = np.arange(len(labels))
    return mean_average_precision(
        ranked_relevance(scores[place, others], labels[others] == labels[place])
        for place in everything
        if (labels == labels[place]).sum() > 1
        for others in [everything != place]
    )


def look_alike_scores(made: dict[str, Array], places: NDArray[np.int64]) -> dict[str, Scores]:
    """Scores of all pictures of a set against each other, by title of the way.

    Whitening is fitted to all pictures that there are, as to a library. Questions are widened as searches
    widen them: by the nearest of the whitened ones, as they were before.
    """
    import faiss

    pooled = _units(made["global_features"])
    one, meaning = pooled[places], _units(made["image_text_features"])[places]
    colors = np.ascontiguousarray(made["color"][places], np.float32)
    found = {
        "phash, 8 orientations": -hamming(made["phash"][places], made["phash"][places, 0]).astype(np.float32),
        "color": -faiss.pairwise_distances(colors, colors, metric=faiss.METRIC_L1),
        "image_text_features (starter)": meaning @ meaning.T,
        "global_features": one @ one.T,
    }
    found["global_features + αQE"] = _widened(one, _without_own(one @ one.T), one) @ one.T
    whitening = Whitening.fitted(pooled)
    if whitening is not None:
        white = _units(whitening.applied(one))
        found["global_features + whitening"] = white @ white.T
        asked = _widened(one, _without_own(white @ white.T), one)
        found["global_features + whitening + αQE"] = _units(whitening.applied(asked)) @ white.T
    return found


def _widened(queries: Array, scores: Scores, pictures: Array) -> NDArray[np.float32]:
    """Each query with the n pictures that score highest, by the product's own αQE."""
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, : USUAL.n]
    return np.stack(
        [
            expanded(query, pictures[places], USUAL.alpha)
            for query, places in zip(queries, nearest, strict=True)
        ]
    )


def _without_own(scores: Scores) -> Scores:
    hidden = scores.copy()
    np.fill_diagonal(hidden, -np.inf)
    return hidden


def _units(vectors: Array) -> NDArray[np.float32]:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12), np.float32)


# --- report -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Results:
    """All that was measured.

    Attributes:
        recalls: by title of the way, k → share; empty where nothing is captioned.
        names: by title of the way, set → mean average precision of class names.
        alike: by title of the way, set → mean average precision of look-alikes.
    """

    recalls: dict[str, dict[int, float]]
    names: dict[str, dict[str, float]]
    alike: dict[str, dict[str, float]]


CHANCE, WIDENED = "chance", "Ambience, starter + αQE"


def measured(found: Collection) -> tuple[Results, WordMethod]:
    """Every figure of quality, and our way from words to pictures."""
    made, models = features(found), one_thread()
    ours: Any = kinds_with(models)["image_text_features"]
    ways = [
        naive_conse(models, made["logits"]),
        recipe(models, made["logits"]),
        starter(ours, made["image_text_features"]),
    ]
    rng = np.random.default_rng(1)
    scorers: dict[str, Any] = {way.title: way.scores for way in ways}
    scorers[WIDENED] = lambda texts, places: widened_scores(ways[-1], texts, places)
    sets = labelled_sets(found)
    recalls: dict[str, dict[int, float]] = {}
    if found.asked:
        recalls[CHANCE] = {k: k / len(found.photos) for k in KS}
        recalls |= {title: caption_recalls(score, found) for title, score in scorers.items()}
    names = {CHANCE: {one.key: _chance(rng, lambda s, one=one: name_map(s, one)) for one in sets}}
    names |= {title: {one.key: name_map(score, one) for one in sets} for title, score in scorers.items()}
    alike: dict[str, dict[str, float]] = {}
    for one in sets:
        count = len(one.places)
        by_way = {"chance": rng.random((count, count), np.float32)} | look_alike_scores(made, one.places)
        for title, scores in by_way.items():
            alike.setdefault(title, {})[one.key] = look_alike_map(scores, one.labels)
    return Results(recalls, names, alike), ways[-1]


def _chance(rng: np.random.Generator, measure: Callable[[Any], float]) -> float:
    def score(texts: Sequence[str], places: NDArray[np.int64]) -> Scores:
        return rng.random((len(texts), len(places)), np.float32)

    return float(np.mean([measure(score) for _ in range(SHUFFLES)]))


def figures_of(results: Results, spent: Costs) -> dict[str, float]:
    """The one line at the end."""
    ours, naive = "Ambience, starter", "ConSE, naive"
    figures: dict[str, float] = {}
    if results.recalls:
        figures |= {f"starter_r{k}": results.recalls[ours][k] for k in KS}
        figures["starter_r10_over_naive"] = results.recalls[ours][10] / max(results.recalls[naive][10], 1e-9)
        figures["random_r10"] = results.recalls[CHANCE][10]
    for key, name in (("caltech101", "caltech"), ("corel1k", "corel")):
        if key in results.names[ours]:
            figures[f"starter_map_{name}"] = results.names[ours][key]
            figures[f"global_map_{name}"] = results.alike["global_features"][key]
            figures[f"global_map_{name}_aqe"] = results.alike["global_features + αQE"][key]
    figures |= {
        "starter_mb": spent.megabytes,
        "starter_cpu_ms": spent.picture_ms,
        "starter_text_query_ms": spent.text_query_ms,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def tables_of(results: Results, spent: Costs, pictures: int) -> list[Table]:
    """Captions, names of classes, look-alikes, costs."""
    tables = []
    if results.recalls:
        rows = [
            [title, *(f"{share:.4f}" if title == CHANCE else f"{share:.3f}" for share in each.values())]
            for title, each in results.recalls.items()
        ]
        columns = ("way", *(f"recall@{k}" for k in KS))
        tables.append(Table(f"A caption's picture among {pictures:,}", columns, rows))
    for title, by_way in (
        ("Mean average precision: the name of a class, asked of that set alone", results.names),
        ("Mean average precision: a picture, asked for the others of its class", results.alike),
    ):
        keys = list(next(iter(by_way.values())))
        rows = [[way, *(f"{values[key]:.3f}" for key in keys)] for way, values in by_way.items()]
        tables.append(Table(title, ("way", *(SETS[key] for key in keys)), rows))
    return [*tables, spent.table()]


def notes_of(found: Collection, sets: Sequence[LabelledSet]) -> list[str]:
    """What was measured, in sentences."""
    of_sets = ", ".join(
        f"{SETS[one.key]} {len(one.places)} in {len(set(one.labels.tolist()))} classes" for one in sets
    )
    captioned = len(found.places("captions"))
    return [
        f"{len(found.photos):,} photographs: {of_sets}; {captioned} captioned ones with "
        f"{len(found.asked):,} captions; the others only make it harder. Whitening is fitted to all of them; "
        f"αQE with n = {USUAL.n}, α = {USUAL.alpha:g}; a tie counts against the way."
    ]


def run(arguments: argparse.Namespace) -> Report:
    """Measures everything."""
    captions = arguments.captions or arguments.photos.parent / "captions"
    found = collection(
        arguments.photos,
        captions if (captions / "manifest.json").is_file() else None,
        is_quick=arguments.quick,
    )
    sets = labelled_sets(found)
    if not sets:
        raise SystemExit(
            f"{arguments.photos} holds none of the labelled sets {', '.join(SETS)}; name a folder with a "
            "manifest.csv (columns path and label) that does"
        )
    results, ours = measured(found)
    spent = costs(found, ours.pictures, is_quick=arguments.quick)
    return Report(
        name="quality",
        command=command_of("quality", arguments.photos, is_quick=arguments.quick),
        figures=figures_of(results, spent),
        parameters={"photos": arguments.photos.resolve().name, "is_quick": arguments.quick},
        packages=PACKAGES,
        tables=tables_of(results, spent, len(found.photos)),
        notes=notes_of(found, sets),
        details={"recalls": results.recalls, "names": results.names, "alike": results.alike},
    )


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of labelled photographs")
    parser.add_argument("--captions", type=Path, help="folder of captioned ones; by default beside it")
    parser.add_argument("--quick", action="store_true", help="a few pictures of each class")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    arguments = parser.parse_args()
    finish(run(arguments), update_docs=arguments.update_docs, json_file=arguments.json)


if __name__ == "__main__":
    main()
