"""The original's recipe for local features over the same descriptors, at a size that it can hold.

faiss `OPQ64,IVF√n,PQ64`, nprobe 16, five neighbors of each descriptor, images by their number of neighbors,
as the original answers by default (its matching and its RANSAC are off until asked for). Its lookups, one
query of a table for each neighbor, are not done here: `lookups.py` says how many a second its database
answers. Run in a process of its own, so that its memory can be told.
"""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.keypoints import unpack
from local_building import Memory, Pictures, memory

NPROBE, NEIGHBORS = 16, 5
SAMPLE_PICTURES = 1000
"""Pictures whose descriptors train it, for every million descriptors held."""
GROUP = 1000


def measure(
    pictures: Pictures, count: int, queries: Sequence[NDArray[np.uint8]], true: Sequence[int]
) -> dict[str, Any]:
    """Trains, fills and asks it.

    Args:
        pictures: image n + 1 is picture n.
        count: of pictures.
        queries: (N, 128) descriptors of each query.
        true: image that each is cut from.

    Returns:
        Seconds to train, to fill, and of a query; recall@1; bytes of memory.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    before = memory()["Anonymous"]
    with Memory() as used:
        sample = _joined(pictures, np.linspace(0, count - 1, min(count, _sample(count))).astype(int).tolist())
        lists = math.isqrt(count * len(sample) // min(count, _sample(count)))
        start = time.perf_counter()
        index = faiss.index_factory(128, f"OPQ64,IVF{lists},PQ64")
        index.train(sample)
        train_s = time.perf_counter() - start
        del sample
        start = time.perf_counter()
        owners = np.concatenate(
            [_add(index, pictures, first, min(first + GROUP, count)) for first in range(0, count, GROUP)]
        )
        fill_s = time.perf_counter() - start
    faiss.ParameterSpace().set_index_parameter(index, "nprobe", NPROBE)
    taken, hits = [], []
    for query, image in zip(queries, true, strict=True):
        start = time.perf_counter()
        _, found = index.search(query.astype(np.float32) / 512, NEIGHBORS)
        votes = np.bincount(owners[found[found >= 0]], minlength=1)
        taken.append(time.perf_counter() - start)
        hits.append(int(votes.argmax()) == image)
    return {
        "points": len(owners),
        "lists": lists,
        "train_s": train_s,
        "fill_s": fill_s,
        "p50_s": statistics.median(taken),
        "neighbors": NEIGHBORS * statistics.fmean(len(query) for query in queries),
        "recall": float(np.mean(hits)),
        "memory": memory()["Anonymous"] - before,
        "peak": used.anonymous,
    }


def _sample(count: int) -> int:
    """Pictures to train with: all of a small collection, 64 descriptors a list of a large one."""
    return max(SAMPLE_PICTURES, math.isqrt(count * 250) * 64 // 250)


def _joined(pictures: Pictures, numbers: Sequence[int]) -> NDArray[np.float32]:
    """Descriptors of some pictures, of length 1."""
    blobs = (blob for number in numbers for blob in pictures.blobs(number, number + 1))
    found = [unpack(blob).descriptors for blob in blobs if blob is not None]
    return np.concatenate(found).astype(np.float32) / 512


def _add(index: Any, pictures: Pictures, first: int, stop: int) -> NDArray[np.int32]:
    """Adds pictures `first` … `stop`; the image id of each point."""
    found = [
        (image, unpack(blob).descriptors)
        for image, blob in enumerate(pictures.blobs(first, stop), start=first + 1)
        if blob is not None
    ]
    index.add(np.concatenate([each for _, each in found]).astype(np.float32) / 512)
    return np.repeat([image for image, _ in found], [len(each) for _, each in found]).astype(np.int32)
