"""Fills the index of words from the text lines of the records, a batch at a time.

Called by maintenance, in the one process that writes the library. Each batch is one transaction, so a process
that is killed at any time leaves a file that is good up to its last batch. Another version of the
phonetics, or a broken file, is removed and made anew.
"""

import dataclasses
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from ambience import phonetics
from ambience.errors import IndexFileError
from ambience.store import word_file
from ambience.store.vocabulary import forms_after, shared_keys
from ambience.store.word_file import BLOCK_BITS, PLACE, PLACES_OF_A_BLOCK, Generation
from ambience.store.word_grams import WordGrams, grams_of, merged_grams
from ambience.words import TextLine

LINES_OF_A_BATCH: Final = 5_000
WORDS_OF_A_PART: Final = 4_096
"""New words whose letter pairs are worth a part of the file; readers make those of fewer themselves."""

GONE_SHARE: Final = 0.25
"""Share of lines that are gone from the records, from which a new index is made beside the old one."""

_CHUNK = 500
_FORMS_KEPT = 200_000

_Rows = dict[str, list[tuple[int, int, int]]]


class PlacedLine(Protocol):
    """A text line of the records."""

    @property
    def line_id(self) -> int:
        """Rises with every line written, and is never used again."""

    @property
    def image_id(self) -> int:
        """Of its image."""

    @property
    def place(self) -> int:
        """In its image's reading order, from 0."""

    @property
    def line(self) -> TextLine:
        """Its text, and where it stands."""


class LineSource(Protocol):
    """The part of the records that the index follows."""

    def lines_after(self, line_id: int, limit: int) -> Sequence[PlacedLine]:
        """Lines with a greater id, by rising id."""

    def line_count(self) -> int:
        """Lines that are there."""


