"""The index of words: following, forgetting, and coming back from whatever happens to its file."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ambience import phonetics
from ambience.errors import IndexFileError
from ambience.phonetics.normalization import LONGEST_WORD
from ambience.store import word_file
from ambience.store.vocabulary import Vocabulary
from ambience.store.vocabulary_writer import VocabularyWriter
from support.text_lines import LineTable

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "index" / "words.sqlite"


@pytest.fixture
def table(tmp_path: Path) -> LineTable:
    return LineTable(tmp_path / "lines.sqlite")


def _standing(file: Path, words: list[str]) -> dict[str, list[tuple[int, int, int]]]:
    """Where words stand, as the index says."""
    vocabulary = Vocabulary(file)
    found = vocabulary.words(words)
    standing = {}
    for form, word in found.items():
        places, owners = vocabulary.places([word], most=10**6)
        assert len(places) == len(owners) == word.places
        standing[form] = sorted(places.tolist())
    vocabulary.close()
    return standing


def _made_texts(count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    letters = "etaoinshrdlu"
    words = ["".join(generator.choices(letters, k=generator.randint(2, 8))) for _ in range(count)]
    return [" ".join(generator.choices(words, k=generator.randint(1, 6))) for _ in range(count)]


def _expected(table: LineTable) -> dict[str, list[tuple[int, int, int]]]:
    standing: dict[str, list[tuple[int, int, int]]] = {}
    at = {}
    for line in table.lines_after(0, 10**6):
        for token in phonetics.tokens(line.line.text):
            number = at.get(line.image_id, 0)
            at[line.image_id] = number + 1
            standing.setdefault(phonetics.normalized(token), []).append((line.image_id, line.line_id, number))
    return {form: sorted(places) for form, places in standing.items()}


def test_words_stand_where_they_were_read(file: Path, table: LineTable) -> None:
    table.put(5, ["Open until midnight", "closed on Sunday"])
    table.put(9, ["OPEN"])
    writer = VocabularyWriter(file, table)
    assert writer.pending()
    assert writer.catch_up() == 3
    assert not writer.pending()
    assert _standing(file, ["open", "sunday", "nowhere"]) == {
        "open": [(5, 1, 0), (9, 3, 0)],
        "sunday": [(5, 2, 5)],
    }
    state = Vocabulary(file).state()
    assert state is not None
    assert (state.lines, state.images, state.line_id) == (3, 2, 3)
    writer.close()


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_batches_of_any_size_make_the_same_index(file: Path, table: LineTable, batch: int) -> None:
    for image_id, text in enumerate(_made_texts(150, seed=3)):
        table.put(image_id, [text, text[::-1]])
    writer = VocabularyWriter(file, table, batch=batch, part=40)
    assert writer.catch_up() == 300
    writer.close()
    expected = _expected(table)
    assert _standing(file, list(expected)) == expected


def test_words_of_many_places_fill_blocks(file: Path, table: LineTable) -> None:
    writer = VocabularyWriter(file, table, batch=50)
    for round_ in range(3):
        table.put(round_, ["one two one " * 100] * 4)
        writer.catch_up()
    expected = _expected(table)
    assert len(expected["one"]) == 2400
    assert _standing(file, ["one", "two"]) == expected
    vocabulary = Vocabulary(file)
    places, _ = vocabulary.places([vocabulary.words(["one"])["one"]], most=300)
    assert 300 <= len(places) < 300 + word_file.PLACES_OF_A_BLOCK


def test_a_reader_follows_and_finds_words_alike(file: Path, table: LineTable) -> None:
    vocabulary = Vocabulary(file)
    asked = phonetics.keys("restaurant")
    assert vocabulary.state() is None
    assert vocabulary.candidates(asked) == []
    assert vocabulary.words(["restaurant"]) == {}
    writer = VocabularyWriter(file, table, part=20)
    for image_id, text in enumerate(["resturant", "harbor", "restaurants", *_made_texts(90, seed=5)]):
        table.put(image_id, [text])
        if image_id % 10 == 2:
            writer.catch_up()
            found = {each.keys.normalized for each in vocabulary.candidates(asked)}
            assert {"resturant", "restaurants"} <= found
            assert "harbor" not in found
    assert writer.catch_up() == 0
    connection = sqlite3.connect(file)
    parts = connection.execute("SELECT words FROM grams_1 ORDER BY part_id").fetchall()
    connection.close()
    assert 1 <= len(parts) <= 6
    assert sum(words for (words,) in parts) >= 80


def test_reading_while_the_writer_writes(file: Path, table: LineTable) -> None:
    for image_id in range(400):
        table.put(image_id, [f"harbor number{image_id} of the coast"])
    writer = VocabularyWriter(file, table, batch=4, part=16)
    vocabulary = Vocabulary(file)
    counts = []
    thread = threading.Thread(target=writer.catch_up)
    thread.start()
    while thread.is_alive():
        found = vocabulary.words(["harbor"])
        if found:
            places, _ = vocabulary.places([found["harbor"]], most=10**6)
            counts.append(len(places))
        vocabulary.candidates(phonetics.keys("harbour"))
    thread.join()
    places, _ = vocabulary.places([vocabulary.words(["harbor"])["harbor"]], most=10**6)
    assert len(places) == 400
    assert counts == sorted(counts)
    assert all(count % 4 == 0 for count in counts)


def test_gone_lines_are_squeezed_out_beside_the_index_that_answers(file: Path, table: LineTable) -> None:
    texts = _made_texts(120, seed=8)
    for image_id, text in enumerate(texts):
        table.put(image_id, [text])
    writer = VocabularyWriter(file, table)
    writer.catch_up()
    for image_id in range(12):
        table.remove(image_id)
    writer.catch_up()
    state = Vocabulary(file).state()
    assert state is not None
    assert (state.generation, state.lines) == (1, 120)
    for image_id in range(12, 60):
        table.put(image_id, [texts[image_id][::-1]])
    reader = Vocabulary(file)
    writer.catch_up()
    state = reader.state()
    assert state is not None
    assert (state.generation, state.lines) == (2, 108)
    assert not writer.pending()
    assert len(reader.words([*_expected(table)])) == len(_expected(table))
    writer.close()
    expected = _expected(table)
    assert _standing(file, list(expected)) == expected


@pytest.mark.parametrize("damage", ["noise", "cut", "tables", "grams", "empty"])
def test_a_broken_file_is_made_anew(file: Path, table: LineTable, damage: str) -> None:
    for image_id, text in enumerate(_made_texts(200, seed=2)):
        table.put(image_id, [text])
    writer = VocabularyWriter(file, table, part=30)
    writer.catch_up()
    writer.close()
    _damage(file, damage)
    vocabulary = Vocabulary(file)
    try:
        for word in _expected(table):
            vocabulary.candidates(phonetics.keys(word))
    except IndexFileError as error:
        assert "made anew" in str(error)
    table.put(1000, ["afterwards"])
    assert writer.pending()
    writer.catch_up()
    expected = _expected(table)
    assert _standing(file, list(expected)) == expected
    # The reader that met the damage goes on with the new file.
    assert set(vocabulary.words(["afterwards"])) == {"afterwards"}


def _damage(file: Path, damage: str) -> None:
    data = file.read_bytes()
    if damage == "noise":
        file.write_bytes(os.urandom(len(data)))
    elif damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        connection = sqlite3.connect(file)
        change = "DROP TABLE words_1" if damage == "tables" else "UPDATE grams_1 SET forms = x'0102030405'"
        connection.execute(change)
        connection.commit()
        connection.close()


def test_another_version_of_the_phonetics_is_made_anew(file: Path, table: LineTable) -> None:
    table.put(1, ["harbor"])
    writer = VocabularyWriter(file, table)
    writer.catch_up()
    writer.close()
    connection = sqlite3.connect(file)
    connection.execute("UPDATE generations SET fingerprint = '1:old'")
    connection.commit()
    connection.close()
    vocabulary = Vocabulary(file)
    assert vocabulary.words(["harbor"]) == {}
    assert VocabularyWriter(file, table).catch_up() == 1
    assert set(vocabulary.words(["harbor"])) == {"harbor"}


def test_stopping_between_batches_loses_nothing(file: Path, table: LineTable) -> None:
    for image_id, text in enumerate(_made_texts(60, seed=4)):
        table.put(image_id, [text])
    writer = VocabularyWriter(file, table, batch=10)
    asked = iter([False, False, True])
    assert writer.catch_up(lambda: next(asked)) == 20
    assert writer.pending()
    assert writer.catch_up() == 40
    expected = _expected(table)
    assert _standing(file, list(expected)) == expected


_CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from ambience.store.vocabulary_writer import VocabularyWriter
from support.text_lines import LineTable
writer = VocabularyWriter(Path(sys.argv[1]), LineTable(Path(sys.argv[2])), batch=3, part=25)
print("ready", flush=True)
writer.catch_up()
print("done", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_leaves_a_file_to_go_on_with(tmp_path: Path, file: Path, table: LineTable) -> None:
    for image_id, text in enumerate(_made_texts(900, seed=6)):
        table.put(image_id, [text])
    remade = []
    for wait_s in (0.0, 0.02, 0.05, 0.1):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(file), str(tmp_path / "lines.sqlite"), str(ROOT / "tests")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(wait_s)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        child.stdin.close()
        if file.exists():
            state = Vocabulary(file).state()
            remade.append(state.lines if state else 0)
    assert remade == sorted(remade)
    writer = VocabularyWriter(file, table)
    writer.catch_up()
    writer.close()
    expected = _expected(table)
    assert _standing(file, list(expected)) == expected


def test_long_words_are_cut_and_marks_are_no_words(file: Path, table: LineTable) -> None:
    table.put(1, ["x" * 500, "-- ??? %%", "ok"])
    VocabularyWriter(file, table).catch_up()
    assert set(_standing(file, ["x" * LONGEST_WORD, "ok"])) == {"x" * 64, "ok"}
