"""Which kinds are asked what: pictures by their features, sentences also by words that stand in pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ambience.answers import Query
from ambience.datatypes import FeatureSpec
from ambience.errors import ModelError, QueryError
from ambience.search.combination import answering, sentence, takes
from ambience.search.question import Question, Questions
from ambience.search.word_question import NO_WORD, asked_words


def kinds_asked(specs: Mapping[str, FeatureSpec], texts: Collection[str], query: Query) -> tuple[str, ...]:
    """The kinds that a question is asked of, where it names none.

    Args:
        specs: of the kinds that have features.
        texts: names of the kinds that have words of pictures.
        query: settled.

    Returns:
        Their names.
    """
    with_features = [kind for kind, spec in specs.items() if takes(spec, query)]
    return (*with_features, *(texts if sentence(query) is not None else ()))


def asked(
    questions: Questions,
    specs: Mapping[str, FeatureSpec],
    texts: Collection[str],
    query: Query,
    by: Sequence[str] | None,
    *,
    lazily: bool = False,
) -> tuple[Question, bytes | None]:
    """What each kind is asked.

    A sentence is also looked for among the words that stand in pictures; where no other kind can be asked,
    that alone is.

    Args:
        questions: make features of queries.
        specs: of the kinds that have features.
        texts: names of the kinds that have words of pictures.
        query: settled.
        by: the only kinds to ask, all of them known; None or empty: all that can be asked.
        lazily: see `Questions.of`.

    Returns:
        The question, and the sha256 of the query's file where the query is one picture.

    Raises:
        AmbienceError: none of the kinds can be asked; with the reason of one of them.
        ImageError: the query's bytes are no usable picture.
        QueryError: words in pictures alone are asked for, and the query is more than words.
        UnknownImageError: an image of the query does not exist.
    """
    text = sentence(query) if texts else None
    words = None if text is None else asked_words(text)
    wanted = [kind for kind in by or () if kind not in texts]
    if by and len(wanted) == len(by):
        text = None
    elif by and text is None:
        raise QueryError("text takes words alone: no picture beside them, and nothing that is not wanted")
    elif words is not None and not words.units:
        if by and not wanted:
            raise QueryError(NO_WORD)
        text = None
    notes = {} if text is None or words is None else dict.fromkeys(texts, "; ".join(words.notes))
    if by and not wanted:
        return Question({}, notes=notes, text=text, has_words=True), None
    try:
        kinds = tuple(wanted) or answering(specs, query)
        question, sha256 = questions.of(query, kinds=kinds, lazily=lazily)
    except (ModelError, QueryError) as exc:
        if text is None:
            raise
        unable = wanted or [kind for kind, spec in specs.items() if spec.accepts_text]
        return Question(dict.fromkeys(unable, exc), notes=notes, has_words=True, text=text), None
    return replace(question, notes={**question.notes, **notes}, text=text), sha256
