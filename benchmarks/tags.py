"""How often tags are right, at the default thresholds, and what they cost.

    python benchmarks/tags.py --photos DIR [--quick] [--json FILE] [--update-docs]

DIR holds labelled photographs with a `manifest.csv`. Half A of them (by their sha256) chooses a threshold by
the rule below, half B is reported. A tag counts as right where it names the photograph's label, and as wrong
else, whatever the photograph shows besides: so what is right is more than what is counted. Extraction is kept
in the cache folder, as `quality.py` keeps it.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.annotate._vocabularies import built_in
from ambience.annotate._word_tags import SCALES, STARTER, word_scores
from ambience.annotate.tags import TagsOptions
from ambience.models.catalog import CATALOG
from ambience.models.folder import ModelFolder
from ambience.models.graphs import resnet_classes, wide_resnet
from ambience.models.preparation import prepared
from ambience.models.processor import ProcessorEngine
from ambience.models.starter import Starter, class_names
from ambience.settings import ModelSettings
from quality_inputs import (
    Collection,
    collection,
    decoded,
    decoder_for,
    features,
    kinds_with,
    one_thread,
    words_of,
)
from report import Report, Table, command_of, finish

PACKAGES = ("ambience", "numpy", "openvino", "pillow")
SETS = {"caltech101": "Caltech-101", "imagenet1k": "ImageNet", "corel1k": "Corel", "scene15": "15 scenes"}
STEPS = np.arange(0.05, 0.96, 0.05)
WANTED = 0.8
"""The threshold is the lowest step at which so large a share of the tags on half A name the label."""

COST_PICTURES, QUICK_COST = 40, 8

Array = NDArray[Any]


@dataclass(frozen=True)
class Way:
    """One source of tags.

    Attributes:
        title: for people.
        scores: (N, W) of all photographs.
        right: by label, the columns that name it.
        default: threshold of the product.
    """

    title: str
    scores: Array
    right: Mapping[str, Sequence[int]]
    default: float


@dataclass(frozen=True)
class Counted:
    """What was counted of one set.

    Attributes:
        photos: whose label the source can name.
        tags: that they were given.
        precision: share of the tags that name the label.
        recall: share of the photos that one of their tags names.
    """

    photos: int
    tags: int
    precision: float
    recall: float


def counted(way: Way, labels: Sequence[str], places: Sequence[int], threshold: float) -> Counted:
    """Tags over a threshold, of those photographs whose label the source can name.

    Args:
        way: the source.
        labels: of all photographs.
        places: of those that are looked at.
        threshold: of the score.
    """
    known = [place for place in places if way.right.get(labels[place])]
    tags = named = hits = 0
    for place in known:
        given = np.flatnonzero(way.scores[place] > threshold)
        right = np.isin(given, way.right[labels[place]])
        tags, hits, named = tags + len(given), hits + int(right.sum()), named + bool(right.any())
    return Counted(len(known), tags, hits / max(tags, 1), named / max(len(known), 1))


def chosen_threshold(way: Way, labels: Sequence[str], places: Sequence[int]) -> float:
    """The lowest step at which enough tags are right; 1 where none is."""
    for step in STEPS:
        if counted(way, labels, places, float(step)).precision >= WANTED:
            return round(float(step), 2)
    return 1.0


def named_by(label: str, names: Sequence[Sequence[str]]) -> list[int]:
    """Which of several entries name a label: one of their names is the label, or ends with it.

    A label's plural counts as its singular: `elephants` is named by "African elephant".
    """
    words = words_of(label)
    asked = {words, _singular(words)}
    return [
        place
        for place, each in enumerate(names)
        if any(name.lower() == one or name.lower().endswith(f" {one}") for name in each for one in asked)
    ]


def _singular(words: str) -> str:
    if words.endswith("ses"):
        return words[:-2]
    return words[:-1] if words.endswith("s") and not words.endswith("ss") else words


def ways_of(found: Collection, made: Mapping[str, Array]) -> list[Way]:
    """The starter's classes, and the words of two lists."""
    options = TagsOptions()
    starter = one_thread().embedder(STARTER)
    assert isinstance(starter, Starter)
    names = class_names(starter.row, ModelFolder.at(None).files(starter.row))
    labels = sorted({photo.label for photo in found.photos})
    logits = made["logits"].astype(np.float32)
    heights = np.exp(logits - logits.max(axis=2, keepdims=True))
    shares = (heights / heights.sum(axis=2, keepdims=True)).mean(axis=1)
    ways = [
        Way(
            "the starter's classes",
            shares,
            {label: named_by(label, names) for label in labels},
            options.starter_threshold,
        )
    ]
    reference = starter.embed_texts(built_in("general").words).embeddings
    own = sorted({words_of(label) for label in labels if label})
    for title, words in (
        ("list `general`", built_in("general").words),
        (f"a list of {len(own)} labels", own),
    ):
        vectors = starter.embed_texts(words).embeddings
        scores = word_scores(made["image_text_features"], vectors, reference, SCALES[STARTER])
        right = {
            label: [
                n
                for n, word in enumerate(words)
                if word.lower() in (words_of(label), _singular(words_of(label)))
            ]
            for label in labels
        }
        ways.append(Way(title, scores, right, options.vocabulary_threshold))
    return ways


