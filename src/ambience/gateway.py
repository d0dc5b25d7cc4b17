"""Asks every kind at once, under one deadline; merges what came back and names what did not."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial

from ambience.answers import Answer, KindState, KindStatus, Ranking
from ambience.datatypes import FeatureSpec, Metric, QueryVariant
from ambience.errors import (
    AmbienceError,
    EmptyFeatureError,
    FeatureError,
    ModelError,
    ServiceLateError,
)
from ambience.fuse.calibration import Calibration
from ambience.fuse.ordering import EVIDENCE, ordered
from ambience.fuse.verdict import merge
from ambience.search.base import KindElsewhere, KindSearch, TextSearch
from ambience.search.narrowing import Narrowing, narrowed
from ambience.search.question import Question
from ambience.search.vector import score

_CHEAP_FIRST: tuple[Metric, ...] = ("words", "hamming", "l1", "l2", "inner_product", "cosine", "points")


class Gateway:
    """One question to all kinds, one answer.

    Args:
        searches: by kind.
        texts: by kind, those that have words of pictures.
        elsewhere: by kind, those that other processes serve.
        deadline_s: a kind that has not answered by then is named as late.
        threads: questions that one kind answers at the same time. Each kind has its own, so that one that
            hangs makes no other late.
        calibration: what figures of kinds prove; None leaves verdicts to each kind's own distances.
        order: of matches, by its name (`fuse.ordering`).
    """

    def __init__(
        self,
        searches: Mapping[str, KindSearch],
        *,
        deadline_s: float,
        threads: int,
        texts: Mapping[str, TextSearch] | None = None,
        elsewhere: Mapping[str, KindElsewhere] | None = None,
        calibration: Calibration | None = None,
        order: str = EVIDENCE,
    ) -> None:
        self._searches = searches
        self._texts, self._elsewhere = texts or {}, elsewhere or {}
        self._deadline_s = deadline_s
        self._threads = threads
        self._calibration = calibration
        self._order = order
        self._pools = {kind: self._pool(kind) for kind in (*searches, *self._texts, *self._elsewhere)}

    def _pool(self, kind: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix=f"gateway-{kind}")

    def over(
        self,
        searches: Mapping[str, KindSearch],
        texts: Mapping[str, TextSearch] | None = None,
        elsewhere: Mapping[str, KindElsewhere] | None = None,
    ) -> "Gateway":
        """A gateway that asks other searches in the threads of this one, whose closing ends them.

        Args:
            searches: by kind.
            texts: by kind, those that have words of pictures.
            elsewhere: by kind, those that other processes serve.

        Returns:
            Another gateway.
        """
        texts, elsewhere = texts or {}, elsewhere or {}
        for kind in (*searches, *texts, *elsewhere):
            if kind not in self._pools:
                self._pools[kind] = self._pool(kind)
        other = Gateway(
            {},
            deadline_s=self._deadline_s,
            threads=self._threads,
            calibration=self._calibration,
            order=self._order,
        )
        other._searches, other._texts, other._elsewhere = searches, texts, elsewhere
        other._pools = self._pools
        return other

    def search(
        self,
        question: Question,
        *,
        k: int,
        same_files: Sequence[int] = (),
        narrowing: Narrowing | None = None,
        wait_s: float | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """The merged answer to a query.

        Args:
            question: by kind: features to search with, or why the query has none; or the query itself.
            k: hits asked of every kind.
            same_files: images whose bytes are those of the query.
            narrowing: a filter that all kinds share; None answers every image.
            wait_s: answer after so many seconds with what is there by then; not beyond the deadline.
            on_answer: told what is known so far, each time a kind has answered and others have yet to.

        Returns:
            All matches, not cut to k, and one status per kind of the question.
        """
        started = time.perf_counter()
        patience_s = self._deadline_s if wait_s is None else min(wait_s, self._deadline_s)
        asked = self._ask(question, k, narrowing)
        kept = sorted(narrowing.kept(same_files)) if narrowing is not None else same_files
        waiting = set(asked.values())
        while waiting:
            left_s = started + patience_s - time.perf_counter()
            done, waiting = wait(waiting, timeout=left_s, return_when=FIRST_COMPLETED)
            if not done:
                break
            if waiting and on_answer is not None:
                so_far = {kind: future for kind, future in asked.items() if future not in waiting}
                on_answer(self._merged(question, so_far, kept, started, patience_s))
        return self._merged(question, asked, kept, started, patience_s)

    def _ask(self, question: Question, k: int, narrowing: Narrowing | None) -> dict[str, Future[Ranking]]:
        """Begins with every kind: those that cost this process nothing first, then the cheap ones."""
        asked: dict[str, Future[Ranking]] = {}
        for kind, query in question.elsewhere.items():
            ask = partial(self._elsewhere[kind].by_query, query, timeout_s=self._deadline_s)
            by_query = ask if narrowing is None else partial(narrowing.by_images, ask)
            asked[kind] = self._pools[kind].submit(by_query, k=k)
        for kind in sorted(question.variants, key=lambda kind: _cost(self._searches.get(kind))):
            given = question.variants[kind]
            if not isinstance(given, AmbienceError):
                asked[kind] = self._pools[kind].submit(self._ask_one(kind, question, narrowing), given, k=k)
        for kind in sorted(question.making, key=lambda kind: _cost(self._searches.get(kind))):
            search = partial(self._ask_one(kind, question, narrowing), k=k)
            asked[kind] = self._pools[kind].submit(_made_and_asked, question.making[kind], search)
        if question.text is not None:
            for kind, words in self._texts.items():
                by_text = words.by_text if narrowing is None else partial(narrowing.by_text, words)
                asked[kind] = self._pools[kind].submit(by_text, question.text, k=k)
        return asked

    def _ask_one(self, kind: str, question: Question, narrowing: Narrowing | None) -> Callable[..., Ranking]:
        """What a kind is asked by; takes variants and k."""
        search = narrowed(self._searches[kind], narrowing)
        return partial(search, picture=question.picture, expansion=question.expansion)

    def _merged(
        self,
        question: Question,
        asked: Mapping[str, Future[Ranking]],
        same_files: Sequence[int],
        started: float,
        patience_s: float,
    ) -> Answer:
        """One answer of what came back of the kinds asked; those still at work are named as late."""
        statuses, rankings = [], []
        kinds = question.kinds
        for kind in (*kinds, *(kind for kind in asked if kind not in kinds)):
            given = question.variants.get(kind)
            if isinstance(given, AmbienceError):
                state: KindState = "failed" if isinstance(given, ModelError) else "empty"
                statuses.append(KindStatus(kind, state, str(given)))
            elif kind in asked:
                note = question.notes.get(kind, "")
                status, ranking = _outcome(kind, asked[kind], note, patience_s)
                statuses.append(status)
                rankings += [] if ranking is None else [ranking]
        specs = {each.spec.kind: _judged(each.spec, question) for each in self._searches.values()}
        specs |= {each.spec.kind: _judged(each.spec, question) for each in self._elsewhere.values()}
        specs |= {each.spec.kind: each.spec for each in self._texts.values()}
        is_of_one_picture = not (question.has_words or question.is_composed)
        calibration = self._calibration if is_of_one_picture else None
        matches = merge(rankings, specs, score, same_files=same_files, calibration=calibration)
        matches = ordered(matches, rankings, self._order)
        return Answer(matches, tuple(statuses), time.perf_counter() - started)

    def close(self) -> None:
        """Takes no more questions."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(
    kind: str, future: Future[Ranking], note: str, patience_s: float
) -> tuple[KindStatus, Ranking | None]:
    """How a kind fared, and what it answered."""
    if not future.done():
        future.cancel()
        message = f"no answer within {patience_s:g} s (search.deadline_s)"
        return KindStatus(kind, "late", message, took_s=patience_s), None
    try:
        ranking = future.result()
    except EmptyFeatureError as exc:
        return KindStatus(kind, "empty", str(exc)), None
    except ServiceLateError as exc:
        return KindStatus(kind, "late", str(exc), took_s=patience_s), None
    except AmbienceError as exc:
        return KindStatus(kind, "failed", str(exc)), None
    except Exception as exc:  # noqa: BLE001  the per-kind boundary: one kind's fault is not the others'
        return KindStatus(kind, "failed", f"{type(exc).__name__}: {exc}"), None
    notes = "; ".join(filter(None, (note, ranking.note)))
    return KindStatus(kind, "ok", notes, pending=ranking.pending, took_s=ranking.took_s), ranking


def _made_and_asked(make: Callable[[], Sequence[QueryVariant]], ask: Callable[..., Ranking]) -> Ranking:
    """Makes the features of a query, and searches with them."""
    try:
        variants = make()
    except FeatureError as exc:
        raise EmptyFeatureError(str(exc)) from exc
    return ask(variants)


def _cost(search: KindSearch | None) -> int:
    """Place of a kind among others by what its search costs, which its metric tells."""
    return 0 if search is None else _CHEAP_FIRST.index(search.spec.metric)


def _judged(spec: FeatureSpec, question: Question) -> FeatureSpec:
    """A spec whose verdicts are those of the question: what fits words is no copy, however near it is."""
    return replace(spec, verdicts=spec.text_verdicts) if question.has_words else spec
