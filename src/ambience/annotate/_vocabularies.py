"""Lists of words that pictures may be tagged with: those that come along, and a library's own.

A library keeps its lists in `vocabularies/NAME.txt`, one word or phrase a line. A list that is there is
whole, since it is written beside its place and renamed.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from ambience.errors import SettingsError, VocabularyError
from ambience.models.catalog import CATALOG
from ambience.models.scenes import places
from ambience.store.sync import sync
from ambience.words import IMPORT, USER

FOLDER, SUFFIX = "vocabularies", ".txt"

BUILT_IN = ("general", "places365")
"""`general` is of our own making; `places365` are the names of its kinds of place."""

MAX_BYTES, MAX_WORDS, MAX_LENGTH = 1_000_000, 10_000, 100
"""Of a file; of a list; letters of one of its words."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_RESERVED = frozenset({USER, IMPORT, *BUILT_IN, *CATALOG})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One list.

    Attributes:
        name: the source of the tags that it gives.
        words: in their order; each once, whatever its case.
        is_own: whether the library's people made it.
    """

    name: str
    words: tuple[str, ...]
    is_own: bool = False

    @property
    def digest(self) -> str:
        """Another one where a word is another one."""
        return hashlib.sha256("\n".join((self.name, *self.words)).encode()).hexdigest()[:16]


def parsed_words(data: bytes, where: str) -> tuple[str, ...]:
    """The words of a file: one a line, in UTF-8; empty lines and those that begin with `#` are passed over.

    Args:
        data: of the file.
        where: the file, for messages.

    Returns:
        Words in NFC, without double spaces; of those that differ in case alone the first.

    Raises:
        VocabularyError: it is too large, no text, or holds no word, too many, or one that is none.
    """
    if len(data) > MAX_BYTES:
        raise VocabularyError(f"{where} has {len(data):,} bytes; a list has at most {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise VocabularyError(
            f"{where} is no text in UTF-8 (byte {exc.start:,}); save it as UTF-8, one word a line"
        ) from exc
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        word = " ".join(unicodedata.normalize("NFC", line).split())
        if word and not word.startswith("#"):
            _check_word(word, f"line {number} of {where}")
            found.setdefault(word.casefold(), word)
    if not 0 < len(found) <= MAX_WORDS:
        raise VocabularyError(
            f"{where} holds {len(found):,} words; a list has 1 to {MAX_WORDS:,}, one a line"
        )
    return tuple(found.values())


def _check_word(word: str, where: str) -> None:
    if len(word) > MAX_LENGTH:
        raise VocabularyError(f"{where} has {len(word):,} letters; a word or phrase has at most {MAX_LENGTH}")
    if not word.isprintable() or not any(letter.isalnum() for letter in word):
        raise VocabularyError(
            f"{where} is {word!r}, which is no word: it takes letters or digits, all visible"
        )


@cache
def built_in(name: str) -> Vocabulary:
    """A list that comes along, by its name."""
    if name == "places365":
        return Vocabulary(name, tuple(readable(place.name) for place in places()))
    data = (files("ambience.annotate") / "vocabularies" / f"{name}{SUFFIX}").read_bytes()
    return Vocabulary(name, parsed_words(data, name))


def readable(place: str) -> str:
    """A kind of place as people say it: "bakery/shop" is "bakery shop", "ball_pit" is "ball pit"."""
    return place.replace("/", " ").replace("_", " ")


class Vocabularies:
    """The lists of one library, and those that come along.

    Args:
        folder: of the library; None where there is none, and so no lists of its own.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / FOLDER
        self._known: dict[Path, tuple[tuple[int, int], Vocabulary]] = {}

    def all(self) -> list[Vocabulary]:
        """Every list, those that come along first, then the library's own by name.

        Raises:
            VocabularyError: a list of the library was damaged.
        """
        return [*map(built_in, BUILT_IN), *map(self._read, self._own())]

    def chosen(self, names: Collection[str]) -> list[Vocabulary]:
        """Lists by name; without any name, `general` and every one of the library's own.

        Raises:
            SettingsError: there is no such list.
            VocabularyError: a list of the library was damaged.
        """
        found = {each.name: each for each in self.all()}
        if not names:
            return [each for each in found.values() if each.is_own or each.name == BUILT_IN[0]]
        if unknown := [name for name in names if name not in found]:
            raise SettingsError(
                f"annotate.tags.vocabularies names {unknown[0]!r}; have {', '.join(found)}. "
                "To make one: ambience tags vocabulary add FILE"
            )
        return [found[name] for name in names]

    def add(self, name: str, words: Iterable[str]) -> Vocabulary:
        """Keeps a list, in the place of one of the same name.

        Args:
            name: small letters, digits, - and _, 40 at most.
            words: as `parsed_words` answers them.

        Returns:
            The list.

        Raises:
            VocabularyError: the name is none, or is taken by something else; or it cannot be written.
        """
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise VocabularyError(
                f"{name!r} is no name for a list: it takes a–z, 0–9, - and _, 40 at most, and none of "
                f"{', '.join(sorted(_RESERVED))}; give another one with --name"
            )
        made = Vocabulary(name, tuple(words), is_own=True)
        folder = self._own_folder()
        try:
            folder.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".part", delete=False) as part:
                try:
                    part.write("".join(f"{word}\n" for word in made.words).encode())
                    part.flush()
                    os.fsync(part.fileno())
                    Path(part.name).replace(folder / f"{name}{SUFFIX}")
                except BaseException:
                    with contextlib.suppress(OSError):
                        Path(part.name).unlink()
                    raise
            sync(folder)
        except OSError as exc:
            raise VocabularyError(f"the list {name} is not kept in {folder}: {exc}") from exc
        return made

    def remove(self, name: str) -> None:
        """Forgets a list of the library's own.

        Raises:
            VocabularyError: there is none of that name, or it cannot be deleted.
        """
        own = {place.stem: place for place in self._own()}
        if name not in own:
            reason = "comes with Ambience" if name in BUILT_IN else "is not there"
            raise VocabularyError(
                f"the list {name!r} {reason}; lists of your own: {', '.join(own) or 'none'}"
            )
        try:
            own[name].unlink()
            sync(own[name].parent)
        except OSError as exc:
            raise VocabularyError(f"the list {name} is not deleted: {exc}") from exc

    def _own_folder(self) -> Path:
        if self._folder is None:
            raise VocabularyError("lists of one's own belong to a library, and there is none")
        return self._folder

    def _own(self) -> list[Path]:
        """Files of the library's own lists; what is not named like one is no list."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = (place for place in self._folder.iterdir() if place.suffix == SUFFIX)
        return sorted(place for place in found if _NAME.fullmatch(place.stem) and place.stem not in _RESERVED)

    def _read(self, place: Path) -> Vocabulary:
        """A list, read anew only where its file is another one: this is asked before every picture."""
        try:
            found = place.stat()
            stamp = found.st_mtime_ns, found.st_ino
            known = self._known.get(place)
            if known is None or known[0] != stamp:
                words = parsed_words(place.read_bytes(), str(place))
                known = self._known[place] = stamp, Vocabulary(place.stem, words, is_own=True)
        except OSError as exc:
            raise VocabularyError(f"{place} cannot be read: {exc}") from exc
        return known[1]
