"""Every model with what people want to know of it: for `ambience models list`, `/v1/models` and the docs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ambience.datatypes import FeatureSpec
from ambience.models.catalog import CATALOG, ModelRow, model_row
from ambience.models.folder import ModelFolder

MAKES = {
    "image_text_embedding": "pictures, words",
    "image_embedding": "pictures",
    "text_embedding": "words",
    "patch_descriptor": "local features",
    "scene_classes": "tags",
    "scene_attributes": "tags",
    "ocr": "text in pictures",
    "caption": "captions",
}
"""By task: what is found by it, or made by it."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model.

    Attributes:
        name: by which commands and settings know it.
        title: one line.
        task: of its row.
        makes: what is found by it, in a word or two.
        size: bytes of its files, of those of its parts as well.
        is_size_exact: False where nobody states them to the byte.
        licence: SPDX name, of the weights.
        dim: numbers that it answers.
        source: where it is published; "" where it comes with Ambience.
        is_installed: whether it is on this machine.
        comes_with_ambience: whether Python packages carry it that Ambience requires.
        used_by: kinds that ask for it, by itself or as a part of another.
        parts: other models that it is made of.
        note: what people must know before they rely on it.
    """

    name: str
    title: str
    task: str
    makes: str
    size: int
    is_size_exact: bool
    licence: str
    dim: int
    source: str
    is_installed: bool
    comes_with_ambience: bool
    used_by: tuple[str, ...]
    parts: tuple[str, ...]
    note: str


def model_infos(
    folder: ModelFolder, specs: Iterable[FeatureSpec], catalog: Mapping[str, ModelRow] = CATALOG
) -> list[ModelInfo]:
    """Every model of the catalog.

    Args:
        folder: of all models.
        specs: of the kinds that are made, which name their models.
        catalog: of models.

    Returns:
        In the order of the catalog.
    """
    used: dict[str, list[str]] = {}
    for spec in specs:
        if spec.model in catalog:
            for row in with_parts(catalog[spec.model], catalog):
                used.setdefault(row.name, []).append(spec.kind)
    return [_info(row, folder, tuple(used.get(row.name, ())), catalog) for row in catalog.values()]


def with_parts(row: ModelRow, catalog: Mapping[str, ModelRow] = CATALOG) -> tuple[ModelRow, ...]:
    """A model and the models that it is made of."""
    return (row, *(model_row(name, catalog) for name in row.parts))


def _info(
    row: ModelRow, folder: ModelFolder, used_by: tuple[str, ...], catalog: Mapping[str, ModelRow]
) -> ModelInfo:
    rows = with_parts(row, catalog)
    files = [file for each in rows for file in each.files]
    return ModelInfo(
        name=row.name,
        title=row.title,
        task=row.task,
        makes=MAKES[row.task],
        size=sum(each.size for each in rows),
        is_size_exact=all(each.is_size_exact for each in rows),
        licence=row.licence,
        dim=row.dim,
        source=row.source,
        is_installed=all(folder.is_installed(each) for each in rows),
        comes_with_ambience=all(file.package for file in files),
        used_by=used_by,
        parts=row.parts,
        note=row.note,
    )
