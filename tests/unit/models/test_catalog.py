"""Rows of the catalog agree with themselves: files, towers, tokenizers, addresses."""

import re

import pytest

from ambience.models.catalog import CATALOG, ModelRow
from ambience.models.hub_rows import DEFAULT_WITH_HUB, HUB_ROWS
from ambience.models.row import ModelFile

ROWS = pytest.mark.parametrize("row", CATALOG.values(), ids=CATALOG.keys())


@ROWS
def test_files_are_named_sized_and_had_somewhere(row: ModelRow) -> None:
    assert CATALOG[row.name] is row
    assert row.licence
    assert row.dim > 0 or row.task == "ocr"
    assert set(row.parts) <= CATALOG.keys()
    for file in row.files:
        assert file.size > 0
        assert ".." not in file.name.split("/")
        assert not file.name.startswith("/")
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert bool(file.package or row.wheel or row.addresses(file)) != bool(row.made_by)
        for address in row.addresses(file):
            assert address.startswith("https://") or file.sha256 is not None, "http can be forged"
    assert row.is_size_exact is all(file.is_size_exact for file in row.files)
    assert row.files or row.parts


@ROWS
def test_graphs_and_tokenizers_are_among_the_files(row: ModelRow) -> None:
    names = {file.name for file in row.files}
    towers = [tower for tower in (row.image, row.text) if tower is not None]
    if not row.parts:
        assert {tower.file for tower in towers} <= names
    if row.image is not None:
        assert row.pixels is not None
        assert row.pixels.size == row.input_size
        assert row.pixels.resize in (0, *range(row.pixels.size, 2 * row.pixels.size))
    if row.text is not None and row.tokens is not None:
        assert row.tokens.context > 2
        assert row.parts or row.tokens.file in names | {""}


@pytest.mark.parametrize("row", HUB_ROWS, ids=[row.name for row in HUB_ROWS])
def test_files_of_the_hub_stay_those_that_were_looked_at(row: ModelRow) -> None:
    """Where not even the commit is named, the hub may change it; then neither size nor sha256 is stated."""
    for file in row.files:
        revision = file.revision if file.repository else row.revision
        is_pinned = re.fullmatch(r"[0-9a-f]{40}", revision) is not None
        assert is_pinned or (file.sha256 is None and not file.is_size_exact)


def test_the_default_finds_pictures_by_words() -> None:
    row = CATALOG[DEFAULT_WITH_HUB]
    assert row.task == "image_text_embedding"
    assert row.image is not None
    assert row.text is not None


def test_a_mirror_takes_the_place_of_the_hub_alone() -> None:
    row = CATALOG["datacomp-b32-256"]
    addresses = [row.addresses(file, "https://mirror.example")[0] for file in row.files]
    assert addresses[0] == (
        "https://mirror.example/yurijmikhalevich/rclip-models/resolve/17b9d07433aad73f70d338d8a1c7a4cef83887e0/"
        "ViT-B-32-256-datacomp_s34b_b86k/visual.onnx"
    )
    assert addresses[2] == (
        "https://mirror.example/laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K/resolve/"
        "4afec35ffe57a943d569ff7ee888061830164da8/tokenizer.json"
    )
    sscd = CATALOG["sscd-disc"]
    assert sscd.addresses(sscd.files[0], "https://mirror.example")[0].startswith(
        "https://dl.fbaipublicfiles.com/"
    )
    elsewhere = ModelFile("a", 1, None, elsewhere=("https://a.example/a",))
    assert row.addresses(elsewhere)[1:] == ("https://a.example/a",)
