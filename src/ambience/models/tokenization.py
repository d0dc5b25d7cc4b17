"""Sentences become the tokens that a model was trained on, by the tokenizer that its own files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError
from ambience.models.row import Tokens

CHARACTERS_A_TOKEN = 64
"""Characters kept of a sentence, for each token of the context; no language has so many in a token."""


class Tokenized(NamedTuple):
    """Sentences as a model takes them.

    Attributes:
        ids: (N, context) int64, filled up with the padding token.
        mask: (N, context) int64, 1 where a token is and 0 where it is filled up.
        notes: one a sentence: what of it was cut, for people; "" where it was taken whole.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    notes: tuple[str, ...]


class SentenceTokenizer:
    """Of one model; called from many threads at a time.

    Args:
        file: `tokenizer.json`.
        tokens: how the model takes sentences.

    Raises:
        CorruptModelError: the file is no tokenizer.
    """

    def __init__(self, file: Path, tokens: Tokens) -> None:
        self.tokens = tokens
        self._tokenizer = read_tokenizer(file)
        self._added = self._tokenizer.num_special_tokens_to_add(False)
        ends_by_itself = tokens.end in self._tokenizer.encode("a").ids[-1:]
        self._end = [] if tokens.end is None or ends_by_itself else [tokens.end]
        self._room = tokens.context - self._added - len(self._end)
        if self._room < 1:
            raise CorruptModelError(
                f"{file} is not used: it adds {self._added} tokens to every sentence, and the model takes "
                f"{tokens.context}: another model's?"
            )

    def tokenize(self, texts: Sequence[str]) -> Tokenized:
        """Tokens of sentences, in their order.

        Args:
            texts: of any length; what is too long is cut at its end, and the end token is kept.

        Returns:
            Tokens, mask and notes.
        """
        ids = np.full((len(texts), self.tokens.context), self.tokens.pad, np.int64)
        mask = np.zeros_like(ids)
        notes = []
        for row, text in enumerate(texts):
            found, note = self._encoded(text)
            ids[row, : len(found)] = found
            mask[row, : len(found)] = 1
            notes.append(note)
        return Tokenized(ids, mask, tuple(notes))

    def _encoded(self, text: str) -> tuple[list[int], str]:
        """Tokens of one sentence, and what was cut of it."""
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # halves of a character
        most = CHARACTERS_A_TOKEN * self.tokens.context
        part = self._lowered(text[:most])
        encoding = self._tokenizer.encode(part, add_special_tokens=False)
        count = len(encoding.ids)
        encoding.truncate(self._room)
        ids = [*self._tokenizer.post_process(encoding).ids, *self._end]
        return ids, self._note(count, len(text) > most)

    def _lowered(self, text: str) -> str:
        if not self.tokens.is_lowercase:
            return text
        from tokenizers.normalizers import Lowercase

        lowered: str = Lowercase().normalize_str(text)  # str.lower knows of a final sigma, and this does not
        return lowered

    def _note(self, count: int, is_part: bool) -> str:
        if count <= self._room and not is_part:
            return ""
        kept = min(count, self._room)
        return (
            f"the text is too long for the model: it read the first {kept} of "
            f"{'more than ' if is_part else ''}{max(count, kept)} tokens (pieces of words)"
        )


def read_tokenizer(file: Path) -> Any:
    """A tokenizer as `tokenizers` writes it, without cutting and filling up.

    Args:
        file: `tokenizer.json`.

    Returns:
        `tokenizers.Tokenizer`.

    Raises:
        CorruptModelError: the file is no tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except Exception as exc:  # the library raises no narrower class
        raise CorruptModelError(f"{file} is not used: it is no tokenizer: {str(exc)[:200]}") from exc
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
