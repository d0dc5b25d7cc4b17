"""Rows of the catalog, for small networks of their architectures."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ambience.models.catalog import CATALOG
from ambience.models.row import ModelRow
from support.tiny_networks import CONTEXT, DIM, GOLDEN, SIDE, contents


def tiny(name: str) -> ModelRow:
    """The row of a small network: that of the catalog, but for sizes."""
    row = CATALOG[name]
    assert row.pixels is not None
    side = SIDE * 2 if name == "sscd-disc" else SIDE
    resize = SIDE * 8 // 7 if row.pixels.resize else 0
    pixels = replace(row.pixels, size=side, resize=resize)
    row = replace(
        row, dim=DIM[name], pixels=pixels, input_size=side, repository=row.repository or "someone/model"
    )
    if row.tokens is None:
        return row
    pad = row.tokens.pad if row.tokens.pad < 500 else clip_end()
    return replace(row, tokens=replace(row.tokens, context=CONTEXT[name], pad=pad))


def clip_end() -> int:
    """The end token of the small vocabulary of CLIP's kind."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(GOLDEN / "tokenizer_clip.json"))
    return int(tokenizer.token_to_id("<|endoftext|>"))


def files(name: str, golden: Path = GOLDEN, prefix: str = "embeddings") -> dict[str, bytes]:
    """All files of a small network, its tokenizer included."""
    made = contents(name, golden, prefix)
    tokens = CATALOG[name].tokens
    if tokens is not None:
        kind = "gemma" if name.startswith("siglip") else "clip"
        made[tokens.file] = (golden / f"tokenizer_{kind}.json").read_bytes()
    return made


def put(folder: Path, name: str, changed: Mapping[str, bytes] | None = None) -> ModelRow:
    """A small network in a folder of models; its row says what its files are.

    Args:
        folder: of models.
        name: of the row whose architecture it has.
        changed: contents of files, where they are to be other ones.
    """
    row, made = tiny(name), files(name) | dict(changed or {})
    for file, data in made.items():
        place = folder / name / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    known = (replace(file, size=len(made[file.name]), sha256=None) for file in row.files)
    return replace(row, files=tuple(known))
