"""Many pictures cut into requests of some dozens."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ambience.client.pictures import NewImage, Picture, name_of

BATCH_FILES = 50
BATCH_BYTES = 64 * 2**20


def batches_of(images: Iterable[NewImage | Picture]) -> Iterator[list[NewImage]]:
    """Pictures in groups that one request holds each.

    Args:
        images: any number.

    Yields:
        At most `BATCH_FILES` of at most `BATCH_BYTES` together, or a single larger one.
    """
    batch: list[NewImage] = []
    total = 0
    for each in images:
        image = each if isinstance(each, NewImage) else NewImage(each)
        if batch and (len(batch) == BATCH_FILES or total + image.size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(image)
        total += image.size
    if batch:
        yield batch


def items_of(batch: Sequence[NewImage]) -> list[dict[str, Any]]:
    """What is said of each picture of a group."""
    return [_item(each) for each in batch]


def _item(image: NewImage) -> dict[str, Any]:
    said = {
        "name": image.name or name_of(image.picture) or None,
        "image_id": image.image_id,
        "tags": list(image.tags) or None,
    }
    return {name: value for name, value in said.items() if value is not None}