class VocabularyWriter:
    """Keeps the index of words up with the records."""

    def __init__(
        self,
        file: Path,
        records: LineSource,
        *,
        batch: int = LINES_OF_A_BATCH,
        part: int = WORDS_OF_A_PART,
    ) -> None:
        """Opens nothing yet.

        Args:
            file: of the index; its folder is made where it is absent.
            records: whose lines it follows.
            batch: lines of one transaction.
            part: new words from which their letter pairs are written to the file.
        """
        self._batch, self._part = batch, part
        self._file = file
        self._records = records
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._normalized: dict[str, tuple[str, ...]] = {}

    def pending(self) -> bool:
        """Whether `catch_up` has something to do, as far as one row of the records tells.

        Returns:
            True also before the first `catch_up`, which opens the file. Lines that are gone do not count.
        """
        with self._lock:
            if self._connection is None or word_file.broken_mark(self._file).exists():
                return True
            try:
                states = word_file.generations(self._connection)
            except sqlite3.DatabaseError:
                return True
            return len(states) != 1 or bool(self._records.lines_after(states[0].line_id, 1))

    def catch_up(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Takes in the lines that came since, batch by batch; makes the index anew where much of it is gone.

        Args:
            stop: asked between batches.

        Returns:
            Lines taken in.

        Raises:
            StoreFullError: the disk is full; what was taken in before is good.
            StoreError: the file cannot be written now.
            IndexFileError: it broke twice.
        """
        taken = 0
        is_remade = False
        with self._lock:
            while not stop():
                try:
                    count = self._step()
                except (sqlite3.DatabaseError, ValueError) as fault:
                    self._close()
                    word_file.must_be_broken(fault)
                    if is_remade:
                        raise IndexFileError(
                            f"the index of words breaks whenever it is made: {fault}"
                        ) from fault
                    is_remade = True
                    word_file.remove(self._file)
                    continue
                if not count:
                    break
                taken += count
        return taken

    def close(self) -> None:
        """Closes the file; the next `catch_up` opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _step(self) -> int:
        """One batch of one generation: of the one that answers first, then of the one that is being made.

        Returns:
            How much was done; 0 when nothing is left.
        """
        connection = self._opened()
        states = word_file.generations(connection)
        for state in states:
            lines = self._records.lines_after(state.line_id, self._batch)
            if lines:
                with word_file.transaction(connection, writes=True):
                    _Batch(connection, state, self._normalized, self._part).add(lines)
                return len(lines)
        if len(states) > 1:
            with word_file.transaction(connection, writes=True):
                word_file.keep(connection, dataclasses.replace(states[-1], is_live=True))
                for state in states[:-1]:
                    word_file.drop_generation(connection, state.generation)
        elif states[0].lines - self._records.line_count() > GONE_SHARE * states[0].lines:
            with word_file.transaction(connection, writes=True):
                word_file.begin_generation(connection, is_live=False)
            return 1
        return 0

    def _opened(self) -> sqlite3.Connection:
        if word_file.broken_mark(self._file).exists():
            self._close()
            word_file.remove(self._file)
        if self._connection is not None and self._file.exists():
            return self._connection
        self._close()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        connection = word_file.connect(self._file, writes=True)
        self._connection = connection
        with word_file.transaction(connection, writes=True):
            states = word_file.generations(connection)
            is_current = bool(states) and all(
                each.fingerprint == word_file.FINGERPRINT and each.is_live == (each is states[0])
                for each in states
            )
            if not is_current:
                for state in states:
                    word_file.drop_generation(connection, state.generation)
                word_file.begin_generation(connection, is_live=True)
        return connection


class _Batch:
    """Some lines on their way into one generation, within a transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        state: Generation,
        normalized: dict[str, tuple[str, ...]],
        part: int,
    ) -> None:
        self._connection, self._state, self._part = connection, state, part
        self._normalized = normalized
        self._words, self._keys, self._places, self._grams = (
            f"{name}_{state.generation}" for name in ("words", "keys", "places", "grams")
        )

    def add(self, lines: Sequence[PlacedLine]) -> None:
        """Adds lines that follow those of the state, and writes the state."""
        rows, state = self._standing(lines)
        word_ids, state = self._known(rows, state)
        self._append(rows, word_ids)
        self._write_grams(state)
        word_file.keep(self._connection, state)

    def _standing(self, lines: Sequence[PlacedLine]) -> tuple[_Rows, Generation]:
        """Normalized word → where it stands in these lines."""
        rows: _Rows = {}
        state = self._state
        image_id, at, images = state.image_id, state.next_at, state.images
        for line in lines:
            if line.image_id != image_id or line.place == 0:
                # Words are numbered on from line to line, so that a phrase goes on over the line's end.
                images += line.image_id != image_id
                image_id, at = line.image_id, 0
            for token in phonetics.tokens(line.line.text):
                for form in self._forms(token):
                    rows.setdefault(form, []).append((image_id, line.line_id, at))
                at += 1
        return rows, dataclasses.replace(
            state,
            line_id=lines[-1].line_id,
            image_id=image_id,
            next_at=at,
            lines=state.lines + len(lines),
            images=images,
        )

    def _forms(self, token: str) -> tuple[str, ...]:
        """The normalized forms under which a word is found: its own, and those of its pieces."""
        forms = self._normalized.get(token)
        if forms is None:
            if len(self._normalized) >= _FORMS_KEPT:
                self._normalized.clear()
            made = map(phonetics.normalized, (token, *phonetics.pieces(token)))
            forms = self._normalized[token] = tuple(dict.fromkeys(form for form in made if form))
        return forms

    def _known(self, rows: _Rows, state: Generation) -> tuple[dict[str, int], Generation]:
        """Ids of words, with those that are new written."""
        forms = list(rows)
        ids: dict[str, int] = {}
        for at in range(0, len(forms), _CHUNK):
            chunk = forms[at : at + _CHUNK]
            query = f"SELECT normalized, word_id FROM {self._words} WHERE normalized IN ({_marks(chunk)})"
            ids.update(self._connection.execute(query, chunk))
        new = [form for form in forms if form not in ids]
        made, shared = [], []
        for word_id, form in enumerate(new, state.last_word_id + 1):
            ids[form] = word_id
            keys = phonetics.keys(form)
            made.append((word_id, form, *keys.as_row()[1:], 0, 0, 0))
            shared += [(key, len(form), word_id) for key in shared_keys(keys)]
        self._connection.executemany(f"INSERT INTO {self._words} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", made)
        self._connection.executemany(f"INSERT INTO {self._keys} VALUES (?, ?, ?)", sorted(shared))
        return ids, dataclasses.replace(state, last_word_id=state.last_word_id + len(new))

    def _append(self, rows: _Rows, word_ids: dict[str, int]) -> None:
        """Adds places to the last block of each word, and further blocks where that one is full."""
        counts = self._counts([word_ids[form] for form in rows])
        last = {
            word_id: (word_id << BLOCK_BITS) + blocks - 1
            for word_id, (places, blocks) in counts.items()
            if places % PLACES_OF_A_BLOCK
        }
        held = self._blocks(list(last.values()))
        written: list[tuple[int, bytes]] = []
        sums: list[tuple[int, int, int, int]] = []
        for form, places in rows.items():
            word_id = word_ids[form]
            count, blocks = counts[word_id]
            data = np.array(places, PLACE).tobytes()
            if word_id in last:
                data, blocks = held[last[word_id]] + data, blocks - 1
            size = PLACES_OF_A_BLOCK * PLACE.itemsize
            for at in range(0, len(data), size):
                written.append(((word_id << BLOCK_BITS) + blocks, data[at : at + size]))
                blocks += 1
            images = len({image_id for image_id, _, _ in places})
            sums.append((images, count + len(places), blocks, word_id))
        self._connection.executemany(f"INSERT OR REPLACE INTO {self._places} VALUES (?, ?)", written)
        self._connection.executemany(
            f"UPDATE {self._words} SET images = images + ?, places = ?, blocks = ? WHERE word_id = ?", sums
        )

    def _counts(self, word_ids: list[int]) -> dict[int, tuple[int, int]]:
        counts = {}
        for at in range(0, len(word_ids), _CHUNK):
            chunk = word_ids[at : at + _CHUNK]
            query = f"SELECT word_id, places, blocks FROM {self._words} WHERE word_id IN ({_marks(chunk)})"
            counts.update({row[0]: (row[1], row[2]) for row in self._connection.execute(query, chunk)})
        return counts

    def _blocks(self, place_ids: list[int]) -> dict[int, bytes]:
        blocks: dict[int, bytes] = {}
        for at in range(0, len(place_ids), _CHUNK):
            chunk = place_ids[at : at + _CHUNK]
            query = f"SELECT place_id, rows FROM {self._places} WHERE place_id IN ({_marks(chunk)})"
            blocks.update(self._connection.execute(query, chunk))
        return blocks

    def _write_grams(self, state: Generation) -> None:
        """Makes a part of the words that none has yet, and merges it with those that are not much larger."""
        held = self._connection.execute(
            f"SELECT part_id, last_word_id, words FROM {self._grams} ORDER BY part_id"
        ).fetchall()
        after = held[-1][1] if held else 0
        if state.last_word_id - after < self._part:
            return
        forms = forms_after(self._connection, state, after, state.last_word_id)
        parts = [grams_of([form for _, form in forms], [word_id for word_id, _ in forms])]
        part_id = held[-1][0] + 1 if held else 1
        while held and held[-1][2] <= 2 * sum(map(len, parts)):
            merged_id, _, _ = held.pop()
            columns = "pairs, starts, forms, word_ids, sizes"
            query = f"SELECT {columns} FROM {self._grams} WHERE part_id = ?"
            parts.insert(0, WordGrams.unpacked(self._connection.execute(query, (merged_id,)).fetchone()))
            self._connection.execute(f"DELETE FROM {self._grams} WHERE part_id = ?", (merged_id,))
        whole = merged_grams(parts) if len(parts) > 1 else parts[0]
        self._connection.execute(
            f"INSERT INTO {self._grams} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (part_id, state.last_word_id, len(whole), *whole.packed()),
        )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
