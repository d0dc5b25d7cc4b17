"""Several pictures and sentences become one question: one vector, where a kind has both in one space.

The vector of a question of terms is l2(Σ wᵢ·eᵢ): the sum of their embeddings eᵢ, each of unit length, by
weight wᵢ, brought to unit length again. Since every picture x is then ranked by x·Σ wᵢ·eᵢ = Σ wᵢ·cos(x, eᵢ),
a term counts by its weight alone, and one with a weight below 0 takes away from what is like it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Query, QueryPart, Region
from ambience.datatypes import FeatureSpec
from ambience.errors import QueryError

MOST_TERMS = 32
"""Terms of one question: each is a run of a model."""

LONGEST_TEXT = 10_000
"""Characters of a sentence: models read its first few hundred, and more than this was not typed."""

LEAST_LENGTH = 0.01
"""Length of Σ wᵢ·eᵢ / Σ |wᵢ| below which terms cancel out: stored embeddings are rounded, and the direction
of so short a sum is that of their rounding errors."""

MINUS = -1.0
"""Weight of what is said not to be found, where no other is given."""

_SHOWN = 40

_ROUNDING = 1e-6
"""Sums of shares may be above 1 by as much: they were divided by widths in pixels."""


def settled(query: Query) -> Query:
    """A question that was checked, in its simplest form.

    Args:
        query: as asked.

    Returns:
        Sentences without outer spaces and half characters; a single term as a plain question, since a weight
        says nothing where there is nothing else; a region that is the whole picture as none; anything else as
        it came.

    Raises:
        QueryError: it is empty, names more than one thing outside of `parts`, or a term is not one thing of a
            finite weight other than 0; there are too many; none has a weight above 0; or a region is none.
    """
    given = [name for name in ("data", "image_id", "text") if getattr(query, name) is not None]
    given += ["parts"] if query.parts else []
    if not given:
        raise QueryError("the query is empty; give a picture, the id of a stored image, or words")
    if len(given) > 1:
        raise QueryError(f"the query has {' and '.join(given)}; give one of them, or all of them as parts")
    if query.region is not None and (query.parts or query.text is not None):
        raise QueryError("a region is a part of one picture; give it with that picture, within parts")
    if query.text is not None:
        return replace(query, text=_sentence(query.text))
    if not query.parts:
        return replace(query, region=checked_region(query.region))
    parts = _checked_parts(query.parts)
    if len(parts) > 1:
        return replace(query, parts=parts)
    (only,) = parts
    return replace(
        query, parts=(), data=only.data, image_id=only.image_id, text=only.text, region=only.region
    )


def checked_region(region: Region | None) -> Region | None:
    """A region within its picture.

    Args:
        region: as asked.

    Returns:
        The same, with sums that are above 1 by rounding alone cut to 1; None where it is the whole picture.

    Raises:
        QueryError: it is not within 0–1, or has no width or no height.
    """
    if region is None:
        return None
    x, y, width, height = region
    is_within = all(map(math.isfinite, region)) and min(x, y) >= 0 and min(width, height) > 0
    if not is_within or max(x + width, y + height) > 1 + _ROUNDING or max(x, y) >= 1:
        shown = ", ".join(f"{each:g}" for each in region)
        raise QueryError(
            f"the region [{shown}] is not within the picture; give [left, top, width, height] as shares of "
            "its sides, 0 to 1, with a width and a height above 0"
        )
    region = (x, y, min(width, 1 - x), min(height, 1 - y))
    return None if region == (0, 0, 1, 1) else region


def terms(query: Query) -> tuple[QueryPart, ...]:
    """The terms of a settled question.

    Returns:
        One or more.
    """
    return query.parts or (QueryPart(query.data, query.image_id, query.text, region=query.region),)


def has_words(query: Query) -> bool:
    """Whether a sentence is among the terms of a question."""
    return any(part.text is not None for part in terms(query))


def sentence(query: Query) -> str | None:
    """What is looked for among the words that stand in pictures.

    Args:
        query: settled.

    Returns:
        All its sentences; None where a picture is among its terms, or something that is not wanted.
    """
    parts = terms(query)
    if any(part.text is None or part.weight < 0 for part in parts):
        return None
    return " ".join(part.text or "" for part in parts)


def takes(spec: FeatureSpec, query: Query) -> bool:
    """Whether a kind can be asked.

    Args:
        spec: of the kind.
        query: settled.

    Returns:
        True for a single picture. Words need a kind that has them in the space of its pictures; several
        pictures need embeddings, of which a sum means something.
    """
    if has_words(query):
        return spec.accepts_text
    return not query.parts or spec.metric == "cosine"


def answering(specs: Mapping[str, FeatureSpec], query: Query) -> tuple[str, ...]:
    """The kinds that can be asked.

    Args:
        specs: of the kinds of a library.
        query: settled.

    Returns:
        Their names, one or more.

    Raises:
        QueryError: there are none.
    """
    kinds = tuple(kind for kind, spec in specs.items() if takes(spec, query))
    if not kinds:
        raise QueryError(f"of the kinds asked ({', '.join(specs)}) {refusal(query, 'none')}")
    return kinds


def refusal(query: Query, who: str = "it") -> str:
    """Why a kind cannot be asked a settled question, in words for people."""
    if has_words(query):
        return f"{who} takes words; image_text_features does" if who == "none" else f"{who} takes no words"
    return f"{who} takes several pictures together" if who == "none" else f"{who} takes one picture at a time"


def combined(vectors: NDArray[Any], weights: Iterable[float]) -> NDArray[np.float32]:
    """One vector of several: l2(Σ wᵢ·l2(xᵢ)).

    Args:
        vectors: (N, D), of any length; a zero vector adds nothing.
        weights: N, finite.

    Returns:
        (D,) of unit length.

    Raises:
        QueryError: the terms cancel out.
    """
    wide = np.asarray(vectors, np.float64)
    scale = np.array(list(weights), np.float64)
    scale /= np.abs(scale).max()  # the greatest is 1, so that no sum overflows
    lengths = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    units = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    total = scale @ units
    length = math.sqrt(float(total @ total))
    if length < LEAST_LENGTH * float(np.abs(scale).sum()):
        raise QueryError("the terms of the question cancel out, so that nothing is left to look for")
    one: NDArray[np.float32] = (total / length).astype(np.float32)
    return one


def described(query: Query) -> str:
    """A question as people would say it: “dog on a beach”, without “snow”.

    Args:
        query: settled.

    Returns:
        One line.
    """
    plus = [_named(part, query.name) for part in terms(query) if part.weight > 0]
    minus = [_named(part, query.name) for part in terms(query) if part.weight < 0]
    return " and ".join(plus) + (f", without {' or '.join(minus)}" if minus else "")


def _named(part: QueryPart, name: str) -> str:
    if part.text is not None:
        text = " ".join(part.text.split())
        return f"“{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}”"
    picture = name if part.image_id is None else f"picture {part.image_id}"
    return picture if part.region is None else f"a region of {picture}"


def _checked_parts(parts: tuple[QueryPart, ...]) -> tuple[QueryPart, ...]:
    if len(parts) > MOST_TERMS:
        raise QueryError(f"the query has {len(parts)} parts; at most {MOST_TERMS} are taken")
    checked = []
    for number, part in enumerate(parts, 1):
        given = [name for name in ("data", "image_id", "text") if getattr(part, name) is not None]
        if len(given) != 1:
            raise QueryError(
                f"part {number} of the query has {' and '.join(given) or 'none'} of data, image_id and text; "
                "give exactly one"
            )
        if not math.isfinite(part.weight) or part.weight == 0:
            raise QueryError(
                f"part {number} of the query has the weight {part.weight}; it is a finite number other than "
                "0, below 0 for what shall not be found"
            )
        if part.text is not None and part.region is not None:
            raise QueryError(f"part {number} of the query is a text, which has no region")
        text = None if part.text is None else _sentence(part.text)
        checked.append(replace(part, text=text, region=checked_region(part.region)))
    if not any(part.weight > 0 for part in checked):
        raise QueryError(
            "the query only says what shall not be found; say also what to look for, in words or by a picture"
        )
    return tuple(checked)


def _sentence(text: str) -> str:
    """A sentence as a tokenizer takes it.

    Raises:
        QueryError: there is nothing in it, or too much.
    """
    if len(text) > LONGEST_TEXT:
        raise QueryError(f"the text has {len(text):,} characters; at most {LONGEST_TEXT:,} are taken")
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
    if not whole:
        raise QueryError("the text is empty; say in a few words what to look for")
    return whole
