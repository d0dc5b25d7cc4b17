"""Every model that is known, one row each: what it is for, what its files are and where they are had.

Kinds ask `runtime.Models` for a model by the name of its row and never see a file or an address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ambience.errors import ModelError

HUB = "https://huggingface.co"
"""Where repositories of models are published."""


Task = Literal["patch_descriptor", "image_embedding", "image_text_embedding", "text_embedding"]
"""What a model makes of what: patches, pictures, pictures and sentences in one space, sentences."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: in the repository, and in the model's folder; in the import package where one carries it.
        size: bytes.
        sha256: lower-case hexadecimal; None where nobody states it.
        elsewhere: addresses of the same file outside of the hub.
        package: import package of the Python environment that carries the file; "" where it is downloaded.
    """

    name: str
    size: int
    sha256: str | None
    elsewhere: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a picture becomes the input of a model.

    Attributes:
        size: pixels of a side of the square that the model takes.
        fit: squash (aspect ignored), letterbox (whole picture on black), or crop (short side, then centre).
        resample: filter of the reduction, antialiased.
        mean: subtracted from values of 0–1, per channel.
        std: by which the rest is divided.
        resize: short side before a crop, at least `size`; 0: `size`.
        middle: where a crop begins whose margins are not alike: floor, as transformers has it, or rounded to
            even, as torchvision and open_clip have it.
    """

    size: int
    fit: Literal["squash", "letterbox", "crop"] = "squash"
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)
    resize: int = 0
    middle: Literal["floor", "rounded"] = "floor"


@dataclass(frozen=True, slots=True)
class Tokens:
    """How a sentence becomes the input of a model.

    Attributes:
        file: of the model that holds the tokenizer, as Hugging Face's `tokenizers` writes it.
        context: tokens that the model takes, those at both ends included.
        pad: token that fills up.
        is_lowercase: whether sentences are made lower case before.
        has_mask: whether the graph takes an attention mask as well.
        end: token that ends every sentence, where the tokenizer's file does not say so by itself.
    """

    file: str
    context: int
    pad: int
    is_lowercase: bool = False
    has_mask: bool = False
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Tower:
    """One graph of a model.

    Attributes:
        file: that holds it, an ONNX graph, or the weights that it is built from.
        output: of the graph that holds the embedding.
        pooling: what is made of the output: nothing, its first token, or the mean of its tokens.
        graph: file of `models/graphs/` that builds it from its weights; "" for ONNX.
    """

    file: str
    output: str
    pooling: Literal["none", "first", "mean"] = "none"
    graph: str = ""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model.

    Attributes:
        name: by which it is asked for; part of the fingerprint of what it makes.
        title: one line for people.
        task: what it makes of what.
        graph: file of `models/graphs/` that builds it from its weights; "" where its towers say it.
        repository: on the hub; "" where its files come otherwise.
        files: all that it needs.
        licence: SPDX name, of the weights.
        dim: numbers that it answers.
        input_size: pixels of a side of the square that it takes.
        pixels: of models that take pictures.
        tokens: of models that take sentences.
        image: graph for pictures.
        text: graph for sentences.
        prompts: sentences around a query, "{}" being the query; their embeddings are averaged.
        parts: other rows that it is made of.
        note: what people must know before they rely on it.
    """

    name: str
    title: str
    task: Task
    repository: str
    files: tuple[ModelFile, ...]
    licence: str
    dim: int
    graph: str = ""
    input_size: int = 0
    pixels: Pixels | None = None
    tokens: Tokens | None = None
    image: Tower | None = None
    text: Tower | None = None
    prompts: tuple[str, ...] = ("{}",)
    parts: tuple[str, ...] = ()
    note: str = ""

    def addresses(self, file: ModelFile) -> tuple[str, ...]:
        """Where a file of it is had, the hub first."""
        return (f"{HUB}/{self.repository}/resolve/main/{file.name}", *file.elsewhere)


# Neither author states a sha256. Those below are what projects that use the files state of their copies: of
# HardNet's, two that know nothing of each other; of HardNet8's, one of these two. The sizes are what PyTorch
# itself writes for these tensors, in the form of the file's day.
_ROWS = (
    ModelRow(
        name="hardnet8",
        title="HardNet8: 32×32 patches to 128 numbers, 8 layers and a projection (2020)",
        task="patch_descriptor",
        graph="hardnet",
        repository="kornia/hardnet",
        files=(
            ModelFile(
                name="hardnet8v2.pt",
                size=36_163_489,
                sha256="5982f6d2c647545f13e74e8b011110fea2408130015a1496713253d9c00a941b",
                elsewhere=("http://cmp.felk.cvut.cz/~mishkdmy/hardnet8v2.pt",),
            ),
        ),
        licence="MIT",
        dim=128,
        input_size=32,
    ),
    ModelRow(
        name="hardnet",
        title="HardNet: 32×32 patches to 128 numbers, 7 layers (2017)",
        task="patch_descriptor",
        graph="hardnet",
        repository="kornia/hardnet",
        files=(
            ModelFile(
                name="checkpoint_liberty_with_aug.pth",
                size=5_345_580,
                sha256="1e9a41b19f1dc93c986e91df9aaf5696d1a777ac1d67498492856a65d6f49c16",
                elsewhere=(
                    "https://github.com/DagnyT/hardnet/raw/master/pretrained/train_liberty_with_aug/"
                    "checkpoint_liberty_with_aug.pth",
                ),
            ),
        ),
        licence="MIT",
        dim=128,
        input_size=32,
    ),
)

CATALOG: Mapping[str, ModelRow] = {row.name: row for row in _ROWS}
"""Rows by name."""


def model_row(name: str, catalog: Mapping[str, ModelRow] = CATALOG) -> ModelRow:
    """The row of a model.

    Args:
        name: of the row.
        catalog: in which it is looked up.

    Returns:
        The row.

    Raises:
        ModelError: there is none of that name; the message lists what there is.
    """
    if name not in catalog:
        raise ModelError(f"no model {name!r}; have {', '.join(sorted(catalog))}")
    return catalog[name]
