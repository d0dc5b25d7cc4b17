"""Walks files and folders: what is there, in a steady order, without following a loop or reading pixels.

Every folder is visited once, however many paths and links lead to it. What cannot be read is reported and
passed over; the rest goes on.
"""

# os.scandir and os.path over plain strings: a Path object per file costs more than all the rest.
# ruff: noqa: PTH100, PTH111, PTH112, PTH113, PTH116, PTH118, PTH122, PTH123

import mimetypes
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambience.decode.formats import sniff
from ambience.errors import UnsupportedFormatError
from ambience.store.base import FailedFile

CHUNK_FILES = 1024
"""Files that travel together from the scan; a folder of a million files comes in pieces."""
HEAD_BYTES = 512

_PLAIN = (
    "jpg jpeg jpe jfif jif mpo png apng gif webp bmp dib tif tiff heic heif hif avif avifs jxl jp2 j2k jpf "
    "jpx j2c jpc ico cur icns psd tga pnm ppm pgm pbm pcx sgi rgb ras dds qoi"
)
_RAW = (
    "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
)
PICTURE_EXTENSIONS = frozenset(f".{name}" for name in f"{_PLAIN} {_RAW}".split())
"""Files so named are pictures, and worth a word where they are not."""

_WEAK_MAGIC = frozenset({"bmp", "tga", "pcx", "sgi", "pnm", "ico", "cur"})
"""Formats whose first bytes other files have by chance: believed only where the ending agrees."""
_KNOWN_TYPES = mimetypes.MimeTypes(filenames=())


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is worth reading.

    Attributes:
        path: absolute; never resolved below the paths that were asked for.
        size: bytes.
        mtime_ns: of its last change.
    """

    path: str
    size: int
    mtime_ns: int


def absolute(path: Path | str) -> str:
    """The path under which the library knows a file or folder: absolute, links in its parents resolved.

    A folder itself is resolved as well; a link to a file keeps its own name.

    Returns:
        An absolute path without a trailing slash.
    """
    text = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if os.path.isdir(text):
        return os.path.realpath(text)
    folder, name = os.path.split(text)
    return os.path.join(os.path.realpath(folder), name)


def looks_like_picture(path: str) -> bool:
    """Whether a file is worth decoding: by its ending; by its first bytes where the ending says nothing.

    Returns:
        False for files that are clearly something else, empty ones of unknown ending included.

    Raises:
        OSError: the first bytes were needed and could not be read.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension in PICTURE_EXTENSIONS:
        return True
    if extension and _KNOWN_TYPES.guess_type(f"x{extension}")[0] is not None:
        return False
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        return sniff(head, name=path) not in _WEAK_MAGIC
    except UnsupportedFormatError:
        return False