def halves(found: Collection) -> tuple[list[int], list[int]]:
    """Places of the photographs that choose, and of those that are reported."""
    is_odd = [int(photo.key[:8], 16) % 2 == 1 for photo in found.photos]
    return [n for n, odd in enumerate(is_odd) if odd], [n for n, odd in enumerate(is_odd) if not odd]


def precision_tables(found: Collection, ways: Sequence[Way]) -> tuple[list[Table], dict[str, float]]:
    """Rows by source and set on half B at the default thresholds; and figures."""
    labels = [photo.label for photo in found.photos]
    choosing, reported = halves(found)
    rows, figures, chosen_rows = [], {}, []
    for key, way in zip(("starter", "general", "labels"), ways, strict=True):
        for source, title in {**SETS, "": "all"}.items():
            places = [n for n in reported if found.sources[n] == source or not source]
            one = counted(way, labels, places, way.default)
            rows.append(
                [f"{way.title}, {title}", one.photos, one.tags, f"{one.precision:.3f}", f"{one.recall:.3f}"]
            )
            if not source:
                figures |= {f"{key}_precision": one.precision, f"{key}_recall": one.recall}
        threshold = chosen_threshold(way, labels, choosing)
        one, other = (counted(way, labels, half, threshold) for half in (choosing, reported))
        chosen_rows.append(
            [
                way.title,
                way.default,
                threshold,
                f"{one.precision:.3f}",
                f"{other.precision:.3f}",
                f"{other.recall:.3f}",
            ]
        )
        figures[f"{key}_chosen_threshold"] = threshold
    columns = ("source, set", "photos whose label it can name", "tags", "name the label", "photos named")
    chosen = ("source", "default", "chosen on half A", "right on A", "right on B", "photos of B named")
    return [
        Table("Tags on half B at the default thresholds", columns, rows),
        Table(
            f"Thresholds: the lowest at which {WANTED:.0%} of the tags on half A name the label",
            chosen,
            chosen_rows,
        ),
    ], {name: round(value, 4) for name, value in figures.items()}


# --- costs ------------------------------------------------------------------------------------------------


def cost_table(found: Collection, made: Mapping[str, Array], count: int) -> tuple[Table, dict[str, float]]:
    """Processor time of one picture on one thread, medians; scene networks have random weights."""
    kinds = kinds_with(one_thread())
    decoder = decoder_for(kinds)
    chosen = [found.photos[place] for place in np.linspace(0, len(found.photos) - 1, count).astype(int)]
    pictures = [decoded(photo, decoder).rgb for photo in chosen]
    decoder.close()
    starter = one_thread().embedder(STARTER)
    assert isinstance(starter, Starter)
    words = starter.embed_texts(built_in("general").words).embeddings
    stored = made["image_text_features"]
    costs = {
        "the starter's classes": _median_ms([_look(starter, rgb) for rgb in pictures]),
        "words of `general`, of a stored embedding": _median_ms(
            [lambda row=row: word_scores(row[None], words, words, SCALES[STARTER]) for row in stored[:count]]
        ),
    }
    for name in ("places365-resnet50", "places365-wideresnet18"):
        engine, pixels = random_network(name), CATALOG[name].pixels
        assert pixels is not None
        costs[f"{name}, random weights"] = _median_ms(
            [lambda rgb=rgb, e=engine, p=pixels: e.run([prepared([rgb], p)]) for rgb in pictures]
        )
    figures = {
        "starter_ms": round(costs["the starter's classes"], 2),
        "stored_words_ms": round(costs["words of `general`, of a stored embedding"], 3),
        "resnet50_ms": round(costs["places365-resnet50, random weights"], 1),
        "wideresnet18_ms": round(costs["places365-wideresnet18, random weights"], 1),
    }
    rows = [[title, f"{value:.2f}"] for title, value in costs.items()]
    return Table(
        "What tags cost a decoded picture (processor time, one thread, medians)", ("", "ms"), rows
    ), figures


