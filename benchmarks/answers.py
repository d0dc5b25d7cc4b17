"""What searches answer to transformed photographs: asked once, kept, and resumed where a run was cut short.

A search is more than features and a way to compare them: it has an index, proves its candidates and looks
again where it is unsure. So it is asked as people ask it, with the bytes of a file. `SearchPlan` says how to
open one in a worker process; `answers_of` asks for every photo and keeps the answers of each in one file,
whose folder is named by everything that could change them.
"""

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cases import Case, make_fixture
from photos import Photo, Split
from report import cores

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What keeps libraries to one thread: worker processes share the cores among themselves."""


@dataclass(frozen=True)
class Found:
    """One picture that a search answered.

    Attributes:
        key: sha256 of its file.
        score: greater is better, above 0.
        correlation: of the pixels after alignment, where the search compares them.
        is_copy: what the search makes of that.
    """

    key: str
    score: float
    correlation: float | None = None
    is_copy: bool | None = None


@dataclass(frozen=True)
class Answered:
    """What a search answered to one query.

    Attributes:
        found: of the whole gallery.
        masked: of the gallery without the query's true picture; the same as `found` where it is not in there.
        cpu_s: processor seconds of the first of both, decoding and extraction included, on one thread.
        wall_s: seconds of the same.
    """

    found: tuple[Found, ...]
    masked: tuple[Found, ...]
    cpu_s: float
    wall_s: float


class Search(Protocol):
    """A search that is open."""

    def ask(self, data: bytes, own: str | None) -> Answered:
        """Answers to a file's bytes; `own` is the key of its true picture in the gallery, if it is there."""


class SearchPlan(Protocol):
    """How to open a search; crosses to worker processes.

    Attributes:
        folder: where answers are kept, named by all that could change them.
    """

    folder: Path

    def prepare(self) -> None:
        """Makes what `open` opens, where it is not there yet; called once, before all."""

    def open(self) -> Search:
        """The search, in a worker process."""


class Asked(Protocol):
    """One photo to be asked for.

    Attributes:
        own: key of its picture in the gallery, or None where that does not hold it.
        file: name of the file that keeps the answers.
    """

    @property
    def own(self) -> str | None:
        """See above."""

    @property
    def file(self) -> str:
        """See above."""

    def queries(self) -> list[bytes]:
        """Bytes of the files to ask with."""


@dataclass(frozen=True)
class TransformedPhoto:
    """A photo under every transform.

    Attributes:
        case: the photo.
        is_held: whether it is in the gallery, and to be asked for again with its picture there kept out.
    """

    case: Case
    is_held: bool

    @property
    def own(self) -> str | None:
        """As `Asked` says."""
        return self.case.photo.key if self.is_held else None

    @property
    def file(self) -> str:
        """Named by the transforms, the photo, and its part."""
        fixture = self.case.fixture
        return f"{fixture.parent.name}-{fixture.stem}-{'held' if self.is_held else 'not'}.json"

    def queries(self) -> list[bytes]:
        """41 files, made where they are not there."""
        make_fixture(self.case)
        with np.load(self.case.fixture) as files:
            return [files[name].tobytes() for name in files.files]


def code_stamp(files: Sequence[Path]) -> str:
    """Sixteen digits that change with the content of any of these sources."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


_open: dict[str, Search] = {}


def start_worker(plan: SearchPlan) -> None:
    """Opens the search of a worker process; OpenCV keeps to one thread."""
    import cv2

    cv2.setNumThreads(1)
    _open["search"] = plan.open()


def ask_photo(asked: Asked, folder: Path) -> None:
    """Asks with all files of a photo and keeps the answers."""
    answers = [asdict(_open["search"].ask(data, asked.own)) for data in asked.queries()]
    kept = folder / asked.file
    beside = kept.with_suffix(".part")
    beside.write_text(json.dumps(answers), encoding="utf-8")
    beside.replace(kept)


def answers_of(plan: SearchPlan, asked: Sequence[Asked], *, title: str) -> list[list[Answered]]:
    """Answers to every file of every photo, asked where they are not kept yet.

    Args:
        plan: how to open the search.
        asked: the photos.
        title: for the progress on stderr.

    Returns:
        One row a photo, one answer a file.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    missing = [each for each in asked if not (plan.folder / each.file).is_file()]
    if missing:
        plan.prepare()
        for variable in THREADS:
            os.environ.setdefault(variable, "1")
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(cores(), len(missing)), mp_context=context, initializer=start_worker, initargs=(plan,)
        ) as pool:
            running = [pool.submit(ask_photo, each, plan.folder) for each in missing]
            for number, done in enumerate(as_completed(running), start=1):
                done.result()
                print(f"\r{title}: {number} of {len(missing)} photos", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    return [_read(plan.folder / each.file) for each in asked]


def _read(file: Path) -> list[Answered]:
    def found(rows: Sequence[Mapping[str, Any]]) -> tuple[Found, ...]:
        return tuple(Found(**row) for row in rows)

    return [
        Answered(found(row["found"]), found(row["masked"]), row["cpu_s"], row["wall_s"])
        for row in json.loads(file.read_text(encoding="utf-8"))
    ]


def score_matrices(
    answers: Sequence[Sequence[Answered]], gallery: Sequence[Photo]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores as the rule wants them.

    Args:
        answers: (P, 41).
        gallery: the N photos that were searched.

    Returns:
        (P, 41, N) scores against the whole gallery, and the same with the true picture masked; 0 where a
        picture was not answered.
    """
    place = {photo.key: number for number, photo in enumerate(gallery)}
    shape = (len(answers), len(answers[0]), len(gallery))
    whole, masked = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for photo, row in enumerate(answers):
        for number, answer in enumerate(row):
            for matrix, hits in ((whole, answer.found), (masked, answer.masked)):
                for hit in hits:
                    matrix[photo, number, place[hit.key]] = hit.score
    return whole, masked


def narrowed(split: Split, *, queries: int, outsiders: int) -> tuple[Split, NDArray[np.int64]]:
    """The same gallery with fewer photos that are transformed: the first of each.

    Returns:
        The split, and the places that are left among queries, then outsiders.
    """
    held = len(split.queries)
    left = np.concatenate(
        [np.arange(min(queries, held)), held + np.arange(min(outsiders, len(split.outsiders)))]
    )
    narrow = Split(split.gallery, split.queries[:queries], split.outsiders[:outsiders], split.is_half_a[left])
    return narrow, left