class Scan:
    """One walk over the paths of a run.

    Attributes:
        skipped_files: files that are clearly no pictures, so far.
        unreadable: folders (and paths asked for) whose content could not be seen; nothing below them may be
            taken for gone.
        empty_roots: folders asked for that hold nothing at all, as the place of an unplugged drive does.
    """

    def __init__(
        self,
        roots: Sequence[str],
        *,
        hidden: bool,
        library: Path,
        is_explicit: bool = True,
        stop: threading.Event | None = None,
    ) -> None:
        """Prepares the walk.

        Args:
            roots: absolute paths of files and folders (see `absolute`).
            hidden: whether names that begin with a dot are taken as well, below the roots.
            library: folder of the library, whose own files are never added.
            is_explicit: whether a file among the roots was named by a person, and so is an error where it is
                no picture or does not exist.
            stop: ends the walk.
        """
        self.skipped_files = 0
        self.unreadable: list[str] = []
        self.empty_roots: list[str] = []
        # Files first: a folder then passes over those that were named beside it.
        self._roots = sorted(roots, key=os.path.isdir)
        self._hidden, self._is_explicit = hidden, is_explicit
        self._stop = stop or threading.Event()
        self._library = os.path.realpath(library)
        self._visited = {_identity(library)} - {None}
        self._folders = [root + os.sep for root in roots if os.path.isdir(root)]
        self._named: set[str] = set()

    def __iter__(self) -> Iterator[list[Found | FailedFile]]:
        """Chunks of files in the order of their folders, and what could not be read."""
        for root in self._roots:
            if self._stop.is_set():
                return
            yield from self._root(root)

    def _root(self, root: str) -> Iterator[list[Found | FailedFile]]:
        try:
            if (root + os.sep).startswith(self._library + os.sep):
                raise OSError(f"{root} belongs to the library itself; give the folders of your pictures")
            status = os.stat(root)
            if stat.S_ISDIR(status.st_mode):
                yield from self._tree(root)
            elif root not in self._named:
                self._named.add(root)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(f"{root} is neither a file nor a folder")
                if self._is_explicit or self._is_candidate(root):
                    yield [Found(root, status.st_size, status.st_mtime_ns)]
        except OSError as exc:
            if self._is_explicit:
                yield [self._unreadable(root, exc)]

    def _tree(self, root: str) -> Iterator[list[Found | FailedFile]]:
        folders = [root]
        while folders and not self._stop.is_set():
            folder = folders.pop()
            identity = _identity(Path(folder))
            if identity in self._visited:
                continue
            if identity is not None:
                self._visited.add(identity)
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as exc:
                yield [self._unreadable(folder, exc)]
                continue
            if folder == root and not listed:
                self.empty_roots.append(root)
            inner: list[str] = []
            yield from self._files(listed, inner)
            folders += reversed(inner)

    def _files(self, listed: list[os.DirEntry[str]], inner: list[str]) -> Iterator[list[Found | FailedFile]]:
        """Chunks of the files of one folder; its folders are appended to `inner`."""
        chunk: list[Found | FailedFile] = []
        for entry in listed:
            if self._stop.is_set():
                return
            if entry.name.startswith(".") and not self._hidden:
                continue
            try:
                found = self._entry(entry, inner)
            except OSError as exc:
                found = self._unreadable(entry.path, exc)
            if found is not None:
                chunk.append(found)
            if len(chunk) >= CHUNK_FILES:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _entry(self, entry: os.DirEntry[str], inner: list[str]) -> Found | FailedFile | None:
        if entry.is_symlink() and self._is_found_elsewhere(entry.path):
            return None
        if entry.is_dir():
            inner.append(entry.path)
            return None
        if entry.path in self._named:
            return None
        if not entry.is_file():
            # A fifo, a socket, a device; a link that leads nowhere is worth a word if named like a picture.
            if entry.is_symlink() and os.path.splitext(entry.name)[1].lower() in PICTURE_EXTENSIONS:
                return failed_file(entry.path, "path_missing", f"{entry.path} is a link that leads nowhere")
            self.skipped_files += 1
            return None
        if not self._is_candidate(entry.path):
            return None
        status = entry.stat()
        return Found(entry.path, status.st_size, status.st_mtime_ns)

    def _is_candidate(self, path: str) -> bool:
        if looks_like_picture(path):
            return True
        self.skipped_files += 1
        return False

    def _is_found_elsewhere(self, link: str) -> bool:
        """Whether a link leads to something that this walk meets under its own name."""
        target = os.path.realpath(link)
        return any((target + os.sep).startswith(folder) for folder in self._folders)

    def _unreadable(self, path: str, exc: OSError) -> FailedFile:
        self.unreadable.append(path)
        return failed_file(
            path, "path_missing" if isinstance(exc, FileNotFoundError) else "path_unreadable", exc
        )


def failed_file(path: str, code: str, reason: object, *, size: int = 0, mtime_ns: int = 0) -> FailedFile:
    """A failure as reports and records hold it.

    Returns:
        A `FailedFile`.
    """
    if isinstance(reason, OSError) and reason.strerror:
        reason = f"{path}: {reason.strerror}"
    return FailedFile(path, size, mtime_ns, code, printable(str(reason)))


def is_filled(root: str) -> bool:
    """Whether a path is a file, or a folder that holds anything.

    Returns:
        False as well where it cannot be read.
    """
    try:
        if os.path.isfile(root):
            return True
        with os.scandir(root) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def is_absent(path: str) -> bool:
    """Whether nothing is at a path; a disk that cannot be read says nothing about it.

    Returns:
        True only where the system is sure.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def printable(text: str) -> str:
    """The text with bytes that are no UTF-8 (in file names) written as escapes.

    Returns:
        A string that can be encoded as UTF-8.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
