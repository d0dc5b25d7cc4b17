"""The distinct words of a library's pictures, and where each one stands: the reading side.

A small cache beside the records (`word_file.py`), which `vocabulary_writer.py` fills from their lines. Letter
pairs of all words are held in memory, tens of megabytes for a million lines; keys and places are read
from the file, of the words that a question needs. Every method answers as of one moment of the file.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ambience.phonetics import WordKeys
from ambience.store import word_file
from ambience.store.word_file import BLOCK_BITS, PLACE, PLACES_OF_A_BLOCK, Generation
from ambience.store.word_grams import WordGrams, grams_of

Places = NDArray[np.void]
"""Rows of `word_file.PLACE`."""

LIKE_SPELLED: Final = 800
"""Words that share most letter pairs, of which the keys are read."""

LEAST_SHARE: Final = 0.3
"""Smallest share of letter pairs: two errors in a word of six letters leave more."""

SAME_KEY: Final = 400
"""Words that share a reading, a pronunciation or a skeleton, whose keys are read: those nearest in length."""

_CHUNK = 500
_COLUMNS = "word_id, images, places, normalized, script, romanized, ipa, skeleton"


@dataclass(frozen=True, slots=True)
class FoundWord:
    """A word of the library.

    Attributes:
        word_id: of this word, as long as the same index serves.
        images: in which it stands, about: those that are gone count until the index is made anew.
        places: at which it stands, likewise.
        keys: by which it is compared.
    """

    word_id: int
    images: int
    places: int
    keys: WordKeys


class Vocabulary:
    """Looks words up; threads may share it, and it follows what the writer commits."""

    def __init__(self, file: Path) -> None:
        """Opens nothing yet.

        Args:
            file: of the index; need not exist yet, and may be made anew at any time.
        """
        self._file = file
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] = (0, 0)
        self._version = -1
        self._live: Generation | None = None
        self._parts: dict[int, WordGrams] = {}
        self._tail: tuple[int, list[tuple[int, str]], WordGrams | None] = (0, [], None)

    def state(self) -> Generation | None:
        """How far the index is that answers; None while there is none.

        Raises:
            IndexFileError: the file is broken; it is made anew in the background.
            StoreError: it cannot be read now.
        """
        with self._reading():
            return self._live

    def words(self, normalized: Sequence[str]) -> dict[str, FoundWord]:
        """Normalized form → word; those that stand nowhere are left out.

        Raises:
            IndexFileError: as `state`.
        """
        with self._reading() as live:
            if live is None:
                return {}
            found = self._found(live, "normalized", list(dict.fromkeys(normalized)))
            return {each.keys.normalized: each for each in found}

    def candidates(self, asked: WordKeys) -> list[FoundWord]:
        """Words that may be like a word: spelled alike, romanized alike, or of the same sounds.

        Args:
            asked: its keys.

        Returns:
            Some hundreds or a few thousand, in no order; likeness is for the caller to say.

        Raises:
            IndexFileError: as `state`.
        """
        with self._reading() as live:
            if live is None:
                return []
            near = {int(each) for form in _forms(asked) for each in self._spelled_alike(form)}
            for key in shared_keys(asked):
                near.update(self._same_key(live, key, len(asked.normalized)))
            return self._found(live, "word_id", sorted(near))

    def places(self, words: Sequence[FoundWord], *, most: int) -> tuple[Places, NDArray[np.intp]]:
        """Where words stand.

        Args:
            words: as this object returned them.
            most: places read; further words, and further places of the last one, are left out.

        Returns:
            Rows of `word_file.PLACE` and, for each, the index in `words`.

        Raises:
            IndexFileError: as `state`.
        """
        rows: list[bytes] = []
        owners: list[NDArray[np.intp]] = []
        left = most
        with self._reading() as live:
            if live is None:
                return np.empty(0, PLACE), np.empty(0, np.intp)
            for at, word in enumerate(words):
                if left <= 0:
                    break
                blocks = self._blocks(live, word.word_id, -(-left // PLACES_OF_A_BLOCK))
                count = sum(map(len, blocks)) // PLACE.itemsize
                left -= count
                rows += blocks
                owners.append(np.full(count, at, np.intp))
        joined = np.frombuffer(b"".join(rows), PLACE)
        return joined, np.concatenate(owners) if owners else np.empty(0, np.intp)

    def close(self) -> None:
        """Closes the file; the next question opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._live, self._version = None, None, -1
            self._parts, self._tail = {}, (0, [], None)

    @contextmanager
    def _reading(self) -> Iterator[Generation | None]:
        with self._lock:
            try:
                connection = self._followed()
                if connection is None:
                    yield None
                    return
                with word_file.transaction(connection, writes=False):
                    self._follow(connection)
                    yield self._live
            except (sqlite3.DatabaseError, ValueError) as fault:
                self.close()
                word_file.must_be_broken(fault)
                raise word_file.broken(self._file, fault) from fault

    def _followed(self) -> sqlite3.Connection | None:
        """A connection to the file that is there now; None while there is none."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            self.close()
            return None
        if self._connection is None or self._opened != (status.st_dev, status.st_ino):
            self.close()
            self._connection = word_file.connect(self._file, writes=False)
            self._opened = (status.st_dev, status.st_ino)
        return self._connection

    def _follow(self, connection: sqlite3.Connection) -> None:
        """Loads what was committed since; called within a transaction."""
        # The first read of the transaction fixes the moment; the version is of that moment then.
        generations = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'generations'")
        if not generations.fetchone()[0]:
            self._live = None
            return
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return
        live = next((each for each in word_file.generations(connection) if each.is_live), None)
        if live is not None and live.fingerprint != word_file.FINGERPRINT:
            live = None
        if live is None or self._live is None or live.generation != self._live.generation:
            self._parts, self._tail = {}, (0, [], None)
        self._live = live
        if live is not None:
            self._load_grams(connection, live)
        self._version = version

    def _load_grams(self, connection: sqlite3.Connection, live: Generation) -> None:
        table = f"grams_{live.generation}"
        held = connection.execute(f"SELECT part_id, last_word_id FROM {table} ORDER BY part_id").fetchall()
        parts = {}
        for part_id, _ in held:
            parts[part_id] = self._parts.get(part_id) or _part(connection, table, part_id)
        self._parts = parts
        start, forms, grams = self._tail
        if start != (held[-1][1] if held else 0):
            start, forms, grams = held[-1][1] if held else 0, [], None
        after = forms[-1][0] if forms else start
        new = forms_after(connection, live, after, live.last_word_id)
        if new or grams is None:
            forms = forms + new
            grams = grams_of([form for _, form in forms], [each for each, _ in forms])
        self._tail = (start, forms, grams)

    def _spelled_alike(self, form: str) -> NDArray[np.int64]:
        parts = [*self._parts.values(), *([self._tail[2]] if self._tail[2] is not None else [])]
        found = [each.alike(form, at_least=LEAST_SHARE, most=LIKE_SPELLED) for each in parts]
        ids = np.concatenate([each for each, _ in found])
        shares = np.concatenate([each for _, each in found])
        if len(ids) > LIKE_SPELLED:
            ids = ids[np.argpartition(-shares, LIKE_SPELLED - 1)[:LIKE_SPELLED]]
        return ids

    def _same_key(self, live: Generation, key: str, letters: int) -> list[int]:
        query = (
            f"SELECT word_id FROM keys_{live.generation} WHERE key = ?"
            " ORDER BY abs(letters - ?), word_id LIMIT ?"
        )
        return [row[0] for row in self._execute(query, (key, letters, SAME_KEY))]

    def _found(self, live: Generation, column: str, values: Sequence[Any]) -> list[FoundWord]:
        found = []
        for at in range(0, len(values), _CHUNK):
            chunk = values[at : at + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            query = f"SELECT {_COLUMNS} FROM words_{live.generation} WHERE {column} IN ({marks})"
            found += [
                FoundWord(row[0], row[1], row[2], WordKeys.from_row(*row[3:]))
                for row in self._execute(query, chunk)
            ]
        return found

    def _blocks(self, live: Generation, word_id: int, most: int) -> list[bytes]:
        first = word_id << BLOCK_BITS
        query = (
            f"SELECT rows FROM places_{live.generation}"
            " WHERE place_id BETWEEN ? AND ? ORDER BY place_id LIMIT ?"
        )
        return [row[0] for row in self._execute(query, (first, first + (1 << BLOCK_BITS) - 1, most))]

    def _execute(self, query: str, values: Sequence[Any]) -> list[Any]:
        assert self._connection is not None
        return self._connection.execute(query, values).fetchall()


def forms_after(
    connection: sqlite3.Connection, generation: Generation, after: int, last: int
) -> list[tuple[int, str]]:
    """Word id and form, of words after one and up to another, by rising word id."""
    query = (
        f"SELECT word_id, normalized, romanized FROM words_{generation.generation}"
        " WHERE word_id > ? AND word_id <= ? ORDER BY word_id"
    )
    return [
        (word_id, form)
        for word_id, normalized, romanized in connection.execute(query, (after, last))
        for form in dict.fromkeys((normalized, *romanized.split()))
    ]


def shared_keys(keys: WordKeys) -> list[str]:
    """The keys of a word by which others meet it exactly, marked by what they are.

    Two words meet by a skeleton if they meet by a pronunciation, but there only with many others.
    """
    marked = {"r": (keys.normalized, *keys.romanized), "i": keys.ipa, "s": keys.skeleton}
    return [f"{mark}:{key}" for mark, each in marked.items() for key in dict.fromkeys(each) if key]


def _forms(keys: WordKeys) -> list[str]:
    return list(dict.fromkeys(form for form in (keys.normalized, *keys.romanized) if form))


def _part(connection: sqlite3.Connection, table: str, part_id: int) -> WordGrams:
    columns = "pairs, starts, forms, word_ids, sizes"
    row = connection.execute(f"SELECT {columns} FROM {table} WHERE part_id = ?", (part_id,)).fetchone()
    return WordGrams.unpacked(row)
