"""Sentences become vectors: tokens, a small transformer, and the mean of what it says of each token."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError, ModelError, QueryError
from ambience.models._openvino import imported_openvino
from ambience.models.catalog import ModelRow
from ambience.models.embedder import EmbeddedTexts
from ambience.models.picture_network import unit_length

VOCABULARY = "bert_uncased.txt"
"""The 30,522 tokens of BERT (uncased), one a line, in the order of their numbers."""

MAX_CHARACTERS = 100_000
"""Characters that are cut into tokens at most; what is behind them could not matter."""

MAX_WORD = 100
"""Characters of a word beyond which it is not taken apart, as in BERT."""

TOGETHER = 32
"""Sentences of about as many tokens that run in one call."""

FILLED = 4
"""Tokens by which the shortest of them is filled up at most. A sentence and the same behind "a photo of" then
run together: 6 ms instead of 11, most of which was the change from one length to another."""


@cache
def known_words() -> frozenset[str]:
    """Whole words of the vocabulary, lower case: mostly English, and names of the world.

    Returns:
        Some 23,000.
    """
    return frozenset(token for token in vocabulary() if len(token) > 1 and token.isalpha())


class SentenceEncoder:
    """The encoder, ready to run; called from many threads at a time.

    Args:
        row: of the catalog.
        graph: the ONNX file.
        compile_graph: makes it ready for this processor.

    Raises:
        CorruptModelError: the file is not the one that is meant.

    Source: Reimers & Gurevych, "Sentence-BERT", EMNLP 2019; Wang et al., "MiniLM", NeurIPS 2020.
    """

    def __init__(self, row: ModelRow, graph: Path, compile_graph: Callable[[Any], Any]) -> None:
        self.row = row
        assert row.tokens is not None
        (file,) = row.files
        data = checked_bytes(graph, file.sha256)
        self._compiled = compile_graph(imported_openvino().Core().read_model(data))
        self._requests = threading.local()
        self._tokenizer = tokenizer(row.tokens.context)

    def embed_pictures(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """None: it takes sentences alone.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"the model {self.row.name} takes sentences and no pictures")

    def embed_texts(self, texts: Sequence[str]) -> EmbeddedTexts:
        """The mean over the tokens of each sentence, of unit length.

        Sentences of nearly as many tokens run together; what fills up the shorter ones is masked and not part
        of their mean, so that a sentence's vector hangs on its neighbors by no more than rounding.

        Args:
            texts: in English; more than 256 tokens (some 190 words) are cut, which the notes say.

        Returns:
            (N, 384) float32, and notes.

        Raises:
            QueryError: a sentence holds no word and no letter that the encoder knows.
        """
        encoded = [self._tokenizer.encode(text[:MAX_CHARACTERS]) for text in texts]
        notes = [_note(text, each) for text, each in zip(texts, encoded, strict=True)]
        embeddings = np.empty((len(texts), self.row.dim), np.float32)
        order = np.argsort([len(each.ids) for each in encoded], kind="stable")
        start = 0
        while start < len(order):
            most = len(encoded[order[start]].ids) + FILLED
            stop = start + 1
            while stop < min(start + TOGETHER, len(order)) and len(encoded[order[stop]].ids) <= most:
                stop += 1
            part = order[start:stop]
            embeddings[part] = self._run([encoded[place].ids for place in part])
            start = stop
        return EmbeddedTexts(unit_length(embeddings), tuple(notes))

    def _run(self, sentences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Means over the tokens of sentences, filled up to the longest of them."""
        if not hasattr(self._requests, "request"):  # memory for one call, which threads cannot share
            self._requests.request = self._compiled.create_infer_request()
        request: Any = self._requests.request
        tokens = np.zeros((len(sentences), max(map(len, sentences))), np.int64)
        is_told = np.zeros_like(tokens)
        for row, ids in enumerate(sentences):
            tokens[row, : len(ids)] = ids
            is_told[row, : len(ids)] = 1
        request.infer(
            {"input_ids": tokens, "attention_mask": is_told, "token_type_ids": np.zeros_like(tokens)}
        )
        states = request.get_output_tensor(0).data
        total = (states * is_told[..., None]).sum(axis=1)
        return np.asarray(total / is_told.sum(axis=1, keepdims=True), np.float32)


def tokenizer(context: int) -> Any:
    """BERT's tokenizer: lower case, accents dropped, words cut into the longest pieces of its vocabulary.

    Args:
        context: tokens at most, those at both ends included.

    Returns:
        `tokenizers.Tokenizer`.

    Source: Devlin et al., "BERT", NAACL 2019; Wu et al., "Google's Neural Machine Translation System", 2016.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    numbers = {token: number for number, token in enumerate(vocabulary())}
    made = Tokenizer(WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD))
    made.normalizer = BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    made.post_processor = BertProcessing(("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"]))
    made.enable_truncation(context)
    return made


def vocabulary() -> list[str]:
    """Tokens in the order of their numbers."""
    text = files("ambience.models").joinpath("data", VOCABULARY).read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")


def checked_bytes(path: Path, sha256: str | None) -> bytes:
    """Bytes of a model's file, if it is the one that is meant.

    Args:
        path: of the file.
        sha256: lower-case hexadecimal digest that it must have; None where none is known.

    Returns:
        All of them.

    Raises:
        CorruptModelError: it is another file.
    """
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise CorruptModelError(
            f"{path} has sha256 {found}, not {sha256}: broken on its way, or another file. "
            "Remove it and fetch it again"
        )
    return data


def _note(text: str, encoded: Any) -> str:
    """What people must know of how a sentence was read; "" where it was taken whole."""
    read = [token for token in encoded.tokens if token not in ("[CLS]", "[SEP]")]
    unknown = read.count("[UNK]")
    if unknown == len(read):
        raise QueryError(
            f"nothing in {text[:40]!r} is known to the text encoder, which reads English words; "
            "ask in English words"
        )
    notes = []
    if encoded.overflowing or len(text) > MAX_CHARACTERS:
        end = encoded.offsets[-2][1]
        notes.append(f"only the first {end:,} of {len(text):,} characters were read")
    if unknown:
        notes.append(f"{unknown} of {len(read)} words or signs are not known to the text encoder")
    return "; ".join(notes)
