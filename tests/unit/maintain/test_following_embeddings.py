"""An index of embeddings that follows the store: trained and whitened meanwhile, mapped from snapshots."""

from typing import Any

import numpy as np
import pytest

from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageDraft, PixelNeed
from ambience.index._whitening import Whitening
from ambience.index.embedding import EmbeddingIndex, EmbeddingOptions
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.maintain import LiveIndex
from ambience.settings import IndexSettings
from ambience.store.base import FeatureDraft, PutImage, RemoveImage
from support.workshop import OpenWorkshop, Workshop, wait_for

DIM = 24
COUNT = 1200
SPEC = FeatureSpec("toy", "toy", DIM, "float16", "cosine", 1, 1)
WHITENED = EmbeddingOptions(train_from=100, whitening=True, probes=200)


class Embeddings:
    """A kind whose embeddings are handed in: it extracts nothing."""

    spec = SPEC
    need = PixelNeed(longest_side=32)


def vectors(count: int, seed: int = 0) -> Any:
    """Around a few places, spread along few directions, so that whitening changes who is near."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, DIM + 1) ** -1.0
    places = np.random.default_rng(99).normal(size=(12, DIM)) * scales + 0.3
    return (places[rng.integers(0, 12, count)] + rng.normal(size=(count, DIM)) * scales).astype(np.float16)


def commit(workshop: Workshop, rows: Any, first: int = 1) -> None:
    """Images of these embeddings, numbered from `first` on."""
    workshop.store.commit(
        [
            PutImage(
                ImageDraft(number.to_bytes(32, "big"), 1, f"{number}.jpg", f"/nowhere/{number}.jpg", 1),
                {"toy": FeatureDraft(SPEC.fingerprint, FeatureState.DONE, Feature(row))},
                image_id=number,
            )
            for number, row in enumerate(rows, start=first)
        ]
    )


def opened(open_workshop: OpenWorkshop, options: EmbeddingOptions = WHITENED) -> tuple[Workshop, LiveIndex]:
    """A library of one kind, and its index."""
    workshop = open_workshop(extractors={"toy": Embeddings()}, index=IndexSettings(snapshot_interval_s=0))
    live = workshop.live_index("toy", engine=EmbeddingIndex, options=options)
    live.open()
    return workshop, live


def oracle(ids: Any, rows: Any) -> ExactIndex:
    exact = ExactIndex(SPEC, ExactOptions())
    exact.add(ids, rows)
    return exact


def test_it_is_trained_and_whitened_in_the_background_while_it_answers(open_workshop: OpenWorkshop) -> None:
    workshop, live = opened(open_workshop)
    rows, queries = vectors(COUNT), vectors(8, seed=1)
    commit(workshop, rows)
    ids = live.ids()
    plain = oracle(ids, rows)
    assert np.array_equal(live.search(queries, 10).ids, plain.search(queries, 10).ids)
    assert live.is_outgrown() and "without whitening" in live.note

    maintenance = workshop.maintenance()
    maintenance.start()
    while live.is_outgrown():  # whichever of the two serves, the answer is whole
        assert (live.search(queries, 10).ids >= 0).all()
    wait_for(lambda: not workshop.store.records.jobs(unfinished=True) and not live.is_changed)
    maintenance.stop()

    whitening = Whitening.fitted(rows, expected=COUNT)
    assert whitening is not None and live.note == ""
    true = oracle(ids, whitening.applied(rows)).search(whitening.applied(queries), 10).ids
    found = live.search(queries, 10).ids
    assert np.mean([np.isin(*pair).mean() for pair in zip(true, found, strict=True)]) > 0.95
    assert not np.array_equal(found, plain.search(queries, 10).ids)
    assert [(job.name, job.state) for job in workshop.store.records.jobs()] == [("train", "done")]


def test_a_trained_index_goes_on_from_its_snapshot(open_workshop: OpenWorkshop) -> None:
    workshop, live = opened(open_workshop)
    commit(workshop, vectors(COUNT))
    assert live.rebuild()
    live.snapshot()
    more = vectors(3, seed=5)
    workshop.store.commit([RemoveImage(7)])
    commit(workshop, more, first=COUNT + 1)
    again = workshop.live_index("toy", engine=EmbeddingIndex, options=WHITENED)
    assert again.open() is None and not again.needs_rebuild
    for each in (live, again):
        assert len(each) == COUNT + 2 and each.note == ""
        assert each.search(more, 1).distances.max() == 0
    assert np.array_equal(live.search(more, 10).ids, again.search(more, 10).ids)


@pytest.mark.parametrize("count", [3, 300])
def test_too_few_to_be_whitened_is_said(count: int, open_workshop: OpenWorkshop) -> None:
    workshop, live = opened(open_workshop)
    commit(workshop, vectors(count))
    assert live.rebuild()
    assert live.note == (
        f"searched without whitening, which is fitted to 1,000 vectors or more; it has {count}"
    )
    assert len(live.search(vectors(1), 3).ids[0]) == 3
