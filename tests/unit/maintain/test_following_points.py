"""An index of points that follows the store: trained when it has grown, mapped from snapshots."""

from typing import Any

import numpy as np

from ambience.datatypes import Feature, FeatureState, ImageDraft
from ambience.extract.local_features import LocalFeatures
from ambience.index.descriptors import DescriptorIndex, DescriptorOptions
from ambience.keypoints import unpack
from ambience.maintain import LiveIndex
from ambience.store.base import FeatureDraft, PutImage, RemoveImage
from support.points_oracle import blobs_of
from support.workshop import OpenWorkshop, Workshop

OPTIONS = DescriptorOptions(train_from=20, probes=16, compile_from=10**15, exact_below=0)


def picture(workshop: Workshop, seed: int) -> PutImage:
    """An image with 30 descriptors of random content."""
    drawn = np.random.default_rng(seed).dirichlet(np.full(128, 0.3), 30)
    rows = np.minimum(np.sqrt(drawn) * 512, 255).astype(np.uint8)
    feature = Feature(blobs_of(rows, np.array([30]))[0])
    (spec,) = workshop.specs.values()
    draft = ImageDraft(seed.to_bytes(32, "big"), 1, f"{seed}.jpg", f"/nowhere/{seed}.jpg", 1)
    return PutImage(
        draft, {spec.kind: FeatureDraft(spec.fingerprint, FeatureState.DONE, feature)}, None, replaces=False
    )


def live_index(workshop: Workshop) -> LiveIndex:
    """An index of points that hears of each commit."""
    (spec,) = workshop.specs.values()
    live = LiveIndex(
        workshop.store,
        spec,
        DescriptorIndex,
        OPTIONS,
        workshop.folder / "index" / spec.fingerprint,
        settings=workshop.settings.index,
        is_writer=True,
    )
    workshop.store.on_commit.append(live.catch_up)
    return live


def found(workshop: Workshop, live: LiveIndex) -> list[bool]:
    """Of every stored feature, whether its descriptors find it first."""
    (spec,) = workshop.specs.values()
    ids = workshop.store.records.all_feature_ids(spec.fingerprint)
    blobs = workshop.store.features.get(spec, ids)[0]
    nearest = [live.search(unpack(blob).descriptors, 1).ids[:, 0] // 512 for blob in blobs]
    assert live.ids().tolist() == ids.tolist()
    return [bool(np.mean(each == feature_id) > 0.9) for each, feature_id in zip(nearest, ids, strict=True)]


def local_features() -> dict[str, Any]:
    return {"local_features": LocalFeatures(LocalFeatures.options_class())}


def test_it_is_trained_saved_and_reopened_while_pictures_come_and_go(open_workshop: OpenWorkshop) -> None:
    workshop = open_workshop(extractors=local_features())
    live = live_index(workshop)
    live.open()
    made = [each.image_id for each in workshop.store.commit([picture(workshop, n) for n in range(30)])]
    assert live.is_outgrown() and all(found(workshop, live))
    assert live.rebuild()
    assert not live.is_outgrown() and all(found(workshop, live))
    live.snapshot()
    workshop.store.commit([RemoveImage(made[4]), picture(workshop, 100)])
    assert all(found(workshop, live))
    live.snapshot()
    again = live_index(workshop)
    assert again.open() is None and not again.needs_rebuild
    workshop.store.commit([RemoveImage(made[5]), picture(workshop, 101)])
    for each in (live, again):
        assert len(each) == 30 and all(found(workshop, each))
