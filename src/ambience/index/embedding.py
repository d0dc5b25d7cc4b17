"""Nearest embeddings by cosine distance: all compared while few, then candidates by codes, ranked exactly.

Up to `train_from` vectors every one is compared (`_few_vectors.py`). From there on searches visit the nearest
of inverted lists and estimate distances from one bit a value (`_code_lists.py`), and rank the best of them by
the exact distance, so that only vectors whose list is not visited are missed: `benchmarks/search.py --kind
embeddings` measures how many. `range_search` stays exact, by a bound from below
(`_sketches.py`).

Where the settings say so, vectors are PCA-whitened first (`_whitening.py`), as fitted to the library; the
distances answered are then those of whitened vectors.

Source: Sivic & Zisserman, "Video Google", ICCV 2003, for inverted lists; codes as in RaBitQ.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.errors import IndexFileError, QueryError, SettingsError
from ambience.index._code_lists import FORMS, CodeLists
from ambience.index._few_vectors import FewVectors, units
from ambience.index._files import link
from ambience.index._many_vectors import ManyVectors, Thoroughness
from ambience.index._ranking import Answer, check_metric, checked_queries, checked_vectors, padded
from ambience.index._sketches import Sketches
from ambience.index._slots import IdSlots, Slots
from ambience.index._whitening import FILE as WHITENING_FILE
from ambience.index._whitening import LEAST, Whitening
from ambience.index.base import Fetch
from ambience.settings import setting

__all__ = ["EmbeddingIndex"]

SAMPLE_ROWS = 65_536
"""Most vectors that middles of lists are made of, and that whitening is fitted to."""

GROWTH = 4
"""Times the number of vectors that an index was trained for, beyond which another would serve better."""

RECALL_AT = 10
TRAINING_FILE = "training.json"
CHOICES = ("auto", "exact", *FORMS)

Held = FewVectors | ManyVectors


@dataclass(frozen=True, slots=True)
class EmbeddingOptions:
    """Settings of the index of embeddings."""

    form: str = setting(
        "auto", "",
        "What searches look at: one_bit of each value, opq (256 bytes a vector, as the original), exact, "
        "or auto: exact while vectors are few, then one_bit.",
    )  # fmt: skip
    train_from: int = setting(20_000, "vectors", "Below this, every vector is compared exactly.", minimum=1)
    lists: int = setting(0, "lists", "Inverted lists; 0: twice the square root of the vectors.", minimum=0)
    probes: int = setting(256, "lists", "Inverted lists that a search visits.", minimum=1)
    rerank: int = setting(
        50, "vectors", "Candidates ranked by exact distance, beside those that are asked for.", minimum=0
    )
    exact_below: int = setting(
        1000, "vectors", "Where a search is restricted to fewer, all of them are compared exactly.", minimum=0
    )
    whitening: bool = setting(
        False, "", "Whiten vectors by the principal components of the library (not for search by words)."
    )


@dataclass(frozen=True, slots=True)
class Training:
    """What an index was trained for.

    Attributes:
        form: "exact", or of the codes.
        expected: vectors of the library; 0: never.
        is_whitened: whether vectors are.
        is_tried: whether whitening was asked for, even if there was too little to fit it to.
    """

    form: str = "exact"
    expected: int = 0
    is_whitened: bool = False
    is_tried: bool = False


class EmbeddingIndex:
    """Cosine distance, 1 − q·x / (|q||x|); 1 where either is all zeros."""

    options_class: ClassVar[type[EmbeddingOptions]] = EmbeddingOptions
    metrics: ClassVar[frozenset[Metric]] = frozenset({"cosine"})
    default_for: ClassVar[frozenset[Metric]] = frozenset({"cosine"})

    def __init__(self, spec: FeatureSpec, options: EmbeddingOptions, *, fetch: Fetch | None = None) -> None:
        check_metric("embedding", spec, self.metrics)
        if options.form not in CHOICES:
            raise SettingsError(
                f"kinds.{spec.kind}.index_form = {options.form!r}; it is one of {', '.join(CHOICES)}"
            )
        self._spec, self._options, self._fetch = spec, options, fetch
        self._whitening: Whitening | None = None
        self._training = Training()
        self._held: Held = FewVectors.empty(spec.entries)

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds (N, D) vectors under (N,) ids not yet held; lengths do not matter.

        Raises:
            QueryError: ids or vectors are not as the contract says, or a number is not finite.
        """
        vectors = self._finite(checked_vectors(features, self._spec))
        self._held.add(np.asarray(ids, np.int64), self._prepared(vectors))

    def remove(self, ids: Ids) -> int:
        """Forgets ids at once; unknown ones are passed over.

        Returns:
            How many were held.
        """
        return self._held.remove(ids)

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query, nearest first, ties by id.

        Returns:
            distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).

        Raises:
            QueryError: queries or k are not as the contract says, or a number is not finite.
        """
        checked = self._prepared(self._finite(checked_queries(queries, self._spec, k=k)))
        held = self._held
        return padded(held.nearest(checked, k, _chosen(held.slots, allowed)), k)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Everything at `radius` or nearer (inclusive), nearest first, ties by id; exact in every form.

        Returns:
            One (distances, ids) pair per query.

        Raises:
            QueryError: queries or radius are not as the contract says, or a number is not finite.
        """
        checked = self._prepared(self._finite(checked_queries(queries, self._spec, radius=radius)))
        held = self._held
        chosen = _chosen(held.slots, allowed)
        return [held.within(query, radius, chosen) for query in checked]

    def ids(self) -> Ids:
        """The ids held, ascending."""
        slots = self._held.slots
        return slots.ids[slots.chosen(None)]

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes everything; of a trained index, what has not changed is linked from an earlier snapshot.

        Afterwards a trained index reads codes from what it wrote, memory-mapped, whatever the folder is
        called later.
        """
        self._held = self._held.write(folder, previous)
        if self._whitening is not None:
            if previous is not None and (previous / WHITENING_FILE).exists():
                link(previous / WHITENING_FILE, folder / WHITENING_FILE)
            else:
                self._whitening.write(folder)
        text = json.dumps(asdict(replace(self._training, form=self._held.name)))
        (folder / TRAINING_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: EmbeddingOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Opens what `save` wrote, memory-mapped.

        Returns:
            An index that answers as the saved one did, whatever form the options ask for by now:
            `is_outgrown` then says so.

        Raises:
            IndexFileError: files are missing or malformed, or made with `fetch` and opened without.
        """
        index = cls(spec, options, fetch=fetch)
        training = index._training = _read_training(folder)
        if training.is_whitened:
            index._whitening = Whitening.read(folder, dim=spec.entries)
        if training.form == "exact":
            index._held = FewVectors.read(folder, dim=spec.entries)
        else:
            kept = "" if fetch is not None else index._kept_dtype
            index._held = ManyVectors.read(
                folder, dim=spec.entries, kept=kept, fetched=index._fetched,
                thoroughness=index._thoroughness,
            )  # fmt: skip
        return index

    def is_outgrown(self) -> bool:
        """Whether there are so many vectors that (other) lists or whitening should be made of them.

        Returns:
            True as well where the options ask for another form than what was opened has, or for whitening.
        """
        count, wanted, options = len(self), self._form_for(len(self)), self._options
        if self._held.name != wanted and (wanted != "exact" or options.form == "exact"):
            return True
        if self._training.is_whitened and not options.whitening:
            return True
        if options.whitening and self._is_too_early:
            return count >= LEAST
        is_trained = options.whitening or wanted != "exact"
        return is_trained and count >= max(LEAST, GROWTH * self._training.expected)

    def sample_size(self, expected: int) -> int:
        """As many as lists are made of, where `expected` vectors call for them; as many for whitening."""
        is_trained = self._options.whitening or self._form_for(expected) != "exact"
        return min(expected, SAMPLE_ROWS) if is_trained else 0

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Fits whitening and makes empty inverted lists, where options and `expected` vectors call for them.

        Raises:
            QueryError: the sample is not as the contract says, or a number is not finite.
        """
        vectors = self._finite(checked_vectors(sample, self._spec))
        form = self._form_for(expected)
        if not len(vectors) or (form == "exact" and not self._options.whitening):
            return
        if self._options.whitening:
            self._whitening = Whitening.fitted(vectors, expected=expected)
        is_whitened = self._whitening is not None
        self._training = Training(form, expected, is_whitened, is_tried=self._options.whitening)
        if form == "exact":
            return
        prepared = self._prepared(vectors)
        prepared = prepared[prepared.any(axis=1)]
        if not len(prepared):
            return
        lists, unit = self._options.lists or int(2 * expected**0.5), units(prepared)
        codes, sketches = CodeLists.trained(unit, lists=lists, form=form), Sketches.trained(unit)
        kept = None if self._fetch is not None else np.empty((0, self._spec.entries), self._kept_dtype)
        zeros = np.empty(0, np.int64)
        self._held = ManyVectors(IdSlots(), zeros, codes, sketches, kept, self._fetched, self._thoroughness)

    def recall(self, queries: NDArray[Any]) -> float:
        """Share of the ten nearest that a search finds; 1 where every vector is compared.

        All that is held is read once, and compared with all queries.

        Returns:
            0 to 1; a neighbor at the distance of the true tenth counts, whichever of those it is.
        """
        held = self._held
        if isinstance(held, FewVectors) or not len(held) or not len(queries):
            return 1.0
        found = self.search(queries, RECALL_AT).distances
        shares = [
            (row[: len(true)] <= true[-1]).mean()
            for row, (true, _) in zip(
                found, held.nearest_of_all(self._prepared(queries), RECALL_AT), strict=True
            )
        ]
        return float(np.mean(shares))

    def note(self) -> str:
        """What people must know where whitening was asked for and vectors are not whitened.

        Returns:
            Why they are not, and what helps; "" where all is as the options ask.
        """
        if not self._options.whitening or self._whitening is not None:
            return ""
        held = len(self)
        if held < LEAST:
            return (
                f"searched without whitening, which is fitted to {LEAST:,} vectors or more; it has {held:,}"
            )
        if self._is_too_early:
            return f"searched without whitening until it is trained anew: `ambience train {self._spec.kind}`"
        return "searched without whitening: its vectors hardly differ"

    def __len__(self) -> int:
        return self._held.slots.count

    @property
    def _is_too_early(self) -> bool:
        """Whether whitening was not tried yet, or with too few vectors."""
        training = self._training
        return not training.is_tried or (not training.is_whitened and training.expected < LEAST)

    @property
    def _thoroughness(self) -> Thoroughness:
        options = self._options
        return Thoroughness(options.probes, options.rerank, options.exact_below)

    @property
    def _kept_dtype(self) -> str:
        return "float16" if self._whitening is not None else self._spec.dtype

    def _form_for(self, count: int) -> str:
        """What options ask for where there are so many vectors."""
        options = self._options
        if options.form == "exact" or count < options.train_from:
            return "exact"
        return "one_bit" if options.form == "auto" else options.form

    def _prepared(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """Vectors as they are compared."""
        return vectors if self._whitening is None else self._whitening.applied(vectors)

    def _fetched(self, ids: Ids) -> NDArray[Any]:
        """Stored vectors as they are compared."""
        assert self._fetch is not None
        return self._prepared(self._fetch(ids))

    def _finite(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """The same vectors.

        Raises:
            QueryError: a number is not finite.
        """
        if not np.isfinite(vectors).all():
            raise QueryError(f"a {self._spec.kind} vector holds numbers that are not finite")
        return vectors


def _chosen(slots: IdSlots, allowed: Ids | None) -> Slots | None:
    return None if allowed is None else slots.chosen(allowed)


def _read_training(folder: Path) -> Training:
    """What `save` noted.

    Raises:
        IndexFileError: the file is missing or malformed.
    """
    file = folder / TRAINING_FILE
    try:
        held = Training(**json.loads(file.read_text(encoding="utf-8")))
        return Training(str(held.form), int(held.expected), bool(held.is_whitened), bool(held.is_tried))
    except (OSError, ValueError, TypeError) as exc:
        raise IndexFileError(f"cannot read {file}: {exc!r}; `ambience rebuild` makes it again") from exc
