"""Text lines in a small SQLite file of their own: what the index of words follows, without a library."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambience.words import Corner, ImageWords, TextLine

QUAD = (Corner(0, 0), Corner(1, 0), Corner(1, 0.1), Corner(0, 0.1))


@dataclass(frozen=True)
class Placed:
    line_id: int
    image_id: int
    place: int
    line: TextLine


class LineTable:
    """Follows the contract of the records: ids rise, and are never used again."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
        with self._connection:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS text_lines (line_id INTEGER PRIMARY KEY AUTOINCREMENT,"
                " image_id INTEGER, place INTEGER, text TEXT)"
            )

    def put(self, image_id: int, texts: Iterable[str]) -> None:
        """Gives an image these lines in place of those that it had."""
        with self._connection:
            self._connection.execute("DELETE FROM text_lines WHERE image_id = ?", (image_id,))
            self._connection.executemany(
                "INSERT INTO text_lines (image_id, place, text) VALUES (?, ?, ?)",
                [(image_id, place, text) for place, text in enumerate(texts)],
            )

    def remove(self, image_id: int) -> None:
        self.put(image_id, [])

    def lines_after(self, line_id: int, limit: int) -> list[Placed]:
        query = "SELECT * FROM text_lines WHERE line_id > ? ORDER BY line_id LIMIT ?"
        return [_placed(row) for row in self._connection.execute(query, (line_id, limit))]

    def lines(self, line_ids: Sequence[int]) -> dict[int, Placed]:
        marks = ", ".join("?" * len(line_ids))
        query = f"SELECT * FROM text_lines WHERE line_id IN ({marks})"
        return {row[0]: _placed(row) for row in self._connection.execute(query, list(line_ids))}

    def line_count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM text_lines").fetchone()[0])

    def words(self, image_ids: Sequence[int]) -> dict[int, ImageWords]:
        query = "SELECT * FROM text_lines WHERE image_id = ? ORDER BY place"
        lines = {
            each: tuple(_placed(row).line for row in self._connection.execute(query, (each,)))
            for each in image_ids
        }
        return {image_id: ImageWords(lines=found) for image_id, found in lines.items() if found}


def _placed(row: tuple[int, int, int, str]) -> Placed:
    return Placed(row[0], row[1], row[2], TextLine(row[3], QUAD, 0.9))
