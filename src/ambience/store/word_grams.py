"""Which words are spelled like a word: postings of letter pairs over the distinct words, in numpy arrays.

Pairs of letters, with the word's ends as letters of their own: an edit destroys at most two of them (three
where neighbors change places), so that even a word of four letters keeps some. Held by `vocabulary.py`, which
keeps them in the file of words; decision 0014 says what else was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

START, END = "\x02", "\x03"
_LETTER_BITS = np.uint64(21)


@dataclass(frozen=True, slots=True)
class WordGrams:
    """Postings of some forms of words (F forms, G distinct pairs, P postings); never changed.

    Attributes:
        pairs: (G,) uint64, rising.
        starts: (G + 1,) int64, where each pair's postings begin.
        forms: (P,) uint32, numbers of forms, rising within a pair.
        word_ids: (F,) int64, whose form it is.
        sizes: (F,) uint8, distinct pairs of each form, 255 at most.
    """

    pairs: NDArray[np.uint64]
    starts: NDArray[np.int64]
    forms: NDArray[np.uint32]
    word_ids: NDArray[np.int64]
    sizes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.word_ids)

    def alike(
        self, form: str, *, at_least: float, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The words that share most letter pairs with a form.

        Args:
            form: of the word asked for.
            at_least: smallest share of pairs.
            most: words at most.

        Returns:
            Word ids (at most `most`, in no order) and their share of pairs, 2·shared / (pairs of both), 0–1.
        """
        asked = np.unique(_pairs_of([form])[0])
        at = np.minimum(np.searchsorted(self.pairs, asked), max(len(self.pairs) - 1, 0))
        at = at[self.pairs[at] == asked] if len(self.pairs) else at[:0]
        if not len(at):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        lists = [self.forms[self.starts[each] : self.starts[each + 1]] for each in at]
        shared = np.bincount(np.concatenate(lists), minlength=len(self))
        enough = np.flatnonzero(shared >= max(1, int(at_least * len(asked) / 2)))
        share = (2.0 * shared[enough] / (len(asked) + self.sizes[enough])).astype(np.float32)
        kept = np.flatnonzero(share >= at_least)
        if len(kept) > most:
            kept = kept[np.argpartition(-share[kept], most - 1)[:most]]
        return self.word_ids[enough[kept]], share[kept]

    def packed(self) -> list[bytes]:
        """One string of bytes per attribute, in their order, little-endian."""
        return [getattr(self, each.name).tobytes() for each in fields(self)]

    @classmethod
    def unpacked(cls, parts: Sequence[bytes]) -> "WordGrams":
        """The inverse of `packed`.

        Returns:
            Postings over the given bytes, which are not copied.

        Raises:
            ValueError: they do not belong together.
        """
        dtypes = (np.uint64, np.int64, np.uint32, np.int64, np.uint8)
        pairs, starts, forms, word_ids, sizes = (
            np.frombuffer(each, dtype) for each, dtype in zip(parts, dtypes, strict=True)
        )
        is_whole = len(starts) == len(pairs) + 1 and starts[-1] == len(forms) and len(word_ids) == len(sizes)
        if not is_whole or (len(forms) and int(forms.max()) >= len(word_ids)):
            raise ValueError("these postings of letter pairs do not belong together")
        return cls(pairs, starts, forms, word_ids, sizes)


def grams_of(forms: Sequence[str], word_ids: Sequence[int]) -> WordGrams:
    """Postings of forms of words.

    Args:
        forms: F of them; a word may have several.
        word_ids: of each.
    """
    pairs, owners = _pairs_of(forms)
    return _postings(pairs, owners, np.asarray(word_ids, np.int64))


def merged_grams(parts: Sequence[WordGrams]) -> WordGrams:
    """One out of several.

    Returns:
        The forms of the first one first, numbered on.
    """
    offsets = np.cumsum([0, *map(len, parts)])
    pairs = np.concatenate([np.repeat(each.pairs, np.diff(each.starts)) for each in parts])
    owners = np.concatenate(
        [each.forms + np.uint32(at) for each, at in zip(parts, offsets[:-1], strict=True)], dtype=np.uint32
    )
    return _postings(pairs, owners, np.concatenate([each.word_ids for each in parts]))


def _pairs_of(forms: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The letter pairs of forms one after another, repeated ones too, and whose each one is."""
    joined = "".join(f"{START}{form}{END}" for form in forms)
    letters = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.fromiter((len(form) + 2 for form in forms), np.int64, len(forms))
    owners = np.repeat(np.arange(len(forms), dtype=np.uint32), lengths)
    pairs = (letters[:-1] << _LETTER_BITS) | letters[1:]
    is_inside = owners[:-1] == owners[1:]
    return pairs[is_inside], owners[:-1][is_inside]


def _postings(
    pairs: NDArray[np.uint64], owners: NDArray[np.uint32], word_ids: NDArray[np.int64]
) -> WordGrams:
    # Forms rise within each pair, here and in every part that is merged, so a stable sort keeps them rising.
    order = np.argsort(pairs, kind="stable")
    pairs, owners = pairs[order], owners[order]
    is_new = np.ones(len(pairs), bool)
    is_new[1:] = (pairs[1:] != pairs[:-1]) | (owners[1:] != owners[:-1])
    pairs, owners = pairs[is_new], owners[is_new]
    distinct, first = np.unique(pairs, return_index=True)
    sizes = np.minimum(np.bincount(owners, minlength=len(word_ids)), 255).astype(np.uint8)
    return WordGrams(distinct, np.append(first, len(owners)).astype(np.int64), owners, word_ids, sizes)