def _look(starter: Starter, rgb: Array) -> Callable[[], object]:
    return lambda: starter.class_shares([rgb.copy()])  # what is in memory is looked at once


def _median_ms(calls: Sequence[Callable[[], object]]) -> float:
    calls[0]()
    spent = []
    for call in calls:
        start = time.process_time()
        call()
        spent.append((time.process_time() - start) * 1e3)
    return statistics.median(spent)


def random_network(name: str) -> ProcessorEngine:
    """A scene network of the real size, with random weights."""
    row = CATALOG[name]
    rng = np.random.default_rng(1)
    is_wide = name == "places365-wideresnet18"
    shapes = _wide_shapes() if is_wide else _resnet50_shapes()
    shapes |= {"fc.weight": (365, 512 if is_wide else 2048), "fc.bias": (365,)}
    weights: dict[str, Array] = {each: _random(rng, each, shape) for each, shape in shapes.items()}
    if is_wide:
        weights["matrix"] = rng.standard_normal((102, 512))
    graph: Any = (wide_resnet if is_wide else resnet_classes).build(row, weights)
    assert row.pixels is not None
    graph.reshape([1, 3, row.pixels.size, row.pixels.size])
    return ProcessorEngine(graph, ModelSettings(threads=1))


def _random(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    if len(shape) == 1:
        return np.ones(shape, np.float32) if name.endswith(("weight", "var")) else np.zeros(shape, np.float32)
    return (rng.standard_normal(shape, np.float32) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def _norm(at: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{at}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def _resnet50_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **_norm("bn1", 64)}
    coming = 64
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        inner, going = 32 * 2**stage, 128 * 2**stage
        for block in range(blocks):
            at = f"layer{stage}.{block}."
            layers = (("1", (inner, coming, 1, 1)), ("2", (inner, inner, 3, 3)), ("3", (going, inner, 1, 1)))
            for number, shape in layers:
                shapes |= {f"{at}conv{number}.weight": shape, **_norm(f"{at}bn{number}", shape[0])}
            if block == 0:
                shapes |= {
                    f"{at}downsample.0.weight": (going, coming, 1, 1),
                    **_norm(f"{at}downsample.1", going),
                }
            coming = going
    return shapes


def _wide_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **_norm("bn1", 64)}
    coming = 64
    for stage in (1, 2, 3, 4):
        going = 32 * 2**stage
        for block in (0, 1):
            at = f"layer{stage}.{block}."
            for number, entering in (("1", coming), ("2", going)):
                shapes |= {
                    f"{at}conv{number}.weight": (going, entering, 3, 3),
                    **_norm(f"{at}bn{number}", going),
                }
            if block == 0 and stage > 1:
                shapes |= {
                    f"{at}downsample.0.weight": (going, coming, 1, 1),
                    **_norm(f"{at}downsample.1", going),
                }
            coming = going
    return shapes


def run(arguments: argparse.Namespace) -> Report:
    """Measures everything."""
    found = collection(arguments.photos, None, is_quick=arguments.quick)
    made = features(found)
    tables, figures = precision_tables(found, ways_of(found, made))
    costs, spent = cost_table(found, made, QUICK_COST if arguments.quick else COST_PICTURES)
    _, reported = halves(found)
    return Report(
        name="tags",
        command=command_of("tags", arguments.photos, is_quick=arguments.quick),
        figures=figures | spent,
        parameters={"photos": arguments.photos.resolve().name, "is_quick": arguments.quick},
        packages=PACKAGES,
        tables=[*tables, costs],
        notes=[
            f"{len(found.photos):,} photographs, {len(reported):,} of them half B. A tag that is true of the "
            "photograph but is not its label counts as wrong. The weights of Places365 could not be had "
            "where this was measured: its networks stand here for their cost alone."
        ],
    )


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of labelled photographs")
    parser.add_argument("--quick", action="store_true", help="a few pictures of each class")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    arguments = parser.parse_args()
    finish(run(arguments), update_docs=arguments.update_docs, json_file=arguments.json)


if __name__ == "__main__":
    main()
