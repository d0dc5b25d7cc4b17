"""Asks every kind at once, under one deadline; merges what came back and names what did not."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial

from ambience.datatypes import Answer, FeatureSpec, KindState, KindStatus, Ranking
from ambience.errors import AmbienceError, ModelError
from ambience.fuse.verdict import merge
from ambience.search.base import KindSearch, TextSearch
from ambience.search.narrowing import Narrowing, narrowed
from ambience.search.question import Question
from ambience.search.vector import score


class Gateway:
    """One question to all kinds, one answer.

    Args:
        searches: by kind.
        texts: by kind, those that have words of pictures.
        deadline_s: a kind that has not answered by then is named as late.
        threads: questions that one kind answers at the same time. Each kind has its own, so that one that
            hangs makes no other late.
    """

    def __init__(
        self,
        searches: Mapping[str, KindSearch],
        *,
        deadline_s: float,
        threads: int,
        texts: Mapping[str, TextSearch] | None = None,
    ) -> None:
        self._searches = searches
        self._texts = texts or {}
        self._deadline_s = deadline_s
        self._threads = threads
        self._pools = {kind: self._pool(kind) for kind in (*searches, *self._texts)}

    def _pool(self, kind: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix=f"gateway-{kind}")

    def over(
        self, searches: Mapping[str, KindSearch], texts: Mapping[str, TextSearch] | None = None
    ) -> "Gateway":
        """A gateway that asks other searches in the threads of this one, whose closing ends them.

        Args:
            searches: by kind.
            texts: by kind, those that have words of pictures.

        Returns:
            Another gateway.
        """
        texts = texts or {}
        for kind in (*searches, *texts):
            if kind not in self._pools:
                self._pools[kind] = self._pool(kind)
        other = Gateway({}, deadline_s=self._deadline_s, threads=self._threads)
        other._searches, other._texts, other._pools = searches, texts, self._pools
        return other

    def search(
        self,
        question: Question,
        *,
        k: int,
        same_files: Sequence[int] = (),
        narrowing: Narrowing | None = None,
    ) -> Answer:
        """The merged answer to a query.

        Args:
            question: by kind: features to search with, or why the query has none.
            k: hits asked of every kind.
            same_files: images whose bytes are those of the query.
            narrowing: a filter that all kinds share; None answers every image.

        Returns:
            All matches, not cut to k, and one status per kind of the question.
        """
        started = time.perf_counter()
        asked: dict[str, Future[Ranking]] = {
            kind: self._pools[kind].submit(
                narrowed(self._searches[kind], narrowing),
                given,
                k=k,
                picture=question.picture,
                expansion=question.expansion,
            )
            for kind, given in question.variants.items()
            if not isinstance(given, AmbienceError)
        }
        if question.text is not None:
            for kind, search in self._texts.items():
                by_text = search.by_text if narrowing is None else partial(narrowing.by_text, search)
                asked[kind] = self._pools[kind].submit(by_text, question.text, k=k)
        wait(asked.values(), timeout=self._deadline_s)
        if narrowing is not None:
            same_files = sorted(narrowing.kept(same_files))
        statuses, rankings = [], []
        for kind in (*question.variants, *(asked.keys() - question.variants.keys())):
            given = question.variants.get(kind)
            if isinstance(given, AmbienceError):
                state: KindState = "failed" if isinstance(given, ModelError) else "empty"
                statuses.append(KindStatus(kind, state, str(given)))
                continue
            status, ranking = self._outcome(kind, asked[kind], question.notes.get(kind, ""))
            statuses.append(status)
            if ranking is not None:
                rankings.append(ranking)
        specs = {each.spec.kind: _judged(each.spec, question) for each in self._searches.values()}
        specs |= {each.spec.kind: each.spec for each in self._texts.values()}
        matches = merge(rankings, specs, score, same_files=same_files)
        return Answer(matches, tuple(statuses), time.perf_counter() - started)

    def close(self) -> None:
        """Takes no more questions."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _outcome(self, kind: str, future: Future[Ranking], note: str) -> tuple[KindStatus, Ranking | None]:
        if not future.done():
            future.cancel()
            message = f"no answer within {self._deadline_s:g} s (search.deadline_s)"
            return KindStatus(kind, "late", message, took_s=self._deadline_s), None
        try:
            ranking = future.result()
        except AmbienceError as exc:
            return KindStatus(kind, "failed", str(exc)), None
        except Exception as exc:  # noqa: BLE001  the per-kind boundary: one kind's fault is not the others'
            return KindStatus(kind, "failed", f"{type(exc).__name__}: {exc}"), None
        return KindStatus(kind, "ok", note, pending=ranking.pending, took_s=ranking.took_s), ranking


def _judged(spec: FeatureSpec, question: Question) -> FeatureSpec:
    """A spec whose verdicts are those of the question: what fits words is no copy, however near it is."""
    return replace(spec, verdicts=spec.text_verdicts) if question.has_words else spec
